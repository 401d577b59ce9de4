"""Each page under AppTest: useful at first sight, one sentence for bad input, no model run for a slider."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import pytest
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints, session
from tests.conftest import ROOT, STRANGE_TEXTS, tiny_classifier, tiny_language_model

TEXT_KEYS = {"neurons": "keep_neurons_text", "gradients": "keep_gradient_text", "sentiment": "keep_review"}


@pytest.fixture(autouse=True)
def _two_tiny_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are tested on tiny models, so that they hold whatever is shipped."""
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_language_model(tmp_path / "tiny-lm")
    tiny_classifier(tmp_path / "imdb-lstm")
    tiny_classifier(tmp_path / "imdb-rnn", "rnn_tanh")


def _page(name: str) -> AppTest:
    code = f"from rnnviz import session\nfrom rnnviz.pages import {name}\nsession.keep_state()\n"
    return AppTest.from_string(code + f"session.guarded({name}.render)()\n", default_timeout=60).run()


def _html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


@pytest.mark.parametrize("name", TEXT_KEYS)
def test_first_sight_is_filled_in(name: str) -> None:
    app = _page(name)
    assert not app.exception
    assert not app.error
    assert app.text_area(key=TEXT_KEYS[name]).value
    assert app.title[0].value == name.capitalize()
    app.run()
    assert not [warning.value for warning in app.warning if "Session State" in warning.value]
    drawn = app.get("vega_lite_chart") if name != "neurons" else app.get("bidi_component")
    assert drawn


@pytest.mark.parametrize("text", ["", "   \n\t "], ids=["empty", "blank"])
@pytest.mark.parametrize("name", TEXT_KEYS)
def test_empty_text_is_one_sentence(name: str, text: str) -> None:
    app = _page(name)
    app.text_area(key=TEXT_KEYS[name]).set_value(text).run()
    assert not app.exception
    assert len(app.error) == 1
    assert "empty" in app.error[0].value
    app.text_area(key=TEXT_KEYS[name]).set_value("good film, the plot").run()
    assert not app.error


@pytest.mark.parametrize("text", STRANGE_TEXTS.values(), ids=STRANGE_TEXTS)
@pytest.mark.parametrize("name", TEXT_KEYS)
def test_strange_texts(name: str, text: str) -> None:
    app = _page(name)
    app.text_area(key=TEXT_KEYS[name]).set_value(text).run()
    assert not app.exception
    assert app.text_area(key=TEXT_KEYS[name]).value == text
    if name == "gradients" and len(text) == 1:
        assert "too short" in app.error[0].value
    else:
        assert not app.error
    assert "<script" not in _html(app)


def test_punctuation_alone_is_one_sentence() -> None:
    app = _page("sentiment")
    app.text_area(key="keep_review").set_value("... !!").run()
    assert not app.exception
    assert "no word" in app.error[0].value


def test_long_text_says_what_is_shown() -> None:
    app = _page("neurons")
    app.text_area(key="keep_neurons_text").set_value("a fox " * 3500).run()
    assert "first 2,000 characters" in app.info[0].value


def test_words_are_counted_as_the_tokenizer_does() -> None:
    app = _page("sentiment")
    app.text_area(key="keep_review").set_value("a," * 3000).run()
    assert "first 2,000 words" in app.info[0].value
    assert any("first 300 of 2,000 words" in caption.value for caption in app.caption)


def test_a_long_text_is_cut_for_gradients_and_the_page_says_so() -> None:
    app = _page("gradients")
    app.text_area(key="keep_gradient_text").set_value("ab" * 150 + "c").run()
    assert not app.info
    app.text_area(key="keep_gradient_text").set_value("ab" * 150 + "cd").run()
    assert "301 steps" in app.info[0].value


def test_fresh_networks_do_not_depend_on_what_others_do_meanwhile() -> None:
    session.fresh_decay.clear()
    texts = [f"text number {i} of many" for i in range(12)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda text: session.fresh_decay("lstm", "LSTM", 32, 0, text).loss_nats, texts))
    session.fresh_decay.clear()
    assert together == [session.fresh_decay("lstm", "LSTM", 32, 0, text).loss_nats for text in texts]


def test_sliders_do_not_run_the_model() -> None:
    app = _page("neurons")
    with patch.object(session, "record", side_effect=AssertionError("the model was run")):
        app.number_input(key="keep_unit").set_value(3).run()
        app.selectbox(key="keep_signal").set_value("forget_gate").run()
        app.selectbox(key="keep_layer").set_value(0).run()
        app.toggle(key="keep_guesses").set_value(False).run()
        app.slider(key="keep_temperature").set_value(1.0).run()
    assert not app.exception
    assert "forget gate" in _html(app)
    assert app.subheader[0].value == "Text, coloured by unit 3"


def test_unit_colours_the_text_with_its_own_values(tmp_path: Path) -> None:
    app = _page("neurons")
    app.text_area(key="keep_neurons_text").set_value("the fox").run()
    app.number_input(key="keep_unit").set_value(5).run()
    model = session.load_model("tiny-lm")
    values = session.recording(model, "the fox").signals["hidden"][:, 1, 5]
    for t, value in enumerate(values):
        assert f" at {t}: {value:.4f}" in _html(app)


def test_go_on_writes_and_names_what_is_unknown() -> None:
    app = _page("neurons")
    app.text_area(key="keep_neurons_text").set_value("the \U0001f600 fox").run()
    assert "never seen" in app.warning[0].value
    assert "\U0001f600" in app.text[0].value
    app.button[0].click().run()
    assert len(app.code[0].value) > 20
    app.number_input(key="keep_unit").set_value(5).run()
    assert len(app.code[0].value) > 20


def test_changing_the_model_keeps_what_was_typed() -> None:
    app = _page("neurons")
    example = app.text_area(key="keep_neurons_text").value
    app.selectbox(key="keep_neurons_model").set_value("imdb-rnn").run()
    assert app.text_area(key="keep_neurons_text").value != example
    app.text_area(key="keep_neurons_text").set_value("mine").run()
    app.selectbox(key="keep_neurons_model").set_value("imdb-lstm").run()
    assert app.text_area(key="keep_neurons_text").value == "mine"
    assert not app.exception


def test_gradients_of_chosen_cells_and_of_trained_models() -> None:
    app = _page("gradients")
    assert [metric.label for metric in app.metric] == [
        "Half-life, RNN (tanh)", "Half-life, LSTM", "Half-life, GRU",
    ]  # fmt: skip
    before = [metric.value for metric in app.metric]
    app.number_input(key="keep_gradient_seed").set_value(1).run()
    assert [metric.value for metric in app.metric] != before
    app.multiselect(key="keep_gradient_cells").set_value([]).run()
    assert "at least one" in app.info[0].value
    app.session_state["keep_gradient_kind"] = "Trained networks"
    app.run()
    assert not app.exception
    assert [metric.label for metric in app.metric] == ["Half-life, tiny-lm"]


def test_sentiment_shows_every_model_and_marks_unknown_words() -> None:
    app = _page("sentiment")
    app.text_area(key="keep_review").set_value("good film but wobbly").run()
    assert [metric.label for metric in app.metric] == ["imdb-rnn: positive", "imdb-lstm: positive"]
    for name, metric in zip(("imdb-rnn", "imdb-lstm"), app.metric, strict=True):
        final = session.prediction(session.load_model(name), "good film but wobbly").final["positive"]
        assert metric.value == f"{final:.1%}"
    assert _html(app).count('class="rv-unknown"') == 4
    assert app.text[0].value == "but, wobbly"


def test_a_broken_model_is_one_sentence_and_the_others_work(tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "tiny-lm", tmp_path / "broken")
    weights = tmp_path / "broken" / checkpoints.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:100])
    app = _page("neurons")
    assert not app.exception
    assert any("broken" in warning.value for warning in app.warning)
    assert app.get("bidi_component")


def test_no_model_at_all_is_one_sentence(tmp_path: Path) -> None:
    for folder in tmp_path.iterdir():
        shutil.rmtree(folder)
    for name in ("neurons", "sentiment"):
        app = _page(name)
        assert not app.exception
        assert "train one" in app.error[0].value


def test_the_router_runs() -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not app.exception
    assert app.title[0].value == "Neurons"

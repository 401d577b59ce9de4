"""Each page under AppTest: useful at first sight, one sentence for bad input, no model run for a slider."""

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints, session
from tests.conftest import ROOT, STRANGE_TEXTS, tiny_classifier, tiny_language_model

TEXT_KEYS = {"gradients": "keep_gradient_text", "sentiment": "keep_review"}


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
    assert app.get("vega_lite_chart")


def test_the_live_page_offers_every_model() -> None:
    app = _page("neurons")
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "Neurons"
    mounted = app.get("bidi_component")[0].proto
    for name in ("tiny-lm", "imdb-lstm", "imdb-rnn"):
        assert name in str(mounted)


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


def test_words_are_counted_as_the_tokenizer_does() -> None:
    app = _page("sentiment")
    app.text_area(key="keep_review").set_value("a," * 3000).run()
    assert "first 2,000 words" in app.info[0].value
    assert any("first 300 of 2,000 words" in caption.value for caption in app.caption)


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
    app = _page("gradients")
    assert not app.error
    assert "Half-life" in _html(app)


def test_the_router_runs() -> None:
    app = AppTest.from_file(str(ROOT / "rnnviz" / "router" / "main.py"), default_timeout=60).run()
    assert not app.exception
    assert app.title[0].value == "Neurons"

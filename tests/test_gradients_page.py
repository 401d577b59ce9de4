"""The gradient page's views under AppTest: filled in at first sight, bad input in one sentence, nothing lost."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints, session
from rnnviz.analysis.gradients import gradient_decay
from rnnviz.initial import Start
from rnnviz.pages.gradients.decay import half_life_text
from rnnviz.subjects import Window, fresh_subject, trained_subject, triangle_seconds
from tests.conftest import STRANGE_TEXTS, tiny_classifier, tiny_language_model

VIEWS = ("Decay", "On your text", "Jacobians", "Weights")
CODE = "from rnnviz import session\nfrom rnnviz.pages import gradients\nsession.keep_state()\n"
TEXT = "the lazy dog jumps over the quick brown fox"


@pytest.fixture(autouse=True)
def _tiny_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_language_model(tmp_path / "tiny-lm")
    tiny_classifier(tmp_path / "tiny-mean", pooling="mean")
    tiny_classifier(tmp_path / "both-ways", bidirectional=True)


def _page(**state: object) -> AppTest:
    app = AppTest.from_string(CODE + "session.guarded(gradients.render)()\n", default_timeout=60)
    app.session_state["keep_gradient_text"] = TEXT
    app.session_state["keep_gradient_units"] = 16
    for key, value in state.items():
        app.session_state[f"keep_gradient_{key}"] = value
    return app.run()


def _knobs(app: AppTest, **values: float) -> AppTest:
    app.session_state["keep_gradient_knobs"] = {**app.session_state["keep_gradient_knobs"], **values}
    return app.run()


def _lives(app: AppTest) -> dict[str, str]:
    html = "".join(element.proto.body for element in app.get("html"))
    return dict(re.findall(r"<span>Half-life, (.*?)</span><b>(.*?)</b>", html))


def _data(app: AppTest, name: str) -> pd.DataFrame:
    """One of the first chart's data sets."""
    found = {dataset.name: dataset.data.data for dataset in app.get("vega_lite_chart")[0].proto.datasets}
    return convert_arrow_bytes_to_pandas_df(found[name])


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_filled_in(view: str) -> None:
    app = _page(view=view)
    assert not app.exception
    assert not app.error
    assert not app.warning
    assert app.get("vega_lite_chart") or app.get("html")
    assert any("Look" in caption.value for caption in app.caption)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("text", [*STRANGE_TEXTS.values(), "ab", ""], ids=[*STRANGE_TEXTS, "two", "empty"])
def test_strange_texts(view: str, text: str) -> None:
    app = _page(view=view, text=text, cells=["rnn_tanh", "lstm"], models=["tiny-lm"])
    assert not app.exception
    assert len(app.error) == (1 if len(text) < 2 else 0)
    if app.error:
        assert "empty" in app.error[0].value or "too short" in app.error[0].value


def test_half_lives_answer_the_knobs() -> None:
    app = _page()
    assert list(_lives(app)) == ["RNN (tanh)", "LSTM", "GRU"]
    before = _lives(app)
    _knobs(app, scale=0.3)
    assert float(_lives(app)["RNN (tanh)"].split()[0]) < float(before["RNN (tanh)"].split()[0])
    _knobs(app, scale=1.0, forget=5.0)
    assert float(_lives(app)["LSTM"].split()[0]) > float(before["LSTM"].split()[0])
    assert _lives(app)["GRU"] == before["GRU"]
    _knobs(app, forget=1.0)
    assert _lives(app) == before


def test_seed_cells_and_models() -> None:
    app = _page()
    before = _lives(app)
    app.number_input(key="keep_gradient_seed").set_value(1).run()
    assert _lives(app) != before
    app.multiselect(key="keep_gradient_cells").set_value([]).run()
    assert "at least one" in app.info[0].value
    app.multiselect(key="keep_gradient_models").set_value(["tiny-lm", "tiny-mean"]).run()
    assert not app.exception
    assert list(_lives(app)) == ["tiny-lm", "tiny-mean"]


def test_a_bidirectional_model_is_one_sentence_and_the_others_stay() -> None:
    app = _page(models=["both-ways", "tiny-lm"])
    assert "bidirectional" in app.warning[0].value
    assert "tiny-lm" in _lives(app)
    app.multiselect(key="keep_gradient_cells").set_value([]).run()
    app.multiselect(key="keep_gradient_models").set_value(["both-ways"]).run()
    assert "bidirectional" in app.error[0].value


def test_overflow_and_underflow_are_named_and_drawn() -> None:
    app = _page(cells=["rnn_relu"], recipe="identity", precision="float16")
    _knobs(app, scale=10.0)
    assert "overflowed at step" in app.warning[0].value
    _knobs(app, scale=0.1)
    assert "exactly zero from" in app.warning[0].value
    assert "underflowed in float16" in app.warning[0].value
    assert any(_data(app, "marks")["kind"])
    assert any("exactly zero from" in text for text in _data(app, "texts")["text"])


def test_the_spread_over_seeds_is_a_band() -> None:
    app = _page(cells=["rnn_tanh"])
    assert not any(_data(app, "bands")["network"])
    app.toggle(key="keep_gradient_spread").set_value(True).run()
    bands = _data(app, "bands")
    assert (bands["log10"] < bands["to"]).any()
    assert any("10 seeds" in caption.value for caption in app.caption)


def test_a_long_text_is_cut_and_the_page_says_so() -> None:
    app = _page(text="ab" * 400)
    _knobs(app, steps=300.0)
    assert any("300 of 800" in caption.value for caption in app.caption)


def test_leaving_a_view_loses_nothing() -> None:
    app = _page(seed=7)
    _knobs(app, scale=2.0)
    app.session_state["keep_gradient_view"] = "Weights"
    app.run()
    app.session_state["keep_gradient_view"] = "Decay"
    app.run()
    assert app.number_input(key="keep_gradient_seed").value == 7
    assert app.session_state["keep_gradient_knobs"]["scale"] == 2.0
    assert app.text_area(key="keep_gradient_text").value == TEXT


def test_what_takes_long_is_asked_for_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LONG", 0.0)
    app = _page(view="On your text", measure="Every loss, every state", cells=["gru"])
    assert not app.get("vega_lite_chart")
    ask = next(button for button in app.button if "takes about" in button.label)
    ask.click().run()
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 1
    app.run()
    assert len(app.get("vega_lite_chart")) == 1, "what was measured is kept"


@pytest.mark.parametrize("measure", ["Integrated gradients", "Every loss, every state"])
def test_the_other_measures_of_a_text(measure: str) -> None:
    app = _page(view="On your text", measure=measure, cells=["lstm"], models=["tiny-lm", "tiny-mean"])
    assert not app.exception
    assert not app.error
    assert app.get("vega_lite_chart" if "state" in measure else "html")


@pytest.mark.parametrize("look", ["Truncated BPTT", "Clipping"])
def test_the_other_looks_at_weights(look: str) -> None:
    app = _page(view="Weights", weights=look, models=["tiny-lm", "tiny-mean"])
    assert not app.exception
    assert not app.error
    assert app.get("vega_lite_chart")


def test_subjects_read_the_window_they_are_given() -> None:
    whole = fresh_subject(Window("abcdefghij"), "gru", 8, 1, Start())
    assert (whole.tokens, whole.steps) == (tuple("abcdefghij"), 9)
    early = fresh_subject(Window("abcdefghij", steps=3, end=50), "gru", 8, 1, Start())
    assert (early.tokens, early.steps) == (tuple("bcde"), 3)
    words = trained_subject(Window("good bad film", steps=2), session.load_model("tiny-mean"))
    assert (words.tokens, words.steps, words.whole) == (("bad", "film"), 2, 3)
    assert triangle_seconds(whole) > triangle_seconds(early) > 0


def test_fresh_networks_do_not_depend_on_what_others_do_meanwhile() -> None:
    def loss(i: int) -> float:
        subject = fresh_subject(Window(f"text number {i} of many"), "lstm", 32, 1, Start("orthogonal"))
        return gradient_decay(subject.make(), subject.ids).loss_nats

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(loss, range(12)))
    assert together == [loss(i) for i in range(12)]


@pytest.mark.parametrize(
    ("half", "text"),
    [(4.44, "4.4 steps"), (float("inf"), "unchanged"), (-2.0, "doubles in 2.0"), (float("nan"), "\u2013")],
)
def test_half_lives_in_words(half: float, text: str) -> None:
    assert half_life_text(half) == text


@pytest.mark.parametrize("view", VIEWS)
def test_a_text_too_short_for_one_network_leaves_the_others(view: str) -> None:
    app = _page(view=view, text="a", models=["tiny-lm", "tiny-mean"])
    assert not app.exception
    assert not app.error
    assert [w.value.split(":")[0] for w in app.warning][:2] == ["Untrained networks", "tiny\\-lm"]
    app.multiselect(key="keep_gradient_cells").set_value([]).run()
    app.multiselect(key="keep_gradient_models").set_value(["tiny-lm"]).run()
    assert not app.exception
    assert "too short" in app.error[0].value


def test_a_model_called_like_a_cell_is_another_network(tmp_path: Path) -> None:
    tiny_language_model(tmp_path / "LSTM")
    app = _page(cells=["lstm"], models=["LSTM"])
    assert list(_lives(app)) == ["LSTM", "LSTM (trained)"]
    assert app.selectbox(key="keep_gradient_guided").options == ["no guides", "LSTM", "LSTM (trained)"]


def test_a_model_that_is_gone_leaves_the_choice() -> None:
    app = _page(models=["tiny-lm", "deleted"])
    assert not app.exception
    assert "tiny-lm" in _lives(app)


@pytest.mark.parametrize("view", ["Decay", "Jacobians", "On your text"])
def test_a_state_that_none_has_is_said(view: str) -> None:
    app = _page(view=view, cells=["gru"], state="cell", measure="Every loss, every state")
    assert not app.exception
    assert "choose an LSTM" in app.info[0].value


def test_layers_below_the_top() -> None:
    app = _page(cells=["rnn_tanh"], layers=2)
    top = _data(app, "lines")["log10"].tolist()
    app.session_state["keep_gradient_below"] = 1
    app.run()
    assert "1 below the top" in app.get("vega_lite_chart")[0].proto.spec
    assert _data(app, "lines")["log10"].tolist() != top
    app.selectbox(key="keep_gradient_layers").set_value(1).run()
    assert not app.exception
    assert app.session_state["keep_gradient_below"] == 0


def test_gradients_of_nothing_are_named() -> None:
    app = _page(view="Weights", text="ab")
    assert len(app.warning) == 3
    assert "no shares" in app.warning[0].value


def test_a_spread_that_would_take_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LONG", 0.0)
    app = _page(spread=True)
    assert not any(_data(app, "bands")["network"])
    assert any("10 seeds would take" in caption.value for caption in app.caption)


def test_characters_never_seen_are_told() -> None:
    app = _page(view="On your text", text="the lazy d\u597d", cells=[], models=["tiny-lm"])
    assert "outside the vocabulary" in app.text[0].value
    assert any("outside the vocabulary" in caption.value for caption in app.caption)

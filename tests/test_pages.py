"""Each page under AppTest: useful at first sight, one sentence for bad input, no model run for a slider."""

import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints, session
from tests.conftest import ROOT, STRANGE_TEXTS, tiny_classifier, tiny_language_model

TEXT = "keep_gradient_text"


@pytest.fixture(autouse=True)
def _two_tiny_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are tested on tiny models, so that they hold whatever is shipped."""
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_language_model(tmp_path / "tiny-lm")
    tiny_classifier(tmp_path / "imdb-lstm")
    tiny_classifier(tmp_path / "imdb-rnn", "rnn_tanh")


def _page(name: str, **state: object) -> AppTest:
    code = f"from rnnviz import session\nfrom rnnviz.pages import {name}\nsession.keep_state()\n"
    app = AppTest.from_string(code + f"session.guarded({name}.render)()\n", default_timeout=60)
    for key, value in state.items():
        app.session_state[key] = value
    return app.run()


def _html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def _mounted(app: AppTest) -> dict:
    """What a page's own component was given."""
    return json.loads(app.get("bidi_component")[0].proto.json)


def test_first_sight_is_filled_in() -> None:
    app = _page("gradients")
    assert not app.exception
    assert not app.error
    assert app.text_area(key=TEXT).value
    assert app.title[0].value == "Gradients"
    app.run()
    assert not [warning.value for warning in app.warning if "Session State" in warning.value]
    assert app.get("vega_lite_chart")


def test_sentiment_opens_with_the_live_view() -> None:
    app = _page("sentiment")
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "Sentiment"
    mounted = _mounted(app)
    assert [model["name"] for model in mounted["models"]] == ["imdb-lstm", "imdb-rnn"]
    models = ["imdb-lstm", "imdb-rnn"]
    assert mounted["start"] == {"text": session.EXAMPLES["review"], "models": models, "coloured": "imdb-lstm"}
    app.run()
    assert not app.warning
    assert _mounted(app)["start"] == mounted["start"]


def test_the_live_page_offers_every_model() -> None:
    app = _page("neurons")
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "Neurons"
    mounted = app.get("bidi_component")[0].proto
    for name in ("tiny-lm", "imdb-lstm", "imdb-rnn"):
        assert name in str(mounted)


@pytest.mark.parametrize("text", ["", "   \n\t "], ids=["empty", "blank"])
def test_empty_text_is_one_sentence(text: str) -> None:
    app = _page("gradients")
    app.text_area(key=TEXT).set_value(text).run()
    assert not app.exception
    assert len(app.error) == 1
    assert "empty" in app.error[0].value
    app.text_area(key=TEXT).set_value("good film, the plot").run()
    assert not app.error


@pytest.mark.parametrize("text", STRANGE_TEXTS.values(), ids=STRANGE_TEXTS)
def test_strange_texts(text: str) -> None:
    app = _page("gradients")
    app.text_area(key=TEXT).set_value(text).run()
    assert not app.exception
    assert app.text_area(key=TEXT).value == text
    if len(text) == 1:
        assert "too short" in app.error[0].value
    else:
        assert not app.error
    assert "<script" not in _html(app)


@pytest.mark.parametrize("text", [*STRANGE_TEXTS.values(), ""], ids=[*STRANGE_TEXTS, "empty"])
def test_strange_texts_reach_the_live_view_as_they_are(text: str) -> None:
    app = _page("sentiment", keep_review=text)
    assert not app.exception
    assert not app.error
    assert _mounted(app)["start"]["text"] == text
    assert app.session_state["keep_review"] == text


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

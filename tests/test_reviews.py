"""Held-out reviews: found, drawn, scored and listed; nothing is downloaded unasked; the view without and with data."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints
from rnnviz.charts.attribution import course_chart
from rnnviz.checkpoints import Model
from rnnviz.errors import ConfigError, DataError
from rnnviz.record import predict
from rnnviz.training import browsing, datasets
from rnnviz.training.browsing import Browsed, browsed, held_out, is_browsed, read_text, source_of
from tests.conftest import start_app, tiny_classifier, tiny_language_model

SLOW = 120_000
COMMAND = "python -m rnnviz train tiny --data imdb --cell lstm"
REVIEWS = 120


def _tables(folder: Path) -> None:
    """Write IMDB's two tables, tiny ones, as a data folder holds them."""
    words = ("good", "bad", "very good", "not bad", "<script>alert(1)</script> plot", "the film was zzyzx")
    for split in ("train", "test"):
        texts = [f"{words[i % len(words)]} {split} number{i}" + " film" * (i % 5) for i in range(REVIEWS)]
        frame = {"text": texts, "label": [i % 2 for i in range(REVIEWS)], "title": [f"tt{i}" for i in range(REVIEWS)]}
        pd.DataFrame(frame).to_parquet(folder / f"imdb_{split}.parquet")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, and no download from earlier."""
    here = tmp_path / "data"
    here.mkdir()
    monkeypatch.setenv("RNNVIZ_DATA", str(here))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return here


def _model(tmp_path: Path, command: str = COMMAND, **shape: object) -> Model:
    name = tmp_path / "models" / "tiny"
    model = tiny_classifier(name, **shape)
    checkpoints.update_card(name, command=command)
    return dataclasses.replace(model, card={"command": command})


def test_which_texts_are_listed_and_in_which_order() -> None:
    p = np.array([0.1, 0.9, 0.55, 0.3, 0.99, 0.48])
    found = Browsed(tuple("abcdef"), np.array([0, 0, 1, 1, 0, 1]), np.stack([1 - p, p], axis=1), np.ones(6))
    assert found.right.tolist() == [True, False, True, False, False, False]
    assert found.places("all").tolist() == [0, 1, 2, 3, 4, 5]
    assert found.places("mistakes").tolist() == [1, 3, 4, 5]
    assert found.places("confident").tolist() == [4, 1, 3, 5]
    assert found.places("unsure").tolist() == [5, 2]


def test_a_sample_is_drawn_once_and_scored_as_the_model_reads(folder: Path, tmp_path: Path) -> None:
    _tables(folder)
    model = _model(tmp_path, pooling="all", bidirectional=True)
    source = source_of(model)
    assert source.missing == ()
    drawn = held_out(source)
    assert held_out(source) is drawn and set(drawn.parts) == {"validation", "test"}
    corpus = datasets.open_corpus("imdb")
    assert sorted(drawn.parts["validation"].texts) == sorted(corpus.validation.texts)
    assert 5 < drawn.sizes["validation"] < 30 and not set(drawn.parts["validation"].texts) & set(corpus.train.texts)
    told: list[float] = []
    assert not is_browsed(model, source, "test")
    found = browsed(model, source, "test", told.append)
    assert told == sorted(told) and told[-1] == 1
    truth = dict(zip(corpus.test.texts, corpus.test.labels, strict=True))
    for text, label, p, words in zip(found.texts, found.labels, found.probabilities, found.words, strict=True):
        assert label == truth[text]
        prediction = predict(model, text)
        assert np.allclose(p, prediction.probabilities[-1], atol=1e-6)
        assert words == len(prediction.tokens)
    assert np.allclose(read_text(model, found.texts[0]), found.probabilities[0], atol=1e-6)
    assert is_browsed(model, source, "test") and browsed(model, source, "test", pytest.fail) is found
    other = dataclasses.replace(model, digest="another")
    assert not is_browsed(other, source, "test")


def test_a_part_is_cut_to_what_is_shown(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tables(folder)
    monkeypatch.setattr(browsing, "MOST", 7)
    drawn = held_out(source_of(_model(tmp_path)))
    assert (len(drawn.parts["test"]), drawn.sizes["test"]) == (7, REVIEWS)


def test_where_the_texts_come_from(folder: Path, tmp_path: Path) -> None:
    both = COMMAND.replace("imdb", "imdb+rt-polarity")
    assert source_of(_model(tmp_path)).missing == ("aclImdb_v1.tar.gz",)
    assert source_of(_model(tmp_path, both)).megabytes == 85
    (folder / "rt-polaritydata.tar.gz").touch()
    assert source_of(_model(tmp_path, both)).missing == ("aclImdb_v1.tar.gz",)
    (folder / "aclImdb_v1.tar.gz").touch()
    assert source_of(_model(tmp_path, both)).missing == ()
    own = tmp_path / "own.csv"
    pd.DataFrame({"line": [f"t {i}" for i in range(90)], "kind": ["x", "y", "z"] * 30}).to_csv(own, index=False)
    command = f"python -m rnnviz train tiny --data {own} --text-column line --label-column kind"
    model = _model(tmp_path, command)
    drawn = held_out(source_of(model))
    assert drawn.classes == ("x", "y", "z") and list(drawn.parts) == ["validation"]
    with pytest.raises(DataError, match="other classes"):
        browsed(model, source_of(model), "validation")


def test_mistakes_are_one_sentence(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = ((COMMAND.replace("imdb", "gone.csv"), "gone.csv, which is not here"), ("", "does not say"))
    for command, message in cases:
        with pytest.raises(DataError, match=message):
            source_of(_model(tmp_path, command))
    with pytest.raises(ConfigError, match="classifier"):
        source_of(tiny_language_model(tmp_path / "lm"))
    (tmp_path / "own.txt").write_text("no labels at all " * 9)
    with pytest.raises(DataError, match="no labelled texts"):
        held_out(source_of(_model(tmp_path, COMMAND.replace("imdb", str(tmp_path / "own.txt")))))
    monkeypatch.setenv("RNNVIZ_DATA", str(folder / "nowhere"))
    with pytest.raises(DataError, match="does not exist"):
        source_of(_model(tmp_path))


def test_the_course_shows_the_truth_and_the_band() -> None:
    spec = course_chart(["good", "\n"], np.array([0.6, 0.8]), np.array([0.4, 1.0]), "positive", "negative").to_dict()
    data = list(spec["datasets"].values())
    assert [{"low": 0.4, "high": 0.6}] in data
    assert [{"truth": 0.0, "text": "true label: negative"}] in data
    assert spec["layer"][2]["encoding"]["y"]["title"] == "probability of \u201cpositive\u201d"
    assert "moved" in str(spec["layer"][3]["encoding"]["tooltip"]) and "\u21b5" in str(data)
    unknown = course_chart(["good"], np.array([0.6]), np.array([0.4]), "positive").to_dict()
    assert len(unknown["layer"]) == len(spec["layer"]) - 2


CODE = """
import streamlit as st
from rnnviz import session
from rnnviz.pages.sentiment import choice, reviews
session.keep_state()
if "clicked" in st.session_state:
    model = session.load_model("tiny")
    source = reviews.source_of(model)
    found = reviews.browsed(model, source, "test")
    st.session_state["fake"] = {"selection": {"cells": [(st.session_state.pop("clicked"), "words")]}}
    reviews._take("fake", found, found.places("mistakes"), "test", model.config.labels, source.held_out_of)
session.guarded(reviews.render)()
"""


@pytest.fixture
def tiny(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path / "models")
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    return _model(tmp_path)


def _page(**state: object) -> AppTest:
    app = AppTest.from_string(CODE, default_timeout=120)
    for key, value in state.items():
        app.session_state[key] = value
    return app.run()


def _html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


@pytest.mark.usefixtures("tiny")
def test_without_data_a_text_is_still_read_and_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(name: str) -> Path:
        asked.append(name)
        raise DataError("No network.")

    monkeypatch.setattr(datasets, "_fetch", refuse)
    app = _page(keep_review="not <script> good")
    assert not app.exception and not app.error
    assert "RNNVIZ_DATA" in app.info[0].value and "84 MB" in app.button[0].label
    assert "true label is not known" in "".join(one.value for one in app.markdown)
    assert 'class="rv-text"' in _html(app) and "<script" not in _html(app)
    assert not asked
    app.button[0].click().run()
    assert asked == ["aclImdb_v1.tar.gz"]
    assert [one.value for one in app.error] == ["No network."] and not app.exception
    assert 'class="rv-text"' in _html(app)


def test_pick_a_part_and_a_review(tiny: Model, folder: Path) -> None:
    _tables(folder)
    app = _page()
    assert not app.exception and not app.dataframe, "nothing is scored before a part is chosen"
    app.session_state["keep_reviews_part"] = "test"
    app.run()
    assert not app.exception and not app.error
    found = browsed(tiny, source_of(tiny), "test")
    wrong = found.places("confident")
    assert any(f"{len(wrong)} mistakes" in one.value for one in app.markdown)
    table = app.dataframe[0].value
    assert list(table["p"]) == pytest.approx(found.probabilities[wrong, 1].tolist())
    assert list(table["words"]) == found.words[wrong].tolist()
    assert all(text.startswith("wrong") for text in table["model"])
    for which, count in (("all", REVIEWS), ("unsure", len(found.places("unsure"))), ("mistakes", len(wrong))):
        app.session_state["keep_reviews_filter"] = which
        app.run()
        assert len(app.dataframe[0].value) == count
    app.session_state["clicked"] = 3
    app.run()
    place = found.places("mistakes")[3]
    assert app.text_area[0].value == found.texts[place]
    said = "".join(one.value for one in app.markdown)
    assert f"True label: **{tiny.config.labels[found.labels[place]]}** (test)" in said and "a mistake" in said
    app.text_area[0].set_value(found.texts[place] + " more").run()
    assert "true label is not known" in "".join(one.value for one in app.markdown)
    app.text_area[0].set_value(" ").run()
    assert "empty" in app.error[0].value and len(app.dataframe) == 1


@pytest.mark.parametrize("shape", [{"pooling": "last"}, {"bidirectional": True}])
def test_long_and_short_texts_are_read(shape: dict, tmp_path: Path, tiny: Model) -> None:
    _model(tmp_path, **shape)
    for text, cut in (("zzyzx", ""), ("good bad " * 1500, "300" if "bidirectional" in shape else "2,000")):
        app = _page(keep_review=text)
        assert not app.exception and not app.error
        assert (not cut) or any(cut in one.value for one in app.info)
        assert 'class="rv-text"' in _html(app)


def test_a_review_is_one_click_away_in_a_browser(folder: Path, page: Page) -> None:
    _tables(folder)
    for part in ("train", "validation"):  # the best model was trained on sentences, too
        sentences = {"text": ["good film", "bad film"] * 5, "label": [1, 0] * 5}
        pd.DataFrame(sentences).to_parquet(folder / f"rt_polarity_{part}.parquet")
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    with start_app() as (url, _):
        page.goto(f"{url}/sentiment")
        page.get_by_role("radio", name="Reviews", exact=True).click(timeout=SLOW)
        page.get_by_role("radio", name=f"test ({REVIEWS})").click(timeout=SLOW)
        table = page.locator("[data-testid=stDataFrame] .dvn-scroller")
        expect(table).to_be_visible(timeout=SLOW)
        page.wait_for_timeout(500)
        table.click(position={"x": 60, "y": 54})
        expect(page.locator("p").filter(has_text="True label:")).to_be_visible(timeout=SLOW)
        expect(page.get_by_label("Review", exact=True)).to_have_value(re.compile("number"), timeout=20_000)
        expect(page.locator("[data-testid=stVegaLiteChart]").get_by_text("true label:")).to_be_visible(timeout=SLOW)
        expect(page.locator(".rv-text")).to_contain_text("number", timeout=SLOW)
    assert not wrong

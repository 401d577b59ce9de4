"""The plane of held-out ends and the path in it: scikit-learn and numpy, the recording's own states, the view."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints, held_out
from rnnviz.analysis.paths import Border, border_in, fit_plane, largest_steps
from rnnviz.charts.paths import NAMED, SLIDER, ends_table, path_chart
from rnnviz.checkpoints import Model
from rnnviz.record import predict, record
from tests.conftest import STRANGE_TEXTS, tiny_classifier
from tests.test_held_out import held_out_of

TEXT = "the plot was good but the acting was very bad"


def _states(texts: int = 60, units: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    positive = rng.random(texts) < 0.5
    states = rng.standard_normal((texts, units)) * np.linspace(0.2, 1.0, units) + 2.0
    states[:, 3] -= 5.0 * positive
    return states, positive


def test_the_plane_is_that_of_scikit_learn_and_of_the_covariance() -> None:
    states, positive = _states()
    plane, other = fit_plane(states, positive), PCA(2).fit(states)
    assert plane.shares == pytest.approx(tuple(other.explained_variance_ratio_))
    assert np.abs(plane.axes) == pytest.approx(np.abs(other.components_))
    assert np.abs(plane.project(states)) == pytest.approx(np.abs(other.transform(states)))
    values, vectors = np.linalg.eigh(np.cov(states.T))
    assert np.abs(plane.axes[0] @ vectors[:, -1]) == pytest.approx(1.0)
    assert plane.shares[0] == pytest.approx(values[-1] / values.sum())


def test_the_class_lies_to_the_right_whatever_the_signs() -> None:
    states, positive = _states()
    for chosen in (positive, ~positive):
        plane = fit_plane(states, chosen)
        x = plane.project(states)[:, 0]
        assert x[chosen].mean() > x[~chosen].mean() + 3
    assert plane.axes[1][np.abs(plane.axes[1]).argmax()] > 0


def test_what_the_plane_shows_of_a_path() -> None:
    states, positive = _states()
    plane = fit_plane(states, positive)
    within = plane.mean + np.array([[0.0, 0.0], [1.0, 2.0], [-3.0, 1.0]]) @ plane.axes
    assert plane.shown(within) == pytest.approx(1.0)
    across = np.linalg.svd(plane.axes)[2][2]
    path = np.array([plane.mean, plane.mean + 3 * plane.axes[0], plane.mean + 3 * plane.axes[0] + across])
    assert plane.shown(path) == pytest.approx(0.9)
    assert np.isnan(plane.shown(path[:1]))


def test_impossible_planes_are_said() -> None:
    none = np.zeros(3, dtype=bool)
    with pytest.raises(ValueError, match="two units"):
        fit_plane(np.ones((3, 1)), none)
    with pytest.raises(ValueError, match="all are the same"):
        fit_plane(np.ones((3, 4)), none)


def test_the_border_is_where_the_answer_turns_in_the_plane() -> None:
    states, positive = _states()
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal(7), 0.7
    plane = fit_plane(states, positive)
    border = border_in(plane, weight, bias)
    points = rng.standard_normal((50, 2)) * 3
    whole = (plane.mean + points @ plane.axes) @ weight + bias
    assert (border.side(points) == (whole > 0)).all()
    ends = border.ends(np.full(2, -40.0), np.full(2, 40.0))
    assert (plane.mean + ends @ plane.axes) @ weight + bias == pytest.approx(np.zeros(2), abs=1e-9)
    assert np.abs(ends).max() == pytest.approx(40.0)


@pytest.mark.parametrize(
    ("at", "offset", "ends"),
    [
        ((1.0, 0.0), -0.5, [[0.5, 0.0], [0.5, 1.0]]),
        ((0.0, 2.0), -1.0, [[0.0, 0.5], [1.0, 0.5]]),
        ((1.0, -1.0), 0.0, [[0.0, 0.0], [1.0, 1.0]]),
        ((1.0, 1.0), 5.0, None),
        ((0.0, 0.0), 1.0, None),
    ],
)
def test_lines_through_a_box(at: tuple[float, float], offset: float, ends: list | None) -> None:
    found = Border(at, offset).ends(np.zeros(2), np.ones(2))
    assert (None if found is None else found.tolist()) == ends


def test_the_largest_steps() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 5.0], [1.0, 5.0], [-1.0, 5.0]])
    assert largest_steps(points).tolist() == [2, 4, 1, 3]
    assert largest_steps(points[:1]).tolist() == []


def _chart(words: list[str], border: Border | None = None) -> dict:
    states, positive = _states()
    plane = fit_plane(states, positive)
    points = np.random.default_rng(1).standard_normal((len(words), 2))
    ends = ends_table(plane.project(states), positive, positive * 1.0, ("positive", "negative"))
    chances = np.linspace(0, 1, len(words))
    return path_chart(plane, ends, points, words, chances, "positive", "negative", border, "t").to_dict()


def test_the_chart_has_a_slider_over_the_words_and_names_the_largest_steps() -> None:
    words = [f"w{i}" for i in range(40)]
    spec = _chart(words, Border((1.0, 0.0), 0.0))
    (slider,) = spec["params"]
    assert (slider["name"], slider["value"]) == (SLIDER, 40)
    assert (slider["bind"]["min"], slider["bind"]["max"], slider["bind"]["step"]) == (1, 40, 1)
    rows = next(rows for rows in spec["datasets"].values() if "now" in rows[0])
    assert [row["word"] for row in rows] == words
    assert rows[9]["now"].startswith("word 10 of 40: \u201cw9\u201d, positive 23%")
    named = [row["name"] for row in rows if row["name"]]
    assert 3 <= len(named) <= NAMED
    assert rows[0]["name"] == rows[-1]["name"] == ""
    assert [row["place"] for row in rows] == ["start", *[""] * 38, "end"]
    assert any(f"datum.read <= {SLIDER}" in str(layer.get("transform")) for layer in spec["layer"])
    assert "one half" in str(spec["layer"])
    assert "one half" not in str(_chart(words)["layer"])


def test_one_word_is_a_path_too() -> None:
    spec = _chart(["\n"])
    rows = next(rows for rows in spec["datasets"].values() if "now" in rows[0])
    assert (rows[0]["word"], rows[0]["place"]) == ("\u21b5", "end")
    assert spec["params"][0]["bind"]["max"] >= 2


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "all"])
def test_the_trail_ends_at_the_recordings_last_state(pooling: str, tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "tiny", "gru", num_layers=2, pooling=pooling)
    trail, recording = held_out.trail(model, TEXT), record(model, TEXT)
    top = recording.signals["hidden"][:, -1]
    assert trail.hidden == pytest.approx(top, abs=1e-6)
    assert trail.tokens == recording.tokens
    assert trail.probabilities == pytest.approx(predict(model, TEXT).probabilities, abs=1e-6)
    parts = {"mean": top.mean(axis=0), "max": top.max(axis=0), "last": top[-1]}
    expected = np.concatenate([parts[name] for name in model.network.pooled])
    assert trail.read[-1] == pytest.approx(expected, abs=1e-6)
    found = held_out.decision(model, 1)
    odds = np.log(trail.probabilities[:, 1] / trail.probabilities[:, 0])
    assert trail.read @ found[0] + found[1] == pytest.approx(odds, abs=1e-5)


def test_a_trail_both_ways_is_that_of_every_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_classifier(tmp_path / "tiny", bidirectional=True, pooling="all")
    trail = held_out.trail(model, TEXT)
    beginning = record(model, " ".join(trail.tokens[:4]))
    forward, backward = beginning.signals["hidden"][-1, 0], beginning.signals["hidden_backward"][0, 0]
    assert trail.hidden[3] == pytest.approx(np.concatenate([forward, backward]), abs=1e-6)
    assert trail.probabilities == pytest.approx(predict(model, TEXT).probabilities, abs=1e-6)
    monkeypatch.setattr(held_out, "LONGEST_BOTH_WAYS", 3)
    assert held_out.trail(model, TEXT).tokens == trail.tokens[:3]


def test_no_straight_line_where_there_is_none(tmp_path: Path) -> None:
    assert held_out.decision(tiny_classifier(tmp_path / "dense", dense_size=4), 1) is None


def _page(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = TEXT) -> AppTest:
    monkeypatch.setattr(checkpoints, "SHIPPED", folder)
    monkeypatch.setenv("RNNVIZ_MODELS", str(folder / "none"))
    code = "from rnnviz import session\nfrom rnnviz.pages.sentiment import path\nsession.guarded(path.render)()\n"
    app = AppTest.from_string(code, default_timeout=60)
    app.session_state["keep_review"] = text
    return app.run()


def _model(folder: Path, **shape: object) -> Model:
    model = tiny_classifier(folder / "tiny", **shape)
    held_out.save(folder / "tiny", model, held_out_of(model))
    return model


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        ({"pooling": "last"}, True),
        ({"pooling": "all", "bidirectional": True}, True),
        ({"pooling": "mean", "dense_size": 4, "cell_type": "rnn_relu"}, False),
    ],
)
def test_every_kind_of_classifier_has_its_path(
    shape: dict, line: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _model(tmp_path, **shape)
    app = _page(tmp_path, monkeypatch)
    assert not app.exception
    assert not app.error
    if shape["pooling"] != "last":
        assert any("not made from this one point" in caption.value for caption in app.caption)
        app.session_state["keep_path_space"] = "What the head reads"
        app.run()
    assert len(app.get("vega_lite_chart")) == 1
    assert any("look which words" in caption.value for caption in app.caption)
    assert any("says one half" in caption.value for caption in app.caption) == line
    assert any("of the variance" in caption.value for caption in app.caption)


def test_without_held_out_ends_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_classifier(tmp_path / "tiny")
    app = _page(tmp_path, monkeypatch)
    assert not app.exception
    assert "python -m rnnviz study tiny" in app.info[0].value


def test_strange_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _model(tmp_path, pooling="mean")
    app = _page(tmp_path, monkeypatch)
    for text in (*STRANGE_TEXTS.values(), "zzyzx", "", "..."):
        app.text_area(key="keep_review").set_value(text).run()
        assert not app.exception
        assert len(app.error) == (text in ("", "...")), text

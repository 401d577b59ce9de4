"""Units ranked by the area under the ROC curve: brute force and scikit-learn, planted and shuffled labels, the view."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from sklearn.metrics import roc_auc_score
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints, held_out
from rnnviz.analysis.telling import areas, average_ranks, best_threshold, interval, telling_units
from rnnviz.charts.telling import CLICKED, histogram_chart, ranking_chart
from rnnviz.checkpoints import Model
from rnnviz.held_out import HeldOut
from rnnviz.network import Network
from tests.conftest import STRANGE_TEXTS, tiny_classifier

SLOW = 60_000


def _planted(texts: int = 200, units: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Noise, but for unit 5, which is high for the class, and unit 8, low for it and noisier."""
    rng = np.random.default_rng(3)
    values, positive = rng.standard_normal((texts, units)), rng.random(texts) < 0.4
    values[:, 5] += 4.0 * positive
    values[:, 8] -= 1.5 * positive
    return values, positive


def _by_hand(values: np.ndarray, positive: np.ndarray) -> float:
    pairs = list(itertools.product(values[positive], values[~positive]))
    return sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)


def test_areas_are_those_of_brute_force_ties_and_all() -> None:
    rng = np.random.default_rng(0)
    values, positive = rng.integers(0, 4, (40, 6)).astype(float), rng.random(40) < 0.5
    found = areas(average_ranks(values), positive)
    assert found == pytest.approx([_by_hand(column, positive) for column in values.T])
    assert found == pytest.approx([roc_auc_score(positive, column) for column in values.T])
    assert average_ranks(np.array([[3.0], [1.0], [3.0]]))[:, 0].tolist() == [2.5, 1.0, 2.5]


def test_planted_units_are_found_with_their_sides() -> None:
    values, positive = _planted()
    found = telling_units(values, positive)
    assert found.units[:2].tolist() == [5, 8]
    assert found.side[:2].tolist() == [1, -1]
    assert found.auc[0] > 0.98
    assert found.accuracy[0] > 0.9
    assert found.auc[0] > found.auc[1] > found.chance
    assert found.above_chance == 2
    assert 0 < found.threshold[0] < 4
    assert found.place(8) == 1


def test_what_is_reported_comes_from_the_half_that_did_not_choose() -> None:
    values, positive = _planted()
    found = telling_units(values, positive)
    assert abs(int(found.second.sum()) - 100) <= 1
    assert abs(int(positive[found.second].sum()) - positive.sum() / 2) <= 1
    for place, unit in enumerate(found.units):
        own = values[found.second, unit] * found.side[place]
        assert found.auc[place] == pytest.approx(roc_auc_score(positive[found.second], own))
        guess = own > found.threshold[place] * found.side[place]
        assert found.accuracy[place] == pytest.approx((guess == positive[found.second]).mean())
    first = values.copy()
    first[~found.second, 0] += 100.0 * positive[~found.second]
    flattered = telling_units(first, positive)
    assert flattered.units[0] == 0, "the first half chooses"
    assert flattered.auc[0] < 0.65, "the second half is not flattered by it"


def test_noise_stays_below_the_chance_line_some_nineteen_times_of_twenty() -> None:
    rng, above = np.random.default_rng(1), []
    for seed in range(120):
        values, positive = rng.standard_normal((80, 20)), rng.random(80) < 0.5
        found = telling_units(values, positive, seed)
        above.append(np.maximum(found.auc, 1 - found.auc).max() > found.chance)
    assert 0 < np.mean(above) < 0.13  # 0.05 is expected; 0.13 is four standard deviations more


def test_the_same_seed_gives_the_same_line() -> None:
    values, positive = _planted()
    one, other = telling_units(values, positive), telling_units(values, positive)
    assert one.chance == other.chance
    assert telling_units(values, positive, seed=1).chance != one.chance


@pytest.mark.parametrize("side", [1, -1])
def test_the_threshold_is_the_best_there_is(side: int) -> None:
    rng = np.random.default_rng(5)
    values, positive = rng.integers(0, 9, 60).astype(float), rng.random(60) < 0.5

    def right(cut: float) -> int:
        return int(((side * (values - cut) > 0) == positive).sum())

    best = best_threshold(values, positive, side)
    assert right(best) == max(right(cut) for cut in np.arange(-0.5, 9.5, 0.5))
    assert best not in values


def test_values_without_a_difference_are_a_coin() -> None:
    values = np.zeros((40, 2))
    found = telling_units(values, np.arange(40) < 20)
    assert found.auc.tolist() == [0.5, 0.5]
    assert found.chance == 0.5
    assert found.above_chance == 0


def test_impossible_input_is_said() -> None:
    with pytest.raises(ValueError, match=r"expected \(text=5, unit\)"):
        telling_units(np.zeros((4, 2)), np.zeros(5, dtype=bool))
    with pytest.raises(ValueError, match="at least 4"):
        telling_units(np.zeros((9, 2)), np.arange(9) < 3)


def test_an_interval_by_hand() -> None:
    assert interval(0.5, 100) == pytest.approx(0.098)
    assert interval(1.0, 100) == 0


def test_the_ranking_can_be_clicked_and_names_its_lines() -> None:
    values, positive = _planted()
    spec = ranking_chart(telling_units(values, positive), 8, "positive", "negative", "hidden state").to_dict()
    (parameter,) = spec["params"]
    assert parameter["name"] == CLICKED
    assert parameter["select"]["fields"] == ["unit"]
    text = str(spec["datasets"])
    assert "best of all by chance" in text
    assert "high speaks for positive" in text
    assert "low speaks for positive" in text
    scales = [layer["encoding"]["y"]["scale"]["domain"] for layer in spec["layer"]]
    assert all(domain == scales[0] for domain in scales)


def test_histograms_share_their_bins_and_lose_no_review() -> None:
    values, positive = _planted()
    spec = histogram_chart(values[:, 5], positive, 1.0, "t", "positive", "negative", "x").to_dict()
    rows = next(rows for rows in spec["datasets"].values() if "reviews" in rows[0])
    counts = {name: sum(row["reviews"] for row in rows if row["class"] == name) for name in {r["class"] for r in rows}}
    assert counts == {"positive (up)": positive.sum(), "negative (down)": (~positive).sum()}
    assert all((row["height"] > 0) == (row["class"] == "positive (up)") for row in rows)
    edges = {round(row["from"], 9) for row in rows if row["class"] == "positive (up)"}
    width = rows[0]["to"] - rows[0]["from"]
    assert all(round((row["from"] - min(edges)) / width, 6) % 1 == 0 for row in rows)


def _held(model: Model, reviews: int = 80) -> HeldOut:
    """Noise for states, but for unit 3 of every signal, which knows the class."""
    rng = np.random.default_rng(2)
    labels = rng.permutation(np.arange(reviews) % model.config.num_outputs)

    def noise(*shape: int) -> np.ndarray:
        values = rng.uniform(-0.1, 0.1, (reviews, *shape)).astype(np.float32)
        values[..., 3] += np.where(labels == 0, -0.5, 0.5).reshape(-1, *[1] * (len(shape) - 1))
        return values

    ways = ("", "_backward") if model.config.bidirectional else ("",)
    layers, units = model.config.num_layers, model.config.hidden_size
    signals = {f"{name}{way}": noise(layers, units) for way in ways for name in model.network.cell.states}
    chances = np.eye(model.config.num_outputs, dtype=np.float32)[labels]
    width = units * len(ways) * len(model.network.pooled)
    return HeldOut(signals, noise(width), chances, labels, labels + 5, np.arange(reviews), "x_y.csv", 90, 0)


def _page(
    model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = "a good film", **state: object
) -> AppTest:
    monkeypatch.setattr(checkpoints, "SHIPPED", folder)
    monkeypatch.setenv("RNNVIZ_MODELS", str(folder / "none"))
    code = "from rnnviz import session\nfrom rnnviz.pages.sentiment import units\nsession.guarded(units.render)()\n"
    app = AppTest.from_string(code, default_timeout=60)
    app.session_state["keep_review"] = text
    for key, value in state.items():
        app.session_state[key] = value
    return app.run()


SHAPES = {
    "two layers": {"cell_type": "gru", "num_layers": 2, "pooling": "mean"},
    "both ways": {"cell_type": "lstm", "bidirectional": True, "pooling": "all"},
    "residual": {"cell_type": "residual", "pooling": "max", "dense_size": 4},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_kind_of_classifier_and_signal_is_drawn(
    shape: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_classifier(tmp_path / "tiny", **shape)
    held_out.save(tmp_path / "tiny", model, _held(model))
    app = _page(model, tmp_path, monkeypatch)
    signals = dict(zip(app.selectbox(key="keep_units_signal_tiny").options, held_out.signals_of(model), strict=True))
    for name, signal in [*list(signals.items())[::2], list(signals.items())[-1]]:
        app.session_state["keep_units_signal_tiny"] = name
        app.run()
        assert not app.exception
        assert not app.error
        assert not app.warning
        assert len(app.get("vega_lite_chart")) == 2
        assert any("alone is right" in text.value for text in app.markdown)
        assert any("x\\_y.csv" in caption.value for caption in app.caption)
        if signal.name == "hidden":
            assert app.header[0].value == "Unit 3 on the words"


def test_the_chosen_unit_is_that_of_the_numbers_and_the_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_classifier(tmp_path / "tiny")
    held_out.save(tmp_path / "tiny", model, _held(model))
    app = _page(model, tmp_path, monkeypatch)
    assert "all that the network knows" in app.markdown[-1].value
    app.selectbox(key="keep_units_unit_tiny_hidden_0_positive").set_value(9).run()
    assert app.header[0].value == "Unit 9 on the words"
    assert "not above chance" in next(text.value for text in app.markdown if "alone" in text.value)
    signal = held_out.signals_of(model)[0]
    value = held_out.on_words(model, "a good film", signal)[2][2, 9]
    assert f"film at 3: {value:.4f}" in app.get("html")[-1].proto.body


def test_without_held_out_reviews_the_words_are_coloured_and_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_classifier(tmp_path / "tiny", pooling="mean")
    app = _page(model, tmp_path, monkeypatch)
    assert "python -m rnnviz study tiny" in app.info[0].value
    assert "rv-text" in app.get("html")[0].proto.body
    held_out.save(tmp_path / "tiny", model, _held(model))
    app.run()
    assert not app.info, "a new file is seen"
    tiny_classifier(tmp_path / "tiny", pooling="max")
    app.run()
    assert "other weights" in app.warning[0].value
    assert "rv-text" in app.get("html")[0].proto.body


def test_three_classes_are_set_one_against_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tiny"
    two = tiny_classifier(folder)
    config = replace(two.config, num_outputs=3, labels=("*bad*", "so-so", "fine"))
    checkpoints.save(folder, Network(config), two.tokenizer, {})
    model = checkpoints.load(folder)
    held_out.save(folder, model, _held(model))
    app = _page(model, tmp_path, monkeypatch)
    assert not app.exception
    app.selectbox(key="keep_units_class_tiny").set_value("*bad*").run()
    assert not app.exception
    assert "all that the network knows" in next(text.value for text in app.markdown if "alone" in text.value)


def test_strange_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_classifier(tmp_path / "tiny", pooling="mean")
    held_out.save(tmp_path / "tiny", model, _held(model))
    app = _page(model, tmp_path, monkeypatch)
    for text in (STRANGE_TEXTS["markup"], STRANGE_TEXTS["right to left"], STRANGE_TEXTS["control"], "zzyzx", "", "..."):
        app.text_area(key="keep_review").set_value(text).run()
        assert not app.exception
        assert len(app.error) == (text in ("", "...")), text
        assert not any("<script" in element.proto.body for element in app.get("html"))


def test_a_click_on_a_unit_and_a_drag_through_the_path(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/sentiment")
    page.get_by_role("radio", name="Units", exact=True).click(timeout=SLOW)
    heading = page.get_by_role("heading", name="on the words")
    expect(heading).to_be_visible(timeout=SLOW)
    before = heading.inner_text()
    marks = page.locator("[data-testid=stVegaLiteChart]").first.locator(".mark-symbol path")
    marks.nth(60).click(force=True)
    expect(heading).not_to_have_text(before, timeout=SLOW)
    page.get_by_role("radio", name="Path", exact=True).click()
    slider = page.locator(".vega-bind input[type=range]")
    expect(slider).to_be_visible(timeout=SLOW)
    told = page.locator("[data-testid=stVegaLiteChart] text")
    expect(told.filter(has_text="word 38 of 38").first).to_be_visible(timeout=SLOW)
    slider.focus()
    slider.press("Home")
    expect(told.filter(has_text="word 1 of 38").first).to_be_visible(timeout=SLOW)

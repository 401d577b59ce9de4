"""The gradient page's charts by their fields: nothing dropped, nothing that cannot be told apart."""

import math

import altair as alt
import numpy as np
import pandas as pd
import pytest

from rnnviz.analysis.weight_gradients import Truncation
from rnnviz.charts.decay import Life, Line, decay_chart, lives_html
from rnnviz.charts.gradients import clipping_chart, share_chart, triangle_chart, truncation_chart
from rnnviz.charts.powers import plain, power_of_ten, tex

TOKENS = "abcdefgh"


def _line(name: str, log10: list[float], **more: object) -> Line:
    return Line(name, np.array(log10), TOKENS[: len(log10)], **more)


def _frames(chart: alt.LayerChart) -> list[pd.DataFrame]:
    """All data in a chart; JSON has no NaN, but nothing here is drawn by such a number."""
    return [pd.DataFrame(rows) for rows in chart.to_dict()["datasets"].values()]


def _with(chart: alt.LayerChart, column: str) -> pd.DataFrame:
    return pd.concat([frame for frame in _frames(chart) if column in frame])


def _decay(
    lines: list[Line], guides: dict | None = None, cut: int | None = None
) -> tuple[dict, dict[str, pd.DataFrame]]:
    chart = decay_chart(lines, "Gradient", "formula", guides, cut)
    return chart, chart["datasets"]


def _encoding(chart: dict, name: str) -> dict:
    return next(layer["encoding"] for layer in chart["layer"] if layer["data"]["name"] == name)


def test_one_line_a_network_told_apart_by_more_than_colour() -> None:
    chart, data = _decay([_line("RNN", [0.0, -3.0, -9.0]), _line("LSTM", [-1.0, -1.1, -1.2])])
    encoding = _encoding(chart, "lines")
    assert encoding["color"]["scale"]["domain"] == ["RNN", "LSTM"]
    assert encoding["strokeDash"]["scale"]["range"][0] != encoding["strokeDash"]["scale"]["range"][1]
    assert encoding["x"]["title"] == "steps back from the loss"
    assert chart["title"]["text"] == "Gradient"
    low, high = data["edges"]["log10"]
    assert low <= -9
    assert high >= 0
    row = data["lines"][(data["lines"]["network"] == "RNN") & (data["lines"]["back"] == 2)].iloc[0]
    assert (row["size"], row["token"], row["log10"]) == ("1.00e-09", "c", -9.0)


def test_the_specification_does_not_change_with_the_data() -> None:
    band = (np.array([-2.0]), np.array([0.0]))
    few, _ = _decay([_line("a", [0.0])])
    many, _ = _decay([_line("a", [-math.inf], band=band, half=0, life="x")], {"bound": np.zeros(1)}, cut=1)
    assert {k: v for k, v in few.items() if k != "datasets"} == {k: v for k, v in many.items() if k != "datasets"}
    names = {layer["data"]["name"] for layer in few["layer"]}
    assert names == set(few["datasets"]) == set(many["datasets"])


def test_all_that_is_drawn_is_in_the_data() -> None:
    band = (np.array([-2.0, -3.0]), np.array([0.0, -1.0]))
    line = _line("a", [0.0, -math.inf], band=band, half=0, life="x")
    for chart, data in (_decay([line], {"g": np.zeros(2)}, cut=1), _decay([_line("a", [0.0])])):
        for layer in chart["layer"]:
            found = data[layer["data"]["name"]]
            for channel in layer["encoding"].values():
                for part in channel if isinstance(channel, list) else [channel]:
                    assert part.get("field") in (None, *found.columns), layer["data"]["name"]


def test_zero_infinity_and_nan_are_marks_at_the_edges_and_named() -> None:
    _, data = _decay([_line("a", [0.0, -2.0, -math.inf, math.inf, math.nan])])
    low, high = data["edges"]["log10"]
    marks = data["marks"].set_index("back")
    assert marks["kind"].to_dict() == {
        2: "exactly zero", 3: "infinite or not a number", 4: "infinite or not a number",
    }  # fmt: skip
    assert marks["log10"].to_dict() == {2: low, 3: high, 4: high}
    assert marks["size"].to_dict() == {2: "0", 3: "infinite", 4: "not a number"}
    assert list(filter(None, data["texts"]["text"])) == [
        "exactly zero from 2 steps back", "infinite or not a number from 3 steps back",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [-math.inf, math.nan])
def test_a_chart_of_nothing_but_marks_is_still_a_chart(value: float) -> None:
    _, data = _decay([_line("a", [value, value])], {"guide": np.array([value, value])})
    assert len(data["marks"]) == 2
    assert np.isfinite(data["edges"]).all().all()


def test_a_text_of_one_token() -> None:
    _, data = _decay([_line("a", [-0.5])])
    assert data["edges"]["back"].tolist() == [0, 1]
    assert data["halves"][["back", "log10"]].values.tolist() == [[0, -0.5]], "a point, since a line would not be seen"


def test_half_lives_are_written_and_marked_and_guides_stay_in_the_picture() -> None:
    line = _line("a", [0.0, -1.0, -2.0, -3.0], half=1, life="half-life 0.3 steps")
    guides = {"bound": np.array([0.0, 9.0, 18.0, 27.0]), "power": np.array([0.0, -1.0, -2.0, -3.0])}
    _, data = _decay([line], guides)
    assert data["halves"][["back", "log10"]].values.tolist() == [[1, -1.0]]
    assert data["guides"]["log10"].between(*data["edges"]["log10"]).all()
    places = dict(zip(data["texts"]["text"], data["texts"]["place"], strict=True))
    assert {text: place for text, place in places.items() if text} == {
        "bound": "below, from here",
        "power": "below, to here",
        "half-life 0.3 steps": "below, to here",
    }


def test_names_of_models_are_text() -> None:
    html = lives_html([Life("<script>alert(1)</script>", "1.0 steps", "never halved")])
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_bands_and_steps_left_out() -> None:
    band = (np.array([-2.0, -3.0, -4.0]), np.array([0.0, -1.0, -2.0]))
    skipped = np.array([False, True, False])
    _, data = _decay([_line("a", [-1.0, math.nan, -3.0], band=band, skipped=skipped)])
    assert data["bands"]["smallest"].tolist() == [plain(-2.0), plain(-3.0), plain(-4.0)]
    assert data["lines"]["back"].tolist() == [0, 2]
    dead = (np.array([-np.inf, -3.0, -np.inf]), np.array([0.0, -1.0, np.nan]))
    _, data = _decay([_line("a", [-1.0, -2.0, -3.0], band=dead)])
    low, high = data["edges"]["log10"]
    assert data["bands"][["log10", "to"]].values.tolist() == [[low, 0.0], [-3.0, -1.0], [low, high]]
    assert data["bands"]["smallest"].iloc[0] == "0"
    assert not any(data["marks"]["kind"])


def test_the_triangle_has_an_absolute_scale_and_hides_what_comes_later() -> None:
    log10 = np.array([[-1.0, np.nan, np.nan], [-3.0, -1.0, np.nan], [-np.inf, -3.0, -1.0]])
    chart = triangle_chart(log10, np.arange(3), np.arange(3), "abc", "t", "s")
    data = pd.concat(_frames(chart))
    assert (data["state at step"] <= data["loss after step"]).all()
    assert len(data) == 6
    assert data[data["kind"] == "0"][["loss after step", "state at step"]].values.tolist() == [[2, 0]]
    other = triangle_chart(log10 - 3, np.arange(3), np.arange(3), "abc", "t", "s")
    scales = [c.to_dict()["layer"][0]["encoding"]["color"]["scale"]["domain"] for c in (chart, other)]
    assert scales[0] == scales[1]


def test_shares_are_summed_from_the_loss_backwards() -> None:
    data = share_chart({"a": np.array([0.5, 0.75, -0.25])}, {"a": "xyz"}).data
    assert data["together"].tolist() == [0.5, 1.25, 1.0]
    assert data["token"].tolist() == ["x", "y", "z"]


def test_truncation_and_clipping() -> None:
    ones = np.ones(2)
    found = Truncation("a", (1, 2), np.array([0.5, 0.0]), ones, ones, 2)
    assert _with(truncation_chart([found], 2), "missing")["missing"].tolist() == [0.5, 0.0]
    data = next(f for f in _frames(clipping_chart({"a": 10.0, "b": 0.1, "c": 0.0}, 1.0)) if "when" in f)
    assert data[data["network"] == "a"]["norm"].tolist() == [10.0, 1.0]
    assert data[data["network"] == "b"]["norm"].tolist() == [0.1, 0.1]
    assert set(data["network"]) == {"a", "b", "c"}


def test_numbers_beyond_any_float() -> None:
    assert [plain(-400.0), plain(0.0), plain(2.0, -1), plain(-math.inf)] == ["1.00e-400", "1", "-100", "0"]
    assert plain(math.nan) == "not a number"
    assert tex(-400.0) == r"1.00\cdot 10^{-400}"
    assert power_of_ten(-12) == "10\u207b\u00b9\u00b2"

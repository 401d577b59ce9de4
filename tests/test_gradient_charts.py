"""The gradient page's charts by their fields: nothing dropped, nothing that cannot be told apart."""

import math

import altair as alt
import numpy as np
import pandas as pd
import pytest

from rnnviz.analysis.weight_gradients import Truncation
from rnnviz.charts.gradients import Line, clipping_chart, decay_chart, share_chart, triangle_chart, truncation_chart
from rnnviz.charts.powers import plain, power_of_ten, tex

TOKENS = "abcdefgh"


def _line(name: str, log10: list[float], **more: object) -> Line:
    return Line(name, np.array(log10), TOKENS[: len(log10)], **more)


def _frames(chart: alt.LayerChart) -> list[pd.DataFrame]:
    """All data in a chart; JSON has no NaN, but nothing here is drawn by such a number."""
    return [pd.DataFrame(rows) for rows in chart.to_dict()["datasets"].values()]


def _with(chart: alt.LayerChart, column: str) -> pd.DataFrame:
    return pd.concat([frame for frame in _frames(chart) if column in frame])


def test_one_line_a_network_told_apart_by_more_than_colour() -> None:
    chart = decay_chart([_line("RNN", [0.0, -3.0, -9.0]), _line("LSTM", [-1.0, -1.1, -1.2])], "Gradient", "formula")
    whole = chart.to_dict()
    encoding = next(layer["encoding"] for layer in whole["layer"] if "strokeDash" in layer["encoding"])
    assert encoding["color"]["scale"]["domain"] == ["RNN", "LSTM"]
    assert encoding["strokeDash"]["scale"]["range"][0] != encoding["strokeDash"]["scale"]["range"][1]
    assert encoding["x"]["title"] == "steps back from the loss"
    assert whole["title"]["text"] == "Gradient"
    low, high = encoding["y"]["scale"]["domain"]
    assert low <= -9
    assert high >= 0
    data = _with(chart, "token")
    row = data[(data["network"] == "RNN") & (data["steps back"] == 2)].iloc[0]
    assert (row["size"], row["token"], row["log10"]) == ("1.00e-09", "c", -9.0)


def test_zero_infinity_and_nan_are_marks_at_the_edges() -> None:
    chart = decay_chart([_line("a", [0.0, -2.0, -math.inf, math.inf, math.nan])], "t", "s")
    low, high = chart.to_dict()["layer"][0]["encoding"]["y"]["scale"]["domain"]
    marks = _with(chart, "mark").set_index("steps back")
    assert marks["mark"].to_dict() == {
        2: "exactly zero", 3: "infinite or not a number", 4: "infinite or not a number",
    }  # fmt: skip
    assert marks["log10"].to_dict() == {2: low, 3: high, 4: high}
    assert marks["size"].to_dict() == {2: "0", 3: "infinite", 4: "not a number"}


@pytest.mark.parametrize("value", [-math.inf, math.nan])
def test_a_chart_of_nothing_but_marks_is_still_a_chart(value: float) -> None:
    chart = decay_chart([_line("a", [value, value])], "t", "s", {"guide": np.array([value, value])})
    assert len(_with(chart, "mark")) == 2
    assert chart.to_dict()


def test_a_text_of_one_token() -> None:
    assert decay_chart([_line("a", [-0.5])], "t", "s").to_dict()["layer"][0]["encoding"]["x"]["scale"]["domain"] == [
        0,
        1,
    ]


def test_half_lives_are_written_and_marked_and_guides_stay_in_the_picture() -> None:
    line = _line("a", [0.0, -1.0, -2.0, -3.0], half=1, life="half-life 0.3 steps")
    chart = decay_chart(
        [line], "t", "s", {"bound": np.array([0.0, 9.0, 18.0, 27.0]), "power": np.array([0.0, -1, -2, -3])}
    )
    assert "half-life 0.3 steps" in _with(chart, "text")["text"].tolist()
    guides = _with(chart, "guide")
    domain = chart.to_dict()["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert guides["log10"].between(*domain).all()
    assert set(guides["guide"]) == {"bound", "power"}


def test_bands_and_steps_left_out() -> None:
    band = (np.array([-2.0, -3.0, -4.0]), np.array([0.0, -1.0, -2.0]))
    skipped = np.array([False, True, False])
    chart = decay_chart([_line("a", [-1.0, math.nan, -3.0], band=band, skipped=skipped)], "t", "s")
    assert _with(chart, "largest")["smallest"].tolist() == [plain(-2.0), plain(-3.0), plain(-4.0)]
    assert _with(chart, "token")["steps back"].tolist() == [0, 2]
    assert not any("mark" in frame for frame in _frames(chart))


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

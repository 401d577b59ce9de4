"""Accuracy against the distance of what has to be remembered, all cells on the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import altair as alt
import pandas as pd

from rnnviz.charts.lines import styled

HEIGHT = 600
_GREY = "#808080"
_SHARE = "fresh sequences answered right"
_SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right")
_APART = 0.01
"""Room between two cells' points at one distance, as a share of the farthest, so that they do not hide each other."""
_WILSON, _SEEDS = "95 %, over sequences", "lowest to highest seed"


@dataclass(frozen=True)
class Point:
    """What one network had learned at one distance.

    Attributes:
        network: The cell's name in the legend.
        distance: In steps.
        seed: Of its weights and sequences.
        accuracy: Share of fresh sequences answered right.
        low: Lower end of its 95 % interval.
        high: Upper end.
        updates: Updates it took.
        note: How its training ended.
    """

    network: str
    distance: int
    seed: int
    accuracy: float
    low: float
    high: float
    updates: int
    note: str = ""


def distance_chart(
    points: Sequence[Point], names: Sequence[str], distances: Sequence[int], chance: float, subtitle: Sequence[str]
) -> alt.LayerChart:
    """Draw the share answered right against the distance, a line a cell through the mean of its seeds.

    A bar spans the 95 % interval where there is one seed, and all seeds' accuracies where there are several.

    Args:
        points: What there is so far; may be empty.
        names: Cells in the legend, in its order; they fix colours and places.
        distances: All that are or will be measured, in steps.
        chance: The share that guessing gets right.
        subtitle: The settings that the points were made with, in lines.
    """
    data, seeds = _frames(points, names, max(distances))
    axis = alt.Axis(values=sorted(distances), grid=False)
    scale = alt.Scale(domain=[0, max(distances) * 1.05], nice=False)
    x = alt.X("place:Q", title="distance in steps to the first symbol", axis=axis, scale=scale)
    share = {"title": _SHARE, "axis": alt.Axis(format="%"), "scale": alt.Scale(domain=[0, 1])}
    y = alt.Y("accuracy:Q", **share)
    style = _style(names)
    base = alt.Chart(data).encode(x=x, y=y)
    bars = base.mark_rule(strokeWidth=2, opacity=0.7).encode(
        y=alt.Y("low:Q", **share), y2="high:Q", color=style["color"]
    )
    lines = base.mark_line(strokeWidth=2.5).encode(color=style["color"], strokeDash=style["strokeDash"])
    tips = ["network:N", "distance:Q", *_percent("accuracy", "low", "high"), "bar:N", "seeds:N", "updates:Q", "note:N"]
    marks = base.mark_point(size=90, filled=True, opacity=1)
    marks = marks.encode(color=style["color"], shape=style["shape"], tooltip=tips)
    layers = [*_chance(chance), bars, lines, marks]
    if seeds is not None:
        each = ["network:N", "distance:Q", "seed:Q", *_percent("accuracy"), "updates:Q", "note:N"]
        small = alt.Chart(seeds).mark_point(size=18, filled=True, opacity=0.6)
        layers.append(small.encode(x=x, y=y, color=style["color"], tooltip=each))
    title = alt.Title("Which cell still learns it", subtitle=list(subtitle), subtitleColor=_GREY)
    return alt.layer(*layers).properties(height=HEIGHT, title=title)


def _style(names: Sequence[str]) -> dict[str, alt.Color | alt.StrokeDash | alt.Shape]:
    """Return the colours and dashes of all line charts, and points whose shapes are what the legend shows."""
    lines = styled(names, "cell")
    filled = {"symbolSize": 120, "symbolDash": [1, 0], "symbolStrokeWidth": 0, "symbolOpacity": 1}
    legend = alt.Legend(orient="bottom", labelLimit=260, columns=2, **filled)
    shapes = [_SHAPES[i % len(_SHAPES)] for i in range(len(names))]
    shape = alt.Scale(domain=list(names), range=shapes)
    return {
        "color": alt.Color("network:N", title="cell", scale=lines["color"]["scale"], legend=legend),
        "strokeDash": alt.StrokeDash("network:N", scale=lines["strokeDash"]["scale"], legend=None),
        "shape": alt.Shape("network:N", title="cell", scale=shape, legend=legend),
    }


def _percent(*fields: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{field}:Q", format=".1%") for field in fields]


def _frames(points: Sequence[Point], names: Sequence[str], farthest: int) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return a row a cell and distance, and a row a seed where any cell has several; all at places of their own."""
    columns = ["network", "distance", "seed", "accuracy", "low", "high", "updates", "note"]
    data = pd.DataFrame([asdict(point) for point in points], columns=columns)
    shift = {name: (i - (len(names) - 1) / 2) * _APART * farthest for i, name in enumerate(names)}
    data["place"] = data["distance"] + data["network"].map(shift)
    rows = [_together(part) for _, part in data.groupby(["network", "distance"], sort=False)]
    whole = pd.DataFrame(rows, columns=[*columns, "place", "bar", "seeds"])
    return whole, data if any(row["bar"] == _SEEDS for row in rows) else None


def _together(part: pd.DataFrame) -> dict[str, object]:
    """One cell at one distance: the one seed as it is, or the mean of several and how far they lie apart."""
    first = part.iloc[0].to_dict()
    seeds = ", ".join(str(seed) for seed in part["seed"])
    if len(part) == 1:
        return {**first, "bar": _WILSON, "seeds": seeds}
    accuracy = part["accuracy"]
    spread = {"accuracy": accuracy.mean(), "low": accuracy.min(), "high": accuracy.max()}
    told = {"updates": round(part["updates"].mean()), "note": "mean of the seeds"}
    return {**first, **spread, **told, "bar": _SEEDS, "seeds": seeds}


def _chance(chance: float) -> list[alt.Chart]:
    data = pd.DataFrame([{"place": 0, "accuracy": chance, "text": f"guessing: {chance:.0%}"}])
    base = alt.Chart(data).encode(y=alt.Y("accuracy:Q", title=_SHARE), tooltip=["text:N"])
    text = base.mark_text(align="left", dx=4, dy=-8, fontSize=13, color=_GREY).encode(x="place:Q", text="text:N")
    return [base.mark_rule(color=_GREY, strokeDash=[2, 2], strokeWidth=1.5), text]

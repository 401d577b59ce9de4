"""How often classifiers are right: their accuracies on one axis, and whether they are as sure as they should be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from rnnviz.charts.lines import styled
from rnnviz.charts.palette import LINES

_GREY = "#808080"
_ROW, _FRAME = 22, 230
_HEIGHT = 460
_SHAPES = ("circle", "square", "diamond")
_COLOURS = (LINES[0], LINES[1], LINES[6])
_PERCENT = ".2~%"


@dataclass(frozen=True)
class Dot:
    """One classifier on the axis of accuracies.

    Attributes:
        name: Its row.
        kind: What it is drawn as.
        accuracy: Share of the test set that is right.
        low: Lowest seed; its accuracy where there is one.
        high: Highest seed.
        seeds: Every seed's share right.
        note: For the tooltip.
        line: Draw its accuracy as a line across all rows, to hold others against.
    """

    name: str
    kind: str
    accuracy: float
    low: float
    high: float
    seeds: tuple[tuple[int, float], ...] = ()
    note: str = ""
    line: bool = False


@dataclass(frozen=True)
class Bin:
    """Guesses that were given about the same chance.

    Attributes:
        chance: Their mean chance.
        right: Share of them that is right.
        low: Lower end of that share's 95 % interval.
        high: Upper end.
        count: How many they are.
    """

    chance: float
    right: float
    low: float
    high: float
    count: int


def accuracy_chart(dots: Sequence[Dot], kinds: Sequence[str]) -> alt.LayerChart:
    """Draw a dot a classifier, a bar from its lowest to its highest seed, and a line for each that others must beat.

    Args:
        dots: In the order of the rows, at least one.
        kinds: Kinds in the legend, three at most; they fix colours and shapes.
    """
    names = [dot.name for dot in dots]
    data = pd.DataFrame([{**vars(dot), "seeds": str(len(dot.seeds) or "-")} for dot in dots])
    scale = _around(min(dot.low for dot in dots), max(dot.high for dot in dots))
    x = alt.X("accuracy:Q", title="share of test reviews right", axis=alt.Axis(format=".0%", tickCount=6), scale=scale)
    row = alt.Axis(labelLimit=165, labelOverlap=False, labelFlush=False, labelBound=False, grid=True)
    y = alt.Y("name:N", title=None, sort=names, scale=alt.Scale(domain=names), axis=row)
    style = _kinds(kinds)
    share = _percent("accuracy")
    base = alt.Chart(data).encode(y=y, color=style["color"])
    line = alt.Chart(data[data["line"]]).mark_rule(color=LINES[1], strokeDash=[4, 3], strokeWidth=1.5)
    bars = base.mark_rule(strokeWidth=3, opacity=0.6).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    tips = ["name:N", "kind:N", *share, "seeds:N", *_percent("low", "high"), "note:N"]
    points = base.mark_point(size=110, filled=True, opacity=1).encode(x=x, shape=style["shape"], tooltip=tips)
    small = alt.Chart(_each(dots)).mark_point(size=18, filled=True, opacity=0.7)
    small = small.encode(x=x, y=y, color=style["color"], tooltip=["name:N", "seed:Q", *share])
    told = ["bars: lowest to highest seed", *(f"dashed: {dot.name} ({dot.accuracy:.1%})" for dot in dots if dot.line)]
    title = alt.Title("Right on the test set", subtitle=told, subtitleColor=_GREY)
    layers = alt.layer(line.encode(x=x, tooltip=["name:N", *share]), bars, points, small)
    return layers.properties(height=_ROW * len(dots) + _FRAME, title=title)


def _around(lowest: float, highest: float) -> alt.Scale:
    """Return an axis with a little room at both ends; it need not begin at zero, since dots have no length."""
    room = max(0.01, 0.04 * (highest - lowest))
    return alt.Scale(domain=[max(0.0, lowest - room), min(1.0, highest + room)], nice=False, zero=False)


def _each(dots: Sequence[Dot]) -> pd.DataFrame:
    """Return a row a seed."""
    rows = [(dot.name, dot.kind, seed, share) for dot in dots for seed, share in dot.seeds]
    return pd.DataFrame(rows, columns=["name", "kind", "seed", "accuracy"])


def _kinds(kinds: Sequence[str]) -> dict[str, alt.Color | alt.Shape]:
    """Return colour and shape by kind, told in one legend."""
    legend = alt.Legend(orient="bottom", columns=1, labelLimit=260, symbolOpacity=1, symbolSize=110)
    domain = list(kinds)
    return {
        "color": alt.Color("kind:N", title=None, legend=legend, scale=alt.Scale(domain=domain, range=list(_COLOURS))),
        "shape": alt.Shape("kind:N", title=None, legend=legend, scale=alt.Scale(domain=domain, range=list(_SHAPES))),
    }


def _percent(*fields: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{field}:Q", format=_PERCENT) for field in fields]


def calibration_chart(curves: dict[str, Sequence[Bin]], subtitle: str) -> alt.LayerChart:
    """Draw the share of guesses that is right against the chance given to them: a reliability diagram.

    On the diagonal a classifier is right as often as it says. The size of a point is the number of its guesses, its bar
    the 95 % interval of the share. The diagram is that of Guo et al. 2017, with points in place of bars.

    Args:
        curves: By name; bins without a guess left out.
        subtitle: What was guessed.
    """
    rows = [{"network": name, **vars(one)} for name, bins in curves.items() for one in bins]
    data = pd.DataFrame(rows)
    low = math.floor(10 * min(data["chance"].min(), data["right"].min())) / 10
    scale = alt.Scale(domain=[low, 1], nice=False)
    axis = alt.Axis(format=".0%", tickCount=6)
    x = alt.X("chance:Q", title="chance given to the guess", scale=scale, axis=axis)
    y = alt.Y("right:Q", title="share of such guesses right", scale=scale, axis=axis)
    style = styled(list(curves), "model")
    stroke = {"symbolType": "stroke", "symbolStrokeWidth": 2.5, "symbolFillColor": "transparent", "symbolSize": 300}
    legend = alt.Legend(orient="bottom", columns=1, labelLimit=260, **stroke)
    tips = ["network:N", *_percent("chance", "right", "low", "high"), alt.Tooltip("count:Q", format=",")]
    color, dash = style["color"].legend(legend), style["strokeDash"].legend(legend)
    base = alt.Chart(data).encode(x=x, color=color)
    size = alt.Size("count:Q", legend=None, scale=alt.Scale(range=[25, 420]))
    bars = base.mark_rule(strokeWidth=1.5, opacity=0.7, clip=True).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    lines = base.mark_line(strokeWidth=2).encode(y=y, strokeDash=dash)
    points = base.mark_point(filled=True, opacity=0.85).encode(y=y, size=size, tooltip=tips)
    ends = pd.DataFrame({"chance": [low, 1.0], "right": [low, 1.0]})
    ideal = alt.Chart(ends).mark_line(color=_GREY, strokeDash=[2, 3]).encode(x=x, y=y)
    title = alt.Title("As sure as it should be?", subtitle=subtitle, subtitleColor=_GREY)
    return alt.layer(ideal, bars, lines, points).properties(height=_HEIGHT, title=title)

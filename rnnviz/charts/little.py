"""Pictures of the little networks: what a training has come to, odds of each character at each step, shares by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.lines import styled
from rnnviz.charts.palette import LINES, STOPS
from rnnviz.charts.text import visible

_GREY = "#808080"
_CELL = 24
_AROUND = 190
"""Height of title, axis and legend, which a chart's height includes."""


def learned_chart(rows: Sequence[tuple[int, str, float]], names: Sequence[str], updates: int) -> alt.LayerChart:
    """Draw the share of a validation part that was right against the updates made.

    Args:
        rows: (update, what was validated, share from 0 to 1).
        names: All that is validated, in the legend's order.
        updates: Of the whole training.
    """
    data = pd.DataFrame(rows, columns=["update", "network", "share"])
    base = alt.Chart(data).encode(
        x=alt.X("update:Q", title="updates made", scale=alt.Scale(domain=[0, updates], nice=False)),
        y=alt.Y("share:Q", title="right, of the validation part", scale=alt.Scale(domain=[0, 1])).axis(format="%"),
        **styled(names, "validated"),
    )
    tips = ["network:N", "update:Q", alt.Tooltip("share:Q", format=".1%")]
    marks = base.mark_point(filled=True, size=50, opacity=1).encode(
        tooltip=tips, strokeDash=alt.StrokeDashValue([1, 0])
    )
    layers = [base.mark_line(strokeWidth=2.5), marks]
    return alt.layer(*layers).properties(height=400, title="Learned so far, on what training never sees")


def odds_chart(chances: np.ndarray, outputs: Sequence[str], wrote: Sequence[str], title: str) -> alt.LayerChart:
    """Draw the probability of every character at every step of writing, and what was chosen.

    Args:
        chances: (step, output), from 0 to 1.
        outputs: What the columns of `chances` are.
        wrote: (step,), what was chosen.
        title: Above it.
    """
    kept = [i for i in range(len(outputs)) if chances[:, i].max() >= 0.005 or outputs[i] in wrote]
    rows = [
        {
            "step": t + 1,
            "character": visible(outputs[i]),
            "probability": float(chances[t, i]),
            "chosen": c == outputs[i],
        }
        for t, c in enumerate(wrote)
        for i in kept
    ]
    names = [visible(outputs[i]) for i in kept]
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("step:O", title="step of writing", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("character:O", sort=names, title="character", axis=alt.Axis(labelFontSize=13, labelOverlap=False)),
        tooltip=["step:O", "character:N", alt.Tooltip("probability:Q", format=".4f"), "chosen:N"],
    )
    scale = alt.Scale(domain=np.linspace(0, 1, len(STOPS)).tolist(), range=list(STOPS), clamp=True)
    legend = alt.Legend(orient="bottom", format=".1f", gradientLength=180)
    cells = base.mark_rect().encode(color=alt.Color("probability:Q", scale=scale, legend=legend))
    dots = base.transform_filter("datum.chosen").mark_point(filled=True, size=46, color="#ffffff", opacity=1)
    rim = base.transform_filter("datum.chosen").mark_point(size=46, color="#000000", opacity=1, strokeWidth=1)
    return alt.layer(cells, dots, rim).properties(height=_AROUND + _CELL * len(names), title=title)


def shares_chart(
    found: Mapping[str, Mapping[str, float]], title: str, axis: str, subtitle: str = "", ordered: bool = False
) -> alt.LayerChart:
    """Draw a share right for each kind, with its 95 % interval.

    Args:
        found: Kind -> "accuracy", "low", "high" from 0 to 1, "right" and "tested".
        title: Above it.
        axis: What the kinds are; said on the axis of numbers.
        subtitle: Below the title.
        ordered: The kinds are numbers, and stand from left to right.
    """
    data = pd.DataFrame([{"kind": int(kind) if ordered else kind, **one} for kind, one in found.items()])
    lowest = min(0.95, float(data["low"].min()) - 0.01)
    share = {"title": "right (axis does not begin at 0)" if lowest > 0 else "right"}
    share |= {"scale": alt.Scale(domain=[max(0.0, lowest), 1], nice=False), "axis": alt.Axis(format=".1%")}
    tips = ["kind:N", *(alt.Tooltip(f"{name}:Q", format=".2%") for name in ("accuracy", "low", "high"))]
    tips += ["right:Q", "tested:Q"]
    base = alt.Chart(data)
    if ordered:
        kind, value, low = alt.X("kind:Q", title=axis), alt.Y("accuracy:Q", **share), alt.Y("low:Q", **share)
        bars = base.mark_rule(strokeWidth=2, color=_GREY).encode(x=kind, y=low, y2="high:Q")
        place = {"x": kind, "y": value}
    else:
        kind = alt.Y("kind:N", title=None, sort=None, axis=alt.Axis(labelLimit=190, labelOverlap=False))
        value, low = alt.X("accuracy:Q", **share), alt.X("low:Q", **share)
        bars = base.mark_rule(strokeWidth=2, color=_GREY).encode(y=kind, x=low, x2="high:Q")
        place = {"x": value, "y": kind}
    dots = base.mark_point(filled=True, size=90, color=LINES[0], opacity=1).encode(**place, tooltip=tips)
    high = 320 if ordered else 150 + _CELL * len(data)
    return alt.layer(bars, dots).properties(height=high, title=alt.Title(title, subtitle=subtitle, subtitleColor=_GREY))

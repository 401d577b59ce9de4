"""How well single units tell one class from the rest: all units ranked, and one unit's values as two histograms."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.analysis.telling import Telling
from rnnviz.charts.palette import LINES

HEIGHT = 440
OF_CLASS, OF_REST = LINES[1], LINES[0]
"""Colours of the class that is followed and of the rest; red and blue, as the palette's high and low ends."""
CLICKED = "clicked"
"""The selection's name; its field is "unit"."""
_GREY = "#808080"
_BINS = 40


def ranking_chart(telling: Telling, chosen: int, label: str, rest: str, signal: str) -> alt.LayerChart:
    """Draw every unit's area under the ROC curve, most telling first, over the line that chance reaches.

    Args:
        telling: The units' figures.
        chosen: The unit that is ringed.
        label: The class.
        rest: What the other texts are called.
        signal: What the units' values are.
    """
    sides = [f"high speaks for {label}", f"low speaks for {label}"]
    data = pd.DataFrame(
        {
            "rank": np.arange(1, len(telling.units) + 1),
            "unit": telling.units,
            "auc": telling.auc,
            "accuracy": telling.accuracy,
            "value": np.where(telling.side > 0, *sides),
        }
    )
    low = min(0.4, float(telling.auc.min()) - 0.02)
    x = alt.X("rank:Q", title="unit\u2019s rank, chosen on the first half", axis=alt.Axis(tickMinStep=1))
    y = alt.Y("auc:Q", title="AUC on the second half", scale=alt.Scale(domain=[low, 1.0], nice=False))
    legend = alt.Legend(orient="bottom", columns=1, labelLimit=300)
    tips = ["rank", "unit", "value", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("auc", "accuracy"))]
    clicked = alt.selection_point(name=CLICKED, fields=["unit"], toggle=False, clear=False)
    points = (
        alt.Chart(data)
        .mark_point(filled=True, size=70, opacity=0.85, cursor="pointer")
        .encode(
            x=x,
            y=y,
            tooltip=tips,
            shape=alt.Shape(
                "value:N",
                title="value",
                legend=legend,
                scale=alt.Scale(domain=sides, range=["triangle-up", "triangle-down"]),
            ),
            color=alt.Color(
                "value:N", title="value", legend=legend, scale=alt.Scale(domain=sides, range=[OF_CLASS, OF_REST])
            ),
        )
    )
    own = alt.Chart(data[data["unit"] == chosen])
    ring = own.mark_point(size=260, strokeWidth=2.5, color=_GREY, filled=False).encode(x=x, y=y)
    name = own.mark_text(dx=14, dy=-10, align="left", fontWeight="bold", color=_GREY)
    levels = ((telling.chance, f"best of all by chance: {telling.chance:.2f}", [6, 3]), (0.5, "a coin: 0.50", [2, 3]))
    lines = [_level(auc, text, dash, y) for auc, text, dash in levels]
    title = alt.Title(
        f"Which units tell {label} from {rest}",
        subtitle=signal,
        subtitleColor=_GREY,
    )
    return (
        alt.layer(*[part for line in lines for part in line], points.add_params(clicked), ring)
        .add_layers(name.encode(x=x, y=y, text=alt.value(f"unit {chosen}")))
        .properties(height=HEIGHT, title=title)
    )


def _level(auc: float, text: str, dash: list[int], y: alt.Y) -> tuple[alt.Chart, alt.Chart]:
    """Return a level line with its name at the left, where the telling units stand far above it."""
    at = alt.Chart(pd.DataFrame({"auc": [auc], "text": [text]})).encode(y=y)
    line = at.mark_rule(color=_GREY, strokeDash=dash, strokeWidth=1.5)
    return line, at.mark_text(align="left", dy=-7, color=_GREY).encode(x=alt.value(4), text="text:N")


def histogram_chart(
    values: np.ndarray, positive: np.ndarray, threshold: float, title: str, label: str, rest: str, axis: str
) -> alt.LayerChart:
    """Draw one unit's values as two histograms of the same bins, the class upwards and the rest downwards.

    Args:
        values: (text,), the unit's value at the end of each text.
        positive: bool (text,), the texts of the class.
        threshold: Where the first half is parted best.
        title: What is drawn.
        label: The class.
        rest: What the other texts are called.
        axis: What the values are.
    """
    edges = np.histogram_bin_edges(values, bins=_BINS)
    names, rows = [f"{label} (up)", f"{rest} (down)"], []
    for name, group, sign in zip(names, (positive, ~positive), (1, -1), strict=True):
        counts = np.histogram(values[group], bins=edges)[0]
        part = {
            "class": name,
            "from": edges[:-1],
            "to": edges[1:],
            "reviews": counts,
            "height": sign * counts,
            "zero": 0,
        }
        rows.append(pd.DataFrame({**part, "share": counts / max(1, group.sum())}))
    data = pd.concat(rows, ignore_index=True)
    bars = (
        alt.Chart(data[data["reviews"] > 0])
        .mark_rect(strokeWidth=0.5, stroke=_GREY)
        .encode(
            x=alt.X("from:Q", title=axis, scale=alt.Scale(nice=False, zero=False)),
            x2="to:Q",
            y=alt.Y(
                "height:Q", title="reviews", axis=alt.Axis(labelExpr="format(abs(datum.value), 'd')", tickMinStep=1)
            ),
            color=alt.Color(
                "class:N",
                title="true class",
                legend=alt.Legend(orient="bottom", columns=2, labelLimit=260),
                scale=alt.Scale(domain=names, range=[OF_CLASS, OF_REST]),
            ),
            tooltip=[
                "class",
                "reviews",
                alt.Tooltip("share:Q", format=".1%", title="share of the class"),
                *(alt.Tooltip(f"{end}:Q", format=".3f") for end in ("from", "to")),
            ],
        )
    )
    at = alt.Chart(pd.DataFrame({"value": [threshold], "text": [f"threshold {threshold:.3g}"]}))
    rule = at.mark_rule(color=_GREY, strokeDash=[6, 3], strokeWidth=2).encode(x="value:Q")
    text = at.mark_text(color=_GREY).encode(x="value:Q", y=alt.value(-7), text="text:N")
    zero = alt.Chart(pd.DataFrame({"height": [0]})).mark_rule(color=_GREY).encode(y="height:Q")
    heading = alt.Title(title, subtitle=f"{label} upwards, {rest} downwards", subtitleColor=_GREY, offset=20)
    return alt.layer(bars, zero, rule, text).properties(height=360, title=heading)

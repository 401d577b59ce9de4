"""Errors of a network at several lengths while it is fitted to them."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.palette import DASHES
from rnnviz.charts.ragged import height_with, traced

_GREY = "#808080"


def ends_of(*errors: np.ndarray) -> tuple[float, float]:
    """Return the ends of an axis on which all errors fit, so that pictures can be compared."""
    every = np.concatenate([found.ravel() for found in errors])
    return float(max(every.min() / 1.5, 1e-12)), float(every.max() * 1.5)


def fitting_chart(
    updates: np.ndarray,
    errors: np.ndarray,
    lengths: Sequence[int],
    ends: tuple[float, float],
    title: str,
    groups: Sequence[int] = (),
) -> alt.LayerChart:
    """Draw the held-out error at each length against the updates.

    Args:
        updates: int64 (look,).
        errors: float64 (look, length), above zero.
        lengths: What the columns are.
        ends: Of the axis, the same in pictures that are compared.
        title: What is drawn.
        groups: Lengths of the groups that came one after the other, equally long; none where they came in turn.
    """
    names = [f"length {length}" for length in lengths]
    frames = [
        pd.DataFrame({"updates": updates, "error": errors[:, i], "network": name}) for i, name in enumerate(names)
    ]
    data = pd.concat(frames, ignore_index=True)
    data["hovered"] = True
    last = int(updates[-1])
    scale = alt.Scale(domain=[0, last], nice=False)
    x = alt.X("updates:Q", title="updates made (batches)", scale=scale, axis=alt.Axis(grid=False, tickCount=5))
    y = alt.Y(
        "error:Q",
        title="mean squared error, held out (logarithmic)",
        scale=alt.Scale(type="log", domain=list(ends), nice=False),
        axis=alt.Axis(format="~g", tickCount=5),
    )
    tips = ["network:N", "updates:Q", alt.Tooltip("error:Q", title="mean squared error", format=".3~g")]
    layers = traced(data, names, "held-out series of", x, y, tips, seen=False)
    if groups:
        layers = [*_borders(groups, last, scale), *layers]
    return alt.layer(*layers).properties(height=height_with(len(names)), title=title)


def _borders(groups: Sequence[int], last: int, scale: alt.Scale) -> list[alt.Chart]:
    """Dotted lines between fittings, and above each the length that it is fitted to."""
    width = last / len(groups)
    data = pd.DataFrame(
        [{"at": i * width, "middle": (i + 0.5) * width, "told": f"fit {n}"} for i, n in enumerate(groups)]
    )
    base = alt.Chart(data)
    rules = base.transform_filter("datum.at > 0").mark_rule(color=_GREY, strokeDash=DASHES[2])
    texts = base.mark_text(color=_GREY, fontSize=11, baseline="top", dy=2)
    return [
        rules.encode(x=alt.X("at:Q", scale=scale)),
        texts.encode(x=alt.X("middle:Q", scale=scale), y=alt.value(0), text="told:N"),
    ]

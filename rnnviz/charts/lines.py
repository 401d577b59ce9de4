"""Line charts: how lines are told apart, and which of their points show their values."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np

from rnnviz.charts.palette import DASHES, LINES

HEIGHT = 440


HOVERED = 60
"""Points of a line that show their values under the mouse: a line by itself shows those of its first point."""


def hovered(back: np.ndarray) -> np.ndarray:
    """Choose at most `HOVERED` evenly spaced places, the ends among them: int (point,) -> bool (point,)."""
    last = int(back.max(initial=0))
    every = -(-(last + 1) // HOVERED)
    return (back % every == 0) | (back == last)


def colours(names: Sequence[str]) -> list[str]:
    """Return the lines' colours in the order of their names."""
    return [LINES[i % len(LINES)] for i in range(len(names))]


def styled(names: Sequence[str], title: str) -> dict[str, alt.Color | alt.StrokeDash]:
    """Return colour and dashes by the field "network", so that colour does not carry the meaning alone."""
    dashes = [DASHES[i % len(DASHES)] for i in range(len(names))]
    legend = alt.Legend(orient="bottom", symbolSize=200, labelLimit=260, columns=2)
    domain = list(names)
    return {
        "color": alt.Color(
            "network:N", title=title, legend=legend, scale=alt.Scale(domain=domain, range=colours(names))
        ),
        "strokeDash": alt.StrokeDash(
            "network:N", title=title, legend=legend, scale=alt.Scale(domain=domain, range=dashes)
        ),
    }

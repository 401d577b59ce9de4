"""Lines, bars, histograms and a loss surface for the inside of a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.cell import GREY, steps_axis
from rnnviz.charts.lines import colours, hovered, styled
from rnnviz.charts.text import visible

_BINS = 30
_ENTRY, _AROUND = 24, 110
"""Pixels of a line in a legend, and of title and axis."""


def lines_chart(
    lines: Mapping[str, np.ndarray],
    x_title: str,
    y_title: str,
    title: str,
    *,
    subtitle: str = "",
    first: float = 0,
    logarithmic: bool = False,
    domain: tuple[float, float] | None = None,
    height: int = 240,
) -> alt.LayerChart:
    """Draw several lines over whole steps, told apart by colour and dashes.

    Args:
        lines: Name -> (point,); what is no number, or not above zero on a logarithmic axis, is left out.
        x_title: The axis below.
        y_title: The axis at the side, with its unit.
        title: What is drawn.
        subtitle: How.
        first: Where the first point stands.
        logarithmic: Whether the axis at the side is.
        domain: Its ends.
        height: Of the plot, in pixels.
    """
    frames = []
    for name, values in lines.items():
        at = np.arange(len(values))
        frame = pd.DataFrame({"network": name, "x": at + first, "y": values, "hovered": hovered(at)})
        frames.append(frame[np.isfinite(values) & ((values > 0) | (not logarithmic))])
    data = pd.concat(frames, ignore_index=True)
    kind = {"type": "log"} if logarithmic else {}
    if domain:
        kind |= {"domain": list(domain), "nice": False, "clamp": True}
    x = alt.X("x:Q", title=x_title, axis=alt.Axis(tickMinStep=1), scale=alt.Scale(nice=False))
    axis = alt.Axis(tickCount=5, format="~g") if logarithmic else alt.Axis(tickCount=5)
    y = alt.Y("y:Q", title=y_title, scale=alt.Scale(**kind), axis=axis)
    style = _listed(list(lines), "line")
    tips = [
        alt.Tooltip("network:N", title="line"),
        alt.Tooltip("x:Q", title=x_title),
        alt.Tooltip("y:Q", title=y_title, format=".4g"),
    ]
    base = alt.Chart(data).encode(x=x, y=y)
    unseen = base.transform_filter("datum.hovered").mark_point(opacity=0, filled=True, size=110)
    heading = alt.Title(title, subtitle=subtitle, subtitleColor=GREY, anchor="start")
    layers = [base.mark_line(strokeWidth=2.5, point=len(data) < 80).encode(**style), unseen.encode(tooltip=tips)]
    return alt.layer(*layers).properties(height=height + _AROUND + _ENTRY * len(lines), title=heading)


def bars_chart(bars: Mapping[str, np.ndarray], tokens: Sequence[str], gate: np.ndarray, title: str) -> alt.Chart:
    """Draw two values a character side by side, the gate between them on hover.

    Args:
        bars: Name -> (time,).
        tokens: (time,).
        gate: (time,), from 0 to 1.
        title: What is drawn.
    """
    names = [f"{t + 1} {visible(token)}" for t, token in enumerate(tokens)]
    data = pd.concat(
        [pd.DataFrame({"bar": name, "step": names, "value": values, "gate": gate}) for name, values in bars.items()]
    )
    scale = alt.Scale(domain=list(bars), range=[GREY, colours(bars)[0]])
    legend = alt.Legend(orient="bottom", columns=1, labelLimit=280)
    tips = ["step:O", "bar:N", alt.Tooltip("value:Q", format=".3f"), alt.Tooltip("gate:Q", format=".4f")]
    x = alt.X("step:O", sort=None, title="step and character", axis=steps_axis(len(names)))
    y = alt.Y("value:Q", title="place in the alphabet", scale=alt.Scale(domain=[0, 26], nice=False))
    base = (
        alt.Chart(data)
        .mark_bar()
        .encode(
            x=x,
            xOffset=alt.XOffset("bar:N", sort=list(bars)),
            y=y,
            tooltip=tips,
            color=alt.Color("bar:N", title=None, scale=scale, legend=legend),
        )
    )
    return base.properties(height=420, title=alt.Title(title, anchor="start"))


def surface_chart(grid: np.ndarray, loss: np.ndarray, path: np.ndarray, title: str, subtitle: str) -> alt.LayerChart:
    """Draw a loss over two initial values, with the way that gradient descent went.

    Args:
        grid: (point,), the values of both axes.
        loss: (second, first), in nats.
        path: (update + 1, 2).
        title: What is drawn.
        subtitle: How.
    """
    half = (grid[1] - grid[0]) / 2
    first, second = np.meshgrid(grid, grid)
    data = pd.DataFrame({"first": first.ravel(), "second": second.ravel(), "loss": loss.ravel()})
    for name in ("first", "second"):
        data[f"{name}_to"] = data[name] + half
        data[f"{name}_from"] = data[name] - half
    domain = alt.Scale(domain=[grid[0] - half, grid[-1] + half], nice=False)
    x, y = alt.X("first_from:Q", title="unit 1", scale=domain), alt.Y("second_from:Q", title="unit 2", scale=domain)
    color = alt.Color(
        "loss:Q", title="loss (nats)", scale=alt.Scale(scheme="greys", reverse=True), legend=alt.Legend(orient="bottom")
    )
    tips = [alt.Tooltip(f"{name}:Q", format=".3f") for name in ("first", "second", "loss")]
    heat = alt.Chart(data).mark_rect().encode(x=x, x2="first_to:Q", y=y, y2="second_to:Q", color=color, tooltip=tips)
    way = pd.DataFrame({"first": path[:, 0], "second": path[:, 1], "update": np.arange(len(path))})
    axes = {"x": alt.X("first:Q", scale=domain), "y": alt.Y("second:Q", scale=domain)}
    line = alt.Chart(way).mark_line(color="#d55e00", strokeWidth=3, point={"color": "#d55e00", "size": 30})
    line = line.encode(order="update:Q", tooltip=["update:Q", *tips[:2]], **axes)
    points = way.iloc[[0, -1]].assign(name=["zero", "learned"])
    told = alt.Chart(points).mark_text(
        fontSize=14, fontWeight="bold", dy=-12, color="#d55e00", stroke="#fff", strokeWidth=0.4
    )
    told = told.encode(text="name:N", **axes)
    heading = alt.Title(title, subtitle=subtitle, subtitleColor=GREY, anchor="start")
    return alt.layer(heat, line, told).properties(height=480, title=heading)


def histogram(values: Mapping[str, np.ndarray], x_title: str, title: str) -> alt.LayerChart:
    """Draw how several sets of numbers are spread, as lines over the same bins.

    Args:
        values: Name -> (number,).
        x_title: What the numbers are.
        title: What is drawn.
    """
    top = max(float(np.abs(one).max()) for one in values.values())
    edges = np.linspace(-top, top, _BINS + 1)
    frames = []
    for name, one in values.items():
        share = np.histogram(one, edges)[0] / len(one)
        frames.append(pd.DataFrame({"network": name, "x": (edges[:-1] + edges[1:]) / 2, "share": share}))
    style = _listed(list(values), "weights")
    x = alt.X("x:Q", title=x_title)
    y = alt.Y("share:Q", title="share of the weights", axis=alt.Axis(format="%"))
    tips = [alt.Tooltip("network:N", title="weights"), alt.Tooltip("x:Q", title=x_title, format=".3f")]
    base = alt.Chart(pd.concat(frames)).encode(x=x, y=y)
    line = base.mark_line(strokeWidth=2.5, interpolate="step").encode(**style)
    unseen = base.mark_point(opacity=0, filled=True, size=110)
    unseen = unseen.encode(tooltip=[*tips, alt.Tooltip("share:Q", format=".1%")])
    height = 240 + _AROUND + _ENTRY * len(values)
    return alt.layer(line, unseen).properties(height=height, title=alt.Title(title, anchor="start"))


def _listed(names: Sequence[str], title: str) -> dict[str, alt.Color | alt.StrokeDash]:
    """Lines' styles with the legend one below the other, or none for a single line."""
    style = styled(names, title)
    for channel in style.values():
        if len(names) == 1:
            channel["legend"] = None
        else:
            channel["legend"]["columns"], channel["legend"]["title"] = 1, None
    return style

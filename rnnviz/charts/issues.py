"""Memory by distance, time against length, bytes kept for the backward pass, attention's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.palette import LINES
from rnnviz.charts.ragged import height_with, traced
from rnnviz.charts.text import visible

_GREY = "#808080"
_LEAST = 1e-8
"""What is below counts as nothing in 32-bit numbers, and is drawn here."""


def _log_axis(title: str, domain: tuple[float, float], **how: object) -> dict[str, object]:
    return {"title": title, "scale": alt.Scale(type="log", domain=list(domain), nice=False), **how}


def _tall(data: Mapping[str, tuple[np.ndarray, np.ndarray]], x: str, y: str) -> pd.DataFrame:
    frames = [pd.DataFrame({x: at, y: values, "network": name}) for name, (at, values) in data.items()]
    return pd.concat(frames, ignore_index=True)


def reach_chart(found: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str, y: str) -> alt.LayerChart:
    """Draw what is left of a change at the end against how far back it was made, on logarithmic axes.

    Args:
        found: Network -> distances and what is left, at most some units.
        title: What is drawn.
        y: The axis' title.
    """
    data = _tall(found, "distance", "left")
    data["shown"] = data["left"].clip(lower=_LEAST)
    reach = (0.9, data["distance"].max() * 1.1)
    x = alt.X("distance:Q", **_log_axis("tokens back from the last one (logarithmic)", reach))
    axis = alt.Axis(format=".0e", tickCount=5)
    shown = alt.Y("shown:Q", **_log_axis(y, (_LEAST / 1.5, max(2.0, 1.5 * data["left"].max())), axis=axis))
    tips = ["network:N", "distance:Q", alt.Tooltip("left:Q", format=".2e")]
    layers = traced(data, list(found), "network", x, shown, tips)
    return alt.layer(*layers).properties(height=height_with(len(found)), title=title)


def cut_chart(found: Mapping[str, tuple[np.ndarray, np.ndarray]], near: float) -> alt.LayerChart:
    """Draw how much worse a network guesses with only the last tokens to read.

    Args:
        found: Network -> contexts and nats above the loss with all context.
        near: Nats within which more context counts as no help; a band is drawn.
    """
    data = _tall(found, "context", "nats")
    reach = (0.9, data["context"].max() * 1.1)
    x = alt.X("context:Q", **_log_axis("tokens read before the answer (logarithmic)", reach))
    title = "loss above that with all context, in nats"
    y = alt.Y("nats:Q", title=title)
    tips = ["network:N", "context:Q", alt.Tooltip("nats:Q", format="+.3f")]
    band = alt.Chart(pd.DataFrame({"low": [-near], "high": [near]})).mark_rect(color=_GREY, opacity=0.25)
    layers = [band.encode(y=alt.Y("low:Q", title=title), y2="high:Q")]
    layers += traced(data, list(found), "network", x, y, tips)
    return alt.layer(*layers).properties(height=height_with(len(found)), title="Only the last tokens are read")


def cost_chart(lengths: Sequence[int], seconds: Mapping[str, np.ndarray]) -> alt.LayerChart:
    """Draw time against length on logarithmic axes, where a slope is an exponent.

    Args:
        lengths: Time steps.
        seconds: Name in the legend -> (length,).
    """
    data = _tall({name: (np.array(lengths), 1000 * s) for name, s in seconds.items()}, "steps", "time")
    low, high = float(data["time"].min()), float(data["time"].max())
    x = alt.X("steps:Q", **_log_axis("time steps T (logarithmic)", (lengths[0] * 0.9, lengths[-1] * 1.1)))
    x = x.axis(values=list(lengths), format="d", labelOverlap=True)
    shown = _log_axis("milliseconds (logarithmic)", (low / 1.5, high * 1.5), axis=alt.Axis(format="~g", tickCount=6))
    y = alt.Y("time:Q", **shown)
    tips = ["network:N", "steps:Q", alt.Tooltip("time:Q", format=".4~g", title="milliseconds")]
    layers = traced(data, list(seconds), "work", x, y, tips)
    height = height_with(len(seconds), 340)
    return alt.layer(*layers).properties(height=height, title="Time of one forward pass against length")


def growth_picture(exponent: int, lengths: Sequence[int]) -> alt.Chart:
    """Draw T to a power on logarithmic axes without a name, to be recognised."""
    data = pd.DataFrame({"steps": list(lengths), "time": [float(n / lengths[0]) ** exponent for n in lengths]})
    top = float(lengths[-1] / lengths[0]) ** 2
    x = alt.X("steps:Q", **_log_axis("T", (lengths[0], lengths[-1])), axis=alt.Axis(tickCount=3, format="d"))
    y = alt.Y("time:Q", **_log_axis("times as many", (0.7, top)), axis=alt.Axis(format="~s", tickCount=4))
    line = alt.Chart(data).mark_line(strokeWidth=3, color=LINES[1])
    return line.encode(x=x, y=y, tooltip=["steps:Q", alt.Tooltip("time:Q", format="~s")]).properties(height=230)


def kept_chart(steps: Sequence[int], kept: Mapping[str, np.ndarray]) -> alt.LayerChart:
    """Draw megabytes kept for the backward pass against length.

    Args:
        steps: Time steps.
        kept: Name -> (length,), bytes.
    """
    data = _tall({name: (np.array(steps), values / 1e6) for name, values in kept.items()}, "steps", "megabytes")
    x = alt.X("steps:Q", title="time steps T", axis=alt.Axis(grid=False))
    y = alt.Y("megabytes:Q", title="megabytes kept for the backward pass")
    tips = ["network:N", "steps:Q", alt.Tooltip("megabytes:Q", format=".4~g")]
    layers = traced(data, list(kept), "gradient", x, y, tips)
    return alt.layer(*layers).properties(height=height_with(len(kept)), title="What the forward pass must keep")


def weights_chart(tokens: Sequence[str], weights: np.ndarray, query: int, first: int = 0) -> alt.LayerChart:
    """Draw attention's weights as bars, a word a row.

    Args:
        tokens: (time,).
        weights: (time,), summing to 1.
        query: The place whose state asks.
        first: Number of the first word in the text, from 0.
    """
    names = [f"{first + t + 1} {visible(token)[:18]}" for t, token in enumerate(tokens)]
    data = pd.DataFrame({"word": names, "weight": weights, "kind": "word looked at"})
    data.loc[query, "kind"] = "word that asks"
    even = 1 / len(tokens)
    kinds = alt.Scale(domain=["word looked at", "word that asks"], range=[LINES[0], LINES[1]])
    x = alt.X("weight:Q", title="attention weight, a share of 1", scale=alt.Scale(domainMin=0))
    bars = (
        alt.Chart(data)
        .mark_bar()
        .encode(
            x=x,
            y=alt.Y("word:N", sort=names, title=None, axis=alt.Axis(labelLimit=140, labelOverlap=False)),
            color=alt.Color("kind:N", title=None, scale=kinds, legend=alt.Legend(orient="bottom")),
            tooltip=["word:N", "kind:N", alt.Tooltip("weight:Q", format=".2%")],
        )
    )
    rule = alt.Chart(pd.DataFrame({"weight": [even], "text": [f"even: {even:.1%}"]}))
    line = rule.mark_rule(color=_GREY, strokeDash=[4, 3], strokeWidth=1.5).encode(x=x, tooltip=["text:N"])
    return alt.layer(bars, line).properties(height=alt.Step(18), title="Where the query looks")

"""The gradient page's other pictures: all losses against all states, the weights' gradient, truncation and clipping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.analysis.weight_gradients import Truncation
from rnnviz.charts.lines import colours, hovered, styled
from rnnviz.charts.palette import STOPS
from rnnviz.charts.powers import filled, plain, power_axis, power_label
from rnnviz.charts.text import visible

HEIGHT = 480
_GREY = "#808080"
_ZERO, _LOST = "exactly zero", "infinite or not a number"


def triangle_chart(
    log10: np.ndarray, targets: np.ndarray, sources: np.ndarray, tokens: Sequence[str], title: str, subtitle: str
) -> alt.LayerChart:
    """Draw the gradient of every loss with respect to every earlier state as a heatmap, on an absolute log scale.

    Args:
        log10: float64 (target, source) of log10 sizes; NaN where the source is later.
        targets: (target,), the steps of the losses.
        sources: (source,), the steps of the states.
        tokens: What was read at every step.
        title: What is drawn.
        subtitle: Its formula.
    """
    t, s = np.meshgrid(targets, sources, indexing="ij")
    earlier = s <= t
    value = log10[earlier]
    data = pd.DataFrame({"loss after step": t[earlier], "state at step": s[earlier], "log10": value})
    data["size"] = [plain(v) for v in value.tolist()]
    data["token read"] = [visible(tokens[i]) for i in data["state at step"]]
    data["steps back"] = data["loss after step"] - data["state at step"]
    data["kind"] = np.select([np.isneginf(value), ~np.isfinite(value)], [_ZERO, _LOST], "")
    low, high = SHOWN
    color = alt.Color(
        "log10:Q",
        title="size",
        scale=alt.Scale(domain=[low, high], range=list(STOPS), clamp=True),
        legend=alt.Legend(orient="bottom", labelExpr=power_label(), gradientLength=220, tickCount=5),
    )
    axes = {
        "x": alt.X("state at step:O", axis=_sparse(sources), title="state at step t"),
        "y": alt.Y("loss after step:O", axis=_sparse(targets), title="loss after step", sort="ascending"),
    }
    tips = ["loss after step", "state at step", "steps back", "token read", alt.Tooltip("size:N", title="size")]
    cells = alt.Chart(data[data["kind"] == ""]).mark_rect().encode(color=color, tooltip=tips, **axes)
    odd = data[data["kind"] != ""]
    layers = [cells]
    if len(odd):
        text = alt.Text("kind:N")
        sign = odd.assign(kind=np.where(odd["kind"] == _ZERO, "0", "!"))
        layers.append(alt.Chart(sign).mark_text(fontSize=9, color=_GREY).encode(text=text, tooltip=tips, **axes))
    return alt.layer(*layers).properties(height=HEIGHT, title=alt.Title(title, subtitle=subtitle, subtitleColor=_GREY))


SHOWN = (-8, 1)
"""Ends of the colour scale for log10 sizes: the same in every picture, so that pictures can be compared."""


def _sparse(steps: np.ndarray) -> alt.Axis:
    """Label some ten of the steps."""
    every = max(1, len(steps) // 10)
    return alt.Axis(values=steps[::every].tolist(), labelAngle=0)


def share_chart(shares: Mapping[str, np.ndarray], tokens: Mapping[str, Sequence[str]]) -> alt.LayerChart:
    """Draw the share of dL/dW_hh that comes from each step back, summed up from the loss.

    Args:
        shares: Network -> (back,), the parts' projections on the whole, the first at the loss.
        tokens: Network -> (back,), what was read there.
    """
    frames = [
        pd.DataFrame(
            {
                "network": name,
                "steps back": np.arange(len(share)),
                "share": share,
                "together": np.cumsum(share),
                "token": [visible(token) for token in tokens[name]],
                "hovered": hovered(np.arange(len(share))),
            }
        )
        for name, share in shares.items()
    ]
    percent = alt.Axis(format="%")
    title = alt.Title(
        "Where dL/dW_hh comes from", subtitle="share of the whole, summed from the loss backwards", subtitleColor=_GREY
    )
    number = [alt.Tooltip(f"{field}:Q", format=".2%") for field in ("share", "together")]
    data = pd.concat(frames, ignore_index=True)
    base = alt.Chart(data).encode(
        x=alt.X("steps back:Q", title="steps back from the loss", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("together:Q", title="share of dL/dW_hh so far", axis=percent),
    )
    unseen = base.transform_filter("datum.hovered").mark_point(opacity=0, filled=True, size=110)
    tips = [alt.Tooltip("network:N"), alt.Tooltip("steps back:Q"), alt.Tooltip("token:N"), *number]
    line = base.mark_line(strokeWidth=2.5).encode(**styled(list(shares), "network"))
    return alt.layer(line, unseen.encode(tooltip=tips), data=data).properties(height=HEIGHT, title=title)


def truncation_chart(found: Sequence[Truncation], window: int) -> alt.LayerChart:
    """Draw what truncated back-propagation leaves out of the gradient against the window.

    Args:
        found: One a network.
        window: The one chosen, marked.
    """
    frames = [
        pd.DataFrame(
            {
                "network": one.label,
                "window": one.windows,
                "missing": one.missing,
                "cosine": one.cosine,
                "ratio": one.ratio,
                "colour": colour,
            }
        )
        for one, colour in zip(found, colours([one.label for one in found]), strict=True)
    ]
    data, style = pd.concat(frames, ignore_index=True), styled([one.label for one in found], "network")
    x = alt.X("window:Q", title="window, steps between two cuts (log scale)", scale=alt.Scale(type="log", base=2))
    y = alt.Y("missing:Q", title="missing part, \u2016truncated \u2212 full\u2016 / \u2016full\u2016")
    tips = ["network", "window", *(alt.Tooltip(f"{f}:Q", format=".3f") for f in ("missing", "cosine", "ratio"))]
    lines = alt.Chart(data).mark_line(strokeWidth=2.5).encode(x=x, y=y, tooltip=tips, **style)
    points = alt.Chart(data).mark_point(size=50, filled=True, opacity=1)
    points = points.encode(x=x, y=y, tooltip=tips, fill=filled())
    rule = alt.Chart(pd.DataFrame({"window": [window]})).mark_rule(color=_GREY, strokeWidth=2).encode(x=x)
    title = alt.Title("The bias of truncation", subtitle="gradient of W_hh, top layer", subtitleColor=_GREY)
    return alt.layer(rule, lines, points).properties(height=HEIGHT, title=title)


def clipping_chart(norms: Mapping[str, float], limit: float) -> alt.LayerChart:
    """Draw the norm of each network's whole gradient before and after clipping, on a log scale.

    Args:
        norms: Network -> norm before.
        limit: The largest norm let through.
    """
    rows = [
        {
            "network": name,
            "when": when,
            "log10": np.log10(norm) if norm > 0 else -np.inf,
            "norm": norm,
        }
        for name, before in norms.items()
        for when, norm in (("before", before), ("after", min(before, limit)))
    ]
    data = pd.DataFrame(rows)
    data["size"] = [plain(value) for value in data["log10"].tolist()]
    finite = np.isfinite(data["log10"])
    floor = min(data["log10"][finite].min(), np.log10(limit)) - 1 if finite.any() else -1.0
    data["log10"] = data["log10"].where(finite, floor)
    x = alt.X("log10:Q", title="norm of the gradient of all weights (log scale)", axis=power_axis())
    y = alt.Y("network:N", title=None, sort=list(norms), axis=alt.Axis(labelLimit=200))
    when = ["before", "after"]
    shape = alt.Shape(
        "when:N",
        title="clipping",
        legend=alt.Legend(orient="bottom", columns=1),
        scale=alt.Scale(domain=when, range=["circle", "diamond"]),
    )
    color = alt.Color("when:N", title="clipping", scale=alt.Scale(domain=when, range=["#1e88c9", "#d55e00"]))
    points = alt.Chart(data).mark_point(size=160, filled=True, opacity=0.9)
    points = points.encode(x=x, y=y, shape=shape, color=color, tooltip=["network", "when", "size"])
    rule = alt.Chart(pd.DataFrame({"log10": [np.log10(limit)]})).mark_rule(color=_GREY, strokeDash=[4, 3]).encode(x=x)
    title = alt.Title("Clipping by norm", subtitle="dashed: the limit", subtitleColor=_GREY)
    zero = alt.Chart(data[~finite]).mark_text(dy=-12, color=_GREY).encode(x=x, y=y, text="size:N")
    return alt.layer(rule, points, zero).properties(height=170 + 44 * len(norms), title=title)

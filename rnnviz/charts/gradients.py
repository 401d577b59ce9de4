"""Gradients and Jacobians against the steps back, all networks on the same axes; sizes by their logarithms.

A size of exactly zero, or one that is infinite or not a number, has no logarithm: it is a mark at the lower or upper
edge, never left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.analysis.weight_gradients import Truncation
from rnnviz.charts.lines import styled
from rnnviz.charts.palette import STOPS
from rnnviz.charts.powers import filled, plain, power_axis, power_label
from rnnviz.charts.text import visible

HEIGHT = 480
_GREY = "#808080"
_ZERO, _LOST = "exactly zero", "infinite or not a number"
_SHAPES = {_ZERO: "cross", _LOST: "triangle-up"}
_MOST_DECADES = 400


@dataclass(frozen=True, eq=False)
class Line:
    """One network's sizes by steps back.

    Attributes:
        name: In the legend.
        log10: float64 (back,), the first at the loss; -inf for zero, inf and NaN as they are, or None at `missing`.
        tokens: (back,), what was read at each step.
        band: The smallest and the largest log10 over several seeds, each (back,); None for no band.
        half: The step back at which the size has first halved, to be marked; None for no mark.
        life: What is written on the line.
        skipped: bool (back,), steps that were not measured; None where all were.
    """

    name: str
    log10: np.ndarray
    tokens: Sequence[str]
    band: tuple[np.ndarray, np.ndarray] | None = None
    half: int | None = None
    life: str = ""
    skipped: np.ndarray | None = None


def decay_chart(
    lines: Sequence[Line],
    title: str,
    subtitle: str,
    guides: Mapping[str, np.ndarray] | None = None,
    cut: int | None = None,
) -> alt.LayerChart:
    """Draw sizes against the steps back, on a logarithmic scale.

    Args:
        lines: One a network.
        title: What is drawn.
        subtitle: Its formula.
        guides: What a guide says -> its log10 by steps back; drawn thin and grey, cut at the edges of the picture.
        cut: The first step back that truncated back-propagation leaves out; a rule stands before it.
    """
    data = pd.concat([_frame(line) for line in lines], ignore_index=True)
    low, high = _range(data, lines)
    axes = _axes(low, high, int(data["steps back"].max()))
    style = styled([line.name for line in lines], "network")
    tips = ["network", "steps back", "token", alt.Tooltip("size:N", title="size")]
    finite = data[np.isfinite(data["log10"])]
    layers: list[alt.Chart] = [*_bands(lines, style, axes), *_guides(guides or {}, low, high, axes)]
    layers.append(alt.Chart(finite).mark_line(strokeWidth=2.5).encode(tooltip=tips, **axes, **style))
    layers += _special(data, low, high, axes, style, tips)
    layers += _halves(lines, axes, style)
    if cut is not None:
        rule = alt.Chart(pd.DataFrame({"steps back": [cut - 0.5], "text": ["cut: nothing beyond is learned from"]}))
        layers.append(rule.mark_rule(strokeWidth=2, color=_GREY).encode(x=axes["x"], tooltip=["text"]))
    shown = alt.Title(title, subtitle=subtitle, subtitleColor=_GREY)
    return alt.layer(*layers).properties(height=HEIGHT, title=shown)


def _frame(line: Line) -> pd.DataFrame:
    back = np.arange(len(line.log10))
    measured = back if line.skipped is None else back[~line.skipped]
    return pd.DataFrame(
        {
            "network": line.name,
            "steps back": measured,
            "log10": line.log10[measured],
            "token": [visible(line.tokens[i]) for i in measured],
            "size": [plain(value) for value in line.log10[measured].tolist()],
        }
    )


def _range(data: pd.DataFrame, lines: Sequence[Line]) -> tuple[float, float]:
    """Return the ends of the axis: all that is finite, with room for the marks at the edges."""
    parts = [data["log10"].to_numpy(), *(part for line in lines if line.band is not None for part in line.band)]
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    low, high = (float(np.floor(values.min())), float(np.ceil(values.max()))) if len(values) else (-1.0, 1.0)
    room = max(1.0, 0.05 * (high - low))
    return low - room, high + 2 * room


def _axes(low: float, high: float, steps: int) -> dict[str, alt.X | alt.Y]:
    return {
        "x": alt.X(
            "steps back:Q",
            title="steps back from the loss",
            axis=alt.Axis(tickMinStep=1),
            scale=alt.Scale(domain=[0, max(steps, 1)], nice=False),
        ),
        "y": alt.Y(
            "log10:Q",
            title="size (log scale)",
            axis=power_axis(),
            scale=alt.Scale(domain=[low, high], nice=False, zero=False),
        ),
    }


def _bands(lines: Sequence[Line], style: dict, axes: dict) -> list[alt.Chart]:
    frames = [
        pd.DataFrame(
            {
                "network": line.name,
                "steps back": np.arange(len(line.log10)),
                "from": line.band[0],
                "to": line.band[1],
                "smallest": [plain(value) for value in line.band[0].tolist()],
                "largest": [plain(value) for value in line.band[1].tolist()],
            }
        )
        for line in lines
        if line.band is not None
    ]
    if not frames:
        return []
    data = pd.concat(frames, ignore_index=True)
    data = data[np.isfinite(data["from"]) & np.isfinite(data["to"])]
    y = alt.Y("from:Q", scale=axes["y"]["scale"], axis=axes["y"]["axis"], title="size (log scale)")
    tips = ["network", "steps back", "smallest", "largest"]
    area = alt.Chart(data).mark_area(opacity=0.2)
    return [area.encode(x=axes["x"], y=y, y2="to:Q", fill=filled(style["color"]), tooltip=tips)]


def _guides(guides: Mapping[str, np.ndarray], low: float, high: float, axes: dict) -> list[alt.Chart]:
    """Thin grey lines, dashed, with their names written at their ends within the picture."""
    layers = []
    for (name, sizes), dash in zip(guides.items(), ([2, 2], [6, 3], [1, 4]), strict=False):
        back = np.arange(len(sizes))
        inside = np.isfinite(sizes) & (sizes >= low) & (sizes <= high)
        if not inside.any():
            continue
        part = pd.DataFrame({"guide": name, "steps back": back[inside], "log10": sizes[inside]})
        part["size"] = [plain(value) for value in part["log10"].tolist()]
        line = alt.Chart(part).mark_line(strokeWidth=1.5, color=_GREY, strokeDash=dash)
        layers.append(line.encode(tooltip=["guide", "steps back", "size"], **axes))
        falls = sizes[-1] < sizes[0]
        at = part.iloc[[int(0.6 * (len(part) - 1))]] if falls else part.iloc[[-1]]
        text = alt.Chart(at).mark_text(align="right" if falls else "left", dy=12 if falls else -8, fontSize=12)
        text = text.encode(color=alt.value(_GREY))
        layers.append(text.encode(text="guide:N", **axes))
    return layers


def _special(data: pd.DataFrame, low: float, high: float, axes: dict, style: dict, tips: list) -> list[alt.Chart]:
    """Marks at the edges: what is zero below, what is infinite or not a number above; the first of each is named."""
    value = data["log10"].to_numpy()
    zero, lost = np.isneginf(value), np.isposinf(value) | np.isnan(value)
    marked = pd.concat([data[zero].assign(log10=low, mark=_ZERO), data[lost].assign(log10=high, mark=_LOST)])
    if not len(marked):
        return []
    present = [kind for kind in _SHAPES if (marked["mark"] == kind).any()]
    shape = alt.Shape(
        "mark:N",
        title="mark",
        legend=alt.Legend(orient="bottom", columns=1),
        scale=alt.Scale(domain=present, range=[_SHAPES[kind] for kind in present]),
    )
    points = alt.Chart(marked).mark_point(size=50, filled=True, opacity=1)
    return [points.encode(shape=shape, fill=filled(style["color"]), tooltip=[*tips, "mark"], **axes)]


def _halves(lines: Sequence[Line], axes: dict, style: dict) -> list[alt.Chart]:
    """Each line's half-life written on it, and a point where it has first halved."""
    points, labels = [], []
    for line in lines:
        finite = np.flatnonzero(np.isfinite(line.log10))
        if line.half is not None and np.isfinite(line.log10[line.half]):
            points.append({"network": line.name, "steps back": line.half, "log10": line.log10[line.half]})
        if line.life and len(finite):
            at = finite[int(0.97 * (len(finite) - 1))]
            rises = line.log10[at] > line.log10[finite[0]]
            labels.append({"text": line.life, "steps back": at, "log10": line.log10[at], "rises": rises})
    layers = []
    if points:
        marks = alt.Chart(pd.DataFrame(points)).mark_point(size=70, filled=True, opacity=1)
        first = alt.Tooltip("steps back:Q", title="first halved after")
        layers.append(marks.encode(fill=filled(style["color"]), tooltip=["network", first], **axes))
    if labels:
        data = pd.DataFrame(labels)  # on the side of the line's end where the line is not
        for rises, dy in ((False, 13), (True, -11)):
            side = data[data["rises"] == rises]
            if len(side):
                text = alt.Chart(side).mark_text(align="right", dy=dy, fontSize=13, color=_GREY)
                layers.append(text.encode(text="text:N", **axes))
    return layers


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


def share_chart(shares: Mapping[str, np.ndarray], tokens: Mapping[str, Sequence[str]]) -> alt.Chart:
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
            }
        )
        for name, share in shares.items()
    ]
    percent = alt.Axis(format="%")
    title = alt.Title(
        "Where dL/dW_hh comes from", subtitle="share of the whole, summed from the loss backwards", subtitleColor=_GREY
    )
    number = [alt.Tooltip(f"{field}:Q", format=".2%") for field in ("share", "together")]
    return (
        alt.Chart(pd.concat(frames, ignore_index=True), title=title)
        .mark_line(strokeWidth=2.5)
        .encode(
            x=alt.X("steps back:Q", title="steps back from the loss", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("together:Q", title="share of dL/dW_hh so far", axis=percent),
            tooltip=["network", "steps back", "token", *number],
            **styled(list(shares), "network"),
        )
        .properties(height=HEIGHT)
    )


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
            }
        )
        for one in found
    ]
    data, style = pd.concat(frames, ignore_index=True), styled([one.label for one in found], "network")
    x = alt.X("window:Q", title="window, steps between two cuts (log scale)", scale=alt.Scale(type="log", base=2))
    y = alt.Y("missing:Q", title="missing part, \u2016truncated \u2212 full\u2016 / \u2016full\u2016")
    tips = ["network", "window", *(alt.Tooltip(f"{f}:Q", format=".3f") for f in ("missing", "cosine", "ratio"))]
    lines = alt.Chart(data).mark_line(strokeWidth=2.5).encode(x=x, y=y, tooltip=tips, **style)
    points = alt.Chart(data).mark_point(size=50, filled=True, opacity=1)
    points = points.encode(x=x, y=y, tooltip=tips, fill=filled(style["color"]))
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

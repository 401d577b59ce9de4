"""Sizes against the steps back, all networks on the same axes, in a picture that answers while a knob is turned.

The specification is made once for a set of names and stays as it is; what changes is data alone, so that the browser
moves the lines instead of building the chart anew. A size of exactly zero, or one that is infinite or not a number, has
no logarithm: it is a mark at the lower or upper edge, named where it begins, never left out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.lines import colours, hovered, styled
from rnnviz.charts.powers import filled, plain, power_axis
from rnnviz.charts.text import visible

HEIGHT = 480
_GREY = "#808080"
_ZERO, _LOST = "exactly zero", "infinite or not a number"
_LIVES = """<style>
.rv-lives {display:grid; grid-template-columns:repeat(auto-fit, minmax(150px, 1fr)); gap:12px}
.rv-life {display:flex; flex-direction:column; line-height:1.3}
.rv-life b {font-size:30px; font-weight:600; font-variant-numeric:tabular-nums}
.rv-life span, .rv-life small {font-size:14px}
</style>"""
_TEXT = ("text", "back", "log10", "place")
_PLACES = {
    "above, to here": (13, "right", -11),
    "below, to here": (13, "right", 13),
    "above, from here": (12, "left", -9),
    "below, from here": (12, "left", 14),
}
"""Where a text stands to its point -> size, alignment, pixels down."""
_UNSEEN = {"opacity": 0, "filled": True, "size": 110}
_X = alt.X(
    "back:Q", title="steps back from the loss", axis=alt.Axis(tickMinStep=1), scale=alt.Scale(nice=False, zero=True)
)
_Y = alt.Y("log10:Q", title="size (log scale)", axis=power_axis(), scale=alt.Scale(nice=False, zero=False))
_TIPS = [
    alt.Tooltip("network:N"),
    alt.Tooltip("back:Q", title="steps back"),
    alt.Tooltip("token:N"),
    alt.Tooltip("size:N"),
]


@dataclass(frozen=True, eq=False)
class Line:
    """One network's sizes by steps back.

    Attributes:
        name: In the legend.
        log10: float64 (back,), the first at the loss; -inf for zero, inf and NaN as they are.
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


@dataclass(frozen=True)
class Life:
    """A network's half-life as it is written beneath the chart: its name, the half-life, what was read off."""

    name: str
    half_life: str
    read_off: str


def lives_html(lives: Sequence[Life]) -> str:
    """Write half-lives large, side by side; everything is escaped."""
    cells = "".join(
        f'<div class="rv-life"><span>Half-life, {escape(one.name)}</span><b>{escape(one.half_life)}</b>'
        f"<small>{escape(one.read_off)}</small></div>"
        for one in lives
    )
    return f'{_LIVES}<div class="rv-lives">{cells}</div>'


def decay_chart(
    lines: Sequence[Line],
    title: str,
    subtitle: str,
    guides: Mapping[str, np.ndarray] | None = None,
    cut: int | None = None,
) -> dict[str, Any]:
    """Draw sizes against the steps back, on a logarithmic scale.

    Args:
        lines: One a network.
        title: What is drawn.
        subtitle: Its formula.
        guides: What a guide says -> its log10 by steps back; drawn thin and grey, cut at the edges of the picture.
        cut: The first step back that truncated back-propagation leaves out; a rule stands before it.

    Returns:
        A Vega-Lite specification with its data, for `st.vega_lite_chart`.
    """
    data = _frame(lines)
    low, high = _range(data["log10"], lines)
    guide, guide_texts = _guides(guides or {}, low, high)
    marks, mark_texts = _marks(data, low, high)
    halves, life_texts = _halves(lines)
    finite = np.isfinite(data["log10"])
    blanks = [{"text": "", "back": 0, "log10": low, "place": place} for place in _PLACES]
    datasets = {
        "lines": {name: column[finite] for name, column in data.items()} | {"hovered": hovered(data["back"])[finite]},
        "edges": {"back": [0, max(1, int(data["back"].max()))], "log10": [low, high]},
        "bands": _bands(lines, low, high),
        "guides": guide,
        "marks": marks,
        "halves": halves,
        "texts": {key: [row[key] for row in (*blanks, *guide_texts, *mark_texts, *life_texts)] for key in _TEXT},
        "cut": {"back": np.array([] if cut is None else [cut - 0.5], dtype=float)},
    }
    rows = {name: _filled_in(columns, low) for name, columns in datasets.items()}
    return copy.deepcopy(_template(tuple(line.name for line in lines), title, subtitle)) | {"datasets": rows}


@lru_cache(maxsize=128)
def _template(names: tuple[str, ...], title: str, subtitle: str) -> dict[str, Any]:
    """The specification without data: what is behind comes first."""
    style = styled(names, "network")
    guide = [alt.Tooltip("guide:N"), *_TIPS[1::2]]
    place = {"x": _X, "y": _Y}
    fill = {"fill": filled(), **place}
    sizes = [alt.Tooltip(f"{name}:N") for name in ("network", "smallest", "largest")]
    layers = [
        _of("edges").mark_point(opacity=0).encode(**place),
        _of("bands").mark_area(opacity=0.2).encode(y2=alt.Y2("to:Q"), detail="network:N", tooltip=sizes, **fill),
        _of("guides").mark_line(strokeWidth=1.5, color=_GREY, strokeDash=[5, 3]).encode(detail="guide:N", **place),
        _of("guides")
        .transform_filter("datum.hovered")
        .mark_point(aria=False, **_UNSEEN)
        .encode(tooltip=guide, **place),
        _of("lines").mark_line(strokeWidth=2.5).encode(**place, **style),
        _of("lines").transform_filter("datum.hovered").mark_point(**_UNSEEN).encode(tooltip=_TIPS, **place),
        _of("marks")
        .mark_point(filled=True, opacity=1)
        .encode(
            size=alt.condition("datum.kind", alt.value(50), alt.value(0)),
            shape=alt.Shape(
                "kind:N", scale=alt.Scale(domain=[_ZERO, _LOST], range=["cross", "triangle-up"]), legend=None
            ),
            tooltip=[*_TIPS, alt.Tooltip("kind:N")],
            **fill,
        ),
        _of("halves")
        .mark_point(filled=True, opacity=1)
        .encode(size=alt.condition("datum.text", alt.value(70), alt.value(0)), tooltip=[alt.Tooltip("text:N")], **fill),
        *(
            _text(place_, size, align, dy).encode(text="text:N", **place)
            for place_, (size, align, dy) in _PLACES.items()
        ),
        _of("cut")
        .mark_rule(color=_GREY)
        .encode(x=_X, size=alt.condition("datum.back > 0", alt.value(2), alt.value(0))),
    ]
    chart = alt.layer(*layers).properties(height=HEIGHT, title=alt.Title(title, subtitle=subtitle, subtitleColor=_GREY))
    return chart.to_dict()


def _filled_in(columns: Mapping[str, Any], low: float) -> pd.DataFrame:
    """Give an empty data set one row that shows nothing: Vega warns where the extent of nothing is asked for."""
    if len(columns["back"]):
        return pd.DataFrame(columns)
    row = {name: low if name in ("log10", "to") else 0 if name == "back" else "" for name in columns}
    return pd.DataFrame([row])


def _of(name: str) -> alt.Chart:
    return alt.Chart(alt.NamedData(name))


def _text(place: str, size: int, align: str, dy: int) -> alt.Chart:
    shown = _of("texts").transform_filter(f"datum.place === '{place}'")
    return shown.mark_text(fontSize=size, dy=dy, dx=4 if align == "left" else 0, align=align, color=_GREY, clip=True)


def _frame(lines: Sequence[Line]) -> dict[str, np.ndarray]:
    """All lines' points below one another, in columns."""
    kept = [np.arange(len(line.log10)) if line.skipped is None else np.flatnonzero(~line.skipped) for line in lines]
    pairs = list(zip(lines, kept, strict=True))
    log10 = np.concatenate([line.log10[back] for line, back in pairs])
    return {
        "network": np.repeat(np.array([line.name for line in lines], dtype=object), [len(back) for back in kept]),
        "back": np.concatenate(kept),
        "log10": log10,
        "token": np.array([visible(line.tokens[i]) for line, back in pairs for i in back.tolist()], dtype=object),
        "size": np.array([plain(value) for value in log10.tolist()], dtype=object),
    }


def _range(log10: np.ndarray, lines: Sequence[Line]) -> tuple[float, float]:
    """Return the ends of the axis: all that is finite, with room for what is written at the edges."""
    values = np.concatenate([log10, *(part for line in lines if line.band is not None for part in line.band)])
    values = values[np.isfinite(values)]
    low, high = (float(np.floor(values.min())), float(np.ceil(values.max()))) if len(values) else (-1.0, 1.0)
    room = max(1.0, 0.05 * (high - low))
    return low - room, high + 2 * room


def _bands(lines: Sequence[Line], bottom: float, top: float) -> dict[str, list]:
    """The bands; seeds that are zero or overflowed reach to the picture's edges."""
    columns: dict[str, list] = {key: [] for key in ("network", "back", "log10", "to", "smallest", "largest", "colour")}
    for line, colour in zip(lines, colours([line.name for line in lines]), strict=True):
        low, high = line.band if line.band is not None else (np.array([]), np.array([]))
        for back, ends in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
            at = [bottom if end == -np.inf else end if np.isfinite(end) else top for end in ends]
            row = (line.name, back, *at, plain(ends[0]), plain(ends[1]), colour)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    return columns


def _guides(guides: Mapping[str, np.ndarray], low: float, high: float) -> tuple[dict[str, list], list[dict]]:
    """Each guide within the picture, and its name beside it."""
    columns: dict[str, list] = {key: [] for key in ("guide", "back", "log10", "size", "hovered")}
    texts = []
    for name, sizes in guides.items():
        inside = np.flatnonzero(np.isfinite(sizes) & (sizes >= low) & (sizes <= high))
        if not len(inside):
            continue
        columns["guide"] += [name] * len(inside)
        columns["back"] += inside.tolist()
        columns["log10"] += sizes[inside].tolist()
        columns["hovered"] += hovered(inside).tolist()
        columns["size"] += [plain(value) for value in sizes[inside].tolist()]
        rises = bool(sizes[-1] >= sizes[0])
        at = inside[-1] if rises else inside[int(0.6 * (len(inside) - 1))]
        place = "below, from here" if rises and at < len(sizes) // 2 else "below, to here"
        texts.append({"text": name, "back": int(at), "log10": float(sizes[at]), "place": place})
    return columns, texts


def _marks(data: dict[str, np.ndarray], low: float, high: float) -> tuple[dict[str, np.ndarray], list[dict]]:
    """What has no logarithm, at the edges, and the name of each kind where a network's first begins."""
    value, names = data["log10"], list(dict.fromkeys(data["network"].tolist()))
    odd = ~np.isfinite(value)
    zero = np.isneginf(value[odd])
    paint = dict(zip(names, colours(names), strict=True))
    marks = {name: column[odd] for name, column in data.items()}
    marks |= {
        "log10": np.where(zero, low, high),
        "kind": np.where(zero, _ZERO, _LOST).astype(object),
        "colour": np.array([paint[name] for name in marks["network"]], dtype=object),
    }
    first: dict[tuple[str, str], int] = {}
    for network, kind, back in zip(marks["network"], marks["kind"], marks["back"].tolist(), strict=True):
        first.setdefault((network, kind), back)
    together: dict[tuple[str, int], list[str]] = {}
    for (network, kind), back in first.items():
        together.setdefault((kind, back), []).append(network)
    texts = []
    for (kind, back), owners in together.items():
        who = "" if len(owners) == len(names) else f"{', '.join(owners)}: "
        side = "from" if 2 * back < data["back"].max() else "to"
        place, log10 = (f"above, {side} here", low) if kind == _ZERO else (f"below, {side} here", high)
        texts.append({"text": f"{who}{kind} from {back} steps back", "back": back, "log10": log10, "place": place})
    return marks, texts


def _halves(lines: Sequence[Line]) -> tuple[dict[str, list], list[dict]]:
    """A point where each line has first halved, and its half-life at its end, on the side where the line is not."""
    points: dict[str, list] = {key: [] for key in ("text", "back", "log10", "colour")}
    texts = []
    for line, colour in zip(lines, colours([line.name for line in lines]), strict=True):
        finite = np.flatnonzero(np.isfinite(line.log10))
        if len(finite) == 1:  # a line of one point would not be seen
            row = (f"{line.name}: {plain(float(line.log10[finite[0]]))}", int(finite[0]), float(line.log10[finite[0]]))
            for column, value in zip(points.values(), (*row, colour), strict=True):
                column.append(value)
        if line.half is not None and np.isfinite(line.log10[line.half]):
            row = (f"{line.name}: first halved after {line.half}", line.half, float(line.log10[line.half]), colour)
            for column, value in zip(points.values(), row, strict=True):
                column.append(value)
        if line.life and len(finite):
            at = int(finite[int(0.97 * (len(finite) - 1))])
            place = "above, to here" if line.log10[at] > line.log10[finite[0]] else "below, to here"
            texts.append({"text": line.life, "back": at, "log10": float(line.log10[at]), "place": place})
    return points, texts

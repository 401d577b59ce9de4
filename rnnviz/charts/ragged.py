"""A batch of texts of different lengths: its matrix, how far states are off, padded steps, windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.lines import colours, hovered, styled
from rnnviz.charts.palette import DASHES, LINES
from rnnviz.charts.powers import filled
from rnnviz.charts.text import visible

_GREY = "#808080"
_PADDING = "#9a9a9a"
_NAMED = 24
"""Characters of a line that name it in a chart."""
_STYLE = """
<style>
.rv-batch-box {overflow-x:auto; max-width:100%; padding-bottom:4px}
.rv-batch {border-collapse:separate; border-spacing:3px; font:14px/1.25 ui-monospace,"DejaVu Sans Mono",monospace}
.rv-batch th {font-weight:600; text-align:right; padding:2px 6px; white-space:nowrap}
.rv-batch td {padding:3px 7px; text-align:center; border:1px solid #80808066; border-radius:5px; max-width:14ch;
  overflow:hidden; text-overflow:ellipsis; white-space:nowrap; unicode-bidi:isolate}
.rv-batch td small {display:block}
.rv-batch td.rv-pad {border-style:dashed; background:repeating-linear-gradient(45deg,#80808033 0 4px,#0000 4px 9px)}
.rv-batch td.rv-read {outline:3px solid #d55e00; outline-offset:-1px}
.rv-batch td.rv-strange b {text-decoration:underline wavy 1.5px; text-underline-offset:3px}
@media print {
  .rv-batch-box {overflow:visible}
  .rv-batch, .rv-batch tbody {display:block; font-size:10px}
  .rv-batch tr {display:flex; flex-wrap:wrap; gap:3px; margin-bottom:9px; break-inside:avoid}
  .rv-batch :is(th,td) {flex:0 0 10ch; box-sizing:border-box; overflow:visible; white-space:normal;
    overflow-wrap:anywhere}
}
</style>
"""


def batch_html(
    words: Sequence[Sequence[str]],
    unknown: Sequence[Sequence[bool]],
    ids: np.ndarray,
    real: np.ndarray,
    read: np.ndarray,
) -> str:
    """Write the matrix of ids, padding hatched and the column that is read outlined; everything is escaped.

    Args:
        words: Each row's words.
        unknown: For each whether it is outside the network's vocabulary.
        ids: int64 (row, time).
        real: bool (row, time), where a word stands.
        read: int64 (row,), the column whose state goes to the head.
    """
    rows = []
    for i, (line, strange) in enumerate(zip(words, unknown, strict=True)):
        cells, at = [], 0
        for t in range(ids.shape[1]):
            word, kinds = "padding", ["rv-pad"]
            if real[i, t]:
                word, kinds = visible(line[at]), ["rv-strange"] if strange[at] else []
                at += 1
            kinds += ["rv-read"] if t == read[i] else []
            title = f"row {i + 1}, column {t + 1}: {word}{', read as [UNK]' if 'rv-strange' in kinds else ''}"
            told = "\u2013" if "rv-pad" in kinds else escape(word)
            cells.append(
                f'<td class="{" ".join(kinds)}" title="{escape(title)}"><b>{ids[i, t]}</b><small>{told}</small></td>'
            )
        rows.append(f'<tr><th scope="row">{i + 1}</th><td>{len(line)}</td>{"".join(cells)}</tr>')
    head = "".join(f'<th scope="col">{t + 1}</th>' for t in range(ids.shape[1]))
    head = f'<tr><th scope="col">row</th><th scope="col">length</th>{head}</tr>'
    box = '<div class="rv-batch-box" role="region" tabindex="0" aria-label="The batch as a matrix of ids">'
    return f'{_STYLE}{box}<table class="rv-batch" dir="ltr">{head}{"".join(rows)}</table></div>'


def row_names(words: Sequence[Sequence[str]]) -> list[str]:
    """Name rows by their number and their first words, each name different."""
    names = []
    for i, line in enumerate(words):
        text = visible(" ".join(line))
        names.append(f"{i + 1}: {text[:_NAMED]}" + "\u2026" * (len(text) > _NAMED))
    return names


def traced(
    data: pd.DataFrame, names: Sequence[str], title: str, x: alt.X, y: alt.Y, tips: Sequence, *, seen: bool = True
) -> list[alt.Chart]:
    """Return lines by the field "network", told apart by colour and dashes, and points that show their values.

    Args:
        data: A row a point; a field "hovered" chooses points where they are not seen.
        names: The lines, in the legend's order.
        title: The legend's.
        x: Where to the right.
        y: Where up.
        tips: What a point shows under the mouse.
        seen: Whether points are drawn.
    """
    style = styled(names, title)
    for channel in style.values():
        channel["legend"] = alt.Legend(
            orient="bottom", columns=1, labelLimit=340, symbolType="stroke", symbolSize=300, symbolStrokeWidth=3
        )
    data = data.assign(colour=data["network"].map(dict(zip(names, colours(names), strict=True))))
    base = alt.Chart(data).encode(x=x, y=y)
    detail = {"detail": "window:N"} if "window" in data else {}
    points = base if seen else base.transform_filter("datum.hovered")
    points = points.mark_point(filled=True, size=65, opacity=float(seen))
    return [
        base.mark_line(strokeWidth=2.5).encode(**style, **detail),
        points.encode(fill=filled(), tooltip=list(tips)),
    ]


def height_with(lines: int, plot: int = 300) -> int:
    """Return a chart's height in pixels with a legend of so many rows below it."""
    return plot + 110 + 24 * lines


def off_chart(names: Sequence[str], values: Mapping[str, np.ndarray], title: str, axis: str) -> alt.LayerChart:
    """Draw a number a row and way of reading as bars side by side, each with its way and number written at its end.

    Args:
        names: Of the rows.
        values: Way -> (row,), none below zero.
        title: What is drawn.
        axis: The axis' title, with the unit.
    """
    data = pd.DataFrame(
        [
            {"row": name, "read": way, "value": float(v), "text": f"{float(v):.3f} {way}"}
            for way, found in values.items()
            for name, v in zip(names, found, strict=True)
        ]
    )
    ways = list(values)
    colour = alt.Color(
        "read:N",
        title="read",
        scale=alt.Scale(domain=ways, range=[LINES[i] for i in range(len(ways))]),
        legend=alt.Legend(orient="bottom", columns=1, labelLimit=320),
    )
    top = max(float(data["value"].max()), 1e-9) * 1.6
    base = alt.Chart(data).encode(
        x=alt.X("value:Q", title=axis, scale=alt.Scale(domain=[0, top])),
        y=alt.Y("row:N", sort=list(names), title=None, axis=alt.Axis(labelLimit=150)),
        yOffset=alt.YOffset("read:N", sort=ways),
        tooltip=["row:N", "read:N", alt.Tooltip("value:Q", format=".4f")],
    )
    told = base.mark_text(align="left", dx=5, color=_GREY, fontSize=11).encode(text="text:N")
    return alt.layer(base.mark_bar().encode(color=colour), told).properties(height=alt.Step(16), title=title)


def away_chart(away: np.ndarray, top: float, padding: np.ndarray, height: int = 240) -> alt.LayerChart:
    """Draw how far one row's state is from its true final state, column by column; padding is shaded.

    Args:
        away: float (time,).
        top: The axis' upper end, the same in charts that are compared.
        padding: bool (time,).
        height: In pixels.
    """
    column = np.arange(len(away)) + 1
    data = pd.DataFrame({"column": column, "away": away.round(5), "pad": padding})
    scale = alt.Scale(domain=[0.5, len(away) + 0.5], nice=False)
    x = alt.X("column:Q", title="column", scale=scale, axis=alt.Axis(tickMinStep=1, grid=False))
    y = alt.Y("away:Q", title="distance", scale=alt.Scale(domain=[0, top], nice=False))
    boxes = data[data["pad"]].assign(low=lambda d: d["column"] - 0.5, high=lambda d: d["column"] + 0.5)
    shaded = alt.Chart(boxes).mark_rect(color=_GREY, opacity=0.22)
    shaded = shaded.encode(x=alt.X("low:Q", title="column", scale=scale), x2="high:Q")
    line = alt.Chart(data).mark_line(color=LINES[1], strokeWidth=2.5, point=alt.OverlayMarkDef(size=36, color=LINES[1]))
    drawn = line.encode(x=x, y=y, tooltip=["column:Q", alt.Tooltip("away:Q", format=".4f"), "pad:N"])
    return alt.layer(shaded, drawn).properties(height=height)


def share_chart(padding: np.ndarray, names: Sequence[str], shares: Mapping[str, np.ndarray]) -> alt.LayerChart:
    """Draw what is left of a gradient against the steps of padding.

    Args:
        padding: int64 (row,).
        names: Of the rows.
        shares: Name of a series -> (row,), 1 for all of it.
    """
    rows = [
        {"padding": int(padding[i]), "row": names[i], "network": series, "share": max(float(values[i]), 1e-12)}
        for series, values in shares.items()
        for i in range(len(names))
    ]
    data = pd.DataFrame(rows)
    low = min(0.1, float(data["share"].min()) / 1.5)
    y = alt.Y(
        "share:Q",
        title="share of the gradient left (logarithmic)",
        scale=alt.Scale(type="log", domain=[low, max(2.0, float(data["share"].max()) * 1.2)], nice=False),
        axis=alt.Axis(format="~g"),
    )
    x = alt.X("padding:Q", title="steps of padding in the row", axis=alt.Axis(tickMinStep=1, grid=False))
    tips = ["row:N", "network:N", "padding:Q", alt.Tooltip("share:Q", format=".3~g")]
    layers = traced(data, list(shares), "measured", x, y, tips)
    title = "What padding leaves of the gradient at a row's words"
    return alt.layer(*layers).properties(height=height_with(len(shares)), title=title)


def steps_chart(rows: Sequence[tuple[str, int, int]], title: str) -> alt.LayerChart:
    """Draw real and padded steps as one bar a way.

    Args:
        rows: Name, real steps, steps of padding.
        title: What is drawn.
    """
    names = [name for name, _, _ in rows]
    data = pd.DataFrame(
        [
            {"way": name, "kind": kind, "steps": steps, "share": steps / (real + pad), "place": place}
            for name, real, pad in rows
            for place, (kind, steps) in enumerate((("words", real), ("padding", pad)))
        ]
    )
    told = pd.DataFrame([{"way": n, "steps": r + p, "text": f"{p / (r + p):.0%} padding"} for n, r, p in rows])
    top = float(told["steps"].max()) * 1.5
    x = alt.X("steps:Q", title="time steps computed in one epoch", scale=alt.Scale(domain=[0, top]))
    y = alt.Y("way:N", sort=names, title=None, axis=alt.Axis(labelLimit=160))
    kinds = alt.Scale(domain=["words", "padding"], range=[LINES[0], _PADDING])
    bars = (
        alt.Chart(data)
        .mark_bar(stroke=_GREY)
        .encode(
            x=x,
            y=y,
            color=alt.Color("kind:N", title="steps", scale=kinds, legend=alt.Legend(orient="bottom")),
            order="place:O",
            tooltip=["way:N", "kind:N", alt.Tooltip("steps:Q", format=","), alt.Tooltip("share:Q", format=".1%")],
        )
    )
    text = alt.Chart(told).mark_text(align="left", dx=5, color=_GREY, fontSize=13).encode(x=x, y=y, text="text:N")
    return alt.layer(bars, text).properties(height=alt.Step(38), title=title)


def epoch_chart(columns: Mapping[str, np.ndarray]) -> alt.LayerChart:
    """Draw the time steps of each batch of an epoch, in the order in which the batches come."""
    frames = [
        pd.DataFrame({"batch": np.arange(len(found)) + 1, "steps": found, "network": name})
        for name, found in columns.items()
    ]
    data = pd.concat(frames, ignore_index=True)
    data["hovered"] = hovered(data["batch"].to_numpy() - 1)
    x = alt.X("batch:Q", title="batch of the epoch", axis=alt.Axis(tickMinStep=1, grid=False))
    y = alt.Y("steps:Q", title="its time steps (its longest text)", scale=alt.Scale(domainMin=0))
    layers = traced(data, list(columns), "batches", x, y, ["network:N", "batch:Q", "steps:Q"])
    return alt.layer(*layers).properties(height=height_with(len(columns)), title="How long each batch is")


def windows_chart(
    words: Sequence[str], starts: Sequence[int], whole: np.ndarray, fresh: Sequence[np.ndarray], label: str
) -> alt.LayerChart:
    """Draw a class's probability after each word, read whole and read in windows that begin anew.

    Args:
        words: (time,).
        starts: Each window's first word, from 0.
        whole: float (time,).
        fresh: float (window's time,) a window.
        label: The class.
    """
    names = ["whole, or the state carried over", "windows that begin anew"]
    frames = [_after(words, 0, whole, names[0], -1)]
    frames += [_after(words, s, v, names[1], i) for i, (s, v) in enumerate(zip(starts, fresh, strict=True))]
    data = pd.concat(frames, ignore_index=True)
    scale = alt.Scale(domain=[0.5, len(words) + 0.5], nice=False)
    x = alt.X("word:Q", title="words read", scale=scale, axis=alt.Axis(tickMinStep=1, grid=False))
    y = alt.Y("probability:Q", title=f"probability of \u201c{label}\u201d", scale=alt.Scale(domain=[0, 1]))
    tips = ["network:N", "word:Q", "token:N", alt.Tooltip("probability:Q", format=".1%")]
    begun = alt.Chart(pd.DataFrame({"word": np.array(starts) + 0.5})).mark_rule(color=_GREY, strokeDash=DASHES[2])
    layers = [begun.encode(x=x), *traced(data, names, "read as", x, y, tips, seen=False)]
    return alt.layer(*layers).properties(height=height_with(2), title="Read whole, and read in windows")


def _after(words: Sequence[str], start: int, values: np.ndarray, name: str, window: int) -> pd.DataFrame:
    at = np.arange(start, start + len(values))
    return pd.DataFrame(
        {
            "word": at + 1,
            "token": [visible(words[i]) for i in at.tolist()],
            "probability": values.round(5),
            "network": name,
            "window": window,
            "hovered": hovered(at - start),
        }
    )

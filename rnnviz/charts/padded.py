"""What padding does to a text: a table of the ways, the state drifting away, some units over the columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.lines import hovered, styled
from rnnviz.charts.palette import STOPS, Scale
from rnnviz.charts.text import visible

PAD = "[padding]"
"""What stands in a column of padding."""
_GREY = "#808080"
_HEIGHT = 380
_ENTRY = 20
_COLUMNS = 120
_READ = "#d55e00"
_STYLE = """
<style>
.rv-ways {border-collapse:collapse; width:100%; font-size:15px}
.rv-ways-box {overflow-x:auto; max-width:100%}
.rv-ways th, .rv-ways td {padding:6px 10px 6px 2px; text-align:left; vertical-align:top;
  border-bottom:1px solid #80808055}
.rv-ways small {display:block; font-weight:400; opacity:.8; max-width:44em}
.rv-ways td.rv-number {text-align:right; white-space:nowrap; font-variant-numeric:tabular-nums}
.rv-ways tr.rv-turned td {font-weight:700}
@media (max-width: 640px) {
  .rv-ways, .rv-ways tbody, .rv-ways tr, .rv-ways td {display:block}
  .rv-ways th {display:none}
  .rv-ways td {border:0; padding:1px 0}
  .rv-ways td.rv-number {text-align:left}
  .rv-ways td[data-label]::before {content:attr(data-label) ": "; font-weight:400; opacity:.8}
  .rv-ways tr {border-bottom:1px solid #80808055; padding:8px 0}
}
</style>
"""


@dataclass(frozen=True)
class Way:
    """One row of the table.

    Attributes:
        key: The way's name in the data.
        name: What it is called on the page.
        told: What it is called in PyTorch and Keras.
        read: What the head read.
        probability: Of the class followed.
        difference: From the text read alone.
        turned: Whether it gives another answer than alone.
    """

    key: str
    name: str
    told: str
    read: str
    probability: float
    difference: float
    turned: bool


def ways_html(ways: Sequence[Way], label: str) -> str:
    """Write the ways below one another; everything is escaped.

    Args:
        ways: The rows.
        label: The class whose probability is given.
    """
    heads = ("How it is read", "What the head reads", f"Probability of \u201c{label}\u201d", "Off the truth by")
    rows = []
    for way in ways:
        cells = (f"{way.probability:.2%}", difference_text(way.difference) + (", another answer" if way.turned else ""))
        if not math.isfinite(way.probability):
            cells = ("no number", "the state overflowed")
        numbers = "".join(
            f'<td class="rv-number" data-label="{escape(head)}">{escape(cell)}</td>'
            for head, cell in zip(heads[2:], cells, strict=True)
        )
        rows.append(
            f'<tr data-way="{escape(way.key)}"{_turned(way)}><td>{escape(way.name)}<small>{escape(way.told)}</small>'
            f'</td><td data-label="{heads[1]}">{escape(way.read)}</td>{numbers}</tr>'
        )
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    return f'{_STYLE}<div class="rv-ways-box"><table class="rv-ways"><tr>{head}</tr>{"".join(rows)}</table></div>'


def _turned(way: Way) -> str:
    return ' class="rv-turned"' if way.turned else ""


def difference_text(difference: float) -> str:
    """Write a difference of two probabilities in points of a hundred; what is only rounding is 0."""
    if abs(difference) < 1e-5:
        return "0"
    points = f"{100 * difference:+.2f}" if abs(difference) >= 1e-4 else f"{100 * difference:+.4f}"
    return f"{points} points".replace("-", "\u2212")


@dataclass(frozen=True, eq=False)
class Line:
    """One way's distance from the true last state.

    Attributes:
        name: The way's.
        distances: float (column,), NaN where there is no state.
        first: The column of its first value in the batch, from 0.
        thick: Whether it lies under others and has to be seen beneath them.
    """

    name: str
    distances: np.ndarray
    first: int = 0
    thick: bool = False


def drift_chart(
    lines: Sequence[Line], words: Sequence[str], stretch: tuple[int, int], top: float, title: str, subtitle: str
) -> alt.LayerChart:
    """Draw how far each way's state is from the true last one, column by column, the padded stretch shaded.

    Args:
        lines: One a way.
        words: (column,), what stands in every column; `PAD` for padding.
        stretch: First and last column of padding, from 0; the last before the first where there is none.
        top: The upper end of the axis, the same in charts that are compared.
        title: What is drawn.
        subtitle: Its formula.
    """
    data = pd.concat([_drifting(line, words) for line in lines], ignore_index=True)
    x = _columns_axis(len(words))
    y = alt.Y("distance:Q", title="distance from the true last state", scale=alt.Scale(domain=[0, top], nice=False))
    style = styled([line.name for line in lines], "read")
    for channel in style.values():
        channel["legend"]["columns"], channel["legend"]["symbolOpacity"] = 1, 1
    tips = [
        alt.Tooltip("network:N", title="read"),
        alt.Tooltip("column:Q"),
        alt.Tooltip("word:N"),
        alt.Tooltip("distance:Q", format=".3f"),
    ]
    base = alt.Chart(alt.NamedData("drift")).encode(x=x, y=y)
    layers = [
        *_shaded(stretch),
        base.transform_filter("datum.thick").mark_line(strokeWidth=8, opacity=0.4).encode(**style),
        base.transform_filter("!datum.thick").mark_line(strokeWidth=2.5).encode(**style),
        base.transform_filter("datum.hovered").mark_point(opacity=0, filled=True, size=110).encode(tooltip=tips),
    ]
    heading = alt.Title(title, subtitle=subtitle, subtitleColor=_GREY)
    chart = alt.layer(*layers, datasets={"drift": data.to_dict("records")})
    return chart.properties(height=_HEIGHT + _ENTRY * len(lines), title=heading)


def _drifting(line: Line, words: Sequence[str]) -> pd.DataFrame:
    at = np.arange(len(line.distances))
    frame = pd.DataFrame({"network": line.name, "column": line.first + at + 1, "distance": line.distances.round(5)})
    frame["word"] = [visible(words[i]) for i in (line.first + at).tolist()]
    frame["hovered"], frame["thick"] = hovered(at), line.thick
    return frame[np.isfinite(line.distances)]


def _columns_axis(time: int) -> alt.X:
    scale = alt.Scale(domain=[0.5, time + 0.5], nice=False)
    return alt.X("column:Q", title="column of the batch", axis=alt.Axis(tickMinStep=1, grid=False), scale=scale)


def _shaded(stretch: tuple[int, int]) -> list[alt.Chart]:
    """The padded stretch, grey and named; nothing where there is none."""
    first, last = stretch
    if last < first:
        return []
    data = pd.DataFrame({"column": [first + 0.5], "to": [last + 1.5], "text": ["padding"]})
    box = alt.Chart(data).mark_rect(color=_GREY, opacity=0.18).encode(x="column:Q", x2="to:Q")
    told = alt.Chart(data).mark_text(color=_GREY, fontSize=13, align="left", baseline="top", dx=5, dy=5)
    return [box, told.encode(x="column:Q", y=alt.value(0), text="text:N")]


def strip_chart(
    values: np.ndarray,
    units: np.ndarray,
    words: Sequence[str],
    padding: np.ndarray,
    read: Mapping[str, int],
    scale: Scale,
    title: str,
    subtitle: str,
) -> alt.LayerChart:
    """Draw some units over the columns of a batch, what the head reads marked.

    Args:
        values: float (time, unit), NaN where there is no state.
        units: (unit,), their indices, from the top down.
        words: (time,), what stands in every column.
        padding: bool (time,), the columns of padding, all at one end.
        read: Name -> column, from 0, marked by a line from top to bottom.
        scale: The hidden state's.
        title: What is drawn.
        subtitle: How.
    """
    every = -(-len(words) // _COLUMNS)
    x = _columns_axis(len(words))
    rows = [str(unit) for unit in units.tolist()]
    y = alt.Y("unit:O", sort=rows, title="unit", scale=alt.Scale(domain=rows), axis=alt.Axis(labelFontSize=10))
    color = alt.Color(
        "shown:Q",
        title="tanh of the value" if scale.squashed else "value",
        scale=alt.Scale(domain=[scale.low, scale.high], range=list(STOPS), clamp=True),
        legend=alt.Legend(orient="bottom", gradientLength=220, tickCount=5),
    )
    tips = ["unit:O", alt.Tooltip("at:Q", title="column"), "word:N", alt.Tooltip("value:Q", format=".3f")]
    data = _strip(values, rows, words, every, scale)
    cells = alt.Chart(data).mark_rect(clip=True).encode(x=x, x2="to:Q", y=y, color=color, tooltip=tips)
    layers = [cells, *_edge(padding, x), *_read(read, len(words), x)]
    sampled = f"; one column in {every}" if every > 1 else ""
    heading = alt.Title(title, subtitle=f"{subtitle}{sampled}", subtitleColor=_GREY, offset=34)
    return alt.layer(*layers).properties(height=190 + 15 * len(rows), title=heading)


def _edge(padding: np.ndarray, x: alt.X) -> list[alt.Chart]:
    """A line where padding begins or ends, named on its padded side."""
    change = np.flatnonzero(padding[1:] != padding[:-1])
    if not len(change):
        return []
    after = bool(padding[-1])
    data = pd.DataFrame({"column": [int(change[0]) + 1.5], "text": ["padding \u2192" if after else "\u2190 padding"]})
    rule = alt.Chart(data).mark_rule(strokeWidth=1.5, color="#000").encode(x=x)
    side = "left" if after else "right"
    told = alt.Chart(data).mark_text(color=_GREY, fontSize=12, baseline="bottom", dy=-18, align=side)
    return [rule, told.encode(x=x, y=alt.value(0), text="text:N")]


def _read(read: Mapping[str, int], time: int, x: alt.X) -> list[alt.Chart]:
    """Lines at the columns that the head reads, named at the top towards the middle."""
    layers = []
    for text, at in read.items():
        data = pd.DataFrame({"column": [at + 1], "text": [text]})
        rule = alt.Chart(data).mark_rule(strokeWidth=3, color=_READ, strokeDash=[6, 3])
        side = "right" if at + 1 > time / 2 else "left"
        told = alt.Chart(data).mark_text(
            color=_READ, fontSize=12, fontWeight="bold", baseline="bottom", dy=-3, align=side
        )
        layers += [rule.encode(x=x, tooltip=["text:N", "column:Q"]), told.encode(x=x, y=alt.value(0), text="text:N")]
    return layers


def _strip(values: np.ndarray, rows: list[str], words: Sequence[str], every: int, scale: Scale) -> pd.DataFrame:
    """One row a unit and drawn column; every so many columns one is drawn, so wide, the last one among them."""
    columns = np.arange(len(words) - 1, -1, -every)[::-1]
    columns = columns[np.isfinite(values[columns]).all(axis=1)]
    drawn = values[columns].astype(np.float64)
    right = columns + 1.5
    reach = right + 0.6 * every * (columns < columns.max(initial=0))  # under the next one: else seams show
    return pd.DataFrame(
        {
            "column": np.maximum(right - every, 0.5).repeat(len(rows)),
            "to": reach.repeat(len(rows)),
            "at": (columns + 1).repeat(len(rows)),
            "word": np.array([visible(words[i]) for i in columns.tolist()], dtype=object).repeat(len(rows)),
            "unit": np.tile(rows, len(columns)),
            "value": drawn.ravel().round(4),
            "shown": (np.tanh(drawn) if scale.squashed else drawn).ravel().round(4),
        }
    )

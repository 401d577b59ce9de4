"""One step of a hand-sized network as a table of coloured numbers, and many steps as a strip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.palette import HEX, INK, STOPS, Scale, scale_of
from rnnviz.charts.text import visible

GREY = "#808080"
_ROW, _AROUND = 26, 205
"""Pixels of a row, and of title, axis and legend together."""
_NUMBERED = 14
"""Steps up to which every cell of a strip has its number written in."""
_STYLE = """
<style>
.rv-step-box {overflow-x:auto; max-width:100%}
.rv-step {border-collapse:collapse; font-size:15px}
.rv-step th, .rv-step td {padding:4px 10px 4px 2px; text-align:left; vertical-align:middle}
.rv-step thead th {font-weight:600; border-bottom:1px solid #80808088}
.rv-step tr.rv-first > * {border-top:1px solid #80808055}
.rv-step td.rv-value {text-align:right; padding:4px 8px; font-variant-numeric:tabular-nums; white-space:nowrap;
  font-family:ui-monospace,"DejaVu Sans Mono",monospace}
.rv-step th {font-weight:400}
.rv-step th small {display:block; opacity:.85}
.rv-step tr[data-part=after] > * {font-weight:700}
.rv-chips {display:flex; flex-wrap:wrap; gap:4px; font:600 16px/1.4 ui-monospace,"DejaVu Sans Mono",monospace}
.rv-chips span {padding:2px 7px; border:1px solid #80808088; border-radius:4px; unicode-bidi:isolate}
.rv-chips span.rv-here {background:#1c5a86; color:#fff; border-color:#1c5a86}
.rv-chips span.rv-zero {border-style:dashed}
.rv-scales {display:flex; flex-wrap:wrap; gap:6px 26px; font-size:14px; margin-top:8px}
.rv-scales i {display:inline-block; width:120px; height:12px; border:1px solid #80808088; margin:0 6px;
  vertical-align:-1px}
</style>
"""


def number(value: float) -> str:
    """Write a number with four decimals, a very large one with four figures."""
    size = abs(value)
    text = f"{value:z.4f}" if size < 1e5 else f"{value:.3e}"
    return text.replace("-", "\u2212")


def chips_html(tokens: Sequence[str], time: int, known: Sequence[str]) -> str:
    """Write a text's characters as a row, one of them lit; those that are no input are dashed.

    Args:
        tokens: (time,).
        time: The lit one, from 0.
        known: The network's letters.
    """
    marks = []
    for at, token in enumerate(tokens):
        names = " ".join(["rv-here"] * (at == time) + ["rv-zero"] * (token not in known))
        here = ' aria-current="step"' if at == time else ""
        title = f"step {at + 1}" + ("" if token in known else ", all zeros for this network")
        marks.append(f'<span class="{names}"{here} title="{title}">{escape(visible(token))}</span>')
    return f'{_STYLE}<div class="rv-chips" dir="ltr">{"".join(marks)}</div>'


def table_html(
    rows: Sequence[tuple[str, str, str, Sequence[float], Scale | None]], unit: str = "unit", first: int = 1
) -> str:
    """Write rows of numbers, one column a unit, coloured where they have a scale; everything is escaped.

    Args:
        rows: (part, name, formula, values, scale), a line between one part and the next.
        unit: What a column is.
        first: The number of the first column.
    """
    width = max((len(row[3]) for row in rows), default=0)
    head = "".join(f'<th scope="col">{escape(unit)} {i + first}</th>' for i in range(width))
    lines, before = [], ""
    for part, name, formula, values, scale in rows:
        mark = ' class="rv-first"' if part != before else ""
        cells = "".join(_cell(value, scale) for value in values)
        label = f'<th scope="row">{escape(name)}<small>{escape(formula)}</small></th>'
        lines.append(f'<tr data-part="{escape(part)}"{mark}>{label}{cells}</tr>')
        before = part
    body = "".join(lines)
    head = f"<thead><tr><td></td>{head}</tr></thead>"
    table = f'<table class="rv-step">{head}<tbody>{body}</tbody></table>'
    return f'{_STYLE}<div class="rv-step-box" tabindex="0">{table}</div>'


def _cell(value: float, scale: Scale | None) -> str:
    if scale is None or not np.isfinite(value):
        return f'<td class="rv-value">{number(value) if np.isfinite(value) else "overflow"}</td>'
    shade = int(scale.shade(np.array(value)))
    return f'<td class="rv-value" style="background:{HEX[shade]};color:{INK[shade]}">{number(value)}</td>'


def scales_html(cell_type: str, signals: Sequence[str]) -> str:
    """Write the legend: a bar for each scale that the signals use.

    Args:
        cell_type: The cell.
        signals: Names of the signals shown.
    """
    told: dict[Scale, list[str]] = {}
    for name in signals:
        told.setdefault(scale_of(name, cell_type), []).append(name.replace("_", " "))
    bars = []
    for scale, names in told.items():
        stops = ",".join(STOPS)
        bar = f'<i style="background:linear-gradient(90deg,{stops})"></i>'
        of = " (tanh of the value)" if scale.squashed else ""
        low = f"{scale.low:g}".replace("-", "\u2212")
        bars.append(f"<span>{escape(', '.join(names))}{of}: {low}{bar}{scale.high:g}</span>")
    return f'{_STYLE}<div class="rv-scales">{"".join(bars)}</div>'


def strip_chart(
    rows: Mapping[str, tuple[np.ndarray, Scale]],
    tokens: Sequence[str],
    title: str,
    subtitle: str = "",
    here: int | None = None,
    legend: str = "value",
) -> alt.LayerChart:
    """Draw signals over the steps of a text, a row each, in colour; few steps also have their numbers.

    Args:
        rows: Name -> ((time,), its scale); a value that is no number leaves a gap.
        tokens: (time,).
        title: What is drawn.
        subtitle: How.
        here: The step that is marked, from 0.
        legend: Above the colours.
    """
    names = [f"{t + 1} {visible(token)}" for t, token in enumerate(tokens)]
    frames = []
    for name, (values, scale) in rows.items():
        shown = (np.tanh(values) if scale.squashed else values) * 1.0
        frame = pd.DataFrame({"signal": name, "step": names, "value": values, "told": [number(v) for v in values]})
        frame["place"] = scale.shade(values) / 255 * 2 - 1
        frame["dark"] = [INK[i] == "#fff" for i in scale.shade(values).tolist()]
        frames.append(frame[np.isfinite(shown)])
    data = pd.concat(frames, ignore_index=True)
    x = alt.X(
        "step:O", sort=None, title="step and character", scale=alt.Scale(domain=names), axis=steps_axis(len(names))
    )
    y = alt.Y("signal:N", sort=None, title=None, scale=alt.Scale(domain=list(rows)), axis=alt.Axis(labelLimit=150))
    told = _labels([scale for _, scale in rows.values()])
    bar = alt.Legend(
        orient="bottom",
        gradientLength=240,
        values=[-1, 0, 1],
        labelExpr=told,
        title=legend,
    )
    color = alt.Color("place:Q", scale=alt.Scale(domain=[-1, 1], range=list(STOPS)), legend=bar)
    tips = [alt.Tooltip("signal:N"), alt.Tooltip("step:N"), alt.Tooltip("told:N", title="value")]
    base = alt.Chart(data).encode(x=x, y=y)
    layers = [base.mark_rect(stroke=GREY, strokeWidth=0.3).encode(color=color, tooltip=tips)]
    if len(tokens) <= _NUMBERED:
        ink = alt.condition("datum.dark", alt.value("#fff"), alt.value("#000"))
        short = base.mark_text(fontSize=11).encode(text=alt.Text("value:Q", format=".2f"), color=ink, tooltip=tips)
        layers.append(short)
    if here is not None:
        mark = pd.DataFrame({"step": [names[here]] * len(rows), "signal": list(rows)})
        box = alt.Chart(mark).mark_rect(filled=False, stroke="#d55e00", strokeWidth=2.5).encode(x=x, y=y)
        layers.append(box)
    heading = alt.Title(title, subtitle=subtitle, subtitleColor=GREY, anchor="start")
    return alt.layer(*layers).properties(height=_AROUND + _ROW * len(rows), title=heading)


def _labels(scales: Sequence[Scale]) -> str:
    """Say what the two ends and the middle of the colours stand for, in Vega's words; gates may be among the rows."""
    kinds = {(scale.low, scale.high) for scale in scales}
    low, high = min(kinds)
    told = [_short(value) for value in (low, (low + high) / 2, high)]
    if len(kinds) > 1:
        told = [f"{one}, gates {other}" for one, other in zip(told, ("0", "0.5", "1"), strict=True)]
    return f"datum.value < 0 ? '{told[0]}' : datum.value > 0 ? '{told[2]}' : '{told[1]}'"


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "\u2212")


def steps_axis(count: int) -> alt.Axis:
    """Return the axis below characters: upright where there are few."""
    return alt.Axis(labelAngle=0 if count <= _NUMBERED else -90, labelOverlap=True, labelLimit=60)

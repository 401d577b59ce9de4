"""Pictures of words as numbers: words over their ids, a one-hot product, the neighbours of a word."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.palette import HEX, INK, LINES, STOPS, Scale
from rnnviz.charts.text import visible

HEIGHT = 460
WRITTEN = 40
"""Words written over their ids at most."""
_GREY = "#808080"
_STYLE = """
<style>
.rv-ids {display:flex; flex-wrap:wrap; gap:6px}
.rv-ids span {display:inline-flex; flex-direction:column; align-items:center; border:1px solid #80808088;
  border-radius:6px; padding:2px 8px; max-width:100%}
.rv-ids bdi {font:600 15px/1.4 ui-monospace,"DejaVu Sans Mono",monospace; overflow-wrap:anywhere; white-space:pre-wrap}
.rv-ids .rv-strange {border:2px dashed #d55e00}
.rv-ids .rv-pad {opacity:.75; border-style:dotted}
.rv-product {border-collapse:collapse; font:15px/1.4 ui-monospace,"DejaVu Sans Mono",monospace}
.rv-product caption {text-align:left; font-weight:600; font-family:inherit}
.rv-product th, .rv-product td {white-space:nowrap; padding:3px 8px; text-align:right; border:1px solid #80808055}
.rv-product tr.rv-on th, .rv-product tr.rv-on td {outline:2px solid #d55e00; outline-offset:-2px; font-weight:700}
.rv-product tfoot td, .rv-product tfoot th {border-top:3px double #808080; font-weight:700}
</style>
"""


def ids_html(words: Sequence[str], ids: Sequence[int], unknown: int, padding: int | None) -> str:
    """Write words over their ids; all text is escaped.

    Args:
        words: As many as ids; "" for padding.
        ids: The ids.
        unknown: The id of unknown words, which are outlined.
        padding: The id of padding, or None where there is none.
    """
    cells = []
    for word, number in list(zip(words, ids, strict=True))[:WRITTEN]:
        kind = "rv-strange" if number == unknown else "rv-pad" if number == padding else ""
        told = {"rv-strange": " (unknown)", "rv-pad": " (padding)"}.get(kind, "")
        cells.append(f'<span class="{kind}"><bdi>{escape(visible(word))}</bdi>{number}{told}</span>')
    return f'{_STYLE}<div class="rv-ids" dir="ltr">{"".join(cells)}</div>'


def product_html(row: np.ndarray, table: np.ndarray, names: Sequence[str]) -> str:
    """Write a one-hot row times a table, product by product: each line is one entry of the row times its row.

    Args:
        row: float (token,), all 0 but for one 1.
        table: float (token, feature).
        names: What each token is called.
    """
    width, scale = table.shape[1], Scale(-1.0, 1.0, True)
    head = "".join(f'<th scope="col">feature {i}</th>' for i in range(1, width + 1))
    lines = []
    for entry, numbers, shades, name in zip(row.tolist(), table, scale.shade(table), names, strict=True):
        on = ' class="rv-on"' if entry else ""
        products = zip(numbers.tolist(), shades.tolist(), strict=True)
        cells = "".join(_product(entry, number, shade) for number, shade in products)
        lines.append(f'<tr{on}><th scope="row">{escape(name)}</th><td>{entry:g}</td>{cells}</tr>')
    total = "".join(f"<td>{number:g}</td>" for number in (row @ table).tolist())
    caption = "One-hot row times table, number by number"
    body = (
        f'<table class="rv-product"><caption>{caption}</caption><thead><tr><th scope="col">row</th>'
        f'<th scope="col">one-hot</th>{head}</tr></thead><tbody>{"".join(lines)}</tbody>'
        f'<tfoot><tr><th scope="row">sum</th><td></td>{total}</tr></tfoot></table>'
    )
    return f'{_STYLE}<div style="overflow-x:auto" tabindex="0" role="region" aria-label="{caption}">{body}</div>'


def _product(entry: float, number: float, shade: int) -> str:
    colours = f"background:{HEX[shade]};color:{INK[shade]}"
    return f'<td style="{colours}">{entry:g} \u00b7 {number:g} = {entry * number + 0.0:g}</td>'


def counts_chart(words: Sequence[str], counts: np.ndarray, first: int) -> alt.Chart:
    """Draw how often each word occurs, in the order of ids.

    Args:
        words: (word,), in the order of their ids.
        counts: int (word,).
        first: The first word's id.
    """
    names = [f"{i} {_short(word)}" for i, word in enumerate(words, start=first)]
    data = pd.DataFrame({"id": names, "word": [visible(word) for word in words], "count": counts})
    x = alt.X("id:O", sort=names, title="id and word", axis=alt.Axis(labelAngle=-60, labelOverlap=False))
    y = alt.Y("count:Q", title="times in your lines", axis=alt.Axis(tickMinStep=1, format="d"))
    tips = ["id:N", "word:N", "count:Q"]
    bars = alt.Chart(data).mark_bar(color=LINES[0]).encode(x=x, y=y, tooltip=tips)
    return bars.properties(height=320, title="The vocabulary by frequency")


def neighbours_chart(
    words: Sequence[str],
    points: np.ndarray,
    cosines: np.ndarray,
    log_odds: np.ndarray,
    shares: Sequence[float],
    label: str,
) -> alt.LayerChart:
    """Draw a word and its neighbours in a plane, coloured by what the network makes of each alone.

    Args:
        words: (word,), the word itself first.
        points: float (word, 2).
        cosines: float (word,).
        log_odds: float (word,), of the class.
        shares: Of the variance, by axis.
        label: The class.
    """
    data = pd.DataFrame(
        {
            "word": [_short(word) for word in words],
            "x": points[:, 0],
            "y": points[:, 1],
            "cosine": cosines,
            "log-odds": log_odds,
            "kind": ["the word", *["neighbour"] * (len(words) - 1)],
        }
    )
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.maximum(0.12 * (high - low), 1e-6)
    ends = (low - margin).tolist(), (high + margin).tolist()
    axes = {
        name: kind(
            f"{name}:Q",
            title=f"{which} component ({share:.0%} of the variance)",
            scale=alt.Scale(domain=[a, b], nice=False),
        )
        for name, kind, which, share, a, b in zip(
            "xy",
            (alt.X, alt.Y),
            ("first", "second"),
            shares,
            ends[0],
            ends[1],
            strict=True,
        )
    }
    colour = alt.Color(
        "log-odds:Q",
        title=f"log-odds of {label}, alone",
        scale=alt.Scale(domain=[-2, 2], range=list(STOPS), clamp=True),
        legend=alt.Legend(orient="bottom", gradientLength=200, tickCount=5, titleLimit=260),
    )
    signs = alt.Scale(domain=["the word", "neighbour"], range=["diamond", "circle"])
    shape = alt.Shape("kind:N", title=None, scale=signs, legend=None)
    tips = ["word:N", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("cosine", "log-odds"))]
    base = alt.Chart(data).encode(**axes)
    dots = base.mark_point(size=150, filled=True, opacity=1, stroke=_GREY, strokeWidth=1)
    dots = dots.encode(color=colour, shape=shape, tooltip=tips)
    texts = base.mark_text(dy=-14, fontSize=13, color=_GREY).encode(text="word:N")
    return alt.layer(dots, texts).properties(height=HEIGHT, title="The word and its neighbours in a plane")


def _short(word: str) -> str:
    word = visible(word)
    return word if len(word) <= 14 else f"{word[:13]}\u2026"

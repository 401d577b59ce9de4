"""Pictures of orders: answers to all of them, states of two, prices, rows of pixels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from html import escape

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.lines import styled
from rnnviz.charts.palette import DASHES, LINES
from rnnviz.charts.text import visible

HEIGHT = 420
LOSSES = "Learning that the two orders have different labels"
FIRST, YOURS, BAG = "first order", "your order", "bag of words"
_GREY = "#808080"
_BINS = 25
_PIXEL, _AROUND = 26, 150
"""Height of a row of pixels, and of what stands around the picture."""
_GREYS = ("#ffffff", "#000000")


def orders_formula(items: Sequence[str]) -> str:
    """Return the number of different orders of some items, in TeX: n! over the factorials of equal ones."""
    repeated = [count for count in Counter(items).values() if count > 1]
    found = math.factorial(len(items))
    for count in repeated:
        found //= math.factorial(count)
    below = r"\,".join(f"{count}!" for count in sorted(repeated, reverse=True))
    left = rf"\frac{{{len(items)}!}}{{{below}}}" if repeated else f"{len(items)}!"
    return f"{left} = {_grouped(found)}"


def _grouped(number: int) -> str:
    if number < 10**12:
        return f"{number:,}".replace(",", r"\,")
    exponent = len(str(number)) - 1
    return rf"{number / 10**exponent:.3f}\cdot 10^{{{exponent}}} \text{{ (about)}}"


_STYLE = """
<style>
.rv-scroll {overflow-x:auto; max-width:100%}
.rv-table {border-collapse:collapse; font-size:15px; font-variant-numeric:tabular-nums}
.rv-table caption {text-align:left; font-weight:600; padding:4px 0}
.rv-table th, .rv-table td {padding:3px 14px 3px 4px; text-align:right; border-bottom:1px solid #80808055}
.rv-table tbody th {text-align:left; font-weight:400}
.rv-table th, .rv-table td {max-width:min(26em, 60vw); overflow-wrap:break-word}
.rv-table th:first-child, .rv-table.rv-words th:last-child, .rv-table.rv-words td:last-child {text-align:left}
.rv-table .rv-lit td {font-weight:700; background:#80808022}
.rv-orders {display:flex; flex-direction:column; gap:8px}
.rv-orders div {display:flex; flex-wrap:wrap; gap:6px; align-items:center}
.rv-orders small {min-width:7em}
.rv-orders bdi {border:1px solid #80808088; border-radius:6px; padding:2px 8px; overflow-wrap:anywhere;
  font:600 15px/1.4 ui-monospace,"DejaVu Sans Mono",monospace}
.rv-orders bdi.rv-moved {border:2px dashed #d55e00}
.rv-orders bdi.rv-unknown {text-decoration:underline wavy 2px; text-underline-offset:3px}
</style>
"""


def table_html(
    head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, lit: Sequence[int] = (), words: bool = False
) -> str:
    """Write a small table; all text is escaped.

    Args:
        head: The columns' names.
        rows: Cells as text, the first of each the row's name.
        caption: What the table holds.
        lit: Rows that stand out.
        words: Whether the last column holds words, which stand at its left.
    """
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = []
    for number, row in enumerate(rows):
        first = f'<th scope="row"><bdi>{escape(row[0])}</bdi></th>'
        mark = ' class="rv-lit"' if number in lit else ""
        lines.append(f"<tr{mark}>{first}{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>")
    kind = "rv-table rv-words" if words else "rv-table"
    top = f"<caption>{escape(caption)}</caption><thead><tr>{names}</tr></thead>"
    table = f'<table class="{kind}">{top}<tbody>{"".join(lines)}</tbody></table>'
    return f'{_STYLE}<div class="rv-scroll" tabindex="0" role="region" aria-label="{escape(caption)}">{table}</div>'


def orders_html(one: Sequence[str], two: Sequence[str], unknown: Collection[str] = ()) -> str:
    """Write the same words in two orders, those at another place outlined; all text is escaped.

    Args:
        one: (time,), the first order.
        two: (time,), the reader's.
        unknown: Words that are not in the network's vocabulary.
    """
    lines = []
    for name, words, other in ((FIRST, one, one), (YOURS, two, one)):
        cells = []
        for word, there in zip(words, other, strict=True):
            marks = " ".join(m for m, on in (("rv-moved", word != there), ("rv-unknown", word in unknown)) if on)
            cells.append(f'<bdi class="{marks}">{escape(visible(word))}</bdi>')
        lines.append(f"<div><small>{name}</small>{''.join(cells)}</div>")
    return f'{_STYLE}<div class="rv-orders" dir="ltr">{"".join(lines)}</div>'


def words_chart(one: np.ndarray, two: np.ndarray, words: Sequence[Sequence[str]], label: str) -> alt.LayerChart:
    """Draw a class's probability after every word, in both orders.

    Args:
        one: float (time,), in the first order.
        two: In the reader's.
        words: What is read in each.
        label: The class.
    """
    frames = [
        pd.DataFrame(
            {
                "network": name,
                "read": np.arange(1, len(values) + 1),
                "word": [visible(word) for word in read],
                "probability": values,
            }
        )
        for name, values, read in zip((FIRST, YOURS), (one, two), words, strict=True)
    ]
    return _lines(
        pd.concat(frames),
        (FIRST, YOURS),
        alt.X("read:Q", title="words read", axis=alt.Axis(tickMinStep=1, format="d")),
        alt.Y("probability:Q", title=f"probability of {label}", scale=alt.Scale(domain=[0, 1])),
        ["word:N", _tip("probability")],
        f"Probability of {label} after each word",
    )


def state_chart(one: np.ndarray, two: np.ndarray) -> alt.LayerChart:
    """Draw every unit of the last state: its value after the first order against that after the reader's.

    Args:
        one: float (unit,), within -1 and 1.
        two: Likewise.
    """
    data = pd.DataFrame({"unit": np.arange(len(one)), "first": one, "yours": two, "apart": two - one})
    scale = alt.Scale(domain=[-1, 1])
    axes = {
        "x": alt.X("first:Q", title=f"value after the {FIRST}", scale=scale),
        "y": alt.Y("yours:Q", title=f"value after {YOURS}", scale=scale),
    }
    line = pd.DataFrame({"first": [-1.0, 1.0], "yours": [-1.0, 1.0]})
    tips = ["unit:Q", _tip("first", title=FIRST), _tip("yours", title=YOURS), _tip("apart", title="difference")]
    diagonal = alt.Chart(line).mark_line(color=_GREY, strokeDash=[4, 3]).encode(**axes)
    points = alt.Chart(data).mark_circle(size=45, opacity=0.75, color=LINES[0]).encode(**axes, tooltip=tips)
    return alt.layer(diagonal, points).properties(height=HEIGHT, title="The last state, unit by unit")


def spread_picture(values: np.ndarray) -> alt.Chart:
    """Draw how often each probability was given, without saying by whom.

    Args:
        values: float (order,), from 0 to 1.
    """
    return _bars(values, "Answers to all orders").properties(height=300)


def spread_chart(network: np.ndarray, bag: float, marks: Mapping[str, float], label: str, told: str) -> alt.LayerChart:
    """Draw the network's answers to all orders, with the bag's only one and those to single orders.

    Args:
        network: float (order,), probabilities.
        bag: The bag's probability.
        marks: What an order is called -> the network's probability.
        label: The class.
        told: Which orders they are.
    """
    names = [BAG, *marks]
    data = pd.DataFrame({"network": names, "probability": [bag, *marks.values()]})
    rules = alt.Chart(data).mark_rule(strokeWidth=3)
    style = styled(names, "one answer of")
    tips = [alt.Tooltip("network:N", title="answer of"), _tip("probability")]
    rules = rules.encode(x=alt.X("probability:Q"), tooltip=tips, **style)
    title = alt.Title(f"The network\u2019s probability of {label}", subtitle=told, subtitleColor=_GREY)
    return alt.layer(_bars(network, ""), rules).properties(height=HEIGHT, title=title)


def filled_bins(values: np.ndarray) -> int:
    """Return how many bars a picture of probabilities, float (order,), has."""
    return int(np.count_nonzero(_bins(values)[0]))


def _bins(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.histogram(values, bins=_BINS, range=(0, 1))


def _bars(values: np.ndarray, title: str) -> alt.Chart:
    counts, edges = _bins(values)
    data = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "orders": counts})
    return (
        alt.Chart(data)
        .mark_bar(color=_GREY, opacity=0.6)
        .encode(
            x=alt.X("low:Q", bin="binned", title="probability", scale=alt.Scale(domain=[0, 1])),
            x2="high:Q",
            y=alt.Y("orders:Q", title="orders", axis=alt.Axis(tickMinStep=1)),
            tooltip=[_tip("low", title="from"), _tip("high", title="to"), "orders:Q"],
        )
        .properties(title=title)
    )


def losses_chart(curves: Mapping[str, np.ndarray]) -> alt.LayerChart:
    """Draw losses by update, with the least that a coin reaches, ln 2.

    Args:
        curves: Name -> float (update + 1,), mean losses in nats.
    """
    frames = [
        pd.DataFrame({"network": name, "update": np.arange(len(loss)), "loss": loss}) for name, loss in curves.items()
    ]
    top = max(1.0, *(float(loss.max()) for loss in curves.values()))
    chart = _lines(
        pd.concat(frames),
        list(curves),
        alt.X("update:Q", title="updates"),
        alt.Y("loss:Q", title="mean loss (nats)", scale=alt.Scale(domain=[0, top])),
        ["update:Q", _tip("loss", ".4f")],
        "",
        dots=10,
    )
    rule = alt.Chart(pd.DataFrame({"loss": [math.log(2)]})).mark_rule(color=_GREY, strokeDash=[2, 2])
    return alt.layer(rule.encode(y="loss:Q"), chart).properties(height=HEIGHT, title=LOSSES)


def series_chart(one: Sequence[float], two: Sequence[float]) -> alt.LayerChart:
    """Draw prices day by day, in both orders."""
    return _days(one, two, "price", alt.Scale(zero=False), "The same prices in two orders", ",.10~g")


def memory_chart(one: np.ndarray, two: np.ndarray) -> alt.LayerChart:
    """Draw the remembering unit's state after every day, in both orders: float (time,), within -1 and 1."""
    title = "What the second unit remembers"
    return _days(one, two, "state", alt.Scale(domain=[-1, 1]), title, ".3f")


def _days(
    one: Sequence[float], two: Sequence[float], what: str, scale: alt.Scale, title: str, digits: str
) -> alt.LayerChart:
    frames = [
        pd.DataFrame({"network": name, "day": np.arange(1, len(values) + 1), what: np.asarray(values, dtype=float)})
        for name, values in ((FIRST, one), (YOURS, two))
    ]
    x = alt.X("day:Q", title="day", axis=alt.Axis(tickMinStep=1, format="d"))
    y = alt.Y(f"{what}:Q", title=what, scale=scale)
    return _lines(pd.concat(frames), (FIRST, YOURS), x, y, ["day:Q", _tip(what, digits)], title)


def _lines(
    data: pd.DataFrame, names: Sequence[str], x: alt.X, y: alt.Y, tips: list, title: str, dots: int = 1
) -> alt.LayerChart:
    data = data.assign(dot=np.arange(len(data)) % dots == 0)
    base = alt.Chart(data).encode(x=x, y=y)
    line = base.mark_line(strokeWidth=2.5).encode(**styled(names, "line"))
    seen = base.transform_filter("datum.dot")
    colour = alt.Fill("network:N", scale=alt.Scale(domain=list(names), range=list(LINES[: len(names)])), legend=None)
    points = seen.mark_point(size=70, filled=True, opacity=1).encode(
        fill=colour, tooltip=[alt.Tooltip("network:N", title="line"), *tips]
    )
    return alt.layer(line, points).properties(height=HEIGHT, title=title)


def image_chart(image: np.ndarray, rows: Sequence[int], title: str) -> alt.LayerChart:
    """Draw a small picture with its rows numbered as they are read.

    Args:
        image: float (row, column), 0 blank to 1 full ink.
        rows: (row,), where each row stood in the first picture, from 0.
        title: What it is.
    """
    names = [f"{i}: row {row + 1}" for i, row in enumerate(rows, start=1)]
    data = pd.DataFrame(
        {
            "read": np.repeat(names, image.shape[1]),
            "column": np.tile(np.arange(1, image.shape[1] + 1), len(rows)),
            "ink": image.ravel(),
        }
    )
    x = alt.X("column:O", title="column (input)", axis=alt.Axis(labelAngle=0))
    y = alt.Y("read:O", sort=names, title="step: which row")
    colour = alt.Color(
        "ink:Q",
        title="ink, 0 to 1",
        scale=alt.Scale(domain=[0, 1], range=list(_GREYS)),
        legend=alt.Legend(orient="bottom", gradientLength=140, tickCount=3),
    )
    cells = alt.Chart(data).mark_rect(stroke=_GREY, strokeWidth=0.5)
    cells = cells.encode(x=x, y=y, color=colour, tooltip=["read:N", "column:O", _tip("ink", ".2f")])
    return alt.layer(cells).properties(height=_PIXEL * len(rows) + _AROUND, title=title)


def accuracy_chart(accuracy: Mapping[str, float], tested: int, chance: float) -> alt.LayerChart:
    """Draw shares of pictures named right as bars with their numbers.

    Args:
        accuracy: What was measured -> a share.
        tested: Pictures tested.
        chance: The share that guessing reaches.
    """
    data = pd.DataFrame({"what": list(accuracy), "share": list(accuracy.values())})
    data["told"] = [f"{share:.1%}" for share in data["share"]]
    y = alt.Y("what:N", sort=list(accuracy), title=None, axis=alt.Axis(labelLimit=320, orient="left"))
    x = alt.X("share:Q", title=f"right, of {tested} pictures kept back", axis=alt.Axis(format="%"))
    x = x.scale(domain=[0, 1.12])
    base = alt.Chart(data).encode(y=y, x=x, tooltip=["what:N", alt.Tooltip("share:Q", format=".1%")])
    rule = alt.Chart(pd.DataFrame({"share": [chance]})).mark_rule(color=_GREY, strokeDash=DASHES[2])
    return alt.layer(
        base.mark_bar(color=LINES[0]),
        base.mark_text(align="left", dx=4, color=_GREY).encode(text="told:N"),
        rule.encode(x="share:Q", tooltip=alt.value(f"guessing: {chance:.0%}")),
    ).properties(height=40 * len(data) + 90, title="Digits named right; dotted: guessing")


def places_chart(places: Sequence[int], curves: Mapping[str, np.ndarray], label: str) -> alt.LayerChart:
    """Draw a class's probability by the place at which one word stands.

    Args:
        places: From 1.
        curves: Network and word -> float (place,).
        label: The class.
    """
    frames = [
        pd.DataFrame({"network": name, "place": list(places), "probability": values}) for name, values in curves.items()
    ]
    return _lines(
        pd.concat(frames),
        list(curves),
        alt.X("place:Q", title="place of the word in the text"),
        alt.Y("probability:Q", title=f"probability of {label}", scale=alt.Scale(domain=[0, 1])),
        ["place:Q", _tip("probability", ".4f")],
        f"One word alone, at different places: probability of {label}",
    )


def _tip(name: str, digits: str = ".3f", title: str | None = None) -> alt.Tooltip:
    return alt.Tooltip(f"{name}:Q", format=digits, title=title or name)

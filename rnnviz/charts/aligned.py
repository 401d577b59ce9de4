"""Two texts side by side: their words, the probability after each, every unit's difference, the two bags of words."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.analysis.aligned import ONLY_ONE, ONLY_TWO, REPLACED, SAME, Alignment, Bags, Flip, spread
from rnnviz.charts.lines import HEIGHT, colours, hovered, styled
from rnnviz.charts.palette import STOPS, Scale
from rnnviz.charts.powers import filled
from rnnviz.charts.text import visible

NAMES = ("text one", "text two")
GAP = "\u2013"
_MARKS = ("circle", "diamond")
_GREY = "#808080"
_SIGNS = {SAME: "=", REPLACED: "\u2260", ONLY_ONE: "\u2212", ONLY_TWO: "+"}
_WORD = 14
_SLANTED = 12
"""Slots up to which the words under a chart are written aslant; more of them stand upright."""
_STYLE = """
<style>
.rv-pair {display:flex; flex-wrap:wrap; gap:10px 4px; font:600 15px/1.4 ui-monospace,"DejaVu Sans Mono",monospace}
.rv-slot {display:flex; flex-direction:column; text-align:center; padding:2px 8px; border:1px solid #80808055;
  border-radius:6px; max-width:100%}
.rv-slot > bdi {overflow-wrap:anywhere; white-space:pre-wrap}
.rv-slot > small {font-weight:400; opacity:.75}
.rv-slot.rv-differs {border:2px dashed #d55e00}
.rv-pair .rv-unknown, .rv-bags .rv-unknown {text-decoration:underline wavy 2px; text-underline-offset:3px}
.rv-bags {border-collapse:collapse; font-size:15px; max-width:100%}
.rv-bags th, .rv-bags td {padding:3px 14px 3px 4px; text-align:right; border-bottom:1px solid #80808055}
.rv-bags th:first-child, .rv-bags td:first-child {text-align:left; overflow-wrap:anywhere}
.rv-bags .rv-differs td {font-weight:700}
</style>
"""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two texts and how their words face each other.

    Attributes:
        one: (time,), the first text's words.
        two: (time,), the second's.
        alignment: Which face each other.
        unknown: The words that the model has never seen.
        first: The number of the first slot, where these are a stretch of a longer alignment.
    """

    one: tuple[str, ...]
    two: tuple[str, ...]
    alignment: Alignment
    unknown: frozenset[str] = frozenset()
    first: int = 1

    def words(self, side: int) -> list[str]:
        """Return the word at every slot of the first (0) or second (1) text, a dash for a gap."""
        tokens, places = ((self.one, self.alignment.one), (self.two, self.alignment.two))[side]
        return [visible(tokens[i]) if i >= 0 else GAP for i in places.tolist()]

    def labels(self) -> list[str]:
        """Return what stands under every slot: its number, the word, or both words where they differ."""
        both = zip(self.words(0), self.words(1), self.alignment.kinds, strict=True)
        return [
            f"{i} {_short(a)}" if kind == SAME else f"{i} {_short(a)} / {_short(b)}"
            for i, (a, b, kind) in enumerate(both, start=self.first)
        ]


def _short(word: str) -> str:
    return word if len(word) <= _WORD else word[: _WORD - 1] + "\u2026"


def aligned_html(pair: Pair, most: int = 120) -> str:
    """Write the two texts in two lines, word under word; all text is escaped.

    Args:
        pair: The texts.
        most: Slots that are written.
    """
    slots = []
    rows = zip(pair.words(0), pair.words(1), pair.alignment.kinds, strict=True)
    for number, (a, b, kind) in enumerate(rows, start=1):
        if number > most:
            break
        mark = "rv-slot" if kind == SAME else "rv-slot rv-differs"
        words = "".join(_word(word, word in pair.unknown) for word in (a, b))
        sign = f"<small>{_SIGNS[kind]} {number}</small>"
        slots.append(f'<span class="{mark}" title="{number}: {kind}">{words}{sign}</span>')
    return f'{_STYLE}<div class="rv-pair" dir="ltr">{"".join(slots)}</div>'


def _word(word: str, strange: bool) -> str:
    mark = ' class="rv-unknown" title="outside the vocabulary"' if strange else ""
    return f"<bdi{mark}>{escape(word)}</bdi>"


def bags_html(bags: Bags, unknown: frozenset[str] = frozenset(), most: int = 12) -> str:
    """Write the counts of the words of two texts side by side, those that differ first.

    Args:
        bags: The counts.
        unknown: Words that the model has never seen, underlined.
        most: Words that are written.
    """
    head = "".join(f"<th>{name}</th>" for name in ("word", *NAMES, "difference"))
    rows = []
    for word, a, b in list(zip(bags.words, bags.one.tolist(), bags.two.tolist(), strict=True))[:most]:
        differs = ' class="rv-differs"' if a != b else ""
        cells = f"<td>{_word(visible(word), word in unknown)}</td><td>{a}</td><td>{b}</td>"
        rows.append(f"<tr{differs}>{cells}<td>{_signed(b - a)}</td></tr>")
    return f'{_STYLE}<table class="rv-bags"><tr>{head}</tr>{"".join(rows)}</table>'


def _signed(count: int) -> str:
    return f"{count:+d}".replace("-", "\u2212") if count else "0"


def pair_chart(pair: Pair, one: np.ndarray, two: np.ndarray, label: str, halfway: bool) -> alt.LayerChart:
    """Draw one class's probability after every word of both texts.

    Args:
        pair: The texts.
        one: float (time,), the probability after each word of the first.
        two: The second's.
        label: The class.
        halfway: Whether to draw a line at one half, where the answer turns between two classes.
    """
    frames = []
    for side, (values, places) in enumerate(((one, pair.alignment.one), (two, pair.alignment.two))):
        frame = pd.DataFrame({"slot": pair.labels(), "word": pair.words(side), "network": NAMES[side]})
        frame["probability"], frame["kind"] = spread(values, places), pair.alignment.kinds
        frame["hovered"] = hovered(np.arange(len(frame)))
        frame["colour"], frame["mark"] = colours(NAMES)[side], _MARKS[side]
        frames.append(frame[places >= 0])
    data = pd.concat(frames, ignore_index=True)
    y = alt.Y("probability:Q", title=f"probability of \u201c{label}\u201d", scale=alt.Scale(domain=[0, 1]))
    tips = [
        alt.Tooltip("network:N", title="text"),
        alt.Tooltip("word:N"),
        alt.Tooltip("kind:N", title="aligned"),
        alt.Tooltip("probability:Q", format=".3f"),
    ]
    style = styled(NAMES, "text")
    base = alt.Chart(data).encode(x=_words_axis(pair.labels()), y=y)
    points = base.transform_filter("datum.hovered").mark_point(size=80, filled=True, opacity=1)
    points = points.encode(fill=filled(), shape=alt.Shape("mark:N", scale=None), tooltip=tips)
    layers = [base.mark_line(strokeWidth=2.5).encode(**style), points]
    if halfway:
        rule = alt.Chart(pd.DataFrame({"half": [0.5]})).mark_rule(color="#888", strokeDash=[2, 2])
        layers.insert(0, rule.encode(y="half:Q"))
    title = alt.Title(
        f"Probability of \u201c{label}\u201d",
        subtitle="after every word; a dash under a slot: no word in that text",
        subtitleColor=_GREY,
    )
    return alt.layer(*layers).properties(height=HEIGHT, title=title)


def _words_axis(labels: list[str]) -> alt.X:
    """Slots in their order, their words beneath, some left out where they would overlap."""
    few = len(labels) <= _SLANTED
    axis = alt.Axis(labelAngle=-45 if few else -90, labelOverlap=False if few else "greedy", labelLimit=170)
    return alt.X("slot:O", sort=labels, title="word, text one / text two", axis=axis, scale=alt.Scale(domain=labels))


def difference_chart(
    pair: Pair, one: np.ndarray, two: np.ndarray, units: np.ndarray, scale: Scale, signal: str, flip: Flip | None
) -> alt.LayerChart:
    """Draw how much higher each unit is in the second text than in the first, word by word, on a fixed scale.

    Args:
        pair: The texts, or the part of them that is drawn.
        one: float (slot, unit), one signal of the first text, NaN at gaps.
        two: The second's.
        units: The units drawn, from the top down.
        scale: The signal's own scale; the difference's is as wide on either side of 0 as that from end to end.
        signal: Its name.
        flip: Outlined, where it lies in the part; its slot counts from the part's first.
    """
    labels = pair.labels()
    reach = scale.high - scale.low
    data = _cells(pair, labels, one, two, units, scale)
    rows = [str(unit) for unit in units.tolist()]
    x = _words_axis(labels)
    axis = alt.Axis(labelOverlap="greedy", labelFontSize=9)
    y = alt.Y("unit:O", sort=rows, title="unit", axis=axis, scale=alt.Scale(domain=rows))
    what = "tanh of two \u2212 tanh of one" if scale.squashed else "two \u2212 one"
    color = alt.Color(
        "shown:Q",
        title=what,
        scale=alt.Scale(domain=[-reach, reach], range=list(STOPS), clamp=True),
        legend=alt.Legend(orient="bottom", gradientLength=220, tickCount=5, titleLimit=260),
    )
    tips = ["unit:O", "word one:N", "word two:N", *(alt.Tooltip(f"{f}:Q", format=".3f") for f in _NUMBERS)]
    layers = [alt.Chart(data).mark_rect().encode(x=x, y=y, color=color, tooltip=tips)]
    gaps = pd.DataFrame({"slot": labels, "told": [_told(kind) for kind in pair.alignment.kinds]})
    if len(gaps := gaps[gaps["told"] != ""]):
        blank = alt.Chart(gaps).mark_rect(color=_GREY, opacity=0.25)
        layers.insert(0, blank.encode(x=x, tooltip=[alt.Tooltip("told:N", title="gap")]))
    if flip is not None and 0 <= flip.slot < len(labels) and flip.unit in units:
        here = pd.DataFrame({"slot": [labels[flip.slot]], "unit": [str(flip.unit)]})
        outline = alt.Chart(here).mark_rect(filled=False, stroke="#000", strokeWidth=2.5)
        layers.append(outline.encode(x=x, y=y, tooltip=alt.value("the first unit that flips")))
    title = alt.Title(
        f"Difference of {signal}", subtitle=f"{what}; grey: a gap, nothing to compare", subtitleColor=_GREY
    )
    return alt.layer(*layers).properties(height=200 + 13 * len(units), title=title)


_NUMBERS = ("in text one", "in text two", "difference")


def _cells(
    pair: Pair, labels: list[str], one: np.ndarray, two: np.ndarray, units: np.ndarray, scale: Scale
) -> pd.DataFrame:
    """One row a unit and slot that has a word in both texts."""
    slots = np.flatnonzero((pair.alignment.one >= 0) & (pair.alignment.two >= 0))
    a, b = one[slots][:, units].ravel(), two[slots][:, units].ravel()
    seen = np.tanh(b) - np.tanh(a) if scale.squashed else b - a
    words = [np.array(pair.words(side), dtype=object)[slots].repeat(len(units)) for side in (0, 1)]
    return pd.DataFrame(
        {
            "slot": np.array(labels, dtype=object)[slots].repeat(len(units)),
            "unit": np.tile([str(unit) for unit in units.tolist()], len(slots)),
            "word one": words[0],
            "word two": words[1],
            "shown": seen.round(4),
            **{name: values.round(4) for name, values in zip(_NUMBERS, (a, b, b - a), strict=True)},
        }
    )


def _told(kind: str) -> str:
    return {ONLY_ONE: "no word in text two", ONLY_TWO: "no word in text one"}.get(kind, "")

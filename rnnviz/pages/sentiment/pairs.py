"""Two texts side by side: where a network's answers and units part, and why a bag of words sees no difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.analysis.aligned import (
    SAME,
    THRESHOLD,
    Alignment,
    Bags,
    Flip,
    align,
    bags_of,
    first_flip,
    most_different,
    spread,
)
from rnnviz.charts.aligned import NAMES, Pair, aligned_html, bags_html, difference_chart, pair_chart
from rnnviz.charts.palette import Scale, scale_of
from rnnviz.charts.text import as_text, visible
from rnnviz.checkpoints import Model
from rnnviz.errors import TextError
from rnnviz.pages.sentiment import choice
from rnnviz.record import record
from rnnviz.recording import Prediction, Recording

ONE, TWO = "keep_pair_one", "keep_pair_two"
PAIRS = {
    "good / not good": ("The film was good", "The film was not good"),
    "easy not difficult / difficult not easy": (
        "Machine learning is easy not difficult",
        "Machine learning is difficult not easy",
    ),
    "bad / not bad": ("bad", "not bad"),
    "never, at another place": ("a great film, never a dull moment", "never a great film, a dull moment"),
}
LONGEST_PAIR = 300
"""Words of each text that are compared: a bidirectional network reads every beginning of them anew."""
_DRAWN = 40
"""Slots that one heatmap holds."""
_UNITS = (16, 32, 64)
_LARGEST, _INDEX = "largest difference", "number"
_HARDLY = 0.01
_MOST_NAMED = 12


def render() -> None:
    """Draw the view."""
    st.write(
        "Two texts, word under word. Choose a pair that differs in next to nothing, or type your own: does the network "
        "tell them apart, at which word, and by which unit?"
    )
    model = choice.chosen_model()
    texts = [_cut(model, text, name) for text, name in zip(_texts(), NAMES, strict=True)]
    read = [session.prediction(model, text) for text in texts]
    one, two = read
    pair = Pair(one.tokens, two.tokens, align(one.tokens, two.tokens), frozenset(one.unknown + two.unknown))
    column = choice.followed(model)
    _answers(model, pair, read, column)
    _bags(pair, read, column)
    _units(model, pair, texts)


def _texts() -> list[str]:
    """Ask for the two texts.

    Raises:
        TextError: One is empty.
    """
    first = next(iter(PAIRS.values()))
    keys = [session.default(key, text) for key, text in zip((ONE, TWO), first, strict=True)]
    now = tuple(st.session_state[key] for key in keys)
    st.session_state["sentiment_pair"] = next((name for name, texts in PAIRS.items() if texts == now), None)
    held = session.frozen("text")
    st.pills("Pair", list(PAIRS), key="sentiment_pair", on_change=_fill, disabled=held)
    columns = st.columns(2)
    texts = [
        column.text_area(name.capitalize(), key=key, height=90, disabled=held)
        for column, name, key in zip(columns, NAMES, keys, strict=True)
    ]
    for text, name in zip(texts, NAMES, strict=True):
        if not text.strip():
            raise TextError(f"{name.capitalize()} is empty: type at least one word in each.")
    return texts


def _fill() -> None:
    """Put the chosen pair into the two boxes."""
    name = st.session_state["sentiment_pair"]
    if name in PAIRS and not session.frozen("text"):
        st.session_state[ONE], st.session_state[TWO] = PAIRS[name]


def _cut(model: Model, text: str, name: str) -> str:
    """Return a text's beginning that is compared."""
    tokens = model.tokenizer.tokens(text)
    if len(tokens) <= LONGEST_PAIR:
        return text
    st.info(f"{name.capitalize()} is long: its first {LONGEST_PAIR} of {len(tokens):,} words are compared.")
    glue = " " if getattr(model.tokenizer, "split", "character") == "whitespace" else ""
    return glue.join(tokens[:LONGEST_PAIR])


def _answers(model: Model, pair: Pair, read: list[Prediction], column: int) -> None:
    """The two texts, the answers to them, and the probability on the way there."""
    label = model.config.labels[column]
    for place, prediction, name in zip(st.columns(2), read, NAMES, strict=True):
        probability = float(prediction.probabilities[-1, column])
        place.metric(f"{name.capitalize()}: {as_text(label)}", f"{probability:.1%}")
        place.caption(as_text(choice.verdict(model.config.labels, column, probability)))
    st.html(aligned_html(pair))
    shown = f" The first 120 of {len(pair.alignment)} are shown." if len(pair.alignment) > 120 else ""
    st.caption(
        "Upper word: text one; lower word: text two. = the same word, \u2260 another word, + only in text two, "
        f"\u2212 only in text one; a wavy line: outside the vocabulary.{shown}"
    )
    one, two = (prediction.probabilities[:, column] for prediction in read)
    st.altair_chart(pair_chart(pair, one, two, label, len(model.config.labels) == 2), width="stretch")
    whole = " The network reads both ways, so it reads every beginning anew." if model.config.bidirectional else ""
    st.caption(
        "Look where the two lines part, and whether they stay apart: up to the first word that differs they are one "
        f"line, and after it the network reads the same words in another state.{whole}"
    )


def _bags(pair: Pair, read: list[Prediction], column: int) -> None:
    """What a bag of words keeps of both texts, next to what the network says."""
    st.header("What a bag of words sees")
    bags = bags_of(pair.one, pair.two)
    apart = float(read[1].probabilities[-1, column] - read[0].probabilities[-1, column])
    left, right = st.columns(2)
    left.metric("Difference of the two bags, in words", f"{bags.distance}")
    right.metric("Difference of the network\u2019s answers", _points(apart))
    st.write(_bag_verdict(pair, bags, apart))
    st.html(bags_html(bags, pair.unknown))
    strange = " Words outside the vocabulary are all one and the same word to the network." if pair.unknown else ""
    rest = f" {len(bags.words) - 12} more words are not shown." if len(bags.words) > 12 else ""
    st.caption(
        "Counts of each word in the two texts, what differs first; their absolute differences sum to the number above. "
        f"Look whether any row differs: that is all that a classifier on word counts has to go by.{strange}{rest}"
    )


def _points(apart: float) -> str:
    return f"{100 * apart:+.1f} points".replace("-", "\u2212")


def _bag_verdict(pair: Pair, bags: Bags, apart: float) -> str:
    """Say what any classifier on word counts can do with the two texts, and what this network does."""
    if pair.one == pair.two:
        return "The two texts are the same, word by word: nothing could tell them apart."
    said = (
        "The network hardly tells them apart either."
        if abs(apart) < _HARDLY
        else "The network, which reads in order, does not."
    )
    if bags.distance == 0:
        return (
            "**The two bags are equal**: the same words, as many of each, in another order. Any classifier on a bag of "
            f"words must give both texts the same answer, whatever its weights are. {said}"
        )
    names = ", ".join(f"\u201c{as_text(visible(word))}\u201d" for word in bags.differing[:_MOST_NAMED])
    more = f" and {len(bags.differing) - _MOST_NAMED} more" if len(bags.differing) > _MOST_NAMED else ""
    return (
        f"The two bags differ in {names}{more}. A classifier on a bag of words whose vocabulary holds them can tell "
        "the texts apart by that alone; where such a word stands, and what it does to its neighbours, it cannot know."
    )


@st.fragment
@session.guarded
def _units(model: Model, pair: Pair, texts: list[str]) -> None:
    """Every unit's difference, word by word."""
    st.header("The units")
    recordings = [session.kept(record, model, text) for text in texts]
    signal, layer, order, count = _settings(recordings[0])
    places = pair.alignment.one, pair.alignment.two
    one, two = (
        spread(recording.signals[signal][:, layer], at) for recording, at in zip(recordings, places, strict=True)
    )
    scale = scale_of(signal, model.config.cell_type)
    flip = _first_flip(one, two, (scale.low + scale.high) / 2, signal)
    widest = _widest(recordings, signal, layer)
    st.write(f"{_said_of_flip(pair, flip, signal, scale)} {_said_of_end(widest, signal)}")
    units = most_different(two - one, count, [widest[0], *([flip.unit] if flip else [])])
    first = _first_slot(pair.alignment)
    part = slice(first, first + _DRAWN)
    shown = Pair(
        pair.one,
        pair.two,
        Alignment(places[0][part], places[1][part], pair.alignment.kinds[part]),
        pair.unknown,
        first + 1,
    )
    ordered = np.sort(units) if order == _INDEX else units
    here = Flip(flip.slot - first, flip.unit, flip.one, flip.two, flip.others) if flip else None
    chart = difference_chart(shown, one[part], two[part], ordered, scale, _spoken(signal), here)
    st.altair_chart(chart, width="stretch")
    st.caption(_reading(one.shape[1] - len(units), scale, signal))


def _first_flip(one: np.ndarray, two: np.ndarray, middle: float, signal: str) -> Flip | None:
    """Find the first flip in a direction's own order of reading; a backward one begins at the end."""
    if not signal.endswith("_backward"):
        return first_flip(one, two, middle)
    flip = first_flip(one[::-1], two[::-1], middle)
    return replace(flip, slot=len(one) - 1 - flip.slot) if flip else None


def _settings(recording: Recording) -> tuple[str, int, str, int]:
    """Ask which signal of which layer is shown, and of which units."""
    left, middle, right = st.columns(3)
    signals = list(recording.signals)
    key = session.fitting("keep_pair_signal", signals, signals[0])
    signal = left.selectbox("Signal", signals, key=key, format_func=_spoken)
    orders = [_LARGEST, _INDEX]
    order = middle.selectbox("Units ordered by", orders, key=session.fitting("keep_pair_order", orders, _LARGEST))
    count = right.selectbox("Units shown at most", _UNITS, key=session.fitting("keep_pair_units", _UNITS, 32))
    layer = most = recording.num_layers
    if most > 1:
        key = session.fitting(f"keep_pair_layer_{most}", range(1, most + 1), most)
        layer = st.segmented_control("Layer", range(1, most + 1), key=key, required=True)
    return signal, layer - 1, order, count


def _spoken(signal: str) -> str:
    """Return a signal's name in words."""
    words = signal.removesuffix("_backward").replace("_", " ")
    words = f"{words} state" if words in ("hidden", "cell") else words
    return f"{words}, backwards" if signal.endswith("_backward") else words


def _widest(recordings: list[Recording], signal: str, layer: int) -> tuple[int, float, float]:
    """Return the unit furthest apart where its direction ends, and its two values there."""
    at = 0 if signal.endswith("_backward") else -1
    one, two = (recording.signals[signal][at, layer] for recording in recordings)
    unit = int(np.abs(two - one).argmax())
    return unit, float(one[unit]), float(two[unit])


def _said_of_flip(pair: Pair, flip: Flip | None, signal: str, scale: Scale) -> str:
    middle = (scale.low + scale.high) / 2
    far = f"more than {THRESHOLD:g} from {middle:g}"
    if flip is None:
        return f"**No unit flips**: none is on opposite sides in the two texts, {far} in both, at any shared word."
    a, b = pair.words(0)[flip.slot], pair.words(1)[flip.slot]
    at = f"\u201c{as_text(a)}\u201d" if a == b else f"\u201c{as_text(a)}\u201d / \u201c{as_text(b)}\u201d"
    more = f" {flip.others} more flip there." if flip.others else ""
    return (
        f"**The first unit that flips** is unit {flip.unit}, at word {flip.slot + 1}, {at}: its {_spoken(signal)} is "
        f"{_number(flip.one)} in text one and {_number(flip.two)} in text two, {far} in both.{more}"
    )


def _said_of_end(widest: tuple[int, float, float], signal: str) -> str:
    unit, one, two = widest
    where = "first word, where this direction ends" if signal.endswith("_backward") else "end"
    return (
        f"**Largest difference at the {where}**: unit {unit}, {_number(one)} in text one, {_number(two)} in text two."
    )


def _number(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\u2212")


def _first_slot(alignment: Alignment) -> int:
    """Ask which part of long texts is drawn; at first the one around the first difference."""
    last = len(alignment) - _DRAWN
    if last <= 0:
        return 0
    differs = next((i for i, kind in enumerate(alignment.kinds) if kind != SAME), 0)
    start = min(max(0, differs - 3), last)
    key = f"sentiment_pair_first_{last}_{start}"
    return st.slider(f"First of the {_DRAWN} words drawn", 1, last + 1, key=session.default(key, start + 1)) - 1


def _reading(left_out: int, scale: Scale, signal: str) -> str:
    """Say how to read the heatmap."""
    reach = scale.high - scale.low
    rest = f" {left_out} units that differ less are not shown." if left_out else ""
    back = " Read this one from right to left: it comes from the end." if signal.endswith("_backward") else ""
    squashed = (
        " The signal has no bound, so the colour is the difference of tanh; the values are under the mouse."
        if scale.squashed
        else ""
    )
    return (
        "Red: higher in text two; blue: higher in text one; the colours always span "
        f"\u2212{reach:g} to {reach:g}. Look at which word the first colour appears, and whether it lasts: a lasting "
        f"row is a unit that remembers the difference. Outlined: the first flip.{back}{squashed}{rest}"
    )

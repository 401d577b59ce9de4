"""The vectorizer: the reader's own lines become a vocabulary, and a text becomes numbers, by every option."""

from __future__ import annotations

import re

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.order import table_html
from rnnviz.charts.text import as_text, visible
from rnnviz.charts.vectorizer import WRITTEN, counts_chart, ids_html
from rnnviz.components.question import ask
from rnnviz.errors import TextError
from rnnviz.lesson.questions import Choice, Number
from rnnviz.lesson.vectorizer import (
    LONGEST_OUTPUT,
    MODES,
    MOST_NGRAMS,
    MOST_TOKENS,
    SPLIT,
    STANDARDIZE,
    Options,
    Vectorizer,
    fit,
    keras_call,
    lines_of,
    steps_of,
)

LINES, NEW = "keep_words_lines", "keep_words_new"
EXAMPLE = (
    "This was a great movie, a really great one.\n"
    "This was an absolutely terrible movie.\n"
    "I don't like it; it isn't good.\n"
    "Not bad at all: the film was good."
)
NEW_EXAMPLE = "A good film, but it wasn't great."
NGRAMS = ("None", *map(str, range(1, MOST_NGRAMS + 1)), "(2,)", "(3,)", "(1, 3)")
_ROWS = 40
"""Rows of the vocabulary that are shown."""
_OPTION = "keep_words_"


@st.fragment
@session.guarded
def render() -> None:
    """Draw the part."""
    st.header("A vocabulary of your own lines")
    st.write(
        "A network reads numbers. So a text is made uniform, cut into tokens, and each token is looked up in a list "
        "that was made from example texts beforehand, the most frequent word first. Type your own lines, and try "
        "every option of Keras\u2019 `TextVectorization` on them."
    )
    lines = lines_of(_text("Lines to learn the vocabulary from", LINES, EXAMPLE, 130))
    options = _options()
    made = fit(lines, options)
    _ask_apostrophe()
    _vocabulary(made)
    _ask_room(lines, options)
    text = _text("A text to turn into numbers", NEW, NEW_EXAMPLE, 70)
    if not text.strip():
        raise TextError("The text is empty: type something to turn into numbers.")
    _steps(made, text)
    _output(made, lines, text)
    then = "its vocabulary is given, so it is not fitted" if options.vocabulary else "to be fitted with `adapt(lines)`"
    st.markdown(f"The same layer in Keras, {then} (it needs TensorFlow beside Keras):")
    st.code(keras_call(options), language="python", wrap_lines=True)
    st.write(
        "Two more options change the type of the array, not the numbers in it: `ragged=True` keeps the rows of ids at "
        "their own lengths, and `sparse=True` stores only what is not 0. Keras has both on TensorFlow alone. PyTorch "
        "has no such layer: one writes the few lines, or takes a tokenizer from another library."
    )


def _text(label: str, key: str, first: str, height: int) -> str:
    return st.text_area(label, key=session.typed(key, first), height=height, disabled=session.frozen("text"))


def _options() -> Options:
    """Ask for the options.

    Raises:
        ConfigError: They contradict each other.
        TextError: The idf weights are no numbers.
    """
    one, two, three, four = st.columns(4)
    mode = one.selectbox("output_mode", MODES, key=session.fitting(f"{_OPTION}mode", MODES, MODES[0]))
    standardize = two.selectbox(
        "standardize", STANDARDIZE, key=session.fitting(f"{_OPTION}standardize", STANDARDIZE, STANDARDIZE[0])
    )
    split = three.selectbox("split", SPLIT, key=session.fitting(f"{_OPTION}split", SPLIT, SPLIT[0]))
    ngrams = four.selectbox("ngrams", NGRAMS, key=session.fitting(f"{_OPTION}ngrams", NGRAMS, "None"))
    one, two, three = st.columns(3)
    most = _whole(one, "max_tokens (0: None)", "most", MOST_TOKENS)
    is_int = mode == "int"
    length = _whole(two, "output_sequence_length (0: None)", "length", LONGEST_OUTPUT, disabled=not is_int)
    key = session.fitting(f"{_OPTION}pad", (True, False), False)
    pad = three.checkbox("pad_to_max_tokens", key=key, disabled=is_int or not most)
    vocabulary = _by_hand()
    weights = _weights(bool(vocabulary) and mode == "tf_idf")
    return Options(
        max_tokens=most or None,
        standardize=standardize,
        split=split,
        ngrams=_widths(ngrams),
        output_mode=mode,
        output_sequence_length=(length or None) if is_int else None,
        pad_to_max_tokens=bool(pad and most and not is_int),
        vocabulary=vocabulary,
        idf_weights=weights,
    )


def _whole(place: object, label: str, name: str, high: int, disabled: bool = False) -> int:
    key = session.within(f"{_OPTION}{name}", 0, high, 0)
    st.session_state[key] = int(st.session_state[key])
    return place.number_input(label, 0, high, step=1, key=key, disabled=disabled)


def _widths(ngrams: str) -> int | tuple[int, ...] | None:
    numbers = tuple(map(int, re.findall(r"\d+", ngrams)))
    return numbers if "(" in ngrams else numbers[0] if numbers else None


def _by_hand() -> tuple[str, ...]:
    """Ask for a vocabulary in place of the lines' own."""
    key = f"{_OPTION}vocabulary"
    told = "vocabulary by hand, words apart by commas (empty: learnt from the lines)"
    text = st.text_input(told, key=session.typed(key, ""), disabled=session.frozen("text"))
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _weights(needed: bool) -> tuple[float, ...]:
    """Ask for idf weights; with a vocabulary by hand there is nothing to learn them from.

    Args:
        needed: Whether they are read; the box stays where they are not, and keeps what is in it.

    Raises:
        TextError: One is no number.
    """
    key = f"{_OPTION}idf"
    told = "idf_weights, one a word (for tf_idf and a vocabulary by hand)"
    text = st.text_input(told, key=session.typed(key, ""), disabled=not needed or session.frozen("text"))
    if not needed:
        return ()
    try:
        weights = tuple(float(part) for part in re.split(r"[\s,;]+", text) if part)
    except ValueError:
        raise TextError("idf_weights must be numbers, apart by commas.") from None
    if not all(abs(weight) <= 1e6 for weight in weights):
        raise TextError("idf_weights must lie between minus and plus a million.")
    return weights


def _ask_apostrophe() -> None:
    usual = Options()
    token = steps_of("don't", usual).tokens[0]
    options = ("don't", "don t", "dont", "do n't")
    ask(
        Choice(
            "words-apostrophe",
            "With the usual options, what does \u201cdon't\u201d become?",
            "Keras deletes punctuation and puts nothing in its place, the apostrophe too: \u201cdon't\u201d and "
            "\u201cdont\u201d become one word, and \u201cgood/bad\u201d becomes \u201cgoodbad\u201d. Try it in the "
            "lines above.",
            options,
            options.index(token),
        )
    )


def _vocabulary(made: Vectorizer) -> None:
    """The vocabulary by frequency."""
    first = made.options.specials
    words, counts = made.vocabulary[first : first + _ROWS], made.counts[first : first + _ROWS]
    if words:
        st.altair_chart(counts_chart(words, counts, first), width="stretch")
    rest = len(made.vocabulary) - first - len(words)
    more = f" {rest:,} more words are not drawn." if rest > 0 else ""
    order = "in the order given by hand" if made.options.vocabulary else "the most frequent first, ties from z to a"
    ids = "0 is padding and 1 unknown" if first == 2 else "0 is unknown; there is no padding in this mode"
    st.caption(
        f"Look at the ids: {ids}; then come the words, {order}. {len(made.vocabulary):,} ids in all; "
        f"{int(made.counts[made.unknown_id]):,} of the lines\u2019 tokens have no id of their own.{more}"
    )


def _ask_room(lines: list[str], options: Options) -> None:
    different = len({token for line in lines for token in steps_of(line, options).tokens})
    room = max(3, min(8, different))
    kept = min(room - 2, different)
    ask(
        Number(
            "words-room",
            f"Your lines hold {different} different tokens. With max_tokens={room} and output_mode=\u201cint\u201d, "
            "how many of them keep an id of their own?",
            "Two of the ids are taken: 0 for padding and 1 for whatever is unknown. The rest go to the most frequent "
            "tokens. In the other modes there is no padding, and one more has room.",
            float(kept),
        )
    )


def _steps(made: Vectorizer, text: str) -> None:
    """The text on its way to tokens."""
    steps = steps_of(text, made.options)
    rows = [
        ("as typed", _cut(text)),
        ("standardised", _cut(steps.standardized)),
        ("split", _cut(" | ".join(map(visible, steps.words)))),
        ("tokens", _cut(" | ".join(map(visible, steps.tokens)))),
    ]
    st.html(table_html(("step", "what is left"), rows, "The text on its way", words=True))


def _cut(text: str) -> str:
    shown = visible(text) if not text else "".join(visible(c) if c in "\n\t\r" else c for c in text)
    return shown if len(shown) <= 300 else f"{shown[:300]}\u2026"


def _output(made: Vectorizer, lines: list[str], text: str) -> None:
    """The numbers of the text."""
    steps = steps_of(text, made.options)
    if made.options.output_mode == "int":
        ids = made([text])[0].tolist()
        words = [*steps.tokens, *[""] * max(0, len(ids) - len(steps.tokens))][: len(ids)]
        st.html(ids_html(words, ids, made.unknown_id, 0))
        more = f" The first {WRITTEN} of {len(ids)} are shown." if len(ids) > WRITTEN else ""
        st.code(str(ids[:200]), language=None, wrap_lines=True)
        back = " ".join(visible(word) for word in made.back(ids[:200]))
        st.markdown(f"And back: {as_text(back)}")
        st.caption(f"Look at what does not come back: an unknown word is [UNK] for ever, and case is gone.{more}")
    else:
        _dense(made, text)
    rows, columns = made.shape([*lines, text])
    why = ": one column for each id. The order of the words is gone."
    if made.options.output_mode == "int":
        why = ": the longest one says how wide." if made.options.output_sequence_length is None else "."
    st.caption(f"All {len(lines)} lines and the text together make an array of shape ({rows}, {columns}){why}")


def _dense(made: Vectorizer, text: str) -> None:
    """A row of counts, marks or tf-idf weights."""
    row, weighted = made([text])[0], made.options.output_mode == "tf_idf"
    on = np.flatnonzero(row)
    shown = on[:_ROWS].tolist()
    rows = [
        (
            visible(made.vocabulary[i]),
            str(i),
            str(made.counts[i]),
            str(made.documents[i]),
            *((f"{made.idf[i]:.4f}", f"{row[i]:.4f}") if weighted else (f"{row[i]:g}",)),
        )
        for i in shown
    ]
    head = ("token", "id", "in the lines", "lines with it", *(["idf"] if weighted else []), made.options.output_mode)
    st.html(table_html(head, rows, f"What is not 0 in a row of {len(row):,} numbers"))
    more = " An unknown word\u2019s idf is the mean of all others, since nothing is known of it." if weighted else ""
    if weighted:
        learnt = r"\ln\Bigl(1+\frac{\text{lines}}{1+\text{lines with it}}\Bigr)"
        idf = r"\text{idf\_weights}" if made.options.idf_weights else learnt
        st.latex(rf"\text{{tf-idf}}=\text{{count}}\times{idf}")
    st.caption(f"Look how many of the row\u2019s numbers are not 0: {len(on)} of {len(row):,}.{more}")

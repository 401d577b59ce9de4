"""Which words mattered for the answer: each left out in turn beside integrated gradients, and where they disagree."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.analysis.occlusion import (
    WORTH_NAMING,
    Disagreement,
    Weighed,
    Weights,
    disagreement,
    seconds,
    weigh_words,
)
from rnnviz.charts.attribution import scale_html, weights_chart
from rnnviz.charts.palette import Scale
from rnnviz.charts.text import as_text, text_html, visible
from rnnviz.checkpoints import Model
from rnnviz.pages.sentiment import choice
from rnnviz.subjects import Subject
from rnnviz.text import read

LONGEST = 400
"""Words of a text that are weighed."""
MOST_ROWS = 30
LEFT_OUT, INTEGRATED = "Left out", "Integrated gradients"
_FIRST, _LAST = f"its first {LONGEST}", f"its last {LONGEST}"
_BY_SIZE, _BY_PLACE = "by size", "by place in the text"
_MOST_LETTERS = 30


def render() -> None:
    """Draw the view."""
    model = choice.chosen_model()
    subject = _subject(model, choice.chosen_text())
    estimate = seconds(model.config, subject.steps)
    with st.spinner("Weighing each word \u2026"):
        found: Weighed | None = session.asked(weigh_words, subject, estimate, estimate, target=choice.followed(model))
    if found is not None:
        _show(model, subject, found)


def _subject(model: Model, text: str) -> Subject:
    """Return the network and the words that are weighed; where the text is long, the reader says which."""
    ids, tokens = read(model.tokenizer, text)
    whole, part = len(ids), slice(None)
    if whole > LONGEST:
        which = st.segmented_control(
            f"The text has {whole:,} words; weigh",
            [_FIRST, _LAST],
            key=session.fitting("keep_sentiment_words_part", [_FIRST, _LAST], _FIRST),
            required=True,
        )
        part = slice(LONGEST) if which == _FIRST else slice(-LONGEST, None)
        st.info("What is shown is the answer to these words alone, as if there were no others.")
    strange = set(model.tokenizer.unknown(text))
    ids, tokens = ids[part], tuple(tokens[part])
    key = ("weighed", model.name, model.digest, str(model.config), text, part.start, part.stop)
    unknown = tuple(token in strange for token in tokens)
    return Subject(model.name, model.config, lambda: model.network, ids, tokens, whole, key, unknown)


def _measures(found: Weighed) -> dict[str, Weights]:
    """Return what could be measured, what is no number taken as zero, with a sentence about the rest."""
    if found.left_out is None:
        st.info("The text is a single word: without it there is nothing left to read, so it cannot be left out.")
    if found.integrated is None:
        st.info("This network also reads backwards: integrated gradients are shown only of those that read forwards.")
    measures = {LEFT_OUT: found.left_out, INTEGRATED: found.integrated}
    measures = {name: weights for name, weights in measures.items() if weights is not None}
    lost = sum(int((~np.isfinite(weights.values)).sum()) for weights in measures.values())
    if lost:
        st.warning(f"{lost} values are no numbers, something in the network overflowed: they are shown as zero.")
    return measures


def _show(model: Model, subject: Subject, found: Weighed) -> None:
    labels = model.config.labels
    label, rival = as_text(labels[found.answer]), as_text(labels[found.rival])
    st.markdown(
        f"After these {len(found.tokens):,} words ln(p({label}) / p({rival})) is **{_signed(found.log_odds)} nats**"
        + (f": {as_text(choice.verdict(labels, found.answer, _chance(found)))}." if len(labels) == 2 else ".")
    )
    measures = _measures(found)
    if not measures:
        return
    values = {name: np.nan_to_num(one.values, posinf=0.0, neginf=0.0) for name, one in measures.items()}
    most = _largest(values.values())
    shown = most if found.trusted or found.left_out is None else _largest([values[LEFT_OUT]])
    more = "" if shown == most else " or more"
    ends = (f"\u2212{shown:.3g} nats{more}: {labels[found.rival]}", f"{labels[found.answer]}: +{shown:.3g}{more}")
    st.html(scale_html(ends[0], "0", ends[1]))
    _coloured(subject, found, values, shown)
    if len(values) == 2 and found.trusted:
        _compare(found, disagreement(*values.values()), values)
    _drawn(found, values, most, label, rival)
    _explain(label, rival)


def _largest(values: Iterable[np.ndarray]) -> float:
    return max(1e-9, *(float(np.abs(one).max()) for one in values))


def _chance(found: Weighed) -> float:
    """The probability of the followed class where there are two."""
    return 1 / (1 + math.exp(-max(-700.0, found.log_odds)))


def _coloured(subject: Subject, found: Weighed, values: dict[str, np.ndarray], most: float) -> None:
    """Show the words once a measure, on one scale."""
    for name, column in zip(values, st.columns(len(values), gap="medium"), strict=True):
        with column:
            st.header(name)
            told = [f"{value:+.3f} nats" for value in values[name].tolist()]
            scale = Scale(-most, most, False)
            st.html(text_html(found.tokens, values[name], scale, first=1, unknown=subject.unknown, told=told))
            st.caption(_meaning(found, name))
    if found.integrated is not None and not found.trusted:
        gap, whole = found.integrated.gap, found.log_odds - found.integrated.without
        st.warning(
            f"The integrated gradients miss {abs(gap):.2g} of {_signed(whole)} nats: "
            "the network bends too sharply along the path. They cannot be trusted here, so the two are not compared, "
            "and the colours go as far as the words left out do."
        )


def _meaning(found: Weighed, name: str) -> str:
    if name == LEFT_OUT:
        return (
            "How far the answer falls when this word is taken out and the text read again, one word shorter. Red "
            "words held the answer up."
        )
    ends = f"{_signed(found.log_odds)} nats here, {_signed(found.integrated.without)} for zero vectors"
    return (
        "What this word\u2019s vector adds on the straight way from zero vectors to the text. The words sum to the "
        f"difference ({ends}) up to {abs(found.integrated.gap):.1g} nats."
    )


def _compare(found: Weighed, parts: Disagreement, values: dict[str, np.ndarray]) -> None:
    """Say in plain words where the two part ways."""
    st.header("Where the two disagree")
    count = len(found.tokens)
    if math.isnan(parts.rank_correlation):
        st.write("There are too few different values for a rank correlation.")
    else:
        st.write(
            f"Spearman\u2019s rank correlation over the {count} words is **{parts.rank_correlation:.2f}** (1: the same "
            "order, 0: none, \u22121: the reverse)."
        )
    cases = {
        "They point in opposite directions": parts.opposite,
        f"Only leaving it out counts it among the {parts.top} weightiest": parts.only_first,
        f"Only integrated gradients count it among the {parts.top} weightiest": parts.only_second,
    }
    lines = [f"- {what}: {_named(found, places, values)}" for what, places in cases.items() if places]
    st.markdown("\n".join(lines) if lines else "No word is weighed so differently that it needs a note.")
    st.caption(
        f"The rule: opposite signs, both at least {WORTH_NAMING:.0%} of their own measure\u2019s largest; or among the "
        f"{parts.top} largest sizes of one and not among the {2 * parts.top} largest of the other. Neither is wrong, "
        "they ask different questions. Leaving a word out makes neighbours of the words beside it and shortens the "
        "text, which may become one that nobody would write; where two words say the same, each can be missed, so both "
        "weigh little. Integrated gradients follow a path from zero vectors, where the network has never been trained, "
        "and share out what such words do together, also where the answer has long been settled."
    )


def _named(found: Weighed, places: tuple[int, ...], values: dict[str, np.ndarray]) -> str:
    """Name words with their two values."""
    first, second = values.values()
    said = []
    for i in places[:5]:
        word = visible(found.tokens[i])
        word = word if len(word) <= _MOST_LETTERS else f"{word[:_MOST_LETTERS]}\u2026"
        said.append(
            f"**{as_text(word)}** (place {i + 1}: {_signed(first[i])} left out, {_signed(second[i])} integrated)"
        )
    more = f", and {len(places) - 5} more" if len(places) > 5 else ""
    return ", ".join(said) + more


def _signed(value: float) -> str:
    """Write a number with its sign, two digits."""
    return f"{value:+.2f}".replace("-", "\u2212")


@st.fragment
def _drawn(found: Weighed, values: dict[str, np.ndarray], most: float, label: str, rival: str) -> None:
    """Draw both values word by word."""
    count = len(found.tokens)
    order = st.segmented_control(
        "Order",
        [_BY_SIZE, _BY_PLACE],
        key=session.fitting("keep_sentiment_words_order", [_BY_SIZE, _BY_PLACE], _BY_SIZE),
        required=True,
    )
    if order == _BY_SIZE:
        size = np.max([np.abs(one) for one in values.values()], axis=0)
        places = np.argsort(-size, kind="stable")[:MOST_ROWS].tolist()
        title = "The weightiest words" if count > MOST_ROWS else "All words, the weightiest first"
    else:
        first = 0
        if count > MOST_ROWS:
            last = count - MOST_ROWS + 1
            st.session_state["words_from"] = min(st.session_state.get("words_from", 1), last)
            first = st.slider("From word", 1, last, key="words_from") - 1
        places, title = list(range(first, min(count, first + MOST_ROWS))), "Word by word"
    axis = "what the word adds to ln(p / p\u2032), nats"
    st.altair_chart(weights_chart(found.tokens, values, places, most, title, axis), width="stretch")
    st.caption(
        f"Right of zero a word speaks for {label}, left of it for {rival}. Look for words whose two points lie far "
        "apart: there the two ways of asking give two answers."
    )


def _explain(label: str, rival: str) -> None:
    with st.expander("Why ln(p / p\u2032), and where the two measures come from"):
        st.write(
            f"Both measures are in nats of ln(p({label}) / p({rival})), the log-odds of the class that is followed "
            "against its strongest rival. The probability itself, or its logarithm, would not do: at 99.9 % no word "
            "can add anything any more, and all would look as if they did not matter. Integrated gradients of the "
            "log-odds sum to a difference of log-odds, so both are of one kind. Leaving words out: Li, Monroe and "
            "Jurafsky 2016, \u201cUnderstanding Neural Networks through Representation Erasure\u201d. Integrated "
            "gradients: Sundararajan, Taly and Yan 2017, \u201cAxiomatic Attribution for Deep Networks\u201d, "
            "with captum. Left out means taken out: the word is not replaced by an unknown one."
        )

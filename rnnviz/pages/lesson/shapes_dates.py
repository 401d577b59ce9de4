"""Many to many with encoder and decoder: a date as people write it in, ISO form out; one state passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.little import odds_chart, shares_chart
from rnnviz.charts.shapes import Net, shape_chart
from rnnviz.charts.text import as_text
from rnnviz.components.question import ask
from rnnviz.lesson.little import card, shipped
from rnnviz.lesson.little_dates import FORMS, OUT, OUTPUTS, START, TASK, UNITS, Translated, places, translate
from rnnviz.lesson.questions import Choice, Number
from rnnviz.lesson.references import cite
from rnnviz.pages.lesson.shapes_training import network, training

_KEYS = "keep_shapes_dates_"
_DATE = "12th of March 2021"
_TRIED = 100
"""Held-out days on which a network trained on the page is scored, in every form."""


def render() -> None:
    """Draw the view."""
    st.write(
        "The answer is not as long as the question, and not in its order: so one network reads to the end (the "
        "encoder) and another one writes (the decoder). What passes between them is the encoder\u2019s last state, and "
        f"nothing else ({cite('cho2014', 'sutskever2014')}). With slashes the month comes first, with dots the day; "
        "two-digit years are 1930 to 2029."
    )
    _try()
    _forcing()
    st.header("On days that it has never seen")
    _figures()
    training("dates")


@st.fragment
@session.guarded
def _try() -> None:
    net = network("dates")
    one, two = st.columns([3, 2])
    frozen = session.frozen("text")
    text = one.text_input(
        "A date, in any form", key=session.typed(f"{_KEYS}text", _DATE), live="200ms", disabled=frozen
    )
    given = two.text_input("Begin the answer with", key=session.typed(f"{_KEYS}given", ""), disabled=frozen)
    one, two = st.columns(2)
    keep = (
        one.checkbox("h passes to the decoder", key=session.ticked(f"{_KEYS}h", True)),
        two.checkbox("c passes to the decoder", key=session.ticked(f"{_KEYS}c", True)),
    )
    found = translate(net, text, given.strip(), keep)
    st.metric("Written by the decoder", found.wrote)
    if not all(keep):
        st.caption(
            "What does not pass is zeros: try several dates, and look at whether the answer still depends on them."
        )
    with st.expander("Forms that it was trained on"):
        st.write(" \u00b7 ".join(as_text(form) for form in FORMS))
    _steps(found)
    _diagram(net, text)
    _passing(net, found, text)


def _steps(found: Translated) -> None:
    st.markdown("**Greedy decoding, step by step**")
    key = session.whole(f"{_KEYS}steps", 1, OUTPUTS, OUTPUTS)
    steps = st.slider("Steps of writing", 1, OUTPUTS, key=key)
    rows = []
    for step in range(steps):
        first, second = np.argsort(-found.probabilities[step])[:2]
        rows.append(
            {
                "step": step + 1,
                "reads": as_text(found.read[step]),
                "likeliest": f"{as_text(OUT[first])} ({found.probabilities[step][first]:.2%})",
                "next": f"{as_text(OUT[second])} ({found.probabilities[step][second]:.2%})",
                "writes": as_text(found.wrote[step]) + (" (given)" if step < found.given else ""),
            }
        )
    st.table(rows)
    st.altair_chart(
        odds_chart(found.probabilities[:steps], OUT[:START], found.wrote[:steps], "Odds of each character"),
        width="stretch",
    )
    st.caption(
        "At each step the decoder reads what it wrote last (first a start sign), and takes the likeliest character: "
        "that is greedy decoding. A dot is what was taken. Give the answer a wrong beginning, such as 1999, and look "
        "whether the rest follows the date or the beginning."
    )


def _diagram(net: Any, text: str) -> None:
    letters = len(text.strip())
    drawn = Net("encoder_decoder", "LSTM", "h, c", letters, written=OUTPUTS)
    title = f"Encoder and decoder: {letters} characters in, {OUTPUTS} out"
    st.altair_chart(shape_chart(drawn, places(net, text), title), width="stretch")
    st.caption(
        "Shapes read off this very run, batch first. Look at the arrow in the middle: it has the same shape for the "
        "longest and for the shortest date."
    )


def _passing(net: Any, found: Translated, text: str) -> None:
    ask(
        Number(
            "shapes-passed",
            "How many numbers pass from the encoder to the decoder for one date?",
            f"The state of an LSTM of {UNITS} units: h and c, {UNITS} numbers each, however long the text is. For long "
            "sentences that is a narrow place, which is where attention came in "
            f"({cite('bahdanau2015')}).",
            float(sum(part.size for part in found.passed)),
        ),
        title="Count",
    )
    ask(
        Choice(
            "shapes-nothing",
            "Take both ticks away, so that nothing passes. What will the decoder write for different dates?",
            "The encoder was the only way in. Without it the decoder begins with zeros, whatever was typed, so it "
            "always writes the same: a guess that has nothing to do with the date.",
            (
                "no date at all, but random characters that change",
                "always the same, whatever is typed",
                "the right dates",
            ),
            1,
        ),
        reveal=lambda: _nothing(net, text),
        title="Predict",
    )


def _nothing(net: Any, text: str) -> None:
    tried = (text.strip(), "3/12/21", "March 12, 1985")
    st.table(
        [{"read": as_text(one), "written": as_text(translate(net, one, keep=(False, False)).wrote)} for one in tried]
    )


def _forcing() -> None:
    st.header("Teacher forcing")
    test = card("dates")["test"]
    st.write(
        "In training the decoder does not read what it wrote itself: at each step it is given the right character "
        f"before, however wrong its own was. That is teacher forcing ({cite('williams1989')}); all inputs are "
        "known beforehand, so one call of the layer does all steps (still one after the other), and one early "
        "mistake does not spoil the rest of the lesson. When it is used there is no "
        f"teacher. The shipped network has {test['characters_forced']:.3%} of the held-out characters right when it is "
        f"given the right ones before, and {test['characters_by_itself']:.3%} when it reads its own."
    )
    ask(
        Choice(
            "shapes-forcing",
            "Why can the second figure be lower, for the same network on the same dates?",
            "After a mistake it reads a character it was never given in training, and may go astray from there: one "
            "mistake can become several. Under teacher forcing every step starts from the right beginning.",
            (
                "a mistake is read again at the next step",
                "the weights are others when it is used",
                "the encoder reads the date again at each step",
            ),
            0,
        ),
        title="With and without a teacher",
    )


@st.fragment
@session.guarded
def _figures() -> None:
    net = network("dates", ask=False)
    ours = net is shipped("dates")
    test = card("dates")["test"] if ours else _scored(net)
    whose = "shipped network" if ours else f"your network, {_TRIED} days in each form"
    total = f"{test['right']:,} of {test['tested']:,} held-out dates right ({test['accuracy']:.2%})"
    st.altair_chart(shares_chart(test["by_form"], "By form", "form", f"{whose}; {total}"), width="stretch")
    chart = shares_chart(test["by_length"], "By length", "characters read", whose, ordered=True)
    st.altair_chart(chart, width="stretch")
    st.caption(
        f"Grey lines are 95 % intervals ({cite('wilson1927')}). Look at which forms and lengths are worse: train a "
        "network with "
        "a quarter of the updates below and compare. None of these days was in training, in any form."
    )


def _scored(net: Any) -> dict[str, Any]:
    kept = st.session_state.get("shapes_scored_dates")
    if kept is None or kept[0] is not net:
        kept = (net, TASK.score(net, _TRIED))
        st.session_state["shapes_scored_dates"] = kept
    return kept[1]

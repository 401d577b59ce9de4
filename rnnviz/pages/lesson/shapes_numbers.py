"""One to many: a number's digits in, its English name out, letter by letter."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.charts.little import odds_chart, shares_chart
from rnnviz.charts.shapes import Net, shape_chart
from rnnviz.components.question import ask
from rnnviz.lesson.little import card
from rnnviz.lesson.little_numbers import (
    ALPHABET,
    END,
    FORMS,
    LAST,
    START,
    Written,
    held_out,
    number_of,
    places,
    spell,
    write,
)
from rnnviz.lesson.questions import Choice
from rnnviz.lesson.references import cite
from rnnviz.pages.lesson.shapes_training import network, training

_KEYS = "keep_shapes_numbers_"


def render() -> None:
    """Draw the view."""
    st.write(
        "One vector goes in, a sequence comes out: a picture and its caption, a topic and a text, here a number and "
        "its name. The vector says which three digits there are and which form is wanted; a dense layer makes the "
        "LSTM\u2019s first state of it, and nothing else ever comes in from outside. Each letter that is written is "
        f"read again at the next step, until the end sign {END}."
    )
    _try()
    _figures()
    training("numbers")


@st.fragment
@session.guarded
def _try() -> None:
    net = network("numbers")
    one, two, three = st.columns([1, 2, 1])
    text = one.text_input(
        f"A number, 0 to {LAST}",
        key=session.typed(f"{_KEYS}number", "734"),
        live="200ms",
        disabled=session.frozen("text"),
    )
    form_key = session.fitting(f"{_KEYS}form", tuple(FORMS), "cardinal")
    form = two.segmented_control("Form", list(FORMS), key=form_key, format_func=FORMS.get, required=True)
    heat_key = session.fitting(f"{_KEYS}temperature", (0.0, 0.5, 1.0, 1.5, 2.0), 0.0)
    heat = three.select_slider("Temperature", (0.0, 0.5, 1.0, 1.5, 2.0), key=heat_key)
    seed = 0
    if heat:
        seed = int(
            st.number_input("Seed of the draw", 0, 10**6, key=session.whole(f"{_KEYS}draw", 0, 10**6, 0), step=1)
        )
    number = number_of(text)
    found = write(net, number, form, heat, seed)
    _tell(number, form, found)
    title = f"Odds of each letter while {number} is written"
    st.altair_chart(odds_chart(found.probabilities, ALPHABET, found.wrote, title), width="stretch")
    st.caption(
        "A dot is the letter that was taken. Look at the steps where more than one cell is coloured: there the network "
        "decides; elsewhere the letters before leave no choice. Hover for the number"
        + ("." if not heat else "; the odds are those after dividing by the temperature.")
    )
    _diagram(net, number, form, found)
    _question()


def _tell(number: int, form: str, found: Written) -> None:
    right = spell(number, form)
    part = "kept out of training" if held_out(number) else "among those it was trained on"
    wrote = found.text or "nothing"
    if wrote == right:
        st.success(f"{number} \u2192 **{wrote}**, as it should be. This number was {part}.")
    else:
        st.warning(f"{number} \u2192 **{wrote}**; it should be \u201c{right}\u201d. This number was {part}.")


def _diagram(net: object, number: int, form: str, found: Written) -> None:
    drawn = Net("one_to_many", "LSTM", "h, c", len(found.wrote), ends=("x", "y"))
    title = f"One to many: one vector in, {len(found.wrote)} letters out"
    st.altair_chart(shape_chart(drawn, places(net, number, form), title), width="stretch")
    st.caption(
        "Shapes read off this very run, batch first. Look at the bottom: one arrow from outside; the dashed ones "
        f"bring back what was written, as an embedding. The first step reads a start sign ({START})."
    )


def _question() -> None:
    ask(
        Choice(
            "shapes-where",
            "Cardinal or ordinal is said by the vector, before the first letter. \u201c734\u201d and \u201c734th\u201d "
            "begin with the same twenty-odd letters. Where is the form kept until it is needed?",
            "The vector is seen once. Each letter read in between is the same for both forms, so only the state can "
            "tell them apart: it carries the form, and the digits not yet written, through all these steps.",
            ("in the letters that are read again", "in the state", "in the dense head"),
            1,
        ),
        title="Think",
    )


def _figures() -> None:
    test = card("numbers")["test"]
    st.altair_chart(
        shares_chart(test["by_form"], "Names without a wrong letter", "form", "shipped network, held-out numbers"),
        width="stretch",
    )
    st.caption(
        f"Look at how far the bars (95 % intervals, {cite('wilson1927')}) reach: of {test['tested']} names of "
        "held-out numbers "
        f"{test['right']} are right to the last letter ({test['accuracy']:.1%}). A caption of an image is made the "
        f"same way, from a vector that another network makes of the image ({cite('vinyals2015')})."
    )

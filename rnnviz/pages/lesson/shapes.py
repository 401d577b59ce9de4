"""One API, many shapes."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.charts.shapes import bare_chart
from rnnviz.components.question import ask
from rnnviz.lesson.questions import Choice, Picture
from rnnviz.lesson.shapes import KINDS
from rnnviz.pages.lesson import shapes_api, shapes_dates, shapes_numbers, shapes_spaces, shapes_text

_VIEWS = {
    "Shapes": shapes_api.render,
    "Many to one": shapes_text.render,
    "One to many": shapes_numbers.render,
    "A label a step": shapes_spaces.render,
    "Encoder and decoder": shapes_dates.render,
}


def render() -> None:
    """Draw the page."""
    st.title("One API, many shapes")
    st.write(
        "A recurrent layer always does the same: at each step it takes an input and a state, and gives an output and a "
        "new state. What differs is which inputs there are and which outputs are used. First choose numbers and read "
        "the shape of every tensor; then try a real network of each kind."
    )
    key = session.fitting("keep_shapes_view", tuple(_VIEWS), "Shapes")
    view = st.segmented_control("View", list(_VIEWS), key=key, required=True)
    _VIEWS[view]()
    st.header("Before you go on")
    _knowledge()
    _pictures()


def _knowledge() -> None:
    ask(
        Choice(
            "shapes-kinds",
            "Which of these is many to many: a sequence in, and a sequence out?",
            "Speech recognition hears a sequence of sounds and writes a sequence of letters. Describing an image is "
            "one to many (one image, many words), sentiment is many to one (many words, one label), and image "
            "classification is one to one: it needs no recurrent layer at all.",
            ("describing an image", "sentiment of a review", "speech recognition", "image classification"),
            2,
        ),
        title="Knowledge check",
    )


def _pictures() -> None:
    order = ("aligned", "encoder_decoder", "many_to_one", "one_to_many")
    ask(
        Picture(
            "shapes-picture",
            "A program is to say for each word of a sentence whether it is a noun. Which network fits? Time goes from "
            "left to right; blue boxes are read, orange ones are cells, grey ones dense layers, green ones answers.",
            "One label a word, at the word's own step: many to many, aligned. An encoder and decoder would have to "
            "count the words to stay in step; many to one has a single label for the whole sentence.",
            tuple(KINDS[kind].lower() for kind in order),
            0,
        ),
        pictures=[bare_chart(kind) for kind in order],
        title="Choose the picture",
    )

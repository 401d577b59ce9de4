"""Words to numbers."""

from __future__ import annotations

import streamlit as st

from rnnviz.components.question import ask
from rnnviz.lesson.questions import Order
from rnnviz.pages.lesson import words_shipped, words_vectorizer, words_vectors


def render() -> None:
    """Draw the page."""
    st.title("Words to numbers")
    st.write(
        "Between your text and the first layer stand a list of words and a table of vectors. What they leave out, no "
        "network can read."
    )
    words_vectorizer.render()
    words_shipped.example()
    words_vectors.render()
    words_shipped.unknown()
    words_vectors.near()
    st.header("One more question")
    ask(
        Order(
            "words-closing",
            "From a review to the first layer: put the steps in order.",
            "Standardise, split, look up, pad, embed. Padding comes after the look-up because it is an id, 0, and no "
            "word; the embedding comes last because it takes ids.",
            (
                "make the text uniform: small letters, no punctuation",
                "split it into words",
                "look each word up in the vocabulary",
                "pad or cut the ids to one length",
                "take each id\u2019s row of the embedding",
            ),
        ),
        title="Before you go on",
    )

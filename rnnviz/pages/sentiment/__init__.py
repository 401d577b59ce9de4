"""Sentiment: how a network that reads a review comes to its answer, from the first letter to the whole test set."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.pages.sentiment import live, models, padding, pairs, path, reviews, units, words

_VIEWS = {
    "Live": live.render,
    "Words": words.render,
    "Units": units.render,
    "Two texts": pairs.render,
    "Padding": padding.render,
    "Reviews": reviews.render,
    "Path": path.render,
    "Models": models.render,
}


def render() -> None:
    """Draw the page."""
    st.title("Sentiment")
    key = session.fitting("keep_sentiment_view", list(_VIEWS), "Live")
    view = st.segmented_control("View", list(_VIEWS), key=key, required=True)
    _VIEWS[view]()

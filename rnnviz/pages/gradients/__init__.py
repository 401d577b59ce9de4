"""Gradients: how much of each earlier step still reaches the loss, for any network and any sentence."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.errors import TextError
from rnnviz.pages.gradients import decay, jacobian, learning, typed, warmup, weights
from rnnviz.pages.gradients.networks import EXAMPLE, TEXT

_VIEWS = {
    "Decay": decay.render,
    "On your text": typed.render,
    "Jacobians": jacobian.render,
    "Weights": weights.render,
    "Warm-up": warmup.render,
    "What is learned": learning.render,
}
_WITHOUT_TEXT = ("Warm-up", "What is learned")


def render() -> None:
    """Draw the page."""
    st.title("Gradients")
    key = session.fitting("keep_gradient_view", list(_VIEWS), "Decay")
    view = st.segmented_control("View", list(_VIEWS), key=key, required=True)
    if view not in _WITHOUT_TEXT:
        st.write(
            "The loss sits at the end of your text, or where you put it. How strongly does the network's state at each "
            "earlier step still reach it? Where the line has fallen, next to nothing from that step can be learned."
        )
        key = session.default(TEXT, EXAMPLE)
        text = st.text_area("Text", key=key, height=90, disabled=session.frozen("text"))
        if not text.strip():
            raise TextError("The text is empty: type a sentence to see its gradients.")
    _VIEWS[view]()

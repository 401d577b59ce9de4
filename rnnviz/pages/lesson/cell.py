"""Inside the cell: one step at a time, with every number on the page."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.pages.lesson import cell_forms, cell_gate, cell_noise, cell_start, cell_step, cell_trained

_VIEWS = {
    "Step by step": cell_step.render,
    "A trained unit": cell_trained.render,
    "Ways to write it": cell_forms.render,
    "Gates and activations": cell_gate.render,
    "Start and direction": cell_start.render,
    "Dropout and first weights": cell_noise.render,
}


def render() -> None:
    """Draw the page."""
    st.title("Inside the cell")
    st.write(
        "A recurrent cell takes what it reads now and the state it was in, and makes the next state. Here are networks "
        "so small that all their numbers fit on the page. Read a text with them step by step, and change any number. "
        "If this is your first cell, choose RNN (tanh) and “an echo that fades”."
    )
    view = st.segmented_control(
        "View", list(_VIEWS), key=session.fitting("keep_cell_view", list(_VIEWS), "Step by step"), required=True
    )
    _VIEWS[view]()

"""Neurons: a text coloured by one unit while it is typed, the network's guesses, all units by time."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.components.live import studio


def render() -> None:
    """Draw the page."""
    st.title("Neurons")
    st.write("Type a text and watch one unit of a trained network colour it: blue is low, red is high.")
    models = [_describe(name) for name in session.model_names()]
    studio(models, session.EXAMPLES, key="neurons_live")


def _describe(name: str) -> dict[str, str]:
    model = session.load_model(name)
    config = model.config
    kind = "characters" if config.task == "language_model" else "words"
    label = f"{name} \u00b7 {config.num_layers} \u00d7 {config.hidden_size} {config.cell_type}, reads {kind}"
    return {"name": name, "label": label, "example": session.example(model)}

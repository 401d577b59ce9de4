"""Gradients: how much of each earlier step still reaches the loss, RNN against LSTM and GRU."""

from __future__ import annotations

import math

import streamlit as st

from rnnviz import session
from rnnviz.analysis.gradients import GradientDecay
from rnnviz.charts.lines import gradient_chart
from rnnviz.errors import TextError
from rnnviz.text import read

_CELLS = {
    "RNN (tanh)": "rnn_tanh",
    "LSTM": "lstm",
    "GRU": "gru",
    "RNN (ReLU)": "rnn_relu",
    "GRU (textbook)": "gru_textbook",
    "Residual": "residual",
}
_EXAMPLE = (
    "The keys to the old cabinet in the hall, which my grandmother had locked long before the war and never "
    "opened again in all the years that we knew her, were lost."
)
_FRESH, _TRAINED = "Fresh networks", "Trained networks"


def render() -> None:
    """Draw the page."""
    st.title("Gradients")
    st.write(
        "The loss sits at the end of your text. How strongly does the network's state at each earlier step still reach "
        "it? Where the line has fallen, next to nothing from that step can be learned."
    )
    text = st.text_area("Text", key=session.default("keep_gradient_text", _EXAMPLE), height=110)
    if not text.strip():
        raise TextError("The text is empty: type a sentence to see its gradients.")
    which = st.segmented_control(
        "Networks", [_FRESH, _TRAINED], key=session.default("keep_gradient_kind", _FRESH), required=True
    )
    decays = _fresh(text) if which == _FRESH else _trained(text)
    if not decays:
        st.info("Choose at least one network.")
        return
    states = ["hidden", "cell"] if any("cell" in decay.norms for decay in decays) else ["hidden"]
    state = "hidden"
    if len(states) > 1:
        state = st.segmented_control(
            "State",
            states,
            key=session.default("keep_gradient_state", "hidden"),
            format_func=lambda name: f"{name} state",
            required=True,
        )
    st.altair_chart(gradient_chart(decays, state), width="stretch")
    st.caption(
        "Look at the slope: a straight line downwards on this log scale is a gradient that shrinks by the same factor "
        "at every step back. It is measured exactly, on your text, in float64. "
        "An LSTM's past also reaches the loss through its cell state: switch the state to see it."
    )
    _half_lives([decay for decay in decays if state in decay.norms], state)


def _fresh(text: str) -> list[GradientDecay]:
    """Untrained networks of one size and seed that guess the last character."""
    one, two, three = st.columns([3, 1, 1])
    labels = one.multiselect("Cells", list(_CELLS), key=session.default("keep_gradient_cells", list(_CELLS)[:3]))
    size = two.selectbox("Units", [32, 64, 128, 256], key=session.default("keep_gradient_units", 64))
    seed = three.number_input("Seed", 0, 10**6, key=session.default("keep_gradient_seed", 0))
    st.caption(
        "Untrained, one layer, same size and seed, PyTorch's initial weights (the LSTM's forget gates start open), "
        "read character by character."
    )
    session.say_where_cut([("the fresh networks", len(text) - 1)] if labels else [])
    return [session.fresh_decay(_CELLS[label], label, size, int(seed), text) for label in labels]


def _trained(text: str) -> list[GradientDecay]:
    """Models from disk, each with its own loss."""
    names = session.model_names()
    first = [name for name in names if session.load_model(name).config.task == "language_model"][:2] or names[:2]
    chosen = st.multiselect("Models", names, key=session.default("keep_gradient_models", first))
    st.caption(
        "A character model's loss is that of the text's last character; a word model's is the cross-entropy of the "
        "class it finds likeliest. One step is a character for the one, a word for the other. A word model that "
        "averages its states over time (see its card) reads every step directly, so its gradient need not fade."
    )
    models = [session.load_model(name) for name in chosen]
    lengths = [len(read(m.tokenizer, text)[0]) - (m.config.task == "language_model") for m in models]
    session.say_where_cut(list(zip(chosen, lengths, strict=True)))
    return [session.trained_decay(model, text) for model in models]


def _half_lives(decays: list[GradientDecay], state: str) -> None:
    for column, decay in zip(st.columns(max(3, len(decays))), decays, strict=False):
        half = decay.half_life(state)
        shown = "does not fall" if math.isinf(half) else "\u2013" if math.isnan(half) else f"{half:.1f} steps"
        column.metric(f"Half-life, {decay.label}", shown)
    st.caption("Half-life: steps back after which the gradient halves, by a least-squares line through its logarithm.")

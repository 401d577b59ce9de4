"""Neurons: a text coloured by one unit, the network's guesses beneath, all units by time."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.analysis.units import rank_by_persistence
from rnnviz.charts.palette import scale_of
from rnnviz.charts.text import legend_html, text_html, top_guesses, visible
from rnnviz.checkpoints import Model, headline
from rnnviz.components.heatmap import heatmap
from rnnviz.record import sample
from rnnviz.recording import Recording

_WINDOW = 400


def render() -> None:
    """Draw the page."""
    st.title("Neurons")
    st.write("Type a text and watch one unit of a trained network colour it: blue is low, red is high.")
    model = _choose_model()
    text = st.text_area("Text", key="keep_neurons_text", height=150)
    text = session.shown_part(model, text)
    recording = session.recording(model, text)
    signal, layer, unit = _choose_unit(recording)
    _unknown(model, text)
    values = recording.signals[signal][:, layer]
    scale = scale_of(signal, recording.cell_type)
    st.subheader(f"Text, coloured by unit {unit}")
    st.html(legend_html(scale, signal))
    first, last = _window(len(recording.tokens))
    guesses = None
    if model.config.task == "language_model" and st.toggle(
        "Guesses for the next character", key=session.default("keep_guesses", True)
    ):
        guesses = top_guesses(recording.probabilities()[first:last], model.tokenizer.vocabulary)
    part = recording.tokens[first:last]
    strange = set(model.tokenizer.unknown(text))
    unknown = [token in strange for token in part]
    st.html(text_html(part, values[first:last, unit], scale, first=first, guesses=guesses, unknown=unknown))
    st.caption(
        "Look for a colour that changes where the text does: at a line's end, inside quotes, within a word. "
        + ("Beneath each character are the five likeliest next ones, darker for likelier." if guesses else "")
    )
    st.subheader("All units by time")
    title = f"{signal.replace('_', ' ')} of layer {layer + 1} of {recording.model_id}, all units"
    heatmap(values, recording.tokens, scale, title=title, unit=unit, key="heat", on_unit=_clicked)
    st.caption("Look for rows that keep one colour over a stretch of text: units that remember something.")
    if model.config.task == "language_model":
        _continue(model, text)


def _choose_model() -> Model:
    names = session.model_names()
    left, _ = st.columns([2, 3])
    name = left.selectbox("Model", names, key="keep_neurons_model", format_func=_describe)
    model = session.load_model(name)
    st.caption(headline(model.card))
    examples = session.EXAMPLES.values()
    if st.session_state.get("keep_neurons_text") in (None, *examples):
        st.session_state["keep_neurons_text"] = session.example(model)
    return model


def _describe(name: str) -> str:
    config = session.load_model(name).config
    kind = "characters" if config.task == "language_model" else "words"
    return f"{name} \u00b7 {config.num_layers} \u00d7 {config.hidden_size} {config.cell_type}, reads {kind}"


def _choose_unit(recording: Recording) -> tuple[str, int, int]:
    """Ask for signal, layer and unit; the first choice is a unit that swings widely and holds."""
    one, two, three = st.columns(3)
    signals = list(recording.signals)
    if st.session_state.get("keep_signal") not in signals:
        st.session_state["keep_signal"] = signals[0]
    signal = one.selectbox("Signal", signals, key="keep_signal", format_func=lambda name: name.replace("_", " "))
    layers = list(range(recording.num_layers))
    if st.session_state.get("keep_layer") not in layers:
        st.session_state["keep_layer"] = layers[-1]
    layer = two.selectbox("Layer", layers, key="keep_layer", format_func=lambda i: f"{i + 1} of {len(layers)}")
    shades = scale_of(signal, recording.cell_type).shade(recording.signals[signal][:, layer]) / 255
    telling = rank_by_persistence(shades)[:10].tolist()
    unit = st.session_state.get("keep_unit")
    if unit is None or unit >= recording.hidden_size:
        st.session_state["keep_unit"] = telling[0]
    unit = three.number_input("Unit", 0, recording.hidden_size - 1, step=1, key="keep_unit")
    st.caption(
        f"Units that swing widely and hold in this text: {', '.join(map(str, telling))} (by their autocovariance from "
        "one step to the next). A click on a row of the heatmap chooses its unit."
    )
    return signal, layer, int(unit)


def _clicked() -> None:
    """Take over the unit clicked in the heatmap."""
    unit = st.session_state["heat"]["unit"]
    if unit is not None:
        st.session_state["keep_unit"] = int(unit)


def _unknown(model: Model, text: str) -> None:
    """Tell which tokens the model has never seen."""
    strange = model.tokenizer.unknown(text)
    if strange:
        shown = " ".join(visible(token) for token in strange[:30]) + (" \u2026" if len(strange) > 30 else "")
        st.warning("The model has never seen these and reads each as \u201cunknown\u201d (outlined below):")
        st.text(shown)


def _window(length: int) -> tuple[int, int]:
    """Return the stretch of the text to spell out, asking where it is longer than the page can show."""
    if length <= _WINDOW:
        return 0, length
    first = st.slider("Coloured text from token", 0, length - _WINDOW, 0, step=1, key="window_start")
    return first, first + _WINDOW


def _continue(model: Model, text: str) -> None:
    """Let the model go on from the text."""
    st.subheader("Let it go on")
    one, two, three, four = st.columns([2, 2, 1, 1], vertical_alignment="bottom")
    temperature = one.slider("Temperature", 0.0, 2.0, step=0.05, key=session.default("keep_temperature", 0.7))
    length = two.slider("Characters", 20, 500, step=20, key=session.default("keep_length", 200))
    seed = three.number_input("Seed", 0, 10**9, key=session.default("keep_seed", 0))
    if four.button("Go on", type="primary"):
        with st.spinner("Writing \u2026"):
            written = sample(model, text, length, temperature, int(seed))
        st.session_state["keep_sample"] = (model.name, text, written)
    made = st.session_state.get("keep_sample")
    if made and made[:2] == (model.name, text):
        st.code(made[2], language=None, wrap_lines=True)
        st.caption(
            "Lower temperatures repeat what is likely, higher ones invent; look for what it has learned of form."
        )

"""The gradient at every earlier step, all networks on the same axes, answering the knobs."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.analysis.gradients import GradientDecay, RecurrentSpectrum, gradient_decay, recurrent_spectrum
from rnnviz.analysis.unrolled import DTYPES
from rnnviz.charts.decay import Line, decay_chart
from rnnviz.pages.gradients.networks import Choice, about, beside
from rnnviz.subjects import Subject

SEEDS = 10
_NONE = "no guides"
_COLUMNS = 3


@st.fragment
@session.guarded
def render() -> None:
    """Draw the view."""
    choice, pictures = beside()
    if choice.subjects:
        with pictures:
            _draw(choice)


def _draw(choice: Choice) -> None:
    precision, state, guided, spread = _options(choice)
    picture, told, lives = st.container(), st.container(), st.container()
    decays = [session.measured(gradient_decay, subject, precision=precision) for subject in choice.subjects]
    shown = [decay for decay in decays if state in decay.log10_norms]
    bands = _bands(choice, precision, state) if spread else {}
    subject = next((s for s in choice.subjects if s.label == guided), None)
    marks, note = _guides(choice, subject, decays, state) if subject else ({}, "")
    symbol = "h" if state == "hidden" else "c"
    lines = [_line(decay, state, bands.get(decay.label)) for decay in shown]
    with picture:
        if not lines:
            st.info("None of these networks has a cell state: choose an LSTM, or the hidden state.")
            return
        subtitle = f"\u2016\u2202 loss / \u2202 {symbol}\u209c\u2016, {state} state, top layer"
        st.vega_lite_chart(spec=decay_chart(lines, "Gradient at each earlier step", subtitle, marks), width="stretch")
    with told:
        _tell(choice, shown, state, note, spread)
    with lives:
        _half_lives(shown, state)


def _options(choice: Choice) -> tuple[str, str, str, bool]:
    one, two = st.columns(2)
    three, four = st.columns(2, vertical_alignment="bottom")
    state = one.segmented_control(
        "State",
        ["hidden", "cell"],
        key=session.default("keep_gradient_state", "hidden"),
        format_func=lambda name: f"{name} state",
        required=True,
    )
    precision = two.segmented_control(
        "Numbers are kept in", list(DTYPES), key=session.default("keep_gradient_precision", "float64"), required=True
    )
    labels = [_NONE, *(subject.label for subject in choice.subjects)]
    if st.session_state.get("keep_gradient_guided") not in labels:
        st.session_state["keep_gradient_guided"] = labels[1]
    guided = three.selectbox("Guides for", labels, key="keep_gradient_guided")
    spread = four.toggle(
        f"Spread over {SEEDS} seeds", key=session.default("keep_gradient_spread", False), disabled=not choice.cells
    )
    return precision, state, guided, spread and bool(choice.cells)


def _bands(choice: Choice, precision: str, state: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The smallest and largest norm over the seeds, a pair for each untrained network."""
    bands = {}
    for subjects in choice.with_seeds(SEEDS):
        decays = [session.measured(gradient_decay, subject, precision=precision) for subject in subjects]
        if state in decays[0].log10_norms:
            backs = np.stack([decay.back(state) for decay in decays])
            bands[subjects[0].label] = (backs.min(axis=0), backs.max(axis=0))
    return bands


def _line(decay: GradientDecay, state: str, band: tuple[np.ndarray, np.ndarray] | None) -> Line:
    return Line(
        decay.label,
        decay.back(state),
        decay.tokens[::-1],
        band,
        decay.first_half(state),
        _written(decay.half_life(state)),
    )


def _written(half: float) -> str:
    return "" if math.isnan(half) else f"half-life {half_life_text(half)}" if half > 0 else half_life_text(half)


def _guides(
    choice: Choice, subject: Subject, decays: list[GradientDecay], state: str
) -> tuple[dict[str, np.ndarray], str]:
    """Lines from the loss's own gradient on, and what the weights say in words."""
    decay = next(decay for decay in decays if decay.label == subject.label)
    if subject.config.pooling != "last":
        text = f"{subject.label} reads every state directly ({subject.config.pooling} over time): its gradient need "
        return {}, text + "not fade, and no guide applies."
    lines, note = {}, ""
    back = np.arange(len(decay.tokens))
    scale = choice.start.scale if subject in choice.fresh else 1.0
    taken: RecurrentSpectrum | None = session.measured(_weights, choice.unscaled(subject))
    if taken is not None and state == "hidden":
        found = taken.guides(scale)
        first = decay.back(state)[0]
        with np.errstate(divide="ignore"):
            radius, factor = np.log10(found.spectral_radius), np.log10(found.factor)
        what = "I + W_hh" if subject.config.cell_type == "residual" else "W_hh"
        lines[f"\u03bb\u1d4f, \u03bb = {found.spectral_radius:.3g}, largest eigenvalue of {what}"] = (
            first + back * radius
        )
        lines[f"upper bound {found.factor:.3g}\u1d4f, singular value \u00d7 largest slope"] = first + back * factor
        note = (
            f"{subject.label}: spectral radius of {what} {found.spectral_radius:.3f}, largest singular value of W_hh "
            f"{found.singular_value:.3f}. "
        )
    if decay.direct is not None and (state == "cell" or "cell" not in decay.log10_norms):
        lines["direct path, through the keeping gates alone"] = decay.direct[::-1]
    return lines, note


def _weights(network: object, ids: object, tokens: object, label: str) -> object:
    """Let W_hh's spectrum be kept like what is measured."""
    return recurrent_spectrum(network)


def _tell(choice: Choice, decays: list[GradientDecay], state: str, note: str, spread: bool) -> None:
    """Say how to read the chart, what is measured, bound and drawn at random, and what went out of range."""
    st.caption(
        "Look at the slope: a straight line downwards on this log scale is a gradient that shrinks by the same factor "
        "at every step back. Lines are measured on your text, exactly; grey guides are computed from the weights alone."
    )
    band = f" The bands span {SEEDS} seeds." if spread else ""
    st.caption(f"{note}{about(choice)}{band}")
    for decay in decays:
        if trouble := out_of_range(decay, state):
            st.warning(f"{decay.label}: {trouble}")


def out_of_range(decay: GradientDecay, state: str) -> str:
    """Say in one sentence where a network left the numbers it was given, or nothing."""
    if decay.overflow is not None:
        return f"the state overflowed at step {decay.overflow + 1} of {len(decay.tokens)} ({decay.precision}): " + (
            "what comes after it is no number, and neither is any gradient."
        )
    if (step := decay.lost_from(state)) is not None:
        return f"the gradient overflowed {step} steps back ({decay.precision})."
    if (step := decay.zero_from(state)) is not None:
        why = "no path leads further back" if decay.precision == "float64" else f"it underflowed in {decay.precision}"
        return f"the gradient is exactly zero from {step} steps back on: {why}."
    return ""


def _half_lives(decays: list[GradientDecay], state: str) -> None:
    for first in range(0, len(decays), _COLUMNS):
        for column, decay in zip(st.columns(_COLUMNS), decays[first : first + _COLUMNS], strict=False):
            half, first_half = decay.half_life(state), decay.first_half(state)
            read = "never halved" if first_half is None else f"first halved after {first_half}"
            column.metric(
                f"Half-life, {decay.label}",
                "grows" if half < 0 else half_life_text(half),
                read,
                delta_color="off",
                delta_arrow="off",
            )
    st.caption(
        "Half-life: steps back after which the gradient halves, by a least-squares line through its logarithm; beneath "
        "it, read off: the first step back with half of the gradient at the loss."
    )


def half_life_text(half: float) -> str:
    """Write a half-life; a negative one is a doubling."""
    if math.isnan(half):
        return "\u2013"
    if math.isinf(half):
        return "unchanged"
    return f"{half:.1f} steps" if half > 0 else f"doubles in {-half:.1f}"

"""The gradient at every earlier step, all networks on the same axes, answering the knobs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rnnviz import session
from rnnviz.analysis.gradients import GradientDecay, RecurrentSpectrum, gradient_decay, recurrent_spectrum
from rnnviz.analysis.unrolled import DTYPES
from rnnviz.charts.decay import Life, Line, decay_chart, lives_html
from rnnviz.pages.gradients.networks import Choice, Settings, about, framed, turned
from rnnviz.subjects import Subject

SEEDS = 10
_NONE = "no guides"
_READING = (
    "Look at the slope: a straight line downwards on this log scale is a gradient that shrinks by the same factor at "
    "every step back. Lines are measured on your text, exactly; grey guides are computed from the weights alone. "
    "Half-life: steps back after which the gradient halves, by a least-squares line through its logarithm; beneath it, "
    "read off: the first step back with half of the gradient at the loss."
)


@dataclass(frozen=True)
class _Options:
    """What is asked of the chart: state, precision, the network with guides or none, whether seeds are spread."""

    state: str
    precision: str
    guided: str
    spread: bool


@dataclass(frozen=True)
class _Places:
    """What a knob changes: few elements, since the browser takes time for each."""

    chart: DeltaGenerator
    lives: DeltaGenerator
    notes: DeltaGenerator
    trouble: DeltaGenerator


def render() -> None:
    """Draw the view; a knob redraws what depends on it alone."""
    frame = framed()
    if not frame.settings.labels:
        return
    with frame.below:
        options = _options(frame.settings)
    with frame.pictures:
        chart, trouble, lives = st.empty(), st.empty(), st.empty()
        st.caption(_READING)
        places = _Places(chart, lives, st.empty(), trouble)
    with frame.knobs:
        _answer(frame.settings, options, places)


@st.fragment
@session.guarded
def _answer(settings: Settings, options: _Options, places: _Places) -> None:
    """Answer the knobs."""
    choice, state = turned(settings), options.state
    decays = [session.measured(gradient_decay, subject, precision=options.precision) for subject in choice.subjects]
    shown = [decay for decay in decays if state in decay.log10_norms]
    if not shown:
        places.chart.info("None of these networks has a cell state: choose an LSTM, or the hidden state.")
        return
    bands = _bands(choice, options) if options.spread else {}
    lines = [_line(decay, state, bands.get(decay.label)) for decay in shown]
    subject = next((s for s in choice.subjects if s.label == options.guided), None)
    marks, note = _guides(choice, subject, decays, state) if subject else ({}, "")
    symbol = "h" if state == "hidden" else "c"
    subtitle = f"\u2016\u2202 loss / \u2202 {symbol}\u209c\u2016, {state} state, top layer"
    spec = decay_chart(lines, "Gradient at each earlier step", subtitle, marks)
    places.chart.vega_lite_chart(spec=spec, width="stretch")
    places.lives.html(lives_html([_life(decay, state) for decay in shown]))
    band = f" The bands span {SEEDS} seeds." if options.spread else ""
    places.notes.caption(f"{note}{about(choice)}{band}")
    if trouble := [f"{d.label}: {said}" for d in shown if (said := out_of_range(d, state))]:
        places.trouble.warning("  \n".join(trouble))
    else:
        places.trouble.empty()


def _options(settings: Settings) -> _Options:
    one, two, three, four = st.columns([2, 2.4, 2, 2], vertical_alignment="bottom")
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
    labels = [_NONE, *settings.labels]
    if st.session_state.get("keep_gradient_guided") not in labels:
        st.session_state["keep_gradient_guided"] = labels[1]
    guided = three.selectbox("Guides for", labels, key="keep_gradient_guided")
    spread = four.toggle(
        f"Spread over {SEEDS} seeds", key=session.default("keep_gradient_spread", False), disabled=not settings.cells
    )
    return _Options(state, precision, guided, spread and bool(settings.cells))


def _bands(choice: Choice, options: _Options) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The smallest and largest norm over the seeds, a pair for each untrained network."""
    bands = {}
    for subjects in choice.with_seeds(SEEDS):
        decays = [session.measured(gradient_decay, subject, precision=options.precision) for subject in subjects]
        if options.state in decays[0].log10_norms:
            backs = np.stack([decay.back(options.state) for decay in decays])
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
        lines["\u03bb\u1d4f"] = first + back * radius
        lines["upper bound"] = first + back * factor
        note = (
            f"{subject.label}: \u03bb = {found.spectral_radius:.3f} is the spectral radius (largest |eigenvalue|) of "
            f"{what}; the upper bound is {found.factor:.3f}\u1d4f, from the largest singular value of W_hh, "
            f"{found.singular_value:.3f}, and the activation's largest slope. "
        )
    if decay.direct is not None and (state == "cell" or "cell" not in decay.log10_norms):
        lines["kept by the gates alone"] = decay.direct[::-1]
    return lines, note


def _weights(network: object, ids: object, tokens: object, label: str) -> object:
    """Let W_hh's spectrum be kept like what is measured."""
    return recurrent_spectrum(network)


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


def _life(decay: GradientDecay, state: str) -> Life:
    half, first = decay.half_life(state), decay.first_half(state)
    read = "never halved" if first is None else f"first halved after {first}"
    return Life(decay.label, half_life_text(half), read)


def half_life_text(half: float) -> str:
    """Write a half-life; a negative one is a doubling."""
    if math.isnan(half):
        return "\u2013"
    if math.isinf(half):
        return "unchanged"
    return f"{half:.1f} steps" if half > 0 else f"doubles in {-half:.1f}"

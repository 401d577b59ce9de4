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
from rnnviz.charts.text import as_text
from rnnviz.pages.gradients.networks import Choice, Settings, about, framed, layers_of, pick_state, turned
from rnnviz.subjects import Subject, decay_seconds

SEEDS = 10
_NONE = "no guides"
_SMALLEST = {"float32": ", where less than 1.2e-38 counts as zero here", "float16": ", which ends near 6e-8"}
_READING = (
    "Look at the slope: a straight line downwards on this log scale is a gradient that shrinks by the same factor at "
    "every step back. Lines are measured on your text. Grey guides start from the measured gradient at the loss: "
    "\u03bb\u1d4f and the upper bound go on by the weights alone, the gates' path by the gates measured on your text. "
    "Half-life: steps back after which the gradient halves, by a least-squares line through its logarithm, zeros and "
    "what overflowed left out; beneath it, read off: the first step back with half of the gradient at the loss. An "
    "LSTM's hidden line is what passes through h alone, c held fixed: see its cell state too."
)


@dataclass(frozen=True)
class _Options:
    """What is asked of the chart: state, layers below the top, precision, the network with guides, spread or not."""

    state: str
    below: int
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
    choice, state, layer = turned(settings), options.state, -1 - options.below
    decays = [session.measured(gradient_decay, subject, precision=options.precision) for subject in choice.subjects]
    shown = [d for d in decays if state in d.log10_norms and d.log10_norms[state].shape[1] > options.below]
    if not shown:
        places.chart.info("None of these networks has this state and layer: choose an LSTM, or other settings.")
        return
    bands, refused = _bands(choice, options, layer) if options.spread else ({}, "")
    lines = [_line(decay, state, layer, bands.get(decay.label)) for decay in shown]
    subject = next((s for s in choice.subjects if s.label == options.guided and not options.below), None)
    marks, note = _guides(choice, subject, shown, state) if subject else ({}, "")
    symbol, where = (
        "h" if state == "hidden" else "c",
        f"{options.below} below the top" if options.below else "top layer",
    )
    subtitle = f"\u2016\u2202 loss / \u2202 {symbol}\u209c\u2016, {state} state, {where}"
    spec = decay_chart(lines, "Gradient at each earlier step", subtitle, marks)
    places.chart.vega_lite_chart(spec=spec, width="stretch")
    places.lives.html(lives_html([_life(decay, state, layer) for decay in shown]))
    band = f" The bands span {SEEDS} seeds." if bands else f" {refused}"
    places.notes.caption(f"{note}{about(choice)}{band}")
    if trouble := [f"{as_text(d.label)}: {said}" for d in shown if (said := out_of_range(d, state, layer))]:
        places.trouble.warning("  \n".join(trouble))
    else:
        places.trouble.empty()


def _options(settings: Settings) -> _Options:
    one, two, three, four = st.columns([2, 2.4, 2, 2], vertical_alignment="bottom")
    with one:
        state, _ = pick_state()
    precision = two.segmented_control(
        "Numbers are kept in",
        list(DTYPES),
        key=session.fitting("keep_gradient_precision", list(DTYPES), "float64"),
        required=True,
    )
    labels = [_NONE, *settings.labels]
    guided = three.selectbox("Guides for", labels, key=session.fitting("keep_gradient_guided", labels, labels[1]))
    spread = four.toggle(
        f"Spread over {SEEDS} seeds", key=session.default("keep_gradient_spread", False), disabled=not settings.cells
    )
    most = max([settings.layers] * bool(settings.cells) + [layers_of(name) for name in settings.names])
    key = session.default("keep_gradient_below", 0)
    st.session_state[key] = max(0, min(st.session_state[key], most - 1))
    below = 0
    if most > 1:
        below = st.segmented_control(
            "Layer", range(most), key=key, format_func=lambda n: f"{n} below the top" if n else "top", required=True
        )
    return _Options(state, below, precision, guided, spread and bool(settings.cells))


def _bands(choice: Choice, options: _Options, layer: int) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], str]:
    """The smallest and largest norm over the seeds, a pair for each untrained network; or why there are none."""
    seconds = SEEDS * sum(decay_seconds(subject) for subject in choice.fresh)
    if seconds > session.LONG:
        return {}, f"{SEEDS} seeds would take about {seconds:.0f} seconds: choose fewer or smaller networks or steps."
    bands = {}
    for subjects in choice.with_seeds(SEEDS):
        decays = [session.measured(gradient_decay, subject, precision=options.precision) for subject in subjects]
        if options.state in decays[0].log10_norms:
            backs = np.stack([decay.back(options.state, layer) for decay in decays])
            bands[subjects[0].label] = (backs.min(axis=0), backs.max(axis=0))
    return bands, ""


def _line(decay: GradientDecay, state: str, layer: int, band: tuple[np.ndarray, np.ndarray] | None) -> Line:
    life = written(decay.half_life(state, layer))
    return Line(decay.label, decay.back(state, layer), decay.tokens[::-1], band, decay.first_half(state, layer), life)


def written(half: float) -> str:
    """Write a half-life as it stands on a line."""
    return "" if math.isnan(half) else f"half-life {half_life_text(half)}" if half > 0 else half_life_text(half)


def _guides(
    choice: Choice, subject: Subject, decays: list[GradientDecay], state: str
) -> tuple[dict[str, np.ndarray], str]:
    """Lines from the loss's own gradient on, and what the weights say in words."""
    decay = next((decay for decay in decays if decay.label == subject.label), None)
    if decay is None:
        return {}, ""
    if subject.config.pooling != "last":
        text = f"{as_text(subject.label)} reads every state directly ({subject.config.pooling} over time): "
        return {}, text + "its gradient need not fade, and no guide applies. "
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
            f"{as_text(subject.label)}: \u03bb = {found.spectral_radius:.3f} is the spectral radius (largest "
            f"|eigenvalue|) of {what}, what would rule if every slope were 1; the upper bound is "
            f"{found.factor:.3f}\u1d4f, from the largest singular value of W_hh, {found.singular_value:.3f}, and the "
            "activation's largest slope. "
        )
    if decay.direct is not None and (state == "cell" or "cell" not in decay.log10_norms):
        lines["kept by the gates alone"] = decay.direct[::-1]
    return lines, note


def _weights(network: object, ids: object, tokens: object, label: str) -> object:
    """Let W_hh's spectrum be kept like what is measured."""
    return recurrent_spectrum(network)


def out_of_range(decay: GradientDecay, state: str, layer: int = -1) -> str:
    """Say in one sentence where a network left the numbers it was given, or nothing."""
    if decay.overflow is not None:
        return f"the state overflowed at step {decay.overflow + 1} of {len(decay.tokens)} ({decay.precision}): " + (
            "what comes after it is no number, and neither is any gradient."
        )
    if (step := decay.lost_from(state, layer)) is not None:
        return f"the gradient overflowed {step} steps back ({decay.precision})."
    if (step := decay.zero_from(state, layer)) is not None:
        why = (
            "no path leads further back"
            if decay.precision == "float64"
            else f"it underflowed in {decay.precision}{_SMALLEST[decay.precision]}"
        )
        return f"the gradient is exactly zero from {step} steps back on: {why}."
    return ""


def _life(decay: GradientDecay, state: str, layer: int) -> Life:
    half, first, at_loss = decay.half_life(state, layer), decay.first_half(state, layer), decay.back(state, layer)[0]
    read = "never halved" if first is None else f"first halved after {first}"
    if not np.isfinite(at_loss):
        read = "zero at the loss" if np.isneginf(at_loss) else "no number at the loss"
    return Life(decay.label, half_life_text(half), read)


def half_life_text(half: float) -> str:
    """Write a half-life; a negative one is a doubling."""
    if math.isnan(half):
        return "\u2013"
    if math.isinf(half):
        return "unchanged"
    return f"{half:.1f} steps" if half > 0 else f"doubles in {-half:.1f}"

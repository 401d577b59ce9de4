"""The warm-up: one unit, then the sigmoid's slope, then a matrix: three ways to see a product of many factors fade."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.analysis.scalar import ACTIVATIONS, MOST_STEPS, ScalarChain, scalar_chain
from rnnviz.analysis.spectrum import MATRICES, Powers, Spectrum, power_norms, powers, random_matrix, spectrum
from rnnviz.charts import warmup as charts
from rnnviz.charts.powers import plain
from rnnviz.components.knobs import Knob, knobs

SPREAD = 10
"""Draws in the band: the seed shown and the next ones."""
_BAND_POINTS = 21

_SCALAR = [
    Knob("w", "Weight w", -2, 2, 0.01, 0.9, help="The one recurrent weight."),
    Knob("start", "First state h\u2080", -2, 2, 0.05, 1.0, help="The state before the first step."),
    Knob("steps", "Steps T", 1, MOST_STEPS, 1, 50, help="How far the derivative reaches back."),
]
_SLOPE = [
    Knob("at", "Pre-activation a", -6, 6, 0.1, 0.0, help="What goes into the activation, the same at every step."),
    Knob("w", "Weight w", 0, 8, 0.05, 1.0, help="The factor that comes with each slope."),
    Knob("steps", "Steps", 1, 100, 1, 10, help="How many slopes are multiplied."),
]
_MATRIX = [
    Knob("size", "Units H", 2, 128, 1, 64, help="Rows and columns of W_hh."),
    Knob("scale", "Scale s", 0.1, 2, 0.01, 0.95, help="Factor on the whole matrix."),
    Knob("steps", "Steps k", 1, 100, 1, 50, help="The largest power drawn."),
]


def render() -> None:
    """Draw the three parts; each answers its own knobs alone."""
    st.write(
        "A gradient that goes back k steps is a product of k factors. Here is the smallest case first, one unit with "
        "one weight; then the activation's part in it; then a whole matrix."
    )
    _scalar()
    _sigmoid()
    _matrix()


@st.fragment
@session.guarded
def _scalar() -> None:
    st.header("One unit")
    st.write("One unit with one weight, no input: each step back multiplies the derivative by w and by a slope.")
    name = st.segmented_control(
        "Activation f",
        list(ACTIVATIONS),
        key=session.fitting("keep_gradient_warmup_activation", list(ACTIVATIONS), "tanh"),
        format_func=lambda key: ACTIVATIONS[key].label,
        required=True,
    )
    values = knobs(_SCALAR, key="gradient_warmup_scalar", frozen=session.frozen("model"))
    chain = scalar_chain(values["w"], name, values["start"], round(values["steps"]))
    st.latex(charts.chain_formula(chain))
    st.altair_chart(charts.chain_chart(chain), width="stretch")
    st.caption(_chain_caption(chain))
    for remark in charts.chain_remarks(chain):
        st.write(remark)


def _chain_caption(chain: ScalarChain) -> str:
    look = (
        "Look at how far the solid line runs below wᵏ: wᵏ leaves out the activation, and every slope below 1 takes "
        "something more away."
    )
    if np.array_equal(chain.log10_product, chain.log10_linear):
        look = "Look: the solid line is wᵏ itself, since every slope on this run is 1."
    return (
        f"{look} The true product is measured on this very run; the bound holds for every run, with \u03b3 the "
        "activation\u2019s largest slope."
    )


@st.fragment
@session.guarded
def _sigmoid() -> None:
    st.header("The sigmoid\u2019s slope")
    st.write("The sigmoid is nowhere steeper than 1/4, so ten steps at w = 1 leave at most a millionth.")
    values = knobs(_SLOPE, key="gradient_warmup_slope", frozen=session.frozen("model"))
    weight, at, steps = values["w"], values["at"], round(values["steps"])
    st.latex(charts.slope_formula(weight, steps))
    left, right = st.columns(2)
    with left:
        st.altair_chart(charts.slope_chart(at), width="stretch")
        st.caption(
            "Look at the two tops: tanh reaches 1, the sigmoid only 1/4, and both fall towards 0 as the unit saturates."
        )
    with right:
        st.altair_chart(charts.repeated_chart(weight, at, steps), width="stretch")
        st.caption(
            "Look at where the sigmoid ends beside tanh: with all steps at the same a, the sigmoid needs |w| > 4 to "
            "keep its line from falling. Both lines are closed forms; nothing here is drawn at random."
        )


@st.fragment
@session.guarded
def _matrix() -> None:
    st.header("A matrix")
    st.write("With H units the weight is a matrix W_hh, and its eigenvalues take the place of w.")
    one, two = st.columns([3, 1])
    kind = one.selectbox(
        "Initialisation",
        list(MATRICES),
        key=session.fitting("keep_gradient_warmup_init", list(MATRICES), "gaussian"),
        format_func=MATRICES.get,
    )
    seed = two.number_input("Seed", 0, 10**6, key=session.within("keep_gradient_warmup_seed", 0, 10**6, 0))
    values = knobs(_MATRIX, key="gradient_warmup_matrix", frozen=session.frozen("model"))
    size, scale, steps = round(values["size"]), values["scale"], round(values["steps"])
    found, grown = (part.scaled(scale) for part in _measured(kind, size, int(seed), steps))
    st.latex(charts.powers_formula(grown))
    draw = "not random" if kind == "identity" else f"random draw, seed {int(seed)}"
    left, right = st.columns([2, 3])
    with left:
        st.altair_chart(charts.eigenvalue_chart(found, f"eigenvalues ({draw})"), width="content")
        st.caption(
            "Look at whether any point lies outside the unit circle: that direction grows at every step, while points "
            f"inside fade. The largest modulus is \u03c1 = {found.radius:.3g}, "
            f"the largest singular value \u03c3 = {found.largest_singular:.3g}."
        )
    with right:
        band = None if kind == "identity" else _band(kind, size, int(seed), steps, scale)
        chart = charts.powers_chart(grown, f"\u2016Wᵏ\u2016 (measured, {draw})", band, _band_name(int(seed)))
        st.altair_chart(chart, width="stretch")
        st.caption(_powers_caption(grown, kind, int(seed)))


def _powers_caption(grown: Powers, kind: str, seed: int) -> str:
    look = "Look at the solid line\u2019s slope: in the long run it follows \u03c1ᵏ, whatever it does at first."
    if grown.hump:
        look = (
            f"Look at the hump: the solid line rises to {plain(grown.log10_norms[grown.hump])} at k = {grown.hump}, "
            "although every eigenvalue lies inside the unit circle; in the long run it falls as \u03c1ᵏ does."
        )
    look += " Where the upper bound leaves the picture, the formula has its last value."
    spread = f" The band is the same measure over {SPREAD} random draws, seeds {seed} to {seed + SPREAD - 1}."
    return look + ("" if kind == "identity" else spread)


def _band_name(seed: int) -> str:
    return f"{SPREAD} random draws, seeds {seed} to {seed + SPREAD - 1}"


@lru_cache(maxsize=32)
def _measured(kind: str, size: int, seed: int, steps: int) -> tuple[Spectrum, Powers]:
    """Spectrum and powers at scale 1; another scale needs no new measurement."""
    matrix = random_matrix(kind, size, seed=seed)
    return spectrum(matrix), powers(matrix, steps)


@lru_cache(maxsize=32)
def _draws(kind: str, size: int, seed: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Some of the k and log10 ||W^k|| there over the band's draws, (draw, power), at scale 1."""
    at = np.unique(np.linspace(0, steps, _BAND_POINTS).round().astype(int))
    return at, power_norms(np.stack([random_matrix(kind, size, seed=seed + i) for i in range(SPREAD)]), at)


def _band(kind: str, size: int, seed: int, steps: int, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    at, norms = _draws(kind, size, seed, steps)
    norms = norms + at * np.log10(scale)
    return at, norms.min(axis=0), norms.max(axis=0)

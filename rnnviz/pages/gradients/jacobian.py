"""How far any nudge of a state carries, no loss involved: Jacobians of the last state, and one step's eigenvalues."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.analysis.gradients import half_life
from rnnviz.analysis.jacobians import JacobianNorms, jacobian_norms, step_jacobian
from rnnviz.analysis.losses import reading
from rnnviz.analysis.spectrum import Spectrum, spectrum
from rnnviz.analysis.unrolled import unroll
from rnnviz.cells import CELLS
from rnnviz.charts.decay import Line, decay_chart
from rnnviz.charts.text import as_text
from rnnviz.charts.warmup import eigenvalue_chart
from rnnviz.network import Network
from rnnviz.pages.gradients.decay import written
from rnnviz.pages.gradients.networks import Choice, about, beside, pick, pick_state, say_without
from rnnviz.subjects import jacobian_seconds

_MOST_DECOMPOSED = 60
_FROBENIUS, _SPECTRAL = "Frobenius norm", "spectral norm"
_LARGEST_EIGEN = 512
"""Rows of a step's Jacobian up to which its eigenvalues are computed."""


def render() -> None:
    """Draw the view."""
    beside(_draw)


def _draw(choice: Choice) -> None:
    one, two = st.columns(2)
    with one:
        state, symbol = pick_state()
    norm = two.segmented_control(
        "Norm",
        [_SPECTRAL, _FROBENIUS],
        key=session.fitting("keep_gradient_norm", [_SPECTRAL, _FROBENIUS], _SPECTRAL),
        required=True,
    )
    _products(choice, state, symbol, norm)
    _eigenvalues(choice)


def _products(choice: Choice, state: str, symbol: str, norm: str) -> None:
    found: list[JacobianNorms] = []
    subjects = [s for s in choice.subjects if state in CELLS[s.config.cell_type].states]
    if not subjects:
        say_without(state)
        return
    each = [-(-subject.steps // _MOST_DECOMPOSED) for subject in subjects]
    seconds = [jacobian_seconds(subject, every) for subject, every in zip(subjects, each, strict=True)]
    for subject, every, long in zip(subjects, each, seconds, strict=True):
        result = session.asked(jacobian_norms, subject, long, sum(s for s in seconds if s <= long), every=every)
        if result is not None:
            found.append(result)
    if not found:
        return
    lines = []
    for result in found:
        sizes = (result.log10_spectral if norm == _SPECTRAL else result.log10_frobenius)[state][::-1]
        left_out = np.arange(len(sizes)) % -(-len(sizes) // _MOST_DECOMPOSED) != 0
        skipped = left_out if norm == _SPECTRAL else None
        life = written(half_life(sizes if skipped is None else np.where(skipped, np.nan, sizes)))
        lines.append(Line(result.label, sizes, result.tokens[::-1], life=life, skipped=skipped))
    title = f"Jacobian \u2202 {symbol}_T / \u2202 {symbol}\u209c, {norm}"
    other = {"hidden": "; LSTM: c\u209c held fixed", "cell": "; h\u209c held fixed"}[state]
    st.vega_lite_chart(spec=decay_chart(lines, title, f"top layer, its own recurrence{other}"), width="stretch")
    for result in found:
        if result.overflow is not None:
            st.warning(f"{as_text(result.label)}: the state overflowed at step {result.overflow + 1}.")
    told = {
        _SPECTRAL: "the spectral norm is the most that any nudge of one state can move the last one. Above 1 some "
        "nudge grows on its way; look where each line crosses 1 and how steeply it falls.",
        _FROBENIUS: "the Frobenius norm counts all directions together, so it begins at the root of the number of "
        "units and not at 1. Look how steeply each line falls; whether a nudge grows only the spectral norm tells.",
    }
    st.caption(f"No loss takes part here: {told[norm]}")
    st.caption(about(choice))


def _eigenvalues(choice: Choice) -> None:
    st.header("One step's eigenvalues")
    small = [s for s in choice.subjects if _rows(s.config.hidden_size, s.config.cell_type) <= _LARGEST_EIGEN]
    if not small:
        st.info(f"These networks' steps are larger than {_LARGEST_EIGEN} x {_LARGEST_EIGEN}: choose a smaller one.")
        return
    subject = pick(choice, "Network", "keep_gradient_eigen", small)
    most = subject.steps
    key = session.default("keep_gradient_eigen_step", most)
    st.session_state[key] = min(max(int(st.session_state[key]), 1), most)
    step = st.number_input("Step", 1, most, key=key)
    found: Spectrum | None = session.measured(_step_spectrum, subject, time=step - 1)
    if found is None:
        st.warning(f"{as_text(subject.label)}: the state is no longer a finite number at step {step}.")
        return
    st.altair_chart(
        eigenvalue_chart(found, f"{subject.label}, step {step}", "Eigenvalues of one step"), width="content"
    )
    st.caption(
        "Each point is an eigenvalue of the Jacobian of one step, the network being where your text has brought it. "
        "Inside the unit circle a direction fades at this step, outside it grows. Look how many lie near the circle: "
        "an LSTM has as many more for its cell state, near the values of its forget gates, so that a higher forget "
        "bias moves them outwards; a tanh RNN's flattened slopes pull all of its own inwards."
    )
    st.caption(f"Largest modulus {found.radius:.4f}, measured on your text at step {step}.")


def _rows(size: int, cell_type: str) -> int:
    return size * (2 if cell_type == "lstm" else 1)


def _step_spectrum(network: Network, ids: np.ndarray, tokens: object, label: str, *, time: int) -> Spectrum | None:
    matrix = step_jacobian(unroll(network, reading(network.config, ids).ids), time)
    return spectrum(matrix) if np.isfinite(matrix).all() else None

"""How far any nudge of a state carries, no loss involved: Jacobians of the last state, and one step's eigenvalues."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.analysis.jacobians import JacobianNorms, jacobian_norms, step_jacobian
from rnnviz.analysis.losses import split
from rnnviz.analysis.spectrum import Spectrum, spectrum
from rnnviz.analysis.unrolled import unroll
from rnnviz.charts.decay import Line, decay_chart
from rnnviz.charts.warmup import eigenvalue_chart
from rnnviz.network import Network
from rnnviz.pages.gradients.networks import Choice, about, beside, pick
from rnnviz.subjects import jacobian_seconds

_MOST_DECOMPOSED = 60
_FROBENIUS, _SPECTRAL = "Frobenius norm", "spectral norm"
_LARGEST_EIGEN = 512
"""Rows of a step's Jacobian up to which its eigenvalues are computed."""


def render() -> None:
    """Draw the view."""
    choice, pictures = beside()
    if choice.subjects:
        with pictures:
            _draw(choice)


def _draw(choice: Choice) -> None:
    one, two = st.columns(2)
    state = one.segmented_control(
        "State",
        ["hidden", "cell"],
        key=session.default("keep_gradient_state", "hidden"),
        format_func=lambda name: f"{name} state",
        required=True,
    )
    norm = two.segmented_control(
        "Norm", [_SPECTRAL, _FROBENIUS], key=session.default("keep_gradient_norm", _SPECTRAL), required=True
    )
    _products(choice, state, norm)
    _eigenvalues(choice)


def _products(choice: Choice, state: str, norm: str) -> None:
    found: list[JacobianNorms] = []
    for subject in choice.subjects:
        every = -(-subject.steps // _MOST_DECOMPOSED)
        result = session.asked(jacobian_norms, subject, jacobian_seconds(subject, every), every=every)
        if result is not None and state in result.log10_spectral:
            found.append(result)
    if not found:
        st.info("None of the networks measured has this state.")
        return
    lines = []
    for result in found:
        sizes = (result.log10_spectral if norm == _SPECTRAL else result.log10_frobenius)[state][::-1]
        left_out = np.arange(len(sizes)) % -(-len(sizes) // _MOST_DECOMPOSED) != 0
        skipped = left_out if norm == _SPECTRAL else None
        lines.append(Line(result.label, sizes, result.tokens[::-1], skipped=skipped))
    symbol = "h" if state == "hidden" else "c"
    title = f"Jacobian \u2202 {symbol}_T / \u2202 {symbol}\u209c, {norm}"
    other = "" if state == "hidden" else "; h\u209c held fixed"
    st.vega_lite_chart(spec=decay_chart(lines, title, f"top layer, its own recurrence{other}"), width="stretch")
    for result in found:
        if result.overflow is not None:
            st.warning(f"{result.label}: the state overflowed at step {result.overflow + 1}.")
    st.caption(
        "No loss takes part here: the spectral norm is the most that any nudge of one state can move the last one, the "
        "Frobenius norm counts all directions. Above 1 some nudge grows on its way; look where each line crosses 1 and "
        "how steeply it falls."
    )
    st.caption(about(choice))


def _eigenvalues(choice: Choice) -> None:
    st.subheader("One step's eigenvalues")
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
        st.warning(f"{subject.label}: the state is no longer a finite number at step {step}.")
        return
    picture, told = st.columns([1, 1])
    picture.altair_chart(
        eigenvalue_chart(found, f"{subject.label}, step {step}", "Eigenvalues of one step"), width="content"
    )
    told.caption(
        "Each point is an eigenvalue of the Jacobian of one step, the network being where your text has brought it. "
        "Inside the unit circle a direction fades at this step, outside it grows. Look how many lie near the circle: "
        "an LSTM's open forget gates put half of its eigenvalues there, a tanh RNN's flattened slopes pull all of its "
        "own inwards."
    )
    told.caption(f"Largest modulus {found.radius:.4f}, measured on your text at step {step}.")


def _rows(size: int, cell_type: str) -> int:
    return size * (2 if cell_type == "lstm" else 1)


def _step_spectrum(network: Network, ids: np.ndarray, tokens: object, label: str, *, time: int) -> Spectrum | None:
    read, _ = split(network.config, ids)
    matrix = step_jacobian(unroll(network, read), time)
    return spectrum(matrix) if np.isfinite(matrix).all() else None

"""How deep the gradient goes, and what the backward pass needs kept."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.issues import kept_chart
from rnnviz.components.question import ask
from rnnviz.config import CELL_LABELS
from rnnviz.lesson.issues_cost import saved_bytes
from rnnviz.lesson.questions import Number
from rnnviz.lesson.references import cite

CELL, UNITS, BATCH, CUT = (f"keep_issues_{name}" for name in ("cell", "units", "batch", "bptt"))
_CELLS, _UNITS, _BATCHES, _CUTS = ("rnn_tanh", "gru", "lstm"), (16, 64, 256), (1, 8, 32), (4, 8, 16, 32)
_STEPS = (4, 8, 16, 32, 64, 128)
_LONG = 1_000_000


@st.fragment
@session.guarded
def render() -> None:
    """Draw the section."""
    st.header("Can one unroll over very long sequences?")
    st.write(
        "Unrolled, the network is as deep as the text is long, and the gradient is a product of as many factors. What "
        "that does to its size is shown in [Gradients](/gradients) and drawn step by step in [Training by "
        "steps](/training). There is a plainer limit: memory. The backward pass needs what the forward pass computed "
        "at every step, and all of it must be kept."
    )
    cell, units, batch, cut = _chosen()
    whole = np.array([saved_bytes(cell, units, batch, steps) for steps in _STEPS], dtype=np.float64)
    parts = np.array([saved_bytes(cell, units, batch, steps, cut) for steps in _STEPS], dtype=np.float64)
    _question(CELL_LABELS[cell], units, batch, float(whole[-1] - whole[-2]) / (_STEPS[-1] - _STEPS[-2]))
    names = ("whole text at once", f"truncated after {cut} steps")
    st.altair_chart(kept_chart(_STEPS, dict(zip(names, (whole, parts), strict=True))), width="stretch")
    st.caption(
        "Look where the two lines part: truncated back-propagation through time keeps one window at a time, so its "
        f"memory stops growing at T = {cut}, at {parts[-1] / 1e6:.3g} MB against {whole[-1] / 1e6:.3g} MB at T = "
        f"{_STEPS[-1]}. Counted where PyTorch saves tensors for the backward pass, weights left out, in a loop over "
        "single steps; a fused layer may keep somewhat less or more."
    )
    st.latex(
        r"\frac{\partial L_T}{\partial h_{T-k}} = \frac{\partial L_T}{\partial h_T}"
        r"\prod_{t=T-k+1}^{T} \frac{\partial h_t}{\partial h_{t-1}} \qquad\text{truncated: } 0 \text{ for } k \ge "
        + str(cut)
    )
    st.markdown(
        f"Truncated, the state is still carried over, so the network can use what lies farther back; but no gradient "
        f"tells it to ({cite('williams1990', 'werbos1990')}). Reading without training is different: one state is "
        "enough, however long the text is. That is the RNN\u2019s own advantage, since attention must keep every step "
        "it may look at."
    )


def _chosen() -> tuple[str, int, int, int]:
    one, two, three, four = st.columns(4)
    cell = one.selectbox("Cell", _CELLS, key=session.fitting(CELL, _CELLS, "lstm"), format_func=CELL_LABELS.get)
    units = two.selectbox("Units", _UNITS, key=session.fitting(UNITS, _UNITS, 64))
    batch = three.selectbox("Texts in a batch", _BATCHES, key=session.fitting(BATCH, _BATCHES, 8))
    cut = four.selectbox(
        "Truncated after", _CUTS, key=session.fitting(CUT, _CUTS, 16), help="Steps, in the second line."
    )
    return cell, units, batch, cut


def _question(name: str, units: int, batch: int, a_step: float) -> None:
    numbers = a_step / (4 * units * batch)
    ask(
        Number(
            "issues-memory",
            f"Measured with {units} units and {batch} texts in a batch: {name} keeps {a_step:,.0f} bytes "
            f"a step. How many gigabytes (10\u2079 bytes) would a text of {_LONG:,} steps need? A tenth off is near "
            "enough.",
            f"{a_step:,.0f} x {_LONG:,} / 10\u2079. Each step keeps {numbers:.3g} numbers of 4 bytes a unit and text, "
            "gates and states and the step\u2019s input among them. It grows in a straight line with T, with the "
            "units and with the batch.",
            a_step * _LONG / 1e9,
            0.1 * a_step * _LONG / 1e9,
            "GB",
        )
    )

"""Training by steps, second part: shared weights get a sum of gradients, checked by autograd and by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from rnnviz import session
from rnnviz.charts.bptt import parts_chart
from rnnviz.components.knobs import Knob, knobs
from rnnviz.components.lines import lines
from rnnviz.components.question import ask
from rnnviz.lesson import bptt as back
from rnnviz.lesson.bptt_lines import keras_gradient_lines, torch_gradient_lines
from rnnviz.lesson.questions import Picture
from rnnviz.lesson.unrolling_cell import hand_network, weight, weight_names
from rnnviz.pages.lesson.unrolling_cell import HAND

if TYPE_CHECKING:
    from rnnviz.pages.lesson.bptt import Small

_WEIGHT, _MATRIX, _ROW, _COLUMN = (f"keep_bptt_{name}" for name in ("weight", "matrix", "row", "column"))
_FORMULA = r"\frac{\partial L}{\partial W_h} = \sum_{t=1}^{T} \frac{\partial L}{\partial a_t}\, h_{t-1}^{\top}"
_RECURRENT = [name for name in weight_names("rnn_tanh") if name.startswith("W_h")]
_WIDTH = Knob("width", "How far the weight is moved", 1e-12, 1e-1, 0.25, 1e-4, logarithmic=True)


def render(small: Small, name: str, flow: back.Flow, cut: back.Cut) -> None:
    """Draw the part."""
    st.header("2. Shared weights get a sum of gradients")
    st.write(
        "W_h stands in every box. Had each box a weight of its own, each would get a gradient of its own. It is one "
        "weight, so moving it moves all boxes at once, and its gradient is the **sum** of theirs."
    )
    st.latex(aired(_FORMULA))
    if name == HAND:
        _small(small, flow)
    else:
        _large(flow)


def aired(formula: str) -> str:
    """Return TeX with a little space at its ends: slanted letters reach out of their box, which would then scroll."""
    return rf"\;{formula}\;"


@st.fragment
@session.guarded
def _small(small: Small, flow: back.Flow) -> None:
    names = weight_names(small.network.config.cell_type)
    name = st.selectbox("The weight w", names, key=session.fitting(_WEIGHT, names, names[0]))
    matrix, place = _place(name)
    parts = flow.parts(matrix, *place)
    gradient = float(back.autograd_gradient(small.network, small.ids, small.target)[matrix][place])
    st.altair_chart(parts_chart(flow.tokens, parts, f"dL/d{name}, one bar a step"), width="stretch")
    st.caption(
        "Look at the signs: steps may pull the same weight up and down, and only the sum counts. "
        + ("The first part is zero, since the state before the first step is zero. " if matrix == "W_h" else "")
        + "Bars near the loss are mostly the longest."
    )
    one, two, three = st.columns(3)
    one.metric("Sum of the bars", f"{parts.sum():.10f}", border=True)
    two.metric("PyTorch’s autograd", f"{gradient:.10f}", border=True)
    three.metric("Difference", f"{abs(parts.sum() - gradient):.1e}", border=True)
    _checked_by_hand(small, name, gradient)
    _picture(small)
    note = "The loss, and dL/dW_h row by row, on your text, for the network above."
    inputs = flow.run.layers[-1].inputs.numpy()
    torch_script = torch_gradient_lines(small.network, inputs, small.target)
    lines(torch_script, keras_gradient_lines(small.network, inputs, small.target), note=note)


def _place(name: str) -> tuple[str, tuple[int, ...]]:
    matrix, _, rest = name.partition("[")
    return matrix, tuple(int(i) for i in rest.rstrip("]").split(","))


def _checked_by_hand(small: Small, name: str, gradient: float) -> None:
    """Move one weight a little and look at the loss: the derivative without any theory."""
    st.markdown(
        "**Checked without any chain rule.** Move the weight a little up and a little down, read the text both times, "
        "and divide: (loss up − loss down) / (2 x width)."
    )
    width = knobs([_WIDTH], key="bptt_width")["width"]
    matrix, place = _place(name)
    up, down, slope = back.finite_difference(small.network, small.ids, small.target, matrix, place, width)
    one, two, three = st.columns(3)
    one.metric(
        f"Loss with {name} up, down",
        f"{up:.8f}",
        delta=f"{down:.8f}",
        delta_color="off",
        delta_arrow="off",
        border=True,
    )
    two.metric("Finite difference", f"{slope:.10f}", border=True)
    three.metric("Difference from BPTT", f"{abs(slope - gradient):.1e}", border=True)
    st.caption(
        f"{name} is {weight(small.network, name):.2f}. Look at the difference: too wide a move leaves the straight "
        "line, too small a one drowns in rounding; between 1e-4 and 1e-6 it is smallest. BPTT gives all weights at "
        "once; this takes two readings of the text for each."
    )


def _picture(small: Small) -> None:
    """Ask what is left of the parts when nothing goes from step to step, on the reader's text."""
    read = small.tokens
    runs = [hand_network(read, "rnn_tanh", cut)[0] for cut in ({}, dict.fromkeys(_RECURRENT, 0.0))]
    whole, alone = (back.flow(run, small.ids, read, small.target).parts("W_x", 0, 0) for run in runs)
    if len(read) < 3 or not alone.any():
        return
    ask(
        Picture(
            "bptt-picture",
            "Take the tanh network on your text, and set **all of W_h to 0**. Which picture then shows the parts of "
            "dL/dW_x[0, 0]?",
            "With W_h = 0 the state before a step has no say in the next one, so no gradient passes a box on the way "
            "back: only the last step has a part. (An LSTM has a second way back, through c, that does not go through "
            "W_h at all: that is what it was made for.)",
            ("bars at several steps", "one bar, at the first step", "one bar, at the last step"),
            2,
        ),
        pictures=[parts_chart(read, p, "Parts, step by step", legend=False) for p in (whole, alone[::-1], alone)],
    )


@st.fragment
@session.guarded
def _large(flow: back.Flow) -> None:
    top = flow.run.layers[-1].weights.weight_hh
    rows, columns = top.shape
    left, right = st.columns(2)
    row = _number(left, f"Row of W_h, 0 to {rows - 1}", _ROW, rows - 1)
    column = _number(right, f"Column of W_h, 0 to {columns - 1}", _COLUMN, columns - 1)
    parts = flow.parts("W_h", row, column)
    st.altair_chart(parts_chart(flow.tokens, parts, f"dL/dW_h[{row}, {column}], one bar a step"), width="stretch")
    st.caption(
        f"The top layer’s W_h is {rows} x {columns}; this is one of its weights. The bars sum to "
        f"{parts.sum():.4e}. Look at how many steps really take part. Choose the small network to compare the "
        "sum with autograd and with a finite difference."
    )


def _number(place, label: str, key: str, most: int) -> int:
    return int(place.number_input(label, 0, most, key=session.whole(key, 0, most, 0)))

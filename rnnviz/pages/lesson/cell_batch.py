"""A mini-batch: a text in each row, from the left or from the right, one step at a time."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts import cell_tex as tex
from rnnviz.errors import TextError
from rnnviz.lesson.cell import GATE_NAMES, MOST_STEPS, Hand, symbol
from rnnviz.lesson.cell_batch import Batch, batch

_MOST_TEXTS = 5
_STEP = "keep_cell_forms_batch_step"
_OTHERS = {
    "residual": "S is the old S plus it.",
    "lstm": "The three gates go the same way, with σ.",
    "gru": "The reset gate goes the same way; the candidate multiplies H W_h\u1d40 + b_hn by r before it adds.",
    "gru_textbook": "The reset gate goes the same way; the candidate multiplies H by r first.",
}
_TEX = {"tanh": r"\tanh", "sigmoid": r"\sigma", "ReLU": r"\mathrm{ReLU}"}


@st.fragment
@session.guarded
def batches(hand: Hand) -> None:
    """Draw the section."""
    st.header("From the left or from the right, and a mini-batch")
    st.write(
        "Formulas multiply a column from the left, W x. Programs put a whole mini-batch into one matrix X, a text in "
        "each row, and multiply from the right, X W\u1d40. Type some texts: their letters at one step make the rows."
    )
    texts = _texts(hand)
    last = min(*map(len, texts), MOST_STEPS)
    session.whole(_STEP, 1, last, last)
    if last > 1:
        st.slider("Step of the batch", 1, last, key=_STEP, help="Up to the length of the shortest text.")
    time = st.session_state[_STEP] - 1
    found = batch(hand, texts, time)
    _sides(found)
    _step(hand, found, time + 1)


def _texts(hand: Hand) -> list[str]:
    typed = st.text_input(
        "Texts, with spaces between them",
        key=session.typed("keep_cell_forms_texts", f"{hand.letters[0]}bb bab aab"),
        disabled=session.frozen("text"),
    )
    texts = typed.split()
    if not texts:
        raise TextError("There is no text: type some, with spaces between them.")
    if len(texts) > _MOST_TEXTS:
        st.info(f"The batch holds the first {_MOST_TEXTS} texts.")
    return texts[:_MOST_TEXTS]


def _sides(found: Batch) -> None:
    """Show the input's product from both sides."""
    (m, n), units = found.x.shape, len(found.bias)
    left, right = st.columns(2)
    with left:
        st.latex(
            rf"\small\underbrace{{{tex.matrix(found.x, 0)}}}_{{X_t\;({m}\times {n})}}"
            rf"\underbrace{{{tex.matrix(found.weight_x.T)}}}_{{W_x^\top\;({n}\times {units})}}"
            rf" = {tex.matrix(found.right)}"
        )
        st.caption("From the right. Keras keeps its kernel this way round: (inputs, units).")
    with right:
        st.latex(
            rf"\small\underbrace{{{tex.matrix(found.weight_x)}}}_{{W_x\;({units}\times {n})}}"
            rf"\underbrace{{{tex.matrix(found.x.T, 0)}}}_{{X_t^\top\;({n}\times {m})}} = {tex.matrix(found.left)}"
        )
        st.caption("From the left. PyTorch keeps its weights this way round, (units, inputs), and computes X W\u1d40.")
    off = float(np.abs(found.right - found.left.T).max())
    st.markdown(
        f"One is the other turned on its side; largest difference **{small(off)}**. All {m} texts need one product a "
        "step: that is why a batch costs hardly more than one text."
    )


def _step(hand: Hand, found: Batch, step: int) -> None:
    """Show the whole step of all texts, with two products and with one."""
    state, plain = symbol("hidden", hand.cell_type).upper(), found.block == "hidden"
    sign = state if plain else symbol(found.block, hand.cell_type).upper()
    old, function = rf"{state}_{{{step - 1}}}", _TEX[found.function]
    (m, units), n = found.old.shape, found.x.shape[1]
    bias = rf"\underbrace{{{tex.matrix(found.bias[None])}}}_{{b^\top\text{{, to each row}}}}"
    told = "" if plain else f" Of this cell it is the {GATE_NAMES[found.block]}. {_OTHERS[hand.cell_type]}"
    st.markdown(f"**Step {step} of all texts at once.**{told}")
    left, right = st.columns(2)
    with left:
        st.latex(
            rf"\small\begin{{aligned}}&{sign}_{{{step}}} = {function}(X_{{{step}}} W_x^\top + {old} W_h^\top + b)\\"
            rf"&= {function}\Bigl({tex.matrix(found.right)}\\ &+ \underbrace{{{tex.matrix(found.old)}}}_"
            rf"{{{old}\;({m}\times {units})}}\\ &\cdot\underbrace{{{tex.matrix(found.weight_h.T)}}}_{{W_h^\top}}\\"
            rf"&+ {bias}\Bigr)\\ &= {tex.matrix(found.value, 4)}\end{{aligned}}"
        )
        st.caption("Two products. Look at a row: it is one text’s own, and no other row has a part in it.")
    with right:
        st.latex(
            rf"\small\begin{{aligned}}&{function}([X_{{{step}}}\;{old}]\,W + b)\\"
            rf"&= {function}\Bigl(\underbrace{{{tex.matrix(found.joined)}}}_{{({m}\times {n + units})}}"
            rf"\\ &\cdot\underbrace{{{tex.matrix(found.whole)}}}_{{W\;({n + units}\times {units})}}\\"
            rf"&+ {bias}\Bigr)\\ &= {function}{tex.matrix(found.by_one, 4)}\\"
            rf"&= {tex.matrix(found.value, 4)}\end{{aligned}}"
        )
        st.caption("One product: X and H side by side, the two matrices one below the other.")
    st.markdown(
        f"Largest difference between a row here and the same text read alone: **{small(found.apart)}**; between one "
        f"product and two: **{small(float(np.abs(found.by_one - found.by_two).max()))}**."
    )


def small(value: float) -> str:
    """Write a difference that is nearly nothing."""
    return f"{value:.1e}".replace("-", "−") if value else "0"

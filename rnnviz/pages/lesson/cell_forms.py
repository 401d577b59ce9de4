"""The same cell written in other ways: one product or two, from the left or the right, and the two GRUs."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.cells import CELLS
from rnnviz.charts import cell as charts
from rnnviz.charts import cell_tex as tex
from rnnviz.charts.palette import scale_of
from rnnviz.components.knobs import Knob, knobs
from rnnviz.components.question import ask
from rnnviz.errors import TextError
from rnnviz.lesson.cell import GATE_NAMES, Hand, symbol, walk
from rnnviz.lesson.cell_forms import batch, other_gru, stacked, without_hidden_bias, writing_form
from rnnviz.lesson.questions import Choice as Choose
from rnnviz.lesson.questions import Number
from rnnviz.pages.lesson.cell_network import chosen_network, chosen_text, told

_MOST_TEXTS = 5
_PARTS = [
    Knob("old", "How much of the old: factor on W_h", 0, 2, 0.05, 1, help="0 forgets all, 2 hears it twice as loud."),
    Knob("new", "What of the new: factor on W_x", 0, 2, 0.05, 1, help="0 is deaf to the text."),
]


def render() -> None:
    """Draw the view."""
    choice = chosen_network()
    text = chosen_text()
    told(choice)
    hand = choice.hand()
    _products(hand, text)
    _batches(hand)
    _two_layers(hand, text)
    if hand.cell_type in ("gru", "gru_textbook"):
        _grus(hand, text)
    _questions(hand, text)


@st.fragment
@session.guarded
def _products(hand: Hand, text: str) -> None:
    st.header("One product or two")
    st.write(
        "The input and the old state can be multiplied by a matrix each and added. Or they are stacked into one longer "
        "vector, and one wider matrix does it at once. Both are the same sum of the same products."
    )
    read, last = walk(hand, text), len(text)
    gates = CELLS[hand.cell_type].blocks
    one, two = st.columns([2, 3])
    name = one.selectbox(
        "Gate",
        gates,
        key=session.fitting("keep_cell_forms_gate", gates, gates[0]),
        format_func=lambda gate: f"{symbol(gate, hand.cell_type)}: {GATE_NAMES[gate]}",
    )
    session.whole("keep_cell_forms_step", 1, last, last)
    if last > 1:
        two.slider("Step of both forms", 1, last, key="keep_cell_forms_step")
    time = st.session_state["keep_cell_forms_step"] - 1
    found = stacked(hand, read, time, gates.index(name))
    if found is None:
        st.info(
            "This candidate cannot be written as one product: n = tanh(W_x x + b + r ⊙ (W_h h + b_hn)) multiplies the "
            "state’s part by r after the product and before the sum. The textbook’s GRU, with the reset inside, can."
        )
        return
    size = found.whole.shape[1] - hand.units
    state = symbol("hidden", hand.cell_type)
    if hand.cell_type == "gru_textbook" and name == "candidate":
        state = rf"r \odot {state}"
    bias, whole_x = tex.matrix(found.bias), found.whole
    shape = rf"{hand.units}\times {whole_x.shape[1]}"
    one, two = st.columns(2)
    with one:
        st.markdown("**One product**")
        st.latex(
            rf"\small\begin{{aligned}}&\underbrace{{{tex.matrix(whole_x)}}}_{{W\;({shape})}}"
            rf"\underbrace{{{tex.matrix(found.joined, 4)}}}_{{[x;\,{state}]}}\\ &+ {bias} "
            rf"= {tex.matrix(found.by_one, 4)}\end{{aligned}}"
        )
    with two:
        st.markdown("**Two products**")
        st.latex(
            rf"\small\begin{{aligned}}&\underbrace{{{tex.matrix(whole_x[:, :size])}}}_{{W_x}}"
            rf"{tex.matrix(found.joined[:size], 4)} + \underbrace{{{tex.matrix(whole_x[:, size:])}}}_{{W_h}}"
            rf"{tex.matrix(found.joined[size:], 4)}\\ &+ {bias} = {tex.matrix(found.by_two, 4)}\end{{aligned}}"
        )
    st.markdown(
        f"Largest difference of the two results: **{_small(found.difference)}**. Computers add in another order, so "
        "the last of some sixteen digits may differ; nothing else can."
    )


@st.fragment
@session.guarded
def _batches(hand: Hand) -> None:
    st.header("From the left or from the right, and a mini-batch")
    st.write(
        "Formulas multiply a column from the left, W x. Programs put a whole mini-batch into one matrix X, a text in "
        "each row, and multiply from the right, X W\u1d40. Type some texts: their first letters make the batch."
    )
    typed = st.text_input(
        "Texts, with spaces between them",
        key=session.typed("keep_cell_forms_texts", f"{hand.letters[0]}b ba a"),
        disabled=session.frozen("text"),
    )
    texts = typed.split()
    if not texts:
        raise TextError("There is no text: type some, with spaces between them.")
    if len(texts) > _MOST_TEXTS:
        st.info(f"The batch holds the first {_MOST_TEXTS} texts.")
    found = batch(hand, texts[:_MOST_TEXTS])
    m, n, units = len(found.x), found.x.shape[1], hand.units
    left, right = st.columns(2)
    with left:
        st.latex(
            rf"\small\underbrace{{{tex.matrix(found.x, 0)}}}_{{X\;({m}\times {n})}}"
            rf"\underbrace{{{tex.matrix(found.weight.T)}}}_{{W_x^\top\;({n}\times {units})}}"
            rf" = {tex.matrix(found.right)}"
        )
        st.caption("From the right. Keras keeps its kernel this way round: (inputs, units).")
    with right:
        st.latex(
            rf"\small\underbrace{{{tex.matrix(found.weight)}}}_{{W_x\;({units}\times {n})}}"
            rf"\underbrace{{{tex.matrix(found.x.T, 0)}}}_{{X^\top\;({n}\times {m})}} = {tex.matrix(found.left)}"
        )
        st.caption("From the left. PyTorch keeps its weights this way round, (units, inputs), and computes X W\u1d40.")
    off = float(np.abs(found.right - found.left.T).max())
    st.markdown(
        f"One is the other turned on its side; largest difference **{_small(off)}**. All {m} texts need one product a "
        "step: that is why a batch costs hardly more than one text."
    )


@st.fragment
@session.guarded
def _two_layers(hand: Hand, text: str) -> None:
    st.header("Two dense layers: how much of the old, what of the new")
    st.write(
        "A cell is two dense layers whose results are added. W_h says how much of the old state to keep, W_x what of "
        "the new input to take in. Turn either down and see what is lost."
    )
    values = knobs(_PARTS, key="cell_parts", frozen=session.frozen("model"))
    changed = hand.scaled(values["old"], values["new"])
    state, scale = symbol("hidden", hand.cell_type), scale_of("hidden", hand.cell_type)
    reads = {"as it is": walk(hand, text), "with the factors": walk(changed, text)}
    rows = {
        f"{state}{unit + 1} {name}": (read.states["hidden"][1:, unit], scale)
        for unit in range(hand.units)
        for name, read in reads.items()
    }
    title = f"The state, W_h times {values['old']:g} and W_x times {values['new']:g}"
    st.altair_chart(charts.strip_chart(rows, tuple(text), title), width="stretch")
    off = float(np.abs(reads["as it is"].states["hidden"] - reads["with the factors"].states["hidden"]).max())
    st.caption(
        "Look with W_h at 0: the state at a step then depends on that step’s character alone"
        + (", but for what the gates keep. " if hand.cell_type not in ("rnn_tanh", "rnn_relu", "rnn_sigmoid") else ". ")
        + f"Largest difference from the network as it is: {charts.number(off)}."
    )


@st.fragment
@session.guarded
def _grus(hand: Hand, text: str) -> None:
    st.header("Two GRUs, and two meanings of z")
    alike = without_hidden_bias(hand)
    mine, other = walk(alike, text), walk(other_gru(alike), text)
    reads = {hand.cell_type: mine, other_gru(hand).cell_type: other}
    scale = scale_of("hidden", hand.cell_type)
    names = {"gru_textbook": "reset inside (textbook)", "gru": "reset outside (PyTorch)"}
    rows = {
        f"h{unit + 1} {names[kind]}": (reads[kind].states["hidden"][1:, unit], scale)
        for unit in range(hand.units)
        for kind in names
    }
    st.altair_chart(charts.strip_chart(rows, tuple(text), "The same weights in both GRUs"), width="stretch")
    bias = "b_hn, which the textbook form does not have, is 0 in both. " if hand.cell_type == "gru" else ""
    off = float(np.abs(mine.states["hidden"] - other.states["hidden"]).max())
    st.caption(
        f"Look at the pairs of rows: they differ by up to {charts.number(off)}. {bias}Where each unit hears only "
        "itself, "
        "r ⊙ (W h) and W (r ⊙ h) are the same; choose random weights to see them part."
    )
    mine = walk(hand, text)
    value, write = writing_form(hand, mine, len(text) - 1)
    st.markdown(
        f"**z that writes.** At the last step z = {_row(1 - write)} keeps. Written as in the notes, "
        f"s = w·n + (1 − w)·s with w = 1 − z = {_row(write)}, the state is {_row(value)}: the same, with a difference "
        f"of {_small(np.abs(value - mine.states['hidden'][-1]).max())}."
    )


def _small(value: float) -> str:
    return f"{value:.1e}".replace("-", "−") if value else "0"


def _row(values: np.ndarray) -> str:
    return f"({', '.join(charts.number(float(v)) for v in values)})"


def _in_pytorch(cell_type: str) -> str:
    """Say how PyTorch keeps the same matrix, where it has such a layer."""
    if cell_type == "gru":
        return "PyTorch’s weight_ih is the same turned on its side, with the blocks of r and z exchanged."
    if cell_type in ("rnn_tanh", "rnn_relu", "lstm"):
        return "PyTorch’s weight_ih is the same turned on its side."
    return "PyTorch has no such layer."


def _questions(hand: Hand, text: str) -> None:
    inputs, units = len(hand.letters), hand.units
    blocks = len(CELLS[hand.cell_type].blocks)
    wrong = [f"({inputs}, {units})", f"({units}, {blocks * units})", f"({inputs}, {blocks * units})"]
    right = f"({inputs}, {blocks * units})"
    options = tuple(dict.fromkeys([f"({blocks * units}, {inputs + units})", *wrong]))
    ask(
        Choose(
            "cell-keras-shape",
            f"This network has {inputs} inputs, {units} units and {blocks} {'gate' if blocks == 1 else 'gates'} or "
            f"candidates. Keras computes X · kernel. Which shape has its kernel?",
            f"X is (batch, {inputs}), and Keras keeps all gates side by side: "
            f"({inputs}, {blocks} · {units}). {_in_pytorch(hand.cell_type)}",
            options,
            options.index(right),
        )
    )
    ask(
        Number(
            "cell-z",
            "PyTorch’s GRU has z = 0.9 at a step, the old state is 0.5 and the candidate is −1. A program uses the "
            "other form, s = z·n + (1 − z)·s, and somebody copies z = 0.9 into it unchanged. By how much is its new "
            "state below the right one?",
            "PyTorch’s: 0.9 · 0.5 + 0.1 · (−1) = 0.35. The other form with the same z: 0.9 · (−1) + 0.1 · 0.5 = −0.85. "
            "The difference is 1.2. Say which z you mean.",
            1.2,
            0.005,
        )
    )

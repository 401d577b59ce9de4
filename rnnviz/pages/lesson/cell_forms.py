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
from rnnviz.lesson.cell import GATE_NAMES, Hand, symbol, walk
from rnnviz.lesson.cell_forms import Stacked, stacked
from rnnviz.lesson.questions import Choice as Choose
from rnnviz.lesson.questions import Number
from rnnviz.pages.lesson.cell_batch import batches, small
from rnnviz.pages.lesson.cell_grus import grus
from rnnviz.pages.lesson.cell_network import chosen_network, chosen_text, told

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
    batches(hand)
    _two_layers(hand, text)
    grus(hand, text)
    _questions(hand)


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
    _forms(hand, found, name)


def _forms(hand: Hand, found: Stacked, name: str) -> None:
    """Show a gate's sum as one product and as two."""
    state = symbol("hidden", hand.cell_type)
    if hand.cell_type == "gru_textbook" and name == "candidate":
        state = rf"r \odot {state}"
    size, bias, whole = found.whole.shape[1] - hand.units, tex.matrix(found.bias), found.whole
    shape = rf"{hand.units}\times {whole.shape[1]}"
    one, two = st.columns(2)
    with one:
        st.markdown("**One product**")
        st.latex(
            rf"\small\begin{{aligned}}&\underbrace{{{tex.matrix(whole)}}}_{{W\;({shape})}}"
            rf"\underbrace{{{tex.matrix(found.joined, 4)}}}_{{[x;\,{state}]}}\\ &+ {bias} "
            rf"= {tex.matrix(found.by_one, 4)}\end{{aligned}}"
        )
    with two:
        st.markdown("**Two products**")
        st.latex(
            rf"\small\begin{{aligned}}&\underbrace{{{tex.matrix(whole[:, :size])}}}_{{W_x}}"
            rf"{tex.matrix(found.joined[:size], 4)} + \underbrace{{{tex.matrix(whole[:, size:])}}}_{{W_h}}"
            rf"{tex.matrix(found.joined[size:], 4)}\\ &+ {bias} = {tex.matrix(found.by_two, 4)}\end{{aligned}}"
        )
    st.markdown(
        f"Largest difference of the two results: **{small(found.difference)}**. Computers add in another order, so "
        "the last of some sixteen digits may differ; nothing else can."
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


def _in_pytorch(cell_type: str) -> str:
    """Say how PyTorch keeps the same matrix, where it has such a layer."""
    if cell_type == "gru":
        return "PyTorch’s weight_ih is the same turned on its side, with the blocks of r and z exchanged."
    if cell_type in ("rnn_tanh", "rnn_relu", "lstm"):
        return "PyTorch’s weight_ih is the same turned on its side."
    return "PyTorch has no such layer."


def _questions(hand: Hand) -> None:
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

"""The GRU in two forms, with the reset gate inside the product or outside, and with a z that keeps or writes."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts import cell as charts
from rnnviz.charts import cell_tex as tex
from rnnviz.charts.palette import scale_of
from rnnviz.lesson.cell import Hand, walk
from rnnviz.lesson.cell_forms import notes_gru, other_gru, without_hidden_bias
from rnnviz.lesson.cell_presets import RANDOM, make
from rnnviz.pages.lesson.cell_batch import small

_GRUS = ("gru", "gru_textbook")


@st.fragment
@session.guarded
def grus(hand: Hand, text: str) -> None:
    """Draw the section; without a GRU chosen, on a small one with random weights."""
    st.header("Two GRUs, and two meanings of z")
    if hand.cell_type in _GRUS:
        _inside_and_outside(hand, text)
    _two_meanings(hand, text)


def _inside_and_outside(hand: Hand, text: str) -> None:
    """Let both GRUs read with the same weights."""
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
        "itself, r ⊙ (W h) and W (r ⊙ h) are the same; choose random weights to see them part."
    )


def _two_meanings(hand: Hand, text: str) -> None:
    """Show the notes' cell beside the textbook's, whole, and one unit's last step in both."""
    textbook, told = _textbook(hand)
    read, notes = walk(textbook, text).states["hidden"], notes_gru(textbook, text)
    st.markdown(f"**Keeps or writes.** {told} Both cells below read your text with the same weights, but for z.")
    old = (notes.sums[-1, 0], notes.reset[-1, 0], notes.candidate[-1, 0])
    ours, theirs = st.columns(2)
    with ours:
        st.markdown("**Here: an open z keeps**")
        st.latex(tex.formula("gru_textbook"))
        st.latex(tex.together([tex.keeping(0, *old, read[-2, 0], read[-1, 0])]))
    with theirs:
        st.markdown("**In the notes: an open z writes**")
        st.latex(rf"\small\begin{{aligned}}{tex.NOTES_GRU}\end{{aligned}}")
        st.latex(tex.together([tex.writing(0, *old, notes.states[-2, 0], notes.states[-1, 0])]))
    st.latex(r"\small z^{\text{notes}} = \sigma(-a) = 1 - \sigma(a) = 1 - z, \qquad a = W_{xz}\,x + W_{hz}\,h + b_z")
    st.caption(
        f"The numbers are unit 1’s at the last step, {len(text)}. Look at the two products of each last line: they are "
        "the same two, only their names and places are exchanged. The notes’ W_z and b_z are ours with every sign "
        f"turned. Over the whole text the states differ by {small(float(np.abs(read - notes.states).max()))} at most."
    )


def _textbook(hand: Hand) -> tuple[Hand, str]:
    """Return a textbook GRU that is as much like the chosen network as can be, and say what it is."""
    if hand.cell_type == "gru_textbook":
        return hand, "This is the network that you chose."
    if hand.cell_type == "gru":
        return other_gru(hand), "The notes have the reset inside: these are your weights in that form, without b_hn."
    drawn = make("gru_textbook", RANDOM, hand.letters, hand.units)
    return drawn, (
        f"You chose another cell, so this is a small GRU with random weights and {hand.units} units. Choose a GRU "
        "under “Cell” for your own, and to compare the reset gate inside the product and outside."
    )

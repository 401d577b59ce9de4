"""A long text in pieces: what is carried over from one batch to the next."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts import cell_plots as plots
from rnnviz.components.lines import lines
from rnnviz.components.question import ask
from rnnviz.lesson.cell import Hand, walk
from rnnviz.lesson.cell_lines import keras_pieces, pytorch_pieces
from rnnviz.lesson.cell_start import in_pieces
from rnnviz.lesson.questions import Number, Several

_SEEN = 1e-4
"""A difference of states that can be seen in four decimals."""


@st.fragment
@session.guarded
def pieces(hand: Hand, text: str) -> None:
    """Draw the section."""
    st.header("A long text in pieces: stateful or stateless")
    st.write(
        "A long text is cut into pieces, one batch after the other. A stateful layer goes on from the state in which "
        "the last batch ended; a stateless one begins anew each time. Keras: `stateful=True` and `reset_state()`; "
        "PyTorch: give the returned state to the next call."
    )
    if len(text) < 2:
        st.info("The text has one character: type a longer one to cut it.")
        return
    _what_is_true()
    size = st.slider(
        "Characters in a piece",
        1,
        max(2, len(text)),
        key=session.whole("keep_cell_piece", 1, max(2, len(text)), max(1, (len(text) + 1) // 2)),
    )
    off = differences(hand, text, size)
    for column, (name, values) in zip(st.columns(2), off.items(), strict=True):
        column.metric(f"Off the whole text by, {name}", f"{values.max():.4g}")
    _differences_chart(off, size)
    st.caption(
        f"Look at step {size + 1}, where the second piece begins: the stateless line may leave zero there, the "
        "stateful one never does."
        if size < len(text)
        else "There is one piece only, the whole text. Look at both lines: they stay at zero."
    )
    note = "Both print, step by step, how far the stateful and the stateless reader are off the whole text’s states."
    lines(pytorch_pieces(hand, text, size), keras_pieces(hand, text, size), note=note)
    _where_they_part(hand, text, size)


def differences(hand: Hand, text: str, size: int) -> dict[str, np.ndarray]:
    """Return how far the states of both readers are off the whole text's at each step, each (time,)."""
    whole = walk(hand, text).states["hidden"]
    ways = {"stateful: carried over": True, "stateless: begun anew": False}
    return {
        name: np.abs(in_pieces(hand, text, size, carried).states["hidden"] - whole).max(axis=1)[1:]
        for name, carried in ways.items()
    }


def _differences_chart(off: dict[str, np.ndarray], size: int) -> None:
    top = max(1e-3, *(float(values.max()) for values in off.values()))
    chart = plots.lines_chart(
        off,
        "step",
        "largest difference",
        f"Pieces of {size} against the whole text",
        first=1,
        domain=(0, top),
        height=220,
    )
    st.altair_chart(chart, width="stretch")


def _what_is_true() -> None:
    ask(
        Several(
            "cell-stateful",
            "Which of these are true?",
            "Carried over, the pieces are the same computation as the whole. Gradients are cut at the border all the "
            "same; and texts that have nothing to do with one another must not share a state.",
            (
                "With the state carried over, the pieces give exactly the whole text’s states",
                "The first piece is the same with and without it",
                "With the state carried over, gradients flow back through all pieces too",
                "For a batch of unrelated reviews the state should be carried over",
            ),
            (0, 1),
        ),
        title="Before you look",
    )


def _where_they_part(hand: Hand, text: str, size: int) -> None:
    """Ask at which step another cut is first seen in the stateless states, computed from the network."""
    other = size % (len(text) - 1) + 1 if len(text) > 2 else 1
    off = differences(hand, text, other)
    apart = np.flatnonzero(off["stateless: begun anew"] > _SEEN)
    right = int(apart[0]) + 1 if len(apart) else 0
    begins = (
        f"With pieces of {other} the second one begins at step {other + 1}, from the first state instead of the one in "
        "which the piece before ended. "
    )
    why = {
        0: "To four decimals, this network’s states on this text do not depend on what was carried over.",
        other + 1: "The difference is there at once.",
    }.get(right, f"What was lost is seen at step {right} only: until then the states are the same to four decimals.")
    ask(
        Number(
            "cell-pieces-part",
            f"Now cut the text into pieces of {other}. Which is the first step at which the stateless states differ "
            f"from the whole text’s by more than {_SEEN:g}? Type 0 if they never do.",
            begins + why,
            right,
        ),
        reveal=lambda: _differences_chart(off, other),
    )

"""Masks and lengths, which give the same states, and why short texts learn less in a padded batch."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.analysis.padded import ALONE, MASKED_LEFT, MASKED_RIGHT, PACKED
from rnnviz.charts.ragged import row_names, share_chart
from rnnviz.checkpoints import Model
from rnnviz.components.lines import lines
from rnnviz.components.question import ask
from rnnviz.lesson.questions import Number
from rnnviz.lesson.ragged import GATHERED, Batch, alive, learning, readings
from rnnviz.lesson.ragged_small import UNITS, Small, program_lines, small_states
from rnnviz.lesson.references import cite
from rnnviz.pages.sentiment import choice

_WAYS = {
    GATHERED: "lengths, h_T gathered",
    PACKED: "lengths, packed",
    MASKED_RIGHT: "mask, padded at the end",
    MASKED_LEFT: "mask, padded at the start",
}


@st.fragment
@session.guarded
def masks(model: Model, batch: Batch, text: str) -> None:
    """Show that masks and lengths give one and the same state."""
    st.header("Masks and lengths")
    st.write(
        "There are two cures. A mask m_t is 1 at a word and 0 at padding, and a masked step hands the old state on. "
        "Lengths let the network compute as it likes and read each row at its own last word, or skip padding."
    )
    st.latex(r"h_t = m_t \, f(x_t, h_{t-1}) + (1 - m_t)\, h_{t-1} \qquad\qquad h_T = h_{\text{length}}")
    st.markdown(
        "Keras masks: `Embedding(vocabulary, size, mask_zero=True)`, and every recurrent layer after it carries its "
        "state over masked steps. PyTorch takes lengths: `pack_padded_sequence(x, lengths, batch_first=True, "
        "enforce_sorted=False)`; with `enforce_sorted=True`, the default, the rows must come longest first."
    )
    found = session.kept(readings, model, text)
    gaps = [
        f"{_WAYS[way]}: {np.abs(found.states[way] - found.states[ALONE]).max():.1e}"
        for way in _WAYS
        if way in found.states
    ]
    st.markdown(f"**{model.name}**, largest difference of any unit of any row from the text read alone:")
    st.markdown("\n".join(f"- {gap}" for gap in gaps))
    st.caption("Look at the sizes: what is left is the rounding of 32-bit numbers, some 1e-7 a step.")
    sizes = alive(batch.lengths)
    st.markdown(
        f"Packed, your batch is {sum(sizes)} vectors in place of {batch.computed}. At each step only the rows that "
        f"still have a word are computed; torch calls their numbers `batch_sizes`: `{sizes}`."
    )
    _small(model, small_states(batch.words))


def _small(model: Model, small: Small) -> None:
    vectors = model.config.embedding_size
    ask(
        Number(
            "batches-embedding",
            f"With lengths no padding word is needed. {model.name} has {model.config.vocab_size:,} rows in its "
            "embedding, one of them for padding. How many numbers would its embedding have less without it?",
            f"One row, which is one vector of {vectors} numbers. In PyTorch `padding_idx` keeps that row at zero and "
            "gives it no gradient, so nothing is ever learned there; in Keras `mask_zero=True` reserves id 0 for it. "
            "Dropped, every other id moves down by one.",
            float(vectors),
            unit="numbers",
        )
    )
    st.markdown(
        f"The same with a network small enough to write down: {UNITS} tanh units, weights from a formula, your "
        f"{len(small.ids)} rows with {small.vocabulary} different words. Its final states h_T, masked, packed, and "
        f"read by length with an embedding of {small.vocabulary} rows in place of {small.vocabulary + 1}:"
    )
    table: dict[str, list] = {"row": [i + 1 for i in range(len(small.ids))]}
    for name, states in {"mask": small.masked, "packed": small.packed, "no pad row": small.no_pad_row}.items():
        table[name] = ["  ".join(f"{value: .6f}" for value in row) for row in states.tolist()]
    st.dataframe(table, hide_index=True, width="stretch")
    st.caption(
        f"Look along a row: the three agree. The largest difference anywhere is {small.gap:.1e}, in 64-bit numbers."
    )
    lines(
        *program_lines(small),
        note="PyTorch by lengths and without a row for padding, Keras by mask: both print the table, row by row.",
    )


@st.fragment
@session.guarded
def learning_less(model: Model, batch: Batch, text: str) -> None:
    """Show how much of the gradient is left at the words of padded rows."""
    st.header("Why short texts learn less")
    st.write(
        "The loss is taken at the last column. Padded at the end, a short text\u2019s words lie many steps before it, "
        "and the gradient has to come back through all the padding first; on the way it fades as it does over words."
    )
    if batch.computed == batch.lengths.sum():
        st.info("Your lines are all equally long, so none learns less: type one shorter line.")
        return
    trained, fresh = session.kept(learning, model, text, choice.followed(model))
    names = row_names(batch.words)
    shares = {
        "untrained, padded at the end": fresh.end,
        "untrained, padded at the start": fresh.start,
        f"{model.name}, padded at the end": trained.end,
        f"{model.name}, padded at the start": trained.start,
    }
    st.altair_chart(share_chart(fresh.padding, names, shares), width="stretch")
    i = int(fresh.padding.argmax())
    st.caption(
        "Look at the untrained network, where learning begins: the more padding at the end, the less is left. Row "
        f"{i + 1}, with {int(fresh.padding[i])} steps of padding, keeps {fresh.end[i]:.1%} of its gradient, and padded "
        f"at the start {fresh.start[i]:.1%}. Measured: the norm of the gradient of the log-odds with respect to the "
        "vectors of the row\u2019s words, divided by the same without padding. A network that has learned to keep what "
        f"it read may lose less. The fading itself is the subject of [Gradients](/gradients); {cite('bengio1994')}."
    )
    total, rows = int(batch.lengths.sum()), len(batch.rows)
    short = int(batch.lengths.min())
    st.markdown(
        f"There is a second reason where every step has a loss, as in tagging or language models. Averaged over all "
        f"{total} real steps, your shortest row ({short} words) has {short / total:.1%} of the loss, not 1/{rows} = "
        f"{1 / rows:.1%}. Averaged over all {batch.computed} steps with padding counted in, it is "
        f"{short / batch.computed:.1%}: the padding\u2019s own loss takes {1 - total / batch.computed:.1%} and "
        "teaches nothing. So the loss is masked too: `ignore_index` in PyTorch, `sample_weight` or the mask in Keras."
    )

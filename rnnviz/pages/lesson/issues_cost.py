"""The cost of steps one after the other, measured live against work that needs no waiting."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.charts.issues import cost_chart, growth_picture
from rnnviz.components.question import ask
from rnnviz.config import CELL_LABELS
from rnnviz.lesson.issues_cost import ATTENTION, KINDS, LENGTHS, PRODUCT, Costs, time_costs
from rnnviz.lesson.questions import Order, Picture
from rnnviz.lesson.references import cite

WIDTH = "keep_issues_width"
_WIDTHS, _FIRST = (32, 64, 128), 64
_TIMES = "issues_times"
_NAMES = {
    **{k: CELL_LABELS[k] for k in KINDS if k in CELL_LABELS},
    PRODUCT: "one matrix product",
    ATTENTION: "attention",
}


@st.fragment
@session.guarded
def render() -> None:
    """Draw the section."""
    st.header("The cost of steps that wait for each other")
    st.write(
        "$h_t$ needs $h_{t-1}$, so a recurrent layer cannot begin a step before the last one is done. A matrix product "
        "over all steps can do them in any order, many at once. Self-attention compares every step with every other: "
        "more work, but no waiting."
    )
    _questions(LENGTHS[-1])
    width = st.selectbox("Numbers a step, and units", _WIDTHS, key=session.fitting(WIDTH, _WIDTHS, _FIRST))
    if st.button("Measure on this computer: some 5 seconds", key="issues_measure"):
        bar = st.progress(0.0, text="Measuring \u2026")
        st.session_state[_TIMES] = (
            width,
            time_costs(width, progress=lambda share: bar.progress(share, text="Measuring \u2026")),
        )
        bar.empty()
    kept = st.session_state.get(_TIMES)
    if kept is not None and kept[0] == width:
        _show(width, kept[1])


def _questions(longest: int) -> None:
    ask(
        Order(
            "issues-waiting",
            f"A text has T = {longest:,} steps. Order by how many operations must wait for one another, most first: a "
            "recurrent layer, a linear recurrence done by a parallel scan, self-attention.",
            f"The recurrent layer has {longest:,} steps in a row. A scan needs about log\u2082 T = "
            f"{longest.bit_length() - 1} rounds. Attention has a handful of products, however long the text is "
            f"({cite('vaswani2017')}, table 1, and {cite('blelloch1990')} for scans).",
            ("the recurrent layer", "the scan", "self-attention"),
        )
    )
    ask(
        Picture(
            "issues-growth",
            "Both axes are logarithmic, T grows to the right. Which picture is the number of products of two vectors "
            "in self-attention?",
            "Every one of T queries meets T keys: T\u00b2 products. On logarithmic axes a power is a straight line and "
            "the exponent its slope, here 2: twice as long, four times the work. The recurrent layer\u2019s work has "
            "slope 1.",
            ("a level line, slope 0", "a line of slope 1", "a line of slope 2"),
            2,
        ),
        pictures=[growth_picture(exponent, LENGTHS) for exponent in (0, 1, 2)],
    )


def _show(width: int, found: Costs) -> None:
    names = {kind: f"{_NAMES[kind]}, slope {found.slope(kind):.2f}" for kind in KINDS}
    st.altair_chart(cost_chart(found.lengths, {names[kind]: found.seconds[kind] for kind in KINDS}), width="stretch")
    longest, product = found.lengths[-1], found.seconds[PRODUCT][-1]
    slower = ", ".join(f"{_NAMES[k]} {found.seconds[k][-1] / product:.0f} times" for k in KINDS if k != PRODUCT)
    st.caption(
        f"Look at the slopes from T = 128 on, and at how high the lines lie. At T = {longest:,}, against one matrix "
        f"product of ({longest:,} x {width}) with ({width} x {width}): {slower} as long."
    )
    alone = found.threads == 1
    threads = "one thread" if alone else f"{found.threads} threads"
    cores = (
        "On one thread nothing runs in parallel, so the product too grows with T: the gap you see is that of small "
        "steps, each with its own overhead, against one large operation. On a GPU, or many cores, the product and "
        "attention also spread out over them"
        if alone
        else "The product and attention spread out over the threads, and each is one large operation where the layers "
        "take small steps, each with its own overhead. On a GPU they spread out farther"
    )
    st.markdown(
        f"**What was measured.** One forward pass, one text of random numbers in a batch of one, {width} numbers a "
        f"step, {threads} of this computer\u2019s processor, PyTorch\u2019s own layers; each point the median of "
        f"{found.rounds} rounds in turns, with whatever else the computer was doing. {cores}; the chain of steps "
        "cannot, and the gap widens. Many texts in a batch fill the machine again: that "
        "is how RNNs are trained."
    )
    st.dataframe(
        {
            "work": [_NAMES[kind] for kind in KINDS],
            **{f"T = {n:,}, ms": [f"{1000 * found.seconds[k][i]:.3f}" for k in KINDS] for i, n in _few(found)},
            "slope": [f"{found.slope(kind):.2f}" for kind in KINDS],
        },
        hide_index=True,
        width="stretch",
    )


def _few(found: Costs) -> list[tuple[int, int]]:
    return [(i, n) for i, n in enumerate(found.lengths) if i % 3 == 1]

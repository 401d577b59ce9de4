"""A picture read row by row: its rows in another order, and what small networks learn of that."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts import order as charts
from rnnviz.charts.order import FIRST, YOURS
from rnnviz.components.question import ask
from rnnviz.lesson.order_numbers import (
    ANEW,
    COUNTED,
    FIXED,
    INK,
    ONE_WAY,
    PERMUTED,
    SIDE,
    RowsLearned,
    digits,
    greys,
    learn_rows,
    picture_text,
    read_picture,
    read_rows,
    untrained_rows,
)
from rnnviz.lesson.questions import Choice
from rnnviz.lesson.references import cite
from rnnviz.pages.lesson.order_tools import REVERSE, kept_order, order_tools, redraw_if_changed
from rnnviz.training.distance import taking_turns

PICTURE, SAMPLE = "keep_order_picture", "keep_order_sample"
_LEARNED = "order_rows_learned"
_SAMPLES, _SEED = 30, 0
EXAMPLE = "00368000\n03985900\n07200870\n08000580\n08000580\n05500870\n01866900\n00278300"
BEGIN = (3, 1, 4, 0, 5, 7, 2, 6)
_MUCH = 0.1


@st.fragment
@session.guarded
def render() -> None:
    """Draw the picture's part."""
    st.header("Rows of pixels")
    st.write(
        f"A picture of {SIDE} by {SIDE} pixels can be read as a sequence of {SIDE} rows, from the top: each row is the "
        "input of one step. Draw your own digit, or take one that somebody wrote by hand, and move its rows."
    )
    image = _picture()
    kept_order("rows", SIDE, BEGIN)
    order = order_tools("rows", range(SIDE), lambda i: f"row {i + 1}", "row", REVERSE)
    redraw_if_changed("rows", _told_below(tuple(order)))
    yours = image[order]
    left, right = st.columns(2)
    left.altair_chart(charts.image_chart(image, range(SIDE), FIRST.capitalize()), width="stretch")
    right.altair_chart(charts.image_chart(yours, order, YOURS.capitalize()), width="stretch")
    _same_greys(image, yours)
    learned: RowsLearned | None = st.session_state.get(_LEARNED)
    network = learned.network if learned else untrained_rows(_SEED)
    states, chances = read_rows(network, np.stack([image, yours]))
    _told(states, chances, learned is not None)


def _picture() -> np.ndarray:
    """Ask for the picture."""
    frozen = session.frozen("text")
    left, right = st.columns([3, 2])
    text = left.text_area(
        f"Picture: {SIDE} lines of {SIDE} digits, 0 blank, {INK} full ink",
        key=session.typed(PICTURE, EXAMPLE),
        height=220,
        disabled=frozen,
    )
    key = session.within(SAMPLE, 0, _SAMPLES - 1, 0)
    right.number_input(f"Hand-written digit, 0 to {_SAMPLES - 1}", 0, _SAMPLES - 1, step=1, key=key, disabled=frozen)
    right.button("Take it", on_click=_take, disabled=frozen)
    right.markdown(f"From {cite('alpaydin1998')}, as they come with scikit-learn.")
    return read_picture(text)


def _take() -> None:
    images, _ = digits()
    st.session_state[PICTURE] = picture_text(images[int(st.session_state[SAMPLE]) % len(images)])


def _same_greys(image: np.ndarray, yours: np.ndarray) -> None:
    with st.expander("What a bag of pixels sees"):
        one, two = greys(image), greys(yours)
        rows = [(f"grey {i}", str(a), str(b)) for i, (a, b) in enumerate(zip(one.tolist(), two.tolist(), strict=True))]
        st.html(charts.table_html(("grey", FIRST, YOURS), rows, "How many pixels of each grey"))
        st.caption("Look at the two columns: they are equal in every row, whatever you do to the order of the rows.")


def _told(states: np.ndarray, chances: np.ndarray, trained: bool) -> None:
    """The network's states and answers to both orders."""
    apart = float(np.linalg.norm(states[1] - states[0]))
    best = chances.argmax(axis=1).tolist()
    left, right = st.columns([2, 3])
    left.metric("State after the rows moved by", f"{apart:.2f}")
    for name, digit, chance in zip((FIRST, YOURS), best, chances, strict=True):
        sure = f"{chance[digit]:.0%} sure"
        left.metric(f"Network reads, {name}", f"{digit}", sure, delta_color="off", delta_arrow="off")
    right.altair_chart(charts.state_chart(*states), width="stretch")
    kind = "trained below" if trained else f"not trained yet (random weights, seed {_SEED}): train it below"
    st.caption(
        f"Each dot is one of the network\u2019s {states.shape[1]} units after the last row; the network is {kind}. "
        "Look how far the dots lie from the dashed line: even random weights make another state of another order, and "
        "training gives the difference a meaning."
    )


def training() -> None:
    """Draw the training and what came of it; outside a fragment, so that its Stop button is heard."""
    st.markdown("**Is the order of rows worth anything?**")
    st.write(
        "Three networks are trained on 1,297 hand-written digits: one reads the rows from the top, one reads all "
        "pictures\u2019 rows in your order, one reads each picture\u2019s rows in a random order of its own, which "
        "makes them a set. A fourth is given only how many pixels there are of each grey."
    )
    order = tuple(kept_order("rows", SIDE, BEGIN))
    if order == tuple(range(SIDE)):
        st.info("Your order of rows is the first order: shuffle the rows above, then train.")
    if st.button("Train on digits", type="primary", disabled=order == tuple(range(SIDE))):
        _train(order)
    learned: RowsLearned | None = st.session_state.get(_LEARNED)
    if learned is None:
        return
    if learned.order != order:
        st.caption(f"These were trained with the order {_spelt(learned.order)}; yours is {_spelt(order)} now.")
    _ask(learned)


def _told_below(order: tuple[int, ...]) -> tuple:
    """Return what `training` says of the reader's order: whether it can be trained, and whether it has been."""
    learned: RowsLearned | None = st.session_state.get(_LEARNED)
    return order == tuple(range(SIDE)), order if learned and learned.order != order else None


def _spelt(order: tuple[int, ...]) -> str:
    return " ".join(str(row + 1) for row in order)


def _train(order: tuple[int, ...]) -> None:
    bar, stop = st.progress(0.0, text="Training \u2026"), st.empty()
    stop.button("Stop")
    for step in taking_turns(lambda: learn_rows(order, _SEED), -1.0):
        if isinstance(step, RowsLearned):
            st.session_state[_LEARNED] = step
        elif step < 0:
            bar.progress(0.0, text="Waiting: someone else\u2019s training has to end first \u2026")
        else:
            bar.progress(step, text=f"Training: {step:.0%} done")
    st.rerun()


def _ask(learned: RowsLearned) -> None:
    """Ask what a fixed permutation costs, and show all that was measured."""
    right = learned.accuracy
    lost = right[ONE_WAY] - right[FIXED]
    place = 0 if abs(lost) < _MUCH else 1 if lost > 0 else 2
    is_lost = right[ONE_WAY] - right[PERMUTED] > _MUCH
    told = "is lost on permuted ones" if is_lost else "does nearly as well in your order, which must be near its own"

    def reveal() -> None:
        st.altair_chart(charts.accuracy_chart(right, learned.tested, 0.1), width="stretch")
        st.caption(
            f"Look at the second bar: a network that learnt rows from the top {told} ({right[PERMUTED]:.0%}). Then the "
            f"fourth: where every picture has an order of its own, what order tells is gone ({right[ANEW]:.0%}); and "
            f"the last, where the rows are gone too ({right[COUNTED]:.0%}). One seed, {learned.tested} pictures: two "
            "or three points of difference mean nothing."
        )
        st.write(
            f"{cite('le2015')} do the same with 784 single pixels, where a permutation costs more, since what belongs "
            "together is then far apart in time."
        )

    ask(
        Choice(
            "order-rows",
            "All pictures\u2019 rows were put into one and the same other order, in training and in the test. Compared "
            "with rows from the top, how much was named right?",
            f"{right[FIXED]:.1%} against {right[ONE_WAY]:.1%}. A fixed order is still an order: step 3 always brings "
            "the same row, and a network that is trained on it learns what to make of that. What it cannot stand is an "
            "order that changes.",
            ("about as much", "much less", "much more"),
            place,
        ),
        reveal=reveal,
    )

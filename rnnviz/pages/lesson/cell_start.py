"""Where a cell starts, which way it reads, and what is carried over between two batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts import cell as charts
from rnnviz.charts import cell_plots as plots
from rnnviz.charts.palette import scale_of
from rnnviz.charts.text import as_text, visible
from rnnviz.components.lines import lines
from rnnviz.components.question import ask
from rnnviz.lesson.cell import Hand, Walk, from_tables, symbol, tables, walk
from rnnviz.lesson.cell_lines import keras_backwards, pytorch_backwards
from rnnviz.lesson.cell_presets import RANDOM, make
from rnnviz.lesson.cell_start import (
    LEARNED_STEPS,
    LearnedStart,
    aligned,
    backwards,
    learn_start,
    start_surface,
)
from rnnviz.lesson.questions import Choice as Choose
from rnnviz.lesson.questions import Number, Picture
from rnnviz.lesson.references import cite
from rnnviz.pages.lesson.cell_network import LAST_SEED, Choice, chosen_network, chosen_text, told
from rnnviz.pages.lesson.cell_pieces import pieces

_ASKED = "keep_cell_start_learned"
_UPDATES, _RATE = 60, 0.5


def render() -> None:
    """Draw the view."""
    choice = chosen_network()
    text = chosen_text()
    told(choice)
    hand = choice.hand()
    _learned(hand, text)
    _direction(choice, hand, text)
    pieces(hand, text)


@lru_cache(maxsize=32)
def _learn(cell_type: str, letters: tuple[str, ...], numbers: tuple, text: str, seed: int) -> tuple:
    hand = from_tables(cell_type, letters, numbers)
    found = learn_start(hand, text, rate=_RATE, updates=_UPDATES, seed=seed)
    return found, *start_surface(hand, text, found.path, seed)


def _frozen_numbers(hand: Hand) -> tuple:
    return tuple(tuple(map(tuple, table)) for table in tables(hand))


@st.fragment
@session.guarded
def _learned(hand: Hand, text: str) -> None:
    st.header("The first state: zero, or learned")
    st.write(
        "Before the first character there is no state yet. Most programs begin with zeros. The first state can also be "
        "learned: it is a vector of numbers like any weight, and the loss has a gradient with respect to it. Here the "
        "network of this page guesses each next letter through a random dense layer. All weights stay as they are; "
        "gradient descent, each of its gradients clipped to ±1, moves only the first state."
    )
    seed = st.number_input(
        "Seed of the dense layer",
        0,
        LAST_SEED,
        key=session.whole("keep_cell_start_seed", 0, LAST_SEED, 0),
        disabled=session.frozen("model"),
    )
    _which_profit()
    numbers = _frozen_numbers(hand)
    wanted = f"{hash((hand.cell_type, hand.letters, numbers, text, int(seed)))}"
    if st.button("Learn the first state", type="primary"):
        st.session_state["cell_start_wanted"] = wanted
    if st.session_state.get("cell_start_wanted") != wanted:
        st.caption(f"{_UPDATES} steps of gradient descent on the first {LEARNED_STEPS} characters; takes a moment.")
        return
    with st.spinner("Learning …"):
        found, grid, loss = _learn(hand.cell_type, hand.letters, numbers, text, int(seed))
    _show_learned(hand, text[:LEARNED_STEPS], found, grid, loss)


def _which_profit() -> None:
    ask(
        Choose(
            "cell-start",
            "Gradient descent begins at zeros and moves nothing but the first state, in small enough steps. What can "
            "be "
            "said of the loss on these characters before you see it?",
            "It goes downhill in the mean. Single characters may lose while others gain more; the picture on the right "
            "shows which. A cell that soon forgets gains at the first few alone, one that keeps its state perhaps at "
            "the last.",
            ("its mean falls, or stays", "it falls at every character", "it falls at the first character alone"),
            0,
        ),
        title="Before you look",
    )


def _show_learned(hand: Hand, text: str, found: LearnedStart, grid: np.ndarray, loss: np.ndarray) -> None:
    before, after, chances = found.losses[0], found.losses[-1], found.probabilities
    one, two, three = st.columns(3)
    one.metric("Mean loss, start at zero", f"{before:.4f} nats")
    two.metric("Mean loss, start learned", f"{after:.4f} nats", f"{after - before:+.4f}", delta_color="inverse")
    three.metric(
        "Probability of the first character", f"{chances[1]:.1%}", f"{100 * (chances[1] - chances[0]):+.1f} points"
    )
    names = [symbol("hidden", hand.cell_type), "c"]
    first = "; ".join(
        f"{name}₀ = ({', '.join(charts.number(float(v)) for v in row)})"
        for name, row in zip(names, found.path[-1], strict=False)
    )
    st.markdown(f"Learned: {first}. It began at zero.")
    left, right = st.columns(2)
    with left:
        way = found.path[:, 0, :2]
        title = "The loss over the first state, and the way down"
        note = f"{_UPDATES} steps, rate {_RATE:g}, from zero; darker is lower" + (
            "; h alone, c as learned" if len(found.path[0]) > 1 else ""
        )
        st.altair_chart(plots.surface_chart(grid, loss, way, title, note), width="stretch")
        st.caption("Look at how the orange line leaves zero and goes downhill, across the lines of equal loss.")
    with right:
        losses = {"start at zero": found.before, "start learned": found.after}
        chart = plots.lines_chart(losses, "character", "loss (nats)", "Loss of each character’s guess", first=1)
        st.altair_chart(chart, width="stretch")
        st.caption(
            "Look at whether the two lines meet: from there on the network has forgotten where it began. A cell that "
            "keeps its state may never forget. In PyTorch the "
            "first state is an `nn.Parameter` given as `h_0`, in Keras a weight given as `initial_state`."
        )


@st.fragment
@session.guarded
def _direction(choice: Choice, hand: Hand, text: str) -> None:
    st.header("From the right: go_backwards, and both ways at once")
    st.write(
        "The same cell can read the text from its last character to its first: `go_backwards=True` in Keras, "
        "`x.flip(0)` in PyTorch. A bidirectional layer is two cells, one for each way."
    )
    own = st.toggle(
        "Give the backward cell weights of its own",
        key=session.ticked("keep_cell_direction_own", False),
        disabled=session.frozen("model"),
        help="Random ones, by the seed 1; else both read with the same weights.",
    )
    other = make(hand.cell_type, RANDOM, hand.letters, hand.units, 1) if own else hand
    forward, backward = walk(hand, text), backwards(other, text)
    _which_is_backwards(hand, text, lambda: _both(hand, text, forward, backward, other))
    ask(
        Number(
            "cell-both-ways",
            "A bidirectional layer with 10 units each way reads texts of 30 words in a batch of 2, and returns its "
            "outputs at every step. How many numbers is that?",
            "2 texts · 30 steps · (10 + 10) units = 1200: the two directions are concatenated at every step.",
            1200,
            0,
        )
    )


def _both(hand: Hand, text: str, forward: Walk, backward: Walk, other: Hand) -> None:
    """Draw both readers' states, aligned, and their last ones side by side; `other` reads from the right."""
    state, scale = symbol("hidden", hand.cell_type), scale_of("hidden", hand.cell_type)
    rows = {f"{state}{u + 1} from the left": (forward.states["hidden"][1:, u], scale) for u in range(hand.units)}
    rows |= {f"{state}{u + 1} from the right": (aligned(backward)[:, u], scale) for u in range(hand.units)}
    st.altair_chart(charts.strip_chart(rows, tuple(text), "Both readers’ states, aligned"), width="stretch")
    ends = [as_text(visible(text[at])) for at in (-1, 0)]
    finals = [forward.states["hidden"][-1], backward.states["hidden"][-1]]
    told_finals = [", ".join(charts.number(float(v)) for v in final) for final in finals]
    st.caption(
        "Look at one column: the upper rows know what stands to its left, the lower ones what stands to its right. For "
        "a label at every character the column is the output; Keras’ Bidirectional and PyTorch’s bidirectional=True "
        f"align the steps for you, go_backwards alone does not. Source: {cite('schuster1997', 'graves2005')}."
    )
    st.markdown(
        f"**For one answer about the text** the two last states are concatenated: from the left ({told_finals[0]}), "
        f"after “{ends[0]}”; from the right ({told_finals[1]}), after “{ends[1]}”. "
        f"Together {2 * hand.units} numbers."
    )
    note = "Both print the rows “from the right”, a character of the text in each line."
    lines(pytorch_backwards(other, text), keras_backwards(other, text), note=note)


_ECHO = "aabab b"


def _which_is_backwards(hand: Hand, text: str, reveal: Callable[[], None]) -> None:
    """Ask which strip is the backward reader's, in the order of the text; an echo's where the page's own are alike."""
    which = "the network and text above"
    found = _strips(hand, text)
    if found is None:
        which, text = f"the RNN with the weights “an echo that fades” and the text “{_ECHO}”", _ECHO
        hand = make("rnn_tanh", "echo", "ab")
        found = _strips(hand, text)
    reach = max(1.0, *(float(np.abs(values).max()) for _, values in found))
    pictures = [
        plots.lines_chart(
            {"unit 1": values}, "character", "state", "unit 1", first=1, domain=(-reach, reach), height=170
        )
        for _, values in found
    ]
    question = Picture(
        "cell-backwards",
        f"Take {which}. Which picture is unit 1 of a cell that reads from the right, with the same weights and each "
        "state under the character that was read last?",
        "Its first state stands under the last character, since it begins there, and its last state under the first "
        "one. One of the others is the same row in the order of reading, as Keras’ go_backwards returns it.",
        tuple(name for name, _ in found),
        2,
    )
    ask(question, pictures=pictures, title="Before you look", reveal=reveal)


def _strips(hand: Hand, text: str) -> list[tuple[str, np.ndarray]] | None:
    """Return three rows of unit 1, the right one last, in words and numbers; None where two look alike."""
    backward = backwards(hand, text).states["hidden"][1:, 0]
    rows = [backward, walk(hand, text).states["hidden"][1:, 0], backward[::-1]]
    told_rows = [" ".join(f"{v:z.2f}".replace("-", "−") for v in row[:12]) for row in rows]
    return None if len(set(told_rows)) < len(rows) else list(zip(told_rows, rows, strict=True))

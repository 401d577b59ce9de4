"""Unrolling: the loop as a cycle and as a chain, from a running sum to a real cell."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.chain import trace_chart
from rnnviz.charts.palette import Scale
from rnnviz.components.chain import Chain, Lane, Phase, Program, chain, lanes
from rnnviz.components.question import ask
from rnnviz.errors import TextError
from rnnviz.lesson.questions import Number, Order, Picture, Several
from rnnviz.lesson.references import cite
from rnnviz.lesson.unrolling import FOLDS, MOST_STEPS, FoldRun, characters, fold, numbers, round_up
from rnnviz.pages.lesson import unrolling_cell, unrolling_more

_FOLD, _NUMBERS, _TEXT, _LETTER = (f"keep_unrolling_{name}" for name in ("fold", "numbers", "text", "letter"))
_FIRST_NUMBERS, _FIRST_TEXT = "3 1 4 1 5 9 2 6", "The loop reads letter by letter."
_SHOWN = ("mean", "sum", "largest")


def render() -> None:
    """Draw the page."""
    st.title("Unrolling")
    st.write(
        "A recurrent network is a **loop**. It keeps a *state*; each input makes a new state out of the old one and "
        "gives an output. Drawn as a cycle it is one box whose state comes back to it. Drawn as a chain, one box a "
        "step, it is **unrolled**: the same box again and again. Libraries hide this loop inside one call; here it is "
        "taken out, and runs one line at a time."
    )
    _scan()
    unrolling_cell.render()
    unrolling_more.render()


@st.fragment
@session.guarded
def _scan() -> None:
    st.header("1. A function folded over a sequence")
    st.write(
        "The smallest cell has no weights at all: it adds the input to its state. Folding a function of (state, "
        "input) over a sequence is called a **scan**: `itertools.accumulate` in Python, `jax.lax.scan` in JAX, "
        "`tf.scan` in TensorFlow. Play it, or go line by line."
    )
    name = st.segmented_control(
        "The cell",
        list(FOLDS),
        key=session.fitting(_FOLD, list(FOLDS), "sum"),
        required=True,
        format_func=lambda key: FOLDS[key].label,
    )
    cell = FOLDS[name]
    run = fold(name, _inputs(cell.reads, name), _letter())
    chain(_fold_chain(name, run), key="unrolling_chain_scan", label=f"A {cell.label}, unrolled", at=6)
    st.caption(
        "Look at the arrow between two boxes: it is all that the next step knows of the past. In the cycle it is the "
        "arrow that comes back. Press Play, and watch which line is lit when the state changes."
    )
    _remark(name)
    _scan_questions(run)


def _inputs(reads: str, name: str) -> list[float | str]:
    """Ask for what is read."""
    frozen = session.frozen("text")
    if reads == "numbers":
        text = st.text_input("Numbers", key=session.typed(_NUMBERS, _FIRST_NUMBERS), disabled=frozen)
        found = numbers(text)
        _tell_shortened(len(text.replace(",", " ").replace(";", " ").split()))
        return found
    left, right = st.columns([4, 1])
    text = left.text_input("Text, read letter by letter", key=session.typed(_TEXT, _FIRST_TEXT), disabled=frozen)
    if name == "letter":
        letter = right.text_input("Letter to count", key=session.typed(_LETTER, "e"), max_chars=1, disabled=frozen)
        if not letter:
            raise TextError("There is no letter to count: type one.")
    found = characters(text)
    _tell_shortened(len(text))
    return found


def _letter() -> str:
    return str(st.session_state.get(_LETTER, "e"))[:1]


def _tell_shortened(pieces: int) -> None:
    if pieces > MOST_STEPS:
        st.info(f"The text is long: the chain shows its first {MOST_STEPS} steps.")


def _fold_chain(name: str, run: FoldRun) -> Chain:
    cell = FOLDS[name]
    finite = run.states[np.isfinite(run.states)]
    end = round_up(float(np.abs(finite).max(initial=1)))
    scale = Scale(-end, end, False)
    return Chain(
        run.tokens,
        lanes(
            cell.names, run.states, scale, f"colour from \u2212{end:g} (blue) to {end:g} (red), the numbers as they are"
        ),
        _program(name),
        outputs=Lane("output", run.outputs[:, None], scale),
        told=run.told,
    )


def _program(name: str) -> Program:
    cell = FOLDS[name]
    start = ", ".join("-inf" if np.isinf(v) else f"{v:g}" for v in cell.initial)
    head = len(cell.program)
    lines = (
        *cell.program,
        "",
        f"state = {start}",
        "for x in inputs:",
        "    output, state = cell(x, state)",
        "    outputs.append(output)",
        "return outputs, state",
    )
    phases = (
        Phase(head + 2, "input"),
        Phase(head + 3, "cell", tuple(range(1, head))),
        Phase(head + 4, "output"),
    )
    return Program(lines, head + 1, phases, head + 5)


def _remark(name: str) -> None:
    if name == "mean":
        st.info(
            "Here **output and state are two things**. The output is one number, the mean so far; from it alone the "
            "next mean could not be made. The state holds two: the total and the count."
        )
    elif name == "words":
        st.info(
            "Here **output and state are two things**. To count a word once, the cell must know whether the letter "
            "before was inside a word. The output does not need that number; the next step does."
        )
    else:
        st.write(
            "Here the output *is* the state, y_t = h_t, as in the simplest recurrent layers. Choose the running mean "
            "or the count of words for a cell whose state holds more than it shows."
        )


def _spelt(values: np.ndarray) -> str:
    """Name a picture in words, for those who cannot see it."""
    return " ".join(f"{value:.3g}" for value in values[:12]) + (" …" if len(values) > 12 else "")


def _kept_numbers() -> list[float]:
    """Return the reader's numbers, or the first ones where a text cell is chosen and they cannot be read."""
    kept = st.session_state.get(_NUMBERS)
    try:
        return numbers(kept if isinstance(kept, str) else _FIRST_NUMBERS)
    except TextError:
        return numbers(_FIRST_NUMBERS)


def _scan_questions(run: FoldRun) -> None:
    steps = len(run.tokens)
    values = _kept_numbers()
    told = ", ".join(f"{value:g}" for value in values[:12]) + (", …" if len(values) > 12 else "")
    sums = fold("sum", values)
    at = max(1, len(values) // 2)
    ask(
        Number(
            "unrolling-sum",
            f"The running sum reads {told}. What is its state after step {at} of {len(values)}?",
            "The state after t steps is the sum of the first t numbers. Nothing else of them is kept: their order, "
            "their sizes, even how many there were are gone.",
            float(sums.states[at, 0]),
            1e-3 * max(1.0, abs(float(sums.states[at, 0]))),
        )
    )
    ask(
        Several(
            "unrolling-fixed",
            "The state has a fixed size, however long the sequence. Which of these can a scan give after every step "
            "with a state of one or two numbers?",
            "For the mean the state holds total and count; for the last but one, the last two. The median needs all "
            "numbers seen so far, and no fixed size is enough for it. What a cell cannot put into its state is "
            "lost, whatever the weights.",
            ("the largest number so far", "the mean so far", "the median so far", "the last number but one"),
            (0, 1, 3),
        )
    )
    if len(values) > 1:
        runs = {name: fold(name, values).outputs for name in _SHOWN}
        if len({tuple(np.round(v, 6)) for v in runs.values()}) == len(runs):
            ask(
                Picture(
                    "unrolling-trace",
                    "The same numbers were read by three cells: a sum, a maximum and a mean. Which picture is the "
                    "output of the **maximum**?",
                    "A running maximum never falls and rises only when a new record is read; a mean goes up and down; "
                    "a sum of positive numbers only grows.",
                    tuple(_spelt(runs[name]) for name in _SHOWN),
                    2,
                ),
                pictures=[trace_chart(runs[name]) for name in _SHOWN],
            )
    ask(
        Order(
            "unrolling-order",
            "Put the lines in the order in which they run, for a sequence of a single input. (Your sequence of "
            f"{steps} only repeats the two in the middle.)",
            "The state must exist before the first input, so something has to be chosen for it: zeros, random numbers, "
            "or numbers that are learned. " + f"In {cite('elman1990')} the context units start from fixed values.",
            ("state = initial", "x = next input", "output, state = cell(x, state)", "return outputs, state"),
        )
    )

"""The step-through's questions."""

from __future__ import annotations

from functools import lru_cache

import streamlit as st

from rnnviz.charts import cell as charts
from rnnviz.charts import cell_plots as plots
from rnnviz.charts.palette import scale_of
from rnnviz.charts.text import as_text, visible
from rnnviz.components.question import ask
from rnnviz.lesson.cell import Hand, step_rows, symbol, walk
from rnnviz.lesson.cell_presets import make
from rnnviz.lesson.questions import Number, Order, Picture


def next_state(hand: Hand, text: str) -> None:
    """Ask for a state beyond the text, computed from the network on the page."""
    letter = hand.letters[0]
    read = walk(hand, text + letter)
    state, right = symbol("hidden", hand.cell_type), float(read.states["hidden"][-1, 0])
    tolerance = max(0.02, 0.01 * abs(right))
    question = Number(
        "cell-next",
        f"Let the text go on with one more “{as_text(visible(letter))}”. What will the state {state} of unit 1 "
        f"be then? It is {charts.number(float(read.states['hidden'][-2, 0]))} before that. Two decimals will do.",
        "Put the numbers into the formulas above, with the state after the last step as the old one.",
        round(right, 6),
        tolerance,
    )

    def reveal() -> None:
        rows = step_rows(hand, read, len(text))
        st.html(
            charts.table_html(
                [
                    (r.part, r.name, r.formula, r.values, scale_of(r.signal, hand.cell_type) if r.signal else None)
                    for r in rows
                    if r.part != "sums"
                ]
            )
        )

    ask(question, reveal=reveal)


@lru_cache(maxsize=1)
def _counting() -> tuple:
    read = walk(make("lstm", "counter", "ab"), "aabab")
    rows = [
        ("cell", read.states["cell"][1:, 0]),
        ("hidden", read.states["hidden"][1:, 0]),
        ("input_gate", read.gates["input_gate"][:, 0]),
    ]
    told = [" ".join(charts.number(float(v))[:4] for v in values) for _, values in rows]
    return rows, told


def counter_picture() -> None:
    """Ask which picture shows what the LSTM counter shows."""
    rows, told = _counting()
    pictures = [
        plots.lines_chart({"unit 1": values}, "step", "value", "unit 1", first=1, domain=(0, 3.2), height=200)
        for _, values in rows
    ]
    order = (1, 2, 0)
    question = Picture(
        "cell-counter-picture",
        "The LSTM with the weights “counter” reads “aabab”. Which picture is h, unit 1’s hidden state?",
        "c counts 1, 2, 3 and on without a bound. h is o · tanh(c): it creeps towards 1, so that from h alone five and "
        "six can hardly be told apart. The line that falls to 0 is the input gate, shut at “b”.",
        tuple(told[i] for i in order),
        order.index(1),
    )
    ask(question, pictures=[pictures[i] for i in order])


def order_of_an_lstm() -> None:
    """Ask in which order an LSTM computes."""
    ask(
        Order(
            "cell-order",
            "In which order does one step of an LSTM go?",
            "The gates need only x and the old h. The new c needs the gates; h needs the new c, so it comes last: what "
            "an LSTM shows already holds what it has just written.",
            (
                "the sums W_x x + W_h h + b of all gates",
                "the gates i, f, o and the candidate g",
                "what is kept and what is written: f · c and i · g",
                "the new cell state c",
                "the new hidden state h = o · tanh(c)",
            ),
        )
    )

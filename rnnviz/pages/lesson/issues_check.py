"""Questions over the whole lesson, at its end."""

from __future__ import annotations

import streamlit as st

from rnnviz.components.question import ask, score
from rnnviz.lesson.issues_cost import parameters
from rnnviz.lesson.questions import Choice, Number, Order, Several

_VECTOR, _UNITS = 100, 64


def render() -> None:
    """Ask."""
    st.header("Check yourself: the whole lesson")
    st.write("Seven questions over all pages. Each names the page where the answer can be tried out.")
    lstm = parameters("lstm", _VECTOR, _UNITS)
    for question in (_order(), _gru(), _gates(), _weights(lstm), _slopes(), _shapes(), _remedies()):
        ask(question, title="Over all pages")
    _score()


@st.fragment
def _score() -> None:
    right, answered = score()
    st.caption(
        f"In this session you have answered {answered} questions of the lesson, {right} of them right in the end."
    )
    st.button("Count my answers again", key="issues_score")


def _order() -> Several:
    return Several(
        "issues-check-order",
        "The words of a text are put into another order. Which of these may give another answer?",
        "A count and a mean do not know places, so a permutation leaves them as they are. A chain of states does, and "
        "a dense net on 500 words has weights of its own for each place. [Order matters](/order)",
        (
            "a bag of words with a linear head",
            "the mean of all word vectors with a dense head",
            "an RNN read at its last state",
            "a feed-forward net over all words side by side",
        ),
        (2, 3),
    )


def _gru() -> Choice:
    return Choice(
        "issues-check-gru",
        "A GRU\u2019s update gate z is 1 for a unit at a step. What happens to the unit in PyTorch, and what in the "
        "form s_t = z_t * candidate + (1 \u2212 z_t) * s_{t-1} that many notes use?",
        "In PyTorch h_t = (1 \u2212 z) * n + z * h_{t-1}: an open gate keeps. In the other form it writes. But for "
        "the place of the reset gate the two are the same cell with z and 1 \u2212 z exchanged, and a weight file of "
        "one is wrong in the other. [Inside the cell](/cell)",
        (
            "it is kept in PyTorch and overwritten in the other form",
            "it is overwritten in PyTorch and kept in the other form",
            "it is kept in both",
            "it is overwritten in both",
        ),
        0,
    )


def _gates() -> Order:
    return Order(
        "issues-check-lstm",
        "An LSTM takes one step. In which order can these be computed?",
        "Gates and candidate need only the input and the old hidden state; the new cell state needs them; what is "
        "shown needs the new cell state and the output gate. [Inside the cell](/cell)",
        (
            "W [h, x] + b for all gates at once",
            "sigmoid for the gates and tanh for the candidate",
            "the cell state c_t, kept and written",
            "the hidden state h_t, shown",
        ),
    )


def _weights(right: int) -> Number:
    return Number(
        "issues-check-weights",
        f"How many numbers are in an LSTM layer of {_UNITS} units over word vectors of {_VECTOR} numbers, as PyTorch "
        "builds it, with two bias vectors? The text has 500 words.",
        f"{right:,}: four blocks of rows, each with {_UNITS} x ({_VECTOR} + {_UNITS}) weights and 2 x {_UNITS} "
        "biases. The 500 words do not matter: the weights are shared over time. Keras has one bias vector, so "
        f"{right - 4 * _UNITS:,}. [Unrolling](/unrolling)",
        float(right),
        unit="numbers",
    )


def _slopes() -> Number:
    return Number(
        "issues-check-slopes",
        "One sigmoid unit, recurrent weight 1. By what factor at most is a gradient multiplied over three steps back?",
        "The sigmoid\u2019s slope is \u03c3(1 \u2212 \u03c3), at most 1/4, so three steps leave at most 1/64 = "
        "0.015625. [Gradients, Warm-up](/gradients)",
        0.25**3,
        1e-4,
    )


def _shapes() -> Choice:
    return Choice(
        "issues-check-shapes",
        "A bidirectional LSTM of 64 units reads a batch of 32 texts, padded to 20 words. Which shape has what a tagger "
        "reads, an output at every word?",
        "Both directions\u2019 states at the same word are put side by side, 2 x 64 numbers, at each of 20 steps. A "
        "classifier reads the two final states, (32, 128). [One API, many shapes](/shapes)",
        ("(32, 20, 128)", "(32, 20, 64)", "(32, 128)", "(20, 128)"),
        0,
    )


def _remedies() -> Several:
    return Several(
        "issues-check-remedies",
        "Which of these help against gradients that *vanish* over time?",
        "Gates and residual sums give the gradient a way back that is not multiplied down at every step; ReLU\u2019s "
        "slope is 1 where it is on; orthogonal weights keep lengths at the start. Clipping only caps gradients that "
        "explode, and a vocabulary decides what is read, not how far a gradient comes. [Gradients](/gradients), "
        "[Training by steps](/training)",
        (
            "gates, as in LSTM and GRU",
            "clipping the gradient\u2019s norm",
            "the residual form s_t = f(x_t, s_{t-1}) + s_{t-1}",
            "ReLU in place of the sigmoid",
            "orthogonal recurrent weights at the start",
            "a larger vocabulary",
        ),
        (0, 2, 3, 4),
    )

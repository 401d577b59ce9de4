"""Training by steps: back-propagation through time with the true numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.palette import Scale
from rnnviz.components.chain import Chain, Lane, Phase, Program, chain
from rnnviz.components.question import ask
from rnnviz.lesson import bptt as back
from rnnviz.lesson import unrolling_cell as cells
from rnnviz.lesson.questions import Choice, Order
from rnnviz.lesson.references import cite
from rnnviz.lesson.unrolling import words
from rnnviz.network import Network
from rnnviz.pages.lesson import bptt_chain, bptt_descent, bptt_sum
from rnnviz.pages.lesson.unrolling_cell import HAND, network_box

_TEXT, _NETWORK, _CELL, _TARGET = (f"keep_bptt_{name}" for name in ("text", "network", "cell", "target"))
_FIRST = "The film was not bad at all"
_TARGETS = ("no", "yes")
_RANGE = 3.0
_NOTE = (
    "colour: how much smaller (blue, down to a thousandth) or larger (red, up to a thousand times) it is than at the "
    "loss; numbers: the norm itself"
)


@dataclass(frozen=True, eq=False)
class Small:
    """The small network, what it reads and what it should answer; the other parts of the page use it too."""

    network: Network
    ids: np.ndarray
    tokens: list[str]
    target: int


def render() -> None:
    """Draw the page."""
    st.title("Training by steps")
    st.write(
        "To train a recurrent network, unroll it over the text, and go back through the chain by the chain rule, from "
        f"the loss to the first word: **back-propagation through time**, BPTT ({cite('werbos1990')}). Below are the "
        "true numbers of every step."
    )
    found = _flowing()
    if found is None:
        return
    bptt_sum.render(*found)
    bptt_chain.render(*found)
    bptt_descent.render(found[0])


def _flowing() -> tuple[Small, str, back.Flow, back.Cut] | None:
    st.header("1. Forward through the chain, then back")
    left, right = st.columns(2)
    with left:
        name = network_box("Network", _NETWORK)
    text = right.text_input("Text", key=session.typed(_TEXT, _FIRST), disabled=session.frozen("text"))
    one, two = st.columns(2)
    cell = one.segmented_control(
        "Cell of the small network",
        list(cells.HAND_CELLS),
        key=session.fitting(_CELL, list(cells.HAND_CELLS), "rnn_tanh"),
        required=True,
        format_func=cells.HAND_CELLS.get,
    )
    target = two.segmented_control(
        "Right answer of the small network", _TARGETS, key=session.fitting(_TARGET, _TARGETS, "no"), required=True
    )
    read = words(text)
    if name == HAND:
        session.first_of(read, back.MOST_STEPS, "words")
    read = read[: back.MOST_STEPS]
    network, ids = cells.hand_network(read, cell)
    small = Small(network, ids, read, _TARGETS.index(target))
    if name == HAND:
        flow, cut = back.flow(network, ids, read, small.target), back.cut(network, ids, read, small.target)
    else:
        model = session.load_model(name)
        part = session.shown_part(model, text, back.MOST_STEPS)
        flow, cut = session.kept(back.flow_of, model, part), session.kept(back.cut_of, model, part)
    _forward_and_back(flow, name)
    return small, name, flow, cut


@st.fragment
@session.guarded
def _forward_and_back(flow: back.Flow, name: str) -> None:
    one, two, three = st.columns(3)
    one.metric("Loss after the last token", f"{flow.loss_nats:.4f} nats", border=True)
    two.metric("Probability of the right answer", f"{flow.answer:.4f}", border=True)
    hidden = flow.log10_norms["hidden"]
    three.metric("Gradient left at the first token", share(hidden[1] - hidden[-1]), border=True)
    chain(_back_chain(flow), key="bptt_back", label="The gradient on its way back", at=2 * min(2, flow.steps) + 1)
    states = "dh and dc, the norms of dL/dh_t and dL/dc_t" if "cell" in flow.log10_norms else "dh, the norm of dL/dh_t"
    st.caption(
        f"The arrows point backwards now. Look at {states}: step back with Forward, and watch how much of the "
        "loss’s gradient is left at each arrow. In each box "
        "stands the factor by which this step changed it, above it the norm of what the step adds to "
        "dL/dW_h. " + _what(name)
    )
    ask(
        Order(
            "bptt-order",
            "One update of a recurrent network: put what happens in order.",
            "The weights can only be changed when the whole chain was gone through twice: an update waits for the "
            "whole sequence, and every state on the way has to be kept in memory until the gradient comes back to it.",
            (
                "read the whole text and keep every state",
                "take the loss after the last step",
                "go back step by step and add up each step's part of dL/dW",
                "change the weights once",
            ),
        )
    )
    _nearest(flow)


def _what(name: str) -> str:
    if name == HAND:
        return (
            "The network is the one of [Unrolling](/unrolling), two units, its weights as drawn; its loss is the "
            "cross-entropy of the right "
            "answer after the last word."
        )
    return "For a classifier the loss is that of its own answer, for a language model that of the next character."


def share(log10_ratio: float) -> str:
    """Return a ratio, given by its logarithm, for people to read."""
    if np.isnan(log10_ratio):
        return "none"
    if log10_ratio == -np.inf:
        return "exactly 0"
    return f"{10**log10_ratio:.3g} of it" if abs(log10_ratio) < 4 else f"10^{log10_ratio:.1f} of it".replace("-", "−")


def _back_chain(flow: back.Flow) -> Chain:
    lanes = tuple(_norms(flow, state, letter) for state, letter in _letters(flow).items())
    parts = Lane("part", back.norms(flow.log10_parts)[:, None], None, ("norm of this step's part of dL/dW_h",))
    return Chain(flow.tokens, lanes, _program(flow), cell="back", outputs=parts, told=_factors(flow), backwards=True)


def _factors(flow: back.Flow) -> tuple[str, ...]:
    """Say by what factor each step back changed the norm of dL/dh."""
    logs = flow.log10_norms["hidden"]
    with np.errstate(invalid="ignore"):
        return tuple(f"dh \u00d7 {v:.3g}" for v in back.norms(logs[:-1] - logs[1:]))


def _letters(flow: back.Flow) -> Mapping[str, str]:
    return {"hidden": "dh", "cell": "dc"} if "cell" in flow.log10_norms else {"hidden": "dh"}


def _norms(flow: back.Flow, state: str, letter: str) -> Lane:
    logs = flow.log10_norms[state]
    at_loss = flow.log10_norms["hidden"][-1]
    finite = np.nan_to_num(logs - at_loss, nan=0.0, neginf=-_RANGE, posinf=_RANGE)
    return Lane(
        letter,
        back.norms(logs)[:, None],
        Scale(-_RANGE, _RANGE, False),
        (f"norm of dL/d{letter[1]}",),
        colours=finite[:, None],
        note=_NOTE,
    )


def _program(flow: back.Flow) -> Program:
    states = ", ".join(_letters(flow).values())
    lines = (
        f"{states} = gradient of the loss at the last state",
        "dW = 0",
        "for t in reversed(range(len(inputs))):",
        "    part = what step t adds to dL/dW",
        "    dW = dW + part",
        f"    {states} = back_through_the_cell({states}, t)",
        "weights = weights - rate * dW   # only now",
    )
    return Program(lines, 0, (Phase(4, "output", (2, 3)), Phase(5, "cell", (2,))), 6)


def _nearest(flow: back.Flow) -> None:
    """Ask which step adds most, as far as one does."""
    parts = flow.log10_parts
    if flow.steps < 5 or not np.isfinite(parts).any():
        return
    best = int(np.nanargmax(parts))
    options = ("the first two steps", "somewhere between", "the last two steps")
    right = 0 if best < 2 else (2 if best >= flow.steps - 2 else 1)
    ask(
        Choice(
            "bptt-nearest",
            f"Among the {flow.steps} steps above, where is the one that adds most to dL/dW_h?",
            f"It is step {best + 1} (norm {10 ** parts[best]:.3g}). A step’s part is the gradient that still reaches "
            "it times the state before it. Where the gradient fades on the way back, the last steps teach the weights "
            f"and the first hardly do ({cite('bengio1994')}).",
            options,
            right,
        ),
        title="Read it off the chain",
    )

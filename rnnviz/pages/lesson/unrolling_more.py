"""Unrolling, last part: one more token costs one step, and where the state starts."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.chain import apart_chart
from rnnviz.components.question import ask
from rnnviz.errors import TextError
from rnnviz.lesson import unrolling_cell as cells
from rnnviz.lesson.questions import Choice, Number
from rnnviz.lesson.references import cite
from rnnviz.lesson.unrolling import MOST_STEPS, words
from rnnviz.pages.lesson.unrolling_cell import FIRST, HAND, WORDS, hand_cell, network_box

_NETWORK, _NEXT, _SEED = "keep_unrolling_more_network", "keep_unrolling_next", "keep_unrolling_seed"
_START_STEPS = 60


def render() -> None:
    """Draw the part."""
    _one_more()
    _starts()


@st.fragment
@session.guarded
def _one_more() -> None:
    st.header("3. One more token costs one step")
    st.write(
        "The state is all that the network keeps of the past. So to read one more token it need not read the text "
        "again: it goes on from the state it has. This is **incremental inference**; it is what makes the Neurons and "
        "Sentiment pages answer while you type. Here the text of the cell above is read, and one more token after it."
    )
    left, right = st.columns(2)
    with left:
        name = network_box("Network that goes on", _NETWORK)
    more = right.text_input("One more word", key=session.typed(_NEXT, "really"), disabled=session.frozen("text"))
    if not more.strip():
        raise TextError("There is no word to go on with: type one.")
    text = _text()
    found = _measured(name, text, more.split()[0])
    one, two, three = st.columns(3)
    one.metric(
        "Steps, going on",
        1,
        delta=f"{found.seconds[0] * 1e3:.2f} ms",
        delta_color="off",
        delta_arrow="off",
        border=True,
    )
    two.metric(
        "Steps, reading anew",
        found.steps + 1,
        delta=f"{found.seconds[1] * 1e3:.2f} ms",
        delta_color="off",
        delta_arrow="off",
        border=True,
    )
    three.metric("Largest difference of the two states", f"{found.apart:.1e}", border=True)
    _table(found)
    ask(_work(min(len(words(text)), MOST_STEPS - 1)))


def _text() -> str:
    text = st.session_state.get(WORDS)
    return text if isinstance(text, str) and text.strip() else FIRST


def _measured(name: str, text: str, more: str) -> cells.OneMore:
    if name == HAND:
        cell, changed = hand_cell()
        read = [*session.first_of(words(text), MOST_STEPS - 1, "words"), more]
        network, ids = cells.hand_network(read, cell, changed)
        return cells.one_more(network, ids)
    return session.kept(cells.watch_one_more, session.load_model(name), f"{text} {more}")


def _table(found: cells.OneMore) -> None:
    count = min(4, len(found.on))
    st.table(
        {
            "unit": list(range(count)),
            "going on from the kept state": [f"{v:.8f}" for v in found.on[:count]],
            "reading everything anew": [f"{v:.8f}" for v in found.anew[:count]],
        }
    )
    st.caption(
        f"Look at the two columns: the state after {found.steps + 1} tokens is the same to the last digits, whether "
        f"the first {found.steps} were read once or twice. In PyTorch: `output, state = layer(x, state)`; in Keras: "
        "`return_state=True` and `initial_state=`, or `stateful=True`. The milliseconds were measured just now; for "
        "short texts they are mostly the cost of a call."
    )


def _work(steps: int) -> Number:
    total = sum(range(1, steps + 1))
    return Number(
        "unrolling-typing",
        f"A reader types your text of {steps} words, and after every word the network is to answer. Going on, it takes "
        f"{steps} steps in all. How many steps does it take if it reads the whole text anew after every word?",
        f"1 + 2 + ... + {steps} = {steps} x {steps + 1} / 2 = {total}. Going on from the state makes the work "
        "proportional to the length; reading anew makes it grow with its square.",
        float(total),
        0.0,
        "steps",
    )


@st.fragment
@session.guarded
def _starts() -> None:
    st.header("4. Where the state starts")
    st.write(
        "Something must stand before the first step. Mostly it is **zeros** (PyTorch and Keras do this when nothing is "
        "given); it can be **random**, or **learned** like a weight, by gradient descent. Below, the small network of "
        "part 2 reads your text from all three. What is learned here is the start alone: 150 updates bring the first "
        "score after each word nearer to the length of the next word."
    )
    read = session.first_of(words(_text()), _START_STEPS, "words")
    if len(read) < 2:
        raise TextError("One word has no next word: type at least two in part 2 to learn a start.")
    cell, changed = hand_cell()
    drawn = int(st.number_input("Seed of the random start", 0, 999, key=session.whole(_SEED, 0, 999, 0)))
    network, ids = cells.hand_network(read, cell, changed)
    runs = cells.starts(network, ids, read, drawn)
    for column, (name, run) in zip(st.columns(3), runs.items(), strict=True):
        start = ", ".join(f"{v:.2f}" for v in run.states["hidden"][0])
        loss = cells.next_length_loss(run, network, ids)
        column.metric(f"{name}: h\u2080 = [{start}]", f"loss {loss:.4f}", border=True)
    zero = runs["zero"].states["hidden"]
    apart = {name: np.linalg.norm(runs[name].states["hidden"] - zero, axis=1) for name in ("random", "learned")}
    st.altair_chart(apart_chart(apart), width="stretch")
    st.caption(
        "Look at how soon the lines fall: a cell that forgets its start soon gives the same states from any start, and "
        "then the choice hardly matters; one that remembers carries it along. Set W_h nearer to zero, or larger, in "
        "part 2 and come back."
    )
    ask(
        Choice(
            "unrolling-end",
            "You give a network the second half of a text, and want the states that it would have had after the whole "
            "text. What must it be given besides?",
            "The state after the first half is all that the first half can do to the second. That it has a fixed size "
            "is the strength of recurrent networks (any text, the same cost a step) and their weakness (all of the "
            f"past has to fit into it). {cite('elman1990', 'cho2014')}.",
            (
                "nothing: it starts from zeros and finds the same states",
                "its state after the first half",
                "the first half's tokens: there is no other way",
                "the weights as they were during the first half",
            ),
            1,
        ),
        title="To end with",
    )

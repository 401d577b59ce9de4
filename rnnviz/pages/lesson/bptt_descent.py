"""Training by steps, last part: the update itself, on the small network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.bptt import losses_chart, rates_chart
from rnnviz.components.knobs import Knob, knobs
from rnnviz.components.question import ask
from rnnviz.lesson import bptt as back
from rnnviz.lesson.questions import Choice, Number
from rnnviz.lesson.references import cite

if TYPE_CHECKING:
    from rnnviz.pages.lesson.bptt import Small

_KNOBS = (
    Knob("rate", "Learning rate", 0.001, 100, 0.05, 0.1, logarithmic=True, help="Of plain gradient descent."),
    Knob("updates", "Updates", 1, 30, 1, 1, help="Each reads the text forward and back."),
)
_RATES = np.logspace(-3, 2, 21)


@st.fragment
@session.guarded
def render(small: Small) -> None:
    """Draw the part."""
    st.header("5. The update, live")
    st.write(
        "With the whole sum at hand the weights move once, a little way against it. This is the small network on your "
        "text; all its weights move, the words’ numbers stay."
    )
    st.latex(r"\;W \leftarrow W - \eta\, \frac{\partial L}{\partial W}\;")
    values = knobs(_KNOBS, key="bptt_rate")
    rate, updates = values["rate"], round(values["updates"])
    _, losses = back.descend(small.network, small.ids, small.target, rate, updates)
    one, two, three = st.columns(3)
    one.metric("Loss before", f"{losses[0]:.4f} nats", border=True)
    two.metric(
        "Loss after one update",
        f"{losses[1]:.4f} nats",
        delta=f"{losses[1] - losses[0]:.4f}",
        delta_color="inverse",
        border=True,
    )
    three.metric(f"Loss after {updates}", f"{losses[-1]:.4f} nats", border=True)
    left, right = st.columns(2)
    with left:
        tried = back.losses_by_rate(small.network, small.ids, small.target, _RATES)
        st.altair_chart(rates_chart(_RATES, tried, losses[0], rate, losses[1]), width="stretch")
        st.caption(
            "Look at where the line leaves the dashed one: too small a rate changes nothing; a large one steps far, "
            "and may land where the gradient never pointed."
        )
    with right:
        st.altair_chart(losses_chart(losses), width="stretch")
        st.caption(
            "Choose more updates and a small rate, and look at how the steps get shorter: near a good answer the "
            "gradient "
            "itself is small."
        )
    _predict(small)
    _last(len(small.tokens))


def _predict(small: Small) -> None:
    """Ask for what one small update does to the loss: to first order, minus rate times the squared gradient."""
    rate = 0.01
    after = back.descend(small.network, small.ids, small.target, rate)[1]
    fall = float(after[0] - after[1])
    ask(
        Number(
            "bptt-fall",
            f"A small update with learning rate {rate:g}: the squared length of the whole gradient is "
            f"{back.squared_gradient(small.network, small.ids, small.target):.4g}. By how much does the loss fall, "
            "about?",
            f"To first order the loss falls by the rate times the squared length of the gradient. Here it falls by "
            f"{fall:.4g}; the rest is curvature, which grows with the rate.",
            fall,
            0.1 * abs(fall) + 1e-9,
            "nats",
        )
    )


def _last(steps: int) -> None:
    ask(
        Choice(
            "bptt-end",
            f"Your text has {steps} steps. Why can a bigger computer not simply work on all {steps} at once?",
            "Step t needs the state of step t − 1, and on the way back the gradient of step t − 1 needs that of step "
            "t. Many texts can be worked on side by side, and many units; the steps of one text cannot. Attention has "
            f"no such chain, which is one reason why it took over ({cite('vaswani2017')}).",
            (
                "because the weights differ from step to step",
                "because each step needs the state of the one before, and on the way back the gradient after it",
                "because the vocabulary is too large",
                "because the loss needs a learning rate first",
            ),
            1,
        ),
        title="To end with",
    )

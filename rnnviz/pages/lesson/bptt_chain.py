"""Training by steps, third part: a product of Jacobians, why layers with weights of their own differ, and cutting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.bptt import cut_chart, products_chart
from rnnviz.components.knobs import Knob, knobs
from rnnviz.components.question import ask
from rnnviz.errors import TextError
from rnnviz.lesson import bptt as back
from rnnviz.lesson.questions import Number, Several
from rnnviz.lesson.references import cite
from rnnviz.lesson.unrolling import numbers
from rnnviz.pages.lesson.bptt_sum import aired

if TYPE_CHECKING:
    from rnnviz.pages.lesson.bptt import Small

_INPUTS, _LAYERS, _ACTIVATION = (f"keep_bptt_{name}" for name in ("inputs", "layers", "activation"))
_FIRST_INPUTS, _FIRST_LAYERS = "0.5 -0.3 0.2 0.1 -0.4 0.3", "0.5 2 0.8 1.25 1.6 0.7"
_MOST = 40
_ACTIVATIONS = {"tanh": "tanh", "sigmoid": "sigmoid", "identity": "none (linear)"}
_WRITTEN, _A_LINE = 6, 2
"""Factors that are written out, and on one line."""
_CHAIN = (
    r"\begin{aligned}\frac{\partial h_t}{\partial h_{t-k}}"
    r" &= \prod_{j=0}^{k-1} \frac{\partial h_{t-j}}{\partial h_{t-j-1}}\\"
    r" &= \prod_{j=0}^{k-1} \operatorname{diag}\bigl(f'(a_{t-j})\bigr)\, W_h\\"
    r"\text{one unit: } &= \prod_{j=0}^{k-1} w\, f'(a_{t-j})\end{aligned}"
)
_SUM = (
    r"\frac{\partial y_t}{\partial W_h} = \frac{\partial y_t}{\partial h_t} \sum_{k} "
    r"\frac{\partial h_t}{\partial h_{t-k}}\, \frac{\partial^{+} h_{t-k}}{\partial W_h}"
)


def render(small: Small, name: str, flow: back.Flow, cut: back.Cut) -> None:
    """Draw the part."""
    _product()
    _cutting(name, flow, cut)


@st.fragment
@session.guarded
def _product() -> None:
    st.header("3. Going back k steps: a product of k factors")
    st.write("Each part of the sum holds the way from the loss back to its step, and each step back is one factor:")
    for formula in (_SUM, _CHAIN):
        st.latex(aired(formula))
    st.write(
        "(The little plus means: with the state before held fixed.) Every factor holds the **same** W_h. Here is one "
        "unit, hₜ = f(w hₜ₋₁ + xₜ), in numbers; beside it a feed-forward net of the same depth, whose layers have "
        "**weights of their own**."
    )
    left, right = st.columns(2)
    inputs = _asked(left, "Inputs x, one a step", _INPUTS, _FIRST_INPUTS)
    layers = _asked(right, "Weights of the feed-forward net, one a layer", _LAYERS, _FIRST_LAYERS)
    name = st.segmented_control(
        "Activation f",
        list(_ACTIVATIONS),
        key=session.fitting(_ACTIVATION, list(_ACTIVATIONS), "tanh"),
        required=True,
        format_func=_ACTIVATIONS.get,
    )
    knob = Knob("w", "The recurrent weight w", -3, 3, 0.05, 0.8, help="One number, in every factor.")
    w = knobs([knob], key="bptt_w", frozen=session.frozen("model"))["w"]
    deep = [layers[i % len(layers)] for i in range(len(inputs))]
    shared, own = back.scalar([w] * len(inputs), inputs, name), back.scalar(deep, inputs, name)
    st.latex(aired(_written(shared)))
    st.latex(aired(_written(own, "v")))
    shown = {"shared weight w": shared.products, "weights of their own": own.products}
    if all((np.abs(p[1:]) > 0).any() for p in shown.values()):
        st.altair_chart(products_chart(shown), width="stretch")
    else:
        st.info("A weight of 0 makes the whole product 0: nothing at all goes back.")
    power = f"{w ** len(inputs):.3g}".replace("-", "\u2212")
    st.caption(
        "Look at the two lines: with one shared w the weights alone make w to the power of k, here "
        f"{power} after {len(inputs)} steps, and each step’s slope comes on top. With no activation that is all. The "
        "slope of tanh is at most 1 and falls where a unit is driven hard: below |w| = 1 the product must fade, above "
        "it may grow, or fade all the same. The sigmoid’s slope is at most 1/4, so with it every factor is at most "
        "|w|/4. Layers with weights of their own may cancel: 0.5 and 2 make 1. That too can fade or explode, but each "
        "layer can be set right by itself. The whole story, with matrices and their eigenvalues, is on the "
        "[Gradients](/gradients) page."
    )
    st.write(f"Sources: {cite('hochreiter1991', 'bengio1994', 'pascanu2013')}.")
    _fading(len(inputs))


def _asked(place, label: str, key: str, value: str) -> list[float]:
    found = numbers(place.text_input(label, key=session.typed(key, value), disabled=session.frozen("text")))
    if len(found) > _MOST or max(map(abs, found)) > 100:
        raise TextError(f"Type at most {_MOST} numbers between −100 and 100.")
    return found


def _written(run: back.Scalar, letter: str = "w") -> str:
    """Write the product from the last step back, as far as it fits, some factors a line."""
    last = len(run.factors)
    taken = list(range(last - 1, max(last - 1 - _WRITTEN, -1), -1))
    factors = [rf"({run.weights[i]:g} \cdot {run.slopes[i]:.3f})" for i in taken]
    rows = [r" \cdot ".join(factors[i : i + _A_LINE]) for i in range(0, len(factors), _A_LINE)]
    name = rf"\frac{{\partial h_{{{last}}}}}{{\partial h_{{{last - len(taken)}}}}}"
    kind = rf"\textstyle\prod {letter}{'' if letter == 'w' else '_t'} f'(a_t)"
    lines = [f"{name} &= {kind}", rf"&= {rows[0]}", *(rf"&\quad\cdot {row}" for row in rows[1:])]
    return r"\begin{aligned}" + r"\\".join([*lines, f"&= {_tex(run.products[len(taken)])}"]) + r"\end{aligned}"


def _tex(value: float) -> str:
    base, _, power = f"{value:.4g}".partition("e")
    return rf"{base}\cdot 10^{{{int(power)}}}" if power else base


def _fading(steps: int) -> None:
    k = max(4, min(10, steps))
    ask(
        Number(
            "bptt-quarter",
            f"One unit with a sigmoid and w = 1. At most what part of the gradient is left {k} steps back? (As in "
            "0.001 or 1e-3.)",
            f"The sigmoid’s slope s(1 − s) is largest at s = 1/2, where it is 1/4. So {k} steps leave at most "
            f"(1/4)^{k} = {0.25**k:.2e}, whatever the inputs. tanh, with a slope of up to 1, fades less.",
            0.25**k,
            0.06 * 0.25**k,
        )
    )


@st.fragment
@session.guarded
def _cutting(name: str, flow: back.Flow, cut: back.Cut) -> None:
    st.header("4. Waiting for the whole text, or cutting")
    st.write(
        f"One update needs the whole chain: {flow.steps} steps forward, {flow.steps} back, one after the other, and "
        f"all {flow.steps} states kept meanwhile. For the weights the network is {flow.steps} layers deep, as deep as "
        "the text is long. **Truncated** BPTT goes back k steps only "
        f"({cite('williams1990')}): less memory, an update after every k steps, and a gradient that knows nothing of "
        "what happened before."
    )
    if flow.steps < 2 or not np.isfinite(cut.missing).all():
        st.info("There is nothing to cut here: type at least three words.")
        return
    kept = round(
        knobs([Knob("kept", "Steps kept, k", 1, flow.steps, 1, max(1, flow.steps // 2))], key="bptt_cut")["kept"]
    )
    one, two, three = st.columns(3)
    one.metric("Missing part of dL/dW_h", f"{cut.missing[kept - 1]:.2%}", border=True)
    two.metric("Cosine between cut and whole", f"{cut.cosine[kept - 1]:.4f}", border=True)
    three.metric("States to keep", f"{kept} of {flow.steps}", border=True)
    st.altair_chart(cut_chart({name: cut.missing}, kept), width="stretch")
    st.caption(
        "Look at where the line comes near 0 %: beyond that many steps the gradient had faded, and a cut loses "
        "nothing. But the loss is quiet about what was never learned: what lies farther back than k steps can be "
        "*remembered* by the state, yet no gradient ever teaches the network to remember it."
    )
    ask(
        Several(
            "bptt-cut",
            "Gradients are cut after k = 10 steps, and the state is carried over the cut. What is true?",
            "The cut is in the backward direction only. The state still carries what it will, for as long as it can; "
            "what is lost are parts of the sum, those of long ways back.",
            (
                "The network can read only 10 words back.",
                "The forward pass gives the same numbers as before.",
                "What is needed from 50 words back is hardly learned.",
                "Less memory is needed for an update.",
            ),
            (1, 2, 3),
        )
    )

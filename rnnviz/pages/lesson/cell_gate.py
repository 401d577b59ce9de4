"""What a gate is, and what the activation and the residual form do to state and gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts import cell_plots as plots
from rnnviz.charts import cell_tex as tex
from rnnviz.components.knobs import Knob, knobs
from rnnviz.components.question import ask
from rnnviz.errors import TextError
from rnnviz.lesson.cell import MOST_STEPS
from rnnviz.lesson.cell_forms import Growth, gated, growth, plain, sigmoid
from rnnviz.lesson.questions import Choice, Order
from rnnviz.lesson.references import cite
from rnnviz.pages.lesson.cell_network import LAST_SEED, chosen_text

_GATE = [
    Knob("w", "Weight w", -12, 12, 0.5, 4, help="What a vowel does to the gate."),
    Knob("b", "Bias b", -8, 8, 0.5, -2, help="Where the gate rests when there is no vowel."),
]
_SCALE = [Knob("s", "W_h = s · identity: factor s", 0, 1.5, 0.05, 1, help="The recurrent weight of every unit.")]
_CELLS = {"rnn_tanh": "tanh", "rnn_relu": "ReLU", "residual": "residual, tanh + old state"}


def render() -> None:
    """Draw the view."""
    _gate()
    _activations()


@st.fragment
@session.guarded
def _gate() -> None:
    st.header("A gate: a dense layer, a sigmoid, a product")
    st.write(
        "A gate is a number between 0 and 1 that something is multiplied by. It comes from a dense layer with a "
        "sigmoid, so the network itself decides what passes. Here the dense layer has one input, x = 1 for a vowel and "
        "0 for any other character, and what is to pass is the letter’s place in the alphabet: a = 1, z = 26."
    )
    text = st.text_input(
        "Text for the gate", key=session.typed("keep_cell_gate_text", "remember me"), disabled=session.frozen("text")
    )
    if not text:
        raise TextError("The text is empty: type a few letters to send through the gate.")
    text = session.first_of(text, MOST_STEPS, "characters")
    values = knobs(_GATE, key="cell_gate_knobs", frozen=session.frozen("model"))
    weight, bias = values["w"], values["b"]
    gate, place, passed = gated(text, weight, bias)
    yes, no = (float(sigmoid(np.array(a))) for a in (weight + bias, bias))
    st.latex(
        r"\begin{aligned}\text{gate} &= \sigma(w\,x + b)\\"
        rf"\text{{vowel}} &: \sigma({tex.put(weight, 1)} + {tex.bracketed(bias, 1)}) = {tex.put(yes)}\\"
        rf"\text{{other}} &: \sigma({tex.put(bias, 1)}) = {tex.put(no)}\end{{aligned}}"
    )
    lines = {"comes in": place, "passes: gate · what comes in": passed}
    st.altair_chart(
        plots.bars_chart(lines, text, gate, "What comes in, and what the gate lets through"), width="stretch"
    )
    st.caption(
        "Look at where the two bars part: there the gate is shut. The gate is smooth, so that gradient descent can "
        "learn w and b; a gate that is exactly 0 or 1 could not be learned that way. All gates of an LSTM and a GRU "
        "are this."
    )
    ask(
        Choice(
            "cell-gate",
            "Which w and b let consonants pass and stop vowels? Try them with the knobs.",
            "σ(6) = 0.9975 for a consonant and σ(−12 + 6) = 0.0025 for a vowel: the bias holds the gate open, and the "
            "weight shuts it.",
            ("w = 12, b = −6", "w = −12, b = 6", "w = 0, b = 0", "w = −12, b = −6"),
            1,
        )
    )


@st.fragment
@session.guarded
def _activations() -> None:
    st.header("tanh, ReLU, or the residual form")
    st.write(
        "tanh bounds the state, and its slope below 1 shrinks the gradient at every step. ReLU has slope 1 where it is "
        "on, and nothing bounds it. The residual form s = tanh(W_x x + W_s s + b) + s hands the old state on as it is: "
        "the gradient has a way through with factor 1, and the state can grow. Here all three have three units, the "
        "same weights, and W_h is s times the identity."
    )
    text = chosen_text()
    seed = st.number_input(
        "Seed of W_x",
        0,
        LAST_SEED,
        key=session.whole("keep_cell_gate_seed", 0, LAST_SEED, 0),
        disabled=session.frozen("model"),
    )
    letters = tuple(dict.fromkeys(text))[:6]
    still: dict[str, Growth] = {kind: growth(plain(kind, letters, int(seed), 1.0), text) for kind in _CELLS}
    _order(still, text, lambda: _grown(letters, int(seed), text))


def _grown(letters: tuple[str, ...], seed: int, text: str) -> None:
    """Draw the three cells at any factor."""
    scale = knobs(_SCALE, key="cell_gate_scale", frozen=session.frozen("model"))["s"]
    found = {name: growth(plain(kind, letters, seed, scale), text) for kind, name in _CELLS.items()}
    left, right = st.columns(2)
    with left:
        norms = {name: one.norms for name, one in found.items()}
        st.altair_chart(
            plots.lines_chart(norms, "step", "length of the state", "How long the state gets"), width="stretch"
        )
        st.caption("Look at which lines level off: tanh cannot pass √3, the others can go on.")
    with right:
        reach = {name: one.reach for name, one in found.items()}
        chart = plots.lines_chart(reach, "steps back k", "size (log scale)", "Size of ∂h_T / ∂h_T₋ₖ", logarithmic=True)
        st.altair_chart(chart, width="stretch")
        st.caption(
            "Look at how far each line falls or climbs going back: below 1 the past is hardly learned. A ReLU below 0 "
            "has slope 0 and falls out of the picture."
        )
    ends = ", ".join(f"{name}: {one.reach[-1]:.3g}" for name, one in found.items())
    st.caption(
        f"All the way back, k = {len(text)}: {ends}. At s = 1 ReLU with the identity neither shrinks nor grows "
        f"({cite('le2015')}). More in the gradient lab. Sources: {cite('hochreiter1991', 'he2016')}."
    )


def _order(found: dict[str, Growth], text: str, reveal: Callable[[], None]) -> None:
    sizes = {name: found[kind].reach[-1] for kind, name in _CELLS.items()}
    ranked = sorted(sizes, key=sizes.get)
    if min(abs(np.diff([sizes[name] for name in ranked]))) < 1e-6:
        reveal()
        return
    told = "; ".join(f"{name} {sizes[name]:.3g}" for name in ranked)
    ask(
        Order(
            "cell-reach",
            f"Your text has {len(text)} characters. At s = 1, whose gradient from the last state back to the first is "
            "the smallest, and whose the largest?",
            f"Measured on your text: {told}. tanh multiplies slopes below 1; ReLU’s slopes are 1; the residual form "
            "multiplies 1 + slope, which is above 1 until tanh is saturated.",
            tuple(ranked),
        ),
        title="Before you look",
        reveal=reveal,
    )

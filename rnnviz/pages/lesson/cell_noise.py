"""Dropout on the numbers of a small network, and the first weights that Keras and PyTorch draw."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts import cell as charts
from rnnviz.charts import cell_plots as plots
from rnnviz.charts.palette import Scale, scale_of
from rnnviz.components.knobs import Knob, knobs
from rnnviz.components.question import ask
from rnnviz.lesson.cell import Hand, symbol, walk
from rnnviz.lesson.cell_noise import DRAWS, Dropped, First, drop, first_weights, mean_heard
from rnnviz.lesson.questions import Choice, Number
from rnnviz.lesson.references import cite
from rnnviz.pages.lesson.cell_network import LAST_SEED, chosen_network, chosen_text, told

_RATES = [
    Knob("x", "dropout: inputs", 0, 0.9, 0.05, 0.5, help="The probability that an input is dropped."),
    Knob("h", "recurrent_dropout: old states", 0, 0.9, 0.05, 0.5, help="The same for a unit’s old state."),
]
_LAYER = [
    Knob("units", "Units", 4, 128, 4, 32, help="Rows of W_x and W_h."),
    Knob("inputs", "Inputs", 2, 200, 1, 50, help="One-hot ones: a vocabulary."),
]
_SAME = {"same": "the same mask at every step", "fresh": "a fresh mask at every step"}
_STEPS = 30


def render() -> None:
    """Draw the view."""
    choice = chosen_network()
    text = chosen_text()
    told(choice)
    _dropout(choice.hand(), text)
    _first_weights()


@st.fragment
@session.guarded
def _dropout(hand: Hand, text: str) -> None:
    st.header("Dropout, and recurrent dropout")
    st.write(
        "In training some numbers are set to zero at random, so that no unit can rely on one other. `dropout` does it "
        "to the inputs, `recurrent_dropout` to the old state on its way into W_h. What is left is divided by 1 − p, so "
        "that the expected value stays."
    )
    one, two = st.columns([3, 1])
    kinds = list(_SAME)
    same = one.segmented_control(
        "Mask",
        kinds,
        key=session.fitting("keep_cell_mask", kinds, "same"),
        format_func=_SAME.get,
        required=True,
    )
    seed = two.number_input("Seed of the mask", 0, LAST_SEED, key=session.whole("keep_cell_mask_seed", 0, LAST_SEED, 8))
    rates = knobs(_RATES, key="cell_rates", frozen=session.frozen("model"))
    found = drop(hand, text, rate=rates["x"], recurrent=rates["h"], same=same == "same", seed=int(seed))
    plain = walk(hand, text).states["hidden"]
    _masks_and_states(hand, text, found, plain, rates)
    _mean(hand, plain[-1], rates["h"], int(seed))
    ask(
        Number(
            "cell-dropout",
            "With p = 0.2, what does a state of 0.6 become where it is kept? Two decimals.",
            "0.6 / (1 − 0.2) = 0.75. It is kept with probability 0.8, and 0.8 · 0.75 = 0.6: the expected value stays.",
            0.75,
            0.005,
        )
    )


def _masks_and_states(hand: Hand, text: str, found: Dropped, plain: np.ndarray, rates: dict[str, float]) -> None:
    """Draw the masks, and the states with them and without."""
    top = 1 / (1 - max(rates["x"], rates["h"]))
    state, scale, mask = symbol("hidden", hand.cell_type), scale_of("hidden", hand.cell_type), Scale(0, top, False)
    rows = {f"mask of input {i + 1}": (found.masks_x[:, i], mask) for i in range(len(hand.letters))}
    rows |= {f"mask of old {state}{u + 1}": (found.masks_h[:, u], mask) for u in range(hand.units)}
    factors = dict.fromkeys(f"{1 / (1 - rate):.4g}" for rate in rates.values())
    title = f"Masks: 0 drops, {' or '.join(factors)} keeps"
    st.altair_chart(charts.strip_chart(rows, tuple(text), title, legend="factor"), width="stretch")
    states = {f"{state}{u + 1} with dropout": (found.hidden[1:, u], scale) for u in range(hand.units)}
    states |= {f"{state}{u + 1} at test time": (plain[1:, u], scale) for u in range(hand.units)}
    st.altair_chart(charts.strip_chart(states, tuple(text), "States in training and at test time"), width="stretch")
    st.caption(
        "Look at a row of masks: with the same mask a unit is missing for the whole text, with fresh ones it flickers, "
        "and a memory of many steps hardly survives. At test time nothing is dropped and nothing is divided. The same "
        f"mask at every step: {cite('gal2016')}. Keras too draws its masks once for all steps. Its SimpleRNN has one "
        "mask for the inputs and one for the old state. Its LSTM and GRU have one mask for all gates as long as "
        "recurrent_dropout is 0; above 0 each gate gets masks of its own, for the inputs too. Here all gates share "
        "one. PyTorch’s `nn.LSTM(dropout=…)` only acts between stacked layers, and it has no recurrent dropout. Models "
        "trained here drop weights of W_h instead."
    )


def _mean(hand: Hand, values: np.ndarray, rate: float, seed: int) -> None:
    means = mean_heard(values, rate, seed)
    state = symbol("hidden", hand.cell_type)
    lines = {f"{state}{u + 1}, mean over masks": means[:, u] for u in range(min(hand.units, 2))}
    lines |= {f"{state}{u + 1} itself": np.full(len(means), values[u]) for u in range(min(hand.units, 2))}
    title = "The last state as W_h hears it, averaged over masks"
    chart = plots.lines_chart(lines, "masks drawn", "mean heard", title, first=1, height=240)
    st.altair_chart(chart, width="stretch")
    ends = ", ".join(
        f"{charts.number(float(means[-1, u]))} for {charts.number(float(v))}" for u, v in enumerate(values)
    )
    st.caption(
        f"Look at where the lines end: after {DRAWS} masks the means are {ends}. Dividing by 1 − p keeps the expected "
        f"value of the sum; what tanh makes of it may still differ. Source: {cite('srivastava2014')}."
    )


@lru_cache(maxsize=64)
def _drawn(units: int, inputs: int, seed: int) -> dict:
    return dict(first_weights(units, inputs, seed, _STEPS))


@st.fragment
@session.guarded
def _first_weights() -> None:
    st.header("The first weights: Keras’ defaults against PyTorch’s")
    st.write(
        "Keras’ SimpleRNN begins with tanh, Glorot uniform input weights, orthogonal recurrent weights and zero "
        "biases. PyTorch’s nn.RNN draws all of them, two biases too, uniformly within ±1/√units. The first state "
        "differs at once, and what is left of it later differs more."
    )
    seed = st.number_input(
        "Seed of both draws", 0, LAST_SEED, key=session.whole("keep_cell_draw_seed", 0, LAST_SEED, 0)
    )
    values = knobs(_LAYER, key="cell_layer", frozen=session.frozen("model"))
    units, inputs = round(values["units"]), round(values["inputs"])
    found = _drawn(units, inputs, int(seed))
    spreads = {name: one.spread for name, one in found.items()}
    _question(units, inputs, spreads, lambda: _show_drawn(found))


def _show_drawn(found: dict[str, First]) -> None:
    st.latex(
        r"\begin{aligned}\text{spread of } & W_x x + b\\"
        rf"\text{{Keras: }} & \sqrt{{2/(\text{{inputs}}+\text{{units}})}} = {found['Keras'].predicted:.4f}\\"
        rf"\text{{PyTorch: }} & 1/\sqrt{{\text{{units}}}} = {found['PyTorch'].predicted:.4f}\end{{aligned}}"
    )
    st.dataframe(
        [
            {
                "drawn as": name,
                "spread of W_x x + b": round(one.measured, 4),
                "promised": round(one.predicted, 4),
                "spread of the first state": round(one.spread, 4),
                "largest |W_x|": round(float(np.abs(one.weight_x).max()), 4),
                "largest singular value of W_h": round(float(np.linalg.norm(one.weight_h, 2)), 4),
                "smallest": round(float(np.linalg.norm(one.weight_h, -2)), 4),
            }
            for name, one in found.items()
        ],
        hide_index=True,
    )
    left, right = st.columns(2)
    with left:
        parts = {f"{name}: {part}": values.ravel() for name, one in found.items() for part, values in _weights(one)}
        st.altair_chart(plots.histogram(parts, "weight", "The weights as drawn"), width="stretch")
        st.caption("Look at the shapes: uniform ones are flat, the entries of an orthogonal matrix pile up at 0.")
    with right:
        kept = {name: _apart(one.hidden) for name, one in found.items()}
        chart = plots.lines_chart(
            kept,
            "step",
            "spread (log scale)",
            "What is left of the first input",
            first=1,
            logarithmic=True,
        )
        st.altair_chart(chart, width="stretch")
        st.caption(
            "Look at the slopes. Each text was one different input and then nothing; the line is how far the states of "
            f"different texts are apart. An orthogonal W_h shrinks no vector by itself ({cite('saxe2014')}), so only "
            f"tanh wears the difference down. Glorot: {cite('glorot2010')}."
        )


def _weights(one: First) -> list[tuple[str, np.ndarray]]:
    return [("W_x", one.weight_x), ("W_h", one.weight_h)]


def _apart(hidden: np.ndarray) -> np.ndarray:
    """The standard deviation between texts at each step: (time, input, unit) -> (time,)."""
    return np.sqrt(hidden.var(axis=1).mean(axis=1))


def _question(units: int, inputs: int, spreads: dict[str, float], reveal: Callable[[], None]) -> None:
    names = list(spreads)
    right = int(spreads["PyTorch"] > spreads["Keras"])
    ask(
        Choice(
            "cell-first-spread",
            f"A fresh layer with {units} units reads one of {inputs} one-hot inputs. Whose first states are spread "
            "more widely around 0?",
            f"Drawn and measured: Keras {spreads['Keras']:.4f}, PyTorch {spreads['PyTorch']:.4f}. Glorot’s bound falls "
            "as inputs are added, PyTorch’s does not know of them: with more inputs than units PyTorch’s is the wider "
            "one.",
            tuple(names),
            right,
        ),
        title="Before you look",
        reveal=reveal,
    )

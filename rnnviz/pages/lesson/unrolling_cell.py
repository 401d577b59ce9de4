"""Unrolling, second part: a real cell, whose weights are the same in every box."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.cells import Weights
from rnnviz.charts.palette import scale_of
from rnnviz.checkpoints import Model, headline
from rnnviz.components.chain import Chain, Lane, Matrix, Phase, Program, chain
from rnnviz.components.knobs import Knob, knobs
from rnnviz.components.lines import lines
from rnnviz.components.question import ask
from rnnviz.lesson import unrolling_cell as cells
from rnnviz.lesson.questions import Number
from rnnviz.lesson.unrolling import MOST_STEPS, words
from rnnviz.lesson.unrolling_lines import keras_lines, torch_lines
from rnnviz.network import Network

HAND = "two units, by hand"
WORDS, FIRST = "keep_unrolling_words", "The film was not bad at all"
_NETWORK, _CELL, _WEIGHT, _SHOWS = (f"keep_unrolling_{name}" for name in ("network", "cell", "weight", "shows"))
_KNOBS = "unrolling_knobs"
_LETTERS = {"hidden": "h", "cell": "c"}
_SHOWN = ("y = h", "y = W_y h + b_y")
_CORNER = 6

_STEPS = {
    "rnn_tanh": ("    h = tanh(W_x @ x + W_h @ h + b)",),
    "gru": (
        "    r, z = \u03c3(W_x[r, z] @ x + W_h[r, z] @ h + b[r, z])",
        "    n = tanh(W_x[n] @ x + b[n] + r * (W_h[n] @ h))",
        "    h = (1 - z) * n + z * h",
    ),
    "lstm": (
        "    i, f, g, o = W_x @ x + W_h @ h + b",
        "    c = \u03c3(f) * c + \u03c3(i) * tanh(g)",
        "    h = \u03c3(o) * tanh(c)",
    ),
}


def render() -> None:
    """Draw the part."""
    _cell()


@st.fragment
@session.guarded
def _cell() -> None:
    st.header("2. A real cell: the same weights in every box")
    st.write(
        "Now the cell has weights. They are made **once** and used in every step: unrolling copies the box, not the "
        "numbers. The smallest network here has two units and reads two numbers a word (its characters and its "
        "vowels, both divided by five), so that every number fits on the page."
    )
    name = chosen_network()
    text = chosen_words()
    if name == HAND:
        _by_hand(text)
    else:
        _trained(session.load_model(name), text)


def chosen_network() -> str:
    """Ask which network reads; `HAND`, or the name of a model that reads forwards."""
    return network_box("Network", _NETWORK)


def network_box(label: str, key: str) -> str:
    """Ask for `HAND` or one of the models that read forwards."""
    names = [HAND, *cells.forward_models()]
    return st.selectbox(label, names, key=session.fitting(key, names, HAND), disabled=session.frozen("model"))


def chosen_words() -> str:
    """Ask for the text that the cell reads."""
    return st.text_input("Text for the cell", key=session.typed(WORDS, FIRST), disabled=session.frozen("text"))


def hand_cell() -> tuple[str, dict[str, float]]:
    """Return the small network's cell, and its weights as the reader has set them."""
    cell = st.session_state.get(_CELL)
    cell = cell if cell in cells.HAND_CELLS else "rnn_tanh"
    kept = st.session_state.get(f"keep_{_KNOBS}")
    kept, changed = kept if isinstance(kept, Mapping) else {}, {}
    for name in cells.weight_names(cell):
        value = kept.get(f"{cell} {name}")
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= cells.BOUND:
            changed[name] = float(value)
    return cell, changed


def _by_hand(text: str) -> None:
    read = session.first_of(words(text), MOST_STEPS, "words")
    left, right = st.columns(2)
    left.segmented_control(
        "Cell",
        list(cells.HAND_CELLS),
        key=session.fitting(_CELL, list(cells.HAND_CELLS), "rnn_tanh"),
        required=True,
        format_func=cells.HAND_CELLS.get,
    )
    shows = right.segmented_control(
        "What it gives", _SHOWN, key=session.fitting(_SHOWS, _SHOWN, _SHOWN[0]), required=True
    )
    cell, _ = hand_cell()
    _weight_knob(cell, read)
    cell, changed = hand_cell()
    network, ids = cells.hand_network(read, cell, changed)
    run = cells.run_loop(network, ids, read)
    place = len(read) * 3 + 1
    chain(_hand_chain(network, run, shows == _SHOWN[0]), key="unrolling_chain_cell", label="A cell, unrolled", at=place)
    st.caption(
        "Look along the boxes: the matrices are the same numbers in the same colours, from the first word to the last. "
        "Move the slider: the one weight changes in all boxes at once, and every state after the first step with it."
    )
    _same_weights(network, run)
    _lines(network, run)


def _weight_knob(cell: str, read: list[str]) -> None:
    names = cells.weight_names(cell)
    left, right = st.columns([1, 2])
    name = left.selectbox("One weight to change", names, key=session.fitting(_WEIGHT, names, names[0]))
    drawn = cells.weight(cells.hand_network(read, cell)[0], name)
    with right:
        knob = Knob(f"{cell} {name}", name, -cells.BOUND, cells.BOUND, 0.1, drawn, help="The same in every box.")
        knobs([knob], key=_KNOBS, frozen=session.frozen("model"))


def _hand_chain(network: Network, run: cells.CellRun, bare: bool) -> Chain:
    weights = Weights.of(network.recurrent[0]["d"])
    shown = (
        Matrix("W_x", weights.weight_ih.numpy()),
        Matrix("W_h", weights.weight_hh.numpy()),
        Matrix("b", weights.bias_ih.numpy()[:, None]),
    )
    cell = network.config.cell_type
    outputs = run.states["hidden"][1:] if bare else run.outputs
    output = Lane("y", outputs, scale_of("hidden", cell) if bare else scale_of("cell", cell))
    inputs = Lane("x", run.inputs, names=("characters / 5", "vowels / 5"))
    return Chain(run.tokens, _states(run, cell), _program(cell, bare), inputs=inputs, outputs=output, weights=shown)


def _states(run: cells.CellRun, cell: str, units: tuple[int, ...] = ()) -> tuple[Lane, ...]:
    return tuple(
        Lane(
            _LETTERS[name],
            values[:, list(units)] if units else values,
            scale_of(name, cell),
            tuple(f"{_LETTERS[name]}, unit {u}" for u in (units or range(values.shape[1]))),
        )
        for name, values in run.states.items()
    )


def _program(cell: str, bare: bool, made: str = "W_y @ h + b_y") -> Program:
    states = ("h", "c") if cell == "lstm" else ("h",)
    state = ", ".join(states)
    body = (f"def cell(x, {state}):", *_STEPS[cell], f"    return {'h' if bare else made}, {state}", "")
    head = len(body)
    lines_ = (
        *body,
        f"{state} = " + ", ".join("zeros" for _ in states),
        "for x in inputs:",
        f"    y, {state} = cell(x, {state})",
        "    outputs.append(y)",
        f"return outputs, {state}",
    )
    inner = tuple(range(1, head - 1))
    return Program(
        lines_, head, (Phase(head + 1, "input"), Phase(head + 2, "cell", inner), Phase(head + 3, "output")), head + 4
    )


def _same_weights(network: Network, run: cells.CellRun) -> None:
    count = sum(w.numel() for w in Weights.of(network.recurrent[0]["d"])[:3])
    steps = len(run.tokens)
    one, two, three = st.columns(3)
    one.metric("Weights of the loop", f"{count:,}", help="The same numbers in every step.", border=True)
    two.metric("Without sharing", f"{count * steps:,}", help=f"{steps} boxes with weights of their own.", border=True)
    three.metric("Loop against library, largest difference", f"{run.apart:.1e}", border=True)
    st.write(
        f"The same {count} numbers serve a text of {steps} words and one of {steps * 100:,}. A feed-forward net with a "
        f"layer for every place would need {count * steps:,}, could read no longer text, and would have to learn anew "
        "what a word means at each place. The small difference on the right is what float64 rounds: the loop above, "
        f"one step after the other, gives what `torch.nn.{_library(network)}` gives in one call."
    )
    ask(
        Number(
            "unrolling-weights",
            f"This cell has {count} weights and reads {steps} words. How many weights has it when the text is twice as "
            "long?",
            "Unrolling makes a longer chain of the same box. Only the number of *steps* doubles, and with it time and, "
            "for training, memory.",
            float(count),
            0.0,
            "weights",
        )
    )


def _library(network: Network) -> str:
    return {"rnn_tanh": "RNN"}.get(network.config.cell_type, network.config.cell_type.upper())


def _lines(network: Network, run: cells.CellRun) -> None:
    st.write(
        "**The hidden loop.** PyTorch: `nn.RNN`, `nn.GRU`, `nn.LSTM` run the loop over a whole sequence, `nn.RNNCell`, "
        "`nn.GRUCell`, `nn.LSTMCell` one step of it. Keras: `keras.layers.SimpleRNN`, `GRU`, `LSTM` run it, and "
        "`keras.layers.RNN(cell)` runs it around any cell (`SimpleRNNCell`, or one of your own with `call(x, states)` "
        "that returns output and states). Its `unroll=True` writes the chain out instead of looping."
    )
    shown = list(run.tokens)
    note = "The loop by hand and the layer, on your text, with the weights above; in Keras a third time, unrolled."
    lines(torch_lines(network, shown, run.inputs), keras_lines(network, shown, run.inputs), note=note)


def _trained(model: Model, text: str) -> None:
    run = session.kept(cells.watch, model, session.shown_part(model, text, MOST_STEPS))
    cell = model.config.cell_type
    units = cells.most_moving(run.states["hidden"][1:], 3)
    weights = Weights.of(model.network.recurrent[-1]["d"])
    rows, columns = weights.weight_hh.shape
    corner = Matrix(f"W_h, {rows} x {columns}", weights.weight_hh[:_CORNER, :_CORNER].cpu().numpy(), "corner")
    shown = Chain(
        run.tokens,
        _states(run, cell, units),
        _program(cell, False, "head(h)"),
        outputs=_answers(model, run.outputs),
        weights=(corner,),
    )
    chain(shown, key="unrolling_chain_cell", label=f"{model.name}, unrolled", at=len(run.tokens) * 3 + 1)
    st.caption(
        f"{model.name}: {model.config.num_layers} x {model.config.hidden_size} {cell} units. {headline(model.card)} "
        f"Of the top layer's units the three that move most on this text are drawn ({', '.join(map(str, units))}), of "
        f"its matrix the first {_CORNER} rows and columns. Look for a word after which all of them change. The loop "
        f"differs from the library's layer by at most {run.apart:.1e}, which is float32's rounding."
    )


def _answers(model: Model, outputs: np.ndarray) -> Lane:
    """The probability that people ask for: of "positive", or of the likeliest next character."""
    scale = scale_of("input_gate", model.config.cell_type)
    if model.config.task == "classifier":
        label = "positive" if "positive" in model.config.labels else model.config.labels[-1]
        return Lane("y", outputs[:, [model.config.labels.index(label)]], scale, (f"p({label})",))
    return Lane("y", outputs.max(axis=1, keepdims=True), scale, ("p(likeliest next character)",))

"""One unit of a trained model, step by step, on the reader's text."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.analysis.arithmetic import Arithmetic, pytorch_lines
from rnnviz.charts import cell as charts
from rnnviz.charts.palette import scale_of
from rnnviz.charts.text import as_text, text_html, visible
from rnnviz.checkpoints import Model
from rnnviz.components.question import ask
from rnnviz.errors import TextError
from rnnviz.lesson.cell import GATE_NAMES, symbol
from rnnviz.lesson.cell_trained import TrainedStep, recorded, trained_step
from rnnviz.lesson.questions import Choice
from rnnviz.recording import Recording

_STEP = "keep_cell_trained_step"
_MOST = 200
_PARTS = ("what it reads, W_x x", "the old state, W_h h", "the bias, b")


def render() -> None:
    """Draw the view."""
    st.write(
        "A trained network does the very same, with hundreds of units. Here is one unit of a shipped model, its gates "
        "and its state at one step of your text, and the largest of the products that each gate adds up."
    )
    names = session.model_names()
    one, two, three = st.columns([3, 1, 1])
    name = one.selectbox(
        "Model",
        names,
        key=session.fitting("keep_cell_model", names, "imdb-lstm-100" if "imdb-lstm-100" in names else names[0]),
        disabled=session.frozen("model"),
    )
    model = session.load_model(name)
    layers, units = model.config.num_layers, model.config.hidden_size
    layer = two.number_input("Layer", 1, layers, key=session.whole("keep_cell_layer", 1, layers, 1)) - 1
    unit = three.number_input("Unit", 1, units, key=session.whole("keep_cell_trained_unit", 1, units, 1)) - 1
    text = st.text_area(
        "Text for the model",
        key=session.typed(
            "keep_cell_trained_text", "I did not like this film: the plot is dull and the acting is terrible."
        ),
        height=80,
        disabled=session.frozen("text"),
    )
    if not text.strip():
        raise TextError("The text is empty: type a sentence for the network to read.")
    _steps(model, text, int(layer), int(unit))


@st.fragment
@session.guarded
def _steps(model: Model, text: str, layer: int, unit: int) -> None:
    part = session.shown_part(model, text, _MOST)
    recording = session.kept(recorded, model, part)
    last = len(recording.tokens)
    session.whole(_STEP, 1, last, min(4, last))
    if last > 1:
        st.slider("Step of the text", 1, last, key=_STEP)
    time = st.session_state[_STEP] - 1
    scale = scale_of("hidden", model.config.cell_type)
    st.html(text_html(recording.tokens, recording.signals["hidden"][:, layer, unit], scale))
    st.html(charts.scales_html(model.config.cell_type, ["hidden"]))
    st.caption(
        f"Look at where unit {unit + 1} of layer {layer + 1} changes: the colour is its state after each token. "
        + ("The network also reads backwards; this is its forward half." if model.config.bidirectional else "")
    )
    step = trained_step(model, part, recording, layer, unit, time)
    token = as_text(visible(recording.tokens[time]))
    st.markdown(f"**Step {time + 1} reads “{token}”**")
    kind = model.config.cell_type
    st.html(charts.table_html(_gate_rows(kind, step.arithmetic), unit="value of unit", first=unit + 1))
    if st.toggle(
        "Show the sums of every step, and ask no more",
        key=session.ticked("keep_cell_trained_open", False),
        help="Else the page asks about each step before it shows the sums inside the gates.",
    ):
        _sums(kind, step, unit)
    else:
        _question(step, model, token, (layer, unit, time))
    if not model.config.bidirectional:
        with st.expander("The same in PyTorch"):
            st.caption("It needs this project beside torch, for the model’s weights.")
            st.code(pytorch_lines(model.name, part, kind, layer, unit, time), language="python")
    _which_jump(model.name, recording, layer, unit)


def _question(step: TrainedStep, model: Model, token: str, place: tuple) -> None:
    """Ask which part of a gate's sum weighs most, computed from the model."""
    gate = step.arithmetic.gates[0]
    parts = (gate.from_input, gate.from_hidden, gate.bias)
    sizes = [abs(part) for part in parts]
    name = GATE_NAMES[gate.name]
    key = f"at “{token}”, unit {place[1] + 1} of layer {place[0] + 1}, step {place[2] + 1}"
    ask(
        Choice(
            "cell-trained-part",
            f"The {name} of {as_text(model.name)} ({key}) is a function of a sum of three parts. Which is the largest "
            "in size?",
            f"Here they are {', '.join(charts.number(v) for v in parts)}. "
            "Move on a step: where the old state weighs most, the unit decides by what went before.",
            _PARTS,
            sizes.index(max(sizes)),
        ),
        title="Guess before you look",
        reveal=lambda: _sums(model.config.cell_type, step, place[1]),
    )


def _sums(kind: str, step: TrainedStep, unit: int) -> None:
    """Show what each gate adds up, the largest products of one of them, and the update."""
    result = step.arithmetic
    left, right = st.columns([3, 2])
    with left:
        st.html(charts.table_html(_sum_rows(kind, result), unit="sum of unit", first=unit + 1))
    with right:
        places = {GATE_NAMES[gate.name]: i for i, gate in enumerate(result.gates)}
        name = st.selectbox(
            "Largest products of",
            list(places),
            key=session.fitting("keep_cell_trained_gate", list(places), next(iter(places))),
        )
        st.dataframe(
            [
                {
                    "from": f"{'input' if part.source == 'input' else 'unit'} {part.index + 1}",
                    "weight": round(part.weight, 4),
                    "times": round(part.value, 4),
                    "product": round(part.product, 4),
                }
                for part in result.gates[places[name]].largest
            ],
            hide_index=True,
        )
    _update(step)


def _update(step: TrainedStep) -> None:
    st.code("\n".join(step.arithmetic.lines), language=None, wrap_lines=True)
    new, old = (f"{value:.6f}".replace("-", "−") for value in (step.arithmetic.after["hidden"], step.recorded))
    st.caption(
        f"Look at the last line: recomputed from {step.inputs} inputs and {step.units} old states it is {new}, and the "
        f"run itself recorded {old}."
    )


def _gate_rows(kind: str, result: Arithmetic) -> list:
    """The states and the gates' values, without what makes them up."""
    rows = [("before", f"{name} state before", "", [v], scale_of(name, kind)) for name, v in result.before.items()]
    for gate in result.gates:
        name = f"{symbol(gate.name, kind)}, {GATE_NAMES[gate.name]}"
        rows.append(("gates", name, f"{gate.function} of a sum", [gate.value], scale_of(gate.name, kind)))
    return rows + [("after", f"{name} state after", "", [v], scale_of(name, kind)) for name, v in result.after.items()]


def _sum_rows(kind: str, result: Arithmetic) -> list:
    """Each gate's sum and its three parts."""
    state, rows = symbol("hidden", kind), []
    for gate in result.gates:
        old = "r · (W_h h + b_hn)" if (kind, gate.name) == ("gru", "candidate") else f"W_h {state}"
        formula = (
            f"{charts.number(gate.from_input)} (W_x x) + {charts.number(gate.from_hidden)} ({old}) + "
            f"{charts.number(gate.bias)} (b)"
        )
        rows.append(
            ("sums", f"{symbol(gate.name, kind)}, {GATE_NAMES[gate.name]}", formula, [gate.pre_activation], None)
        )
    return rows


def _which_jump(name: str, recording: Recording, layer: int, unit: int) -> None:
    """Ask at which token the unit's state changed most, computed from the recording."""
    jumps = np.abs(np.diff(recording.signals["hidden"][:, layer, unit].astype(float)))
    ranked = np.argsort(-jumps, kind="stable")
    others = [int(at) for at in ranked[1:] if jumps[ranked[0]] - jumps[at] > 1e-4]
    if not others:
        return
    shown = sorted({int(ranked[0]), others[0], others[len(others) // 2], others[-1]})
    told = [f"step {at + 2}, “{as_text(visible(recording.tokens[at + 1]))}”" for at in shown]
    ask(
        Choice(
            "cell-trained-jump",
            f"At which of these steps does the state of unit {unit + 1} of layer {layer + 1} of {as_text(name)} change "
            "most from the step before?",
            "The changes: "
            + "; ".join(f"{one} {charts.number(float(jumps[at]))}" for one, at in zip(told, shown, strict=True))
            + ". Move the slider there and see which gate let it happen.",
            tuple(told),
            shown.index(int(ranked[0])),
        )
    )

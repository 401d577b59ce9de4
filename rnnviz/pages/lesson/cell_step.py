"""A hand-sized network, step by step: every number, every formula, and all of it editable."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.cells import CELLS
from rnnviz.charts import cell as charts
from rnnviz.charts import cell_plots as plots
from rnnviz.charts import cell_tex as tex
from rnnviz.charts.palette import scale_of
from rnnviz.charts.text import as_text, visible
from rnnviz.components.lines import lines
from rnnviz.lesson.cell import Hand, Walk, step_rows, symbol, units_arithmetic, walk
from rnnviz.lesson.cell_lines import keras_script, pytorch_script
from rnnviz.lesson.references import cite
from rnnviz.pages.lesson import cell_questions as questions
from rnnviz.pages.lesson.cell_network import Choice, chosen_network, chosen_text

_STEP = "keep_cell_step"
SOURCES = {
    "rnn_tanh": cite("elman1990"),
    "rnn_relu": cite("le2015"),
    "rnn_sigmoid": cite("elman1990"),
    "residual": f"the residual form of {cite('he2016')}, over time",
    "lstm": cite("hochreiter1997", "gers2000"),
    "gru": f"{cite('cho2014')} with the reset gate outside the product, as PyTorch and Keras have it",
    "gru_textbook": cite("cho2014"),
}


def render() -> None:
    """Draw the view."""
    choice = chosen_network()
    text = chosen_text("Each character is one step.")
    _experiment(choice, text)


@st.fragment
@session.guarded
def _experiment(choice: Choice, text: str) -> None:
    st.markdown(f"**What to watch.** {as_text(choice.watch)}")
    top = st.container()
    left, right = st.columns([1, 1], gap="medium")
    with right:
        st.markdown("**The whole network.** Change any number; what it does changes with it.")
        hand = choice.edited()
    read = walk(hand, text)
    with top:
        time = _stepper(read, hand)
    with left:
        _table(hand, read, time)
    _formulas(hand, read, time)
    _strip(hand, read, time)
    _output(hand, read, time)
    if hand.cell_type in ("gru", "gru_textbook"):
        _keeps(hand, read, time)
    note = "Both print the state after every step, h and for an LSTM c, with the numbers above."
    lines(pytorch_script(hand, text), keras_script(hand, text), note=note)
    questions.next_state(hand, text)
    questions.counter_picture()
    questions.order_of_an_lstm()


def _move(by: int, last: int) -> None:
    st.session_state[_STEP] = min(max(st.session_state[_STEP] + by, 1), last)


def _stepper(read: Walk, hand: Hand) -> int:
    """Ask for the step, from 0."""
    last = len(read.tokens)
    session.whole(_STEP, 1, last, 1)
    back, slider, on = st.columns([1, 4, 1], vertical_alignment="bottom")
    now = st.session_state[_STEP]
    back.button("Previous", on_click=_move, args=(-1, last), disabled=now == 1, width="stretch")
    on.button("Next", on_click=_move, args=(1, last), disabled=now == last, width="stretch")
    if last > 1:
        slider.slider("Step", 1, last, key=_STEP)
    time = st.session_state[_STEP] - 1
    st.html(charts.chips_html(read.tokens, time, hand.letters))
    inputs = ", ".join(
        f"{as_text(visible(letter))} = {value:g}" for letter, value in zip(hand.letters, read.x[time], strict=True)
    )
    st.markdown(f"Step {time + 1} of {last} reads “{as_text(visible(read.tokens[time]))}”: x = ({inputs}).")
    return time


def _table(hand: Hand, read: Walk, time: int) -> None:
    rows = step_rows(hand, read, time)
    shown = [row for row in rows if row.part != "sums"]
    if hand.cell_type.startswith(("rnn", "residual")):
        shown = [*rows[:1], *(row for row in rows if row.part == "sums"), *rows[1:]]
        shown = list(dict.fromkeys(shown))
    st.markdown("**This step, unit by unit**")
    st.html(_rows_html(hand, shown))
    signals = list(dict.fromkeys(row.signal for row in shown if row.signal))
    st.html(charts.scales_html(hand.cell_type, signals))
    if shown != rows and hand.cell_type in ("lstm", "gru", "gru_textbook"):
        with st.expander("The sums inside the gates"):
            st.html(_rows_html(hand, [row for row in rows if row.part == "sums"]))


def _rows_html(hand: Hand, rows: list) -> str:
    return charts.table_html(
        [
            (row.part, row.name, row.formula, row.values, scale_of(row.signal, hand.cell_type) if row.signal else None)
            for row in rows
        ]
    )


def _formulas(hand: Hand, read: Walk, time: int) -> None:
    st.header("The formulas, and one unit’s numbers put in")
    left, right = st.columns([1, 1])
    with left:
        st.latex(tex.formula(hand.cell_type))
        st.caption(f"⊙ multiplies unit by unit. Source: {SOURCES[hand.cell_type]}.")
    with right:
        names = list(range(hand.units))
        unit = st.segmented_control(
            "Unit",
            names,
            key=session.fitting("keep_cell_unit", names, 0),
            format_func=lambda i: f"unit {i + 1}",
            required=True,
        )
        st.latex(tex.together(unit_formulas(hand, read, time, unit)))


def unit_formulas(hand: Hand, read: Walk, time: int, unit: int) -> list[str]:
    """Return one unit's step in TeX, with its numbers put in: each gate, then the update."""
    whole_step = units_arithmetic(hand, read, time)
    result, lines_ = whole_step[unit], []
    state = symbol("hidden", hand.cell_type)
    for block, gate in enumerate(result.gates):
        row = block * hand.units + unit
        old, reset = read.states["hidden"][time], None
        if gate.name == "candidate" and hand.cell_type == "gru":
            reset = result.gates[0].value
        if gate.name == "candidate" and hand.cell_type == "gru_textbook":
            old = np.array([one.gates[0].value for one in whole_step]) * old
        totals = (gate.from_input, gate.from_hidden, gate.bias, gate.pre_activation, gate.value)
        sign = f"{symbol(gate.name, hand.cell_type)}_{unit + 1}"
        behind = (hand.weight_h[row], old, reset, float(hand.bias_h[row]))
        heard = rf"(r\,{state})" if hand.cell_type == "gru_textbook" and gate.name == "candidate" else state
        lines_.append(tex.gate_numbers(sign, gate.function, (hand.weight_x[row], read.x[time]), behind, totals, heard))
    gates = {gate.name: gate.value for gate in result.gates}
    last = tex.outcome(hand.cell_type, unit, gates, dict(result.before), dict(result.after))
    return [*lines_, last] if last else lines_


def _strip(hand: Hand, read: Walk, time: int) -> None:
    rows = {}
    for name in CELLS[hand.cell_type].signals:
        values = read.states[name][1:] if name in read.states else read.gates[name]
        for unit in range(hand.units):
            sign = symbol(name, hand.cell_type)
            rows[f"{sign}{unit + 1} {name.replace('_', ' ')}"] = (values[:, unit], scale_of(name, hand.cell_type))
    squashed = any(scale.squashed for _, scale in rows.values())
    note = "an unbounded state is coloured by its tanh; the numbers are its own" if squashed else ""
    chart = charts.strip_chart(rows, read.tokens, "All steps: states and gates", note, here=time)
    st.altair_chart(chart, width="stretch")
    st.caption(
        "Look along a row to see what one number does over the text; the orange frame is the step above. The colours "
        "have the same fixed ends in every picture of this page."
    )


def _output(hand: Hand, read: Walk, time: int) -> None:
    state = symbol("hidden", hand.cell_type)
    st.header("What comes out")
    dense = st.toggle(
        f"A dense layer reads the state: y = W_hy {state} + b_y",
        key=session.ticked("keep_cell_dense", False),
        help="else y is h",
    )
    h = read.states["hidden"][time + 1]
    if not dense:
        numbers = ", ".join(charts.number(float(v)) for v in h)
        st.markdown(
            f"yₜ = {state}ₜ = ({numbers}). The state itself is the output: "
            + (
                "`output[-1]` in PyTorch, a layer without `return_sequences` in Keras."
                if time == len(read.outputs) - 1
                else f"`output[{time}]` in PyTorch, `output[:, {time}]` in Keras with `return_sequences=True`; both "
                "count steps from 0."
            )
        )
        return
    parts = tex.products(hand.head[:-1], h)
    value = tex.put(float(read.outputs[time]))
    st.latex(rf"y_t = W_{{hy}}\,{state}_t + b_y = {parts} + {tex.bracketed(float(hand.head[-1]))} = {value}")
    chart = plots.lines_chart({"y": read.outputs}, "step", "output y", "The output at every step", first=1, height=200)
    st.altair_chart(chart, width="stretch")
    st.caption(
        "Look at what one number can tell of the state: unit 1 minus unit 2, as long as you have not changed it."
    )


def _keeps(hand: Hand, read: Walk, time: int) -> None:
    z = read.gates["update_gate"][time, 0]
    st.info(
        f"**Which way z points.** Here, as in PyTorch and in Keras, h = z·h + (1 − z)·n: an open z **keeps** "
        f"(z of unit 1 is {z:.4f} now). Other notes write s = z·tanh(…) + (1 − z)·s: there an open z **writes**, "
        "and z is 1 minus ours. It is the same family of cells; only the meaning of z is turned round."
    )

"""Shapes at every arrow, for the reader's numbers: what Keras returns, what PyTorch returns, and the four kinds."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from rnnviz import session
from rnnviz.charts.shapes import Net, shape_chart, told
from rnnviz.components.lines import lines
from rnnviz.components.question import ask
from rnnviz.lesson.questions import Choice, Number, Order, Several
from rnnviz.lesson.references import cite
from rnnviz.lesson.shapes import (
    CELLS,
    KINDS,
    LIMITS,
    Setting,
    keras_lines,
    places,
    pytorch_lines,
    returned,
    without_sequences,
)

_KEYS = "keep_shapes_api_"
_FIRST = Setting()
_NUMBERS = {
    "batch": "Batch",
    "time": "Time steps",
    "features": "Features",
    "units": "Units",
    "layers": "Layers",
    "classes": "Classes",
    "written": "Steps written",
}
_NEEDS = {
    "many_to_one": (
        "Only the last step leaves the top: Keras\u2019 default, `return_sequences=False`; in PyTorch "
        "`output[:, -1]`, or `h_n[-1]`. With two directions neither will do: each direction has a last step of "
        "its own, "
        "and that of the backward one is at the first word; `torch.cat([h_n[-2], h_n[-1]], -1)` is what Keras gives."
    ),
    "one_to_many": (
        "One vector, no sequence, comes in: a dense layer makes the first state of it (`initial_state=`, in PyTorch "
        "the second argument). What is written goes in again as the next input, so the loop is yours to write. It "
        "reads one way only: what is still to be written cannot be read backwards."
    ),
    "aligned": (
        "Every step leaves the top: `return_sequences=True`; PyTorch\u2019s `output` is always this. The same dense "
        "head is used at every step (in Keras a `Dense` layer on (batch, time, features) does that by itself)."
    ),
    "encoder_decoder": (
        "The first network\u2019s outputs are thrown away; its last state is the second one\u2019s first: "
        "`return_state=True`, then `initial_state=`. Input and output may differ in length. Two directions of the "
        "encoder are laid side by side, so the decoder is twice as wide."
    ),
}


def render() -> None:
    """Draw the view."""
    _try()
    _stacked()
    _words()
    _order()


@st.fragment
@session.guarded
def _try() -> None:
    setting = _ask()
    st.header("What a layer returns")
    one, two = st.columns(2)
    sequences = one.checkbox("return_sequences", key=session.ticked(f"{_KEYS}sequences", False))
    state = two.checkbox("return_state", key=session.ticked(f"{_KEYS}state", False))
    setting = replace(setting, sequences=sequences, state=state)
    _returned(setting)
    lines(
        pytorch_lines(setting),
        keras_lines(setting),
        note="Each prints the shapes of its own table above; weights and inputs are random, shapes are not.",
    )
    _predict(setting)
    _kinds(setting)


def _ask() -> Setting:
    values: dict[str, int] = {}
    names = list(_NUMBERS)
    for row in (names[:4], names[4:]):
        for column, name in zip(st.columns(4), row, strict=False):
            key = session.whole(f"{_KEYS}{name}", 1, LIMITS[name], getattr(_FIRST, name))
            values[name] = int(column.number_input(_NUMBERS[name], 1, LIMITS[name], key=key, step=1))
    one, two = st.columns(2)
    key = session.fitting(f"{_KEYS}cell", tuple(CELLS), _FIRST.cell)
    cell = one.segmented_control("Cell", list(CELLS), key=key, format_func=lambda cell: CELLS[cell][0], required=True)
    both = two.checkbox("Bidirectional", key=session.ticked(f"{_KEYS}both", False))
    return Setting(cell=cell, both=both, **values)


def _net(kind: str, setting: Setting) -> Net:
    return Net(
        kind,
        CELLS[setting.cell][1],
        "h, c" if setting.cell == "lstm" else "h",
        setting.time,
        setting.layers,
        setting.both and kind != "one_to_many",
        setting.sequences,
        setting.state,
        setting.written,
    )


def _returned(setting: Setting) -> None:
    found = returned(setting)
    title = f"x {told(found.places['x'])} through {setting.layers} x {CELLS[setting.cell][0]}({setting.units})"
    st.altair_chart(shape_chart(_net("layers", setting), found.places, title), width="stretch")
    st.caption(
        "Look at what changes when you tick a box: the arrows that leave the top. Shapes have the batch first; the "
        "tensors have just been run through `torch.nn`, and their shapes read off. A dashed arrow leaves steps out."
    )
    keras, pytorch = st.columns(2)
    keras.markdown("**Keras: the top layer returns**")
    keras.table(_rows(found.keras))
    pytorch.markdown(f"**PyTorch: `nn.{CELLS[setting.cell][1]}` always returns**")
    pytorch.table(_rows(found.pytorch))
    st.caption(
        "PyTorch\u2019s `output` is the top layer at every step; `h_n` holds the last state of every layer and "
        "direction, which stand in its first axis, before the batch even with `batch_first=True`. Keras gives the "
        "states of one layer, each direction by itself."
    )


def _rows(shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> list[dict[str, str]]:
    return [{"what": name, "shape": str(shape)} for name, shape in shapes]


def _predict(setting: Setting) -> None:
    other = replace(setting, layers=2, both=True, time=setting.time)
    shape = dict(returned(other).pytorch)["h_n"]
    ask(
        Number(
            "shapes-hn",
            f"Make it two layers, bidirectional, and leave the rest as it is above (batch {setting.batch}, "
            f"{setting.time} steps, {setting.units} units). How long is the first axis of PyTorch\u2019s `h_n`?",
            f"One row a layer and direction: 2 \u00d7 2. `h_n` is {shape}, and has no time axis: it is the state after "
            "the last step alone.",
            float(shape[0]),
        ),
        title="Predict a shape",
    )


def _kinds(setting: Setting) -> None:
    st.header("Four shapes from one layer")
    key = session.fitting(f"{_KEYS}kind", tuple(KINDS), "many_to_one")
    kind = st.radio("Shape", list(KINDS), key=key, format_func=lambda kind: KINDS[kind].lower(), horizontal=True)
    st.write(_NEEDS[kind])
    found = places(kind, setting)
    net = _net(kind, setting)
    st.altair_chart(shape_chart(net, found, _title(kind, found), _subtitle(kind, setting)), width="stretch")
    st.caption(
        "Look at which arrows there are and which are not: the cells are the same in all four. Every shape is of a "
        "network that has just been run with your numbers."
    )


def _title(kind: str, found: dict[str, tuple[int, ...]]) -> str:
    return f"{KINDS[kind]}: {told(found['x'] if 'x' in found else found['x_t'])} in, {told(found['y'])} out"


def _subtitle(kind: str, setting: Setting) -> str:
    if kind == "one_to_many":
        return f"{setting.time} steps are written" + (", one way in spite of the tick" if setting.both else "")
    if kind == "encoder_decoder":
        return f"{setting.time} steps are read, {setting.written} written; a dashed line is read again"
    return f"{setting.time} steps are read"


def _stacked() -> None:
    st.header("Layers above each other")
    made = Setting(batch=32, time=10, features=8, units=16)
    silent = without_sequences(made)
    st.write(
        "The second layer needs a sequence to read, so every layer but the last has to return one. Keras refuses a "
        "layer without: it says `expected ndim=3, found ndim=2`."
    )
    ask(
        Choice(
            "shapes-stack",
            "And PyTorch? A first `nn.LSTM` gives its last output, of shape (32, 16): 32 texts, 16 units. You hand "
            "that to a second `nn.LSTM(16, 16)` as it is. What happens?",
            f"We have just done it, and got {silent} back without a word. An input with two axes is one text without "
            "a batch, so the 32 texts are read as 32 steps of a single one, each text\u2019s state flowing into the "
            "next. No error, and a wrong network: look at shapes before you train.",
            (
                "an error: a sequence is expected",
                "it reads the 32 texts as 32 steps of one text, and says nothing",
                "it reads each text as one step",
            ),
            1,
        ),
        title="Forgotten return_sequences",
    )


def _words() -> None:
    st.header("Other arguments of the same API")
    st.markdown(
        "- **`mask`** (batch, time): which steps are real. At the others the state is held, so padding changes "
        "nothing; PyTorch does it with lengths (`pack_padded_sequence`).\n"
        "- **`initial_state`**: the state before the first step, (batch, units) in Keras, (layers \u00d7 directions, "
        "batch, units) in PyTorch; zeros where you give none.\n"
        "- **`unroll`**: Keras builds the loop as one copy of the cell a step, faster for short sequences and larger "
        "in memory; the numbers are the same.\n"
        "- **`go_backwards`** reads the steps from the last to the first; a bidirectional layer is one of each "
        f"({cite('schuster1997')}).\n"
        "- **`stateful`**: the last state of one batch is the first of the next."
    )
    ask(
        Several(
            "shapes-fits",
            "Which of these can be bidirectional?",
            "Reading backwards needs the end of the text to be there. A finished review or sentence is; what is still "
            "being written is not, and neither is the rest of a sentence that someone is speaking right now.",
            (
                "sentiment of a finished review",
                "writing a text letter by letter",
                "a label for each word of a finished sentence",
                "the encoder of a translator",
                "live captions that must not lag behind the speaker",
            ),
            (0, 2, 3),
        ),
        title="Both ways",
    )


def _order() -> None:
    ask(
        Order(
            "shapes-size",
            "Put these tensors of an LSTM (batch 8, 5 steps, 16 units, one layer, one way) in order, the one with the "
            "fewest numbers first.",
            "The final state of one text has 16 numbers, `h_n` has 8 \u00d7 16 = 128, `h_n` and `c_n` together 256, "
            "and `output` 8 \u00d7 5 \u00d7 16 = 640: it alone grows with the text.",
            ("the last state h of one text", "h_n", "h_n and c_n together", "output"),
        ),
        title="Put in order",
    )

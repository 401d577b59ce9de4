"""Hand-made weights that do something understandable, and random ones; it knows nothing of pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnviz.cells import CELLS
from rnnviz.lesson.cell import Hand, shapes

RANDOM = "random"
_UNITS = 2
_NONE, _EYE = ((0, 0), (0, 0)), ((1, 0), (0, 1))
Pairs = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Block:
    """One gate's weights for two units, the same for every preset: W_x by the first two letters, W_h, b."""

    x: Pairs = _NONE
    h: Pairs = _NONE
    b: tuple[float, float] = (0, 0)


@dataclass(frozen=True)
class Preset:
    """Weights with a purpose.

    Attributes:
        label: What people choose; "{0}" and "{1}" stand for the network's first two letters.
        watch: One or two sentences on what to look at.
        blocks: Gate -> its weights; a gate that is left out is all zeros.
        start: The first hidden state.
    """

    label: str
    watch: str
    blocks: Mapping[str, Block] = field(default_factory=dict)
    start: tuple[float, float] = (0, 0)


def _times(factor: float) -> Pairs:
    return ((factor, 0), (0, factor))


def _always(bias: float) -> Block:
    return Block(b=(bias, bias))


_OPEN, _SHUT = _always(10), _always(-10)
_LATE = ((0, 0), (2, 0))
_WIPED = ((0, -20), (0, -20))
_FULL = ((-20, -20), (-20, -20))

_RNN_TANH = {
    "copy": Preset(
        "copy the letter",
        "W_h is all zeros, so the state only says which letter was read last. Watch it forget at once.",
        {"hidden": Block(x=_times(2))},
    ),
    "echo": Preset(
        "an echo that fades",
        "Each unit takes over at most 0.8 of its old value. Watch how a letter’s trace gets weaker step by step.",
        {"hidden": Block(x=_times(1), h=_times(0.8))},
    ),
    "late": Preset(
        "one step late",
        "Unit 1 copies “{0}”; unit 2 reads nothing but unit 1. Watch unit 2 do a step later what unit 1 did.",
        {"hidden": Block(x=((2, 0), (0, 0)), h=_LATE)},
    ),
    "first": Preset(
        "remember the first letter",
        "The units hold themselves up and push each other down. Watch which one wins at the first letter it knows, and "
        "that no later letter changes it.",
        {"hidden": Block(x=_times(2), h=((3, -6), (-6, 3)))},
    ),
}
_RNN_RELU = {
    "counter": Preset(
        "counter",
        "W_h is the identity and ReLU cuts nothing off here: unit 1 counts “{0}”, unit 2 counts “{1}”, "
        "and no count is ever lost.",
        {"hidden": Block(x=_EYE, h=_EYE)},
    ),
    "copy": Preset("copy the letter", "W_h is zero: the state is the input.", {"hidden": Block(x=_EYE)}),
    "away": Preset(
        "runs away",
        "Every step multiplies the state by 1.5 and nothing bounds it. Watch the numbers: the colour is at its end.",
        {"hidden": Block(x=_EYE, h=_times(1.5))},
    ),
}
_RNN_SIGMOID = {
    "seen": Preset(
        "has it been seen",
        "A unit that is on feeds itself 10, more than the bias of −5 takes away. Watch unit 1 switch on at the first "
        "“{0}” and stay on.",
        {"hidden": Block(x=_times(6), h=_times(10), b=(-5, -5))},
    ),
    "copy": Preset(
        "copy the letter",
        "With the bias of −4 a unit rests near 0 and its letter lifts it near 1. Watch it forget at once.",
        {"hidden": Block(x=_times(8), b=(-4, -4))},
    ),
}
_RESIDUAL = {
    "counter": Preset(
        "counter",
        "What is written is tanh(3) = 0.9951 for the unit’s letter and 0 otherwise, and all of the old is kept. "
        "Watch the state grow beyond 1.",
        {"candidate": Block(x=_times(3))},
    ),
    "balance": Preset(
        "up and down",
        "Unit 1 goes up at “{0}” and down at “{1}”, unit 2 the other way round. Watch unit 1 give the "
        "difference of the two counts, as for brackets.",
        {"candidate": Block(x=((3, -3), (-3, 3)))},
    ),
    "away": Preset(
        "runs away",
        "The state adds to itself. Watch it grow by almost 1 at every step after the first letter: tanh bounds what is "
        "written, not the state.",
        {"candidate": Block(x=_EYE, h=_EYE)},
    ),
}
_LSTM = {
    "first": Preset(
        "remember the first letter",
        "The input gate is open as long as nothing is stored: h pushes it shut. Watch i go from 0.99 to 0 after the "
        "first letter it knows, while f stays at 1.",
        {
            "input_gate": Block(h=_FULL, b=(5, 5)),
            "forget_gate": _OPEN,
            "candidate": Block(x=_times(5)),
            "output_gate": _OPEN,
        },
    ),
    "counter": Preset(
        "counter",
        "f is always open, i opens only for the unit’s letter, and g is 1. Watch c count on past 1 while h, its "
        "tanh, cannot.",
        {
            "input_gate": Block(x=_times(20), b=(-10, -10)),
            "forget_gate": _OPEN,
            "candidate": _OPEN,
            "output_gate": _OPEN,
        },
    ),
    "wipe": Preset(
        "“{1}” wipes the count",
        "As the counter, but the forget gate shuts at “{1}”. Watch f · c fall to 0 there, and unit 1 begin again.",
        {
            "input_gate": Block(x=_times(20), b=(-10, -10)),
            "forget_gate": Block(x=_WIPED, b=(10, 10)),
            "candidate": _OPEN,
            "output_gate": _OPEN,
        },
    ),
    "open": Preset(
        "every gate open",
        "i, f and o are 1 at every step: all is kept, all is written, all is shown. Watch c become the sum of all "
        "candidates.",
        {"input_gate": _OPEN, "forget_gate": _OPEN, "candidate": Block(x=_times(1)), "output_gate": _OPEN},
    ),
    "copy": Preset(
        "copy the letter",
        "The forget gate is always shut: nothing old is kept. Watch c be whatever was written last.",
        {"input_gate": _OPEN, "forget_gate": _SHUT, "candidate": Block(x=_times(2)), "output_gate": _OPEN},
    ),
    "hidden": Preset(
        "counts in secret",
        "The counter with its output gate shut except at “{1}”. Watch c count on while h shows next to nothing.",
        {
            "input_gate": Block(x=_times(20), b=(-10, -10)),
            "forget_gate": _OPEN,
            "candidate": _OPEN,
            "output_gate": Block(x=((0, 20), (0, 20)), b=(-10, -10)),
        },
    ),
}
_GRU = {
    "first": Preset(
        "remember the first letter",
        "z is shut as long as nothing is stored, and the stored letter pushes it open. Watch z go to 1 after the first "
        "letter it knows: an open z keeps.",
        {
            "reset_gate": _OPEN,
            "update_gate": Block(h=((20, 20), (20, 20)), b=(-5, -5)),
            "candidate": Block(x=_times(3)),
        },
    ),
    "copy": Preset(
        "copy the letter",
        "z is always shut: nothing is kept, the candidate is the new state. Watch h be n.",
        {"reset_gate": _OPEN, "update_gate": _SHUT, "candidate": Block(x=_times(2))},
    ),
    "open": Preset(
        "an update gate that is always open",
        "z is 1 at every step: all is kept and nothing is ever written. Watch the first state stay for good.",
        {"reset_gate": _OPEN, "update_gate": _OPEN, "candidate": Block(x=_times(2))},
        start=(0.5, -0.5),
    ),
    "average": Preset(
        "a slow average",
        "z = σ(1) = 0.7311 at every step: the state is a running average of the candidates. Watch it lag behind n.",
        {"reset_gate": _OPEN, "update_gate": _always(1), "candidate": Block(x=_times(2))},
    ),
    "wipe": Preset(
        "“{1}” resets it",
        "z is shut, so all memory runs through the candidate, which hears the old state through r. Watch r shut at "
        "“{1}” and unit 1 lose its “{0}”.",
        {
            "reset_gate": Block(x=_WIPED, b=(10, 10)),
            "update_gate": _SHUT,
            "candidate": Block(x=((2, 0), (0, 2)), h=_times(2)),
        },
    ),
}
PRESETS: dict[str, dict[str, Preset]] = {
    "rnn_tanh": _RNN_TANH,
    "rnn_relu": _RNN_RELU,
    "rnn_sigmoid": _RNN_SIGMOID,
    "residual": _RESIDUAL,
    "lstm": _LSTM,
    "gru": _GRU,
    "gru_textbook": _GRU,
}
"""Cell -> key -> preset, the first one the first shown; random weights are none of them."""


def preset_names(cell_type: str) -> list[str]:
    """Return the keys of a cell's presets, random weights last."""
    return [*PRESETS[cell_type], RANDOM]


def watch(cell_type: str, name: str, letters: Sequence[str]) -> tuple[str, str]:
    """Return a preset's label and what to watch, with the network's letters put in."""
    if name == RANDOM:
        return "random, by seed", (
            "Weights and biases are drawn uniformly within 1/√units, as PyTorch draws them, and rounded to two "
            "decimals. Watch that nothing in particular happens: such a network has still to learn."
        )
    preset, pair = PRESETS[cell_type][name], (*letters, "–")[:2]
    return preset.label.format(*pair), preset.watch.format(*pair)


def make(cell_type: str, name: str, letters: Sequence[str], units: int = _UNITS, seed: int = 0) -> Hand:
    """Return a network with a preset's weights.

    Args:
        cell_type: One of `rnnviz.cells.CELLS`.
        name: A key of the cell's presets, or "random".
        letters: The network's, one to three; a preset uses the first two.
        units: Of a random network; all others have two.
        seed: Of a random network.
    """
    head = np.array([1.0, -1.0, *[0.0] * (units - 1)])
    if name == RANDOM:
        return _random(cell_type, letters, units, seed)
    preset, inputs = PRESETS[cell_type][name], len(letters)
    matrix, start, _ = (np.zeros(shape) for shape in shapes(letters, _UNITS, cell_type))
    for place, block in enumerate(CELLS[cell_type].blocks):
        weights, rows = preset.blocks.get(block, Block()), slice(place * _UNITS, (place + 1) * _UNITS)
        used = min(inputs, 2)
        matrix[rows, :used] = np.array(weights.x)[:, :used]
        matrix[rows, inputs : inputs + _UNITS] = weights.h
        matrix[rows, inputs + _UNITS] = weights.b
    start[0] = preset.start
    return Hand(cell_type, tuple(letters), matrix, start, head[: _UNITS + 1] * [1, 1, 0])


def _random(cell_type: str, letters: Sequence[str], units: int, seed: int) -> Hand:
    generator = np.random.default_rng(seed)
    bound = units**-0.5
    matrix, start, head = (
        generator.uniform(-bound, bound, shape).round(2) for shape in shapes(letters, units, cell_type)
    )
    if cell_type == "gru":
        matrix[:-units, -1] = 0
    return Hand(cell_type, tuple(letters), matrix, np.zeros_like(start), head[0])

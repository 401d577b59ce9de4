"""Networks small enough to be written out: every number of every step, in float64; it knows nothing of pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from rnnviz.analysis.arithmetic import Arithmetic, unit_arithmetic
from rnnviz.cells import CELLS, State, Weights
from rnnviz.errors import TextError

MOST_STEPS = 60
"""Characters of a text that are read; more would not fit on the page."""
MOST_LETTERS, FEWEST_UNITS, MOST_UNITS = 3, 2, 4
LARGEST = 1000.0
"""No weight is larger: even 60 steps of a ReLU network then stay within float64."""
SYMBOLS = {
    "hidden": "h",
    "input_gate": "i",
    "forget_gate": "f",
    "candidate": "g",
    "output_gate": "o",
    "reset_gate": "r",
    "update_gate": "z",
    "cell": "c",
}


def symbol(name: str, cell_type: str) -> str:
    """Return the letter that formulas use for a signal: a GRU's candidate is n, a residual cell's state s."""
    if name == "candidate" and cell_type != "lstm":
        return "n"
    return "s" if name == "hidden" and cell_type == "residual" else SYMBOLS[name]


@dataclass(frozen=True, eq=False)
class Hand:
    """A hand-sized network with one recurrent layer and a dense output.

    Attributes:
        cell_type: One of `rnnviz.cells.CELLS`.
        letters: (input,), each a one-hot input; any other character is a vector of zeros.
        matrix: float64 (block * unit, input + unit + biases), [W_x W_h b], blocks in the order of `Cell.blocks`; the
            last column is the bias, for PyTorch's GRU the bias b_hn inside the reset gate's bracket stands behind it.
        start: float64 (state, unit), the states before the first step.
        head: float64 (unit + 1,), W_hy and b_y of one output.
    """

    cell_type: str
    letters: tuple[str, ...]
    matrix: np.ndarray
    start: np.ndarray
    head: np.ndarray

    @property
    def units(self) -> int:
        """How many units there are."""
        return self.start.shape[1]

    @property
    def weight_x(self) -> np.ndarray:
        """W_x (block * unit, input)."""
        return self.matrix[:, : len(self.letters)]

    @property
    def weight_h(self) -> np.ndarray:
        """W_h (block * unit, unit)."""
        return self.matrix[:, len(self.letters) : len(self.letters) + self.units]

    @property
    def bias(self) -> np.ndarray:
        """What is added, (block * unit,), without b_hn."""
        return self.matrix[:, len(self.letters) + self.units]

    @property
    def bias_h(self) -> np.ndarray:
        """The recurrent bias (block * unit,): b_hn for PyTorch's GRU in its candidate, else zeros."""
        inside = np.zeros(len(self.matrix))
        if self.cell_type == "gru":
            inside[-self.units :] = self.matrix[-self.units :, -1]
        return inside

    @cached_property
    def weights(self) -> Weights:
        """The same under PyTorch's names, float64."""
        parts = (self.weight_x, self.weight_h, self.bias, self.bias_h)
        return Weights(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts))

    def first(self) -> State:
        """Return the states before the first step as tensors, each (unit,)."""
        return tuple(torch.from_numpy(row.copy()) for row in self.start)

    def scaled(self, old: float = 1.0, new: float = 1.0) -> Hand:
        """Return the network with W_h and W_x multiplied."""
        matrix, inputs = self.matrix.copy(), len(self.letters)
        matrix[:, :inputs] *= new
        matrix[:, inputs : inputs + self.units] *= old
        return replace(self, matrix=matrix)

    def begun(self, start: np.ndarray) -> Hand:
        """Return the network with other first states, (state, unit)."""
        return replace(self, start=start)


def columns(letters: Sequence[str], units: int, cell_type: str) -> list[str]:
    """Name the columns of a network's matrix."""
    state = symbol("hidden", cell_type)
    names = [*letters, *(f"{state}{unit + 1}" for unit in range(units)), "bias"]
    return [*names, "b_hn"] if cell_type == "gru" else names


def row_names(units: int, cell_type: str) -> list[str]:
    """Name the rows of a network's matrix: gate and unit."""
    return [f"{symbol(block, cell_type)}{unit + 1}" for block in CELLS[cell_type].blocks for unit in range(units)]


def shapes(letters: Sequence[str], units: int, cell_type: str) -> list[tuple[int, int]]:
    """Return the shapes of the three tables that hold a network's numbers: matrix, first states, output."""
    cell = CELLS[cell_type]
    width = len(columns(letters, units, cell_type))
    return [(len(cell.blocks) * units, width), (len(cell.states), units), (1, units + 1)]


def tables(hand: Hand) -> list[list[list[float]]]:
    """Return a network's numbers as lists: matrix, first states, output."""
    return [hand.matrix.tolist(), hand.start.tolist(), [hand.head.tolist()]]


def from_tables(cell_type: str, letters: Sequence[str], numbers: Sequence[np.ndarray]) -> Hand:
    """Make a network of its three tables."""
    matrix, start, head = (np.asarray(table, dtype=np.float64) for table in numbers)
    return Hand(cell_type, tuple(letters), matrix, start, head[0])


def cleaned(kept: object, instead: Sequence[Sequence[Sequence[float]]]) -> list[list[list[float]]]:
    """Return tables of numbers that may have come from anywhere, or others where they do not fit.

    Args:
        kept: Anything; lists of three tables of finite numbers are taken, cut to +-`LARGEST`.
        instead: What is taken otherwise; its shapes are the ones to fit.
    """
    if not isinstance(kept, list) or len(kept) != len(instead):
        return [[list(row) for row in table] for table in instead]
    return [_cleaned_table(table, other) for table, other in zip(kept, instead, strict=True)]


def _cleaned_table(table: object, other: Sequence[Sequence[float]]) -> list[list[float]]:
    fits = isinstance(table, list) and [len(row) if isinstance(row, list) else -1 for row in table] == [
        len(row) for row in other
    ]
    if not fits:
        return [list(row) for row in other]
    return [
        [number(value, before) for value, before in zip(row, old, strict=True)]
        for row, old in zip(table, other, strict=True)
    ]


def number(value: object, instead: float) -> float:
    """Return a finite number within +-`LARGEST`, or another for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return instead
    if isinstance(value, float) and not math.isfinite(value):
        return instead
    return float(min(max(value, -LARGEST), LARGEST))


@dataclass(frozen=True, eq=False)
class Walk:
    """What a network computes as it reads a text.

    Attributes:
        tokens: (time,), its characters.
        x: float64 (time, input), what it reads.
        states: Name -> float64 (time + 1, unit), the first row before anything is read.
        gates: Name -> float64 (time, unit), as in `Cell.blocks`.
        outputs: float64 (time,), W_hy h_t + b_y.
    """

    tokens: tuple[str, ...]
    x: np.ndarray
    states: Mapping[str, np.ndarray]
    gates: Mapping[str, np.ndarray]
    outputs: np.ndarray


def one_hot(letters: Sequence[str], text: str) -> np.ndarray:
    """Return each character as a one-hot row, zeros for one that is no letter of the network: (time, input)."""
    return np.array([[float(character == letter) for letter in letters] for character in text]).reshape(len(text), -1)


def walk(hand: Hand, text: str, x: np.ndarray | None = None) -> Walk:
    """Read a text step by step.

    Args:
        hand: The network.
        text: At least one character, and at most as many as the reader wants.
        x: (time, input), other numbers than the one-hot ones.

    Raises:
        TextError: The text is empty.
    """
    if not text:
        raise TextError("The text is empty: type a few letters for the network to read.")
    x = one_hot(hand.letters, text) if x is None else x
    cell, state = CELLS[hand.cell_type], hand.first()
    states, gates = [state], []
    for row in torch.from_numpy(x):
        state, opened = cell.step(hand.weights.project(row), state, hand.weights)
        states.append(state)
        gates.append(opened)
    named = {name: torch.stack([s[i] for s in states]).numpy() for i, name in enumerate(cell.states)}
    opened = {name: torch.stack([g[name] for g in gates]).numpy() for name in cell.blocks}
    return Walk(tuple(text), x, named, opened, named["hidden"][1:] @ hand.head[:-1] + hand.head[-1])


@dataclass(frozen=True, eq=False)
class Row:
    """One line of a step's table.

    Attributes:
        part: "before", "gates", "sums", "kept", "written", "shown" or "after".
        name: What it is, in words.
        formula: How it is computed, in plain letters.
        signal: The signal whose colour scale it takes; "" for a sum, which has none.
        values: float64 (unit,).
    """

    part: str
    name: str
    formula: str
    signal: str
    values: np.ndarray


GATE_NAMES = {
    "input_gate": "input gate",
    "forget_gate": "forget gate",
    "candidate": "candidate",
    "output_gate": "output gate",
    "reset_gate": "reset gate",
    "update_gate": "update gate",
    "hidden": "state",
}


def step_rows(hand: Hand, read: Walk, time: int) -> list[Row]:
    """Return all that happens in one step, line by line, a number a unit.

    Args:
        hand: The network.
        read: What it has read.
        time: The step, from 0.
    """
    letter = symbol("hidden", hand.cell_type)
    old = {name: values[time] for name, values in read.states.items()}
    new = {name: values[time + 1] for name, values in read.states.items()}
    gates = {name: values[time] for name, values in read.gates.items()}
    rows = [Row("before", "state before", f"{letter}\u209c\u208b\u2081", "hidden", old["hidden"])]
    if "cell" in old:
        rows.append(Row("before", "cell state before", "c\u209c\u208b\u2081", "cell", old["cell"]))
    rows += _sums(hand, units_arithmetic(hand, read, time))
    if hand.cell_type in ("lstm", "gru", "gru_textbook"):
        for name, values in gates.items():
            function = "tanh" if name == "candidate" else "\u03c3"
            sign = symbol(name, hand.cell_type)
            rows.append(Row("gates", GATE_NAMES[name], f"{sign} = {function}(sum)", name, values))
    return rows + _outcome(hand.cell_type, gates, old, new)


def _outcome(
    cell_type: str, gates: Mapping[str, np.ndarray], old: Mapping[str, np.ndarray], new: Mapping[str, np.ndarray]
) -> list[Row]:
    """What is kept, written and shown, and the states after it."""
    if cell_type == "lstm":
        squashed = np.tanh(new["cell"])
        return [
            Row("kept", "kept", "f \u00b7 c\u209c\u208b\u2081", "cell", gates["forget_gate"] * old["cell"]),
            Row("written", "written", "i \u00b7 g", "cell", gates["input_gate"] * gates["candidate"]),
            Row("after", "cell state after", "c\u209c = kept + written", "cell", new["cell"]),
            Row("shown", "squashed", "tanh(c\u209c)", "hidden", squashed),
            Row("after", "shown: state after", "h\u209c = o \u00b7 tanh(c\u209c)", "hidden", new["hidden"]),
        ]
    if cell_type in ("gru", "gru_textbook"):
        z = gates["update_gate"]
        return [
            Row("kept", "kept", "z \u00b7 h\u209c\u208b\u2081", "hidden", z * old["hidden"]),
            Row("written", "written", "(1 \u2212 z) \u00b7 n", "hidden", (1 - z) * gates["candidate"]),
            Row("after", "shown: state after", "h\u209c = kept + written", "hidden", new["hidden"]),
        ]
    if cell_type == "residual":
        return [
            Row("kept", "kept", "s\u209c\u208b\u2081, all of it", "hidden", old["hidden"]),
            Row("written", "written", "n = tanh(sum)", "candidate", gates["candidate"]),
            Row("after", "shown: state after", "s\u209c = kept + written", "hidden", new["hidden"]),
        ]
    function = {"rnn_relu": "ReLU", "rnn_sigmoid": "\u03c3"}.get(cell_type, "tanh")
    return [Row("after", "shown: state after", f"h\u209c = {function}(sum)", "hidden", new["hidden"])]


def units_arithmetic(hand: Hand, read: Walk, time: int) -> list[Arithmetic]:
    """Return one step's arithmetic, a unit each."""
    x = torch.from_numpy(read.x[time])
    state = tuple(torch.from_numpy(values[time]) for values in read.states.values())
    return [unit_arithmetic(hand.cell_type, hand.weights, x, state, unit) for unit in range(hand.units)]


def _sums(hand: Hand, units: Sequence[Arithmetic]) -> list[Row]:
    """The parts of every gate's sum: from the input, from the state, the bias, together."""
    rows = []
    state = symbol("hidden", hand.cell_type)
    for place, gate in enumerate(units[0].gates):
        inside = {"gru": f"r \u00b7 (W_h {state} + b_hn)", "gru_textbook": f"W_h (r \u00b7 {state})"}
        old = inside.get(hand.cell_type) if gate.name == "candidate" else None
        sign = symbol(gate.name, hand.cell_type)
        parts = [
            ("from_input", "from the input", "W_x x"),
            ("from_hidden", "from the old state", old or f"W_h {state}"),
            ("bias", "bias", "b"),
            ("pre_activation", "sum", "all three"),
        ]
        for field, name, formula in parts:
            values = np.array([getattr(unit.gates[place], field) for unit in units])
            rows.append(Row("sums", f"{sign}: {name}", formula, "", values))
    return rows

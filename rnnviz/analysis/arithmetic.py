"""The arithmetic of one unit at one step, number by number, and as PyTorch lines to run; it knows nothing of files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnviz.cells import CELLS, State, Weights

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}


@dataclass(frozen=True)
class Contribution:
    """What one number that a unit reads adds to a pre-activation.

    Attributes:
        source: "input" or "hidden".
        index: Which of the layer's inputs, or of its units.
        weight: The weight as it stands in the layer.
        value: What it is multiplied by: the input, or the unit's previous hidden state, times the reset gate in a GRU's
            candidate.
    """

    source: str
    index: int
    weight: float
    value: float

    @property
    def product(self) -> float:
        """What is added: `weight * value`."""
        return self.weight * self.value


@dataclass(frozen=True)
class GateArithmetic:
    """One gate of one unit at one step: `value = function(from_input + from_hidden + bias)`.

    Attributes:
        name: The gate, as in `Cell.blocks`; "hidden" for a simple recurrent cell.
        function: "sigmoid", "tanh" or "relu".
        from_input: W_x x, the sum of the input's products.
        from_hidden: W_h h, the sum of the hidden units' products; in the candidate of `gru` r * (W_h h + b_h), its bias
            included.
        bias: b_x + b_h; in the candidate of `gru` b_x alone.
        pre_activation: `from_input + from_hidden + bias`, exactly.
        value: The gate.
        largest: The largest products, by size, from input and hidden units together.
    """

    name: str
    function: str
    from_input: float
    from_hidden: float
    bias: float
    pre_activation: float
    value: float
    largest: tuple[Contribution, ...]


@dataclass(frozen=True, eq=False)
class Arithmetic:
    """Everything that one unit computes at one step.

    Attributes:
        cell_type: The cell.
        unit: The unit.
        gates: In the order of `Cell.blocks`.
        before: The unit's states before the step by name: "hidden", for an LSTM also "cell".
        after: The same after it.
        lines: The update with its numbers, rounded: "h' = o*tanh(c') = 0.50 * tanh(0.93) = 0.37".
    """

    cell_type: str
    unit: int
    gates: tuple[GateArithmetic, ...]
    before: Mapping[str, float]
    after: Mapping[str, float]
    lines: tuple[str, ...]


def unit_arithmetic(
    cell_type: str, weights: Weights, x: Tensor, state: State, unit: int, largest: int = 5
) -> Arithmetic:
    """Work out one unit's step by hand, in float64.

    The equations are those of `rnnviz.cells`. In the candidate of `gru` the unit's own reset gate r multiplies the
    hidden part, n = tanh(W_x x + b_x + r * (W_h h + b_h)): there `from_hidden` is the whole product, `bias` is b_x,
    and a contribution's value is r * h_j, so that all contributions and r * b_h sum to `from_input + from_hidden`. In
    the candidate of `gru_textbook`, n = tanh(W_x x + b_x + W_h (r * h) + b_h), it is r_j * h_j.

    Args:
        cell_type: One of `rnnviz.cells.CELLS`.
        weights: The layer's.
        x: (input,), what the layer reads at this step, not yet projected.
        state: The cell's states before the step, each (unit,).
        unit: The unit to follow.
        largest: How many of the largest products to keep a gate.

    Returns:
        The gates, the states before and after, and the update in numbers.

    Raises:
        ValueError: There is no such cell or unit, or a shape does not fit the weights.
    """
    _check(cell_type, weights, x, state, unit)
    weights = Weights(*(w.detach().cpu() for w in weights))
    x, *states = (v.detach().cpu().double() for v in (x, *state))
    gates: dict[str, GateArithmetic] = {}
    for block, name in enumerate(CELLS[cell_type].blocks):
        row = _row(weights, block * len(states[0]) + unit)
        hidden, reset = states[0], None
        if (cell_type, name) == ("gru", "candidate"):
            reset = gates["reset_gate"].value
        if (cell_type, name) == ("gru_textbook", "candidate"):
            hidden = _all_resets(weights, x, hidden) * hidden
        gates[name] = _gate(name, _function(cell_type, name), row, x, hidden, reset, largest)
    values = {name: torch.tensor(gate.value, dtype=torch.float64) for name, gate in gates.items()}
    before = tuple(s[unit] for s in states)
    names = CELLS[cell_type].states
    was = dict(zip(names, map(float, before), strict=True))
    becomes = dict(zip(names, map(float, CELLS[cell_type].update(values, before)), strict=True))
    return Arithmetic(cell_type, unit, tuple(gates.values()), was, becomes, _lines(cell_type, gates, was, becomes))


def _check(cell_type: str, weights: Weights, x: Tensor, state: State, unit: int) -> None:
    if cell_type not in CELLS:
        raise ValueError(f"cell_type: expected one of {', '.join(CELLS)}, got {cell_type!r}")
    cell, (_, size), inputs = CELLS[cell_type], weights.weight_hh.shape, weights.weight_ih.shape[1]
    if len(weights.weight_hh) != len(cell.blocks) * size:
        raise ValueError(f"weights: expected {len(cell.blocks)} blocks of {size} rows, got {len(weights.weight_hh)}")
    if tuple(x.shape) != (inputs,):
        raise ValueError(f"x: expected (input={inputs},), got {tuple(x.shape)}")
    if [tuple(s.shape) for s in state] != [(size,)] * len(cell.states):
        expected, got = ", ".join(cell.states), [tuple(s.shape) for s in state]
        raise ValueError(f"state: expected {expected}, each (unit={size},), got {got}")
    if not 0 <= unit < size:
        raise ValueError(f"unit: expected 0 to {size - 1}, got {unit}")


def _row(weights: Weights, row: int) -> Weights:
    """Return one row of each of the weights in float64: (input,), (unit,), (), ()."""
    return Weights(*(w[row].double() for w in weights))


def _all_resets(weights: Weights, x: Tensor, hidden: Tensor) -> Tensor:
    """Return every unit's reset gate, (unit,), since the textbook GRU's candidate needs them all."""
    first = Weights(*(w[: len(hidden)].double() for w in weights))
    return torch.sigmoid(first.project(x) + first.weight_hh @ hidden + first.bias_hh)


def _gate(
    name: str, function: str, row: Weights, x: Tensor, hidden: Tensor, reset: float | None, largest: int
) -> GateArithmetic:
    """Add up one gate: `row` its weights, `x` (input,) and `hidden` (unit,) what they multiply.

    `reset` is not None in the candidate of `gru` alone, where it multiplies the hidden part and its bias.
    """
    from_input, from_hidden = row.weight_ih @ x, row.weight_hh @ hidden
    bias = row.bias_ih + row.bias_hh
    if reset is not None:
        from_hidden, bias, hidden = reset * (from_hidden + row.bias_hh), row.bias_ih, reset * hidden
    pre = from_input + from_hidden + bias
    numbers = (float(n) for n in (from_input, from_hidden, bias, pre, _FUNCTIONS[function](pre)))
    return GateArithmetic(name, function, *numbers, _largest(row, x, hidden, largest))


def _function(cell_type: str, name: str) -> str:
    if name.endswith("_gate"):
        return "sigmoid"
    return {"rnn_relu": "relu", "rnn_sigmoid": "sigmoid"}.get(cell_type, "tanh")


def _largest(row: Weights, x: Tensor, hidden: Tensor, count: int) -> tuple[Contribution, ...]:
    """Return the contributions with the largest |product|, largest first; equals inputs first, by index."""
    weights, values = torch.cat([row.weight_ih, row.weight_hh]), torch.cat([x, hidden])
    order = (weights * values).abs().argsort(descending=True, stable=True)[: max(count, 0)].tolist()
    return tuple(
        Contribution(
            "input" if i < len(x) else "hidden", i if i < len(x) else i - len(x), float(weights[i]), float(values[i])
        )
        for i in order
    )


def _lines(
    cell_type: str, gates: Mapping[str, GateArithmetic], before: Mapping[str, float], after: Mapping[str, float]
) -> tuple[str, ...]:
    """Write the update with its numbers; a prime marks what is new, h' = (1-z)*n + z*h."""
    value = {name: _short(gate.value) for name, gate in gates.items()}
    old, new = ({name: _short(number) for name, number in states.items()} for states in (before, after))
    if cell_type == "lstm":
        kept, added = f"{value['forget_gate']} * {old['cell']}", f"{value['input_gate']} * {value['candidate']}"
        return (
            f"c' = f*c + i*g = {kept} + {added} = {new['cell']}",
            f"h' = o*tanh(c') = {value['output_gate']} * tanh({new['cell']}) = {new['hidden']}",
        )
    if cell_type in ("gru", "gru_textbook"):
        new_part = f"{_short(1 - gates['update_gate'].value)} * {value['candidate']}"
        old_part = f"{value['update_gate']} * {old['hidden']}"
        return (f"h' = (1-z)*n + z*h = {new_part} + {old_part} = {new['hidden']}",)
    if cell_type == "residual":
        return (f"h' = n + h = {value['candidate']} + {old['hidden']} = {new['hidden']}",)
    gate = gates["hidden"]
    parts = " + ".join(_short(part) for part in (gate.from_input, gate.from_hidden, gate.bias))
    return (f"h' = {gate.function}(W_x x + W_h h + b) = {gate.function}({parts}) = {new['hidden']}",)


def _short(number: float) -> str:
    return f"{number:z.4f}"


_STEPS = {
    "rnn_tanh": "h = torch.tanh(W_ih @ x + b_ih + W_hh @ h + b_hh)",
    "rnn_relu": "h = torch.relu(W_ih @ x + b_ih + W_hh @ h + b_hh)",
    "rnn_sigmoid": "h = torch.sigmoid(W_ih @ x + b_ih + W_hh @ h + b_hh)",
    "residual": "h = torch.tanh(W_ih @ x + b_ih + W_hh @ h + b_hh) + h",
    "lstm": """\
i, f, g, o = (W_ih @ x + b_ih + W_hh @ h + b_hh).chunk(4)
c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
h = torch.sigmoid(o) * torch.tanh(c)""",
    "gru": """\
x_r, x_z, x_n = (W_ih @ x + b_ih).chunk(3)
h_r, h_z, h_n = (W_hh @ h + b_hh).chunk(3)
r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
n = torch.tanh(x_n + r * h_n)
h = (1 - z) * n + z * h""",
    "gru_textbook": """\
x_r, x_z, x_n = (W_ih @ x + b_ih).chunk(3)
(W_r, W_z, W_n), (b_r, b_z, b_n) = W_hh.chunk(3), b_hh.chunk(3)
r, z = torch.sigmoid(x_r + W_r @ h + b_r), torch.sigmoid(x_z + W_z @ h + b_z)
n = torch.tanh(x_n + W_n @ (r * h) + b_n)
h = (1 - z) * n + z * h""",
}

_SCRIPT = """\
import torch

{imports}

model = rnnviz.load({name!r}, device="cpu")
text = {text!r}
layer, unit, time = {layer}, {unit}, {time}
recording = rnnviz.record(model, text)
signals = {{name: torch.tensor(values) for name, values in recording.signals.items()}}  # (time, layer, unit)

# What the layer reads at this step, and its state before it
{x}
{state}

# The step by hand
weights = model.network.recurrent[layer]["d"]
W_ih, W_hh = weights.weight_ih_l0, weights.weight_hh_l0
b_ih, b_hh = weights.bias_ih_l0, weights.bias_hh_l0
{step}

{prints}
"""

_EMBEDDED = """\
ids, tokens = read(model.tokenizer, text)
x = model.network.embed(torch.tensor(ids))[time]"""


def pytorch_lines(model_name: str, text: str, cell_type: str, layer: int, unit: int, time: int) -> str:
    """Write a Python script that recomputes one unit's state at one step with plain PyTorch.

    It loads the model, records the text, takes the step by hand and prints each state twice, recomputed and recorded.
    Only a network that reads in one direction is meant.

    Args:
        model_name: What `rnnviz.load` finds: a name or a path.
        text: The text read.
        cell_type: One of `rnnviz.cells.CELLS`, the model's.
        layer: From 0, the layer above the embedding.
        unit: From 0.
        time: From 0, the text's first token.

    Returns:
        The script; it needs `rnnviz` and `torch` alone.

    Raises:
        ValueError: There is no such cell, or a number is below zero.
    """
    if cell_type not in CELLS:
        raise ValueError(f"cell_type: expected one of {', '.join(CELLS)}, got {cell_type!r}")
    if min(layer, unit, time) < 0:
        raise ValueError(f"expected no number below 0, got layer={layer}, unit={unit}, time={time}")
    x = 'x = signals["hidden"][time, layer - 1]' if layer else _EMBEDDED
    states = [("h", "hidden"), ("c", "cell")][: len(CELLS[cell_type].states)]
    if time:
        state = [f'{letter} = signals["{name}"][time - 1, layer]' for letter, name in states]
    else:
        state = [f"{letter} = model.network.start(1, layer)[{i}][0]" for i, (letter, _) in enumerate(states)]
    recorded = 'signals["{}"][time, layer, unit].item()'
    prints = [
        f'print("{name} recomputed", {letter}[unit].item(), "recorded", {recorded.format(name)})'
        for letter, name in states
    ]
    return _SCRIPT.format(
        name=str(model_name),
        text=text,
        imports="import rnnviz" if layer else "import rnnviz\nfrom rnnviz.text import read",
        layer=layer,
        unit=unit,
        time=time,
        x=x,
        state="\n".join(state),
        step=_STEPS[cell_type],
        prints="\n".join(prints),
    )

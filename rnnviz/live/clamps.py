"""Interventions: one signal of a unit, or of all units of a layer, held at a value from a chosen time on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from rnnviz.cells import CELLS, Cell, Gates, State, Weights
from rnnviz.errors import ConfigError
from rnnviz.network import Network

Held = dict[str, tuple[Tensor | slice, Tensor, Tensor]]
"""Signal -> the rows of the batch, their units and the values they are held at."""


@dataclass(frozen=True)
class Clamp:
    """One intervention.

    Attributes:
        layer: The layer, from 0.
        signal: A signal of the cell: a state or a gate.
        unit: The unit, or None for every unit of the layer.
        value: What it is held at; 0 silences it.
        first: The time from which it is held.
    """

    layer: int
    signal: str
    unit: int | None
    value: float
    first: int = 0

    def check(self, network: Network) -> None:
        """Refuse what this network cannot do.

        Raises:
            ConfigError: There is no such layer, signal or unit, or the network reads in both directions.
        """
        config = network.config
        if config.bidirectional:
            raise ConfigError("A unit can be held only in a network that reads forwards; this one reads both ways.")
        if not 0 <= self.layer < config.num_layers:
            raise ConfigError(f"layer to hold: expected 0 to {config.num_layers - 1}, got {self.layer}.")
        if self.signal not in network.cell.signals:
            raise ConfigError(f"signal to hold: expected one of {', '.join(network.cell.signals)}, got {self.signal}.")
        if self.unit is not None and not 0 <= self.unit < config.hidden_size:
            raise ConfigError(f"unit to hold: expected 0 to {config.hidden_size - 1}, got {self.unit}.")
        if not abs(self.value) < float("inf"):
            raise ConfigError(f"value to hold: expected a finite number, got {self.value}.")


def held_rows(network: Network, rows: Sequence[Sequence[Clamp]], layer: int) -> Held:
    """Turn the clamps of each row of a batch into indices for one layer."""
    places: dict[str, tuple[list[int], list[int], list[float]]] = {}
    for row, clamps in enumerate(rows):
        for clamp in clamps:
            if clamp.layer == layer:
                units = range(network.config.hidden_size) if clamp.unit is None else [clamp.unit]
                for kept, new in zip(
                    places.setdefault(clamp.signal, ([], [], [])), _spread(row, units, clamp), strict=True
                ):
                    kept.extend(new)
    like = network.head.weight
    return {
        signal: (*torch.tensor([r, u], device=like.device), torch.tensor(v, device=like.device, dtype=like.dtype))
        for signal, (r, u, v) in places.items()
    }


def _spread(row: int, units: Sequence[int], clamp: Clamp) -> tuple[list[int], list[int], list[float]]:
    return [row] * len(units), list(units), [clamp.value] * len(units)


def held_gates(cell: Cell, x: Tensor, hidden: Tensor, weights: Weights, held: Held) -> Gates:
    """Open the gates with values held: x (row, blocks * unit) projected, hidden (row, unit) before the step.

    A held reset gate does its work: it is inside the candidate, which is worked out again.
    """
    gates = cell.gates(x, hidden, weights)
    if "reset_gate" in held:
        rows, units, values = held["reset_gate"]
        gates["reset_gate"][rows, units] = values
        gates["candidate"] = _candidate(cell, x, hidden, weights, gates["reset_gate"])
    for signal, (rows, units, values) in held.items():
        if signal in gates:
            gates[signal][rows, units] = values
    return gates


def _candidate(cell: Cell, x: Tensor, hidden: Tensor, weights: Weights, reset: Tensor) -> Tensor:
    """Return a GRU's candidate for given reset gates, in PyTorch's or the textbook's form; see `rnnviz.cells`."""
    last = slice(2 * hidden.shape[-1], None)
    weight, bias = weights.weight_hh[last], weights.bias_hh[last]
    textbook = cell == CELLS["gru_textbook"]
    inside = linear(reset * hidden, weight, bias) if textbook else reset * linear(hidden, weight, bias)
    return torch.tanh(x[..., last] + inside)


def held_step(cell: Cell, x: Tensor, state: State, weights: Weights, held: Held) -> State:
    """Run one step with values held: x (row, blocks * unit) projected, each state (row, unit).

    A held cell state shows in the hidden state of the same step; a held hidden state leaves the cell state alone.
    """
    gates = held_gates(cell, x, state[0], weights, held)
    new = list(cell.update(gates, state))
    if "cell" in held:
        rows, units, values = held["cell"]
        new[1][rows, units] = values
        new[0] = gates["output_gate"] * torch.tanh(new[1])
    if "hidden" in held:
        rows, units, values = held["hidden"]
        new[0][rows, units] = values
    return tuple(new)

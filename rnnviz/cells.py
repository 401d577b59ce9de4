"""One step of every recurrent cell, its gates by name; it knows nothing of layers, text or files.

A cell is two functions. `gates(x, h, w)` computes everything that depends on the input and the previous hidden state
alone; its arrays may carry any leading dimensions, so the same line serves one step and a whole recorded sequence.
`update(gates, state)` makes the next state of it. `x` is the input already projected, `W_x x_t + b_x`, since that
product does not wait for the state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

State = tuple[Tensor, ...]
Gates = dict[str, Tensor]


class Weights(NamedTuple):
    """The parameters of one layer and direction under PyTorch's names.

    `weight_ih` (blocks * unit, input), `weight_hh` (blocks * unit, unit), both biases (blocks * unit,), where a block
    of rows belongs to one gate, in the order of `Cell.gates`.
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor

    @classmethod
    def of(cls, layer: nn.Module) -> Weights:
        """Return the weights of a single-layer, single-direction `torch.nn` module or `LoopLayer`."""
        return cls(layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0)

    def project(self, x: Tensor) -> Tensor:
        """Return `W_x x + b_x`: (..., input) -> (..., blocks * unit)."""
        return linear(x, self.weight_ih, self.bias_ih)


@dataclass(frozen=True)
class Cell:
    """A recurrent cell: names of its row blocks and states, and its two functions.

    Attributes:
        blocks: Names of the blocks of rows in the weights, in PyTorch's order.
        states: Names of what is carried from step to step: ("hidden",) or ("hidden", "cell").
        gates: (projected input, previous hidden state, weights) -> signals by name.
        update: (gates, previous state) -> next state.
    """

    blocks: tuple[str, ...]
    states: tuple[str, ...]
    gates: Callable[[Tensor, Tensor, Weights], Gates]
    update: Callable[[Gates, State], State]

    def step(self, x: Tensor, state: State, weights: Weights) -> tuple[State, Gates]:
        """Run one time step; returns the next state and every gate, each (..., unit)."""
        gates = self.gates(x, state[0], weights)
        return self.update(gates, state), gates

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of all that a recording of this cell holds."""
        gates = () if self.blocks == self.states else self.blocks
        return (*self.states, *gates)


def _rnn(activation: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor, Weights], Gates]:
    def gates(x: Tensor, h: Tensor, w: Weights) -> Gates:
        """h_t = f(W_x x_t + b_x + W_h h_{t-1} + b_h) (Elman 1990)."""
        return {"hidden": activation(x + linear(h, w.weight_hh, w.bias_hh))}

    return gates


def _rnn_update(gates: Gates, state: State) -> State:
    return (gates["hidden"],)


def _lstm_gates(x: Tensor, h: Tensor, w: Weights) -> Gates:
    """i, f, o = sigmoid, g = tanh of W_x x_t + W_h h_{t-1} + b (Hochreiter and Schmidhuber 1997; Gers et al. 2000)."""
    i, f, g, o = (x + linear(h, w.weight_hh, w.bias_hh)).chunk(4, dim=-1)
    return {
        "input_gate": torch.sigmoid(i),
        "forget_gate": torch.sigmoid(f),
        "candidate": torch.tanh(g),
        "output_gate": torch.sigmoid(o),
    }


def _lstm_update(gates: Gates, state: State) -> State:
    """c_t = f_t * c_{t-1} + i_t * g_t;  h_t = o_t * tanh(c_t)."""
    cell = gates["forget_gate"] * state[1] + gates["input_gate"] * gates["candidate"]
    return gates["output_gate"] * torch.tanh(cell), cell


def _gru_gates(x: Tensor, h: Tensor, w: Weights) -> Gates:
    """PyTorch's GRU: the reset gate multiplies the product, n_t = tanh(W_x x_t + b_x + r_t * (W_h h_{t-1} + b_h))."""
    x_r, x_z, x_n = x.chunk(3, dim=-1)
    h_r, h_z, h_n = linear(h, w.weight_hh, w.bias_hh).chunk(3, dim=-1)
    reset = torch.sigmoid(x_r + h_r)
    return {
        "reset_gate": reset,
        "update_gate": torch.sigmoid(x_z + h_z),
        "candidate": torch.tanh(x_n + reset * h_n),
    }


def _gru_textbook_gates(x: Tensor, h: Tensor, w: Weights) -> Gates:
    """Cho et al. 2014: the reset gate goes inside, n_t = tanh(W_x x_t + b_x + W_h (r_t * h_{t-1}) + b_h)."""
    size = h.shape[-1]
    x_r, x_z, x_n = x.chunk(3, dim=-1)
    h_r, h_z = linear(h, w.weight_hh[: 2 * size], w.bias_hh[: 2 * size]).chunk(2, dim=-1)
    reset = torch.sigmoid(x_r + h_r)
    inside = linear(reset * h, w.weight_hh[2 * size :], w.bias_hh[2 * size :])
    return {
        "reset_gate": reset,
        "update_gate": torch.sigmoid(x_z + h_z),
        "candidate": torch.tanh(x_n + inside),
    }


def _gru_update(gates: Gates, state: State) -> State:
    """h_t = (1 - z_t) * n_t + z_t * h_{t-1}: an open update gate keeps."""
    z = gates["update_gate"]
    return ((1 - z) * gates["candidate"] + z * state[0],)


def _residual_gates(x: Tensor, h: Tensor, w: Weights) -> Gates:
    """What the residual cell adds: tanh(W [x_t, s_{t-1}] + b)."""
    return {"candidate": torch.tanh(x + linear(h, w.weight_hh, w.bias_hh))}


def _residual_update(gates: Gates, state: State) -> State:
    """s_t = tanh(W [x_t, s_{t-1}] + b) + s_{t-1}."""
    return (gates["candidate"] + state[0],)


_GRU_BLOCKS = ("reset_gate", "update_gate", "candidate")

CELLS: dict[str, Cell] = {
    "rnn_tanh": Cell(("hidden",), ("hidden",), _rnn(torch.tanh), _rnn_update),
    "rnn_relu": Cell(("hidden",), ("hidden",), _rnn(torch.relu), _rnn_update),
    "rnn_sigmoid": Cell(("hidden",), ("hidden",), _rnn(torch.sigmoid), _rnn_update),
    "lstm": Cell(
        ("input_gate", "forget_gate", "candidate", "output_gate"), ("hidden", "cell"), _lstm_gates, _lstm_update
    ),
    "gru": Cell(_GRU_BLOCKS, ("hidden",), _gru_gates, _gru_update),
    "gru_textbook": Cell(_GRU_BLOCKS, ("hidden",), _gru_textbook_gates, _gru_update),
    "residual": Cell(("candidate",), ("hidden",), _residual_gates, _residual_update),
}


def sum_up(added: Tensor, forget: Tensor, start: Tensor) -> Tensor:
    """Return c_t = added_t + f_t * c_{t-1}: (time, ...) -> the same; in numpy, in place on a CPU."""
    cells, keep, previous = added.cpu().numpy(), forget.cpu().numpy(), start.cpu().numpy()
    kept = np.empty_like(cells[0])
    for cell, gate in zip(cells, keep, strict=True):
        np.multiply(gate, previous, out=kept)
        previous = np.add(cell, kept, out=cell)
    return torch.from_numpy(cells).to(added.device)


class LoopLayer(nn.Module):
    """One layer of a cell that `torch.nn` does not have, with the interface and names of `nn.GRU(batch_first=True)`."""

    def __init__(self, cell_type: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.cell = CELLS[cell_type]
        self.hidden_size = hidden_size
        rows = len(self.cell.blocks) * hidden_size
        bound = hidden_size**-0.5
        for name, shape in {
            "weight_ih_l0": (rows, input_size),
            "weight_hh_l0": (rows, hidden_size),
            "bias_ih_l0": (rows,),
            "bias_hh_l0": (rows,),
        }.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))

    def forward(self, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Run a batch: x (batch, time, input), hidden (1, batch, unit) -> (batch, time, unit), (1, batch, unit)."""
        weights = Weights.of(self)
        state: State = (hidden[0],)
        outputs = []
        for projected in weights.project(x).unbind(dim=1):
            state, _ = self.cell.step(projected, state, weights)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state[0][None]


_FUSED: dict[str, Callable[[int, int], nn.Module]] = {
    "rnn_tanh": lambda x, h: nn.RNN(x, h, batch_first=True, nonlinearity="tanh"),
    "rnn_relu": lambda x, h: nn.RNN(x, h, batch_first=True, nonlinearity="relu"),
    "lstm": lambda x, h: nn.LSTM(x, h, batch_first=True),
    "gru": lambda x, h: nn.GRU(x, h, batch_first=True),
}


def make_layer(cell_type: str, input_size: int, hidden_size: int) -> nn.Module:
    """Return one layer and direction: `torch.nn`'s fused one where it has the cell, else a `LoopLayer`."""
    if cell_type in _FUSED:
        return _FUSED[cell_type](input_size, hidden_size)
    return LoopLayer(cell_type, input_size, hidden_size)


def run_layer(layer: nn.Module, x: Tensor, state: State) -> tuple[Tensor, State]:
    """Run a layer of `make_layer` over a batch.

    Args:
        layer: The layer.
        x: (batch, time, input).
        state: The cell's states, each (batch, unit).

    Returns:
        The hidden states (batch, time, unit) and the state after the last step.
    """
    stacked = tuple(s[None].contiguous() for s in state)
    output, final = layer(x, stacked if len(stacked) > 1 else stacked[0])
    final = final if isinstance(final, tuple) else (final,)
    return output, tuple(s[0] for s in final)

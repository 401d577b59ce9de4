"""The derivative of one step of every cell, worked out by hand; it knows nothing of layers, losses or text.

Each cell is three functions over the values of a forward pass. `slopes` computes, for all time steps at once, the
numbers by which gradients are multiplied. `pull` takes gradients with respect to the states after one step back to the
states before it and to the step's input. `carry` does the first of these for as many rows as there are units, where it
pays to sum up the gates' matrices first.

The states are the coordinates: d h_t / d h_{t-1} of an LSTM holds c_{t-1} fixed, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from rnnviz.cells import Gates, State, Weights

Slopes = dict[str, Tensor]


class Pulled(NamedTuple):
    """Gradients on their way back through one step; a row each for every loss that is followed.

    Attributes:
        total: With respect to each state after the step, each (row, unit); what reaches the loss through another state
            of the same step is in it (an LSTM's c_t acts through h_t too).
        before: With respect to each state before the step, each (row, unit).
        inputs: With respect to the projected input `W_x x_t + b_x`, (row, blocks * unit).
        recurrent: With respect to the recurrent product's result, (row, blocks * unit).
    """

    total: State
    before: State
    inputs: Tensor
    recurrent: Tensor


@dataclass(frozen=True)
class Derivative:
    """The derivative of a cell's step.

    Attributes:
        slopes: (gates, states before, states after, weights), each with a leading time axis -> name -> (time, ...).
        pull: (slopes of one step, gradients with respect to the states after it, weights) -> `Pulled`. Takes numpy
            arrays as well as tensors, and a single row as a vector.
        carry: (slopes of one step, gradients with respect to the states after it, weights) -> those with respect to
            the states before it. Rows of the identity give the step's Jacobian.
    """

    slopes: Callable[[Gates, State, State, Weights], Slopes]
    pull: Callable[[Slopes, State, Weights], Pulled]
    carry: Callable[[Slopes, State, Weights], State]


def _join(*parts: Tensor) -> Tensor:
    """Put parts side by side; a single gradient comes as numpy arrays, whose calls cost less."""
    return np.concatenate(parts, axis=-1) if isinstance(parts[0], np.ndarray) else torch.cat(parts, dim=-1)


def _summed(factors: Tensor, matrix: Tensor) -> Tensor:
    """Return the sum over blocks of diag(factors) W: (blocks * unit,), (blocks * unit, unit) -> (unit, unit)."""
    size = matrix.shape[1]
    blocks = zip(factors.split(size), matrix.split(size), strict=True)
    total = None
    for factor, block in blocks:
        total = factor[:, None] * block if total is None else total.addcmul_(factor[:, None], block)
    return total


def _rnn(slope: Callable[[Tensor], Tensor]) -> Derivative:
    """h_t = f(a_t), a_t = W_x x_t + W_h h_{t-1} + b: d h_t / d h_{t-1} = diag(f'(a_t)) W_h."""

    def slopes(gates: Gates, before: State, after: State, w: Weights) -> Slopes:
        return {"slope": slope(after[0])}

    def pull(s: Slopes, later: State, w: Weights) -> Pulled:
        inner = later[0] * s["slope"]
        return Pulled(later, (inner @ w.weight_hh,), inner, inner)

    def carry(s: Slopes, later: State, w: Weights) -> State:
        return ((later[0] * s["slope"]) @ w.weight_hh,)

    return Derivative(slopes, pull, carry)


def _residual_slopes(gates: Gates, before: State, after: State, w: Weights) -> Slopes:
    return {"slope": 1 - gates["candidate"] ** 2}


def _residual_pull(s: Slopes, later: State, w: Weights) -> Pulled:
    """s_t = tanh(a_t) + s_{t-1}: d s_t / d s_{t-1} = I + diag(1 - n_t^2) W_h."""
    inner = later[0] * s["slope"]
    return Pulled(later, (later[0] + inner @ w.weight_hh,), inner, inner)


def _residual_carry(s: Slopes, later: State, w: Weights) -> State:
    return (torch.addmm(later[0], later[0] * s["slope"], w.weight_hh),)


def _lstm_slopes(gates: Gates, before: State, after: State, w: Weights) -> Slopes:
    i, f, g, o = (gates[name] for name in ("input_gate", "forget_gate", "candidate", "output_gate"))
    shown = torch.tanh(after[1])
    into = [g * i * (1 - i), before[1] * f * (1 - f), i * (1 - g**2), shown * o * (1 - o)]
    return {"into": torch.cat(into, dim=-1), "through": o * (1 - shown**2), "keep": f}


def _lstm_pull(s: Slopes, later: State, w: Weights) -> Pulled:
    """c_t = f_t c_{t-1} + i_t g_t, h_t = o_t tanh(c_t); the direct path through c is the product of forget gates."""
    hidden = later[0]
    cell = later[1] + hidden * s["through"]
    inner = _join(cell, cell, cell, hidden) * s["into"]
    return Pulled((hidden, cell), (inner @ w.weight_hh, cell * s["keep"]), inner, inner)


def _lstm_carry(s: Slopes, later: State, w: Weights) -> State:
    inner = 3 * len(s["keep"])
    cell = torch.addcmul(later[1], later[0], s["through"])
    hidden = later[0] @ (s["into"][inner:, None] * w.weight_hh[inner:])
    return hidden.addmm_(cell, _summed(s["into"][:inner], w.weight_hh[:inner])), cell.mul_(s["keep"])


def _gru_slopes(gates: Gates, before: State, after: State, w: Weights) -> Slopes:
    r, z, n = (gates[name] for name in ("reset_gate", "update_gate", "candidate"))
    size, h = n.shape[-1], before[0]
    product = linear(h, w.weight_hh[2 * size :], w.bias_hh[2 * size :])
    candidate, update = (1 - z) * (1 - n**2), (h - n) * z * (1 - z)
    reset = candidate * product * r * (1 - r)
    return {
        "inputs": torch.cat([reset, update, candidate], dim=-1),
        "recurrent": torch.cat([reset, update, candidate * r], dim=-1),
        "keep": z,
    }


def _gru_pull(s: Slopes, later: State, w: Weights) -> Pulled:
    """h_t = (1 - z_t) n_t + z_t h_{t-1}, the reset gate outside the product."""
    thrice = _join(later[0], later[0], later[0])
    recurrent = thrice * s["recurrent"]
    return Pulled(later, (later[0] * s["keep"] + recurrent @ w.weight_hh,), thrice * s["inputs"], recurrent)


def _gru_carry(s: Slopes, later: State, w: Weights) -> State:
    matrix = _summed(s["recurrent"], w.weight_hh)
    matrix.diagonal().add_(s["keep"])
    return (later[0] @ matrix,)


def _textbook_slopes(gates: Gates, before: State, after: State, w: Weights) -> Slopes:
    r, z, n = (gates[name] for name in ("reset_gate", "update_gate", "candidate"))
    h = before[0]
    return {
        "candidate": (1 - z) * (1 - n**2),
        "update": (h - n) * z * (1 - z),
        "reset": h * r * (1 - r),
        "open": r,
        "keep": z,
    }


def _textbook_pull(s: Slopes, later: State, w: Weights) -> Pulled:
    """h_t = (1 - z_t) n_t + z_t h_{t-1}, the reset gate inside the product (Cho et al. 2014)."""
    size = later[0].shape[-1]
    candidate = later[0] * s["candidate"]
    inside = candidate @ w.weight_hh[2 * size :]
    gates = _join(inside * s["reset"], later[0] * s["update"])
    before = later[0] * s["keep"] + inside * s["open"] + gates @ w.weight_hh[: 2 * size]
    inner = _join(gates, candidate)
    return Pulled(later, (before,), inner, inner)


def _textbook_carry(s: Slopes, later: State, w: Weights) -> State:
    reset, update, candidate = w.weight_hh.chunk(3)
    inside = torch.addmm(candidate * s["open"], candidate * s["reset"], reset)
    matrix = torch.addcmul(s["update"][:, None] * update, s["candidate"][:, None], inside)
    matrix.diagonal().add_(s["keep"])
    return (later[0] @ matrix,)


DERIVATIVES: dict[str, Derivative] = {
    "rnn_tanh": _rnn(lambda h: 1 - h**2),
    "rnn_relu": _rnn(lambda h: torch.where(h.isnan(), h, (h > 0).to(h.dtype))),  # what overflowed is not dead
    "rnn_sigmoid": _rnn(lambda h: h * (1 - h)),
    "residual": Derivative(_residual_slopes, _residual_pull, _residual_carry),
    "lstm": Derivative(_lstm_slopes, _lstm_pull, _lstm_carry),
    "gru": Derivative(_gru_slopes, _gru_pull, _gru_carry),
    "gru_textbook": Derivative(_textbook_slopes, _textbook_pull, _textbook_carry),
}


def recurrent_operands(cell_type: str, gates: Gates, before: State) -> Tensor:
    """Return what each block of `weight_hh` is multiplied with at every step.

    Args:
        cell_type: The cell.
        gates: Each (time, unit).
        before: The states before each step, each (time, unit).

    Returns:
        (time, blocks, unit): h_{t-1}; in the textbook GRU's candidate r_t * h_{t-1}.
    """
    if cell_type == "gru_textbook":
        return torch.stack([before[0], before[0], gates["reset_gate"] * before[0]], dim=1)
    blocks = {"lstm": 4, "gru": 3}.get(cell_type, 1)
    return before[0][:, None].expand(-1, blocks, -1)

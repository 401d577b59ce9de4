"""Dropout in a recurrent cell, and the first weights that Keras and PyTorch draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from rnnviz.cells import CELLS
from rnnviz.lesson.cell import Hand, one_hot

DRAWS = 500
"""Masks over which a mean is taken."""


@dataclass(frozen=True, eq=False)
class Dropped:
    """A text read with dropout.

    Attributes:
        masks_x: float64 (time, input), 0 where an input was dropped, 1 / (1 - rate) where it was kept.
        masks_h: float64 (time, unit), the same for the old state.
        x: float64 (time, input), what was read.
        hidden: float64 (time + 1, unit), the states.
        heard: float64 (time, unit), the old state as the weights heard it.
    """

    masks_x: np.ndarray
    masks_h: np.ndarray
    x: np.ndarray
    hidden: np.ndarray
    heard: np.ndarray


def masks(shape: tuple[int, ...], rate: float, same: bool, seed: int) -> np.ndarray:
    """Draw dropout masks, scaled so that the expected value stays (Srivastava et al. 2014, inverted).

    Args:
        shape: (time, ...).
        rate: The probability of a zero, below 1.
        same: Whether one mask serves all steps (Gal and Ghahramani 2016), or each step has a fresh one.
        seed: Of the draw.

    Returns:
        float64, of the shape: 0 or 1 / (1 - rate).
    """
    drawn = (np.random.default_rng(seed).random(shape) >= rate) / (1 - rate)
    return np.broadcast_to(drawn[:1], shape) if same else drawn


def drop(hand: Hand, text: str, *, rate: float, recurrent: float, same: bool, seed: int) -> Dropped:
    """Read a text as in training: parts of the input and of the old state are dropped.

    The masked state goes into the gates' sums alone; what an LSTM keeps in c, a GRU in z * h and a residual cell in
    its sum stays whole, as in Keras; there each gate has a mask of its own, here all share one.

    Args:
        hand: The network.
        text: At least one character.
        rate: Keras' `dropout`: the probability of dropping an input.
        recurrent: Keras' `recurrent_dropout`: that of dropping a unit's old state.
        same: See `masks`.
        seed: See `masks`.
    """
    read = one_hot(hand.letters, text)
    masks_x = masks(read.shape, rate, same, seed)
    masks_h = masks((len(text), hand.units), recurrent, same, seed + 1_000_003)
    cell, state = CELLS[hand.cell_type], hand.first()
    hidden, heard = [state[0]], []
    for row, kept in zip(torch.from_numpy(read * masks_x), torch.from_numpy(masks_h.copy()), strict=True):
        heard.append(kept * state[0])
        gates = cell.gates(hand.weights.project(row), heard[-1], hand.weights)
        state = cell.update(gates, state)
        hidden.append(state[0])
    return Dropped(masks_x, masks_h, read * masks_x, torch.stack(hidden).numpy(), torch.stack(heard).numpy())


def mean_heard(values: np.ndarray, rate: float, seed: int, draws: int = DRAWS) -> np.ndarray:
    """Return the mean of some numbers under dropout over the first 1, 2, ... masks: (unit,) -> (draw, unit)."""
    heard = masks((draws, len(values)), rate, False, seed) * values
    return heard.cumsum(axis=0) / np.arange(1, draws + 1)[:, None]


@dataclass(frozen=True, eq=False)
class First:
    """An untrained tanh layer.

    Attributes:
        weight_x: float64 (unit, input).
        weight_h: float64 (unit, unit).
        bias: float64 (unit,), in all.
        hidden: float64 (time, input, unit), the states after 1, 2, ... steps; the one-hot input came at the first step
            alone, a text each.
        predicted: The standard deviation of W_x x + b that the recipe promises.
    """

    weight_x: np.ndarray
    weight_h: np.ndarray
    bias: np.ndarray
    hidden: np.ndarray
    predicted: float

    @property
    def spread(self) -> float:
        """The standard deviation of the first state."""
        return float(self.hidden[0].std())

    @property
    def measured(self) -> float:
        """The root mean square of W_x x + b over all inputs and units, which `predicted` promises."""
        return float(np.sqrt(np.mean((self.weight_x + self.bias[:, None]) ** 2)))


RECIPES = ("Keras", "PyTorch")


def first_weights(units: int, inputs: int, seed: int, steps: int = 30) -> Mapping[str, First]:
    """Draw a tanh layer as Keras' SimpleRNN and as PyTorch's nn.RNN do, and let it run on after one input.

    Keras: W_x Glorot uniform, within sqrt(6 / (inputs + units)) (Glorot and Bengio 2010), W_h orthogonal (Saxe,
    McClelland and Ganguli 2014), bias zero. PyTorch: all four, two biases among them, uniform within 1 / sqrt(units).

    Args:
        units: In the layer.
        inputs: One-hot ones.
        seed: Of all draws.
        steps: How long it runs.
    """
    generator = np.random.default_rng(seed)
    bound, glorot = units**-0.5, (6 / (inputs + units)) ** 0.5
    orthogonal, triangle = np.linalg.qr(generator.normal(size=(units, units)))
    keras = (
        generator.uniform(-glorot, glorot, (units, inputs)),
        orthogonal * np.sign(np.diag(triangle)),
        np.zeros(units),
        (2 / (inputs + units)) ** 0.5,
    )
    pytorch = (
        generator.uniform(-bound, bound, (units, inputs)),
        generator.uniform(-bound, bound, (units, units)),
        generator.uniform(-bound, bound, (2, units)).sum(axis=0),
        bound,
    )
    return {name: _run(*parts, steps) for name, parts in zip(RECIPES, (keras, pytorch), strict=True)}


def _run(weight_x: np.ndarray, weight_h: np.ndarray, bias: np.ndarray, predicted: float, steps: int) -> First:
    hidden = [np.tanh(weight_x.T + bias)]
    for _ in range(steps - 1):
        hidden.append(np.tanh(hidden[-1] @ weight_h.T + bias))
    return First(weight_x, weight_h, bias, np.stack(hidden), predicted)

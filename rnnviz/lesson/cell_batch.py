"""One step of a mini-batch: a text in each row, multiplied from both sides, with two products and with one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rnnviz.cells import CELLS
from rnnviz.errors import TextError
from rnnviz.lesson.cell import Hand, one_hot, walk
from rnnviz.lesson.cell_forms import sigmoid

_BLOCKS = {"residual": "candidate", "lstm": "candidate", "gru": "update_gate", "gru_textbook": "update_gate"}
_FUNCTIONS = {"rnn_relu": "ReLU", "rnn_sigmoid": "sigmoid", "gru": "sigmoid", "gru_textbook": "sigmoid"}


@dataclass(frozen=True, eq=False)
class Batch:
    """One step of several texts at once.

    Attributes:
        block: What is computed: "hidden" for the plain cells, else the candidate, or a GRU's update gate.
        function: "tanh", "ReLU" or "sigmoid".
        x: float64 (text, input), X_t (m x n).
        old: float64 (text, unit), H_{t-1}.
        weight_x: float64 (unit, input), the block's W_x.
        weight_h: float64 (unit, unit), its W_h.
        bias: float64 (unit,), its b.
        new: float64 (text, unit), H_t.
        alone: float64 (text, unit), what `value` is where each text is read alone.
        alone_new: float64 (text, unit), what `new` is there.
    """

    block: str
    function: str
    x: np.ndarray
    old: np.ndarray
    weight_x: np.ndarray
    weight_h: np.ndarray
    bias: np.ndarray
    new: np.ndarray
    alone: np.ndarray
    alone_new: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """X_t W_x^T (text, unit)."""
        return self.x @ self.weight_x.T

    @property
    def left(self) -> np.ndarray:
        """W_x X_t^T (unit, text)."""
        return self.weight_x @ self.x.T

    @property
    def by_two(self) -> np.ndarray:
        """X_t W_x^T + H_{t-1} W_h^T + b (text, unit)."""
        return self.right + self.old @ self.weight_h.T + self.bias

    @property
    def joined(self) -> np.ndarray:
        """[X_t H_{t-1}] (text, input + unit)."""
        return np.hstack([self.x, self.old])

    @property
    def whole(self) -> np.ndarray:
        """The two transposed matrices, one below the other, (input + unit, unit)."""
        return np.vstack([self.weight_x.T, self.weight_h.T])

    @property
    def by_one(self) -> np.ndarray:
        """[X_t H_{t-1}] W + b (text, unit)."""
        return self.joined @ self.whole + self.bias

    @property
    def value(self) -> np.ndarray:
        """f(X_t W_x^T + H_{t-1} W_h^T + b) (text, unit): the plain cells' H_t."""
        if self.function == "ReLU":
            return np.maximum(self.by_two, 0)
        return np.tanh(self.by_two) if self.function == "tanh" else sigmoid(self.by_two)

    @property
    def apart(self) -> float:
        """The largest difference of a row of `value` or `new` from the same text read alone."""
        return float(max(np.abs(self.value - self.alone).max(), np.abs(self.new - self.alone_new).max()))


def batch(hand: Hand, texts: Sequence[str], time: int) -> Batch:
    """Read several texts as one mini-batch up to a step, and take that step apart.

    Args:
        hand: The network.
        texts: Each longer than `time` characters.
        time: The step, from 0.

    Raises:
        TextError: There is no text, or one has ended before the step.
    """
    if not texts or min(map(len, texts)) <= time:
        raise TextError("Every text of the batch must reach the step: type longer ones.")
    inputs = np.stack([one_hot(hand.letters, text[: time + 1]) for text in texts], axis=1)
    cell, state = CELLS[hand.cell_type], tuple(row.expand(len(texts), -1) for row in hand.first())
    for x in torch.from_numpy(inputs):
        old = state
        state, _ = cell.step(hand.weights.project(x), old, hand.weights)
    block = _BLOCKS.get(hand.cell_type, "hidden")
    at = cell.blocks.index(block)
    rows = slice(at * hand.units, (at + 1) * hand.units)
    reads = [walk(hand, text[: time + 1]) for text in texts]
    return Batch(
        block=block,
        function=_FUNCTIONS.get(hand.cell_type, "tanh"),
        x=inputs[-1],
        old=old[0].numpy(),
        weight_x=hand.weight_x[rows],
        weight_h=hand.weight_h[rows],
        bias=hand.bias[rows],
        new=state[0].numpy(),
        alone=np.stack([read.gates[block][time] for read in reads]),
        alone_new=np.stack([read.states["hidden"][-1] for read in reads]),
    )

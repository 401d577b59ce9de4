"""What steps one after the other cost: time against length, what is kept for the backward pass, a scan in rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import BoundedSemaphore

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from rnnviz.cells import CELLS, Weights

LENGTHS = tuple(2**i for i in range(4, 12))
"""16 to 2,048 time steps."""
PRODUCT, ATTENTION = "product", "attention"
KINDS = ("rnn_tanh", "gru", "lstm", PRODUCT, ATTENTION)
_SLOPE_FROM = 128
_LAYERS = {"rnn_tanh": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
_TIMING = BoundedSemaphore(1)
"""Two timings at once would measure each other."""


@dataclass(frozen=True, eq=False)
class Costs:
    """Measured times of one forward pass.

    Attributes:
        lengths: (length,), time steps.
        seconds: Kind -> float64 (length,), medians.
        rounds: How often all was measured.
        threads: Threads that torch uses for one operation.
    """

    lengths: tuple[int, ...]
    seconds: Mapping[str, np.ndarray]
    rounds: int
    threads: int

    def slope(self, kind: str) -> float:
        """Return the slope on logarithmic axes over the longer half: 1 is linear, 2 quadratic."""
        long = np.array(self.lengths) >= min(_SLOPE_FROM, self.lengths[-2])
        return float(np.polyfit(np.log(np.array(self.lengths)[long]), np.log(self.seconds[kind][long]), 1)[0])


@torch.no_grad()
def time_costs(
    width: int,
    lengths: Sequence[int] = LENGTHS,
    limit: float = 5.0,
    most_rounds: int = 7,
    progress: Callable[[float], object] = lambda share: None,
) -> Costs:
    """Time recurrent layers, one matrix product and self-attention over sequences of growing length.

    All read one sequence of vectors (1, time, width) and give one of the same shape. The kinds take turns; after the
    first round no new one is begun once the time is up.

    Args:
        width: Numbers in a vector, units in a layer.
        lengths: Time steps, ascending.
        limit: Seconds in all, about.
        most_rounds: Rounds at most.
        progress: Told the share done.
    """
    generator = torch.Generator().manual_seed(0)
    works = {kind: _work(kind, width, generator) for kind in KINDS}
    inputs = {n: torch.randn(1, n, width, generator=generator) for n in lengths}
    seconds: dict[str, list[list[float]]] = {kind: [[] for _ in lengths] for kind in KINDS}
    rounds = 0
    with _TIMING:
        begun = time.perf_counter()
        for work in works.values():
            work(inputs[lengths[0]])  # the first call of all prepares much
        while rounds < most_rounds and (rounds == 0 or time.perf_counter() - begun < limit):
            for place, n in enumerate(lengths):
                for kind, work in works.items():
                    start = time.perf_counter()
                    work(inputs[n])
                    seconds[kind][place].append(time.perf_counter() - start)
                passed = (time.perf_counter() - begun) / limit
                progress(min(1.0, max(passed, (rounds + (place + 1) / len(lengths)) / most_rounds)))
            rounds += 1
    medians = {kind: np.array([statistics.median(t) for t in times]) for kind, times in seconds.items()}
    return Costs(tuple(lengths), medians, rounds, torch.get_num_threads())


def _work(kind: str, width: int, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """Return a function of (1, time, width) that does what its kind is named after, with weights of its own."""
    if kind in _LAYERS:
        layer = _LAYERS[kind](width, width, batch_first=True, device="meta").to_empty(device="cpu").eval()
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * width**-0.5)
        return lambda x: layer(x)[0]
    weights = [torch.randn(width, width, generator=generator) * width**-0.5 for _ in range(3)]
    if kind == PRODUCT:
        return lambda x: x @ weights[0]

    def attention(x: Tensor) -> Tensor:
        """softmax(Q K^T / sqrt(d)) V (Vaswani et al. 2017)."""
        queries, keys, values = (x @ weight for weight in weights)
        return torch.softmax(queries @ keys.transpose(1, 2) * width**-0.5, dim=-1) @ values

    return attention


@lru_cache(maxsize=64)
def saved_bytes(cell_type: str, units: int, batch: int, steps: int, truncated: int | None = None) -> int:
    """Count the bytes that a forward pass keeps for the backward pass, weights not among them.

    They are counted where torch saves them, once for each piece of memory.

    Args:
        cell_type: One of `rnnviz.cells.CELLS`.
        units: Units, and numbers in an input.
        batch: Sequences.
        steps: Time steps.
        truncated: Steps after which the state is cut off and the gradient taken; None for the whole text at once.

    Returns:
        The most that is kept at one time.
    """
    cell, generator = CELLS[cell_type], torch.Generator().manual_seed(0)
    rows = len(cell.blocks) * units
    shapes = ((rows, units), (rows, units), (rows,), (rows,))
    weights = Weights(*(torch.randn(s, generator=generator).mul(0.05).requires_grad_() for s in shapes))
    state, most, width = (torch.zeros(batch, units),) * len(cell.states), 0, truncated or steps
    for first in range(0, steps, width):
        kept: dict[int, Tensor] = {}

        def keep(saved: Tensor, kept: dict[int, Tensor] = kept) -> Tensor:
            kept[saved.untyped_storage().data_ptr()] = saved
            return saved

        with torch.enable_grad(), saved_tensors_hooks(keep, lambda saved: saved):
            for _ in range(min(width, steps - first)):
                projected = weights.project(torch.randn(batch, units, generator=generator))
                state, _ = cell.step(projected, state, weights)
        own = {weight.untyped_storage().data_ptr() for weight in weights}
        most = max(most, sum(t.untyped_storage().nbytes() for place, t in kept.items() if place not in own))
        state = tuple(part.detach() for part in state)
    return most


@dataclass(frozen=True, eq=False)
class Scan:
    """h_t = a h_{t-1} + x_t from h_0 = 0, step by step and in rounds.

    Attributes:
        loop: float64 (time,), one step after the other.
        rounds: Each float64 (time,): the numbers before the first round and after each; the last are the answer.
    """

    loop: np.ndarray
    rounds: tuple[np.ndarray, ...]

    @property
    def gap(self) -> float:
        """The largest difference between the two ways."""
        return float(np.abs(self.loop - self.rounds[-1]).max())


def linear_scan(a: float, x: Sequence[float]) -> Scan:
    """Run a linear recurrence both ways; the rounds double the distance covered (Hillis and Steele 1986).

    In round r every number adds a^(2^r) times the one 2^r places before it: all places at once, none waits for another.

    Args:
        a: The recurrent weight.
        x: (time,), the inputs.
    """
    h, loop = 0.0, []
    for value in x:
        h = a * h + value
        loop.append(h)
    rounds, reach = [np.array(x, dtype=np.float64)], 1
    while reach < len(x):
        now = rounds[-1].copy()
        now[reach:] += a**reach * rounds[-1][:-reach]
        rounds.append(now)
        reach *= 2
    return Scan(np.array(loop), tuple(rounds))


_PYTORCH = """\
import torch

a = {a}
x = torch.tensor({x}, dtype=torch.float64)

h = torch.zeros((), dtype=torch.float64)
for value in x:  # one step after the other
    h = a * h + value
    print(f"{{h.item():.6f}}", end=" ")
print()

found, reach = x.clone(), 1
while reach < len(x):  # all places at once, in rounds
    found = torch.cat([found[:reach], found[reach:] + a**reach * found[:-reach]])
    reach *= 2
print(*(f"{{value:.6f}}" for value in found.tolist()))
"""
_KERAS = """\
import keras
import numpy as np

a = {a}
x = np.array({x})

def step(state, value):
    state = a * state + value
    return state, state

def join(earlier, later):  # (factor, sum) of two neighbouring stretches
    return earlier[0] * later[0], later[0] * earlier[1] + later[1]

start = keras.ops.convert_to_tensor(np.zeros(()), dtype="float64")
inputs = keras.ops.convert_to_tensor(x, dtype="float64")
factors = keras.ops.convert_to_tensor(np.full(len(x), a), dtype="float64")
_, loop = keras.ops.scan(step, start, inputs)
_, found = keras.ops.associative_scan(join, (factors, inputs))
for states in (loop, found):
    print(*(f"{{value:.6f}}" for value in keras.ops.convert_to_numpy(states)))
"""


def scan_lines(a: float, x: Sequence[float]) -> tuple[str, str]:
    """Return scripts in PyTorch and in Keras that print the states made by the loop and by rounds."""
    values = {"a": float(a), "x": [float(value) for value in x]}
    return _PYTORCH.format(**values), _KERAS.format(**values)


def parameters(cell_type: str, vector: int, units: int) -> int:
    """Return how many weights torch's layer of a cell has, both bias vectors counted."""
    return sum(p.numel() for p in _LAYERS[cell_type](vector, units, device="meta").parameters())

"""A network unrolled over one text, and gradients taken back through it step by step; it decides nothing about display.

The backward pass is the analytic one of `backward.py`, for many losses at once: a row of a matrix product each. Over
hundreds of steps a gradient leaves the range of any floating point number, so in float64 each row is kept near 1 and
its power of two apart: what is reported is a logarithm, right from 1e-4000 to 1e4000.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnviz.analysis.backward import DERIVATIVES, Pulled, Slopes
from rnnviz.cells import Gates, LoopLayer, State, Weights, run_layer, sum_up
from rnnviz.errors import ConfigError
from rnnviz.network import Network

DTYPES = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16}
LOG10_OF_2 = math.log10(2)
RESCALE_EVERY = 4


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer's forward pass and its derivative's numbers.

    Attributes:
        weights: Its parameters.
        inputs: (time, input), what it read.
        before, after: Its states before and after every step, each (time, unit).
        gates: Its gates, each (time, unit).
        slopes: See `backward.Derivative`; `each` holds them step by step.
    """

    weights: Weights
    inputs: Tensor
    before: State
    after: State
    gates: Gates
    slopes: Slopes

    @cached_property
    def each(self) -> list[Slopes]:
        """The slopes step by step."""
        columns = zip(*(values.unbind() for values in self.slopes.values()), strict=True)
        return [dict(zip(self.slopes, column, strict=True)) for column in columns]


@dataclass(frozen=True, eq=False)
class Unrolled:
    """A network's forward pass over one text.

    Attributes:
        network: A copy of the network, in the precision of the pass.
        ids: int64 (time,), what it read.
        layers: From the lowest.
        logits: (time, output), after every prefix.
        overflow: The first step, from 0, at which a state or a logit is no longer a finite number; None where all are.
    """

    network: Network
    ids: Tensor
    layers: tuple[Layer, ...]
    logits: Tensor
    overflow: int | None


class Step(NamedTuple):
    """Gradients at one step on the way back.

    Attributes:
        time: The step.
        layers: For every layer what `Pulled` holds, a row a loss.
        exponents: float64 (layer, row), powers of two that a layer's rows have to be multiplied with. A layer has its
            own: one may vanish long before another.
    """

    time: int
    layers: tuple[Pulled, ...]
    exponents: Tensor


Inject = Callable[[int], Tensor | None]
"""Step -> (row, unit): what reaches the top layer's hidden state there from the losses directly. New rows come last."""


Progress = Callable[[float], None]
"""Told of the share done, from 0 to 1; it may raise to stop a measurement."""


def unheard(share: float) -> None:
    """Be told of progress and do nothing."""


@contextmanager
def no_denormals() -> Iterator[None]:
    """Flush denormal numbers to zero in this thread: they are right but ten times slower."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@torch.inference_mode()
def unroll(network: Network, ids: np.ndarray, precision: str = "float64") -> Unrolled:
    """Run a network over one text and keep all that its gradients need.

    Args:
        network: Any network that reads forwards; it is copied, not touched.
        ids: int64 (time,), at least one.
        precision: A key of `DTYPES`; every number of the pass is stored in it.

    Raises:
        ConfigError: The network is bidirectional.
    """
    if network.config.bidirectional:
        raise ConfigError("A bidirectional network reads the end first, so its gradient has no single direction back.")
    exact = copy.deepcopy(network).cpu().to(DTYPES[precision]).eval().requires_grad_(False)
    read = torch.from_numpy(np.array(ids, dtype=np.int64))
    with no_denormals():
        x, layers = exact.embed(read), []
        for number in range(network.config.num_layers):
            layers.append(_run(exact, number, x))
            x = layers[-1].after[0]
        logits = exact.answer(x[None])[0]
    return Unrolled(exact, read, tuple(layers), logits, _overflow(layers, logits))


def _run(network: Network, number: int, x: Tensor) -> Layer:
    """Run one layer; where torch has the cell fused, all hidden states come first and all gates from them at once."""
    module, cell = network.recurrent[number]["d"], network.cell
    weights, start = Weights.of(module), tuple(s[0] for s in network.start(1, number))
    if isinstance(module, LoopLayer) or x.dtype == torch.float16:
        state, states, opened = start, [], []
        for projected in weights.project(x).unbind():
            state, found = cell.step(projected, state, weights)
            states.append(state)
            opened.append(found)
        after = tuple(torch.stack(column) for column in zip(*states, strict=True))
        gates = {name: torch.stack([found[name] for found in opened]) for name in opened[0]}
    else:
        hidden = run_layer(module, x[None], tuple(s[None] for s in start))[0][0]
        gates = cell.gates(weights.project(x), _shifted(start[0], hidden), weights)
        after = (hidden,)
        if "cell" in cell.states:
            added = gates["input_gate"] * gates["candidate"]
            after = (hidden, sum_up(added, gates["forget_gate"], start[1]))
    before = tuple(_shifted(first, later) for first, later in zip(start, after, strict=True))
    slopes = DERIVATIVES[network.config.cell_type].slopes(gates, before, after, weights)
    return Layer(weights, x, before, after, gates, slopes)


def _shifted(first: Tensor, later: Tensor) -> Tensor:
    return torch.cat([first[None], later[:-1]])


def _overflow(layers: list[Layer], logits: Tensor) -> int | None:
    parts = [part for layer in layers for part in layer.after]
    bad = torch.stack([~part.isfinite().all(dim=1) for part in (*parts, logits)]).any(dim=0)
    return int(bad.nonzero()[0, 0]) if bad.any() else None


def pull_back(unrolled: Unrolled, inject: Inject, *, cut: Callable[[int], Tensor] | None = None) -> Iterator[Step]:
    """Take gradients from the last step to the first; use it inside `torch.inference_mode()`.

    Rows are rescaled in float64 only, and not where gradients are cut.

    Args:
        unrolled: The forward pass.
        inject: What enters at each step. A row's first entry may come at any step; it is zero before.
        cut: Step -> (row,), a factor for what goes on from this step to the one before: 0 cuts (truncated BPTT).

    Yields:
        One `Step` a time step, the last first.
    """
    network = unrolled.network
    pull = DERIVATIVES[network.config.cell_type].pull
    rescale = unrolled.logits.dtype == torch.float64 and cut is None
    states = [tuple(s.new_zeros(0, s.shape[1]) for s in layer.after) for layer in unrolled.layers]
    powers = [torch.zeros(0, dtype=torch.float64)] * len(states)
    for time in range(len(unrolled.ids) - 1, -1, -1):
        entering = inject(time)
        if entering is not None and len(entering) > len(powers[0]):
            states = [tuple(_grown(s, len(entering)) for s in layer) for layer in states]
            powers = [_grown(power, len(entering)) for power in powers]
        pulled: list[Pulled] = []
        entering_power = torch.zeros_like(powers[0])
        for number in range(len(states) - 1, -1, -1):
            layer, state = unrolled.layers[number], states[number]
            if entering is not None:
                state, powers[number] = _joined(state, powers[number], entering, entering_power)
            found = pull(layer.each[time], state, layer.weights)
            entering, entering_power = (found.inputs @ layer.weights.weight_ih if number else None), powers[number]
            pulled.insert(0, found)
        yield Step(time, tuple(pulled), torch.stack(powers))
        states = [found.before for found in pulled]
        if cut is not None:
            factor = cut(time)[:, None]
            states = [tuple(s * factor for s in layer) for layer in states]
        if rescale and time % RESCALE_EVERY == 0:
            states, powers = map(list, zip(*map(_rescaled, states, powers), strict=True))


def _grown(rows: Tensor, count: int) -> Tensor:
    return torch.cat([rows, rows.new_zeros(count - len(rows), *rows.shape[1:])])


def _joined(state: State, power: Tensor, entering: Tensor, entering_power: Tensor) -> tuple[State, Tensor]:
    """Add what enters to the hidden state's rows, at the larger power of two of both; zeros have none."""
    hidden, *others = state
    if torch.equal(power, entering_power):
        return (hidden + entering, *others), power
    here = torch.where(torch.stack([(s != 0).any(dim=1) for s in state]).any(dim=0), power, -torch.inf)
    there = torch.where((entering != 0).any(dim=1), entering_power, -torch.inf)
    common = torch.maximum(here, there)
    common = torch.where(common.isfinite(), common, power)
    factor = torch.exp2(here - common)[:, None]
    hidden = hidden * factor + entering * torch.exp2(there - common)[:, None]
    return (hidden, *(s * factor for s in others)), common


def _rescaled(state: State, power: Tensor) -> tuple[State, Tensor]:
    """Bring each row's largest number to between 1/2 and 1, exactly, by a power of two."""
    largest = torch.stack([s.abs().amax(dim=1) for s in state]).amax(dim=0)
    found = torch.frexp(largest).exponent.to(largest.dtype).clamp(-1000, 1000)
    found = torch.where(largest.isfinite() & (largest > 0), found, torch.zeros_like(found))
    factor = torch.exp2(-found)[:, None]
    return tuple(s * factor for s in state), power + found


def log10_norms(vectors: Tensor, exponents: Tensor) -> np.ndarray:
    """Return log10 of Euclidean norms, float64: (..., unit) and powers of two (...) or broadcast to it -> (...).

    0 gives -inf; infinities and NaN stay what they are.
    """
    vectors = vectors.double()
    largest = vectors.abs().amax(dim=-1, keepdim=True)
    unit = torch.where(largest.isfinite() & (largest > 0), largest, 1.0)  # squares of small numbers are zero
    norms = torch.log10(torch.linalg.vector_norm(vectors / unit, dim=-1)) + torch.log10(unit[..., 0])
    return (norms + exponents * LOG10_OF_2).numpy()

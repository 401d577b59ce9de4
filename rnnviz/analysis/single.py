"""One gradient taken back through an unrolled network, in numpy: for one row its calls cost a quarter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnviz.analysis.backward import DERIVATIVES, Pulled
from rnnviz.analysis.unrolled import RESCALE_EVERY, Inject, Unrolled
from rnnviz.cells import Weights

State = tuple[np.ndarray, ...]


class Step(NamedTuple):
    """One loss's gradient at one step on the way back.

    Attributes:
        time: The step.
        layers: For every layer what `Pulled` holds, vectors instead of rows.
        exponents: A power of two a layer, to be multiplied with.
    """

    time: int
    layers: tuple[Pulled, ...]
    exponents: tuple[float, ...]


def pull_one(unrolled: Unrolled, inject: Inject) -> Iterator[Step]:
    """Take one loss's gradient from the last step to the first; see `unrolled.pull_back`.

    Args:
        unrolled: The forward pass. Float16, which numpy multiplies slowly, stays with torch.
        inject: What enters at each step, one row.

    Yields:
        One `Step` a time step, the last first.
    """
    pull = DERIVATIVES[unrolled.network.config.cell_type].pull
    rescale = unrolled.logits.dtype == torch.float64
    plain = Tensor.clone if unrolled.logits.dtype == torch.float16 else Tensor.numpy
    weights = [Weights(*map(plain, layer.weights)) for layer in unrolled.layers]
    slopes = [{name: plain(values) for name, values in layer.slopes.items()} for layer in unrolled.layers]
    states = [tuple(plain(torch.zeros_like(s[0])) for s in layer.after) for layer in unrolled.layers]
    powers = [0.0] * len(states)
    pulled: list[Pulled] = [None] * len(states)
    for time in range(len(unrolled.ids) - 1, -1, -1):
        rows = inject(time)
        entering, power = (None if rows is None else plain(rows[0])), 0.0
        for number in range(len(states) - 1, -1, -1):
            if entering is not None:
                states[number], powers[number] = _joined(states[number], powers[number], entering, power)
            step = {name: values[time] for name, values in slopes[number].items()}
            pulled[number] = pull(step, states[number], weights[number])
            states[number], power = pulled[number].before, powers[number]
            entering = pulled[number].inputs @ weights[number].weight_ih if number else None
        yield Step(time, tuple(pulled), tuple(powers))
        if rescale and time % RESCALE_EVERY == 0:
            for number, state in enumerate(states):
                states[number], powers[number] = _rescaled(state, powers[number])


def _joined(state: State, power: float, entering: np.ndarray, entering_power: float) -> tuple[State, float]:
    """Add what enters to the hidden state, at the larger power of two of both; zeros have none."""
    hidden, *others = state
    if power == entering_power or not entering.any():
        return (hidden + entering, *others), power
    if not any(s.any() for s in state):
        return (entering, *others), entering_power
    common = max(power, entering_power)
    here, there = np.exp2(power - common), np.exp2(entering_power - common)
    return (hidden * here + entering * there, *(s * here for s in others)), common


def _rescaled(state: State, power: float) -> tuple[State, float]:
    """Bring the largest number to between 1/2 and 1, exactly, by a power of two."""
    largest = max(np.abs(s).max() for s in state)
    if not np.isfinite(largest) or largest == 0:
        return state, power
    found = int(np.clip(np.frexp(largest)[1], -1000, 1000))
    return tuple(s * 2.0**-found for s in state), power + found

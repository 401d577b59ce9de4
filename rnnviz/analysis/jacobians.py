"""The Jacobian of a late state with respect to every earlier one, as products of step matrices; it draws nothing.

d h_T / d h_t is the product of the Jacobians of the steps between (Pascanu, Mikolov and Bengio 2013, equation 5). One
product of (unit, unit) matrices a step gives it for every t; no loss takes part in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnviz.analysis.backward import DERIVATIVES
from rnnviz.analysis.gradients import half_life
from rnnviz.analysis.losses import reading
from rnnviz.analysis.unrolled import LOG10_OF_2, RESCALE_EVERY, Progress, Unrolled, no_denormals, unheard, unroll
from rnnviz.cells import State
from rnnviz.network import Network

_SMALL = 1e-60
_SVD_AT_ONCE = 2**22
"""Numbers in one batch of singular value decompositions."""


class Product(NamedTuple):
    """d state_T / d state_t at one step t.

    Attributes:
        time: t.
        matrices: State name -> (unit, unit), row i the gradient of unit i at T; to be multiplied by 2**exponent.
        exponent: A power of two.
    """

    time: int
    matrices: dict[str, Tensor]
    exponent: int


@dataclass(frozen=True, eq=False)
class JacobianNorms:
    """The size of d state_T / d state_t for every t, of one layer's own recurrence.

    Attributes:
        label: What the network is called.
        cell_type: Its cell.
        log10_spectral: State name ("hidden", for an LSTM also "cell") -> float64 (time,), log10 of the largest singular
            value: the most that any nudge of state_t can move state_T. NaN at steps that were left out.
        log10_frobenius: The same for the root of the sum of all squared entries.
        tokens: (time,), what was read at each step.
        overflow: The first step whose state is no finite number, or None.
    """

    label: str
    cell_type: str
    log10_spectral: dict[str, np.ndarray]
    log10_frobenius: dict[str, np.ndarray]
    tokens: tuple[str, ...]
    overflow: int | None

    def half_life(self, state: str = "hidden") -> float:
        """Return the steps back after which the Frobenius norm halves; see `gradients.half_life`."""
        return half_life(self.log10_frobenius[state][::-1])


def state_products(run: Unrolled, layer: int = -1) -> Iterator[Product]:
    """Give d state_T / d state_t for every t from the last step T down to the first; use it in inference mode.

    The states are the coordinates: for an LSTM d h_T / d h_t holds c_t fixed, and d c_T / d c_t holds h_t fixed.
    """
    kept, names = run.layers[layer], run.network.cell.states
    carry = DERIVATIVES[run.network.config.cell_type].carry
    size, exponent = run.network.config.hidden_size, 0
    rows = torch.eye(len(names) * size, dtype=run.logits.dtype).split(size, dim=1)
    for time in range(len(run.ids) - 1, -1, -1):
        blocks = {name: part[i * size : (i + 1) * size] for i, (name, part) in enumerate(zip(names, rows, strict=True))}
        yield Product(time, blocks, exponent)
        rows = carry(kept.each[time], rows, kept.weights)
        if time % RESCALE_EVERY == 0:
            power = _power(rows)
            exponent += power
            rows = tuple(part * 2.0**-power for part in rows) if power else rows


def step_jacobian(run: Unrolled, time: int, layer: int = -1) -> np.ndarray:
    """Return the Jacobian of one step of one layer: float64 (states * unit, states * unit), in the cell's order."""
    kept, size = run.layers[layer], run.network.config.hidden_size
    rows = torch.eye(len(run.network.cell.states) * size, dtype=run.logits.dtype).split(size, dim=1)
    carry = DERIVATIVES[run.network.config.cell_type].carry
    return torch.cat(carry(kept.each[time], rows, kept.weights), dim=1).double().numpy()


def _power(rows: State) -> int:
    """Return the power of two that brings the largest number near 1, 0 where nothing needs it."""
    largest = max(float(part.abs().max()) for part in rows)
    if not np.isfinite(largest) or largest == 0 or _SMALL < largest < 1 / _SMALL:
        return 0
    return int(np.clip(np.frexp(largest)[1], -1000, 1000))


@torch.inference_mode()
def jacobian_norms(
    network: Network,
    ids: np.ndarray,
    tokens: Sequence[str] | None = None,
    label: str = "",
    *,
    layer: int = -1,
    every: int = 1,
    progress: Progress = unheard,
) -> JacobianNorms:
    """Measure d h_T / d h_t, and for an LSTM d c_T / d c_t, for every t, in float64.

    Args:
        network: Any network but a bidirectional one; it is copied, not touched.
        ids: int64 (time,), cut as for `gradients.gradient_decay`.
        tokens: What the ids stand for; None for the ids themselves.
        label: Name for a legend.
        layer: Whose recurrence.
        every: Take the spectral norm at every so many steps only, counted from T: a large matrix's is dear.
        progress: Told of the share done.

    Raises:
        ConfigError: The network is bidirectional.
        TextError: There are fewer tokens than a loss needs.
    """
    read, _, shown = reading(network.config, ids, tokens)
    run = unroll(network, read)
    names, length = network.cell.states, len(read)
    spectral = {name: np.full(length, np.nan) for name in names}
    frobenius = {name: np.full(length, np.nan) for name in names}
    waiting: list[tuple[str, int, Tensor, int]] = []
    with no_denormals():
        for product in state_products(run, layer):
            for name, matrix in product.matrices.items():
                scale = product.exponent * LOG10_OF_2
                frobenius[name][product.time] = float(torch.log10(matrix.norm())) + scale
                if (length - 1 - product.time) % every == 0:
                    waiting.append((name, product.time, matrix, product.exponent))
            if len(waiting) * network.config.hidden_size**2 > _SVD_AT_ONCE or product.time == 0:
                _decompose(waiting, spectral)
                waiting = []
            progress(1 - product.time / length)
    return JacobianNorms(
        label or network.config.cell_type,
        network.config.cell_type,
        spectral,
        frobenius,
        shown,
        run.overflow,
    )


def _decompose(waiting: list[tuple[str, int, Tensor, int]], spectral: dict[str, np.ndarray]) -> None:
    """Fill in the spectral norms of a batch; a matrix that holds NaN or infinity has none."""
    if not waiting:
        return
    stacked = torch.stack([matrix for _, _, matrix, _ in waiting])
    finite = stacked.isfinite().all(dim=(1, 2))
    largest = torch.full((len(waiting),), torch.nan, dtype=torch.float64)
    largest[finite] = torch.linalg.svdvals(stacked[finite])[:, 0].double()
    logs = torch.log10(largest).numpy()
    for (name, time, _, exponent), log in zip(waiting, logs, strict=True):
        spectral[name][time] = log + exponent * LOG10_OF_2

"""How much of what happened k steps ago still reaches the loss: gradients by time step; it draws nothing.

Back-propagation through time: Werbos 1990. That it vanishes: Hochreiter 1991; Bengio, Simard and Frasconi 1994.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rnnviz.analysis.losses import losses, reading
from rnnviz.analysis.single import pull_one
from rnnviz.analysis.unrolled import Progress, Unrolled, log10_norms, no_denormals, pull_back, unheard, unroll
from rnnviz.cells import Weights
from rnnviz.network import Network

LARGEST_SLOPE = {"rnn_tanh": 1.0, "rnn_relu": 1.0, "rnn_sigmoid": 0.25, "residual": 1.0}
"""The largest slope of a cell's activation, for the cells whose step holds W_hh once."""

_FLAT = 1e-9
"""Differences of logarithms that are rounding, not decay."""


@dataclass(frozen=True, eq=False)
class GradientDecay:
    """The gradient of one loss with respect to every earlier state.

    Attributes:
        label: What the network is called in a legend.
        cell_type: Its cell.
        log10_norms: State name ("hidden", for an LSTM also "cell") -> float64 (time, layer), log10 of the Euclidean
            norm ||d loss / d state_t||; the last row is the loss's own step. -inf is a gradient of exactly zero.
        direct: log10 (time,) of the norm that reaches each step of the top layer through the gates that keep alone,
            the product of forget (LSTM) or update (GRU) gates from there to the loss, or the identity of a residual
            cell; None where the cell has no such path or the loss reads more than the last state.
        loss_nats: The loss.
        tokens: (time,), what was read at each step, for people to see.
        overflow: The first step whose state is no finite number in the precision asked for, from 0, or None.
        precision: What every number was stored in.
    """

    label: str
    cell_type: str
    log10_norms: dict[str, np.ndarray]
    direct: np.ndarray | None
    loss_nats: float
    tokens: tuple[str, ...]
    overflow: int | None
    precision: str

    def back(self, state: str = "hidden", layer: int = -1) -> np.ndarray:
        """Return log10 of the norms by steps back: 0 is the loss's own step."""
        return self.log10_norms[state][::-1, layer]

    def half_life(self, state: str = "hidden", layer: int = -1) -> float:
        """Return the steps back after which the norm halves; see `half_life`."""
        return half_life(self.back(state, layer))

    def first_half(self, state: str = "hidden", layer: int = -1) -> int | None:
        """Return the first step back at which the norm is at most half of the one at the loss, or None."""
        norms = self.back(state, layer)
        below = np.flatnonzero(norms <= norms[0] - math.log10(2) + _FLAT)
        return int(below[0]) if len(below) else None

    def zero_from(self, state: str = "hidden", layer: int = -1) -> int | None:
        """Return the step back from which on the norm is exactly zero, or None."""
        zero = np.isneginf(self.back(state, layer))
        return len(zero) - int(np.argmin(zero[::-1])) if zero[-1] and not zero.all() else (0 if zero.all() else None)

    def lost_from(self, state: str = "hidden", layer: int = -1) -> int | None:
        """Return the first step back at which the norm is infinite or not a number, or None."""
        norms = self.back(state, layer)
        lost = np.flatnonzero(np.isposinf(norms) | np.isnan(norms))
        return int(lost[0]) if len(lost) else None


def half_life(log10_sizes: np.ndarray) -> float:
    """Return the steps after which a size halves, from a straight line through its logarithm.

    Args:
        log10_sizes: (back,), by steps back; what is infinite or NaN is left out.

    Returns:
        Minus log10(2) over the slope of the least-squares line. Infinite where the size stays as it is, negative where
        it grows: minus the steps after which it doubles. NaN below two usable steps.
    """
    usable = np.isfinite(log10_sizes)
    if usable.sum() < 2:
        return math.nan
    octaves = log10_sizes[usable] / math.log10(2)
    slope = float(np.polyfit(np.arange(len(log10_sizes))[usable], octaves, 1)[0])
    return -1 / slope if abs(slope) > _FLAT else math.inf


@torch.inference_mode()
def gradient_decay(
    network: Network,
    ids: np.ndarray,
    tokens: Sequence[str] | None = None,
    label: str = "",
    target: int | None = None,
    *,
    position: int | None = None,
    precision: str = "float64",
) -> GradientDecay:
    """Measure ||d loss / d state_t|| for every step t, exactly.

    The derivative is the total one: through every later step, not the direct path alone. For an LSTM the "cell" norms
    hold all that flows through c_t, its way through h_t included, and the "hidden" norms what flows through h_t alone.

    Args:
        network: Any network but a bidirectional one; it is copied, not touched.
        ids: int64 (time,). A language model reads all but the last; its loss after a step is the next id's
            cross-entropy. A classifier reads all; its loss is the cross-entropy of `target`.
        tokens: What the ids stand for, to be shown; None for the ids themselves.
        label: Name for a legend.
        target: The class of a classifier's loss; None for the class it finds likeliest.
        position: The step, from 0, after which the loss is taken; None for the last.
        precision: A key of `unrolled.DTYPES`. In float64 nothing underflows; in the others every number is stored as
            told, so that gradients vanish to zero and states overflow as they would in training.

    Returns:
        The norms in time order, up to the loss's position.

    Raises:
        ConfigError: The network is bidirectional.
        TextError: There are fewer tokens than a loss needs.
    """
    read, answers, shown = reading(network.config, ids, tokens, target, position)
    last = len(read) - 1
    run = unroll(network, read, precision)
    loss = losses(run, answers, [last])
    names = network.cell.states
    found, exponents = [], []
    with no_denormals(), np.errstate(all="ignore"):
        for step in pull_one(run, loss.inject()):
            found.append([[np.asarray(vector) for vector in pulled.total] for pulled in step.layers])
            exponents.append(step.exponents)
    vectors = torch.from_numpy(np.array(found[::-1]))  # (time, layer, state, unit)
    table = log10_norms(vectors, torch.tensor(exponents[::-1], dtype=torch.float64)[..., None])
    return GradientDecay(
        label or network.config.cell_type,
        network.config.cell_type,
        {name: table[:, :, s] for s, name in enumerate(names)},
        _direct(run, vectors[-1, -1, -1]),
        float(loss.nats[0]),
        shown,
        run.overflow,
        precision,
    )


def _direct(run: Unrolled, at_loss: Tensor) -> np.ndarray | None:
    """Multiply the gradient at the loss by the gates that keep, step by step back, as logarithms."""
    if run.network.config.pooling != "last":
        return None
    at_loss = at_loss.double()
    if run.network.config.cell_type == "residual":
        return np.full(len(run.ids), float(torch.log10(at_loss.norm())))
    keep = run.layers[-1].slopes.get("keep")
    if keep is None:
        return None
    logs = torch.cat([at_loss.abs().log()[None], keep.double().log().flip(0)[:-1]]).cumsum(dim=0)
    return (torch.logsumexp(2 * logs, dim=1) / (2 * math.log(10))).flip(0).numpy()


@dataclass(frozen=True)
class Guides:
    """What the weights alone say about the decay in the top layer.

    Attributes:
        spectral_radius: The largest |eigenvalue| of W_hh (residual cell: of I + W_hh). Where the activation is linear
            and the loss reads the last state, the gradient goes as its k-th power in the end.
        singular_value: The largest singular value of W_hh.
        factor: An upper bound on what one step can multiply a gradient by: singular value times the activation's
            largest slope (residual: plus one). Pascanu, Mikolov and Bengio 2013, section 2.1.
    """

    spectral_radius: float
    singular_value: float
    factor: float


@dataclass(frozen=True, eq=False)
class RecurrentSpectrum:
    """The top layer's W_hh by its eigenvalues, complex128 (unit,), and its largest singular value."""

    cell_type: str
    eigenvalues: np.ndarray
    singular_value: float

    def guides(self, scale: float = 1.0) -> Guides:
        """Return the guides, W_hh multiplied by `scale`."""
        residual = self.cell_type == "residual"
        radius = float(np.abs(scale * self.eigenvalues + residual).max())
        singular = abs(scale) * self.singular_value
        return Guides(radius, singular, singular * LARGEST_SLOPE[self.cell_type] + residual)


@torch.inference_mode()
def recurrent_spectrum(network: Network) -> RecurrentSpectrum | None:
    """Take a network's W_hh apart; None for gated cells, whose step holds several, and where it is not finite."""
    cell = network.config.cell_type
    matrix = Weights.of(network.recurrent[-1]["d"]).weight_hh.double().cpu()
    if cell not in LARGEST_SLOPE or not matrix.isfinite().all():
        return None
    return RecurrentSpectrum(cell, torch.linalg.eigvals(matrix).numpy(), float(torch.linalg.svdvals(matrix)[0]))


def guides(network: Network) -> Guides | None:
    """Return the guides of a network's top layer; None where `recurrent_spectrum` has none."""
    taken = recurrent_spectrum(network)
    return None if taken is None else taken.guides()


@dataclass(frozen=True, eq=False)
class GradientTriangle:
    """Every loss against every earlier state.

    Attributes:
        label: What the network is called.
        log10_norms: State name -> float64 (target, source): log10 ||d loss_target / d state_source||, top layer or the
            one asked for; NaN where the source comes after the target.
        positions: int64 (target,), the steps after which the losses are taken, ascending.
        loss_nats: (target,).
        tokens: (source,), what was read.
    """

    label: str
    log10_norms: dict[str, np.ndarray]
    positions: np.ndarray
    loss_nats: np.ndarray
    tokens: tuple[str, ...]


@torch.inference_mode()
def gradient_triangle(
    network: Network,
    ids: np.ndarray,
    tokens: Sequence[str] | None = None,
    label: str = "",
    target: int | None = None,
    *,
    layer: int = -1,
    every: int = 1,
    progress: Progress = unheard,
) -> GradientTriangle:
    """Measure ||d loss_s / d state_t|| for all pairs t <= s, all losses going back side by side.

    Args:
        network: As for `gradient_decay`.
        ids: As for `gradient_decay`.
        tokens: As for `gradient_decay`.
        label: As for `gradient_decay`.
        target: As for `gradient_decay`.
        layer: Whose states.
        every: Take the loss after every so many steps only, counted from the last.
        progress: Told of the share done.

    Raises:
        ConfigError: The network is bidirectional.
        TextError: There are fewer tokens than a loss needs.
    """
    read, answers, shown = reading(network.config, ids, tokens, target)
    run = unroll(network, read)
    loss = losses(run, answers, range(len(read) - 1, -1, -every))
    rows, names = len(loss.positions), network.cell.states
    table = np.full((len(names), rows, len(read)), np.nan)
    with no_denormals():
        for step in pull_back(run, loss.inject()):
            for s, vectors in enumerate(step.layers[layer].total):
                table[s, : len(vectors), step.time] = log10_norms(vectors, step.exponents[layer])
            progress(1 - step.time / len(read))
    return GradientTriangle(
        label or network.config.cell_type,
        {name: part[::-1] for name, part in zip(names, table, strict=True)},
        loss.positions.numpy()[::-1],
        loss.nats.numpy()[::-1],
        shown,
    )

"""One text padded in a batch, in every way that is in use: the states, what the head read of them, the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnviz.cells import LoopLayer, State, Weights
from rnnviz.errors import ConfigError
from rnnviz.network import Network, reverse_within
from rnnviz.recording import softmax

ALONE, RIGHT, LEFT, PACKED = "alone", "right", "left", "packed"
MASKED_RIGHT, MASKED_LEFT = "masked right", "masked left"
WAYS = (ALONE, RIGHT, LEFT, PACKED, MASKED_RIGHT, MASKED_LEFT)
SHOWN = 24
"""Units kept for a picture."""


@dataclass(frozen=True, eq=False)
class Padded:
    """One way of reading a padded text.

    Attributes:
        way: One of `WAYS`.
        padding: bool (time,), the columns that hold padding.
        hidden: float (time, unit * directions), the top layer's; NaN where the way computes no state.
        first: First column that the head reads of, where it reads more than one.
        last: Last column that it reads; with "last" pooling the only one, save that the backward half of a
            bidirectional network is read at `first`.
        probabilities: float64 (class,).
    """

    way: str
    padding: np.ndarray
    hidden: np.ndarray
    first: int
    last: int
    probabilities: np.ndarray


@dataclass(frozen=True, eq=False)
class Drift:
    """How far one direction's state is from the true last one, column by column.

    Attributes:
        distances: Way -> float64 (time,), the Euclidean norm of h_t - h_T, where h_T is the state that the direction
            ends with when the text is read alone; NaN where no state is computed.
        units: int64 (unit,), the units that padding after the text moves most, or without padding the text; within the
            direction.
        values: Way -> float32 (time, unit), their values.
        last_move: How far the last step of padding still moves the state where nothing stops it; NaN without padding
            and where the state has overflowed.
    """

    distances: dict[str, np.ndarray]
    units: np.ndarray
    values: dict[str, np.ndarray]
    last_move: float


@dataclass(frozen=True, eq=False)
class PaddingXray:
    """What padding does to one text.

    Attributes:
        padding: Way -> bool (time,).
        read: Way -> first and last column that the head reads, as in `Padded`.
        probabilities: Way -> float64 (class,).
        drifts: One a direction, forwards first; a backward one meets the last column first.
        input_norm: The norm of what the first layer reads at a step of padding after another one.
        by_torch: Whether the packed way is torch.nn's own; cells it does not have are run by lengths in our own code.
    """

    padding: dict[str, np.ndarray]
    read: dict[str, tuple[int, int]]
    probabilities: dict[str, np.ndarray]
    drifts: tuple[Drift, ...]
    input_norm: float
    by_torch: bool


class _Row(NamedTuple):
    """A text in a batch of its own: ids (1, time) and the slice of its real columns."""

    ids: Tensor
    real: slice


@torch.no_grad()
def read_padded(network: Network, ids: np.ndarray, padding: int) -> dict[str, Padded]:
    """Read a text alone, and padded in each way.

    Args:
        network: A classifier with recurrent layers, in evaluation mode; it is left as it is.
        ids: int64 (time,), without padding, at least one.
        padding: Steps of padding, id `config.padding_index` or 0.

    Returns:
        Way -> what came of it, in the order of `WAYS`. Where the head pools over time, an unmasked way includes its
        padding, as in a framework that is told nothing of lengths. Where states overflow, what follows is no number.

    Raises:
        ConfigError: The network is a feed-forward net, or the padding is negative.
        ValueError: There are no ids.
    """
    if network.config.is_feedforward:
        raise ConfigError("A feed-forward net has no state that padding could move: choose a recurrent network.")
    if padding < 0:
        raise ConfigError(f"padding must not be negative, got {padding}.")
    if len(ids) == 0:
        raise ValueError("ids: expected at least one")
    pad = np.full(padding, network.config.padding_index or 0, dtype=np.int64)
    end = _Row(_batch(network, np.concatenate([ids, pad])), slice(0, len(ids)))
    start = _Row(_batch(network, np.concatenate([pad, ids])), slice(padding, padding + len(ids)))
    alone = _Row(end.ids[:, : len(ids)], end.real)
    found = {
        ALONE: (alone, network.features(alone.ids)[0], True),
        RIGHT: (end, network.features(end.ids)[0], False),
        LEFT: (start, network.features(start.ids)[0], False),
        PACKED: (end, _packed(network, end), True),
        MASKED_RIGHT: (end, _masked(network, end), True),
        MASKED_LEFT: (start, _masked(network, start), True),
    }
    with np.errstate(invalid="ignore"):  # what overflowed is no number, and is told so
        return {way: _answered(network, way, *parts) for way, parts in found.items()}


def _batch(network: Network, ids: np.ndarray) -> Tensor:
    return torch.from_numpy(ids)[None].to(network.device)


def _answered(network: Network, way: str, row: _Row, hidden: Tensor, knows_length: bool) -> Padded:
    """Let the head read the real columns alone, or all that there are."""
    time = row.ids.shape[1]
    read = row.real if knows_length else slice(0, time)
    logits = network.answer(hidden[:, read])[0, -1]
    padding = np.ones(time, dtype=bool)
    padding[row.real] = False
    states = hidden[0].cpu().numpy()
    if way == PACKED:
        states = np.where(padding[:, None], np.nan, states)
    return Padded(way, padding, states, read.start, read.stop - 1, softmax(logits.cpu().numpy()))


def has_packing(network: Network) -> bool:
    """Say whether the network's layers are torch.nn's, which read packed sequences."""
    return not any(isinstance(module, LoopLayer) for module in network.modules())


def _packed(network: Network, row: _Row) -> Tensor:
    """Return the top states (1, time, unit) of a packed row; what stands in columns of padding means nothing."""
    lengths = torch.tensor([row.real.stop], device=network.device)
    if not has_packing(network):
        return network.features(row.ids, lengths)[0]
    x = network.embed(row.ids)
    for layer in range(network.config.num_layers):
        outputs = []
        for d, name in enumerate(network.directions):
            module = network.recurrent[layer][f"d{name}"]
            inputs = x if d == 0 else reverse_within(x, lengths)
            out = _run_packed(module, inputs, lengths, network.start(1, layer, d))
            outputs.append(out if d == 0 else reverse_within(out, lengths))
        x = torch.cat(outputs, dim=-1)
    return x


def _run_packed(module: torch.nn.Module, x: Tensor, lengths: Tensor, start: State) -> Tensor:
    packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
    state = tuple(part[None].contiguous() for part in start)
    output, _ = module(packed, state if len(state) > 1 else state[0])
    return pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])[0]


def _masked(network: Network, row: _Row) -> Tensor:
    """Return the top states (1, time, unit) where a step of padding hands the state on unchanged, as Keras' mask does.

    In every layer and direction; a layer above never looks at what one below gave for padding.
    """
    x, real = network.embed(row.ids)[0], range(*row.real.indices(row.ids.shape[1]))
    for layer in range(network.config.num_layers):
        outputs = []
        for d, name in enumerate(network.directions):
            weights = Weights.of(network.recurrent[layer][f"d{name}"])
            state, kept = network.start(1, layer, d), {}
            projected = weights.project(x)
            for t in range(len(x)) if d == 0 else reversed(range(len(x))):
                if t in real:
                    state, _ = network.cell.step(projected[t][None], state, weights)
                kept[t] = state[0][0]
            outputs.append(torch.stack([kept[t] for t in range(len(x))]))
        x = torch.cat(outputs, dim=-1)
    return x[None]


def padding_xray(
    network: Network, ids: np.ndarray, tokens: Sequence[str] = (), label: str = "", *, padding: int
) -> PaddingXray:
    """Measure what padding does to a text; see `read_padded` for what is read and raised.

    Args:
        network: A classifier with recurrent layers.
        ids: int64 (time,).
        tokens: Not used; there so that `session.measured` can keep the result.
        label: Not used either.
        padding: Steps of padding.
    """
    found = read_padded(network, ids, padding)
    size = network.config.hidden_size
    halves = [slice(d * size, (d + 1) * size) for d in range(len(network.directions))]
    with np.errstate(invalid="ignore", over="ignore"):
        drifts = tuple(_drift(found, half, bool(d)) for d, half in enumerate(halves))
    pads = _batch(network, np.full(2, network.config.padding_index or 0, dtype=np.int64))
    with torch.no_grad():
        norm = float(network.embed(pads)[0, 1].norm())
    return PaddingXray(
        {way: one.padding for way, one in found.items()},
        {way: (one.first, one.last) for way, one in found.items()},
        {way: one.probabilities for way, one in found.items()},
        drifts,
        norm,
        has_packing(network),
    )


def _drift(found: dict[str, Padded], half: slice, backwards: bool) -> Drift:
    """Compare one direction's states with the one that it ends with alone."""
    states = {way: one.hidden[:, half] for way, one in found.items()}
    true = states[ALONE][0 if backwards else -1]
    distances = {way: np.linalg.norm((h - true).astype(np.float64), axis=1) for way, h in states.items()}
    on = states[LEFT if backwards else RIGHT]  # here padding comes after the text, in the direction's own order
    ahead = on[::-1] if backwards else on
    padding = len(on) - len(states[ALONE])
    moved = np.abs(ahead[-padding:] - true).max(axis=0) if padding else on.std(axis=0)
    units = np.argsort(-moved, kind="stable")[:SHOWN]
    last_move = float(np.linalg.norm(ahead[-1] - ahead[-2])) if padding else float("nan")
    return Drift(distances, units, {way: h[:, units].astype(np.float32) for way, h in states.items()}, last_move)

"""What an answer loses with each word that is left out, and where two measures of words disagree; it draws nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from rnnviz.analysis.unrolled import Progress, unheard
from rnnviz.cells import CELLS
from rnnviz.config import ModelConfig
from rnnviz.errors import ConfigError, TextError
from rnnviz.network import Network, at_end

MOST_LISTED = 5
"""How many words are among the weightiest of a text, at most; of a short text a quarter."""
WORTH_NAMING = 0.1
"""Share of a measure's largest value below which a sign means nothing."""
_ROWS_AT_ONCE = 64
_PRODUCTS, _A_STEP, _A_ROW = 2.5e10, 1e-4, 2e-8
"""What one core of a common machine does: products a second in float32; seconds a step, and a row's unit, besides."""


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """How an answer's log-probability changes with each word that is left out.

    Attributes:
        label: What the network is called.
        tokens: (time,), what was read.
        values: float64 (time,), in nats: of the whole text less of the text without that word, so that a word that
            speaks for the answer is positive. They do not sum to anything.
        answer: The class.
        log_probability: Of the answer after the whole text, in nats.
    """

    label: str
    tokens: tuple[str, ...]
    values: np.ndarray
    answer: int
    log_probability: float


@torch.no_grad()
def leave_one_out(
    network: Network,
    ids: np.ndarray,
    tokens: Sequence[str] | None = None,
    label: str = "",
    target: int | None = None,
    *,
    progress: Progress = unheard,
) -> LeaveOneOut:
    """Read a text without each of its words in turn (Li, Monroe and Jurafsky 2016, "erasure").

    The word is taken out, not replaced by an unknown one: the text is one word shorter, and the words on either side of
    the gap become neighbours.

    Args:
        network: A classifier in evaluation mode, of any cell, reading forwards or both ways.
        ids: int64 (time,), at least two.
        tokens: What the ids stand for; None for the ids themselves.
        label: Name for a legend.
        target: The class; None for the one found likeliest.
        progress: Told of the share done.

    Raises:
        ConfigError: The network is a language model.
        TextError: Without its only word there is nothing left of the text.
    """
    if network.config.task != "classifier":
        raise ConfigError("A language model gives no answer about a whole text, so nothing can be left out of it.")
    if len(ids) < 2:
        raise TextError("The text has only one word: without it there is nothing left to read.")
    read = torch.from_numpy(np.array(ids, dtype=np.int64))
    whole = _answers(network, read[None])[0]
    answer = int(whole.argmax()) if target is None else target
    places, found = torch.arange(len(read)), []
    for some in places.split(_ROWS_AT_ONCE):
        kept = places[:-1] + (places[:-1] >= some[:, None])  # every place but the row's own
        found.append(_answers(network, read[kept])[:, answer])
        progress(min(1.0, (int(some[-1]) + 1) / len(read)))
    values = (whole[answer] - torch.cat(found)).numpy()
    shown = tuple(tokens) if tokens is not None else tuple(map(str, ids))
    return LeaveOneOut(label or network.config.cell_type, shown, values, answer, float(whole[answer]))


def _answers(network: Network, ids: Tensor) -> Tensor:
    """Return the log-probabilities of whole texts of one length: (batch, time) -> float64 (batch, output)."""
    lengths = torch.full((len(ids),), ids.shape[1])
    return log_softmax(whole_text_logits(network, ids, lengths).double().cpu(), dim=-1)


def whole_text_logits(network: Network, ids: Tensor, lengths: Tensor) -> Tensor:
    """Return a classifier's logits after whole texts, and after no beginning of theirs.

    The states are pooled once, at the end: for a maximum, a running one takes longer than the recurrent layers do.

    Args:
        network: A classifier in evaluation mode.
        ids: int64 (batch, time), rows padded at the end.
        lengths: int64 (batch,), the true lengths.

    Returns:
        (batch, output), unnormalised.
    """
    ids, lengths = ids.to(network.device), lengths.to(network.device)
    hidden, _ = network.features(ids, lengths)
    real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
    read = torch.cat([_at_end(network, hidden, real, kind) for kind in network.pooled], dim=-1)
    return network.head(read if network.dense is None else torch.relu(network.dense(read)))


def _at_end(network: Network, hidden: Tensor, real: Tensor, pooling: str) -> Tensor:
    """Read the states of whole texts as `Network.pool` does at their last word.

    Args:
        network: The network.
        hidden: (batch, time, unit).
        real: bool (batch, time), False for padding.
        pooling: One of the network's own.
    """
    if pooling == "max":
        return hidden.masked_fill(~real[..., None], -math.inf).amax(dim=1)
    lengths = real.sum(dim=1)
    if pooling == "mean":
        return (hidden * real[..., None]).sum(dim=1) / lengths[:, None]
    last, size = at_end(hidden, lengths), network.config.hidden_size
    return torch.cat([last[:, :size], hidden[:, 0, size:]], dim=-1) if network.config.bidirectional else last


def leave_one_out_seconds(config: ModelConfig, words: int) -> float:
    """Estimate how long leaving out each word takes: as many texts as words, each nearly as long."""
    size, directions = config.hidden_size, 1 + config.bidirectional
    blocks = len(CELLS[config.cell_type].blocks)
    first = config.embedding_size + config.pair_size * bool(config.pair_buckets)
    inputs = first + (config.num_layers - 1) * size * directions
    a_word = directions * blocks * size * (inputs + config.num_layers * size) / _PRODUCTS
    a_word += directions * config.num_layers * blocks * size * _A_ROW
    return words**2 * a_word + words * math.ceil(words / _ROWS_AT_ONCE) * config.num_layers * directions * _A_STEP


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Where two measures of the same words part ways.

    Attributes:
        rank_correlation: Spearman's, of the values with their signs, in [-1, 1]; NaN for fewer than three words, or
            where all values of one measure are equal.
        opposite: Places where both are at least `WORTH_NAMING` of their own largest, with opposite signs.
        only_first: Places among the first's `top` largest sizes that are not among the second's `2 * top`.
        only_second: The same the other way round.
        top: How many count as the weightiest.
    """

    rank_correlation: float
    opposite: tuple[int, ...]
    only_first: tuple[int, ...]
    only_second: tuple[int, ...]
    top: int


def disagreement(first: np.ndarray, second: np.ndarray) -> Disagreement:
    """Compare two measures of the same words; places come largest first.

    Args:
        first: float (word,), signed.
        second: float (word,), signed, of the same thing.

    Raises:
        ValueError: The lengths differ.
    """
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"second: expected (word={len(first)},), got {second.shape}")
    sizes = [np.abs(values) for values in (first, second)]
    top = min(MOST_LISTED, max(1, len(first) // 4))
    order = [np.argsort(-size, kind="stable") for size in sizes]
    heavy = [[i for i in places[:top].tolist() if size[i] > 0] for places, size in zip(order, sizes, strict=True)]
    near = [set(places[: 2 * top].tolist()) for places in order]
    shares = [size / max(size.max(initial=0.0), 1e-300) for size in sizes]
    against = (first * second < 0) & (np.minimum(*shares) >= WORTH_NAMING)
    both = np.argsort(-np.minimum(*shares), kind="stable").tolist()
    return Disagreement(
        _rank_correlation(first, second),
        tuple(i for i in both if against[i]),
        tuple(i for i in heavy[0] if i not in near[1]),
        tuple(i for i in heavy[1] if i not in near[0]),
        top,
    )


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import spearmanr  # noqa: PLC0415  it takes a second to import

    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return math.nan
    return float(spearmanr(first, second).statistic)

"""Which words an answer rests on: each left out in turn, and integrated gradients of the same number; no pictures.

That number is ln(p / p'), with p the probability of the class that is followed and p' that of its strongest rival, in
nats; with two classes it is the log-odds. A log-probability alone would hide what a text speaks for: near p = 1 no word
can add to it any more. A difference of two log-probabilities, it is also what integrated gradients add up to.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rnnviz.analysis.unrolled import Progress, unheard
from rnnviz.cells import CELLS
from rnnviz.config import ModelConfig
from rnnviz.errors import ConfigError, TextError
from rnnviz.network import Network

MOST_LISTED = 5
"""How many words are among the weightiest of a text, at most; of a short text a quarter."""
WORTH_NAMING = 0.1
"""Share of a measure's largest value below which a sign means nothing."""
TRUSTED = 0.05
"""Share of the difference to be explained that the error of an integral may have."""
POINTS, MORE_POINTS = 32, 128
_ROWS_AT_ONCE, _PATHS_AT_ONCE = 64, 16
_PRODUCTS, _A_STEP, _A_ROW = 2.5e10, 1e-4, 2e-8
"""What one core of a common machine does: products a second in float32; seconds a step, and a row's unit, besides."""
_SLOWER = 3.0
"""How much slower a product is in float64, there and back."""


@dataclass(frozen=True, eq=False)
class Weights:
    """What each word of a text adds to ln(p / p'), by one measure.

    Attributes:
        values: float64 (time,), in nats; a word that speaks for the class is positive.
        without: ln(p / p') of a text of zero vectors, to which integrated gradients add up; NaN for words left out in
            turn, which add up to nothing.
        gap: What the sum misses, in nats: the error of the integral; NaN likewise.
    """

    values: np.ndarray
    without: float = math.nan
    gap: float = math.nan


@dataclass(frozen=True, eq=False)
class Weighed:
    """A text whose words were weighed.

    Attributes:
        label: What the network is called.
        tokens: (time,), what was read.
        answer: The class that is followed.
        rival: The likeliest of the others after the whole text.
        log_odds: ln(p / p') after the whole text, in nats.
        left_out: Each word left out in turn; None for a text of one word.
        integrated: Integrated gradients; None for a bidirectional network.
    """

    label: str
    tokens: tuple[str, ...]
    answer: int
    rival: int
    log_odds: float
    left_out: Weights | None
    integrated: Weights | None

    @property
    def trusted(self) -> bool:
        """Whether the integral's error is small beside what it explains."""
        found = self.integrated
        return found is not None and abs(found.gap) <= TRUSTED * max(abs(self.log_odds - found.without), 1e-9)


def weigh_words(
    network: Network,
    ids: np.ndarray,
    tokens: Sequence[str] | None = None,
    label: str = "",
    target: int | None = None,
    *,
    progress: Progress = unheard,
) -> Weighed:
    """Weigh each word of a text by both measures.

    Args:
        network: A classifier in evaluation mode, of any cell, reading forwards or both ways.
        ids: int64 (time,), at least one.
        tokens: What the ids stand for; None for the ids themselves.
        label: Name for a legend.
        target: The class; None for the one found likeliest.
        progress: Told of the share done.

    Raises:
        ConfigError: The network is a language model, or knows one class only.
        TextError: There is no word.
    """
    if network.config.task != "classifier" or network.config.num_outputs < 2:
        raise ConfigError("Words speak for one class against another: that needs a classifier of at least two.")
    if len(ids) == 0:
        raise TextError("There is no word in the text: type at least one.")
    logits = _logits(network, torch.from_numpy(np.array(ids, dtype=np.int64))[None])[0]
    answer = int(logits.argmax()) if target is None else target
    others = logits.clone()
    others[answer] = -math.inf
    rival = int(others.argmax())
    shares = _shares(network.config, len(ids))
    left_out = integrated = None
    if len(ids) > 1:
        left_out = leave_one_out(network, ids, answer, rival, progress=lambda done: progress(done * shares[0]))
    if not network.config.bidirectional:
        integrated = integrated_odds(
            network, ids, answer, rival, progress=lambda done: progress(min(1.0, shares[0] + done * shares[1]))
        )
    shown = tuple(tokens) if tokens is not None else tuple(map(str, ids))
    log_odds = float(logits[answer] - logits[rival])
    return Weighed(label or network.config.cell_type, shown, answer, rival, log_odds, left_out, integrated)


@torch.no_grad()
def leave_one_out(
    network: Network, ids: np.ndarray, answer: int, rival: int, *, progress: Progress = unheard
) -> Weights:
    """Read a text without each of its words in turn (Li, Monroe and Jurafsky 2016, "erasure").

    The word is taken out, not replaced by an unknown one: the text is one word shorter, and the words on either side of
    the gap become neighbours. A value is ln(p / p') of the whole text less that of the text without the word.

    Args:
        network: As for `weigh_words`.
        ids: int64 (time,), at least two.
        answer: The class.
        rival: The class it is set against.
        progress: Told of the share done.

    Raises:
        TextError: Without its only word there is nothing left of the text.
    """
    if len(ids) < 2:
        raise TextError("The text has only one word: without it there is nothing left to read.")
    read = torch.from_numpy(np.array(ids, dtype=np.int64))
    whole, places, found = _logits(network, read[None])[0], torch.arange(len(read)), []
    for some in places.split(_ROWS_AT_ONCE):
        kept = places[:-1] + (places[:-1] >= some[:, None])  # every place but the row's own
        logits = _logits(network, read[kept])
        found.append(logits[:, answer] - logits[:, rival])
        progress((int(some[-1]) + 1) / len(read))
    return Weights((whole[answer] - whole[rival] - torch.cat(found)).numpy())


def integrated_odds(
    network: Network, ids: np.ndarray, answer: int, rival: int, *, progress: Progress = unheard
) -> Weights:
    """Attribute ln(p / p') to the words by integrated gradients (Sundararajan, Taly and Yan 2017), with captum.

    The path goes from zero vectors to the words' own; the integral is a Gauss-Legendre sum, in float64. Where it misses
    much of the difference it is taken once more, with four times as many points. It is what
    `attribution.integrated_gradients` gives for the one class less what it gives for the other.

    Args:
        network: As for `weigh_words`, reading forwards.
        ids: int64 (time,), at least one.
        answer: The class.
        rival: The class it is set against.
        progress: Told of the share done.

    Raises:
        ConfigError: The network is bidirectional.
    """
    from captum.attr import IntegratedGradients  # noqa: PLC0415  it takes seconds to import

    if network.config.bidirectional:
        raise ConfigError("A bidirectional network reads the end first, so its gradient has no single direction back.")
    exact = copy.deepcopy(network).double().cpu().eval().requires_grad_(False)
    vectors, done = exact.embed(torch.from_numpy(np.array(ids))[None]), 0
    zeros = torch.zeros_like(vectors)

    def odds(x: Tensor) -> Tensor:
        nonlocal done
        done += len(x)
        progress(min(1.0, done / (POINTS + 2)))
        logits = exact.whole_from(x, torch.full((len(x),), x.shape[1]))
        return logits[:, answer] - logits[:, rival]

    whole, without = float(odds(vectors)), float(odds(zeros))
    for points in (POINTS, MORE_POINTS):
        parts = IntegratedGradients(odds).attribute(
            vectors, zeros, n_steps=points, method="gausslegendre", internal_batch_size=_PATHS_AT_ONCE
        )
        values = parts.sum(dim=2)[0].detach().numpy()
        found = Weights(values, without, float(whole - without - values.sum()))
        if abs(found.gap) <= TRUSTED * abs(whole - without):
            break
    return found


def _logits(network: Network, ids: Tensor) -> Tensor:
    """Return the logits of whole texts of one length: (batch, time) -> float64 (batch, output), on the CPU."""
    lengths = torch.full((len(ids),), ids.shape[1], device=network.device)
    with torch.no_grad():
        return network.whole(ids.to(network.device), lengths).double().cpu()


def seconds(config: ModelConfig, words: int) -> float:
    """Estimate how long `weigh_words` takes."""
    return sum(_seconds(config, words))


def _seconds(config: ModelConfig, words: int) -> tuple[float, float]:
    """Estimate how long leaving out each word takes, as many texts as words, and how long the integrals."""
    size, ways, layers = config.hidden_size, 1 + config.bidirectional, config.num_layers
    blocks = len(CELLS[config.cell_type].blocks)
    inputs = config.embedding_size + config.pair_size * bool(config.pair_buckets) + (layers - 1) * size * ways
    products = ways * blocks * size * (inputs + layers * size)
    a_word = products / _PRODUCTS + ways * layers * blocks * size * _A_ROW
    a_step = layers * ways * _A_STEP
    left_out = words**2 * a_word + words * math.ceil(words / _ROWS_AT_ONCE) * a_step
    integrated = 0.0 if config.bidirectional else words * POINTS * (a_word * _SLOWER + a_step)
    return left_out, integrated


def _shares(config: ModelConfig, words: int) -> tuple[float, float]:
    parts = _seconds(config, words)
    return parts[0] / sum(parts), parts[1] / sum(parts)


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

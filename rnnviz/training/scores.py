"""How good a network is on held-out data: nats a character, or accuracy, loss and confusion counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnnviz.analysis.unrolled import Progress, unheard
from rnnviz.network import Network, detach
from rnnviz.training.batches import by_length

MOST_STREAMS = 64
CHARACTERS_A_STREAM = 10_000
"""Shortest part that is read on its own: its cold start then weighs some thousandth of a nat at the most."""

WINDOW = 256


@dataclass(frozen=True)
class LanguageScore:
    """A language model's score: mean cross-entropy in nats and in bits per character, over `characters` of them."""

    loss_nats: float
    bits_per_char: float
    characters: int

    def to_dict(self) -> dict[str, Any]:
        """Return the score as a dict that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class ClassifierScore:
    """A classifier's score.

    Attributes:
        accuracy: Share right.
        loss_nats: Mean cross-entropy in nats.
        texts: How many were scored.
        confusion: Counts, `confusion[true][guessed]`.
        calibration_error: Expected calibration error: how far, on average, the chance it gives its guess is from the
            share of such guesses that are right, over 15 equal bins of that chance (Guo et al. 2017).
        calibration: Those bins, `reliability`'s.
    """

    accuracy: float
    loss_nats: float
    texts: int
    confusion: tuple[tuple[int, ...], ...]
    calibration_error: float
    calibration: tuple[tuple[int, float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the score as a dict that JSON can hold."""
        return asdict(self)


@torch.no_grad()
def score_language_model(network: Network, ids: np.ndarray, streams: int | None = None) -> LanguageScore:
    """Score every character but the first, in `streams` equal parts read side by side, each from the initial state.

    Args:
        network: A language model in evaluation mode.
        ids: int64 (time,).
        streams: Parts; 1 reads the text in one go and is exact, more are faster and a touch pessimistic. None for one
            every 10,000 characters, 64 at the most.

    Raises:
        ValueError: The text is too short to score.
    """
    if len(ids) < 2:
        raise ValueError(f"ids: expected at least two tokens, got {len(ids)}")
    streams = max(1, streams or min(MOST_STREAMS, len(ids) // CHARACTERS_A_STREAM))
    length = (len(ids) - 1) // streams
    index = np.arange(length * streams).reshape(streams, length)
    rest = np.arange(length * streams, len(ids) - 1)
    total = _stream_loss(network, ids, index)
    if len(rest):
        total += _stream_loss(network, ids, rest[None])
    mean = total / (len(ids) - 1)
    return LanguageScore(mean, mean / math.log(2), len(ids) - 1)


def _stream_loss(network: Network, ids: np.ndarray, index: np.ndarray) -> float:
    """Sum the loss over places `index` (stream, time), the state carried from window to window."""
    total, state = 0.0, None
    for start in range(0, index.shape[1], WINDOW):
        part = index[:, start : start + WINDOW]
        inputs, targets = (torch.from_numpy(ids[part + shift]).to(network.device) for shift in (0, 1))
        logits, state = network(inputs, state=state)
        total += float(cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum"))
        state = detach(state)
    return total


@torch.no_grad()
def classifier_logits(
    network: Network, rows: Sequence[np.ndarray], batch_size: int = 64, progress: Progress = unheard
) -> Tensor:
    """Return the logits (text, output) of whole texts, uncut, on the CPU and in their order; see `score_classifier`.

    `progress` is told of the share done, by words.
    """
    found = torch.empty(len(rows), network.config.num_outputs)
    words, done = sum(map(len, rows)), 0
    for batch in by_length(rows, np.arange(len(rows)), batch_size):
        ids, lengths = (torch.from_numpy(part).to(network.device) for part in (batch.ids, batch.lengths))
        found[torch.from_numpy(batch.labels)] = network.whole(ids, lengths).float().cpu()
        done += int(batch.lengths.sum())
        progress(min(1.0, done / words))
    return found


def score_classifier(
    network: Network, rows: Sequence[np.ndarray], labels: np.ndarray, batch_size: int = 64
) -> ClassifierScore:
    """Score whole texts, uncut.

    Args:
        network: A classifier in evaluation mode.
        rows: The encoded texts.
        labels: int64 (text,), their classes.
        batch_size: Texts run together.
    """
    return score_logits(classifier_logits(network, rows, batch_size), labels)


def score_logits(logits: Tensor, labels: np.ndarray) -> ClassifierScore:
    """Score logits (text, output), or log-probabilities, of whatever made them, against classes (text,)."""
    labels = np.array(labels)
    confusion = np.zeros((logits.shape[1],) * 2, dtype=np.int64)
    np.add.at(confusion, (labels, logits.argmax(dim=-1).numpy()), 1)
    bins = reliability(logits, labels)
    return ClassifierScore(
        float(np.trace(confusion) / len(labels)),
        float(cross_entropy(logits.double(), torch.from_numpy(labels))),
        len(labels),
        tuple(tuple(int(n) for n in row) for row in confusion),
        _error(bins),
        bins,
    )


def reliability(logits: Tensor, labels: np.ndarray, bins: int = 15) -> tuple[tuple[int, float, float], ...]:
    """Sort guesses by the chance given to them into equal bins of it, and look how often they are right.

    Args:
        logits: (text, output).
        labels: int64 (text,), the classes.
        bins: How many, from 0 to 1.

    Returns:
        For each bin, how many guesses, their mean chance and the share of them that is right; an empty one is zeros.
    """
    chance, guess = (found.numpy() for found in logits.double().softmax(dim=-1).max(dim=-1))
    place = np.minimum((chance * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    means = [np.bincount(place, value, minlength=bins) / np.maximum(counts, 1) for value in (chance, guess == labels)]
    return tuple((int(n), float(mean), float(right)) for n, mean, right in zip(counts, *means, strict=True))


def calibration_error(logits: Tensor, labels: np.ndarray, bins: int = 15) -> float:
    """Return the expected calibration error of logits (text, output) against classes (text,)."""
    return _error(reliability(logits, labels, bins))


def _error(bins: Sequence[tuple[int, float, float]]) -> float:
    """Return the mean gap between chance and share right, weighted by the bins' counts."""
    return sum(n * abs(mean - right) for n, mean, right in bins) / sum(n for n, _, _ in bins)

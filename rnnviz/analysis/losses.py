"""Where a loss touches the states of a network: one row of gradients for every position of the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot, softmax

from rnnviz.analysis.unrolled import Inject, Unrolled
from rnnviz.config import ModelConfig
from rnnviz.errors import TextError


@dataclass(frozen=True, eq=False)
class Read:
    """One way in which the head reads the top layer's states, and the losses' gradients there.

    Attributes:
        at_state: (row, unit), d loss / d what is read.
        share: (row, time), the part of `at_state` that enters each step's hidden state directly; a maximum decides
            unit by unit, see `winners`.
        winners: int64 (time, unit), for a maximum the step that holds each unit's so far.
    """

    at_state: Tensor
    share: Tensor
    winners: Tensor | None = None

    def enter(self, time: int, positions: Tensor) -> Tensor:
        """Return what enters a step's hidden state: (row, unit), of the first rows, taken after `positions`."""
        rows = self.at_state[: len(positions)] * self.share[: len(positions), time, None]
        return rows if self.winners is None else rows * (self.winners[positions] == time)


@dataclass(frozen=True, eq=False)
class Losses:
    """Cross-entropies after some steps of one text, and their gradients at the head.

    Attributes:
        positions: int64 (row,), the step after which each loss is taken, the last first.
        nats: (row,), each loss.
        reads: What the head reads side by side.
    """

    positions: Tensor
    nats: Tensor
    reads: tuple[Read, ...]

    def inject(self) -> Inject:
        """Return what `unrolled.pull_back` asks for: losses join where they are taken."""
        times = torch.arange(self.reads[0].share.shape[1])
        begun = (self.positions[:, None] >= times).sum(dim=0).tolist()
        enters = torch.stack([(read.share != 0).any(dim=0) for read in self.reads]).any(dim=0).tolist()

        def enter(time: int) -> Tensor | None:
            if not enters[time]:
                return None
            positions = self.positions[: begun[time]]
            return sum(read.enter(time, positions) for read in self.reads)

        return enter

    def mean(self) -> Tensor:
        """Return what the mean of all losses sends to the top layer's state at each step directly: (time, unit)."""
        return sum(map(self._mean, self.reads)) / len(self.nats)

    def _mean(self, read: Read) -> Tensor:
        if read.winners is None:
            return read.share.T @ read.at_state
        times = torch.arange(read.share.shape[1])[:, None]
        holds = read.winners[self.positions] == times[:, None]  # (time, row, unit)
        return (holds * read.at_state).sum(dim=1)


class Reading(NamedTuple):
    """What a network reads of a text before a loss.

    Attributes:
        ids: int64 (time,), up to the loss.
        answers: int64 (time,), the right answer after each step: for a language model the next id, for a classifier
            the class asked for; None where no class is.
        tokens: (time,), what was read, for people to see.
    """

    ids: np.ndarray
    answers: np.ndarray | None
    tokens: tuple[str, ...]


def reading(
    config: ModelConfig,
    ids: np.ndarray,
    tokens: Sequence[str] | None = None,
    target: int | None = None,
    position: int | None = None,
) -> Reading:
    """Part a text into what a network reads and what it has to say after each step.

    Args:
        config: The network's.
        ids: int64 (time,).
        tokens: What the ids stand for; None for the ids themselves.
        target: The class of a classifier's loss.
        position: The step, from 0, after which the loss is taken, within the text; None for the last.

    Raises:
        TextError: There are fewer tokens than a loss needs.
    """
    ahead = int(config.task == "language_model")
    if len(ids) < 1 + ahead:
        raise TextError(f"The text is too short for a gradient: type at least {'two tokens' if ahead else 'one word'}.")
    steps = len(ids) - ahead
    if position is not None:
        steps = min(max(position, 0), steps - 1) + 1
    answers = None if target is None else np.full(steps, target, dtype=np.int64)
    shown = [str(i) for i in ids[:steps]] if tokens is None else tokens[:steps]
    return Reading(ids[:steps], ids[1 : steps + 1] if ahead else answers, tuple(shown))


def losses(unrolled: Unrolled, answers: np.ndarray | None, positions: Sequence[int]) -> Losses:
    """Take the cross-entropy after some steps.

    Args:
        unrolled: The forward pass.
        answers: int64 (time,), the right answer after each step; None for the class found likeliest at the last.
        positions: The steps, each once.
    """
    places = torch.tensor(sorted(positions, reverse=True))
    logits = unrolled.logits[places]
    if answers is None:
        right = unrolled.logits[-1].argmax().expand(len(places))
    else:
        right = torch.from_numpy(np.asarray(answers))[places]
    at_head = softmax(logits, dim=1) - one_hot(right, logits.shape[1])
    nats = cross_entropy(logits.double(), right, reduction="none")
    return Losses(places, nats, _reads(unrolled, places, _through_head(unrolled, places, at_head)))


def _through_head(unrolled: Unrolled, places: Tensor, at_logits: Tensor) -> Tensor:
    """Take gradients (row, output) at the logits back to what the head reads of the states."""
    network = unrolled.network
    at_head = at_logits @ network.head.weight
    if network.dense is None:
        return at_head
    fires = network.dense(network.pool(unrolled.layers[-1].after[0][None])[0, places]) > 0
    return (at_head * fires) @ network.dense.weight


def _reads(unrolled: Unrolled, places: Tensor, at_state: Tensor) -> tuple[Read, ...]:
    """Part gradients (row, unit * kinds) by what the head reads, and say which steps each loss reads directly."""
    kinds, times = unrolled.network.pooled, torch.arange(len(unrolled.ids))
    so_far = (times <= places[:, None]).to(at_state.dtype)
    shares = {
        "last": (times == places[:, None]).to(at_state.dtype),
        "mean": so_far / (places[:, None] + 1),
        "max": so_far,
    }
    return tuple(
        Read(rows, shares[kind], unrolled.layers[-1].after[0].cummax(dim=0).indices if kind == "max" else None)
        for kind, rows in zip(kinds, at_state.chunk(len(kinds), dim=1), strict=True)
    )

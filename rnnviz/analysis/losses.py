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
class Losses:
    """Cross-entropies after some steps of one text, and their gradients at the head.

    Attributes:
        positions: int64 (row,), the step after which each loss is taken, the last first.
        nats: (row,), each loss.
        at_state: (row, unit), d loss / d what the head reads.
        share: (row, time), the part of `at_state` that enters each step's top hidden state directly; max pooling
            decides unit by unit, see `winners`.
        winners: int64 (time, unit), for max pooling the step that holds each unit's maximum so far.
    """

    positions: Tensor
    nats: Tensor
    at_state: Tensor
    share: Tensor
    winners: Tensor | None

    def inject(self) -> Inject:
        """Return what `unrolled.pull_back` asks for: losses join where they are taken."""
        times = torch.arange(self.share.shape[1])
        begun = (self.positions[:, None] >= times).sum(dim=0).tolist()

        enters = (self.share != 0).any(dim=0).tolist()

        def enter(time: int) -> Tensor | None:
            if not enters[time]:
                return None
            rows = self.at_state[: begun[time]] * self.share[: begun[time], time, None]
            if self.winners is None:
                return rows
            return rows * (self.winners[self.positions[: begun[time]]] == time)

        return enter


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
    share, winners = _shares(unrolled, places)
    nats = cross_entropy(logits.double(), right, reduction="none")
    return Losses(places, nats, at_head @ unrolled.network.head.weight, share.to(logits.dtype), winners)


def _shares(unrolled: Unrolled, places: Tensor) -> tuple[Tensor, Tensor | None]:
    """Tell which steps each loss reads directly, by the network's pooling."""
    times, pooling = torch.arange(len(unrolled.ids)), unrolled.network.config.pooling
    if pooling == "last":
        return (times == places[:, None]).double(), None
    read = (times <= places[:, None]).double()
    if pooling == "mean":
        return read / (places[:, None] + 1), None
    return read, unrolled.layers[-1].after[0].cummax(dim=0).indices

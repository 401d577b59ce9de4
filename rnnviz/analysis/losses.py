"""Where a loss touches the states of a network: one row of gradients for every position of the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        at_head: (row, output), d loss / d logits.
        at_state: (row, unit), d loss / d what the head reads.
        share: (row, time), the part of `at_state` that enters each step's top hidden state directly; max pooling
            decides unit by unit, see `winners`.
        winners: int64 (time, unit), for max pooling the step that holds each unit's maximum so far.
    """

    positions: Tensor
    nats: Tensor
    at_head: Tensor
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


def split(config: ModelConfig, ids: np.ndarray, target: int | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """Part a text into what a network reads and what it has to say after each step.

    Args:
        config: The network's.
        ids: int64 (time,).
        target: The class of a classifier's loss.

    Returns:
        What is read, int64 (time,); and the right answers, int64 (time,): for a language model the next ids, for a
        classifier the class at every step, or None where no class is given.

    Raises:
        TextError: There are fewer tokens than a loss needs.
    """
    if config.task == "language_model":
        if len(ids) < 2:
            raise TextError("The text is too short for a gradient: type at least two tokens.")
        return ids[:-1], ids[1:]
    if len(ids) < 1:
        raise TextError("The text is too short for a gradient: type at least one word.")
    return ids, None if target is None else np.full(len(ids), target, dtype=np.int64)


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
    return Losses(places, nats, at_head, at_head @ unrolled.network.head.weight, share.to(logits.dtype), winners)


def _shares(unrolled: Unrolled, places: Tensor) -> tuple[Tensor, Tensor | None]:
    """Tell which steps each loss reads directly, by the network's pooling."""
    times, pooling = torch.arange(len(unrolled.ids)), unrolled.network.config.pooling
    if pooling == "last":
        return (times == places[:, None]).double(), None
    read = (times <= places[:, None]).double()
    if pooling == "mean":
        return read / (places[:, None] + 1), None
    return read, unrolled.layers[-1].after[0].cummax(dim=0).indices

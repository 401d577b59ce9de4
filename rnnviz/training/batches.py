"""Batches as pure functions of seed, epoch and place, so that a resumed run sees what it would have seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rnnviz.errors import TextError
from rnnviz.text import WordTokenizer, pad, read

_BATCHES_A_POOL = 50


class StreamBatch(NamedTuple):
    """One window of parallel text streams: `inputs` and `targets` int64 (batch, time); `first` opens an epoch."""

    inputs: np.ndarray
    targets: np.ndarray
    first: bool


class Streams:
    """A long text cut into `batch_size` parallel streams, read in windows of `bptt` tokens, turned anew each epoch."""

    def __init__(self, ids: np.ndarray, batch_size: int, bptt: int, seed: int) -> None:
        if len(ids) <= batch_size:
            raise ValueError(f"ids: {len(ids)} tokens are too few for {batch_size} streams")
        self.ids, self.seed, self.bptt = ids, seed, bptt
        self.batch_size, self.length = batch_size, (len(ids) - 1) // batch_size
        self.steps = -(-self.length // bptt)

    def batch(self, step: int) -> StreamBatch:
        """Return the batch of a training step, counted from 0 over all epochs."""
        epoch, window = divmod(step, self.steps)
        turn = int(np.random.default_rng([self.seed, epoch]).integers(len(self.ids)))
        starts = turn + self.length * np.arange(self.batch_size)[:, None] + window * self.bptt
        width = min(self.bptt, self.length - window * self.bptt)
        index = (starts + np.arange(width + 1)[None]) % len(self.ids)
        rows = self.ids[index]
        return StreamBatch(rows[:, :-1], rows[:, 1:], window == 0)


class TextBatch(NamedTuple):
    """Texts of similar length, padded at the end: `ids` (batch, time), `lengths` and `labels` (batch,)."""

    ids: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray


def encode_all(tokenizer: WordTokenizer, texts: Sequence[str]) -> list[np.ndarray]:
    """Encode texts; one without a single word becomes one unknown word."""
    rows = []
    for text in texts:
        try:
            rows.append(read(tokenizer, text)[0])
        except TextError:
            rows.append(np.array([1]))
    return rows


class Buckets:
    """Labelled texts in batches of similar length, shuffled anew each epoch."""

    def __init__(
        self,
        rows: Sequence[np.ndarray],
        labels: np.ndarray,
        batch_size: int,
        max_length: int,
        word_dropout: float,
        seed: int,
    ) -> None:
        self.rows, self.labels, self.seed = rows, labels, seed
        self.batch_size, self.max_length, self.word_dropout = batch_size, max_length, word_dropout
        self.steps = -(-len(rows) // batch_size)
        self._lengths = np.minimum([len(row) for row in rows], max_length)
        self._order: tuple[int, list[np.ndarray]] = (-1, [])

    def unspoilt(self) -> Buckets:
        """Return the same texts in the same order, no word of them read as unknown."""
        return Buckets(self.rows, self.labels, self.batch_size, self.max_length, 0.0, self.seed)

    def _epoch(self, epoch: int) -> list[np.ndarray]:
        """Shuffle, sort by length within pools of batches, and shuffle the batches."""
        if self._order[0] != epoch:
            rng = np.random.default_rng([self.seed, epoch])
            order, pool = rng.permutation(len(self.rows)), self.batch_size * _BATCHES_A_POOL
            batches = []
            for start in range(0, len(order), pool):
                part = order[start : start + pool]
                part = part[np.argsort(self._lengths[part], kind="stable")]
                batches += [part[i : i + self.batch_size] for i in range(0, len(part), self.batch_size)]
            self._order = (epoch, [batches[i] for i in rng.permutation(len(batches))])
        return self._order[1]

    def batch(self, step: int) -> TextBatch:
        """Return the batch of a training step, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.steps)
        chosen = self._epoch(epoch)[place]
        rng = np.random.default_rng([self.seed, epoch, place])
        rows = []
        for i in chosen:
            start = int(rng.integers(max(1, len(self.rows[i]) - self.max_length + 1)))
            row = self.rows[i][start : start + self.max_length]
            rows.append(np.where(rng.random(len(row)) < self.word_dropout, 1, row))
        return TextBatch(*pad(rows), self.labels[chosen])


def by_length(rows: Sequence[np.ndarray], labels: np.ndarray, batch_size: int) -> Iterator[TextBatch]:
    """Yield whole texts in batches of similar length, in a fixed order, for scoring."""
    order = np.argsort([len(row) for row in rows], kind="stable")
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        yield TextBatch(*pad([rows[i] for i in chosen]), labels[chosen])

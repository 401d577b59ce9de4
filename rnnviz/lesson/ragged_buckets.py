"""Texts divided into batches by their lengths: how many steps are padding, and what that costs; it draws nothing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from threading import BoundedSemaphore

import numpy as np
import torch

from rnnviz import checkpoints
from rnnviz.errors import DataError
from rnnviz.held_out import FILE
from rnnviz.network import Network
from rnnviz.text.words import HTML_TAG
from rnnviz.training.datasets import data_folder, open_corpus

FIXED, SHUFFLED, BUCKETS, SORTED = "fixed", "shuffled", "buckets", "sorted"
PLANS = (FIXED, SHUFFLED, BUCKETS, SORTED)
_TIMING = BoundedSemaphore(1)
"""Two timings at once would measure each other."""


def drawn_lengths(count: int = 1000, seed: int = 0) -> np.ndarray:
    """Draw lengths that look like those of reviews: log-normal, median 180 words, between 10 and 2,000."""
    drawn = np.random.default_rng(seed).lognormal(np.log(180), 0.65, count)
    return np.clip(drawn.round(), 10, 2000).astype(np.int64)


def plan(lengths: np.ndarray, way: str, batch_size: int, seed: int = 0, pool: int = 10) -> list[np.ndarray]:
    """Divide texts into batches.

    Args:
        lengths: int64 (text,).
        way: One of `PLANS`: `FIXED` and `SHUFFLED` take the texts at random, `SORTED` by length, `BUCKETS` shuffles,
            sorts within pools of so many batches, and shuffles the batches.
        batch_size: Texts in a batch; the last one may hold fewer.
        seed: Of the shuffling.
        pool: Batches in a pool.

    Returns:
        The places of each batch's texts.
    """
    rng = np.random.default_rng(seed)
    order = np.argsort(lengths, kind="stable") if way == SORTED else rng.permutation(len(lengths))
    if way == BUCKETS:
        parts = [order[i : i + batch_size * pool] for i in range(0, len(order), batch_size * pool)]
        order = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in parts])
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))] if way == BUCKETS else batches


def columns(lengths: np.ndarray, batches: Sequence[np.ndarray], way: str) -> np.ndarray:
    """Return every batch's time steps: its longest text, or where `FIXED` the longest of all."""
    if way == FIXED:
        return np.full(len(batches), lengths.max())
    return np.array([lengths[batch].max() for batch in batches])


def computed_steps(lengths: np.ndarray, batches: Sequence[np.ndarray], way: str) -> int:
    """Return how many steps a network computes for an epoch, padding included."""
    sizes = np.array([len(batch) for batch in batches])
    return int((sizes * columns(lengths, batches, way)).sum())


@torch.no_grad()
def time_plans(
    network: Network,
    lengths: np.ndarray,
    ways: Sequence[str],
    batch_size: int,
    progress: Callable[[float], object] = lambda share: None,
    rounds: int = 3,
) -> dict[str, float]:
    """Measure a forward pass over all texts, divided in each way; the ways take turns, the median round counts.

    Args:
        network: What reads; its words are drawn at random, since only their number costs time.
        lengths: int64 (text,).
        ways: Of `PLANS`.
        batch_size: Texts in a batch.
        progress: Told the share done.
        rounds: How often each way is measured.

    Returns:
        Way -> seconds.
    """
    generator, size = torch.Generator().manual_seed(0), network.config.vocab_size
    inputs = {}
    for way in ways:
        batches = plan(lengths, way, batch_size)
        shapes = zip(map(len, batches), columns(lengths, batches, way).tolist(), strict=True)
        inputs[way] = [torch.randint(size, shape, generator=generator).to(network.device) for shape in shapes]
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with _TIMING:
        network.features(inputs[ways[0]][0])
        for done in range(rounds * len(ways)):
            way = ways[done % len(ways)]
            begun = time.perf_counter()
            for ids in inputs[way]:
                network.features(ids)
            seconds[way].append(time.perf_counter() - begun)
            progress((done + 1) / (rounds * len(ways)))
    return {way: statistics.median(times) for way, times in seconds.items()}


def groups(lengths: np.ndarray, count: int) -> list[tuple[int, int, int, float]]:
    """Divide texts into groups of similar length, equally many in each, for one fitting after another.

    Returns:
        Of each group its shortest and longest length, its texts, and the share of padding when all of it is padded to
        its longest.
    """
    parts = [part for part in np.array_split(np.sort(lengths), count) if len(part)]
    return [(int(p[0]), int(p[-1]), len(p), float(1 - p.mean() / p[-1])) for p in parts]


def held_out_lengths() -> np.ndarray | None:
    """Return the lengths of the held-out reviews that come with a model here, in words, None where there are none."""
    for folder in checkpoints.models().values():
        if (path := folder / FILE).is_file():
            return checkpoints.read_arrays(path)[0]["words"].astype(np.int64)
    return None


def has_imdb() -> bool:
    """Say whether IMDB lies in the data folder, so that nothing need be fetched."""
    try:
        folder = data_folder(None)
    except DataError:
        return False
    return folder is not None and (folder / "imdb_train.parquet").is_file()


@lru_cache(maxsize=1)
def imdb_lengths() -> np.ndarray:
    """Return the lengths of IMDB's training reviews, in words between white space, markup left out.

    Raises:
        DataError: IMDB cannot be had.
    """
    texts = open_corpus("imdb", data_folder(None)).train.texts
    return np.array([len(HTML_TAG.sub(" ", text).split()) for text in texts])

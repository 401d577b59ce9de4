"""The first symbol decides: which cell learns to remember it over how many others, trained live; it draws nothing.

A sequence is one signal symbol and then so many symbols of noise; after the last the network must name the signal. It
is the latching task of Bengio, Simard and Frasconi 1994 with several classes: all that the loss has to teach is at the
first step, so a cell through which no gradient comes back that far cannot learn it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from threading import BoundedSemaphore, Event, Thread
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnnviz.analysis.unrolled import no_denormals
from rnnviz.config import CELL_LABELS, ModelConfig
from rnnviz.errors import ConfigError
from rnnviz.network import Network, seeded_network

SIGNALS = 4
NOISE = 8
"""Symbols that can stand first, and those of the rest; no symbol is both."""
CHANCE = 1 / SIGNALS
TESTED = 500
"""Sequences that an accuracy is measured on."""
EMBEDDING = 16
CLIP = 1.0
PERFECT = 20
"""Batches in a row, each new to the network and each all right, after which its training ends early."""
FARTHEST, MOST_UPDATES, MOST_UNITS, MOST_BATCH, MOST_SEEDS, LAST_SEED = 200, 20_000, 512, 1024, 10, 10**6

_P = TypeVar("_P")
_ONE = BoundedSemaphore(1)
"""One training at a time in this process, so that those who type are not slowed down by many."""
_LOOK = 0.2
_ASIDE = 10
"""An update costs about as much as reading so many symbols, besides those it reads."""
_Z = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True)
class DistanceConfig:
    """What is trained, the same for every cell.

    With the defaults all takes less than a minute on two cores, and the cells part: over seeds 0 to 2 a ReLU network
    learned distance 5 at the most, a tanh network 5 to 10, GRUs 10 to 20, an LSTM 15 to 20, a residual network 25, and
    a sigmoid network none.

    Args:
        cells: Cell types.
        distances: Symbols of noise between the first symbol and the answer, each a training of its own.
        updates: Updates of the weights at most.
        hidden_size: Units.
        batch_size: Sequences an update, all new.
        learning_rate: Adam's (Kingma and Ba 2015), constant; the gradient's norm is clipped at `CLIP`.
        seeds: Each decides initial weights and sequences of a whole round of trainings.

    Raises:
        ConfigError: A value is impossible.
    """

    cells: tuple[str, ...] = tuple(CELL_LABELS)
    distances: tuple[int, ...] = (5, 10, 15, 20, 25)
    updates: int = 200
    hidden_size: int = 32
    batch_size: int = 64
    learning_rate: float = 5e-3
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        _several("cells", self.cells)
        if unknown := [cell for cell in self.cells if cell not in CELL_LABELS]:
            raise ConfigError(f"cells must be among {', '.join(CELL_LABELS)}, got {unknown[0]!r}.")
        _several("distances", self.distances)
        _several("seeds", self.seeds, MOST_SEEDS)
        for distance in self.distances:
            _whole("A distance", distance, 1, FARTHEST)
        for seed in self.seeds:
            _whole("A seed", seed, 0, LAST_SEED)
        _whole("updates", self.updates, 1, MOST_UPDATES)
        _whole("hidden_size", self.hidden_size, 1, MOST_UNITS)
        _whole("batch_size", self.batch_size, 1, MOST_BATCH)
        rate = self.learning_rate
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
            raise ConfigError(f"learning_rate must be more than 0 and finite, got {rate!r}.")

    @property
    def trainings(self) -> tuple[tuple[int, int, str], ...]:
        """All (seed, distance, cell) in the order of training: a seed's short distances first."""
        return tuple((s, d, cell) for s in self.seeds for d in sorted(self.distances) for cell in self.cells)

    def model(self, cell: str) -> ModelConfig:
        """Return the config of a cell's network: one layer, the answer read off its last state."""
        labels = tuple(f"signal {i + 1}" for i in range(SIGNALS))
        return ModelConfig(
            "classifier", cell, SIGNALS + NOISE, SIGNALS, EMBEDDING, self.hidden_size, pooling="last", labels=labels
        )


def _several(name: str, values: tuple, most: int | None = None) -> None:
    if not isinstance(values, tuple) or not values:
        raise ConfigError(f"{name} must be a tuple of at least one, got {values!r}.")
    if len(set(values)) < len(values):
        raise ConfigError(f"{name} must not repeat themselves, got {values!r}.")
    if most is not None and len(values) > most:
        raise ConfigError(f"{name} must be {most} at most, got {len(values)}.")


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name} must be a whole number from {low:,} to {high:,}, got {value!r}.")


def wilson(right: int, tested: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, which stays within 0 and 1 (Wilson 1927).

    Args:
        right: Successes.
        tested: Trials, at least one.
    """
    middle = (right + _Z**2 / 2) / (tested + _Z**2)
    half = _Z / (tested + _Z**2) * math.sqrt(right * (tested - right) / tested + _Z**2 / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Learned:
    """What one network had learned when its training ended.

    Attributes:
        cell: Cell type.
        distance: Symbols of noise between the first symbol and the answer.
        seed: Of its weights and sequences.
        right: Sequences answered right, of `tested` drawn anew from a generator that training never uses.
        tested: How many those were.
        loss_nats: Mean cross-entropy on them; may be infinite or not a number where the network overflowed.
        updates: Updates of the weights made.
        perfect: It ended early, having answered `PERFECT` new batches in a row without a mistake.
        overflowed: Loss or gradient was infinite or not a number after `updates` updates, which ended it.
    """

    cell: str
    distance: int
    seed: int
    right: int
    tested: int
    loss_nats: float
    updates: int
    perfect: bool
    overflowed: bool

    @property
    def accuracy(self) -> float:
        """Share answered right."""
        return self.right / self.tested

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's 95 % interval over sequences; it says nothing of other seeds."""
        return wilson(self.right, self.tested)


@dataclass(frozen=True)
class Progress:
    """Where a run of trainings stands.

    Attributes:
        done: Trainings finished.
        total: All of them.
        share: Of the work, from 0 to 1, by symbols to be read.
        cell: In training now, "" while waiting.
        distance: Its distance.
        seed: Its seed.
        update: Updates it has made.
        waiting: Someone else's training has to end first.
        result: What the training that has just ended came to.
    """

    done: int
    total: int
    share: float
    cell: str = ""
    distance: int = 0
    seed: int = 0
    update: int = 0
    waiting: bool = False
    result: Learned | None = None


def draw(generator: torch.Generator, count: int, distance: int) -> tuple[Tensor, Tensor]:
    """Draw sequences: ids int64 (count, distance + 1), the first below `SIGNALS`, and the first symbols (count,)."""
    first = torch.randint(SIGNALS, (count, 1), generator=generator)
    noise = torch.randint(SIGNALS, SIGNALS + NOISE, (count, distance), generator=generator)
    return torch.cat([first, noise], dim=1), first[:, 0]


def source(seed: int, distance: int, *, fresh: bool = False) -> torch.Generator:
    """Return the generator of a round's sequences at one distance: those of training, or the fresh ones of the test."""
    return torch.Generator().manual_seed(2 * (seed * (FARTHEST + 1) + distance) + fresh)


@torch.no_grad()
def score(network: Network, distance: int, seed: int) -> tuple[int, float]:
    """Return how many of `TESTED` fresh sequences a network answers right, and its mean loss in nats."""
    ids, first = draw(source(seed, distance, fresh=True), TESTED, distance)
    logits = network(ids).logits[:, -1]
    return int((logits.argmax(dim=-1) == first).sum()), float(cross_entropy(logits, first))


class _Training:
    """One network in training; `update` returns whether it may go on."""

    def __init__(self, config: DistanceConfig, seed: int, distance: int, cell: str) -> None:
        self.config, self.seed, self.distance, self.cell = config, seed, distance, cell
        self.network = seeded_network(config.model(cell), seed)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate)
        self.source = source(seed, distance)
        self.updates, self.streak, self.overflowed = 0, 0, False

    def update(self) -> bool:
        """Read a new batch and learn from it, unless training is over by then."""
        ids, first = draw(self.source, self.config.batch_size, self.distance)
        logits = self.network(ids).logits[:, -1]
        self.streak = self.streak + 1 if bool((logits.argmax(dim=-1) == first).all()) else 0
        if self.streak == PERFECT:
            return False
        loss = cross_entropy(logits, first)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        if not (math.isfinite(float(loss.detach())) and math.isfinite(float(norm))):
            self.overflowed = True
            return False
        self.optimizer.step()
        self.updates += 1
        return self.updates < self.config.updates

    def result(self) -> Learned:
        """Test the network on fresh sequences."""
        right, loss = score(self.network, self.distance, self.seed)
        ended = (self.updates, self.streak == PERFECT, self.overflowed)
        return Learned(self.cell, self.distance, self.seed, right, TESTED, loss, *ended)


def train_distances(config: DistanceConfig) -> Generator[Progress, None, None]:
    """Train every cell at every distance, one after the other, and tell of each update.

    It may be left at any point: close it (`contextlib.closing`), so that the next in the process can begin. Torch's own
    generator is not disturbed.

    Args:
        config: What to train.

    Yields:
        Where it stands after every update; some five times a second while another run has to be waited for.
    """
    yield from taking_turns(lambda: _train_all(config), Progress(0, len(config.trainings), 0.0, waiting=True))


def taking_turns(work: Callable[[], Generator[_P, None, None]], waiting: _P) -> Generator[_P, None, None]:
    """Go through a training's steps, one training at a time in this process.

    Args:
        work: Begins it.
        waiting: Given some five times a second while another one has to be waited for.

    Yields:
        What the training does.
    """
    while not _ONE.acquire(timeout=_LOOK):
        yield waiting
    try:
        yield from work()
    finally:
        _ONE.release()


def _train_all(config: DistanceConfig) -> Generator[Progress, None, None]:
    trainings = config.trainings
    works = [distance + _ASIDE for _, distance, _ in trainings]
    for done, (seed, distance, cell) in enumerate(trainings):
        training, more = _Training(config, seed, distance, cell), True
        before, whole = sum(works[:done]), sum(works)
        while more:
            with no_denormals():
                more = training.update()
            share = (before + works[done] * training.updates / config.updates) / whole
            yield Progress(done, len(trainings), share, cell, distance, seed, training.updates)
        with no_denormals():
            result = training.result()
        share = (before + works[done]) / whole
        yield Progress(done + 1, len(trainings), share, cell, distance, seed, training.updates, result=result)


def seconds_an_update(cell: str, distance: int, hidden_size: int, batch_size: int) -> float:
    """Time a few updates on this machine, as busy as it is, and return the middle one's seconds."""
    config = DistanceConfig((cell,), (distance,), 10, hidden_size, batch_size)
    training = _Training(config, 0, distance, cell)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        with no_denormals():
            training.update()
        times.append(time.perf_counter() - started)
    return sorted(times)[len(times) // 2]


class Run:
    """A run of `train_distances` in a thread of its own, for a page that looks in on it and may stop it.

    Nobody's looking in for `patience` seconds stops it as well: a closed page leaves no work behind.

    Attributes:
        config: What is trained.
        progress: The latest; None before the first.
        results: What has been learned so far.
        ended: "" while it runs, then "finished", "stopped", "left alone" or "failed".
    """

    def __init__(self, config: DistanceConfig, patience: float = 30.0) -> None:
        self.config, self.patience = config, patience
        self.progress: Progress | None = None
        self.results: tuple[Learned, ...] = ()
        self.ended = ""
        self._seen = time.monotonic()
        self._stop = Event()
        self._thread = Thread(target=self._work, daemon=True, name="first symbol decides")
        self._thread.start()

    def look(self) -> Progress | None:
        """Return the latest progress, and let it be known that someone is still there."""
        self._seen = time.monotonic()
        return self.progress

    def stop(self) -> None:
        """End it after the batch at hand and wait until it has; results so far stay."""
        self._stop.set()
        self._thread.join()

    def join(self) -> None:
        """Wait until it has ended by itself."""
        self._thread.join()

    def _work(self) -> None:
        ended = "failed"
        try:
            with closing(self._steps()) as steps:
                ended = self._follow(steps)
        finally:
            self.ended = ended

    def _steps(self) -> Generator[Progress, None, None]:
        return train_distances(self.config)

    def _follow(self, steps: Generator[Any, None, None]) -> str:
        for progress in steps:
            self.progress = progress
            if progress.result is not None:
                self.results = (*self.results, progress.result)
            if self._stop.is_set():
                return "stopped"
            if time.monotonic() - self._seen > self.patience:
                return "left alone"
        return "finished"

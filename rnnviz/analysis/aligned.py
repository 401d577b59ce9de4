"""Two texts word by word: which words face each other, where units part, what a bag of words sees; it draws nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SAME, REPLACED, ONLY_ONE, ONLY_TWO = "same", "replaced", "only in one", "only in two"
THRESHOLD = 0.1
"""How far from the middle of its signal a unit must be in both texts to count as flipped."""
_GAP, _REPLACE = 4, 5
"""Costs of a word that faces nothing and of two words that differ: among alignments with as few changes, the one with
more words in common wins."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Which words of two texts face each other.

    Attributes:
        one: int64 (slot,), place of the word in the first text, -1 for a gap.
        two: int64 (slot,), likewise in the second; never both gaps.
        kinds: (slot,), "same", "replaced", "only in one" or "only in two".
    """

    one: np.ndarray
    two: np.ndarray
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.kinds)


@dataclass(frozen=True)
class Flip:
    """A unit on opposite sides in two texts.

    Attributes:
        slot: Where in the alignment.
        unit: The unit whose values lie furthest apart there.
        one: Its value in the first text.
        two: Its value in the second.
        others: How many more units have flipped there.
    """

    slot: int
    unit: int
    one: float
    two: float
    others: int


@dataclass(frozen=True, eq=False)
class Bags:
    """How often each word stands in two texts, all that a bag of words keeps.

    Attributes:
        words: (word,), those whose counts differ most first, then the most frequent ones.
        one: int64 (word,), counts in the first text.
        two: int64 (word,), counts in the second.
    """

    words: tuple[str, ...]
    one: np.ndarray
    two: np.ndarray

    @property
    def distance(self) -> int:
        """The sum of the counts' absolute differences: 0 where no bag of words can tell the texts apart."""
        return int(np.abs(self.two - self.one).sum())

    @property
    def differing(self) -> tuple[str, ...]:
        """The words whose counts differ."""
        return tuple(np.array(self.words, dtype=object)[self.one != self.two].tolist())


def align(one: Sequence[str], two: Sequence[str]) -> Alignment:
    """Align two texts with the fewest changes, by their edit distance (Wagner and Fischer 1974).

    A word may face another one or a gap. The time is that of the two lengths multiplied, whatever the words are.

    Args:
        one: (time,), the first text's words, at least one.
        two: (time,), the second's.

    Raises:
        ValueError: One of the texts has no word.
    """
    if not (one and two):
        raise ValueError("align: expected at least one word in each text")
    ids = {word: i for i, word in enumerate(dict.fromkeys([*one, *two]))}
    rows, columns = (np.array([ids[word] for word in words]) for words in (one, two))
    pairs = _traced(_costs(rows, columns), rows, columns)
    places = np.array(pairs[::-1], dtype=np.int64)
    return Alignment(places[:, 0], places[:, 1], tuple(_kind(one, two, i, j) for i, j in places.tolist()))


def _kind(one: Sequence[str], two: Sequence[str], i: int, j: int) -> str:
    if i < 0 or j < 0:
        return ONLY_TWO if i < 0 else ONLY_ONE
    return SAME if one[i] == two[j] else REPLACED


def _costs(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the least cost of aligning each two beginnings: int32 (rows + 1, columns + 1)."""
    gaps = _GAP * np.arange(len(columns) + 1, dtype=np.int32)
    costs = np.empty((len(rows) + 1, len(columns) + 1), dtype=np.int32)
    costs[0] = gaps
    for i, word in enumerate(rows.tolist()):
        best = costs[i] + _GAP
        best[1:] = np.minimum(best[1:], costs[i, :-1] + np.where(columns == word, 0, _REPLACE))
        costs[i + 1] = np.minimum.accumulate(best - gaps) + gaps  # gaps in the first text, any number at once
    return costs


def _traced(costs: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> list[tuple[int, int]]:
    """Follow the cheapest way back from the end; returns pairs of places, the last first."""
    i, j = len(rows), len(columns)
    pairs = []
    while i or j:
        change = 0 if i and j and rows[i - 1] == columns[j - 1] else _REPLACE
        if i and j and costs[i, j] == costs[i - 1, j - 1] + change:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and costs[i, j] == costs[i - 1, j] + _GAP:
            i -= 1
            pairs.append((i, -1))
        else:
            j -= 1
            pairs.append((-1, j))
    return pairs


def spread(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Put values at their words' slots: (time, ...) -> float64 (slot, ...), NaN at gaps.

    Args:
        values: float (time, ...).
        places: int64 (slot,), `Alignment.one` or `two`.
    """
    found = values.astype(np.float64)[np.maximum(places, 0)]
    found[places < 0] = np.nan
    return found


def first_flip(one: np.ndarray, two: np.ndarray, middle: float = 0.0, threshold: float = THRESHOLD) -> Flip | None:
    """Find the first slot where a unit is clearly above the middle in one text and clearly below it in the other.

    Args:
        one: float (slot, unit) of the first text, NaN at gaps.
        two: The second's.
        middle: The middle of the signal's range: 0, or 0.5 for a gate.
        threshold: Least distance from the middle in both texts.

    Returns:
        The unit whose values there lie furthest apart, or None where no unit ever flips.
    """
    a, b = np.nan_to_num(one - middle), np.nan_to_num(two - middle)
    flipped = (np.minimum(np.abs(a), np.abs(b)) > threshold) & (a * b < 0)
    slots = np.flatnonzero(flipped.any(axis=1))
    if not len(slots):
        return None
    slot = int(slots[0])
    unit = int(np.where(flipped[slot], np.abs(a[slot] - b[slot]), 0).argmax())
    return Flip(slot, unit, float(one[slot, unit]), float(two[slot, unit]), int(flipped[slot].sum()) - 1)


def most_different(difference: np.ndarray, count: int, kept: Sequence[int] = ()) -> np.ndarray:
    """Choose the units whose difference is largest at any word, largest first.

    Args:
        difference: float (slot, unit), NaN at gaps.
        count: How many at most.
        kept: Units that are to be among them, whatever their difference.

    Returns:
        int64 (unit,), their indices.
    """
    order = np.argsort(-np.nan_to_num(np.abs(difference)).max(axis=0), kind="stable")
    wanted = set(list(dict.fromkeys(kept))[:count])
    rest = [unit for unit in order.tolist() if unit not in wanted][: count - len(wanted)]
    return np.array([unit for unit in order.tolist() if unit in wanted or unit in set(rest)], dtype=np.int64)


def bags_of(one: Sequence[str], two: Sequence[str]) -> Bags:
    """Count the words of two texts."""
    first, second = Counter(one), Counter(two)
    words = sorted(first | second, key=lambda w: (-abs(first[w] - second[w]), -first[w] - second[w], w))
    counts = (np.array([counter[word] for word in words], dtype=np.int64) for counter in (first, second))
    return Bags(tuple(words), *counts)

"""Which units tell one class from the rest: chosen on one half of held-out texts, measured on the other.

Arrays in, frozen results out; of networks and files it knows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHUFFLES = 200
CONFIDENCE = 0.95
FEWEST = 4
"""Texts of the class, and of the rest, below which halves tell nothing."""


@dataclass(frozen=True, eq=False)
class Telling:
    """How well each unit, alone, tells one class from the rest.

    Every array over units is in the order of `units`; unit i's own figures are at `place(i)`.

    Attributes:
        units: int64 (unit,), most telling first on the first half.
        side: int64 (unit,), +1 where high values speak for the class on the first half, -1 where low ones do.
        auc: float64 (unit,): the area under the ROC curve on the second half, counted from that side: the chance that
            of two texts, one of the class and one not, the unit puts the right one first. Below 0.5 it misleads.
        chance: What the best of all units reaches on the second half in 19 of 20 shufflings of the labels, at the most.
        threshold: float64 (unit,): the value that parts the first half best.
        accuracy: float64 (unit,): share of the second half that this threshold puts right.
        second: bool (text,), the texts of the second half.
        majority: Share of the second half that always guessing the more frequent side gets right.
    """

    units: np.ndarray
    side: np.ndarray
    auc: np.ndarray
    chance: float
    threshold: np.ndarray
    accuracy: np.ndarray
    second: np.ndarray
    majority: float

    def place(self, unit: int) -> int:
        """Return a unit's place in the order, 0 the most telling."""
        return int(np.flatnonzero(self.units == unit)[0])

    @property
    def above_chance(self) -> int:
        """How many units are above the chance line."""
        return int((self.auc > self.chance).sum())


def telling_units(values: np.ndarray, positive: np.ndarray, seed: int = 0) -> Telling:
    """Rank units by how well they tell one class from the rest.

    The area under the ROC curve is the Mann-Whitney statistic over the number of pairs, a tie counting one half
    (Hanley and McNeil 1982, Radiology 143). Units are ranked by its distance from 0.5 on one half of the texts, and
    reported on the other, so that the choice among many does not flatter.

    Args:
        values: float (text, unit), finite.
        positive: bool (text,), the texts of the class.
        seed: Seed of the halves and of the shufflings.

    Raises:
        ValueError: The shapes disagree, or there are fewer than four texts of the class, or of the rest.
    """
    values, positive = np.asarray(values, dtype=np.float64), np.asarray(positive, dtype=bool)
    if values.ndim != 2 or len(values) != len(positive):
        raise ValueError(f"values: expected (text={len(positive)}, unit), got {values.shape}")
    if min(positive.sum(), (~positive).sum()) < FEWEST:
        raise ValueError(f"positive: expected at least {FEWEST} texts of the class and of the rest")
    rng = np.random.default_rng(seed)
    second = halves(positive, rng)
    first_auc = areas(average_ranks(values[~second]), positive[~second])
    units = np.argsort(-np.abs(first_auc - 0.5), kind="stable")
    side = np.where(first_auc >= 0.5, 1, -1)[units]
    ranks = average_ranks(values[second][:, units])
    auc = areas(ranks, positive[second])
    threshold = np.array(
        [best_threshold(values[~second, unit], positive[~second], s) for unit, s in zip(units, side, strict=True)]
    )
    guess = side * (values[second][:, units] - threshold) > 0
    share = float(positive[second].mean())
    return Telling(
        units,
        side,
        np.where(side > 0, auc, 1 - auc),
        chance_line(ranks, positive[second], rng),
        threshold,
        (guess == positive[second][:, None]).mean(axis=0),
        second,
        max(share, 1 - share),
    )


def halves(positive: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put half of the class' texts and half of the rest into the second half: bool (text,)."""
    second = np.zeros(len(positive), dtype=bool)
    for group in (np.flatnonzero(positive), np.flatnonzero(~positive)):
        second[rng.permutation(group)[: len(group) // 2]] = True
    return second


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Rank each column from 1, ties sharing their mean rank: (text, unit) -> float64, the same shape."""
    ranks = np.empty(values.shape)
    for i, column in enumerate(values.T):
        ordered = np.sort(column)
        below, upto = (np.searchsorted(ordered, column, side=side) for side in ("left", "right"))
        ranks[:, i] = (below + upto + 1) / 2
    return ranks


def areas(ranks: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return each column's area under the ROC curve.

    Args:
        ranks: From `average_ranks`, (text, unit).
        positive: bool (..., text).

    Returns:
        float64 (..., unit).
    """
    of_class = positive.sum(axis=-1, keepdims=True)
    pairs = of_class * (positive.shape[-1] - of_class)
    return (positive.astype(np.float64) @ ranks - of_class * (of_class + 1) / 2) / pairs


def chance_line(ranks: np.ndarray, positive: np.ndarray, rng: np.random.Generator) -> float:
    """Return what the best unit's area, from its better side, stays below in 19 of 20 shufflings of the labels."""
    shuffled = rng.permuted(np.tile(positive, (SHUFFLES, 1)), axis=1)
    best = np.abs(areas(ranks, shuffled) - 0.5).max(axis=1)
    return 0.5 + float(np.quantile(best, CONFIDENCE))


def best_threshold(values: np.ndarray, positive: np.ndarray, side: int) -> float:
    """Return the threshold with the most texts on their own side, half-way between two neighbouring values.

    Args:
        values: (text,).
        positive: bool (text,).
        side: +1 where values above the threshold speak for the class, -1 where those below it do.
    """
    order = np.argsort(values, kind="stable")
    ordered, of_class = values[order], positive[order]
    above = of_class.sum() - np.concatenate([[0], np.cumsum(of_class)])
    below = np.concatenate([[0], np.cumsum(~of_class)])
    right = side * (above + below)  # of the other side: all texts less these
    cuts = np.concatenate([[ordered[0] - 1], (ordered[1:] + ordered[:-1]) / 2, [ordered[-1] + 1]])
    apart = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])
    return float(cuts[apart][np.argmax(right[apart])])


def interval(share: float, count: int) -> float:
    """Return half the width of a share's 95 % interval, by the normal approximation.

    Args:
        share: In [0, 1].
        count: How many it is a share of.
    """
    return 1.96 * float(np.sqrt(share * (1 - share) / count))

"""Which units are worth a look: rankings of a layer's units on one recording; it knows nothing of text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_EDGE = 3
"""Steps averaged on either side of an edge, so that one lone spike is no switch."""
_BLOCK, _POWERS = 4, 16
"""Vectors and powers of the correlation matrix among which its first two axes are sought."""


@dataclass(frozen=True, eq=False)
class Match:
    """Units ranked by how well they answer a question about one stretch of the text.

    Attributes:
        units: int64 (unit,), every unit's index, best first.
        score: float64 (unit,), aligned with `units`, falling; shares of the signal's range, and below zero where the
            unit does not answer.
        side: int64 (unit,), aligned with `units`: +1 where the unit is high within the stretch, -1 where it is low.
    """

    units: np.ndarray
    score: np.ndarray
    side: np.ndarray


def rank_by_persistence(values: np.ndarray) -> np.ndarray:
    """Rank units that swing widely and hold, widest first: by the autocovariance at a lag of one step.

    A unit that flips at every character, or hardly moves, ranks low; one that is on throughout a quotation ranks high.

    Args:
        values: float (time, unit), bounded.

    Returns:
        int64 (unit,), the units' indices.
    """
    centred = values - values.mean(axis=0)
    covariance = (centred[1:] * centred[:-1]).mean(axis=0) if len(values) > 1 else np.abs(values[0])
    return np.argsort(-covariance, kind="stable")


def rank_by_movement(values: np.ndarray) -> np.ndarray:
    """Rank units by how much they move at all: by their standard deviation over time, largest first.

    Args:
        values: float (time, unit).

    Returns:
        int64 (unit,), the units' indices; equals stay in their order.
    """
    return np.argsort(-_centred(values).std(axis=0), kind="stable")


def order_by_similarity(values: np.ndarray) -> np.ndarray:
    """Order units so that those alike over time lie side by side: by angle on the correlation's first two axes.

    Unit i lies at the angle atan2(a_i2, a_i1), where a_1 and a_2 are the eigenvectors of the units' correlation matrix
    with the two largest eigenvalues (Friendly 2002, "Corrgrams", The American Statistician 56). Each is scaled by the
    root of its eigenvalue here, which keeps the order round the circle and closes gaps that a weak second axis would
    feign. The circle is cut at its largest gap, and read in the direction that puts the lower of its two ends first.

    Args:
        values: float (time, unit), finite.

    Returns:
        int64 (unit,), the units' indices; those that never change come last, in their order.
    """
    centred = _centred(np.asarray(values, dtype=np.float32))
    length = np.sqrt((centred**2).sum(axis=0))
    moving = np.flatnonzero(length > 0)
    x, y = _loadings(centred[:, moving] / length[moving])
    angle = np.arctan2(y, x)
    circle = np.argsort(angle, kind="stable")
    gaps = np.diff(angle[circle], append=angle[circle[:1]] + 2 * np.pi)
    order = np.roll(circle, -1 - int(gaps.argmax())) if len(circle) else circle
    if len(order) and order[0] > order[-1]:
        order = order[::-1]
    return np.concatenate([moving[order], np.flatnonzero(length <= 0)])


def on_throughout(values: np.ndarray, first: int, last: int, low: float, high: float) -> Match:
    """Rank units that stay on during the whole of a stretch, and not because they always are.

    The question of LSTMVis (Strobelt et al. 2018, IEEE TVCG 24), without its threshold. With m the unit's mean outside
    the stretch (the middle of the range where the stretch is the whole text) and t over all of the stretch:

        score = max(min_t (v_t - m), min_t (m - v_t)) / (high - low)

    the smallest margin by which it is beyond m, on the better of the two sides.

    Args:
        values: float (time, unit), finite.
        first: First step of the stretch.
        last: The step after its last.
        low: Lower end of the signal's fixed range.
        high: Upper end.

    Returns:
        Every unit, largest score first; in (-1, 1), below zero where the unit crosses m within the stretch.

    Raises:
        ValueError: The stretch is empty or not within the text, or the range is empty.
    """
    values = _checked(values, first, last, low, high)
    outside = np.concatenate([values[:first], values[last:]])
    level = outside.mean(axis=0) if len(outside) else np.full(values.shape[1], (low + high) / 2)
    margin = values[first:last] - level
    above, below = margin.min(axis=0), -margin.max(axis=0)
    return _ranked(np.maximum(above, below) / (high - low), np.where(above >= below, 1, -1))


def switch_at_edges(values: np.ndarray, first: int, last: int, low: float, high: float) -> Match:
    """Rank units that jump where a stretch begins and jump back where it ends.

    A jump is the mean of up to three steps after an edge minus the mean of up to three before it, none of them beyond
    the stretch's other edge, over the range (high - low). With jumps a and b at the two edges

        score = min(|a|, |b|) where a and b have opposite signs, else -min(|a|, |b|)

    Where an edge is the text's own, the score is the size of the other jump; where both are, it is zero.

    Args:
        values: float (time, unit), finite.
        first: First step of the stretch.
        last: The step after its last.
        low: Lower end of the signal's fixed range.
        high: Upper end.

    Returns:
        Every unit, largest score first, in [-1, 1]; its side is the sign of the first jump, or of the reverse of the
        last where there is no first, and +1 where there is no jump.

    Raises:
        ValueError: The stretch is empty or not within the text, or the range is empty.
    """
    values = _checked(values, first, last, low, high)
    begins = _jump(values[max(first - _EDGE, 0) : first], values[first : min(first + _EDGE, last)]) / (high - low)
    ends = _jump(values[max(last - _EDGE, first) : last], values[last : last + _EDGE]) / (high - low)
    if first == 0 or last == len(values):
        up = begins if first > 0 else -ends
        return _ranked(np.abs(up), np.where(up >= 0, 1, -1))
    size = np.minimum(np.abs(begins), np.abs(ends))
    there_and_back = np.sign(begins) == -np.sign(ends)
    return _ranked(np.where(there_and_back, size, -size), np.where(begins >= 0, 1, -1))


def _centred(values: np.ndarray) -> np.ndarray:
    """Subtract each unit's mean; the first step goes first, so that a constant unit becomes exactly zero."""
    shifted = values - values[0]
    return shifted - shifted.mean(axis=0)


def _loadings(unit_vectors: np.ndarray) -> np.ndarray:
    """Return the first two principal axes of the correlations, each times its eigenvalue's root: (2, unit).

    A block Krylov method (Golub and Van Loan, "Matrix Computations", section 10.3): the axes are sought among the
    correlation matrix's first few powers times some vectors, which spares taking the whole matrix apart.

    Args:
        unit_vectors: float32 (time, unit), columns of mean 0 and length 1; their products are the correlations.
    """
    block = np.random.default_rng(0).standard_normal((unit_vectors.shape[1], _BLOCK), dtype=np.float32)
    blocks = []
    for _ in range(_POWERS):
        block = np.linalg.qr(unit_vectors.T @ (unit_vectors @ block))[0]
        blocks.append(block)
    basis = np.linalg.qr(np.hstack(blocks))[0]
    within = unit_vectors @ basis
    scale, axes = np.linalg.eigh(within.T @ within)
    found = (basis @ axes[:, :-3:-1] * np.sqrt(np.maximum(scale[:-3:-1], 0))).T
    return np.pad(found, ((0, 2 - len(found)), (0, 0)))


def _checked(values: np.ndarray, first: int, last: int, low: float, high: float) -> np.ndarray:
    """Return the values in float64 if the stretch and the range make sense."""
    if not 0 <= first < last <= len(values):
        raise ValueError(f"stretch: expected 0 <= first < last <= {len(values)}, got first={first}, last={last}")
    if not low < high:
        raise ValueError(f"range: expected low < high, got low={low}, high={high}")
    return np.asarray(values, dtype=np.float64)


def _jump(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return mean after - mean before: (unit,), zero where either side has no step."""
    if len(before) == 0 or len(after) == 0:
        return np.zeros(before.shape[1])
    return after.mean(axis=0) - before.mean(axis=0)


def _ranked(score: np.ndarray, side: np.ndarray) -> Match:
    """Sort by score, largest first; equals stay in their order."""
    score = score + 0.0  # no -0.0
    units = np.argsort(-score, kind="stable")
    return Match(units, score[units], side[units])

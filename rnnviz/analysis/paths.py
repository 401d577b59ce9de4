"""The plane of the two directions in which states differ most, and what lies in it; it knows nothing of networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Plane:
    """The first two principal axes of some states.

    Attributes:
        mean: float64 (unit,), where the axes cross.
        axes: float64 (2, unit), orthonormal.
        shares: The share of the states' variance that each axis holds.
    """

    mean: np.ndarray
    axes: np.ndarray
    shares: tuple[float, float]

    def project(self, states: np.ndarray) -> np.ndarray:
        """Return the states' places in the plane: (..., unit) -> float64 (..., 2)."""
        return (np.asarray(states, dtype=np.float64) - self.mean) @ self.axes.T

    def shown(self, states: np.ndarray) -> float:
        """Return how much of a path the plane shows: the share of its squared steps; NaN where nothing moves.

        Args:
            states: (time, unit).
        """
        steps = np.diff(np.asarray(states, dtype=np.float64), axis=0)
        whole = float((steps**2).sum())
        return float(((steps @ self.axes.T) ** 2).sum()) / whole if whole else float("nan")


@dataclass(frozen=True)
class Border:
    """A straight line in the plane, x * at[0] + y * at[1] + offset = 0; on its positive side the class is likelier."""

    at: tuple[float, float]
    offset: float

    def side(self, points: np.ndarray) -> np.ndarray:
        """Return on which side points (..., 2) lie: true on the class' own."""
        return points @ np.array(self.at) + self.offset > 0

    def ends(self, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """Return where the line enters and leaves a box.

        Args:
            low: (2,), the box' lower corner.
            high: (2,), its upper one.

        Returns:
            float64 (2, 2), two points; None where the line misses the box.
        """
        points = []
        for axis in (0, 1):
            if not self.at[1 - axis]:
                continue
            for value in (low[axis], high[axis]):
                other = -(self.offset + self.at[axis] * value) / self.at[1 - axis]
                if low[1 - axis] <= other <= high[1 - axis]:
                    points.append((value, other) if axis == 0 else (other, value))
        found = np.unique(np.array(points).reshape(-1, 2), axis=0)
        return found[[0, -1]] if len(found) > 1 else None


def fit_plane(states: np.ndarray, positive: np.ndarray) -> Plane:
    """Fit the plane by principal component analysis (Pearson 1901), through a singular value decomposition.

    The first axis is turned so that the class lies to its right, the second so that its largest weight is positive.

    Args:
        states: (text, unit), at least two, of at least two units.
        positive: bool (text,), the texts of the class.

    Raises:
        ValueError: There are too few states or units, or all states are the same.
    """
    states = np.asarray(states, dtype=np.float64)
    if min(states.shape) < 2:
        raise ValueError(f"states: expected at least two texts and two units, got {states.shape}")
    mean = states.mean(axis=0)
    _, sizes, axes = np.linalg.svd(states - mean, full_matrices=False)
    variance = sizes**2
    if not variance.sum() > 0:
        raise ValueError("states: all are the same")
    axes = axes[:2]
    along = (states - mean) @ axes[0]
    right = along[positive].mean() >= along[~positive].mean() if positive.any() and not positive.all() else True
    up = axes[1][np.abs(axes[1]).argmax()] >= 0
    axes = axes * np.where([right, up], 1.0, -1.0)[:, None]
    shares = variance[:2] / variance.sum()
    return Plane(mean, axes, (float(shares[0]), float(shares[1])))


def border_in(plane: Plane, weight: np.ndarray, bias: float) -> Border:
    """Return where the plane meets weight * x + bias = 0, exactly: the states off the plane are not on it.

    Args:
        plane: The plane, through the states' mean.
        weight: (unit,).
        bias: A number.
    """
    slope = plane.axes @ weight
    return Border((float(slope[0]), float(slope[1])), float(plane.mean @ weight + bias))


def largest_steps(points: np.ndarray) -> np.ndarray:
    """Return the times of a path's steps, largest first; the way to the first point is not among them.

    Args:
        points: (time, 2).

    Returns:
        int64 (time - 1,), from 1 on.
    """
    sizes = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return 1 + np.argsort(-sizes, kind="stable")

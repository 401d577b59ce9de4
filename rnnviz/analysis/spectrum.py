"""A recurrent matrix by itself: eigenvalues, singular values, and the size of its powers; it draws nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnviz.analysis.scalar import log10_powers
from rnnviz.errors import ConfigError

MATRICES = {
    "gaussian": "Gaussian, standard deviation s/\u221aH",
    "orthogonal": "orthogonal, times s",
    "glorot": "Glorot uniform, times s",
    "identity": "identity, times s",
}
"""Ways to fill a recurrent matrix and what people call them; H is its size and s the scale."""

_ROUNDING = 1e-9
"""Decades by which sizes differ from 1 through rounding alone."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What a square matrix does to directions and to lengths.

    Attributes:
        eigenvalues: complex128 (H,), the largest modulus first.
        radius: The spectral radius rho, the largest modulus.
        largest_singular: sigma_max, the most that the matrix stretches any vector.
    """

    eigenvalues: np.ndarray
    radius: float
    largest_singular: float

    def scaled(self, factor: float) -> Spectrum:
        """Return the spectrum of the matrix times a factor."""
        size = abs(factor)
        return Spectrum(self.eigenvalues * factor, self.radius * size, self.largest_singular * size)


@dataclass(frozen=True, eq=False)
class Powers:
    """The size of W^k, which is the gradient's factor over k steps of a linear network.

    rho^k <= ||W^k|| <= sigma_max^k. The two guides meet for a normal matrix (an orthogonal or a symmetric one); any
    other may stretch some vector for a while although rho < 1.

    Attributes:
        log10_norms: float64 (steps + 1,), log10 ||W^k||_2 for k = 0 to steps; -inf for a power of exactly zero.
        log10_radius: float64 (steps + 1,), log10 rho^k.
        log10_singular: float64 (steps + 1,), log10 sigma_max^k.
    """

    log10_norms: np.ndarray
    log10_radius: np.ndarray
    log10_singular: np.ndarray

    @property
    def hump(self) -> int | None:
        """The k at which ||W^k|| is largest, where it rises above 1 although rho < 1; None where it does not."""
        peak = int(np.argmax(self.log10_norms))
        rises = self.log10_norms[peak] > _ROUNDING and self.log10_radius[1] < -_ROUNDING
        return peak if rises else None

    def scaled(self, factor: float) -> Powers:
        """Return the powers of the matrix times a factor: s^k W^k."""
        return Powers(
            scaled_powers(self.log10_norms, factor),
            scaled_powers(self.log10_radius, factor),
            scaled_powers(self.log10_singular, factor),
        )


def spectrum(matrix: np.ndarray) -> Spectrum:
    """Return the eigenvalues, the spectral radius and the largest singular value of a square real matrix.

    Args:
        matrix: float (H, H).

    Raises:
        ValueError: It is not square, or an entry is not finite.
    """
    unit, size = _normalised(matrix)
    values = np.linalg.eigvals(unit).astype(np.complex128) * size
    values = values[np.lexsort((-values.imag, -values.real, -np.abs(values)))]
    return Spectrum(values, float(np.abs(values[0])), float(np.linalg.norm(unit, 2)) * size)


def powers(matrix: np.ndarray, steps: int) -> Powers:
    """Measure ||W^k||_2 for k = 0 to `steps`, beside rho^k and sigma_max^k.

    Args:
        matrix: float (H, H).
        steps: The largest k, at least 1.

    Raises:
        ValueError: The matrix is not square, an entry is not finite, or there are no steps.
    """
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    found = spectrum(matrix)
    norms = power_norms(np.asarray(matrix)[None], np.arange(steps + 1))[0]
    return Powers(norms, log10_powers(found.radius, steps), log10_powers(found.largest_singular, steps))


def power_norms(matrices: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Measure the spectral norms of several matrices' powers, brought back to size at every step.

    Each power is divided by its largest entry and the logarithm of that is kept, so that the norm neither overflows nor
    underflows; the largest eigenvalue of the Gram matrix then loses nothing to squaring.

    Args:
        matrices: float (matrix, H, H).
        at: int (power,), the exponents k wanted, rising, none negative.

    Returns:
        log10 ||W^k||_2, float64 (matrix, power); -inf for a power of exactly zero.

    Raises:
        ValueError: A matrix is not square, or an entry is not finite.
    """
    units, sizes = zip(*(_normalised(matrix) for matrix in matrices), strict=True)
    step, log_sizes = np.stack(units), _log10(np.array(sizes))
    power = np.broadcast_to(np.eye(step.shape[-1]), step.shape)
    taken = np.zeros(len(step))
    wanted, norms = set(np.asarray(at).tolist()), []
    for k in range(int(max(at)) + 1):
        if k:
            power = step @ power
            entry = np.abs(power).max(axis=(1, 2))
            taken = taken + log_sizes + _log10(entry)
            power = power / np.where(entry > 0, entry, 1.0)[:, None, None]
        if k in wanted:
            gram = power @ power.swapaxes(1, 2)
            largest = np.linalg.eigvalsh(gram)[:, -1]
            norms.append(taken + np.where(largest > 0, _log10(largest) / 2, 0.0))
    return np.stack(norms, axis=1)


def scaled_powers(log10_sizes: np.ndarray, factor: float) -> np.ndarray:
    """Return log10 of s^k x_k from log10 x_k, k = 0 onwards: what a scaled matrix makes of a measured curve."""
    return log10_sizes + log10_powers(factor, len(log10_sizes) - 1)


def random_matrix(kind: str, size: int, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    """Fill a recurrent matrix; the same kind, size and seed give the same draw at every scale.

    Args:
        kind: "gaussian": independent, standard deviation scale / sqrt(H), so that eigenvalues fill a disc of radius
            `scale` as H grows (the circular law: Girko 1984); "orthogonal": uniform over all rotations and reflections,
            from a QR decomposition with signs corrected (Mezzadri 2007), times scale; "glorot": uniform in
            +- scale sqrt(6 / (H + H)) (Glorot and Bengio 2010); "identity": times scale (Le, Jaitly and Hinton 2015).
        size: H, at least 1.
        scale: The factor.
        seed: Of numpy's default generator; the identity does not use it.

    Returns:
        float64 (H, H).

    Raises:
        ConfigError: The kind is unknown, the size is below 1, or the scale is not finite.
    """
    if kind not in _DRAWS:
        raise ConfigError(f"There is no way {kind!r} to fill a matrix; choose one of {', '.join(_DRAWS)}.")
    if size < 1:
        raise ConfigError(f"The matrix needs at least one unit, not {size}.")
    if not math.isfinite(scale):
        raise ConfigError(f"The scale must be a finite number, not {scale}.")
    return scale * _DRAWS[kind](size, np.random.default_rng(seed))


def _gaussian(size: int, generator: np.random.Generator) -> np.ndarray:
    return generator.standard_normal((size, size)) / math.sqrt(size)


def _orthogonal(size: int, generator: np.random.Generator) -> np.ndarray:
    """Without the signs of R's diagonal, QR would favour some of the rotations."""
    q, r = np.linalg.qr(generator.standard_normal((size, size)))
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)


def _glorot(size: int, generator: np.random.Generator) -> np.ndarray:
    limit = math.sqrt(6 / (size + size))
    return generator.uniform(-limit, limit, (size, size))


_DRAWS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "gaussian": _gaussian,
    "orthogonal": _orthogonal,
    "glorot": _glorot,
    "identity": lambda size, generator: np.eye(size),
}


def _normalised(matrix: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the matrix divided by its largest entry, and that entry's size; 1 for a matrix of zeros."""
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"matrix: expected (unit, unit), got {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("matrix: expected finite entries, got NaN or infinity")
    largest = float(np.abs(matrix).max())
    return (matrix / largest, largest) if largest else (matrix, 1.0)


def _log10(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log10(values)

"""Which units are worth a look: rankings of a layer's units on one recording."""

from __future__ import annotations

import numpy as np


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

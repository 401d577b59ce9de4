"""How often gates stand wide open or shut: shares of time by unit; it draws nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SHUT, OPEN = 0.1, 0.9
GATES = ("input_gate", "forget_gate", "output_gate", "reset_gate", "update_gate")
"""The signals that lie in (0, 1)."""


@dataclass(frozen=True, eq=False)
class Saturation:
    """The share of time that each gate of each unit is saturated.

    Attributes:
        gates: Their names, as in the recording.
        left: float64 (gate, layer, unit), in [0, 1]: share of the steps with a value below 0.1.
        right: float64 (gate, layer, unit), in [0, 1]: share of the steps with a value above 0.9.
    """

    gates: tuple[str, ...]
    left: np.ndarray
    right: np.ndarray


def saturation(signals: Mapping[str, np.ndarray]) -> Saturation:
    """Measure how often each gate is left-saturated (below 0.1) and right-saturated (above 0.9).

    Karpathy, Johnson and Fei-Fei 2015, "Visualizing and Understanding Recurrent Networks", gate activation statistics:
    an LSTM unit whose forget gate is often right-saturated remembers its cell state for long.

    Args:
        signals: Name -> float (time, layer, unit), as in a recording; only gates in (0, 1) count, "_backward" included.

    Returns:
        The shares, gates in the order of the signals.

    Raises:
        ValueError: None of the signals is such a gate: a simple recurrent or a residual cell has none.
    """
    gates = tuple(name for name in signals if name.removesuffix("_backward") in GATES)
    if not gates:
        raise ValueError(f"signals: expected a gate among them ({', '.join(GATES)}), got {', '.join(signals)}")
    left = np.stack([(signals[name] < SHUT).mean(axis=0) for name in gates])
    right = np.stack([(signals[name] > OPEN).mean(axis=0) for name in gates])
    return Saturation(gates, left, right)

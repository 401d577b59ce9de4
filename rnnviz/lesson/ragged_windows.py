"""A long text cut into windows, with the state carried over or not; it draws nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rnnviz.network import Network
from rnnviz.recording import softmax


@dataclass(frozen=True, eq=False)
class Windows:
    """A long text read whole and in windows.

    Attributes:
        starts: First word of each window, from 0.
        whole: float64 (time,), the class's probability after each word of the whole text.
        carried: The same where windows without overlap hand their state on.
        fresh: One float64 (window's time,) a window that starts from the initial state.
        first: Probability after the first `window` words alone.
        last: Probability after the last `window` words alone.
        state_gap: Largest difference of a unit's final state, whole against carried.
    """

    starts: tuple[int, ...]
    whole: np.ndarray
    carried: np.ndarray
    fresh: tuple[np.ndarray, ...]
    first: float
    last: float
    state_gap: float


def window_starts(time: int, window: int, stride: int) -> tuple[int, ...]:
    """Return where windows begin until the last word is covered: ceil((time - window) / stride) + 1 of them."""
    return tuple(range(0, max(0, time - window) + stride, stride))


@torch.no_grad()
def read_windows(network: Network, ids: np.ndarray, window: int, stride: int, column: int) -> Windows:
    """Read a text whole, in windows that begin anew, and in windows that carry the state over.

    Args:
        network: A one-way classifier that reads its last state alone.
        ids: int64 (time,).
        window: Words in a window.
        stride: From the start of one window to that of the next, `window` at the most.
        column: The class followed.
    """

    def after_each(part: np.ndarray, state: list | None = None) -> tuple[np.ndarray, list]:
        logits, state = network(torch.from_numpy(part[None]).to(network.device), state=state)
        return softmax(logits[0].cpu().numpy())[:, column], state

    whole, final = after_each(ids)
    parts, state = [], None
    for start in range(0, len(ids), window):
        part, state = after_each(ids[start : start + window], state)
        parts.append(part)
    starts = window_starts(len(ids), window, stride)
    fresh = tuple(after_each(ids[start : start + window])[0] for start in starts)
    gap = float((final[-1][0] - state[-1][0]).abs().max())
    last = float(after_each(ids[-window:])[0][-1])
    return Windows(starts, whole, np.concatenate(parts), fresh, float(whole[min(window, len(ids)) - 1]), last, gap)

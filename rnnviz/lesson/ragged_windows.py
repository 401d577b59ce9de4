"""A long text cut into windows, with the state carried over or not; it draws nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rnnviz.checkpoints import Model
from rnnviz.config import LONGEST
from rnnviz.network import Network
from rnnviz.recording import softmax
from rnnviz.text import read

_AT_ONCE = 20_000
"""Words read in one batch of windows, about: what a network keeps for each has to fit in memory."""


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
    """Read a text whole, in windows that begin anew, many in one batch, and in windows that carry the state over.

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

    def after_batch(rows: np.ndarray) -> np.ndarray:
        return softmax(network(torch.from_numpy(rows).to(network.device)).logits.cpu().numpy())[..., column]

    whole, final = after_each(ids)
    parts, state = [], None
    for start in range(0, len(ids), window):
        part, state = after_each(ids[start : start + window], state)
        parts.append(part)
    starts = window_starts(len(ids), window, stride)
    even = [ids[start : start + window] for start in starts if start + window <= len(ids)]
    at_once = max(1, _AT_ONCE // window)
    fresh = [row for i in range(0, len(even), at_once) for row in after_batch(np.stack(even[i : i + at_once]))]
    fresh += [after_each(ids[start:])[0] for start in starts[len(even) :]]
    gap = float((final[-1][0] - state[-1][0]).abs().max())
    last = float(after_each(ids[-window:])[0][-1])
    first = float(whole[min(window, len(ids)) - 1])
    return Windows(starts, whole, np.concatenate(parts), tuple(fresh), first, last, gap)


def windows_of(model: Model, text: str, window: int, stride: int, column: int) -> Windows:
    """Read the first `LONGEST` words of the reader's text with a model; see `read_windows`."""
    return read_windows(model.network, read(model.tokenizer, text)[0][:LONGEST], window, stride, column)

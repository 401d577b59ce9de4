"""Where a cell starts, which way it reads, and what is carried from one piece of a text to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnnviz.cells import CELLS
from rnnviz.errors import TextError
from rnnviz.lesson.cell import Hand, Walk, one_hot, walk

LEARNED_STEPS = 20
"""Characters that the initial state is learned on."""
_GRID, _REACH = 25, 3.0


@dataclass(frozen=True, eq=False)
class LearnedStart:
    """An initial state found by gradient descent, all weights held as they are.

    Attributes:
        path: float64 (update + 1, state, unit), the initial state before each update and after the last.
        losses: float64 (update + 1,), the mean loss of a character in nats there.
        before: float64 (time,), each character's loss with the first of them.
        after: float64 (time,), each character's loss with the last.
        probabilities: The first character's probability before and after.
    """

    path: np.ndarray
    losses: np.ndarray
    before: np.ndarray
    after: np.ndarray
    probabilities: tuple[float, float]


def guesser(hand: Hand, seed: int = 0) -> np.ndarray:
    """Return a random dense layer that guesses the next letter from the state, with one class for all other characters.

    Returns:
        float64 (letter + 1, unit), no bias: without a state all are equally likely.
    """
    size = (len(hand.letters) + 1, hand.units)
    return np.random.default_rng([seed, 7]).normal(0, 2, size).round(2)


def targets(hand: Hand, text: str) -> np.ndarray:
    """Return each character's class: its letter's place, or the last one for any other."""
    return np.array([hand.letters.index(c) if c in hand.letters else len(hand.letters) for c in text])


def _losses(hand: Hand, text: str, start: Tensor, head: Tensor) -> Tensor:
    """Return each character's loss, guessed from the state before it: start (state, ..., unit) -> (time, ...)."""
    cell, state, losses = CELLS[hand.cell_type], tuple(start), []
    for row, target in zip(torch.from_numpy(one_hot(hand.letters, text)), targets(hand, text).tolist(), strict=True):
        logits = state[0] @ head.T
        goal = torch.full(logits.shape[:-1], target)
        losses.append(cross_entropy(logits.reshape(-1, logits.shape[-1]), goal.reshape(-1), reduction="none"))
        state, _ = cell.step(hand.weights.project(row), state, hand.weights)
    return torch.stack(losses).reshape(len(text), *start.shape[1:-1])


def learn_start(hand: Hand, text: str, *, rate: float = 0.5, updates: int = 100, seed: int = 0) -> LearnedStart:
    """Learn the initial state from zero by gradient descent, so that the next letter is guessed better.

    Each number of a gradient is clipped to 1.

    Args:
        hand: The network; its weights stay as they are.
        text: Its first `LEARNED_STEPS` characters are used.
        rate: The learning rate.
        updates: Steps of gradient descent.
        seed: Of `guesser`.

    Raises:
        TextError: The text is empty.
    """
    if not text:
        raise TextError("The text is empty: type a few letters for the network to read.")
    text, head = text[:LEARNED_STEPS], torch.from_numpy(guesser(hand, seed))
    start = torch.zeros(hand.start.shape, dtype=torch.float64, requires_grad=True)
    path, losses = [], []
    for _ in range(updates + 1):
        each = _losses(hand, text, start, head)
        (slope,) = torch.autograd.grad(each.mean(), start)
        path.append(start.detach().numpy().copy())
        losses.append(each.detach().numpy())
        start = (start - rate * slope.clamp(-1, 1)).detach().requires_grad_()
    first = (float(np.exp(-losses[0][0])), float(np.exp(-losses[-1][0])))
    return LearnedStart(np.stack(path), np.array([one.mean() for one in losses]), losses[0], losses[-1], first)


def start_surface(hand: Hand, text: str, path: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean loss over a grid of initial values of the first two units, the others as at the path's end.

    Args:
        hand: The network.
        text: As for `learn_start`.
        path: What it found.
        seed: As there.

    Returns:
        The grid's values (point,), the same along both axes, and the loss (second unit, first unit).
    """
    reach = max(_REACH, float(np.abs(path[:, 0, :2]).max()) * 1.2)
    grid = np.linspace(-reach, reach, _GRID)
    start = np.broadcast_to(path[-1][:, None, None], (len(path[-1]), _GRID, _GRID, hand.units)).copy()
    start[0, ..., 0], start[0, ..., 1] = grid[None, :], grid[:, None]
    head = torch.from_numpy(guesser(hand, seed))
    each = _losses(hand, text[:LEARNED_STEPS], torch.from_numpy(start), head)
    return grid, each.mean(dim=0).numpy()


def backwards(hand: Hand, text: str) -> Walk:
    """Read a text from its last character to its first; the walk is in the order of reading."""
    return walk(hand, text[::-1])


def aligned(read: Walk) -> np.ndarray:
    """Return the hidden states of a walk from the right in the order of the text: (time, unit)."""
    return read.states["hidden"][:0:-1]


def in_pieces(hand: Hand, text: str, size: int, carried: bool) -> Walk:
    """Read a text piece by piece.

    Args:
        hand: The network.
        text: The text.
        size: Characters of a piece; the last one may be shorter.
        carried: Whether a piece starts from the state in which the one before ended (stateful), or from the network's
            first state (stateless).

    Returns:
        The walks, one after the other; the states' first row is the network's first state.
    """
    walks, now = [], hand
    for at in range(0, max(len(text), 1), size):
        walks.append(walk(now, text[at : at + size]))
        last = np.stack([values[-1] for values in walks[-1].states.values()])
        now = hand.begun(last if carried else hand.start)
    first = walks[0]
    states = {
        name: np.concatenate([first.states[name][:1], *(one.states[name][1:] for one in walks)])
        for name in first.states
    }
    gates = {name: np.concatenate([one.gates[name] for one in walks]) for name in first.gates}
    tokens = tuple(token for one in walks for token in one.tokens)
    x, outputs = (np.concatenate([getattr(one, name) for one in walks]) for name in ("x", "outputs"))
    return Walk(tokens, x, states, gates, outputs)

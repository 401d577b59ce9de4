"""Long against short memory, and attention over states: measured on the reader's text; it draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rnnviz.checkpoints import Model
from rnnviz.errors import TextError
from rnnviz.record import record
from rnnviz.recording import softmax
from rnnviz.text import read

DISTANCES = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300)
LONGEST_MEMORY = 320
"""Tokens of a text that are read here at most."""
REPLACED, TAKEN_OUT = "replaced", "taken out"
_REPLACEMENTS = 2
_FIRST_FREQUENT = 2
"""Before it stand padding and unknown; a vocabulary too small for that gives its last tokens."""
_TARGETS = 12
NEAR = 0.05
"""Nats above the loss with all context, from which on more context is taken to be of no use."""
WORDS = 60
"""Words that attention is drawn over at most."""


@dataclass(frozen=True, eq=False)
class Changed:
    """What one changed token does to what comes out at the end, by how far back it stands.

    Attributes:
        distances: int64 (distance,), tokens from the last one back.
        moved: float64 (distance,), the change of the top layer's final state, divided by that state's norm.
        divergence: float64 (distance,), how far the answer moves: Kullback-Leibler, in nats.
    """

    distances: np.ndarray
    moved: np.ndarray
    divergence: np.ndarray

    def reach(self, share: float = 0.01) -> int:
        """Return the farthest distance at which the state still moves by a share of its norm, 0 for none."""
        far = self.distances[self.moved >= share]
        return int(far.max()) if len(far) else 0

    @property
    def is_cut_off(self) -> bool:
        """Say whether a change reaches to the farthest distance tried, and so perhaps beyond it."""
        return self.reach() == int(self.distances.max())


def farthest(found: Sequence[Changed]) -> int | None:
    """Say which network a change reaches from farthest back, as far as that can be told.

    Returns:
        Its place; the number of networks where two or more reach equally far; None where one that is cut off may reach
        farther than was tried.
    """
    reaches = [one.reach() for one in found]
    best = reaches.index(max(reaches))
    others = [one for place, one in enumerate(found) if place != best]
    if any(one.is_cut_off for one in others):
        return None
    if all(one.reach() < reaches[best] for one in others):
        return best
    return None if found[best].is_cut_off else len(found)


def _ids(model: Model, text: str, least: int) -> np.ndarray:
    """Return the ids of a text's end.

    Raises:
        TextError: It is too short.
    """
    ids, _ = read(model.tokenizer, text)
    if len(ids) < least:
        raise TextError(f"The text is too short for this: type at least {least} tokens.")
    return ids[-LONGEST_MEMORY:]


@torch.no_grad()
def changed(model: Model, text: str, how: str) -> Changed:
    """Change one token at a time and measure what is left of it at the end.

    Args:
        model: One-way, recurrent.
        text: At least three tokens.
        how: `REPLACED` by each of two other frequent tokens, the mean counts; or `TAKEN_OUT`.

    Raises:
        TextError: The text is too short.
    """
    ids = _ids(model, text, 3)
    distances = [d for d in DISTANCES if d < len(ids)]
    if how == TAKEN_OUT:
        rows = [np.delete(ids, len(ids) - 1 - d) for d in distances]
    else:
        frequent = _frequent(model)
        rows = [
            _replaced(ids, len(ids) - 1 - d, frequent, i)
            for d in distances
            for i in range(min(_REPLACEMENTS, len(frequent) - 1))
        ]
    true_state, true_answer = _end(model, ids[None])
    states, answers = _end(model, np.stack(rows))
    moved = (states - true_state).norm(dim=-1) / true_state.norm().clamp(min=1e-300)
    divergence = (true_answer.exp() * (true_answer - answers)).sum(dim=-1).clamp(min=0)
    return Changed(np.array(distances), *(_mean(values, len(distances)) for values in (moved, divergence)))


def replacements(model: Model) -> tuple[str, ...]:
    """Return the tokens that are put in place of another one, the last only where that is one of the first two."""
    return tuple(model.tokenizer.vocabulary[i] for i in _frequent(model))


def _frequent(model: Model) -> range:
    """Return one id more than replace a token, so that enough are left where it is one of them itself."""
    size = len(model.tokenizer.vocabulary)
    first = max(0, min(_FIRST_FREQUENT, size - _REPLACEMENTS - 1))
    return range(first, min(size, first + _REPLACEMENTS + 1))


def _replaced(ids: np.ndarray, place: int, frequent: range, choice: int) -> np.ndarray:
    """Put one of the most frequent tokens (ids are in order of frequency) in place of another one."""
    found = ids.copy()
    found[place] = [i for i in frequent if i != ids[place]][choice]
    return found


def _end(model: Model, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return the top layer's final states (row, unit) and the log-probabilities after them, in float64."""
    hidden, _ = model.network.features(torch.from_numpy(rows).to(model.network.device))
    logits = model.network.answer(hidden)[:, -1].double().cpu()
    return hidden[:, -1].double().cpu(), torch.log_softmax(logits, dim=-1)


def _mean(values: Tensor, count: int) -> np.ndarray:
    return values.reshape(count, -1).mean(dim=1).numpy()


@dataclass(frozen=True, eq=False)
class Cut:
    """What a network loses when it may read only the last tokens.

    Attributes:
        contexts: int64 (context,), how many tokens are read.
        loss_nats: float64 (context,), the mean loss of what comes next, or of the answer.
        full_nats: The same with everything before read.
        targets: How many places were averaged over.
    """

    contexts: np.ndarray
    loss_nats: np.ndarray
    full_nats: float
    targets: int

    @property
    def enough(self) -> int | None:
        """Return the shortest context from which on the loss stays within `NEAR` of the full one, None for none."""
        good = np.abs(self.loss_nats - self.full_nats) <= NEAR
        stays = np.logical_and.accumulate(good[::-1])[::-1]
        return int(self.contexts[stays.argmax()]) if stays.any() else None


@torch.no_grad()
def cut(model: Model, text: str) -> Cut:
    """Measure the loss with less and less context, in the manner of Khandelwal et al. 2018.

    A language model is asked for the next token at several places of the text's second half; a classifier for the
    answer that it gives after the whole text.

    Args:
        model: One-way, recurrent.
        text: At least eight tokens.

    Raises:
        TextError: The text is too short.
    """
    ids = _ids(model, text, 8)
    if model.config.task == "classifier":
        places = np.array([len(ids)])
        answers = np.array([int(_end(model, ids[None])[1].argmax())])
    else:
        places = np.unique(np.linspace(len(ids) // 2, len(ids) - 1, _TARGETS).astype(int))
        answers = ids[places]
    contexts = [k for k in DISTANCES if k < places[0]]
    losses = [_loss(model, np.stack([ids[p - k : p] for p in places]), answers) for k in contexts]
    logits = model.network(torch.from_numpy(ids[None]).to(model.network.device)).logits[0, places - 1]
    full = -torch.log_softmax(logits.double().cpu(), dim=-1)[torch.arange(len(places)), torch.from_numpy(answers)]
    return Cut(np.array(contexts), np.array(losses), float(full.mean()), len(places))


def _loss(model: Model, rows: np.ndarray, answers: np.ndarray) -> float:
    logs = _end(model, rows)[1]
    return float(-logs[torch.arange(len(logs)), torch.from_numpy(answers)].mean())


@dataclass(frozen=True, eq=False)
class Attended:
    """Dot-product attention of one state over all states up to it.

    Attributes:
        tokens: (time,).
        weights: float64 (time,), the softmax of q . h_t, divided by the square root of the units where scaled.
    """

    tokens: tuple[str, ...]
    weights: np.ndarray


def states_of(model: Model, text: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the text's last `WORDS` tokens and the top layer's states at them, float64 (time, unit)."""
    found = record(model, text)
    return found.tokens[-WORDS:], found.signals["hidden"][-WORDS:, -1].astype(np.float64)


def attend(tokens: tuple[str, ...], states: np.ndarray, place: int, scaled: bool = True) -> Attended:
    """Let the state at a place look back at all states up to it (Luong et al. 2015; scaled: Vaswani et al. 2017).

    Args:
        tokens: (time,).
        states: float64 (time, unit).
        place: Whose state is the query, from 0.
        scaled: Divide the products by the square root of the number of units.
    """
    scores = states[: place + 1] @ states[place] / (states.shape[1] ** 0.5 if scaled else 1.0)
    return Attended(tokens[: place + 1], softmax(scores[None])[0])


def likeness(states: np.ndarray) -> float | None:
    """Return the median cosine between each state and the next, None for a single one.

    Args:
        states: float64 (time, unit).
    """
    if len(states) < 2:
        return None
    norms = np.linalg.norm(states, axis=1).clip(min=1e-300)
    return float(np.median((states[1:] * states[:-1]).sum(axis=1) / (norms[1:] * norms[:-1])))

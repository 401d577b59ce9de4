"""What time is to a network: places of words, prefixes and states, and other classifiers that read a state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rnnviz import checkpoints, held_out
from rnnviz.checkpoints import Model
from rnnviz.config import ModelConfig
from rnnviz.errors import ConfigError, TextError
from rnnviz.recording import softmax

_NEIGHBOURS = 15


@dataclass(frozen=True, eq=False)
class TwoWays:
    """Predictions of y_t from x_1 .. x_t, made anew from the whole prefix and made from the state kept.

    Attributes:
        tokens: (time,).
        prefix: float64 (time,), one class's probability, every prefix read from its first word.
        state: The same from the state before, one step a word.
        states: float32 (time, unit), the hidden state after each word.
        kept: Numbers that are carried from word to word.
    """

    tokens: tuple[str, ...]
    prefix: np.ndarray
    state: np.ndarray
    states: np.ndarray
    kept: int


def reads_by_steps(config: ModelConfig) -> bool:
    """Return whether a classifier's answer needs nothing but its newest state."""
    plain = not (config.is_feedforward or config.bidirectional or config.pair_buckets)
    return plain and config.pooling == "last"


@torch.no_grad()
def two_ways(model: Model, words: tuple[str, ...], column: int) -> TwoWays:
    """Predict after every word in both ways, each as it says: the prefix whole, or one step from the state before.

    Raises:
        ConfigError: The model's answer needs more than its newest state.
        TextError: There is no word.
    """
    if not reads_by_steps(model.config):
        raise ConfigError(f"{model.name} reads more than its newest state: choose another model.")
    if not words:
        raise TextError("There is no word in the text: type at least one.")
    network = model.network
    ids = torch.from_numpy(model.tokenizer.ids(words)).to(network.device)[None]
    whole = [network(ids[:, : t + 1]).logits[0, -1] for t in range(len(words))]
    state, stepped, states = None, [], []
    for t in range(len(words)):
        output = network(ids[:, t : t + 1], state=state)
        state = output.state
        stepped.append(output.logits[0, -1])
        states.append(state[-1][0][0])
    prefix, single = (softmax(torch.stack(logits).cpu().numpy())[:, column] for logits in (whole, stepped))
    kept = sum(part.numel() for layer in state for part in layer)
    return TwoWays(words, prefix, single, torch.stack(states).cpu().numpy(), kept)


@torch.no_grad()
def at_places(model: Model, word: str, places: tuple[int, ...], column: int) -> np.ndarray:
    """Return a class's probability with one word at several places, nothing but padding before it.

    A recurrent network masks padding, so for it the word's place is no part of the text; a feed-forward net has weights
    of its own for each place.

    Args:
        model: A classifier.
        word: One word.
        places: Counted from 1.
        column: The class.

    Returns:
        float64 (place,).
    """
    word_id = int(model.tokenizer.ids([word])[0])
    if not model.config.is_feedforward:
        logits = model.network.whole(torch.tensor([[word_id]]), torch.tensor([1]))
        return np.full(len(places), softmax(logits.cpu().numpy())[0, column])
    ids = torch.zeros(len(places), max(places), dtype=torch.int64)
    ids[torch.arange(len(places)), torch.tensor(places) - 1] = word_id
    logits = model.network.whole(ids, torch.full((len(places),), max(places)))
    return softmax(logits.cpu().numpy())[:, column]


def shapes() -> dict[str, ModelConfig]:
    """Return the shapes of the classifiers here by name, without their weights."""
    return {
        name: config
        for name, config in checkpoints.configs().items()
        if config.task == "classifier" and config.num_outputs > 1
    }


@dataclass(frozen=True)
class Reader:
    """A classifier that is shown nothing of a text but what the network's head is shown.

    Attributes:
        name: What it is called.
        accuracy: Its share of right answers on held-out texts that it was not fitted on.
        tested: How many those are.
        share: How far it speaks for the class on the reader's text, from 0 to 1.
    """

    name: str
    accuracy: float
    tested: int
    share: float


def read_by_head(config: ModelConfig) -> str:
    """Say what of a recurrent classifier's states its answer is read off, in words."""
    return {
        "last": "the last state",
        "mean": "the mean of all states",
        "max": "the largest value of each unit over all states",
        "all": "the mean of all states, their largest values and the last one, side by side",
    }[config.pooling]


def has_held_out(name: str) -> bool:
    """Return whether states of held-out reviews come with a model."""
    return (checkpoints.find(name) / held_out.FILE).is_file()


def readers(model: Model, text: str, column: int) -> list[Reader]:
    """Let other classifiers read the memory of a network: fitted on half of its held-out texts, tested on the rest.

    Args:
        model: A recurrent classifier.
        text: The reader's.
        column: The class.

    Returns:
        The network's own head first; none where no held-out states come with the model.

    Raises:
        CheckpointError: The held-out states cannot be read.
        TextError: There is no word in the text.
    """
    found = held_out.load(model)
    if found is None:
        return []
    trail = held_out.trail(model, text)
    spread = found.read[::2].std(axis=0) + 1e-6
    known, test, here = (part / spread for part in (found.read[::2], found.read[1::2], trail.read[-1:]))
    is_class = found.labels[::2] == column
    truth = found.labels[1::2] == column
    shares = {
        "the network\u2019s own head": (found.probabilities[1::2, column], trail.probabilities[-1:, column]),
        "nearest mean of a class": tuple(_by_means(known, is_class, x) for x in (test, here)),
        f"vote of the {_NEIGHBOURS} nearest texts": tuple(_by_votes(known, is_class, x) for x in (test, here)),
    }
    return [
        Reader(name, float(((tested > 0.5) == truth).mean()), len(truth), float(one[0]))
        for name, (tested, one) in shares.items()
    ]


def _by_means(known: np.ndarray, is_class: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return 1 where the class's mean is nearer than that of the rest, else 0: (text, width) -> (text,)."""
    apart = [((x - known[side].mean(axis=0)) ** 2).sum(axis=1) for side in (is_class, ~is_class)]
    return (apart[0] < apart[1]).astype(float)


def _by_votes(known: np.ndarray, is_class: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the share of the class among the nearest known texts: (text, width) -> (text,)."""
    apart = (x**2).sum(axis=1)[:, None] - 2 * x @ known.T + (known**2).sum(axis=1)
    return is_class[np.argsort(apart, axis=1)[:, :_NEIGHBOURS]].mean(axis=1)

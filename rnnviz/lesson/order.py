"""Sentences in another order: what a bag of words keeps of them, what a recurrent network makes of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from rnnviz.checkpoints import Model
from rnnviz.recording import softmax
from rnnviz.text import read

LONGEST = 40
"""Words of a sentence whose order is changed at most."""
MOST_ORDERS = 720
_MOST_STEPS = 6000
"""Words read at most over all orders of a sentence, so that a page answers at once."""
_UPDATES, _RATE, _UNITS = 150, 0.5, 4


def orders_of(items: Sequence[object]) -> int:
    """Return how many different orders some items have: n! over the factorials of how often each occurs."""
    found = math.factorial(len(items))
    for count in Counter(items).values():
        found //= math.factorial(count)
    return found


def in_order(items: Sequence, order: Sequence[int]) -> list:
    """Return items in another order: the first is `items[order[0]]`."""
    return [items[i] for i in order]


def shuffled(items: Sequence[object], seed: int) -> list[int]:
    """Return an order drawn at random, another one than that of the items wherever there is another.

    Args:
        items: Hashable.
        seed: Seed of the draw.
    """
    draw = np.random.default_rng(seed)
    for _ in range(20):
        order = draw.permutation(len(items)).tolist()
        if in_order(items, order) != list(items):
            return order
    return order if items else []


def some_orders(items: Sequence[object], most: int, seed: int = 0) -> list[list[int]]:
    """Return different orders of some items: all of them where there are at most `most`, else so many drawn at random.

    Args:
        items: Hashable; equal ones cannot be told apart, so exchanging them makes no other order.
        most: How many orders at most.
        seed: Seed of the draw.

    Returns:
        Each a list of places in `items`; the items' own order is the first.
    """
    if orders_of(items) <= most:
        return list(_all_orders(items))
    draw, own = np.random.default_rng(seed), list(range(len(items)))
    found = {tuple(items): own}
    while len(found) < most:
        order = draw.permutation(len(items)).tolist()
        found.setdefault(tuple(in_order(items, order)), order)
    return list(found.values())


def _all_orders(items: Sequence[object]) -> Iterator[list[int]]:
    """Give every order once, the items' own first: at each place, each kind of item that is left."""

    def go_on(left: list[int]) -> Iterator[list[int]]:
        if not left:
            yield []
        tried = set()
        for at, place in enumerate(left):
            if items[place] not in tried:
                tried.add(items[place])
                yield from ([place, *rest] for rest in go_on(left[:at] + left[at + 1 :]))

    return go_on(list(range(len(items))))


def words_of(model: Model, text: str) -> tuple[list[str], int]:
    """Return the words of a sentence as a model reads them, the first `LONGEST`, and how many there are in all.

    Raises:
        TextError: There is no word in it.
    """
    _, tokens = read(model.tokenizer, text)
    return tokens[:LONGEST], len(tokens)


@dataclass(frozen=True, eq=False)
class Bag:
    """A bag of words, and what a classifier that sees nothing else makes of it.

    Attributes:
        words: (kind,), the different words, in the order of their ids and then of the alphabet.
        counts: int64 (kind,), how often each occurs.
        weights: float64 (kind,), log-odds that each brings.
    """

    words: tuple[str, ...]
    counts: np.ndarray
    weights: np.ndarray

    @property
    def log_odds(self) -> float:
        """The sum of counts times weights, added in the order of `words`, so that equal bags give equal bits."""
        return float(sum((self.counts * self.weights).tolist()))

    @property
    def probability(self) -> float:
        """The sigmoid of the log-odds."""
        return float(1 / (1 + np.exp(-np.clip(self.log_odds, -700, 700))))


@torch.no_grad()
def bag(model: Model, words: tuple[str, ...], column: int) -> Bag:
    """Classify a bag of words by the network's own opinion of each word, whatever stands beside it.

    A word's weight is the log-odds of the class when the network reads that word alone; weights add up, as in naive
    Bayes with even priors.

    Args:
        model: A classifier.
        words: (time,), in any order.
        column: The class.
    """
    ids = dict(zip(words, model.tokenizer.ids(words).tolist(), strict=True))
    kinds = sorted(ids, key=lambda word: (ids[word], word))
    alone = torch.tensor([[ids[word]] for word in kinds], device=model.network.device)
    logits = model.network.whole(alone, torch.ones(len(kinds), dtype=torch.int64, device=alone.device))
    counted = Counter(words)
    return Bag(tuple(kinds), np.array([counted[word] for word in kinds]), log_odds(logits.cpu().numpy(), column))


def log_odds(logits: np.ndarray, column: int) -> np.ndarray:
    """Return the logarithm of p / (1 - p) of one class: (..., class) -> float64 (...), never infinite."""
    p = np.clip(softmax(logits)[..., column], 1e-12, 1 - 1e-12)
    return np.log(p) - np.log1p(-p)


@dataclass(frozen=True, eq=False)
class Read:
    """Orders of the same words as a recurrent network reads them.

    Attributes:
        probabilities: float64 (order,), of one class after the last word.
        states: float32 (order, unit): the top layer's hidden state after the last word, both directions' side by side.
    """

    probabilities: np.ndarray
    states: np.ndarray


@torch.no_grad()
def read_orders(model: Model, words: tuple[str, ...], orders: tuple[tuple[int, ...], ...], column: int) -> Read:
    """Let a network read the same words in several orders.

    Args:
        model: A recurrent classifier.
        words: (time,).
        orders: Each (time,), places in `words`.
        column: The class followed.

    Raises:
        ConfigError: The model has no state.
    """
    network = model.with_states().network
    ids = torch.from_numpy(model.tokenizer.ids(words)[np.array(orders)]).to(network.device)
    lengths = torch.full((len(ids),), ids.shape[1], device=ids.device)
    hidden = network.features(ids, lengths)[0]
    logits = network.answer_whole(hidden, lengths)
    size = network.config.hidden_size
    ends = hidden[:, -1, :size]
    if network.config.bidirectional:
        ends = torch.cat([ends, hidden[:, 0, size:]], dim=1)  # the backward direction ends at the first word
    return Read(softmax(logits.cpu().numpy())[:, column], ends.cpu().numpy())


def many_orders(model: Model, words: tuple[str, ...], column: int) -> Read:
    """Let a network read all orders of some words, or as many as are read at once; see `most_orders`.

    Words that it does not know are one and the same to it, so exchanging them makes no other order.
    """
    orders = some_orders(model.tokenizer.ids(words).tolist(), most_orders(len(words)))
    return read_orders(model, words, tuple(map(tuple, orders)), column)


def most_orders(length: int) -> int:
    """Return how many orders of so many words are read at most."""
    return max(2, min(MOST_ORDERS, _MOST_STEPS // max(1, length)))


def moved(one: np.ndarray, two: np.ndarray) -> tuple[float, float]:
    """Return how far two states (unit,) are apart, and that as a share of the first one's length, both Euclidean."""
    apart, length = float(np.linalg.norm(two - one)), float(np.linalg.norm(one))
    return apart, apart / length if length else 0.0


@dataclass(frozen=True, eq=False)
class Labelled:
    """Two sentences with different labels, learnt by a bag and by a small recurrent network.

    Attributes:
        bag: float64 (update + 1,), the mean loss of the bag in nats, before each update and after the last.
        network: The recurrent network's.
        units: How many it has.
    """

    bag: np.ndarray
    network: np.ndarray
    units: int = _UNITS


class _Bag(nn.Module):
    """Counts of words -> one log-odds; it starts from zero weights."""

    def __init__(self, kinds: int) -> None:
        super().__init__()
        self.head = nn.Linear(kinds, 1, dtype=torch.float64)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, texts: Sequence[Tensor]) -> Tensor:
        return torch.stack([self.head(text.sum(dim=0)) for text in texts])[:, 0]


class _Small(nn.Module):
    """One-hot words -> a few tanh units -> one log-odds, read off the last state."""

    def __init__(self, kinds: int, seed: int) -> None:
        super().__init__()
        self.layer = nn.RNN(kinds, _UNITS, dtype=torch.float64)
        self.head = nn.Linear(_UNITS, 1, dtype=torch.float64)
        draw = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.5, 0.5, generator=draw)

    def forward(self, texts: Sequence[Tensor]) -> Tensor:
        if len({len(text) for text in texts}) == 1:
            return self.head(self.layer(torch.stack(list(texts), dim=1))[1][0])[:, 0]
        return torch.stack([self.head(self.layer(text)[1][0]) for text in texts])[:, 0]


@lru_cache(maxsize=32)
def learn_labels(one: tuple[str, ...], two: tuple[str, ...], seed: int = 0) -> Labelled:
    """Teach a bag and a small network by gradient descent that one sentence is positive and the other negative.

    Where the two are the same words in another order, the bag gives both the same probability p, and its mean loss
    -(ln p + ln(1 - p)) / 2 is never less than ln 2.

    Args:
        one: (time,), the words of the positive sentence.
        two: The words of the negative one.
        seed: Seed of the network's first weights.
    """
    kinds = sorted(set(one) | set(two))
    texts = [torch.eye(len(kinds), dtype=torch.float64)[[kinds.index(word) for word in text]] for text in (one, two)]
    curves = [_learn(model, texts) for model in (_Bag(len(kinds)), _Small(len(kinds), seed))]
    return Labelled(*curves)


def _learn(model: nn.Module, texts: Sequence[Tensor]) -> np.ndarray:
    labels, weights = torch.tensor([1.0, 0.0], dtype=torch.float64), list(model.parameters())
    losses = []
    for _ in range(_UPDATES + 1):
        loss = nn.functional.binary_cross_entropy_with_logits(model(texts), labels)
        losses.append(float(loss.detach()))
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(_RATE * gradient)
    return np.array(losses)

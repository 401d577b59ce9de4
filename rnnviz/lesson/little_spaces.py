"""Many to many, a label a step: where the spaces were, from letters alone, read one way and both ways."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from rnnviz.errors import TextError
from rnnviz.lesson.little import Recipe, Task, interval, weights_count

TEXT = Path(__file__).parent / "weights" / "shakespeare.txt.gz"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
EMBEDDING = 32
NETWORKS = {"one_way": "one way", "both_ways": "both ways"}
_UNITS = {"one_way": 142, "both_ways": 96}
"""Units a direction: with these both networks have nearly the same number of weights."""
WINDOW = 64
MOST_LETTERS = 400
_OTHER = re.compile(r"[^a-z ]+")


class Tagger(nn.Module):
    """Letters -> LSTM, one way or both -> at each letter the logit that a word begins there."""

    def __init__(self, units: int, both: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS), EMBEDDING)
        self.recurrent = nn.LSTM(EMBEDDING, units, batch_first=True, bidirectional=both)
        self.head = nn.Linear(units * (1 + both), 1)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits (batch, time) of letters int64 (batch, time)."""
        return self.head(self.recurrent(self.embedding(ids))[0])[..., 0]


def letters_of(text: str) -> tuple[str, np.ndarray]:
    """Return a text's letters without anything between them, and which of them began a word: bool (letter,).

    Args:
        text: Any text; letters are made small, apostrophes left out, and all else taken for spaces.

    Raises:
        TextError: There is no letter from a to z in it.
    """
    plain = _OTHER.sub(" ", re.sub("['\u2019]", "", text.lower()))
    words = plain.split()
    if not words:
        raise TextError("There is no letter from a to z in the text: type some English words.")
    begins = np.concatenate([np.arange(len(word)) == 0 for word in words])
    return "".join(words), begins


def encode(letters: str) -> Tensor:
    """Return the ids int64 (letter,) of letters from a to z."""
    return torch.tensor([ord(letter) - ord("a") for letter in letters])


@cache
def _parts() -> dict[str, tuple[Tensor, Tensor]]:
    """The text in order: 90 % to learn from, 2 % to look at on the way, 8 % for the test; ids and labels (letter,)."""
    letters, begins = letters_of(gzip.decompress(TEXT.read_bytes()).decode())
    ids, labels = encode(letters), torch.from_numpy(begins).float()
    cuts = [int(len(ids) * share) for share in (0.90, 0.92)]
    pairs = zip(ids.tensor_split(cuts), labels.tensor_split(cuts), strict=True)
    return dict(zip(("train", "validation", "test"), pairs, strict=True))


def _windows(part: str) -> tuple[Tensor, Tensor]:
    """Return a part in windows (window, `WINDOW`), the rest cut off."""
    ids, labels = _parts()[part]
    whole = len(ids) // WINDOW * WINDOW
    return ids[:whole].view(-1, WINDOW), labels[:whole].view(-1, WINDOW)


@torch.no_grad()
def _found(network: Tagger, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return for each letter of a part whether a word is taken to begin there, and whether one does.

    A window's first letter begins a word for want of anything before it; it is left out.
    """
    ids, labels = _windows(part)
    guesses = torch.cat([network(chunk) > 0 for chunk in ids.split(256)])
    return guesses[:, 1:].flatten().numpy(), (labels[:, 1:] > 0).flatten().numpy()


@dataclass(frozen=True, eq=False)
class Tagged:
    """What the two networks make of letters.

    Attributes:
        letters: Without spaces.
        begins: bool (letter,), where words began in what was typed.
        chances: Network -> (letter,), the probability that a word begins at each letter.
    """

    letters: str
    begins: np.ndarray
    chances: dict[str, np.ndarray]

    def spaced(self, network: str) -> str:
        """Return the letters with the spaces that a network puts in."""
        marks = self.chances[network] > 0.5
        return "".join(f" {c}" if i and marks[i] else c for i, c in enumerate(self.letters))

    def right(self, network: str) -> int:
        """Return at how many letters but the first the network is right."""
        return int(((self.chances[network] > 0.5) == self.begins)[1:].sum())


@torch.no_grad()
def tag(networks: nn.ModuleDict, text: str) -> Tagged:
    """Take the spaces out of a text and let both networks put them back.

    Raises:
        TextError: There are no letters, or more than `MOST_LETTERS`.
    """
    letters, begins = letters_of(text)
    if len(letters) > MOST_LETTERS:
        raise TextError(f"The text has {len(letters):,} letters: {MOST_LETTERS} at most are read here.")
    ids = encode(letters)[None]
    chances = {name: torch.sigmoid(networks[name](ids)[0].double()).numpy() for name in NETWORKS}
    return Tagged(letters, begins, chances)


@torch.no_grad()
def places(network: Tagger, text: str) -> dict[str, tuple[int, ...]]:
    """Read a text's letters and return the shape at each arrow, as `lesson.shapes.places` names them.

    Raises:
        TextError: There are no letters in it.
    """
    x = network.embedding(encode(letters_of(text)[0])[None])
    out, (hidden, cell) = network.recurrent(x)
    y = network.head(out)
    found = {"x": x, "x_t": x[:, 0], "h": hidden[0], "c": cell[0], "final": hidden[0]}
    found |= {"out": out, "out_t": out[:, 0], "y_t": y[:, 0], "y": y}
    return {name: tuple(part.shape) for name, part in found.items()}


def changed(networks: nn.ModuleDict, one: str, other: str) -> tuple[str, dict[str, np.ndarray]]:
    """Read two texts that begin alike and go on differently.

    Returns:
        The letters at the beginning that both have, and by network how far the probability at each of them differs.

    Raises:
        TextError: They do not begin with the same letter, or one of them cannot be read.
    """
    first, second = tag(networks, one), tag(networks, other)
    pairs = zip(first.letters, second.letters, strict=False)
    shared = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first.letters), len(second.letters)))
    if not shared:
        raise TextError("The two texts begin with different letters: let them begin alike and end differently.")
    gaps = {name: np.abs(first.chances[name][:shared] - second.chances[name][:shared]) for name in NETWORKS}
    return first.letters[:shared], gaps


class _Spaces(Task):
    name = "spaces"
    title = "A label for each letter"
    recipe = Recipe(updates=1500, batch_size=32, learning_rate=5e-3)
    data = (
        "The first 540,000 characters of Tiny Shakespeare (karpathy/char-rnn), public domain, letters a to z alone: "
        "the first 90 % of the letters to learn from, the last 8 % for the test, 2 % between them for validation."
    )
    measure = "letters of held-out text at which the network is right about a space before them"

    def network(self) -> nn.ModuleDict:
        return nn.ModuleDict({name: Tagger(units, name == "both_ways") for name, units in _UNITS.items()})

    def loss(self, network: nn.ModuleDict, generator: torch.Generator, batch_size: int) -> Tensor:
        ids, labels = _parts()["train"]
        first = torch.randint(len(ids) - WINDOW, (batch_size, 1), generator=generator)
        at = first + torch.arange(WINDOW)
        return sum(binary_cross_entropy_with_logits(one(ids[at]), labels[at]) for one in network.values())

    def validate(self, network: nn.ModuleDict) -> dict[str, float]:
        pairs = {label: _found(network[name], "validation") for name, label in NETWORKS.items()}
        return {label: float((guesses == truth).mean()) for label, (guesses, truth) in pairs.items()}

    def score(self, network: nn.ModuleDict) -> dict[str, Any]:
        found = {}
        for name in NETWORKS:
            guesses, truth = _found(network[name], "test")
            both = int((guesses & truth).sum())
            found[name] = {
                **interval(int((guesses == truth).sum()), len(truth)),
                "precision": both / max(1, int(guesses.sum())),
                "recall": both / int(truth.sum()),
                "weights": weights_count(network[name]),
            }
        return {**found, "no_space_at_all": float(1 - truth.mean())}


TASK = _Spaces()

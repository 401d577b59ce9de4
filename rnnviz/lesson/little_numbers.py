"""One to many: from a single vector, a number's digits, its name in English letter by letter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rnnviz.errors import TextError
from rnnviz.lesson.little import Recipe, Task, interval

FORMS = {"cardinal": "how many (forty-two)", "ordinal": "which one (forty-second)"}
DIGITS, LAST = 3, 999
FEATURES = 10 * DIGITS + len(FORMS)
"""A one-hot vector a digit, and one for the form."""
UNITS, EMBEDDING = 96, 24
TESTED, VALIDATED = 200, 50
"""Numbers held out of training, in both forms: for the card, and to look at on the way."""

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
START, END = "\u25b7", "\u25fc"
ALPHABET = (START, END, " ", "-", *"abcdefghijklmnopqrstuvwxyz")
_ID = {letter: i for i, letter in enumerate(ALPHABET)}
LONGEST = 40
"""Letters after which writing ends in any case; the longest name has fewer."""


def spell(number: int, form: str = "cardinal") -> str:
    """Return a number's name in English, as in "seven hundred forty-two" or "seven hundred forty-second".

    Args:
        number: From 0 to 999.
        form: One of `FORMS`.
    """
    words = []
    if number >= 100:
        words += [_ONES[number // 100], "hundred"]
        number %= 100
    if number >= 20:
        tens, ones = divmod(number, 10)
        words.append(_TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else ""))
    elif number or not words:
        words.append(_ONES[number])
    name = " ".join(words)
    return name if form == "cardinal" else _ordinal(name)


def _ordinal(name: str) -> str:
    cut = max(name.rfind(" "), name.rfind("-")) + 1
    last = name[cut:]
    if last in _ORDINALS:
        return name[:cut] + _ORDINALS[last]
    return name[:-1] + "ieth" if last.endswith("y") else name + "th"


def vector(numbers: np.ndarray, ordinal: np.ndarray) -> Tensor:
    """Return the one vector a number: int (batch,) and bool (batch,) -> float32 (batch, `FEATURES`)."""
    x = np.zeros((len(numbers), FEATURES), dtype=np.float32)
    rows = np.arange(len(numbers))
    for place in range(DIGITS):
        x[rows, 10 * place + numbers // 10 ** (DIGITS - 1 - place) % 10] = 1
    x[rows, 10 * DIGITS + ordinal.astype(int)] = 1
    return torch.from_numpy(x)


def number_of(text: str) -> int:
    """Return the number that someone typed.

    Raises:
        TextError: It is none from 0 to 999.
    """
    digits = text.strip().replace(",", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= DIGITS):
        raise TextError(f"Type a whole number from 0 to {LAST:,}, in digits.")
    return int(digits)


class Speller(nn.Module):
    """A dense layer makes the first state of the vector; an LSTM goes on from it, reading what was written last."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(FEATURES, 2 * UNITS)
        self.embedding = nn.Embedding(len(ALPHABET), EMBEDDING)
        self.recurrent = nn.LSTM(EMBEDDING, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS, len(ALPHABET))

    def start(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first h and c: (batch, features) -> (1, batch, unit) each."""
        hidden, cell = self.first(x)[None].chunk(2, dim=-1)
        return torch.tanh(hidden), cell.contiguous()

    def forward(self, ids: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the logits (batch, time, letter) after each letter read, and the last state."""
        hidden, state = self.recurrent(self.embedding(ids), state)
        return self.head(hidden), state


@cache
def _parts() -> dict[str, np.ndarray]:
    order = np.random.default_rng(0).permutation(LAST + 1)
    cuts = np.split(order, [TESTED, TESTED + VALIDATED])
    return dict(zip(("test", "validation", "train"), cuts, strict=True))


def held_out(number: int) -> bool:
    """Say whether a number's name was kept out of training."""
    return number not in _parts()["train"]


@cache
def _names() -> tuple[Tensor, Tensor]:
    """All names as ids, END and then -1 after them, int64 (number, form, time), and their lengths with END."""
    rows = [[_ID[c] for c in spell(n, form)] + [_ID[END]] for n in range(LAST + 1) for form in FORMS]
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.full((len(rows), int(lengths.max())), -1)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return ids.view(LAST + 1, len(FORMS), -1), lengths.view(LAST + 1, len(FORMS))


def _examples(numbers: np.ndarray, forms: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return vectors and targets (batch, time), cut to the longest of them."""
    ids, lengths = _names()
    targets = ids[numbers, forms][:, : int(lengths[numbers, forms].max())]
    return vector(numbers, forms == 1), targets


@torch.no_grad()
def _right(network: Speller, numbers: np.ndarray, forms: np.ndarray) -> np.ndarray:
    """Say of each number whether the whole name, written greedily, is right: bool (batch,)."""
    x, targets = _examples(numbers, forms)
    state, ids = network.start(x), torch.full((len(numbers), 1), _ID[START])
    right = torch.ones(len(numbers), dtype=torch.bool)
    for wanted in targets.T:
        logits, state = network(ids, state)
        ids = logits.argmax(dim=-1)
        right &= (ids[:, 0] == wanted) | (wanted < 0)
    return right.numpy()


@dataclass(frozen=True, eq=False)
class Written:
    """A name as it was written.

    Attributes:
        text: All letters but the end.
        read: (time,), what was read at each step: the start, then the letter written before.
        wrote: (time,), what was written; END where it ended by itself.
        probabilities: (time, letter), before each choice.
        states: (time + 1, unit), h, the first one made of the vector.
        ended: It ended by itself.
    """

    text: str
    read: tuple[str, ...]
    wrote: tuple[str, ...]
    probabilities: np.ndarray
    states: np.ndarray
    ended: bool


@torch.no_grad()
def write(network: Speller, number: int, form: str, temperature: float = 0.0, seed: int = 0) -> Written:
    """Let the network write a number's name.

    Args:
        network: A `Speller`.
        number: From 0 to 999.
        form: One of `FORMS`.
        temperature: Divides the logits; 0 always takes the likeliest letter.
        seed: Of the draw.
    """
    state = network.start(vector(np.array([number]), np.array([form == "ordinal"])))
    generator = torch.Generator().manual_seed(seed)
    read, wrote, chances, states = [START], [], [], [state[0][0, 0].numpy()]
    while len(wrote) < LONGEST and (not wrote or wrote[-1] != END):
        logits, state = network(torch.tensor([[_ID[read[-1]]]]), state)
        chance = torch.softmax(logits[0, -1].double() / (temperature or 1), dim=-1)
        drawn = chance.argmax() if not temperature else torch.multinomial(chance, 1, generator=generator)
        wrote.append(ALPHABET[int(drawn)])
        chances.append(chance.numpy())
        states.append(state[0][0, 0].numpy())
        read.append(wrote[-1])
    ended = wrote[-1] == END
    text = "".join(wrote[:-1] if ended else wrote)
    return Written(text, tuple(read[:-1]), tuple(wrote), np.stack(chances), np.stack(states), ended)


@torch.no_grad()
def places(network: Speller, number: int, form: str) -> dict[str, tuple[int, ...]]:
    """Write one letter and return the shape at each arrow, as `lesson.shapes.places` names them."""
    x = vector(np.array([number]), np.array([form == "ordinal"]))
    start = network.start(x)
    read = network.embedding(torch.tensor([[_ID[START]]]))
    out, (hidden, cell) = network.recurrent(read, start)
    found = {"x_t": x, "first": start[0][0], "fed": read[:, 0], "out_t": out[:, 0], "y_t": network.head(out)[:, 0]}
    return {name: tuple(part.shape) for name, part in (found | {"h": hidden[0], "c": cell[0]}).items()}


class _Numbers(Task):
    name = "numbers"
    title = "One number, many letters"
    recipe = Recipe(updates=1200, batch_size=32, learning_rate=5e-3)
    data = (
        f"Numbers from 0 to {LAST:,} and their English names, cardinal and ordinal, made by a rule; {TESTED:,} numbers "
        f"are held out for the test and {VALIDATED} for validation."
    )
    measure = "names without a wrong letter, of numbers held out of training"

    def network(self) -> Speller:
        return Speller()

    def loss(self, network: Speller, generator: torch.Generator, batch_size: int) -> Tensor:
        train = _parts()["train"]
        numbers = train[torch.randint(len(train), (batch_size,), generator=generator).numpy()]
        x, targets = _examples(numbers, torch.randint(len(FORMS), (batch_size,), generator=generator).numpy())
        read = torch.cat([torch.full((batch_size, 1), _ID[START]), targets[:, :-1].clamp(min=0)], dim=1)
        logits, _ = network(read, network.start(x))
        return cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)

    def validate(self, network: Speller) -> dict[str, float]:
        numbers = np.repeat(_parts()["validation"], len(FORMS))
        return {"names": float(_right(network, numbers, np.arange(len(numbers)) % len(FORMS)).mean())}

    def score(self, network: Speller) -> dict[str, Any]:
        numbers = _parts()["test"]
        found, right, tested = {}, 0, 0
        for i, form in enumerate(FORMS):
            good = _right(network, numbers, np.full(len(numbers), i))
            found[form] = interval(int(good.sum()), len(good))
            right, tested = right + int(good.sum()), tested + len(good)
        return {**interval(right, tested), "by_form": found}


TASK = _Numbers()

"""Many to many with encoder and decoder: dates as people write them into ISO form; one state is all that passes."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rnnviz.errors import TextError
from rnnviz.lesson.little import Recipe, Task, interval

FIRST, DAYS = datetime.date(1930, 1, 1), 36_525
"""A hundred years, so that two digits name a year: 30 to 99 are 19.., 00 to 29 are 20..."""
UNITS, EMBEDDING = 128, 32
TESTED, VALIDATED = 3_000, 200
"""Dates held out of training in every form."""
OUT = (*"0123456789-", "\u25b7")
START = len(OUT) - 1
OUTPUTS = 10
"""Characters of an ISO date."""

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _ending(day: int) -> str:
    return "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _parts_of(date: datetime.date) -> dict[str, Any]:
    month = _MONTHS[date.month - 1]
    return {
        "d": date.day,
        "e": _ending(date.day),
        "m": date.month,
        "month": month,
        "mon": month[:3],
        "y": date.year,
        "yy": f"{date.year % 100:02d}",
        "day": _WEEKDAYS[date.weekday()],
    }


FORMS = {
    "12 March 2021": "{d} {month} {y}",
    "March 12, 2021": "{month} {d}, {y}",
    "12th of March 2021": "{d}{e} of {month} {y}",
    "March 12th, 2021": "{month} {d}{e}, {y}",
    "12 Mar 21": "{d} {mon} {yy}",
    "Mar 12 2021": "{mon} {d} {y}",
    "Friday, 12 March 2021": "{day}, {d} {month} {y}",
    "12.3.2021": "{d}.{m}.{y}",
    "3/12/21": "{m}/{d}/{yy}",
    "3/12/2021": "{m}/{d}/{y}",
}
"""An example -> how it is written; with slashes the month comes first, with dots the day."""
_LETTERS = "0123456789 ,./abcdefghijklmnopqrstuvwxyz"
PADDING, STRANGE = 0, 1
VOCABULARY = len(_LETTERS) + 2
_ID = {c: i + 2 for i, c in enumerate(_LETTERS)}
MOST = 32
"""Characters that are read."""


def written(date: datetime.date, form: str) -> str:
    """Return a date in one of `FORMS`, in small letters."""
    return FORMS[form].format(**_parts_of(date))


def encode(text: str) -> list[int]:
    """Return the ids of a text's characters; those that no form has share one.

    Raises:
        TextError: It is empty, or longer than `MOST`.
    """
    text = text.strip().lower()
    if not text:
        raise TextError("There is no date yet: type one, such as 12th of March 2021.")
    if len(text) > MOST:
        raise TextError(f"The date has {len(text):,} characters: {MOST} at most are read here.")
    return [_ID.get(c, STRANGE) for c in text]


State = tuple[Tensor, Tensor]


class Translator(nn.Module):
    """An LSTM reads, another one writes; the second begins with the first one's last state and gets nothing else.

    The encoder has no biases, and padding is a vector of zeros: over padding at the start its state stays exactly zero.
    What biases would do, an input that is 1 at every real character does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reading = nn.Embedding(VOCABULARY, EMBEDDING)
        self.encoder = nn.LSTM(EMBEDDING + 1, UNITS, bias=False, batch_first=True)
        self.writing = nn.Embedding(len(OUT), EMBEDDING)
        self.decoder = nn.LSTM(EMBEDDING, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS, len(OUT) - 1)

    def encode(self, ids: Tensor) -> State:
        """Read ids (batch, time), padded at the start, and return the last h and c: (1, batch, unit) each."""
        return self.states(ids)[1]

    def inputs(self, ids: Tensor) -> Tensor:
        """Return what the encoder reads: each character's vector and a 1, zeros for padding."""
        real = (ids != PADDING).float()[..., None]
        return torch.cat([self.reading(ids) * real, real], dim=-1)

    def states(self, ids: Tensor) -> tuple[Tensor, State]:
        """Return all h of the encoder (batch, time, unit), and its last state."""
        return self.encoder(self.inputs(ids))

    def decode(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the logits (batch, time, character) after each character read, and the last state."""
        hidden, state = self.decoder(self.writing(ids), state)
        return self.head(hidden), state


@cache
def _parts() -> dict[str, np.ndarray]:
    order = np.random.default_rng(0).permutation(DAYS)
    return dict(zip(("test", "validation", "train"), np.split(order, [TESTED, TESTED + VALIDATED]), strict=True))


@cache
def _held_out() -> frozenset[int]:
    return frozenset(np.concatenate([_parts()["test"], _parts()["validation"]]).tolist())


def held_out(date: datetime.date) -> bool:
    """Say whether a date of the hundred years was kept out of training."""
    return (date - FIRST).days in _held_out()


def _examples(days: np.ndarray, forms: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return what is read, padded at the start (batch, time), and the ISO dates (batch, `OUTPUTS`)."""
    names = list(FORMS)
    dates = [FIRST + datetime.timedelta(days=int(day)) for day in days]
    rows = [encode(written(date, names[form])) for date, form in zip(dates, forms.tolist(), strict=True)]
    longest = max(map(len, rows))
    ids = torch.tensor([[PADDING] * (longest - len(row)) + row for row in rows])
    return ids, torch.tensor([[OUT.index(c) for c in date.isoformat()] for date in dates])


def shifted(targets: Tensor) -> Tensor:
    """Return what the decoder reads under teacher forcing: the start, then the right character before each."""
    return torch.cat([torch.full_like(targets[:, :1], START), targets[:, :-1]], dim=1)


@torch.no_grad()
def _greedy(network: Translator, ids: Tensor) -> Tensor:
    """Return the dates written, each step reading what was written before: (batch, `OUTPUTS`)."""
    state, last, wrote = network.encode(ids), torch.full((len(ids), 1), START), []
    for _ in range(OUTPUTS):
        logits, state = network.decode(last, state)
        last = logits.argmax(dim=-1)
        wrote.append(last)
    return torch.cat(wrote, dim=1)


@dataclass(frozen=True, eq=False)
class Translated:
    """A date as it was read and written.

    Attributes:
        wrote: What the decoder wrote, `OUTPUTS` characters.
        read: (time,), what it read at each step.
        given: How many of the first characters were given to it.
        probabilities: (time, character), of `OUT` without the start.
        encoder: (time, unit), the encoder's h after each character.
        decoder: (time, unit), the decoder's h after each step.
        passed: The h and c that were passed on, (unit,) each.
    """

    wrote: str
    read: tuple[str, ...]
    given: int
    probabilities: np.ndarray
    encoder: np.ndarray
    decoder: np.ndarray
    passed: tuple[np.ndarray, np.ndarray]


@torch.no_grad()
def translate(network: Translator, text: str, given: str = "", keep: tuple[bool, bool] = (True, True)) -> Translated:
    """Translate one date, each step taking the likeliest character.

    Args:
        network: A `Translator`.
        text: The date, in any form.
        given: What the answer begins with, whatever the network would write.
        keep: Whether h and c pass from the encoder to the decoder; what does not is zero.

    Raises:
        TextError: The date is empty or too long, or `given` holds what no ISO date does.
    """
    if len(given) >= OUTPUTS or any(c not in OUT[:START] for c in given):
        raise TextError(f"An answer begins with at most {OUTPUTS - 1} digits and hyphens.")
    hidden, state = network.states(torch.tensor([encode(text)]))
    state = tuple(part if kept else torch.zeros_like(part) for part, kept in zip(state, keep, strict=True))
    passed, last = tuple(part[0, 0].numpy() for part in state), START
    read, wrote, chances, decoder = [], [], [], []
    for step in range(OUTPUTS):
        logits, state = network.decode(torch.tensor([[last]]), state)
        read.append(OUT[last])
        chances.append(torch.softmax(logits[0, -1].double(), dim=-1).numpy())
        decoder.append(state[0][0, 0].numpy())
        last = OUT.index(given[step]) if step < len(given) else int(logits[0, -1].argmax())
        wrote.append(OUT[last])
    arrays = (np.stack(chances), hidden[0].numpy(), np.stack(decoder))
    return Translated("".join(wrote), tuple(read), len(given), *arrays, passed)


@torch.no_grad()
def places(network: Translator, text: str) -> dict[str, tuple[int, ...]]:
    """Read a date, write a character, and return the shape at each arrow, as `lesson.shapes.places` names them.

    Raises:
        TextError: The date is empty or too long.
    """
    ids = torch.tensor([encode(text)])
    x = network.inputs(ids)
    out, (hidden, cell) = network.encoder(x)
    fed = network.writing(torch.tensor([[START]]))
    wrote, (dec_h, dec_c) = network.decoder(fed, (hidden, cell))
    found = {"x": x, "x_t": x[:, 0], "h": hidden[0], "c": cell[0], "out_t": out[:, 0], "final": hidden[0]}
    found |= {"passed_h": hidden[0], "passed_c": cell[0], "fed": fed[:, 0], "dec_h": dec_h[0], "dec_c": dec_c[0]}
    found |= {"dec_t": wrote[:, 0], "y_t": network.head(wrote)[:, 0]}
    return {name: tuple(part.shape) for name, part in found.items()}


class _Dates(Task):
    name = "dates"
    title = "A date into ISO form"
    recipe = Recipe(updates=800, batch_size=64, learning_rate=3e-3)
    data = (
        f"All days from {FIRST} on for a hundred years, each in {len(FORMS)} forms, made by a rule; {TESTED:,} days "
        f"are held out for the test and {VALIDATED} for validation."
    )
    measure = "dates without a wrong character, of days held out of training"

    def network(self) -> Translator:
        return Translator()

    def loss(self, network: Translator, generator: torch.Generator, batch_size: int) -> Tensor:
        train = _parts()["train"]
        days = train[torch.randint(len(train), (batch_size,), generator=generator).numpy()]
        forms = torch.randint(len(FORMS), (batch_size,), generator=generator).numpy()
        ids, targets = _examples(days, forms)
        logits, _ = network.decode(shifted(targets), network.encode(ids))
        return cross_entropy(logits.flatten(0, 1), targets.flatten())

    def validate(self, network: Translator) -> dict[str, float]:
        days = _parts()["validation"]
        ids, targets = _examples(days, np.arange(len(days)) % len(FORMS))
        return {"dates": float((_greedy(network, ids) == targets).all(dim=1).float().mean())}

    def score(self, network: Translator, days: int = TESTED) -> dict[str, Any]:
        """Return the card's figures: each of the test's days in every form.

        Args:
            network: A `Translator`.
            days: How many of them.
        """
        by_form, by_length, letters, forced = {}, {}, [], []
        for i, form in enumerate(FORMS):
            ids, targets = _examples(_parts()["test"][:days], np.full(days, i))
            wrote = _greedy(network, ids)
            right = (wrote == targets).all(dim=1)
            letters.append((wrote == targets).float().mean())
            with torch.no_grad():
                logits, _ = network.decode(shifted(targets), network.encode(ids))
            forced.append((logits.argmax(dim=-1) == targets).float().mean())
            by_form[form] = interval(int(right.sum()), days)
            for length, good in zip((ids != PADDING).sum(dim=1).tolist(), right.tolist(), strict=True):
                counts = by_length.setdefault(length, [0, 0])
                counts[0], counts[1] = counts[0] + good, counts[1] + 1
        whole = [sum(one[key] for one in by_form.values()) for key in ("right", "tested")]
        return {
            **interval(*whole),
            "by_form": by_form,
            "by_length": {str(length): interval(*by_length[length]) for length in sorted(by_length)},
            "characters_by_itself": float(torch.stack(letters).mean()),
            "characters_forced": float(torch.stack(forced).mean()),
        }


TASK = _Dates()

"""A function of a state and an input folded over a sequence, from a running sum to a real cell; it draws nothing.

The same few lines run everything here: the state starts somewhere, and each input makes a new one of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rnnviz.errors import TextError

MOST_STEPS = 500
"""Steps of a sequence that the pages unroll."""
_LARGEST = 1e6
_PIECES = re.compile(r"[\s,;]+")

State = tuple[float, ...]


@dataclass(frozen=True)
class Fold:
    """A cell so small that it has no weights.

    Attributes:
        label: What people call it.
        reads: What a sequence is of, "numbers" or "characters".
        names: The states' names.
        initial: The state before the first input.
        step: (state, input, letter asked for) -> next state.
        output: State -> what the cell shows.
        told: (state before, input, state after) -> the step in numbers, for people to read.
        program: The cell as lines of Python.
    """

    label: str
    reads: str
    names: tuple[str, ...]
    initial: State
    step: Callable[[State, float | str, str], State]
    output: Callable[[State], float]
    told: Callable[[State, float | str, State], str]
    program: tuple[str, ...]


def _short(number: float) -> str:
    if math.isinf(number):
        return "\u221e" if number > 0 else "\u2212\u221e"
    return f"{number:.4g}".replace("-", "\u2212")


def _count_words(state: State, x: float | str, letter: str) -> State:
    inside = float(not str(x).isspace())
    return state[0] + (inside > state[1]), inside


FOLDS: dict[str, Fold] = {
    "sum": Fold(
        "running sum",
        "numbers",
        ("state",),
        (0.0,),
        lambda s, x, _: (s[0] + float(x),),
        lambda s: s[0],
        lambda s, x, new: f"{_short(s[0])} + {_short(float(x))}",
        ("def cell(x, state):", "    state = state + x", "    return state, state"),
    ),
    "letter": Fold(
        "count of a letter",
        "characters",
        ("state",),
        (0.0,),
        lambda s, x, letter: (s[0] + (str(x).lower() == letter.lower()),),
        lambda s: s[0],
        lambda s, x, new: f"{_short(s[0])} + {_short(new[0] - s[0])}",
        ("def cell(x, state):", "    state = state + (x.lower() == letter.lower())", "    return state, state"),
    ),
    "words": Fold(
        "count of words",
        "characters",
        ("count", "inside"),
        (0.0, 0.0),
        _count_words,
        lambda s: s[0],
        lambda s, x, new: "a word begins" if new[0] > s[0] else ("in a word" if new[1] else "between words"),
        (
            "def cell(x, state):",
            "    count, inside = state",
            "    if not x.isspace() and not inside: count = count + 1",
            "    inside = not x.isspace()",
            "    return count, (count, inside)",
        ),
    ),
    "largest": Fold(
        "running maximum",
        "numbers",
        ("state",),
        (-math.inf,),
        lambda s, x, _: (max(s[0], float(x)),),
        lambda s: s[0],
        lambda s, x, new: f"max({_short(s[0])}, {_short(float(x))})",
        ("def cell(x, state):", "    state = max(state, x)", "    return state, state"),
    ),
    "mean": Fold(
        "running mean",
        "numbers",
        ("total", "count"),
        (0.0, 0.0),
        lambda s, x, _: (s[0] + float(x), s[1] + 1),
        lambda s: s[0] / s[1],
        lambda s, x, new: f"{_short(new[0])} / {_short(new[1])}",
        (
            "def cell(x, state):",
            "    total, count = state",
            "    total, count = total + x, count + 1",
            "    return total / count, (total, count)",
        ),
    ),
}
"""Name -> cell, the simplest first."""


@dataclass(frozen=True, eq=False)
class FoldRun:
    """A cell without weights run over a sequence.

    Attributes:
        tokens: (time,), the inputs as they are shown.
        states: float64 (time + 1, state), the first row before any input.
        outputs: float64 (time,).
        told: (time,), each step in numbers.
    """

    tokens: tuple[str, ...]
    states: np.ndarray
    outputs: np.ndarray
    told: tuple[str, ...]


def fold(name: str, inputs: Sequence[float | str], letter: str = "e") -> FoldRun:
    """Fold a cell over a sequence: the loop that every recurrent layer hides.

    Args:
        name: A key of `FOLDS`.
        inputs: Numbers or characters, as the cell reads them.
        letter: The letter that "letter" counts.

    Returns:
        The state before the first and after every input, and every output.
    """
    cell = FOLDS[name]
    state, states, outputs, told = cell.initial, [cell.initial], [], []
    for x in inputs:
        before, state = state, cell.step(state, x, letter)
        states.append(state)
        outputs.append(cell.output(state))
        told.append(cell.told(before, x, state))
    tokens = tuple(x if isinstance(x, str) else _short(x) for x in inputs)
    return FoldRun(tokens, np.array(states, dtype=float), np.array(outputs, dtype=float), tuple(told))


def numbers(text: str) -> list[float]:
    """Return the numbers of a text, parted by white space, commas or semicolons.

    Raises:
        TextError: There is none, too many, or a piece is no number of reasonable size.
    """
    pieces = [piece for piece in _PIECES.split(text.replace("\u2212", "-")) if piece]
    if not pieces:
        raise TextError("There is no number here: type some, as in 3 1 4.")
    found = []
    for place, piece in enumerate(pieces[:MOST_STEPS], start=1):
        try:
            number = float(piece)
        except ValueError:
            number = math.nan
        if not abs(number) <= _LARGEST:
            raise TextError(
                f"Piece {place} is no number between \u22121,000,000 and 1,000,000: type numbers, as in 3 1 4."
            )
        found.append(number)
    return found


def words(text: str) -> list[str]:
    """Return the words of a text, parted by white space.

    Raises:
        TextError: There is none.
    """
    found = text.split()
    if not found:
        raise TextError("The text is empty: type a few words for the network to read.")
    return found


def characters(text: str) -> list[str]:
    """Return the characters of a text, at most `MOST_STEPS`.

    Raises:
        TextError: There is nothing but white space.
    """
    if not text.strip():
        raise TextError("The text is empty: type a few words to be read letter by letter.")
    return list(text[:MOST_STEPS])


def round_up(largest: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50, ... that is not below a size: the end of a colour scale."""
    if not math.isfinite(largest) or largest <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= largest * (1 - 1e-12))

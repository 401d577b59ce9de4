"""Questions with answers that the program checks; it knows nothing of how they are shown."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        key: Its own among all questions of the app, as in "order-bag".
        prompt: Markdown.
        explanation: Markdown, shown with the right answer.
    """

    key: str
    prompt: str
    explanation: str

    @property
    def digest(self) -> str:
        """What tells this question from an earlier one of the same key, whose numbers were others."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    def judge(self, answer: object) -> bool:
        """Return whether an answer is right; what is no answer at all is not."""
        raise NotImplementedError

    @property
    def answer(self) -> str:
        """The right answer in words, Markdown."""
        raise NotImplementedError


@dataclass(frozen=True)
class Choice(Question):
    """One of several options is right.

    Attributes:
        options: Markdown, all different.
        right: The place of the right one.

    Raises:
        ValueError: Options are alike, or `right` is none of them.
    """

    options: tuple[str, ...]
    right: int

    def __post_init__(self) -> None:
        _check(self.options, (self.right,))

    def judge(self, answer: object) -> bool:
        """Return whether the answer is the place of the right option."""
        return answer == self.right

    @property
    def answer(self) -> str:
        """The right option."""
        return self.options[self.right]


@dataclass(frozen=True)
class Picture(Choice):
    """One of several pictures is right; `options` name them in words, for those who cannot see them."""


@dataclass(frozen=True)
class Several(Question):
    """Some of the options are right, none or all of them perhaps.

    Attributes:
        options: Markdown, all different.
        right: The places of the right ones.

    Raises:
        ValueError: Options are alike, or `right` names what is none of them.
    """

    options: tuple[str, ...]
    right: tuple[int, ...]

    def __post_init__(self) -> None:
        _check(self.options, self.right)

    def judge(self, answer: object) -> bool:
        """Return whether the answer holds the places of the right options and no others."""
        return isinstance(answer, (list, tuple)) and sorted(answer) == sorted(self.right)

    @property
    def answer(self) -> str:
        """The right options."""
        return "; ".join(self.options[i] for i in sorted(self.right)) or "none of them"


@dataclass(frozen=True)
class Number(Question):
    """A number is asked for.

    Attributes:
        right: The number.
        tolerance: How far off an answer may be.
        unit: As shown after it.

    Raises:
        ValueError: The number or the tolerance is not finite, or the tolerance is below zero.
    """

    right: float
    tolerance: float = 0.0
    unit: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.right) and math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(f"{self.key}: expected finite numbers and no tolerance below zero, got {self}")

    def judge(self, answer: object) -> bool:
        """Return whether a number is near enough."""
        if isinstance(answer, bool) or not isinstance(answer, (int, float)):
            return False
        return abs(answer - self.right) <= self.tolerance + 1e-9 * abs(self.right)

    @property
    def answer(self) -> str:
        """The number, with its unit."""
        return f"{self.right:,.6g} {self.unit}".strip()


@dataclass(frozen=True)
class Order(Question):
    """Things are to be put in order.

    Attributes:
        items: Markdown, all different, in the right order.

    Raises:
        ValueError: Items are alike, or there are fewer than two.
    """

    items: tuple[str, ...]

    def __post_init__(self) -> None:
        _check(self.items, ())

    @property
    def shuffled(self) -> tuple[str, ...]:
        """The items in an order that gives nothing away and is always the same."""

        def place(item: str) -> bytes:
            return hashlib.sha256(f"{self.key} {item}".encode()).digest()

        found = tuple(sorted(self.items, key=place))
        return found if found != self.items else (*found[1:], found[0])

    def judge(self, answer: object) -> bool:
        """Return whether the answer holds all items in the right order."""
        return isinstance(answer, (list, tuple)) and tuple(answer) == self.items

    @property
    def answer(self) -> str:
        """The items in order."""
        return " \u2192 ".join(self.items)


def _check(options: Sequence[str], right: Sequence[int]) -> None:
    if len(options) < 2 or len(set(options)) < len(options):
        raise ValueError(f"expected at least two options, all different, got {options}")
    if len(set(right)) < len(right) or not all(0 <= place < len(options) for place in right):
        raise ValueError(f"right: expected places from 0 to {len(options) - 1}, got {right}")

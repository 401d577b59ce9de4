"""A page's state, and what a teacher adds to it, as a short text that fits in a link.

It knows nothing of where it is shown. Links are not trusted: sizes, depths and types are checked before their use.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rnnviz.charts.text import as_text
from rnnviz.errors import LinkError
from rnnviz.lesson.questions import Choice, Number, Question, Several

VERSION = 1
LONGEST = 8_000
"""Characters of a link, address and all: nginx and Apache refuse a request line of more than about 8,190 bytes."""
PARTS = ("text", "model")
"""What a teacher can freeze."""

_UNFOLDED = 400_000
"""Bytes that a link may unfold to."""
_DEEPEST, _MOST_VALUES, _LARGEST = 6, 5_000, 2**53
_LONGEST_TOLD, _MOST_ANSWERS = 2_000, 12
_PAGES = {
    "neurons": (),
    "gradients": ("keep_gradient_",),
    "sentiment": (
        *("keep_sentiment_", "keep_review", "keep_units_", "keep_pair_", "keep_padding_", "keep_path_"),
        *("keep_ladder_", "keep_models_"),
    ),
    "training": ("keep_training_", "keep_bptt_"),
}
"""A page's address -> how the keys of its state begin; of all others, with the address itself."""
_NEVER = ("keep_review_picked",)
"""What came out of a data set with its true label, which no link can vouch for."""
_NUMBER = r"[-+\u2212]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_TOLERANT = re.compile(rf"({_NUMBER})(?:\s*(?:\u00b1|\+/-|\+-)\s*({_NUMBER}))?")
_LINKED = re.compile(r"(?<=[:@])(?=\S)|(?<=www)(?=\.)")


@dataclass(frozen=True)
class Asked:
    """A question of the teacher's own, as typed.

    Attributes:
        prompt: Plain text.
        answers: Options, one a line, right ones with a * before them; or one line with a number, as in "3.5 ± 0.1".
        explanation: Plain text.
    """

    prompt: str
    answers: str
    explanation: str = ""


@dataclass(frozen=True)
class Shared:
    """What a link holds.

    Attributes:
        page: The page's address.
        state: Session values of that page, by key.
        hidden: Whether its controls are hidden.
        frozen: Which of `PARTS` cannot be changed.
        asked: A question of the teacher's own, or None.
        projector: Whether it opens in large type.
    """

    page: str
    state: Mapping[str, Any] = field(default_factory=dict)
    hidden: bool = False
    frozen: tuple[str, ...] = ()
    asked: Asked | None = None
    projector: bool = False

    @property
    def plain(self) -> bool:
        """Whether it holds nothing but the page's address."""
        return self == Shared(self.page)


def is_of(key: str, page: str) -> bool:
    """Return whether a session key belongs to a page's state."""
    return key.startswith(prefixes(page)) and key not in _NEVER


def prefixes(page: str) -> tuple[str, ...]:
    """Return how the keys of a page's state begin."""
    return _PAGES.get(page, (f"keep_{page}_",))


def state_of(page: str, session: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a session is a page's state and can go into a link: JSON alone."""
    found = sorted(key for key in session if isinstance(key, str) and is_of(key, page))
    return {key: session[key] for key in found if _is_plain(session[key], _DEEPEST - 1)}


def pack(shared: Shared) -> str:
    """Return what is shared as letters, digits, "-" and "_".

    Raises:
        LinkError: It is too long for a link.
    """
    told: dict[str, Any] = {"v": VERSION, "page": shared.page, "state": dict(shared.state)}
    if shared.hidden:
        told["hide"] = True
    if shared.frozen:
        told["freeze"] = list(shared.frozen)
    if shared.asked is not None:
        told["ask"] = [shared.asked.prompt, shared.asked.answers, shared.asked.explanation]
    if shared.projector:
        told["projector"] = True
    text = json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    data = text.encode("utf-8", "replace")
    packed = base64.urlsafe_b64encode(zlib.compress(data, 9)).decode().rstrip("=")
    if len(packed) > LONGEST or len(data) > _UNFOLDED:
        raise LinkError(f"The page holds too much for a link of {LONGEST:,} characters: shorten its texts.")
    return packed


def unpack(text: str, page: str) -> Shared:
    """Return what a link holds.

    Args:
        text: What `pack` returned, or what someone made up.
        page: The address of the page that was opened with it.

    Raises:
        LinkError: It is too long, damaged, of another version, of another page, or not made by `pack`.
    """
    told = _unfolded(text)
    if told.get("v") != VERSION:
        raise LinkError("The link was made by another version of this app, so the page opens as it is.")
    if told.get("page") != page:
        raise LinkError("The link belongs to another page, so this one opens as it is.")
    state, frozen = told.get("state", {}), told.get("freeze", [])
    if not isinstance(state, dict) or not isinstance(frozen, list):
        raise _damaged()
    return Shared(
        page,
        {key: value for key, value in state.items() if is_of(key, page)},
        told.get("hide") is True,
        tuple(part for part in PARTS if part in frozen),
        _asked(told.get("ask")),
        told.get("projector") is True,
    )


def _damaged() -> LinkError:
    return LinkError("The link is damaged or was cut off, so the page opens as it is.")


def _unfolded(text: str) -> dict[str, Any]:
    """Return the JSON object in a link, no larger and no deeper than it may be."""
    if len(text) > LONGEST:
        raise LinkError(f"The link is longer than {LONGEST:,} characters, so the page opens as it is.")
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        unfolder = zlib.decompressobj()
        data = unfolder.decompress(packed, _UNFOLDED)
        if not unfolder.eof:
            raise _damaged()
        told = json.loads(data.decode("utf-8"))
    except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
        raise _damaged() from error
    if not isinstance(told, dict) or not _is_plain(told, _DEEPEST) or _count(told) > _MOST_VALUES:
        raise _damaged()
    return told


def _is_plain(value: object, depth: int) -> bool:
    """Return whether a value is JSON of finite numbers and whole text, not deeper than so many levels."""
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, str):
        return not any("\ud800" <= c <= "\udfff" for c in value)
    if type(value) in (int, float):
        return math.isfinite(value) and abs(value) <= _LARGEST if isinstance(value, int) else math.isfinite(value)
    if type(value) is list:
        return depth > 0 and all(_is_plain(one, depth - 1) for one in value)
    if type(value) is dict:
        return depth > 0 and all(
            type(key) is str and _is_plain(key, 0) and _is_plain(one, depth - 1) for key, one in value.items()
        )
    return False


def _count(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + sum(map(_count, value)) if isinstance(value, list) else 1


def _asked(told: object) -> Asked | None:
    """Return the teacher's question; one that cannot be asked counts as damage."""
    if told is None:
        return None
    if not isinstance(told, list) or len(told) != 3 or not all(isinstance(part, str) for part in told):
        raise _damaged()
    asked = Asked(*told)
    question_of(asked)
    return asked


def question_of(asked: Asked) -> Question:
    """Return a teacher's question as the lesson's own are, all of its text shown as it is typed.

    Args:
        asked: As typed.

    Returns:
        A `Number` where the answers are a single number, a `Choice` where one option is marked, else a `Several`.

    Raises:
        LinkError: The question or its answers cannot be used; the sentence says why.
    """
    for name, text in (("question", asked.prompt), ("answers", asked.answers), ("explanation", asked.explanation)):
        if len(text) > _LONGEST_TOLD:
            raise LinkError(f"The {name} must not be longer than {_LONGEST_TOLD:,} characters.")
    if not asked.prompt.strip():
        raise LinkError("The question is empty: type what you want to ask.")
    lines = [line.strip() for line in asked.answers.splitlines() if line.strip()]
    said = {"key": "shared", "prompt": _as_typed(asked.prompt), "explanation": _as_typed(asked.explanation)}
    if len(lines) == 1:
        return _number(lines[0], said)
    marked = [line.startswith("*") for line in lines]
    options = tuple(_as_typed(line.removeprefix("*")) for line in lines)
    if not 2 <= len(options) <= _MOST_ANSWERS or "" in options or len(set(options)) < len(options):
        raise LinkError(f"Give a number, or from 2 to {_MOST_ANSWERS} answers, one a line, all different.")
    if not any(marked):
        raise LinkError("Put a * before each right answer.")
    right = tuple(place for place, mark in enumerate(marked) if mark)
    if len(right) == 1:
        return Choice(**said, options=options, right=right[0])
    return Several(**said, options=options, right=right)


def _number(line: str, said: dict[str, str]) -> Number:
    found = _TOLERANT.fullmatch(line.removeprefix("*").strip())
    if not found:
        raise LinkError("A single answer must be a number, as in 3.5 or 3.5 \u00b1 0.1; else give an answer a line.")
    right, tolerance = (float((part or "0").replace("\u2212", "-")) for part in found.groups())
    if not (math.isfinite(right) and math.isfinite(tolerance)) or tolerance < 0:
        raise LinkError("The number and its tolerance must be finite, the tolerance not below zero.")
    return Number(**said, right=right, tolerance=tolerance)


def _as_typed(text: str) -> str:
    """Return text as Markdown that shows it as it is on one line: no markup, no links, no signs for pictures."""
    return as_text(_LINKED.sub("\u2060", " ".join(text.split())))

"""A live request: what a browser sent, checked field by field before anything is done with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from rnnviz import checkpoints
from rnnviz.checkpoints import Model
from rnnviz.config import LONGEST
from rnnviz.errors import RequestError, TextError
from rnnviz.live.clamps import Clamp
from rnnviz.text import CharTokenizer, read, spans

LONGEST_TEXT = 20_000
"""Most characters of a text that a request may carry."""

VARIANTS = ("model", "twin", "clamped")
_MOST_CLAMPS = 8


def listed_model(name: str) -> Model:
    """Return a model by its name among those on the list; a path is not a name.

    Raises:
        RequestError: There is none of this name.
        CheckpointError: It cannot be read.
    """
    if name not in checkpoints.models():
        raise RequestError(f"model: there is none called {name[:100]!r}.")
    return checkpoints.shared(name).with_states()


class Asked:
    """A request whose fields are read on demand.

    Every accessor raises `RequestError` with a sentence that names the field, what was expected and what came.
    """

    def __init__(self, raw: object, load: Callable[[str], Model] | None = None) -> None:
        if not isinstance(raw, Mapping):
            raise RequestError("A request must be a JSON object.")
        self.raw: Mapping[str, Any] = raw
        self._load = load or listed_model

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Return a whole number within bounds."""
        value = self.raw.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise RequestError(f"{name}: expected a whole number from {low} to {high}, got {str(value)[:50]!r}.")
        return value

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        """Return a finite number within bounds."""
        value = self.raw.get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:  # NaN is not
            raise RequestError(f"{name}: expected a number from {low:g} to {high:g}, got {str(value)[:50]!r}.")
        return float(value)

    def one_of(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        """Return one of some words."""
        value = self.raw.get(name, default)
        if not isinstance(value, str) or value not in choices:
            raise RequestError(f"{name}: expected one of {', '.join(choices)}, got {str(value)[:50]!r}.")
        return value

    @property
    def ask(self) -> str:
        """What is asked for."""
        return str(self.raw.get("ask"))

    @cached_property
    def model(self) -> Model:
        """The model."""
        name = self.raw.get("model")
        if not isinstance(name, str):
            raise RequestError("model: expected the name of one.")
        return self._load(name)

    @property
    def variant(self) -> str:
        """The model itself, its random twin, or the model with values held."""
        return self.one_of("variant", VARIANTS, "model")

    @cached_property
    def clamps(self) -> tuple[Clamp, ...]:
        """What is held; nothing unless the variant is "clamped" or an experiment is asked for."""
        listed = self.raw.get("clamps", [])
        if not isinstance(listed, list) or len(listed) > _MOST_CLAMPS:
            raise RequestError(f"clamps: expected a list of at most {_MOST_CLAMPS}.")
        if self.variant != "clamped" and self.ask != "experiment":
            return ()
        return tuple(self._clamp(Asked(one)) for one in listed)

    def _clamp(self, one: Asked) -> Clamp:
        config = self.model.config
        unit = None if one.raw.get("unit") is None else one.whole("unit", 0, config.hidden_size - 1)
        signal = one.one_of("signal", self.model.network.cell.signals)
        layer, first = one.whole("layer", 0, config.num_layers - 1), one.whole("first", 0, LONGEST, 0)
        return Clamp(layer, signal, unit, one.number("value", -1e4, 1e4), first)

    @property
    def text(self) -> str:
        """The whole text."""
        text = self.raw.get("text")
        if not isinstance(text, str):
            raise RequestError("text: expected a string.")
        if len(text) > LONGEST_TEXT:
            raise RequestError(f"The text has {len(text):,} characters; at most {LONGEST_TEXT:,} can be read.")
        if not text:
            raise TextError("The text is empty: type something to watch the network read it.")
        return text

    @cached_property
    def _ids_and_tokens(self) -> tuple[np.ndarray, list[str], int]:
        tokenizer = self.model.tokenizer
        if isinstance(tokenizer, CharTokenizer):
            return *read(tokenizer, self.text[:LONGEST]), len(self.text)
        ids, tokens = read(tokenizer, self.text)
        return ids[:LONGEST], tokens[:LONGEST], len(tokens)

    @property
    def ids(self) -> np.ndarray:
        """Ids of the tokens that are read: int64 (time,), at most `LONGEST`."""
        return self._ids_and_tokens[0]

    @property
    def tokens(self) -> list[str]:
        """The tokens that are read."""
        return self._ids_and_tokens[1]

    @property
    def count(self) -> int:
        """Tokens of the whole text, read or not."""
        return self._ids_and_tokens[2]

    @property
    def output(self) -> int:
        """The class of a classifier that is followed."""
        config = self.model.config
        if config.task != "classifier" or config.num_outputs < 2:
            raise RequestError(f"{self.model.name} has no two classes to choose from.")
        return self.whole("output", 0, config.num_outputs - 1)

    @property
    def read_text(self) -> str:
        """The part of the text that is read, such that reading it alone gives the same tokens."""
        if isinstance(self.model.tokenizer, CharTokenizer):
            return self.text[:LONGEST]
        if len(read(self.model.tokenizer, self.text)[1]) <= LONGEST:
            return self.text
        return self.text[: spans(self.text, self.tokens)[-1][1]]

    @property
    def unknown(self) -> np.ndarray:
        """Whether the model has never seen a token: uint8 (time,)."""
        tokenizer = self.model.tokenizer
        return (self.ids == (0 if isinstance(tokenizer, CharTokenizer) else 1)).astype(np.uint8)

    def words(self) -> dict[str, Any]:
        """Return the tokens and where they stand in the text, {} for characters, which stand where they stand."""
        if isinstance(self.model.tokenizer, CharTokenizer):
            return {}
        return {"tokens": self.tokens, "spans": spans(self.text, self.tokens)}

    @property
    def layer(self) -> int:
        """The layer."""
        return self.whole("layer", 0, self.model.config.num_layers - 1)

    def signal(self, known: Sequence[str]) -> str:
        """Return the signal's name."""
        return self.one_of("signal", known)

    def stretch(self) -> tuple[int, int]:
        """Return a stretch of the text's tokens, first and one after the last."""
        first = self.whole("first", 0, len(self.ids) - 1)
        return first, self.whole("last", first + 1, len(self.ids))

    def units(self, size: int) -> list[int]:
        """Return the units asked for, all of them where none is named."""
        listed = self.raw.get("units")
        if listed is None:
            return list(range(size))
        good = isinstance(listed, list) and 0 < len(listed) <= size
        if not good or not all(type(unit) is int and 0 <= unit < size for unit in listed):
            raise RequestError(f"units: expected a list of whole numbers from 0 to {size - 1}.")
        return listed

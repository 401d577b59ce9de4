"""Characters to ids: every Unicode code point is one token; those never seen in training share the id 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnnviz.errors import ConfigError, TextError

UNKNOWN = "\ufffd"
_CODE_POINTS = 0x110000


def _code_points(text: str) -> np.ndarray:
    """Return the text's Unicode code points, lone surrogates included, as uint32 (time,)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


class CharTokenizer:
    """The vocabulary of a character model: id 0 is "unknown", drawn as U+FFFD.

    Args:
        characters: The known characters, each a string of one code point, in the order of their ids from 1.

    Raises:
        ConfigError: A character is repeated, or is not one code point.
    """

    def __init__(self, characters: Sequence[str]) -> None:
        if any(not isinstance(c, str) or len(c) != 1 for c in characters):
            raise ConfigError("vocabulary: every entry of `characters` must be a single character.")
        if len(set(characters)) != len(characters) or UNKNOWN in characters:
            raise ConfigError("vocabulary: a character is listed twice.")
        self.vocabulary: tuple[str, ...] = (UNKNOWN, *characters)
        self._table = np.zeros(_CODE_POINTS, dtype=np.int16 if len(self.vocabulary) < 2**15 else np.int32)
        self._table[[ord(c) for c in characters]] = np.arange(1, len(self.vocabulary))

    @classmethod
    def fit(cls, text: str, min_count: int = 1) -> CharTokenizer:
        """Learn the characters that occur at least `min_count` times in `text`, most frequent first."""
        codes, counts = np.unique(_code_points(text), return_counts=True)
        counter = Counter({chr(code): int(n) for code, n in zip(codes, counts, strict=True) if n >= min_count})
        counter.pop(UNKNOWN, None)
        return cls([c for c, _ in sorted(counter.items(), key=lambda item: (-item[1], item[0]))])

    def __len__(self) -> int:
        return len(self.vocabulary)

    def tokens(self, text: str) -> list[str]:
        """Return the text's characters as typed, known or not."""
        return list(text)

    def encode(self, text: str) -> np.ndarray:
        """Return the ids of the text's characters.

        Args:
            text: Any Unicode string, of any length but zero.

        Returns:
            int64 (time,), one id a code point, 0 where the character is unknown.

        Raises:
            TextError: The text is empty.
        """
        if not text:
            raise TextError("The text is empty: type at least one character.")
        return self._table[_code_points(text)].astype(np.int64)

    def unknown(self, text: str) -> list[str]:
        """Return the characters of the text that the model has never seen, each once, in order of appearance."""
        return [c for c in dict.fromkeys(text) if not self._table[ord(c)]]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the ids; the unknown id gives U+FFFD."""
        return "".join(self.vocabulary[int(i)] for i in ids)

    def to_dict(self) -> dict[str, Any]:
        """Return the vocabulary as a dict that JSON can hold."""
        return {"kind": "character", "characters": list(self.vocabulary[1:])}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CharTokenizer:
        """Rebuild the tokenizer from `to_dict`'s output.

        Raises:
            ConfigError: The list of characters is missing or malformed.
        """
        characters = values.get("characters")
        if not isinstance(characters, list):
            raise ConfigError("vocabulary: a list `characters` is missing.")
        return cls(characters)

"""Text to token ids and back: one tokenizer for characters, one for words; they know nothing of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnviz.errors import ConfigError
from rnnviz.text.characters import CharTokenizer
from rnnviz.text.words import APOSTROPHES, HTML_TAG, WordTokenizer

Tokenizer = CharTokenizer | WordTokenizer

_NEAR, _TRIES = 1000, 50
"""Characters within which a token's place is looked for, and how many places are tried."""

_KINDS: dict[str, type[Tokenizer]] = {"character": CharTokenizer, "word": WordTokenizer}


def tokenizer_from_dict(values: Mapping[str, Any]) -> Tokenizer:
    """Rebuild a tokenizer from its `to_dict()`.

    Raises:
        ConfigError: The `kind` is neither "character" nor "word", or the rest does not fit it.
    """
    kind = values.get("kind") if isinstance(values, Mapping) else None
    if kind not in _KINDS:
        raise ConfigError(f"vocabulary: kind must be one of {', '.join(_KINDS)}, got {kind!r}.")
    return _KINDS[kind].from_dict(values)


def read(tokenizer: Tokenizer, text: str) -> tuple[np.ndarray, list[str]]:
    """Return the ids and tokens of a text that a network reads: padding is masked, it never reaches the network.

    Leaving a padded step out is the same as holding the state over it, at whichever end the padding is.

    Raises:
        TextError: There is no token in the text.
    """
    if isinstance(tokenizer, CharTokenizer):
        return tokenizer.encode(text), tokenizer.tokens(text)
    tokens = tokenizer.tokens(text)
    ids = tokenizer.ids(tokens)
    real = ids != tokenizer.padding_index
    return ids[real], [token for token, keep in zip(tokens, real, strict=True) if keep]


def spans(text: str, tokens: Sequence[str]) -> list[tuple[int, int]]:
    """Find where each token stands in the text it was made from.

    Tokens are looked for in turn, whatever their case; one that standardisation changed beyond that (an entity, a run
    of several words) gets an empty span where the last one ended.

    Returns:
        For each token its first code point and the one after its last.
    """
    flat = HTML_TAG.sub(lambda tag: " " * len(tag[0]), _flat(text))
    words = any(len(token) > 1 for token in tokens)
    found, at = [], 0
    for token in tokens:
        first = _place(flat, _flat(token), at, words) if token else -1
        found.append((first, first + len(token)) if first >= 0 else (at, at))
        at = max(at, found[-1][1])
    return found


def _flat(text: str) -> str:
    """Return a text in lower case, with plain apostrophes, of the same length."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return lower.translate(APOSTROPHES)


def _place(text: str, token: str, at: int, whole: bool) -> int:
    """Return where a token next stands, as a whole word if asked for, or -1."""
    last = at + len(token) + _NEAR
    for _ in range(_TRIES):
        place = text.find(token, at, last)
        if not whole or place < 0 or not _inside_a_word(text, place, place + len(token)):
            return place
        at = place + 1
    return -1


def _inside_a_word(text: str, first: int, last: int) -> bool:
    """Say whether letters go on without a break across either end of a stretch."""
    before, after = text[max(0, first - 1) : first + 1], text[last - 1 : last + 1]
    return (first > 0 and before.isalnum()) or (len(after) == 2 and after.isalnum())


def pad(rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pad rows of ids with 0 at the end to the longest of them.

    Args:
        rows: Each int64 (time,).

    Returns:
        int64 (row, longest time) and the true lengths, int64 (row,).
    """
    lengths = np.array([len(row) for row in rows])
    ids = np.zeros((len(rows), lengths.max()), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return ids, lengths


__all__ = ["CharTokenizer", "Tokenizer", "WordTokenizer", "pad", "read", "spans", "tokenizer_from_dict"]

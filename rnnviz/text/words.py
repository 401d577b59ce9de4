"""Words to ids, with the options of Keras' TextVectorization; id 0 is padding, id 1 an unknown word."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnnviz.errors import ConfigError, TextError

PADDING, UNKNOWN = "", "[UNK]"
STANDARDIZERS = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
SPLITS = ("whitespace", "character")
SIDES = ("post", "pre")

HTML_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(\s[^<>]{0,200})?/?>")
_ABSURD = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")
"""Entities beyond any character: their digits would only cost time."""

_JOINERS = "\u200d\ufe0e\ufe0f"
APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'"})


class _StripPunctuation(dict[int, str]):
    """A `str.translate` table: punctuation becomes a space, a pictograph, bare of its modifiers, a word of its own."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if character in _JOINERS or "\U0001f3fb" <= character <= "\U0001f3ff":
            self[code] = ""
        elif category == "So":
            self[code] = f" {character} "
        else:
            strip = category[0] in "PS" and character != "'"
            self[code] = " " if strip else character
        return self[code]


_STRIP = _StripPunctuation()


def _strip_punctuation(text: str) -> str:
    """Replace punctuation by spaces; an apostrophe stays inside a word, so "don't" remains one word."""
    words = text.translate(APOSTROPHES).translate(_STRIP).split()
    return " ".join(stripped for word in words if (stripped := word.strip("'")))


class WordTokenizer:
    """The vocabulary of a word model and the way from a text to its ids.

    Args:
        words: The known words in the order of their ids from 2 (0 is padding, 1 unknown).
        standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation", None, or a function str -> str
            (which cannot be saved). HTML tags become spaces before it; apostrophes inside words stay.
        split: "whitespace" or "character".
        ngrams: Longest run of tokens joined by spaces to a token of its own; all lengths from 1 on are
            made, shorter ones first. 1 for single words.
        output_sequence_length: Pad or cut every encoded text to this length, or None for its own length.
        padding: Side, "post" (end) or "pre" (start), where padding goes.
        truncating: Side, "post" or "pre", where too long a text is cut.

    Raises:
        ConfigError: An option is impossible, or a word is listed twice.
    """

    padding_index: int = 0

    def __init__(
        self,
        words: Sequence[str],
        *,
        standardize: str | Callable[[str], str] | None = "lower_and_strip_punctuation",
        split: str = "whitespace",
        ngrams: int = 1,
        output_sequence_length: int | None = None,
        padding: str = "post",
        truncating: str = "post",
    ) -> None:
        if not (standardize is None or callable(standardize) or standardize in STANDARDIZERS):
            raise ConfigError(f"standardize must be one of {', '.join(STANDARDIZERS)}, None or a function.")
        if split not in SPLITS:
            raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.")
        if padding not in SIDES or truncating not in SIDES:
            raise ConfigError('padding and truncating must be "post" (the end) or "pre" (the start).')
        for name, value in (("ngrams", ngrams), ("output_sequence_length", output_sequence_length)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ConfigError(f"{name} must be a whole number of at least 1, got {value!r}.")
        self.standardize, self.split, self.ngrams = standardize, split, ngrams
        self.output_sequence_length = output_sequence_length
        self.padding, self.truncating = padding, truncating
        self.vocabulary: tuple[str, ...] = (PADDING, UNKNOWN, *words)
        self._ids = {word: i for i, word in enumerate(self.vocabulary)}
        if len(self._ids) != len(self.vocabulary):
            raise ConfigError("vocabulary: a word is listed twice.")

    @classmethod
    def fit(cls, texts: Iterable[str], max_tokens: int | None = None, **options: Any) -> WordTokenizer:
        """Learn the vocabulary of `texts`, most frequent first, ties in alphabetical order.

        Args:
            texts: The training texts.
            max_tokens: Largest vocabulary, padding and unknown included; None for all.
            options: The keyword arguments of the class.

        Raises:
            ConfigError: `max_tokens` leaves no room for a word, or an option is impossible.
        """
        if max_tokens is not None and max_tokens < 3:
            raise ConfigError("max_tokens must be at least 3: padding, unknown and one word.")
        bare = cls([], **options)
        counts = Counter(token for text in texts for token in bare._split(text))
        for special in (PADDING, UNKNOWN):
            counts.pop(special, None)
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(ranked if max_tokens is None else ranked[: max_tokens - 2], **options)

    def __len__(self) -> int:
        return len(self.vocabulary)

    def _split(self, text: str) -> list[str]:
        text = html.unescape(_ABSURD.sub(" ", HTML_TAG.sub(" ", text)))
        if callable(self.standardize):
            text = self.standardize(text)
        elif self.standardize:
            text = text.lower() if "lower" in self.standardize else text
            text = _strip_punctuation(text) if "strip" in self.standardize else text
        tokens = text.split() if self.split == "whitespace" else list(text)
        runs = [" ".join(tokens[i : i + n]) for n in range(2, self.ngrams + 1) for i in range(len(tokens) - n + 1)]
        return tokens + runs

    def tokens(self, text: str) -> list[str]:
        """Return the text's tokens as the model will read them, unknown ones spelled out, padding as "".

        Raises:
            TextError: There is not a single token in the text.
        """
        tokens = self._split(text)
        if not tokens:
            raise TextError("There is no word in the text: type at least one.")
        length = self.output_sequence_length
        if length is None:
            return tokens
        tokens = tokens[:length] if self.truncating == "post" else tokens[-length:]
        pad = [PADDING] * (length - len(tokens))
        return tokens + pad if self.padding == "post" else pad + tokens

    def encode(self, text: str) -> np.ndarray:
        """Return the ids of the text's tokens: int64 (time,), 1 where a word is unknown, 0 for padding.

        Raises:
            TextError: There is not a single token in the text.
        """
        return self.ids(self.tokens(text))

    def ids(self, tokens: Sequence[str]) -> np.ndarray:
        """Return the ids of tokens that `tokens` made: int64 (time,), 1 where a word is unknown, 0 for padding."""
        return np.array([self._ids.get(token, 1) for token in tokens], dtype=np.int64)

    def unknown(self, text: str) -> list[str]:
        """Return the tokens of the text that are not in the vocabulary, each once, in order of appearance."""
        return [token for token in dict.fromkeys(self._split(text)) if token not in self._ids]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the words of the ids joined by spaces, padding left out."""
        return " ".join(self.vocabulary[int(i)] for i in ids if int(i) != 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the vocabulary and options as a dict that JSON can hold.

        Raises:
            ConfigError: `standardize` is a function, which a file cannot hold.
        """
        if callable(self.standardize):
            raise ConfigError("A tokenizer whose standardize is a function cannot be saved; use a named one.")
        names = ("standardize", "split", "ngrams", "output_sequence_length", "padding", "truncating")
        options = {name: getattr(self, name) for name in names}
        return {"kind": "word", **options, "words": list(self.vocabulary[2:])}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WordTokenizer:
        """Rebuild the tokenizer from `to_dict`'s output.

        Raises:
            ConfigError: The list of words is missing, or an option is unknown or impossible.
        """
        options = {key: value for key, value in values.items() if key != "kind"}
        words = options.pop("words", None)
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ConfigError("vocabulary: a list `words` is missing.")
        try:
            return cls(words, **options)
        except TypeError as error:
            raise ConfigError(f"vocabulary: {str(error).split('() ')[-1]}.") from error

"""Lines of text to numbers as Keras' `TextVectorization` makes them, every option of it, without TensorFlow.

Unlike `rnnviz.text.WordTokenizer`, which serves the shipped models, it deletes punctuation where that one puts a space,
leaves HTML tags alone, and breaks ties from z to a.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnviz.errors import ConfigError, TextError

PADDING, UNKNOWN = "", "[UNK]"
STANDARDIZE = ("lower_and_strip_punctuation", "lower", "strip_punctuation", "None")
SPLIT = ("whitespace", "character", "None")
MODES = ("int", "multi_hot", "count", "tf_idf")
MOST_TOKENS, LONGEST_OUTPUT, MOST_NGRAMS = 20_000, 500, 5
MOST_CHARACTERS = 100_000

_STRIPPED = re.compile(r"[!\"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']")
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class Options:
    """The options of the layer, by their names in Keras.

    Attributes:
        max_tokens: Largest vocabulary, with the unknown word and, for "int", padding; None for all.
        standardize: One of `STANDARDIZE`.
        split: One of `SPLIT`.
        ngrams: None, the longest run of tokens, or a tuple of the lengths of runs that are made.
        output_mode: One of `MODES`.
        output_sequence_length: Pad or cut to this many ids ("int" only); None for the longest line's length.
        pad_to_max_tokens: Make every row `max_tokens` long (not for "int").
        vocabulary: Tokens given by hand in place of fitting; empty to fit.
        idf_weights: One for each token of `vocabulary`, for "tf_idf" with a vocabulary by hand.

    Raises:
        ConfigError: An option is impossible, or two contradict each other.
    """

    max_tokens: int | None = None
    standardize: str = STANDARDIZE[0]
    split: str = SPLIT[0]
    ngrams: int | tuple[int, ...] | None = None
    output_mode: str = MODES[0]
    output_sequence_length: int | None = None
    pad_to_max_tokens: bool = False
    vocabulary: tuple[str, ...] = ()
    idf_weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, known in (("standardize", STANDARDIZE), ("split", SPLIT), ("output_mode", MODES)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} must be one of {', '.join(known)}.")
        if self.max_tokens is not None and self.max_tokens < self.specials + 1:
            raise ConfigError(f"max_tokens must be at least {self.specials + 1}, to leave room for one word.")
        if self.output_sequence_length is not None and self.output_mode != "int":
            raise ConfigError('output_sequence_length is for output_mode "int" alone.')
        if self.pad_to_max_tokens and (self.max_tokens is None or self.output_mode == "int"):
            raise ConfigError('pad_to_max_tokens needs max_tokens, and another output_mode than "int".')
        self._check_vocabulary()

    def _check_vocabulary(self) -> None:
        """Refuse a vocabulary by hand that Keras would refuse, or that would name the unknown word a second time."""
        words = self.vocabulary
        reserved = next((word for word in words if word in (PADDING, UNKNOWN)), None)
        if reserved is not None:
            raise ConfigError(f"\u201c{reserved}\u201d has an id of its own already: leave it out of the vocabulary.")
        if len(set(words)) < len(words):
            twice = next(word for word, count in Counter(words).items() if count > 1)
            raise ConfigError(f"The vocabulary lists \u201c{twice}\u201d twice.")
        if words and self.max_tokens is not None and len(words) + self.specials > self.max_tokens:
            raise ConfigError(
                f"The vocabulary has {len(words)} words and {self.specials} ids of its own, more than max_tokens."
            )
        if words and self.output_mode == "tf_idf" and len(self.idf_weights) != len(words):
            raise ConfigError(
                "With a vocabulary by hand, tf_idf needs an idf weight for each word: "
                f"there are {len(words)} words and {len(self.idf_weights)} weights."
            )
        if self.idf_weights and not (words and self.output_mode == "tf_idf"):
            raise ConfigError("idf_weights are for a vocabulary by hand and tf_idf.")

    @property
    def specials(self) -> int:
        """How many ids are no word's: unknown, and before it padding where ids are given out."""
        return 2 if self.output_mode == "int" else 1

    @property
    def widths(self) -> tuple[int, ...]:
        """Lengths of the runs of tokens that are made."""
        if self.ngrams is None:
            return (1,)
        return tuple(range(1, self.ngrams + 1)) if isinstance(self.ngrams, int) else self.ngrams


@dataclass(frozen=True, eq=False)
class Steps:
    """What becomes of one line before it is looked up: standardised, split, joined to runs."""

    standardized: str
    words: tuple[str, ...]
    tokens: tuple[str, ...]


def steps_of(text: str, options: Options) -> Steps:
    """Take a line through the steps before the look-up.

    Only the letters A to Z become small, as TensorFlow's `strings.lower` has it without an encoding.
    """
    made = text
    if options.standardize.startswith("lower"):
        made = made.translate(_LOWER)
    if options.standardize.endswith("strip_punctuation"):
        made = _STRIPPED.sub("", made)
    if options.split == "whitespace":
        words = tuple(made.split())
    else:
        words = tuple(made) if options.split == "character" else (made,)
    tokens = tuple(" ".join(words[i : i + n]) for n in options.widths for i in range(len(words) - n + 1))
    return Steps(made, words, tokens)


@dataclass(frozen=True, eq=False)
class Vectorizer:
    """A fitted layer.

    Attributes:
        options: Its options.
        vocabulary: Every id's token: padding (for "int") and unknown first, then words by frequency.
        counts: int64 (id,), how often each occurs in the lines it was fitted on; 0 for padding.
        documents: int64 (id,), in how many of those lines.
        idf: float64 (id,), inverse document frequencies; unknown has the mean of the rest, padding 0.
        lines: How many lines it was fitted on.
    """

    options: Options
    vocabulary: tuple[str, ...]
    counts: np.ndarray
    documents: np.ndarray
    idf: np.ndarray
    lines: int
    _ids: dict[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._ids.update({word: i for i, word in enumerate(self.vocabulary) if i >= self.options.specials})

    @property
    def unknown_id(self) -> int:
        """The id of every token that is not in the vocabulary."""
        return self.options.specials - 1

    def lookup(self, tokens: Sequence[str]) -> list[int]:
        """Return the ids of tokens."""
        padding = {PADDING: 0} if self.options.output_mode == "int" else {}
        return [padding.get(token, self._ids.get(token, self.unknown_id)) for token in tokens]

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Turn lines into numbers.

        Returns:
            int64 (text, time) for "int", padded with 0 at the end; float64 (text, id) for the other modes.
        """
        rows = [self.lookup(steps_of(text, self.options).tokens) for text in texts]
        if self.options.output_mode == "int":
            return _padded(rows, self.options.output_sequence_length)
        counts = np.zeros((len(rows), self._columns()))
        for row, ids in zip(counts, rows, strict=True):
            np.add.at(row, ids, 1)
        if self.options.output_mode == "multi_hot":
            return np.minimum(counts, 1)
        weights = np.zeros(counts.shape[1])
        weights[: len(self.idf)] = self.idf
        return counts * weights if self.options.output_mode == "tf_idf" else counts

    def shape(self, texts: Sequence[str]) -> tuple[int, int]:
        """Return the shape of the array that these lines become, without making it."""
        if self.options.output_mode != "int":
            return len(texts), self._columns()
        if self.options.output_sequence_length is not None:
            return len(texts), self.options.output_sequence_length
        return len(texts), max((len(steps_of(text, self.options).tokens) for text in texts), default=0)

    def _columns(self) -> int:
        most = self.options.max_tokens
        return most if self.options.pad_to_max_tokens and most else len(self.vocabulary)

    def back(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens of ids; what was unknown stays so."""
        return [self.vocabulary[i] for i in ids]


def _padded(rows: Sequence[Sequence[int]], length: int | None) -> np.ndarray:
    width = max(map(len, rows), default=0) if length is None else length
    found = np.zeros((len(rows), width), dtype=np.int64)
    for row, ids in zip(found, rows, strict=True):
        row[: len(ids[:width])] = ids[:width]
    return found


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that hold anything.

    Raises:
        TextError: There is none, or the text is too long.
    """
    if len(text) > MOST_CHARACTERS:
        raise TextError(f"The lines are too long: {MOST_CHARACTERS:,} characters at most.")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise TextError("There is no text: type at least one line.")
    return lines


def fit(lines: Sequence[str], options: Options) -> Vectorizer:
    """Learn the vocabulary of some lines, or take the one given by hand: Keras' `adapt`.

    Words come by frequency, equally frequent ones from z to a, as Keras sorts them. The inverse document frequency is
    ln(1 + lines / (1 + lines with the word)) where the options do not give it.

    Args:
        lines: The lines, each a document.
        options: The options.
    """
    made = [steps_of(line, options).tokens for line in lines]
    counts = Counter(token for tokens in made for token in tokens)
    documents = Counter(token for tokens in made for token in set(tokens))
    if options.vocabulary:
        words = list(options.vocabulary)
    else:
        known = [word for word in counts if word not in (PADDING, UNKNOWN)]
        words = sorted(known, key=lambda word: (counts[word], word.encode(errors="surrogatepass")), reverse=True)
        if options.max_tokens is not None:
            words = words[: options.max_tokens - options.specials]
    occurs = np.array([counts[word] for word in words], dtype=np.int64)
    holds = np.array([documents[word] for word in words], dtype=np.int64)
    idf = np.array(options.idf_weights) if options.idf_weights else np.log(1 + len(lines) / (1 + holds))
    front, unknown = options.specials - 1, sum(counts.values()) - int(occurs.sum())
    known_words = set(words)
    strange = sum(any(token not in known_words for token in tokens) for tokens in made)
    specials = [PADDING] * front + [UNKNOWN]
    return Vectorizer(
        options,
        (*specials, *words),
        np.concatenate([np.zeros(front, dtype=np.int64), [unknown], occurs]),
        np.concatenate([np.zeros(front, dtype=np.int64), [strange], holds]),
        np.concatenate([np.zeros(front), [idf.mean() if len(idf) else 0.0], idf]),
        len(lines),
    )


def keras_call(options: Options) -> str:
    """Return the line that makes the same layer in Keras."""
    given = {
        "max_tokens": options.max_tokens,
        "standardize": None if options.standardize == "None" else options.standardize,
        "split": None if options.split == "None" else options.split,
        "ngrams": options.ngrams,
        "output_mode": options.output_mode,
        "output_sequence_length": options.output_sequence_length,
        "pad_to_max_tokens": options.pad_to_max_tokens,
        "vocabulary": list(options.vocabulary) or None,
        "idf_weights": list(options.idf_weights) or None,
    }
    usual = {**dict.fromkeys(given), "standardize": STANDARDIZE[0], "split": SPLIT[0], "output_mode": MODES[0]}
    usual["pad_to_max_tokens"] = False
    named = [f"{name}={value!r}" for name, value in given.items() if value != usual[name]]
    return f"keras.layers.TextVectorization({', '.join(named)})"

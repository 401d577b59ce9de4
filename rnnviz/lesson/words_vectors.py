"""Ids to vectors: one-hot rows and look-ups, masks, unknown words, and the neighbours of a word in a trained table."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.special import betaincinv

from rnnviz import checkpoints
from rnnviz.checkpoints import Model
from rnnviz.errors import CheckpointError, ConfigError, TextError
from rnnviz.lesson.order import bag
from rnnviz.text import WordTokenizer, tokenizer_from_dict

MOST_ROWS, MOST_COLUMNS, LARGEST = 12, 6, 1e6
_SPECIALS = 2


def read_table(text: str) -> np.ndarray:
    """Return a table of numbers typed a row a line: float64 (token, feature).

    Raises:
        TextError: It is too small, too large, ragged, or holds what is no number.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not 2 <= len(lines) <= MOST_ROWS:
        raise TextError(f"An embedding has 2 to {MOST_ROWS} rows here, a line each; yours has {len(lines)}.")
    try:
        rows = [[float(part) for part in re.split(r"[\s,;]+", line.strip()) if part] for line in lines]
    except ValueError:
        raise TextError("An embedding holds numbers alone, as in 0.5 -1.2, a row a line.") from None
    width = len(rows[0])
    if not 1 <= width <= MOST_COLUMNS or any(len(row) != width for row in rows):
        raise TextError(f"All rows of the embedding must be equally long, 1 to {MOST_COLUMNS} numbers.")
    table = np.array(rows)
    if not (np.abs(table) <= LARGEST).all():
        raise TextError(f"The numbers must lie between \u2212{LARGEST:,.0f} and {LARGEST:,.0f}.")
    return table


def read_ids(text: str, rows: int) -> list[int]:
    """Return the ids of a line, each a row of a table.

    Raises:
        TextError: There is none, there are more than twelve, or one is no row.
    """
    parts = [part for part in re.split(r"[\s,;]+", text) if part]
    if not 1 <= len(parts) <= MOST_ROWS:
        raise TextError(f"Type 1 to {MOST_ROWS} ids, apart by spaces.")
    if not all(re.fullmatch(r"[0-9]{1,4}", part) and int(part) < rows for part in parts):
        raise TextError(f"Ids are whole numbers from 0 to {rows - 1}, one for each row of the embedding.")
    return [int(part) for part in parts]


def one_hot(ids: Sequence[int], size: int) -> np.ndarray:
    """Return a row for each id, all 0 but for a 1 at the id's place: float64 (time, size)."""
    return np.eye(size)[list(ids)]


@dataclass(frozen=True)
class Cost:
    """What one text costs in both ways: numbers held, and multiplications made."""

    one_hot_numbers: int
    one_hot_products: int
    lookup_numbers: int
    lookup_products: int


def cost(tokens: int, vocabulary: int, features: int) -> Cost:
    """Count what a text of so many tokens costs: as one-hot rows times the table, and as look-ups by id."""
    return Cost(tokens * vocabulary, tokens * vocabulary * features, tokens, 0)


def means(table: np.ndarray, ids: Sequence[int], length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average a padded text's vectors over all steps, and over those that are not masked.

    Args:
        table: float64 (token, feature); row 0 is padding's.
        ids: The text's ids.
        length: The padded length; a longer text is cut.

    Returns:
        The padded ids, int64 (length,); the mean of all rows and that of the rows of real words, float64 (feature,).

    Raises:
        TextError: All ids are padding.
    """
    padded = np.zeros(length, dtype=np.int64)
    padded[: len(ids[:length])] = ids[:length]
    real, rows = padded != 0, table[padded]
    if not real.any():
        raise TextError("All ids are 0, which is padding: type one of a real word too, for a mean to be made of it.")
    return padded, rows.mean(axis=0), rows[real].mean(axis=0)


def embedding_lines(table: np.ndarray, ids: Sequence[int], length: int) -> tuple[str, str]:
    """Return scripts in PyTorch and in Keras that print product, look-up and both means; float64."""
    padded = means(table, ids, length)[0].tolist()
    data = f"table = {table.tolist()}\nids = {padded}\n"
    pytorch = (
        "import torch\n\n"
        f"{data}\n"
        "table = torch.tensor(table, dtype=torch.float64)\n"
        "ids = torch.tensor(ids)\n"
        "one_hot = torch.nn.functional.one_hot(ids, len(table)).double()\n"
        "product = one_hot @ table\n"
        "rows = torch.nn.Embedding.from_pretrained(table)(ids)\n"
        "real = ids != 0\n"
        "for row in (*product, *rows, rows.mean(dim=0), rows[real].mean(dim=0)):\n"
        '    print(" ".join(f"{number:.6f}" for number in row.tolist()))\n'
    )
    keras = (
        "import keras\nimport numpy as np\n\n"
        f"{data}\n"
        "table = np.array(table)\n"
        "one_hot = keras.ops.one_hot(np.array(ids), len(table), dtype='float64')\n"
        "product = keras.ops.matmul(one_hot, keras.ops.convert_to_tensor(table, dtype='float64'))\n"
        "layer = keras.layers.Embedding(*table.shape, mask_zero=True, dtype='float64')\n"
        "layer.build((None, None))\n"
        "layer.set_weights([table])\n"
        "rows, mask = layer(np.array([ids])), layer.compute_mask(np.array([ids]))\n"
        "pool = keras.layers.GlobalAveragePooling1D(dtype='float64')\n"
        "for block in (product, rows[0], keras.ops.mean(rows, axis=1), pool(rows, mask=mask)):\n"
        "    for row in keras.ops.convert_to_numpy(block):\n"
        '        print(" ".join(f"{number:.6f}" for number in row))\n'
    )
    return pytorch, keras


@dataclass(frozen=True)
class Known:
    """What a shipped vocabulary makes of a text.

    Attributes:
        model: The model's name.
        size: Ids in its vocabulary.
        words: Different words in the text.
        unknown: Those of them that it does not hold, in their order.
    """

    model: str
    size: int
    words: int
    unknown: tuple[str, ...]


def known_to(text: str) -> list[Known]:
    """Return which words of a text are unknown to each word model here.

    Raises:
        TextError: There is no word in the text.
    """
    found = []
    for name, tokenizer in _tokenizers().items():
        tokens = tokenizer.tokens(text)
        found.append(Known(name, len(tokenizer), len(set(tokens)), tuple(tokenizer.unknown(text))))
    return found


def _tokenizers() -> dict[str, WordTokenizer]:
    found = {}
    for name, config in checkpoints.configs().items():
        if config.task != "classifier":
            continue
        path = checkpoints.find(name) / checkpoints.VOCABULARY
        try:
            found[name] = _tokenizer(str(path), path.stat().st_mtime_ns)
        except (CheckpointError, ConfigError, OSError):
            continue
    return {name: tokenizer for name, tokenizer in found.items() if isinstance(tokenizer, WordTokenizer)}


@lru_cache(maxsize=32)
def _tokenizer(path: str, changed: int) -> object:
    return tokenizer_from_dict(checkpoints.read_json(checkpoints.Path(path)))


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The words whose vectors point most nearly the same way as a word's.

    Attributes:
        words: The word itself first, then the nearest ones, nearest first.
        cosines: float64 (word,), of the angle to the first; 1 for itself.
        points: float64 (word, 2), on the first two principal components of these words' vectors.
        shares: Of these words' variance, that the two components hold.
        log_odds: float64 (word,), what the network makes of each word alone, for the class followed.
        vocabulary: How many words were compared.
        by_chance: The cosine of the nearest of so many random vectors; see `nearest_by_chance`.
    """

    words: tuple[str, ...]
    cosines: np.ndarray
    points: np.ndarray
    shares: tuple[float, float]
    log_odds: np.ndarray
    vocabulary: int
    by_chance: float


@torch.no_grad()
def cosines(model: Model, word: str) -> np.ndarray:
    """Return the cosine between a word's vector and every one of the table: float64 (id,), -1 for padding and unknown.

    Raises:
        TextError: The model does not know the word.
    """
    place = int(model.tokenizer.ids([word])[0])
    if place < _SPECIALS:
        raise TextError(f"\u201c{word}\u201d is not in the vocabulary of {model.name}: try another word.")
    table = model.network.embedding.weight.detach().double().cpu().numpy()
    lengths = np.linalg.norm(table, axis=1)
    found = (table @ table[place]) / np.maximum(lengths * lengths[place], 1e-12)
    found[:_SPECIALS] = -1.0
    return found


def neighbours(model: Model, word: str, count: int, column: int) -> Neighbours:
    """Find the nearest words in a trained embedding.

    Args:
        model: A word classifier.
        word: One that it knows.
        count: How many besides the word itself.
        column: The class followed.

    Raises:
        TextError: The model does not know the word.
    """
    found = cosines(model, word)
    place = int(model.tokenizer.ids([word])[0])
    ranked = [i for i in np.argsort(-found, kind="stable").tolist() if i != place and i >= _SPECIALS][:count]
    ids = [place, *ranked]
    words = tuple(model.tokenizer.vocabulary[i] for i in ids)
    points, shares = plane(model.network.embedding.weight.detach().double().cpu().numpy()[ids])
    alone = bag(model, words, column)
    weights = dict(zip(alone.words, alone.weights.tolist(), strict=True))
    return Neighbours(
        words,
        np.array([1.0, *found[ranked]]),
        points,
        shares,
        np.array([weights[one] for one in words]),
        len(found) - _SPECIALS,
        nearest_by_chance(len(found) - _SPECIALS, model.config.embedding_size),
    )


def nearest_by_chance(count: int, size: int) -> float:
    """Return the median of the largest cosine between a vector and random ones, all directions being alike.

    With c the cosine of two random directions in d dimensions, (1 + c) / 2 has the distribution
    Beta((d - 1) / 2, (d - 1) / 2).

    Args:
        count: How many random vectors.
        size: d, how many numbers each has.
    """
    if size < 2:
        return 1.0
    above = -math.expm1(math.log(0.5) / max(1, count))  # how likely one is above the median of the largest
    return float(1 - 2 * betaincinv((size - 1) / 2, (size - 1) / 2, above))


def plane(vectors: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Project vectors on their first two principal components.

    Args:
        vectors: float64 (point, feature).

    Returns:
        float64 (point, 2), and the share of the variance in each component. A component's sign is that which makes its
        largest weight positive.
    """
    centred = vectors - vectors.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    directions = np.vstack([directions, np.zeros((2, directions.shape[1]))])[:2]
    signs = np.sign(directions[np.arange(2), np.abs(directions).argmax(axis=1)])
    total = float((sizes**2).sum()) or 1.0
    padded = np.concatenate([sizes, [0.0, 0.0]])
    shares = (float(padded[0] ** 2 / total), float(padded[1] ** 2 / total))
    return centred @ (directions * np.where(signs == 0, 1, signs)[:, None]).T, shares


def similarity(model: Model, word: str, others: Sequence[str]) -> list[float]:
    """Return the cosines between a word's vector and those of others.

    Raises:
        TextError: The model does not know the word.
    """
    found = cosines(model, word)
    return [float(found[i]) for i in model.tokenizer.ids(list(others)).tolist()]

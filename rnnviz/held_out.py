"""What a classifier's states are at the end of reviews kept out of its training: drawn, kept in its folder, read back.

Numbers alone are kept, no review's text. Of charts and Streamlit this module knows nothing.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnviz import checkpoints
from rnnviz.checkpoints import Model
from rnnviz.config import ModelConfig
from rnnviz.errors import CheckpointError, ConfigError, DataError
from rnnviz.network import Network, at_end
from rnnviz.record import record, record_network
from rnnviz.recording import softmax
from rnnviz.text import pad, read
from rnnviz.training import evaluation
from rnnviz.training.batches import by_length, encode_all
from rnnviz.training.datasets import Texts

FILE = "held_out.safetensors"
COUNT = 1000
LONGEST_BOTH_WAYS = 300
"""Words of a text whose every beginning a network that reads both ways reads anew."""
_FEWEST = 8
_BATCH = 16
_HALF_HOLDS = 60_000.0
_BEFORE = "signal."


@dataclass(frozen=True)
class Signal:
    """One number a unit: a state of a layer, or what the head makes of the top layer's states on the way.

    Attributes:
        name: "hidden" or "cell", with "_backward" for the backward direction; or "mean" or "max", of the top layer's
            hidden states so far, where the head reads that.
        layer: From 0.
    """

    name: str
    layer: int

    @property
    def is_pooled(self) -> bool:
        """Whether it is made of all states so far."""
        return self.name in ("mean", "max")


def signals_of(model: Model) -> list[Signal]:
    """Return the signals of a classifier's units, states first, the top layer last."""
    ways = ("", "_backward") if model.config.bidirectional else ("",)
    layers = range(model.config.num_layers)
    states = [Signal(f"{name}{way}", i) for way in ways for name in model.network.cell.states for i in layers]
    return states + [Signal(kind, layers[-1]) for kind in model.network.pooled if kind != "last"]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A classifier at the end of reviews that it was not trained on.

    Attributes:
        signals: "hidden", "cell" for an LSTM, the same with "_backward" -> float32 (review, layer, unit): the state
            after all of the review, which a backward direction has at the first word.
        read: float32 (review, width): what the head reads of the top layer's states.
        probabilities: float32 (review, class).
        labels: int64 (review,), the true classes.
        words: int64 (review,), the reviews' lengths.
        index: int64 (review,), their places in the corpus' validation part.
        data: The corpus.
        part: How many reviews that part has.
        seed: Seed of the draw.
    """

    signals: Mapping[str, np.ndarray]
    read: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray
    words: np.ndarray
    index: np.ndarray
    data: str
    part: int
    seed: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def right(self) -> np.ndarray:
        """Whether the network's likeliest class is the true one: bool (review,)."""
        return self.probabilities.argmax(axis=1) == self.labels

    def values(self, model: Model, signal: Signal) -> np.ndarray:
        """Return a signal at the end of every review, float32 (review, unit)."""
        if signal.is_pooled:
            return _pooled_part(model, self.read, signal)
        return self.signals[signal.name][:, signal.layer]


@dataclass(frozen=True, eq=False)
class Trail:
    """A classifier on its way through one text.

    Attributes:
        tokens: (time,), the words as the model read them.
        unknown: For each whether the model has never seen it.
        hidden: float32 (time, unit * directions): the top layer's state after each word, as if the text ended there.
        read: float32 (time, width): what the head reads then.
        probabilities: float64 (time, class).
    """

    tokens: tuple[str, ...]
    unknown: tuple[bool, ...]
    hidden: np.ndarray
    read: np.ndarray
    probabilities: np.ndarray


class _Ends(NamedTuple):
    """A batch at its texts' ends: signal -> (text, layer, unit), what the head reads, and the logits."""

    signals: dict[str, np.ndarray]
    read: np.ndarray
    logits: np.ndarray


def require_states(model: Model) -> None:
    """Refuse a model that has no states of a review.

    Raises:
        ConfigError: It is a language model, or has no recurrent layer.
    """
    if model.config.task != "classifier":
        raise ConfigError(f"{model.name} is a language model; reviews need a classifier.")
    model.with_states()


def study(
    model: Model,
    folder: Path | None = None,
    count: int = COUNT,
    seed: int = 0,
    progress: Callable[[float], object] = lambda share: None,
) -> HeldOut:
    """Let a classifier read reviews of the validation part of the corpus that its card names; never of the test part.

    Args:
        model: From `rnnviz.load`.
        folder: Where named data is looked for before it is downloaded.
        count: Reviews to draw, all of the part where it has fewer.
        seed: Seed of the draw.
        progress: Told the share done, from 0 to 1.

    Raises:
        ConfigError: The model has no such states, or `count` or `seed` is impossible.
        DataError: The corpus cannot be had, or a state is not finite.
    """
    require_states(model)
    if count < _FEWEST or seed < 0:
        raise ConfigError(f"count must be at least {_FEWEST} and seed not negative, got {count} and {seed}.")
    data, texts = _validation_part(model, folder)
    index = np.sort(np.random.default_rng(seed).permutation(len(texts))[:count])
    rows = encode_all(model.tokenizer, [texts.texts[i] for i in index])
    ends = _ends_of(model.network, rows, progress)
    for name, values in (*ends.signals.items(), ("logits", ends.logits)):
        if not np.isfinite(values).all():
            raise DataError(f"{model.name}: {name} is infinite or not a number on some reviews, so they tell nothing.")
    return HeldOut(
        ends.signals,
        ends.read,
        softmax(ends.logits).astype(np.float32),
        texts.labels[index],
        np.array([len(row) for row in rows]),
        index,
        Path(data).name,
        len(texts),
        seed,
    )


def _validation_part(model: Model, folder: Path | None) -> tuple[str, Texts]:
    trained = evaluation.trained_with(model)
    if trained.data is None:
        raise DataError(
            f"The card of {model.name} does not say what it was trained on, so nothing can be drawn from it."
        )
    columns = (trained.text_column, trained.label_column)
    return trained.data, evaluation.held_out(model, trained.data, "validation", folder, columns)


def _ends_of(network: Network, rows: Sequence[np.ndarray], progress: Callable[[float], object]) -> _Ends:
    """Read all rows in batches of like length; returns their ends in their order."""
    found: list[_Ends] = []
    order: list[np.ndarray] = []
    for batch in by_length(rows, np.arange(len(rows)), _BATCH):
        found.append(_ends(network, torch.from_numpy(batch.ids), torch.from_numpy(batch.lengths)))
        order.append(batch.labels)
        progress(sum(map(len, order)) / len(rows))
    back = np.argsort(np.concatenate(order))
    signals = {name: np.concatenate([one.signals[name] for one in found])[back] for name in found[0].signals}
    return _Ends(signals, *(np.concatenate([one[i] for one in found])[back] for i in (1, 2)))


@torch.no_grad()
def _ends(network: Network, ids: Tensor, lengths: Tensor) -> _Ends:
    """Read a batch (text, time); a backward direction has read all of a text at its first word."""
    ids, lengths = ids.to(network.device), lengths.to(network.device)
    layers, logits = record_network(network, ids, lengths)
    top = _both_ways(layers[-1]).transpose(0, 1)
    signals = {}
    for name in network.cell.states:
        signals[name] = _array([at_end(layer[name].transpose(0, 1), lengths) for layer in layers])
        if network.config.bidirectional:
            signals[f"{name}_backward"] = _array([layer[f"{name}_backward"][0] for layer in layers])
    pooled = at_end(network.pool(top), lengths)
    return _Ends(signals, pooled.cpu().numpy(), at_end(logits.transpose(0, 1), lengths).cpu().numpy())


def _both_ways(signals: Mapping[str, Tensor]) -> Tensor:
    hidden = [signals[name] for name in ("hidden", "hidden_backward") if name in signals]
    return torch.cat(hidden, dim=-1)


def _array(layers: list[Tensor]) -> np.ndarray:
    return torch.stack(layers, dim=1).cpu().numpy()


@torch.no_grad()
def trail(model: Model, text: str) -> Trail:
    """Follow a classifier's top hidden state, and what its head reads, through a text.

    A network that reads both ways reads each beginning anew, of the first `LONGEST_BOTH_WAYS` words at the most.

    Raises:
        TextError: There is no word in the text.
        ConfigError: The model has no such states.
    """
    require_states(model)
    network = model.network
    row, tokens = read(model.tokenizer, text)
    if model.config.bidirectional:
        row, tokens = row[:LONGEST_BOTH_WAYS], tokens[:LONGEST_BOTH_WAYS]
        parts = [_beginnings(network, row, first) for first in range(0, len(row), _BATCH)]
        hidden, pooled, logits = (np.concatenate(part) for part in zip(*parts, strict=True))
    else:
        states = network.features(torch.from_numpy(row).to(network.device)[None])[0]
        found = (states, network.pool(states), network.answer(states))
        hidden, pooled, logits = (values[0].cpu().numpy() for values in found)
    strange = set(model.tokenizer.unknown(text))
    return Trail(tuple(tokens), tuple(token in strange for token in tokens), hidden, pooled, softmax(logits))


def on_words(model: Model, text: str, signal: Signal) -> tuple[tuple[str, ...], tuple[bool, ...], np.ndarray]:
    """Return the words, whether the model has never seen each, and a signal after each: float32 (time, unit).

    A backward direction's state at a word is what it is after reading from the end back to that word.

    Raises:
        TextError: There is no word in the text.
        ConfigError: The model has no such states.
    """
    require_states(model)
    if signal.is_pooled:
        found = trail(model, text)
        return found.tokens, found.unknown, _pooled_part(model, found.read, signal)
    recording = record(model, text)
    strange = set(model.tokenizer.unknown(text))
    unknown = tuple(token in strange for token in recording.tokens)
    return recording.tokens, unknown, recording.signals[signal.name][:, signal.layer].copy()


def _pooled_part(model: Model, read_by_head: np.ndarray, signal: Signal) -> np.ndarray:
    """Return one of the parts that stand side by side in what the head reads."""
    parts = np.split(read_by_head, len(model.network.pooled), axis=-1)
    return parts[model.network.pooled.index(signal.name)]


def _beginnings(network: Network, row: np.ndarray, first: int) -> tuple[np.ndarray, ...]:
    """Read the next beginnings of a text, each as a text of its own: the top states at their ends, and what follows."""
    rows = [row[:last] for last in range(first + 1, min(first + _BATCH, len(row)) + 1)]
    ends = _ends(network, *map(torch.from_numpy, pad(rows)))
    top = [values[:, -1] for name, values in ends.signals.items() if name.startswith("hidden")]
    return np.concatenate(top, axis=-1), ends.read, ends.logits


def decision(model: Model, label: int) -> tuple[np.ndarray, float] | None:
    """Return w and b of the plane w x + b = 0 on which a class has probability one half, x being what the head reads.

    Args:
        model: A classifier.
        label: The class, for which the side w x + b > 0 speaks.

    Returns:
        float64 (width,) and a number; None where there is no such plane: more than two classes, or a head that is not
        linear.
    """
    if model.config.num_outputs != 2 or model.config.dense_size:
        return None
    weight, bias = (
        part.detach().double().cpu().numpy() for part in (model.network.head.weight, model.network.head.bias)
    )
    return weight[label] - weight[1 - label], float(bias[label] - bias[1 - label])


def save(folder: Path, model: Model, found: HeldOut) -> Path:
    """Keep what `study` found in the model's folder, states as float16 where their size allows it.

    Raises:
        SaveError: It could not be written.
    """
    arrays = {f"{_BEFORE}{name}": _small(values) for name, values in found.signals.items()}
    arrays |= {"read": _small(found.read), "probabilities": found.probabilities}
    arrays |= {name: getattr(found, name).astype(np.int32) for name in ("labels", "words", "index")}
    about = {
        "weights_sha256": model.digest,
        "config": json.dumps(model.config.to_dict()),
        "data": found.data,
        "part": str(found.part),
        "seed": str(found.seed),
    }
    checkpoints.save_arrays(folder / FILE, arrays, about)
    return folder / FILE


def _small(values: np.ndarray) -> np.ndarray:
    """Return values as float16 where none is out of its range; a cell state has no bound."""
    return values.astype(np.float16 if np.abs(values).max(initial=0) < _HALF_HOLDS else np.float32)


def version(model: Model) -> tuple[int, int]:
    """Return what changes with the file: its time and size, zeros where there is none."""
    path = checkpoints.find(model.name) / FILE
    return (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else (0, 0)


def load(model: Model, folder: Path | None = None) -> HeldOut | None:
    """Return what `study` found on a model, None where it has never been run.

    Args:
        model: The model.
        folder: Its folder; None for the one of its name.

    Raises:
        CheckpointError: The file is damaged, or of other weights.
    """
    path = (folder or checkpoints.find(model.name)) / FILE
    if not path.is_file():
        return None
    arrays, about = checkpoints.read_arrays(path)
    try:
        found, made_with = _unpack(arrays, about), ModelConfig.from_dict(json.loads(about["config"]))
        digest = about["weights_sha256"]
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{model.name}: {FILE} is damaged ({error}); make it anew with `{command(model)}`."
        ) from error
    if digest != model.digest or made_with != model.config:
        raise CheckpointError(
            f"{model.name}: {FILE} was made with other weights; make it anew with `{command(model)}`."
        )
    return found


def _unpack(arrays: Mapping[str, np.ndarray], about: Mapping[str, str]) -> HeldOut:
    signals = {
        name.removeprefix(_BEFORE): values.astype(np.float32)
        for name, values in arrays.items()
        if name.startswith(_BEFORE)
    }
    floats = {name: arrays[name].astype(np.float32) for name in ("read", "probabilities")}
    whole = {name: arrays[name].astype(np.int64) for name in ("labels", "words", "index")}
    return HeldOut(signals, **floats, **whole, data=about["data"], part=int(about["part"]), seed=int(about["seed"]))


def command(model: Model) -> str:
    """Return the command that makes the file."""
    return f"python -m rnnviz study {shlex.quote(model.name)}"

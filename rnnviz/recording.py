"""The immutable results of a network reading a text, `Recording` and `Prediction`; it knows nothing of torch."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from rnnviz.storage import write_atomically

UNSURE = (0.4, 0.6)
"""Probabilities between which an answer is called unsure."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Every signal of every layer at every time step.

    Attributes:
        model_id: The model's name.
        cell_type: One of `rnnviz.config.CELL_TYPES`.
        tokens: (time,), the text as the model read it, unknown tokens as typed.
        signals: Name -> float32 (time, layer, unit), read-only. Always "hidden"; an LSTM adds "cell", "input_gate",
            "forget_gate", "candidate", "output_gate"; a GRU "reset_gate", "update_gate", "candidate"; a bidirectional
            network the same with "_backward", aligned in time.
        logits: float32 (time, output), unnormalised.

    Raises:
        ValueError: Two of the shapes disagree.
    """

    model_id: str
    cell_type: str
    tokens: tuple[str, ...]
    signals: Mapping[str, np.ndarray]
    logits: np.ndarray

    def __post_init__(self) -> None:
        time = len(self.tokens)
        if "hidden" not in self.signals:
            raise ValueError(f"signals: expected 'hidden' among them, got {', '.join(self.signals) or 'none'}")
        shape = self.signals["hidden"].shape
        for name, values in self.signals.items():
            if values.ndim != 3 or values.shape != (time, *shape[1:]):
                raise ValueError(f"{name}: expected (time={time}, layer, unit) as hidden has, got {values.shape}")
            values.flags.writeable = False
        if self.logits.ndim != 2 or len(self.logits) != time:
            raise ValueError(f"logits: expected (time={time}, output), got {self.logits.shape}")
        self.logits.flags.writeable = False
        object.__setattr__(self, "signals", MappingProxyType(dict(self.signals)))

    @property
    def num_layers(self) -> int:
        """Layers recorded."""
        return self.signals["hidden"].shape[1]

    @property
    def hidden_size(self) -> int:
        """Units a layer."""
        return self.signals["hidden"].shape[2]

    def probabilities(self) -> np.ndarray:
        """Return the softmax of the logits, float64 (time, output)."""
        return softmax(self.logits)

    def save(self, path: Path | str) -> None:
        """Write a compressed .npz: each signal by name, `logits`, `tokens` (JSON as UTF-8 bytes), `meta` likewise.

        Raises:
            SaveError: It could not be written.
        """
        meta = {"model_id": self.model_id, "cell_type": self.cell_type, "signals": list(self.signals)}
        arrays = {**self.signals, "logits": self.logits, "tokens": _pack(list(self.tokens)), "meta": _pack(meta)}

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.savez_compressed(file, **arrays)

        write_atomically(Path(path), write)

    @classmethod
    def load(cls, path: Path | str) -> Recording:
        """Read what `save` wrote; never unpickles.

        Raises:
            ValueError: It is not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                meta = _unpack(file["meta"])
                signals = {name: file[name] for name in meta["signals"]}
                tokens = tuple(_unpack(file["tokens"]))
                return cls(meta["model_id"], meta["cell_type"], tokens, signals, file["logits"])
        except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path}: not a recording saved by rnnviz ({error})") from error


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a classifier says while it reads.

    Attributes:
        model_id: The model's name.
        tokens: (time,), the words as the model read them.
        unknown: The words it has never seen in training.
        labels: The classes' names.
        probabilities: float64 (time, class): after each word.
    """

    model_id: str
    tokens: tuple[str, ...]
    unknown: tuple[str, ...]
    labels: tuple[str, ...]
    probabilities: np.ndarray

    @property
    def final(self) -> dict[str, float]:
        """The classes' probabilities after the last word."""
        return {label: float(p) for label, p in zip(self.labels, self.probabilities[-1], strict=True)}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return exp(x) / sum exp(x) over the last axis in float64, shifted so that nothing overflows."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def surprise(probabilities: np.ndarray) -> np.ndarray:
    """Return -log2 p, the surprise of what had these probabilities, in bits; never infinite. The shape stays."""
    return -np.log2(np.maximum(probabilities, np.finfo(float).tiny))


def likeliest(probabilities: np.ndarray, count: int = 5) -> np.ndarray:
    """Return the likeliest outputs' ids, likeliest first: (time, output) -> int64 (time, `count` or all there are)."""
    count = min(count, probabilities.shape[1])
    best = np.argpartition(-probabilities, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(probabilities, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def _pack(value: object) -> np.ndarray:
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)


def _unpack(array: np.ndarray) -> object:
    return json.loads(array.tobytes())

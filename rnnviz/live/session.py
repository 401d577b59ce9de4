"""One person's live session: requests as JSON objects in, packed answers out; it knows nothing of how they travel."""

from __future__ import annotations

import csv
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from rnnviz.analysis.arithmetic import pytorch_lines, unit_arithmetic
from rnnviz.analysis.saturation import saturation
from rnnviz.analysis.units import (
    Match,
    on_throughout,
    order_by_similarity,
    rank_by_movement,
    rank_by_persistence,
    switch_at_edges,
)
from rnnviz.cells import Weights
from rnnviz.charts.palette import scale_of
from rnnviz.checkpoints import Model, headline
from rnnviz.config import LONGEST, ModelConfig
from rnnviz.errors import RequestError, RnnvizError
from rnnviz.live.experiment import compare
from rnnviz.live.odds import answer_odds
from rnnviz.live.reader import Reader, WholeReader, reader_of
from rnnviz.live.request import Asked, listed_model
from rnnviz.live.wire import pack
from rnnviz.network import Network, seeded_network
from rnnviz.record import draw
from rnnviz.recording import Recording, likeliest, softmax, surprise
from rnnviz.scripts import picture_script
from rnnviz.text import CharTokenizer

ORDERS = ("index", "similarity", "movement", "persistence", "throughout", "edges")
_READERS = 3
_LISTED = 12


class LiveSession:
    """Answers what the browser asks about a text that is being typed.

    A request names what it asks for (`ask`), `model`, `variant` ("model", its random "twin", or "clamped" with
    `clamps`), `text`, and, where they matter, `signal`, `layer`, `unit`, `time`, `first` and `last`. Each answer
    repeats `ask` and `seq`. At most three readers are kept: a session's memory is bounded by three texts of `LONGEST`
    tokens.
    """

    def __init__(self) -> None:
        self._readers: OrderedDict[tuple, Reader | WholeReader] = OrderedDict()
        self._loaded: dict[str, tuple[float, Model]] = {}

    def _load(self, name: str) -> Model:
        """Return a model, looked for on the disk at most once a second."""
        now = time.monotonic()
        if name not in self._loaded or now - self._loaded[name][0] > 1:
            self._loaded[name] = now, listed_model(name)
        return self._loaded[name][1]

    def forget(self) -> None:
        """Give the memory back; the next request reads its text anew."""
        self._readers.clear()
        self._loaded.clear()

    def answer(self, request: object) -> Iterator[bytes]:
        """Answer a request, a long text in several messages; a request that cannot be answered gets one sentence."""
        repeated = echo(request)
        try:
            asked = Asked(request, self._load)
            if asked.ask not in self._ASKS:
                raise RequestError(f"ask: expected one of {', '.join(self._ASKS)}, got {asked.ask[:50]!r}.")
            for header, arrays in self._ASKS[asked.ask](self, asked):
                yield pack({**repeated, **header}, arrays)
        except RnnvizError as error:
            yield pack({**repeated, "error": str(error)})

    def growth(self, request: Mapping, most: int) -> tuple[Reader, np.ndarray] | None:
        """Return reader and ids of a reading that has only a few new tokens to read; None for any other request."""
        try:
            asked = Asked(request, self._load)
            reader = self._reader(asked)
            if asked.ask != "read" or asked.clamps or not isinstance(reader, Reader):
                return None
            return (reader, asked.ids) if len(asked.ids) - reader.go_back(asked.ids) <= most else None
        except Exception:  # the answer will say what is wrong, to this one alone
            return None

    def _reader(self, asked: Asked) -> Reader | WholeReader:
        """Return the reader of this model and variant, the least recently used one giving way."""
        model = asked.model
        key = (model.digest, model.config, asked.variant, asked.clamps)
        if key not in self._readers:
            network = twin(model.config) if asked.variant == "twin" else model.network
            self._readers[key] = reader_of(network, asked.clamps)
            while len(self._readers) > _READERS:
                self._readers.popitem(last=False)
        self._readers.move_to_end(key)
        return self._readers[key]

    def _read_through(self, asked: Asked) -> Reader | WholeReader:
        reader = self._reader(asked)
        for _ in reader.advance(asked.ids):
            pass
        return reader

    def _model(self, asked: Asked) -> Iterator[tuple]:
        yield describe(asked.model), None

    def _read(self, asked: Asked) -> Iterator[tuple]:
        """Answer with the columns of the heatmap, and what the network expected, from `have` on.

        Where an `output` is named, answer with that class's log-odds instead.
        """
        reader = self._reader(asked)
        if "output" in asked.raw:
            yield from answer_odds(asked, reader)
            return
        total = len(asked.ids)
        sent = min(asked.whole("have", 0, LONGEST, 0), total)
        if isinstance(reader, WholeReader):
            sent = 0
        wish = self._wish(asked)
        words = asked.words()
        for done in reader.advance(asked.ids):
            if done < total and done <= sent:
                continue
            header = {"base": sent, "total": total, "done": done == total, **words}
            if done == total and wish:
                time, *rest = wish
                drawn = draw(reader.logits(time - 1, time)[0], *rest)
                header["drawn"] = asked.model.tokenizer.decode([drawn])
            yield header, self._columns(asked, reader, sent, max(sent, done))
            sent, words = max(sent, done), {}

    def _columns(self, asked: Asked, reader: Reader | WholeReader, first: int, last: int) -> dict[str, np.ndarray]:
        if last <= first:
            return {}
        signal = asked.signal(reader.signals)
        shades = scale_of(signal, asked.model.config.cell_type).shade(reader.signal(signal, asked.layer, first, last))
        before = max(0, first - 1)
        chances = softmax(reader.logits(before, last))
        best = likeliest(chances[first - before :])
        columns = {
            "shades": shades,
            "guesses": best.astype(np.uint32),
            "chances": np.take_along_axis(chances[first - before :], best, axis=1).astype(np.float32),
            "unknown": asked.unknown[first:last],
        }
        if asked.model.config.task == "language_model":
            columns["bits"] = _bits(chances, asked.ids[before:last], first == 0)
        return columns

    def _wish(self, asked: Asked) -> tuple[int, float, int, int] | None:
        """Return what is to be drawn of a sample that goes on after `time` tokens: time, temperature, seed, index."""
        drawing = asked.raw.get("draw")
        if not drawing:
            return None
        if asked.model.config.task != "language_model":
            raise RequestError(f"{asked.model.name} is a classifier; only a language model can go on writing.")
        wish = Asked(drawing)
        time, seed = wish.whole("time", 1, len(asked.ids)), wish.whole("seed", 0, 2**32 - 1)
        index, temperature = wish.whole("index", 0, 10**6), wish.number("temperature", 0, 10)
        return time, temperature, seed, index

    def _column(self, asked: Asked) -> Iterator[tuple]:
        """Answer with exact values: every unit at one time."""
        reader = self._read_through(asked)
        time = asked.whole("time", 0, len(asked.ids) - 1)
        values = reader.signal(asked.signal(reader.signals), asked.layer, time, time + 1)
        yield {"time": time}, {"values": values[0].astype(np.float32)}

    def _order(self, asked: Asked) -> Iterator[tuple]:
        """Answer with the units in an order, first on top."""
        order = asked.one_of("order", ORDERS)
        yield {"order": order}, {"units": self._units(asked, order).astype(np.uint16)}

    def _units(self, asked: Asked, order: str) -> np.ndarray:
        if order == "index":
            return np.arange(asked.model.config.hidden_size)
        values, low, high = self._values(asked)
        if order in ("throughout", "edges"):
            rank = on_throughout if order == "throughout" else switch_at_edges
            return rank(values, *asked.stretch(), low, high).units
        by = {"similarity": order_by_similarity, "movement": rank_by_movement, "persistence": rank_by_persistence}
        return by[order](values)

    def _values(self, asked: Asked) -> tuple[np.ndarray, float, float]:
        """Return a signal as it is coloured, (time, unit), and the ends of its scale."""
        reader = self._read_through(asked)
        signal = asked.signal(reader.signals)
        scale = scale_of(signal, asked.model.config.cell_type)
        values = reader.signal(signal, asked.layer, 0, len(asked.ids))
        return np.tanh(values) if scale.squashed else values, scale.low, scale.high

    def _selection(self, asked: Asked) -> Iterator[tuple]:
        """Answer which units stay on throughout a stretch, and which switch at its edges."""
        values, low, high = self._values(asked)
        first, last = asked.stretch()
        found = {"throughout": on_throughout, "edges": switch_at_edges}
        lists = {name: _listed(rank(values, first, last, low, high)) for name, rank in found.items()}
        yield {"first": first, "last": last, **lists}, None

    def _arithmetic(self, asked: Asked) -> Iterator[tuple]:
        """Answer with the numbers behind one cell of the picture."""
        reader = self._read_through(asked)
        config = asked.model.config
        if isinstance(reader, WholeReader):
            raise RequestError("The arithmetic is shown for networks that read forwards; this one reads both ways.")
        if asked.variant != "model":
            raise RequestError("The arithmetic is shown for the model itself: switch the twin or the clamp off first.")
        time = asked.whole("time", 0, len(asked.ids) - 1)
        unit = asked.whole("unit", 0, config.hidden_size - 1)
        weights = Weights.of(reader.network.recurrent[asked.layer]["d"])
        x = reader.inputs(asked.layer, time, time + 1)[0]
        state = tuple(s[0] for s in reader.state(time)[asked.layer])
        result = asdict(unit_arithmetic(config.cell_type, weights, x, state, unit))
        lines = pytorch_lines(asked.model.name, asked.read_text, config.cell_type, asked.layer, unit, time)
        yield {"time": time, "unit": unit, "layer": asked.layer, "result": result, "lines": lines}, None

    def _saturation(self, asked: Asked) -> Iterator[tuple]:
        """Answer with each gate's shares of time at its ends, for one layer."""
        reader = self._read_through(asked)
        length = len(asked.ids)
        signals = {name: reader.signal(name, asked.layer, 0, length)[:, None] for name in reader.signals}
        try:
            found = saturation(signals)
        except ValueError:
            raise RequestError(f"{asked.model.name} has no gate that opens and shuts.") from None
        arrays = {"left": found.left[:, 0].astype(np.float32), "right": found.right[:, 0].astype(np.float32)}
        yield {"gates": found.gates, "layer": asked.layer, "time": length}, arrays

    def _experiment(self, asked: Asked) -> Iterator[tuple]:
        """Answer what a clamp does to loss, guesses and samples, and what the same does to ten other units."""
        if len(asked.clamps) != 1:
            raise RequestError(f"clamps: expected the one unit to hold, got {len(asked.clamps)}.")
        (clamp,) = asked.clamps
        seed, temperature = asked.whole("seed", 0, 2**32 - 1, 0), asked.number("temperature", 0, 10, 0.7)
        outcomes = compare(asked.model, asked.ids, clamp, seed=seed, temperature=temperature)
        names = outputs(asked.model)
        rows = []
        for outcome in outcomes:
            best = likeliest(outcome.probabilities[None])[0].tolist()
            bits = None if np.isnan(outcome.bits_per_token) else outcome.bits_per_token
            guesses = [[names[i], float(outcome.probabilities[i])] for i in best]
            rows.append({"unit": outcome.unit, "bits": bits, "guesses": guesses, "sample": outcome.sample})
        yield {"rows": rows, "clamp": asdict(clamp), "time": len(asked.ids)}, None

    def _csv(self, asked: Asked) -> Iterator[tuple]:
        """Answer with exact values of a stretch as CSV: a row a token, a column a unit."""
        reader = self._read_through(asked)
        first, last = asked.stretch()
        signal = asked.signal(reader.signals)
        values = reader.signal(signal, asked.layer, first, last)
        units = asked.units(values.shape[1])
        frame = pd.DataFrame(values[:, units], columns=[f"unit_{unit}" for unit in units])
        frame.insert(0, "time", np.arange(first, last))
        # Half a surrogate pair has no UTF-8; strings are quoted, since a token may be a bare carriage return.
        tokens = [token.encode("utf-8", "backslashreplace").decode() for token in asked.tokens[first:last]]
        frame.insert(1, "token", tokens)
        content = frame.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        yield {}, {"file": _bytes(content.encode())}

    def _npz(self, asked: Asked) -> Iterator[tuple]:
        """Answer with the whole Recording as `Recording.save` writes it."""
        reader = self._read_through(asked)
        layers, length = range(asked.model.config.num_layers), len(asked.ids)
        signals = {
            name: np.stack([reader.signal(name, layer, 0, length) for layer in layers], axis=1)
            for name in reader.signals
        }
        name = asked.model.name if asked.variant == "model" else f"{asked.model.name} ({asked.variant})"
        logits = reader.logits(0, length)
        recording = Recording(name, asked.model.config.cell_type, tuple(asked.tokens), signals, logits)
        with tempfile.TemporaryDirectory() as folder:
            recording.save(path := Path(folder) / "recording.npz")
            yield {}, {"file": _bytes(path.read_bytes())}

    def _script(self, asked: Asked) -> Iterator[tuple]:
        """Answer with a Python script that makes the same picture."""
        if asked.variant != "model":
            raise RequestError("The script shows the model itself: switch the twin or the clamp off first.")
        unit = asked.whole("unit", 0, asked.model.config.hidden_size - 1)
        signal = asked.signal(self._reader(asked).signals)
        yield (
            {},
            {"file": _bytes(picture_script(asked.model.name, asked.read_text, signal, asked.layer, unit).encode())},
        )

    _ASKS: ClassVar[dict[str, Callable[[LiveSession, Asked], Iterator[tuple]]]] = {
        "model": _model,
        "read": _read,
        "column": _column,
        "order": _order,
        "selection": _selection,
        "arithmetic": _arithmetic,
        "saturation": _saturation,
        "experiment": _experiment,
        "csv": _csv,
        "npz": _npz,
        "script": _script,
    }


def echo(request: object) -> dict[str, str | int | None]:
    """Return what an answer repeats of its request, as far as it is plain: it must be packed whatever was sent."""
    found = {key: request.get(key) for key in ("seq", "ask")} if isinstance(request, Mapping) else {}
    return {key: value for key, value in found.items() if isinstance(value, str | int | None)}


_TWIN_SEED = 0


@lru_cache(maxsize=8)
def twin(config: ModelConfig) -> Network:
    """Return a network of the same shape with random weights, PyTorch's defaults and an LSTM's forget gates open."""
    return seeded_network(config, _TWIN_SEED).eval().requires_grad_(False)


def outputs(model: Model) -> list[str]:
    """Return the names of a model's outputs: its vocabulary, or a classifier's labels."""
    return list(model.tokenizer.vocabulary if model.config.task == "language_model" else model.config.labels)


def describe(model: Model) -> dict[str, Any]:
    """Return what a picture has to know of a model: its shape, its signals with their scales, its outputs."""
    config = model.config
    signals = []
    for name in reader_of(model.network).signals:
        scale = scale_of(name, config.cell_type)
        signals.append({"name": name, "low": scale.low, "high": scale.high, "squashed": scale.squashed})
    return {
        "model": model.name,
        "task": config.task,
        "cell_type": config.cell_type,
        "characters": isinstance(model.tokenizer, CharTokenizer),
        "layers": config.num_layers,
        "units": config.hidden_size,
        "bidirectional": config.bidirectional,
        "signals": signals,
        "outputs": outputs(model),
        "headline": headline(model.card),
    }


def _bits(chances: np.ndarray, ids: np.ndarray, from_start: bool) -> np.ndarray:
    """Return each token's surprise given those before it, float32 bits; NaN for the text's first."""
    found = chances[np.arange(len(ids) - 1), ids[1:]]
    bits = surprise(found)
    return np.concatenate([[np.nan], bits] if from_start else [bits]).astype(np.float32)


def _listed(match: Match) -> list[dict[str, float]]:
    """Return the best of a ranking for a list on the page."""
    best = zip(match.units.tolist(), match.score.tolist(), match.side.tolist(), strict=True)
    return [{"unit": unit, "score": score, "side": side} for unit, score, side in list(best)[:_LISTED]]


def _bytes(content: bytes) -> np.ndarray:
    return np.frombuffer(content, dtype=np.uint8)

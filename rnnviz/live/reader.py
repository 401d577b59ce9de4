"""A network's states after every prefix of a text, kept so that an edit costs only what follows it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from mmap import mmap

import numpy as np
import torch
from torch import Tensor

from rnnviz.cells import State, Weights
from rnnviz.config import LONGEST
from rnnviz.live.clamps import Clamp, Held, held_gates, held_rows, held_step
from rnnviz.network import Network
from rnnviz.record import record_layer, record_network

_FIRST, _STRETCH = 4, 128
"""Steps of a stretch: few at first, for a quick first answer, then more, for the fused kernel's sake."""

_SHORT = 16
"""Steps up to which one at a time is quicker than the fused kernel."""


class Reader:
    """Reads a growing and changing text with a network of one direction.

    Args:
        network: In evaluation mode; it is not changed, so many readers may share it.
        clamps: Values to hold while reading.

    Raises:
        ConfigError: A clamp does not fit the network.
    """

    def __init__(self, network: Network, clamps: Sequence[Clamp] = ()) -> None:
        for clamp in clamps:
            clamp.check(network)
        self.network, self.clamps = network, tuple(clamps)
        self.ids = np.empty(0, dtype=np.int64)
        config = network.config
        shape = (LONGEST, len(network.cell.states), config.hidden_size)
        self._states = [_paged(shape) for _ in range(config.num_layers)]
        self.weights = [Weights.of(layer["d"]) for layer in network.recurrent]
        self._held = {first: self._held_rows(first) for first in {0, *(clamp.first for clamp in self.clamps)}}

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of what can be asked for."""
        return self.network.cell.signals

    def advance(self, ids: np.ndarray) -> Iterator[int]:
        """Read what is new in a text, a stretch at a time.

        The part before the first changed id is kept. An iterator that is given up leaves a shorter text read.

        Args:
            ids: int64 (time,), at most `LONGEST`.

        Yields:
            How many tokens have been read: first what was kept, then after each stretch.
        """
        done = self.go_back(ids)
        yield done
        step = _FIRST
        while done < len(ids):
            last = self._held_alike(done, min(done + step, len(ids)))
            self._read(ids, done, last)
            done, step = last, min(_STRETCH, 4 * step)
            self.ids = ids[:done]
            yield done

    def go_back(self, ids: np.ndarray) -> int:
        """Forget what comes after the first id that has changed; returns how many tokens are still read."""
        length = min(len(ids), len(self.ids))
        changed = np.flatnonzero(ids[:length] != self.ids[:length])
        done = int(changed[0]) if len(changed) else length
        self.ids = ids[:done]
        return done

    def put(self, layer: int, states: np.ndarray) -> None:
        """Take in a layer's states (state, unit) after the next token, worked out elsewhere."""
        self._states[layer][len(self.ids)] = states

    def _held_rows(self, time: int) -> list[Held]:
        """Return what is held at a time, a layer each."""
        held = [clamp for clamp in self.clamps if clamp.first <= time]
        return [held_rows(self.network, [held], layer) for layer in range(self.network.config.num_layers)]

    def _held_at(self, layer: int, time: int) -> Held:
        return self._held[max(first for first in self._held if first <= time)][layer]

    def _held_alike(self, first: int, last: int) -> int:
        """Return how far a stretch goes, at most, with the same values held."""
        return min((turn for turn in self._held if first < turn < last), default=last)

    @torch.no_grad()
    def _read(self, ids: np.ndarray, first: int, last: int) -> None:
        x = self._embed(ids, first, last)
        for layer, kept in enumerate(self._states):
            for i, state in enumerate(
                self._run_layer(layer, x, self._before(layer, first), self._held_at(layer, first))
            ):
                kept[first:last, i] = state.cpu().numpy()
            x = self._at(layer, 0, first, last)

    def _run_layer(self, layer: int, x: Tensor, state: State, held: Held) -> list[Tensor]:
        """Return the layer's states (time, unit), by the fused kernel where that is quicker."""
        cell, weights = self.network.cell, self.weights[layer]
        if len(x) > _SHORT and not held:
            signals = record_layer(self.network.recurrent[layer]["d"], cell, x[:, None], state)
            return [signals[name][:, 0] for name in cell.states]
        steps = []
        for projected in weights.project(x)[:, None].unbind():
            state = (
                held_step(cell, projected, state, weights, held) if held else cell.step(projected, state, weights)[0]
            )
            steps.append(state)
        return [torch.cat(states) for states in zip(*steps, strict=True)]

    def _before(self, layer: int, time: int) -> State:
        """Return the state before a time step, each (1, unit)."""
        if time == 0:
            return self.network.start(1, layer)
        return tuple(self._at(layer, i, time - 1, time) for i in range(len(self.network.cell.states)))

    def _at(self, layer: int, state: int, first: int, last: int) -> Tensor:
        return torch.from_numpy(self._states[layer][first:last, state]).to(self.network.device)

    def state(self, time: int) -> list[State]:
        """Return the states after the first `time` tokens, a tuple of (1, unit) tensors a layer."""
        return [self._before(layer, time) for layer in range(self.network.config.num_layers)]

    def inputs(self, layer: int, first: int, last: int) -> Tensor:
        """Return what a layer read: (time, input)."""
        if layer:
            return self._at(layer - 1, 0, first, last)
        return self._embed(self.ids, first, last)

    def _embed(self, ids: np.ndarray, first: int, last: int) -> Tensor:
        """Return what the first layer reads of a stretch: (time, input)."""
        near = torch.from_numpy(ids[max(0, first - 1) : last]).to(self.network.device)
        return self.network.embed(near[1:], near[:1]) if first else self.network.embed(near)

    def _pieces(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Cut a stretch where what is held changes."""
        while first < last:
            yield first, (end := self._held_alike(first, last))
            first = end

    @torch.no_grad()
    def signal(self, name: str, layer: int, first: int, last: int) -> np.ndarray:
        """Return one signal of one layer over a stretch: float32 (time, unit); gates are recomputed from the states."""
        cell = self.network.cell
        if name in cell.states:
            return self._states[layer][first:last, cell.states.index(name)]
        previous = torch.cat([self._before(layer, first)[0], self._at(layer, 0, first, last - 1)])
        weights, parts = self.weights[layer], []
        projected = weights.project(self.inputs(layer, first, last))
        for begin, end in self._pieces(first, last):
            within = slice(begin - first, end - first)
            every = {held: (slice(None), *at[1:]) for held, at in self._held_at(layer, begin).items()}
            parts.append(held_gates(cell, projected[within], previous[within], weights, every)[name])
        return torch.cat(parts).cpu().numpy()

    @torch.no_grad()
    def logits(self, first: int, last: int) -> np.ndarray:
        """Return the logits after each token of a stretch: float32 (time, output)."""
        top = len(self._states) - 1
        begin = first if self.network.config.pooling == "last" else 0  # a pooling head sees what came before, too
        return self.network.answer(self._at(top, 0, begin, last)[None])[0, first - begin :].cpu().numpy()


def _paged(shape: tuple[int, ...]) -> np.ndarray:
    """Return a float32 array whose memory is taken page by page as it is written, and given back at once when freed."""
    return np.frombuffer(mmap(-1, 4 * math.prod(shape)), dtype=np.float32).reshape(shape)


class WholeReader:
    """Reads with a bidirectional network: every edit changes every state, so it reads the whole text anew."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.ids = np.empty(0, dtype=np.int64)
        self._layers: list[dict[str, np.ndarray]] = []
        self._logits = np.empty(0)

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of what can be asked for."""
        names = self.network.cell.signals
        return (*names, *(f"{name}_backward" for name in names))

    @torch.no_grad()
    def advance(self, ids: np.ndarray) -> Iterator[int]:
        """Read a text; see `Reader.advance`."""
        if not np.array_equal(ids, self.ids):
            yield 0
            batch = torch.from_numpy(ids)[None].to(self.network.device)
            layers, logits = record_network(self.network, batch, torch.tensor([len(ids)], device=batch.device))
            self._layers = [{name: value[:, 0].cpu().numpy() for name, value in layer.items()} for layer in layers]
            self._logits, self.ids = logits[:, 0].cpu().numpy(), ids
        yield len(ids)

    def signal(self, name: str, layer: int, first: int, last: int) -> np.ndarray:
        """Return one signal of one layer over a stretch: float32 (time, unit)."""
        return self._layers[layer][name][first:last]

    def logits(self, first: int, last: int) -> np.ndarray:
        """Return the logits at each token of a stretch: float32 (time, output)."""
        return self._logits[first:last]


def reader_of(network: Network, clamps: Sequence[Clamp] = ()) -> Reader | WholeReader:
    """Return the reader that suits a network.

    Raises:
        ConfigError: A clamp does not fit the network.
    """
    if not network.config.bidirectional:
        return Reader(network, clamps)
    for clamp in clamps:
        clamp.check(network)
    return WholeReader(network)

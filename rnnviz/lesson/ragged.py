"""Texts of different lengths in one batch: padding, masks and lengths, states and gradients; it draws nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnviz.analysis.padded import ALONE, LEFT, MASKED_LEFT, MASKED_RIGHT, PACKED, RIGHT, has_packing
from rnnviz.cells import Weights
from rnnviz.checkpoints import Model
from rnnviz.errors import TextError
from rnnviz.network import Network, at_end, seeded_network
from rnnviz.recording import softmax
from rnnviz.text import Tokenizer, read

PRE, POST = "pre", "post"
GATHERED = "gathered"
MOST_LINES, MOST_WORDS = 12, 40


@dataclass(frozen=True, eq=False)
class Batch:
    """The reader's lines as a batch.

    Attributes:
        rows: Each int64 (time,), the ids of a line's words, without padding.
        words: The same as words.
        unknown: For each row and word whether it is outside the network's vocabulary.
        left_out: Lines with a word beyond the first `MOST_LINES` of them, which are not read.
        cut: Lines of which only the first `MOST_WORDS` words are read.
    """

    rows: tuple[np.ndarray, ...]
    words: tuple[tuple[str, ...], ...]
    unknown: tuple[tuple[bool, ...], ...]
    left_out: int = 0
    cut: int = 0

    @property
    def lengths(self) -> np.ndarray:
        """True lengths, int64 (row,)."""
        return np.array([len(row) for row in self.rows])

    @property
    def time(self) -> int:
        """Columns: the longest row's length."""
        return int(self.lengths.max())

    @property
    def computed(self) -> int:
        """Steps that a network computes which is not told of padding."""
        return self.time * len(self.rows)


def read_lines(tokenizer: Tokenizer, text: str) -> Batch:
    """Read one text a line; lines without a word are left out.

    Raises:
        TextError: There is no word at all.
    """
    rows, words, unknown, left_out, cut = [], [], [], 0, 0
    for line in text.splitlines():
        try:
            ids, tokens = read(tokenizer, line)
        except TextError:
            continue
        if len(rows) == MOST_LINES:
            left_out += 1
            continue
        strange = set(tokenizer.unknown(line))
        cut += len(ids) > MOST_WORDS
        rows.append(ids[:MOST_WORDS])
        words.append(tuple(tokens[:MOST_WORDS]))
        unknown.append(tuple(token in strange for token in tokens[:MOST_WORDS]))
    if not rows:
        raise TextError("There is no word in the lines: type at least one text, one text a line.")
    return Batch(tuple(rows), tuple(words), tuple(unknown), left_out, cut)


def matrix(rows: Sequence[np.ndarray], side: str, padding: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Fill rows up to the longest of them.

    Args:
        rows: Each int64 (time,).
        side: `PRE` puts the padding at the start, `POST` at the end, as Keras' `pad_sequences` calls them.
        padding: The id that fills.

    Returns:
        int64 (row, time), and bool (row, time): where a real word stands.
    """
    time = max(len(row) for row in rows)
    ids, real = np.full((len(rows), time), padding, dtype=np.int64), np.zeros((len(rows), time), dtype=bool)
    for i, row in enumerate(rows):
        place = slice(time - len(row), time) if side == PRE else slice(0, len(row))
        ids[i, place], real[i, place] = row, True
    return ids, real


@dataclass(frozen=True, eq=False)
class Readings:
    """A batch read in several ways: `ALONE`, `RIGHT`, `LEFT`, both masks, `GATHERED` and, where torch has it, `PACKED`.

    Attributes:
        states: Way -> float64 (row, unit), the top layer's state that the head reads.
        probabilities: Way -> float64 (row, class).
        away: Way -> float64 (row, time): how far the state in each column is from the row's true final state.
    """

    states: Mapping[str, np.ndarray]
    probabilities: Mapping[str, np.ndarray]
    away: Mapping[str, np.ndarray]

    def distances(self, way: str) -> np.ndarray:
        """How far the state read is from the state that the text ends with when it is read alone: (row,)."""
        return np.linalg.norm(self.states[way] - self.states[ALONE], axis=1)


@torch.no_grad()
def read_batch(network: Network, rows: Sequence[np.ndarray]) -> Readings:
    """Read a batch padded at the end and at the start, told of the padding and not.

    Args:
        network: A one-way classifier that reads its last state alone, in evaluation mode.
        rows: Each int64 (time,), without padding.
    """
    padding = network.config.padding_index or 0
    (end, real_end), (start, real_start) = matrix(rows, POST, padding), matrix(rows, PRE, padding)
    last, true = np.full(len(rows), end.shape[1] - 1), np.array([len(row) - 1 for row in rows])
    at_post, at_pre = (network.embed(_tensor(network, ids)) for ids in (end, start))
    blind = _hidden(network, at_post)
    found = {
        RIGHT: (blind, last),
        LEFT: (_hidden(network, at_pre), last),
        MASKED_RIGHT: (_masked(network, at_post, real_end), last),
        MASKED_LEFT: (_masked(network, at_pre, real_start), last),
        GATHERED: (blind, true),
    }
    if has_packing(network):
        found[PACKED] = (_packed(network, at_post, true + 1), true)
    alone = [_hidden(network, network.embed(_tensor(network, row[None])))[0, -1] for row in rows]
    states = {ALONE: torch.stack(alone)}
    states |= {way: at_end(hidden, _tensor(network, at + 1)) for way, (hidden, at) in found.items()}
    away = {way: (hidden.double() - states[ALONE].double()[:, None]).norm(dim=-1) for way, (hidden, _) in found.items()}
    answers = {way: softmax(network.answer(h[:, None])[:, 0].cpu().numpy()) for way, h in states.items()}
    return Readings(
        {way: h.double().cpu().numpy() for way, h in states.items()},
        answers,
        {way: d.cpu().numpy() for way, d in away.items()},
    )


def _tensor(network: Network, array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(network.device)


def _hidden(network: Network, x: Tensor) -> Tensor:
    """Return the top layer's states (row, time, unit) of vectors (row, time, vector)."""
    for layer in range(network.config.num_layers):
        x, _ = network.run_layer(layer, x, None, None)
    return x


def _masked(network: Network, x: Tensor, real: np.ndarray) -> Tensor:
    """Do the same with a mask: where no word stands, the old state is handed on."""
    keep = _tensor(network, real)[..., None]
    for layer in range(network.config.num_layers):
        weights, state, out = Weights.of(network.recurrent[layer]["d"]), network.start(len(x), layer), []
        for t, projected in enumerate(weights.project(x).unbind(dim=1)):
            new, _ = network.cell.step(projected, state, weights)
            state = tuple(torch.where(keep[:, t], n, o) for n, o in zip(new, state, strict=True))
            out.append(state[0])
        x = torch.stack(out, dim=1)
    return x


def _packed(network: Network, x: Tensor, lengths: np.ndarray) -> Tensor:
    """Do the same with torch's packing, which computes no step of padding; zeros stand in padded columns."""
    for layer in range(network.config.num_layers):
        packed = pack_padded_sequence(x, torch.from_numpy(lengths), batch_first=True, enforce_sorted=False)
        state = tuple(s[None].contiguous() for s in network.start(len(x), layer))
        out, _ = network.recurrent[layer]["d"](packed, state if len(state) > 1 else state[0])
        x = pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])[0]
    return x


def alive(lengths: np.ndarray) -> list[int]:
    """Return how many rows still have a word at each step: what torch calls `batch_sizes`."""
    return [int((lengths > t).sum()) for t in range(int(lengths.max()))]


@dataclass(frozen=True, eq=False)
class Learning:
    """How much of the loss reaches the words of each row.

    Attributes:
        padding: int64 (row,), steps of padding.
        end: float64 (row,), the gradient at the row's words when padded at the end, divided by that without padding.
        start: The same padded at the start.
    """

    padding: np.ndarray
    end: np.ndarray
    start: np.ndarray


def gradient_shares(model: Model, rows: Sequence[np.ndarray], column: int, seed: int | None = None) -> Learning:
    """Measure what padding takes from the gradient that a text's words get.

    The gradient is that of the log-odds of a class with respect to the vectors of the row's words, its norm over all
    of them; the loss has the same one times a number that does not depend on the words.

    Args:
        model: A one-way classifier that reads its last state alone.
        rows: Each int64 (time,).
        column: The class.
        seed: Of an untrained network of the same shape to be measured in its place; None for the model itself.
    """
    network = model.network if seed is None else seeded_network(model.config, seed).eval().to(model.network.device)
    padding = network.config.padding_index or 0
    lengths = np.array([len(row) for row in rows])
    time = np.full(len(rows), lengths.max())
    (end, real_end), (start, real_start) = matrix(rows, POST, padding), matrix(rows, PRE, padding)
    true = _word_gradients(network, end, real_end, lengths, column)
    shares = [
        _word_gradients(network, ids, real, time, column) / np.maximum(true, 1e-300)
        for ids, real in ((end, real_end), (start, real_start))
    ]
    return Learning(time - lengths, *shares)


def _word_gradients(network: Network, ids: np.ndarray, real: np.ndarray, ends: np.ndarray, column: int) -> np.ndarray:
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        x = network.embed(_tensor(network, ids)).detach().requires_grad_()
        logits = network.whole_from(x, _tensor(network, ends)).double()
        others = [i for i in range(logits.shape[1]) if i != column]
        odds = logits[:, column] - torch.logsumexp(logits[:, others], dim=1)
        (gradient,) = torch.autograd.grad(odds.sum(), x)
    kept = gradient.double().cpu().numpy() * real[..., None]
    return np.linalg.norm(kept.reshape(len(ids), -1), axis=1)


def readings(model: Model, text: str) -> Readings:
    """Read the reader's lines with a model in every way; see `read_lines` and `read_batch`."""
    return read_batch(model.network, read_lines(model.tokenizer, text).rows)


def learning(model: Model, text: str, column: int) -> tuple[Learning, Learning]:
    """Return what padding takes from the reader's lines in a model, and in an untrained one of its shape."""
    rows = read_lines(model.tokenizer, text).rows
    return gradient_shares(model, rows, column), gradient_shares(model, rows, column, seed=0)

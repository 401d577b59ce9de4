"""A small network that reads a batch by mask and by lengths, and the programs that do the same; it draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from rnnviz.cells import Weights, run_layer
from rnnviz.lesson.ragged import POST, matrix
from rnnviz.network import at_end

UNITS, VECTOR = 3, 2
"""Of the small network that the program lines make."""


@dataclass(frozen=True, eq=False)
class Small:
    """The small network's final states, float64 (row, unit), made in three ways that should agree.

    Attributes:
        masked: A mask hands the state over padding.
        packed: Lengths, padding never computed.
        no_pad_row: Lengths and an embedding without a row for padding.
        ids: The rows' ids by order of first appearance, from 1.
        vocabulary: Different words, padding not among them.
    """

    masked: np.ndarray
    packed: np.ndarray
    no_pad_row: np.ndarray
    ids: tuple[tuple[int, ...], ...]
    vocabulary: int

    @property
    def gap(self) -> float:
        """The largest difference between any two of the three."""
        every = np.stack([self.masked, self.packed, self.no_pad_row])
        return float((every.max(axis=0) - every.min(axis=0)).max())


def _waves(rows: int, columns: int, shift: float) -> Tensor:
    """Return weights that a formula makes, so that a script needs no list of them: 0.8 sin(1.7 i + shift)."""
    return 0.8 * torch.sin(1.7 * torch.arange(rows * columns, dtype=torch.float64) + shift).reshape(rows, columns)


@torch.no_grad()
def small_states(words: Sequence[Sequence[str]]) -> Small:
    """Let a small tanh network of fixed weights read rows of words by mask, by lengths and without a pad row."""
    known: dict[str, int] = {}
    ids = tuple(tuple(known.setdefault(word, len(known) + 1) for word in row) for row in words)
    table = torch.cat([torch.zeros(1, VECTOR, dtype=torch.float64), _waves(len(known), VECTOR, 0.0)])
    zero = torch.zeros(UNITS, dtype=torch.float64)
    weights = Weights(_waves(UNITS, VECTOR, 0.5), _waves(UNITS, UNITS, 1.0), zero + 0.1, zero)
    layer = torch.nn.RNN(VECTOR, UNITS, batch_first=True, dtype=torch.float64, device="meta").to_empty(device="cpu")
    for parameter, values in zip(layer.parameters(), weights, strict=True):
        parameter.copy_(values)
    lengths = torch.tensor([len(row) for row in ids])
    padded, real = (torch.from_numpy(a) for a in matrix([np.array(row) for row in ids], POST))
    state = torch.zeros(len(ids), UNITS, dtype=torch.float64)
    for t in range(padded.shape[1]):
        new = torch.tanh(weights.project(table[padded[:, t]]) + state @ weights.weight_hh.T)
        state = torch.where(real[:, t, None], new, state)
    packed = pack_padded_sequence(table[padded], lengths, batch_first=True, enforce_sorted=False)
    less = table[1:][(padded - 1).clamp(min=0)]  # where nothing stands, any word's row will do
    start = (torch.zeros(len(ids), UNITS, dtype=torch.float64),)
    read = at_end(run_layer(layer, less, start)[0], lengths)
    return Small(state.numpy(), layer(packed)[1][0].numpy(), read.numpy(), ids, len(known))


_PYTORCH = """\
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

texts = {texts}
lengths = torch.tensor([len(text) for text in texts])
ids = pad_sequence([torch.tensor(text) for text in texts], batch_first=True)  # (batch, time), 0 is padding

def waves(rows, columns, shift):
    return 0.8 * torch.sin(1.7 * torch.arange(rows * columns, dtype=torch.float64) + shift).reshape(rows, columns)

embedding = torch.nn.Embedding({words}, {vector}, dtype=torch.float64)  # no row for padding
rnn = torch.nn.RNN({vector}, {units}, batch_first=True, dtype=torch.float64)
with torch.no_grad():
    embedding.weight.copy_(waves({words}, {vector}, 0.0))
    rnn.weight_ih_l0.copy_(waves({units}, {vector}, 0.5))
    rnn.weight_hh_l0.copy_(waves({units}, {units}, 1.0))
    rnn.bias_ih_l0.fill_(0.1)
    rnn.bias_hh_l0.zero_()
    vectors = embedding((ids - 1).clamp(min=0))  # ids from 0; what stands for padding is never read
    packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
    outputs, final = rnn(packed)
for row in final[0]:
    print(*(f"{{value:.6f}}" for value in row.tolist()))
"""
_KERAS = """\
import keras
import numpy as np

texts = {texts}
ids = keras.utils.pad_sequences(texts, padding="post")  # (batch, time), 0 is padding

def waves(rows, columns, shift):
    return 0.8 * np.sin(1.7 * np.arange(rows * columns) + shift).reshape(rows, columns)

inputs = keras.Input((None,), dtype="int32")
embedding = keras.layers.Embedding({words} + 1, {vector}, mask_zero=True, dtype="float64")  # row 0 is padding
rnn = keras.layers.SimpleRNN({units}, dtype="float64")
model = keras.Model(inputs, rnn(embedding(inputs)))
embedding.set_weights([np.concatenate([np.zeros((1, {vector})), waves({words}, {vector}, 0.0)])])
bias = np.full({units}, 0.1)
rnn.set_weights([waves({units}, {vector}, 0.5).T, waves({units}, {units}, 1.0).T, bias])
for row in keras.ops.convert_to_numpy(model(ids)):
    print(*(f"{{value:.6f}}" for value in row))
"""


def program_lines(small: Small) -> tuple[str, str]:
    """Return scripts in PyTorch and in Keras that print the small network's final states, a row a line."""
    texts = "[\n" + "".join(f"    {list(row)},\n" for row in small.ids) + "]"
    values = {"texts": texts, "words": small.vocabulary, "vector": VECTOR, "units": UNITS}
    return _PYTORCH.format(**values), _KERAS.format(**values)

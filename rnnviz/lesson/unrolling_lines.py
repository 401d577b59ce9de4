"""The loop by hand beside the library's own layer, as scripts in PyTorch and Keras; it runs nothing."""

from __future__ import annotations

import numpy as np

from rnnviz.cells import Weights
from rnnviz.network import Network

_TORCH_STEPS = {
    "rnn_tanh": "h = torch.tanh(W_x @ x + W_h @ h + b)",
    "gru": """\
(r, z, n), (hr, hz, hn) = (W_x @ x + b).chunk(3), (W_h @ h).chunk(3)
    r, z = torch.sigmoid(r + hr), torch.sigmoid(z + hz)
    h = (1 - z) * torch.tanh(n + r * hn) + z * h""",
    "lstm": """\
i, f, g, o = (W_x @ x + W_h @ h + b).chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)""",
}
_TORCH_LAYERS = {"rnn_tanh": "RNN", "gru": "GRU", "lstm": "LSTM"}
_KERAS_STEPS = {
    "rnn_tanh": "h = np.tanh(x @ W_x + h @ W_h + b)",
    "gru": """\
(z, r, n), (hz, hr, hn) = np.split(x @ W_x + b, 3), np.split(h @ W_h, 3)
    z, r = sigmoid(z + hz), sigmoid(r + hr)
    h = z * h + (1 - z) * np.tanh(n + r * hn)""",
    "lstm": """\
i, f, g, o = np.split(x @ W_x + h @ W_h + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)""",
}
_KERAS_LAYERS = {
    "rnn_tanh": "keras.layers.SimpleRNN({units}, return_sequences=True, dtype='float64')",
    "gru": "keras.layers.GRU({units}, return_sequences=True, reset_after=True, dtype='float64')",
    "lstm": "keras.layers.LSTM({units}, return_sequences=True, dtype='float64')",
}

_TORCH = """\
import torch

words = {words}
inputs = torch.tensor({inputs}, dtype=torch.float64)  # (time, input)
W_x = torch.tensor({W_x}, dtype=torch.float64)
W_h = torch.tensor({W_h}, dtype=torch.float64)
b = torch.tensor({b}, dtype=torch.float64)

# The loop by hand: every step uses the same W_x, W_h and b
h = torch.zeros({units}, dtype=torch.float64){cell}
by_hand = []
for x in inputs:
    {step}
    by_hand.append(h)

# The same loop, hidden in one call
layer = torch.nn.{layer}({features}, {units}).double()
with torch.no_grad():
    layer.weight_ih_l0.copy_(W_x)
    layer.weight_hh_l0.copy_(W_h)
    layer.bias_ih_l0.copy_(b)
    layer.bias_hh_l0.zero_()
    outputs, final = layer(inputs)

for word, ours, theirs in zip(words, by_hand, outputs):
    print(repr(word), *[f"{{v:.6f}}" for v in (*ours, *theirs)])
"""

_KERAS = """\
import keras
import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


words = {words}
inputs = np.array({inputs})  # (time, input)
W_x = np.array({W_x})  # Keras multiplies from the right: x @ W_x
W_h = np.array({W_h})
b = np.array({b})

# The loop by hand: every step uses the same W_x, W_h and b
h = np.zeros({units}){cell}
by_hand = []
for x in inputs:
    {step}
    by_hand.append(h)

# The same loop, hidden in one call
layer = {layer}
layer.build((1, *inputs.shape))
layer.set_weights([W_x, W_h, {bias}])
outputs = keras.ops.convert_to_numpy(layer(inputs[None]))[0]

# unroll=True writes the loop out as a chain; the weights are still one set
chain = type(layer).from_config(layer.get_config() | {{"unroll": True}})
chain.build((1, *inputs.shape))
chain.set_weights(layer.get_weights())
unrolled = keras.ops.convert_to_numpy(chain(inputs[None]))[0]

for word, *states in zip(words, by_hand, outputs, unrolled):
    print(repr(word), *[f"{{v:.6f}}" for state in states for v in state])
"""

_GRU_ORDER = (1, 0, 2)
"""Keras packs a GRU's gates z, r, n; PyTorch r, z, n."""


def torch_lines(network: Network, words: list[str], inputs: np.ndarray) -> str:
    """Write a PyTorch script that runs the small network's layer by hand and by `nn.RNN`, `nn.GRU` or `nn.LSTM`.

    Args:
        network: From `unrolling_cell.hand_network`, its second bias zero.
        words: (time,).
        inputs: (time, input).

    Returns:
        The script; it prints for every word the states by hand and then the library's, six decimals.
    """
    weights, cell = Weights.of(network.recurrent[0]["d"]), network.config.cell_type
    return _TORCH.format(
        words=words,
        inputs=inputs.tolist(),
        W_x=weights.weight_ih.tolist(),
        W_h=weights.weight_hh.tolist(),
        b=weights.bias_ih.tolist(),
        units=network.config.hidden_size,
        features=inputs.shape[1],
        cell="\nc = torch.zeros_like(h)" if cell == "lstm" else "",
        step=_TORCH_STEPS[cell],
        layer=_TORCH_LAYERS[cell],
    )


def keras_lines(network: Network, words: list[str], inputs: np.ndarray) -> str:
    """Write the same for Keras 3, on any backend: `SimpleRNN`, `GRU` or `LSTM`; see `torch_lines`.

    It prints the states a third time, from the layer with `unroll=True`.
    """
    weights, cell = Weights.of(network.recurrent[0]["d"]), network.config.cell_type
    w_x, w_h, b = (packed(part.numpy(), cell) for part in weights[:3])
    return _KERAS.format(
        words=words,
        inputs=inputs.tolist(),
        W_x=w_x.T.tolist(),
        W_h=w_h.T.tolist(),
        b=b.tolist(),
        units=network.config.hidden_size,
        cell="\nc = np.zeros_like(h)" if cell == "lstm" else "",
        step=_KERAS_STEPS[cell],
        layer=_KERAS_LAYERS[cell].format(units=network.config.hidden_size),
        bias="np.stack([b, 0 * b])" if cell == "gru" else "b",
    )


def packed(part: np.ndarray, cell: str) -> np.ndarray:
    """Put the blocks of rows, (blocks * unit, ...), into Keras' order; an LSTM's are the same in both."""
    if cell != "gru":
        return part
    blocks = np.split(part, 3)
    return np.concatenate([blocks[i] for i in _GRU_ORDER])

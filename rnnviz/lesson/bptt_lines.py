"""The gradient through time as scripts in PyTorch and Keras; it runs nothing."""

from __future__ import annotations

import numpy as np

from rnnviz.cells import Weights
from rnnviz.lesson.unrolling_lines import packed
from rnnviz.network import Network

_LAYERS = {"rnn_tanh": "RNN", "gru": "GRU", "lstm": "LSTM"}
_TORCH = """\
import torch

inputs = torch.tensor({inputs}, dtype=torch.float64)  # (time, input)
layer = torch.nn.{layer}({features}, {units}).double()
head = torch.nn.Linear({units}, {scores}).double()
with torch.no_grad():
    layer.weight_ih_l0.copy_(torch.tensor({W_x}, dtype=torch.float64))
    layer.weight_hh_l0.copy_(torch.tensor({W_h}, dtype=torch.float64))
    layer.bias_ih_l0.copy_(torch.tensor({b}, dtype=torch.float64))
    layer.bias_hh_l0.zero_()
    head.weight.copy_(torch.tensor({head}, dtype=torch.float64))
    head.bias.zero_()

outputs, _ = layer(inputs)  # forward through all steps ...
loss = torch.nn.functional.cross_entropy(head(outputs[-1]), torch.tensor({target}))
loss.backward()  # ... and back through all of them

print("loss", f"{{loss.item():.6f}}")
print("dL/dW_h", *[f"{{v:.6f}}" for v in layer.weight_hh_l0.grad.flatten().tolist()])
"""
_KERAS = """\
import os

os.environ["KERAS_BACKEND"] = "torch"  # before keras is imported

import keras
import numpy as np
import torch

inputs = torch.tensor({inputs}, dtype=torch.float64)  # (time, input)
layer = keras.layers.{layer}({units}, {options}dtype="float64")
head = keras.layers.Dense({scores}, dtype="float64")
layer.build((1, *inputs.shape))
head.build((1, {units}))
b = np.array({b})
layer.set_weights([{W_x}, {W_h}, {bias}])
head.set_weights([{head}, np.zeros({scores})])

last = layer(inputs[None].to(layer.weights[0].value.device))  # forward through all steps ...
loss = torch.nn.functional.cross_entropy(head(last)[0], torch.tensor({target}, device=last.device))
loss.backward()  # ... and back through all of them, by torch's autograd

gradient = layer.weights[1].value.grad.T  # Keras multiplies from the right: its matrix is transposed
print("loss", f"{{loss.item():.6f}}")
print("dL/dW_h", *[f"{{v:.6f}}" for v in gradient{order}.flatten().tolist()])
"""


def torch_gradient_lines(network: Network, inputs: np.ndarray, target: int) -> str:
    """Write a PyTorch script that prints the small network's loss and dL/dW_h, six decimals, row by row.

    Args:
        network: From `unrolling_cell.hand_network`, its second bias zero.
        inputs: (time, input).
        target: The right class.
    """
    weights, cell = Weights.of(network.recurrent[0]["d"]), network.config.cell_type
    return _TORCH.format(
        inputs=inputs.tolist(),
        layer=_LAYERS[cell],
        features=inputs.shape[1],
        units=network.config.hidden_size,
        scores=network.config.num_outputs,
        W_x=weights.weight_ih.tolist(),
        W_h=weights.weight_hh.tolist(),
        b=weights.bias_ih.tolist(),
        head=network.head.weight.tolist(),
        target=target,
    )


def keras_gradient_lines(network: Network, inputs: np.ndarray, target: int) -> str:
    """Write the same for Keras 3 on its torch backend; see `torch_gradient_lines`."""
    weights, cell = Weights.of(network.recurrent[0]["d"]), network.config.cell_type
    w_x, w_h, b = (packed(part.numpy(), cell) for part in weights[:3])
    units = network.config.hidden_size
    rows = [row + block * units for block in (1, 0, 2) for row in range(units)]
    return _KERAS.format(
        inputs=inputs.tolist(),
        layer={"rnn_tanh": "SimpleRNN"}.get(cell, cell.upper()),
        units=units,
        options="reset_after=True, " if cell == "gru" else "",
        scores=network.config.num_outputs,
        W_x=_array(w_x.T),
        W_h=_array(w_h.T),
        b=b.tolist(),
        bias="np.stack([b, 0 * b])" if cell == "gru" else "b",
        head=_array(network.head.weight.numpy().T),
        target=target,
        order=f"[{rows}]" if cell == "gru" else "",
    )


def _array(values: np.ndarray) -> str:
    return f"np.array({values.tolist()})"

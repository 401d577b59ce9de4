"""A hand-sized network as scripts, in PyTorch and in Keras, that print what the page shows of every step."""

from __future__ import annotations

import numpy as np

from rnnviz.lesson.cell import Hand, symbol

_H, _C = "*[f'{v:.6f}' for v in h.flatten().tolist()]", "*[f'{v:.6f}' for v in c.flatten().tolist()]"


def pytorch_script(hand: Hand, text: str) -> str:
    """Return a script that reads a text with a network's weights; each line it prints is a step, h and then c.

    Args:
        hand: The network.
        text: What it reads.
    """
    state, step = _torch_layer(hand)
    lines = [
        *_torch_opening(hand, text),
        *state,
        "",
        "with torch.no_grad():",
        "    for t in range(len(text)):",
        *(f"        {line}" for line in step),
        f"        print(t + 1, {_shown(hand)})",
    ]
    return "\n".join(lines) + "\n"


def keras_script(hand: Hand, text: str) -> str:
    """Return the same in Keras 3, on any backend.

    Args:
        hand: The network.
        text: What it reads.
    """
    states = ["h", "c"][: len(hand.start)]
    lines = [
        *_keras_opening(hand, text, _SAME),
        *(f"{name} = np.array([{_list(row)}])" for name, row in zip(states, hand.start, strict=True)),
        "",
        "for t in range(len(text)):",
        f"    output, {', '.join(states)} = layer(x[None, t : t + 1], initial_state=[{', '.join(states)}])",
        *(
            f"    {name} = keras.ops.convert_to_numpy({name})  # one step, the state carried along"
            if name == "h"
            else f"    {name} = keras.ops.convert_to_numpy({name})"
            for name in states
        ),
        f"    print(t + 1, {_shown(hand)})",
    ]
    return "\n".join(lines) + "\n"


def pytorch_backwards(hand: Hand, text: str) -> str:
    """Return a script that reads a text from the right; each line it prints is a character of the text, and its state.

    Args:
        hand: The network.
        text: What it reads.
    """
    before, step = _torch_layer(hand)
    lines = [
        *_torch_opening(hand, text),
        "x = x.flip(0)  # from the last character to the first",
        *before,
        "",
        "states = []",
        "with torch.no_grad():",
        "    for t in range(len(text)):",
        *(f"        {line}" for line in step),
        "        states.append(h.flatten().tolist())",
        "",
        "for t, state in enumerate(reversed(states)):  # each under the character that was read",
        f"    print(t + 1, {_STATE})",
    ]
    return "\n".join(lines) + "\n"


def keras_backwards(hand: Hand, text: str) -> str:
    """Return the same in Keras 3, with `go_backwards=True`."""
    starts = ", ".join(f"np.array([{_list(row)}])" for row in hand.start)
    lines = [
        *_keras_opening(hand, text, f"go_backwards=True, {_OUTPUTS}"),
        "",
        f"output = layer(x[None], initial_state=[{starts}])  # in the order of reading",
        "states = keras.ops.convert_to_numpy(output)[0]",
        "for t, state in enumerate(states[::-1].tolist()):  # each under the character that was read",
        f"    print(t + 1, {_STATE})",
    ]
    return "\n".join(lines) + "\n"


def pytorch_pieces(hand: Hand, text: str, size: int) -> str:
    """Return a script that reads a text in pieces, its state carried over or begun anew.

    Each line it prints is a step and how far the states are off the whole text's, carried over and anew; the last line
    is the largest of each.

    Args:
        hand: The network.
        text: What it reads.
        size: Characters of a piece.
    """
    before, step = _torch_layer(hand)
    carried = ", ".join(["h", "c"][: len(hand.start)])
    lines = [
        *_torch_opening(hand, text),
        *before,
        f"first = {carried}",
        "",
        "",
        "def read(size, stateful):",
        f"    {carried} = first",
        "    states = []",
        "    for at in range(0, len(text), size):  # a piece",
        "        if not stateful:",
        f"            {carried} = first",
        "        for t in range(at, min(at + size, len(text))):",
        *(f"            {line}" for line in step),
        "            states.append(h.flatten())",
        "    return torch.stack(states)",
        "",
        "",
        "with torch.no_grad():",
        *(f"    {line}" for line in _compared(size, "(read({}, {}) - whole).abs().amax(1)")),
    ]
    return "\n".join(lines) + "\n"


def keras_pieces(hand: Hand, text: str, size: int) -> str:
    """Return the same in Keras 3, with `stateful=True` and `reset_state()`."""
    start = [f"np.array([{_list(row)}])" for row in hand.start]
    lines = [
        *_keras_opening(hand, text, f"stateful=True, {_OUTPUTS}"),
        "",
        "",
        "def begin():",
        "    layer.reset_state()  # to zeros",
        *(f"    layer.states[{i}].assign({row})" for i, row in enumerate(start) if hand.start.any()),
        "",
        "",
        "def read(size, stateful):",
        "    begin()",
        "    states = []",
        "    for at in range(0, len(text), size):  # a piece; the layer goes on from the state it keeps",
        "        if not stateful:",
        "            begin()",
        "        states.append(keras.ops.convert_to_numpy(layer(x[None, at : at + size]))[0])",
        "    return np.concatenate(states)",
        "",
        "",
        *_compared(size, "np.abs(read({}, {}) - whole).max(1)"),
    ]
    return "\n".join(lines) + "\n"


_STATE = "*[f'{v:.6f}' for v in state]"
_OUTPUTS = 'return_sequences=True, dtype="float64"'


def _compared(size: int, difference: str) -> list[str]:
    """The whole text, and both ways of reading it in pieces against it."""
    return [
        "whole = read(len(text), True)",
        f"carried = {difference.format(size, True)}",
        f"anew = {difference.format(size, False)}",
        "for t in range(len(text)):",
        '    print(t + 1, f"{carried[t]:.6f}", f"{anew[t]:.6f}")',
        'print("largest", f"{carried.max():.6f}", f"{anew.max():.6f}")',
    ]


def _torch_opening(hand: Hand, text: str) -> list[str]:
    """The imports, the text and the weights."""
    return [
        "import torch",
        "from torch import nn",
        "",
        *_read(hand, text, "torch.tensor(", ", dtype=torch.float64)"),
        *_arrays(hand, "torch.tensor(", ", dtype=torch.float64)"),
        "",
    ]


def _keras_opening(hand: Hand, text: str, options: str) -> list[str]:
    """The imports, the text, the weights and the layer."""
    return [
        "import keras",
        "import numpy as np",
        "",
        *_read(hand, text, "np.array(", ")"),
        *_arrays(hand, "np.array(", ")"),
        "",
        *_keras_layer(hand, options),
        f"layer.build((1, None, {len(hand.letters)}))",
        f"layer.set_weights({_KERAS_WEIGHTS.get(hand.cell_type, '[W_x.T, W_h.T, b]')})",
    ]


def _shown(hand: Hand) -> str:
    state = f'"{symbol("hidden", hand.cell_type)}", {_H}'
    return f'{state}, "c", {_C}' if hand.cell_type == "lstm" else state


def _read(hand: Hand, text: str, opening: str, closing: str) -> list[str]:
    one_hot = "[[float(character == letter) for letter in letters] for character in text]"
    return [f"text, letters = {text!r}, {list(hand.letters)!r}", f"x = {opening}{one_hot}{closing}"]


def _list(values: np.ndarray) -> str:
    return repr(values.tolist())


def _arrays(hand: Hand, opening: str, closing: str) -> list[str]:
    parts = {"W_x": hand.weight_x, "W_h": hand.weight_h, "b": hand.bias}
    if hand.cell_type == "gru":
        parts["b_h"] = hand.bias_h
    return [f"{name} = {opening}{_list(values)}{closing}" for name, values in parts.items()]


_MODULES = {
    "rnn_tanh": ("nn.RNN({}, {})", ""),
    "rnn_relu": ('nn.RNN({}, {}, nonlinearity="relu")', ""),
    "lstm": ("nn.LSTM({}, {})", "  # rows in the order i, f, g, o"),
    "gru": ("nn.GRU({}, {})", "  # rows in the order r, z, n; z keeps; reset outside the product"),
}
_LOOPS = {
    "rnn_sigmoid": ["h = torch.sigmoid(W_x @ x[t] + W_h @ h + b)  # nn.RNN has tanh and ReLU only"],
    "residual": ["h = torch.tanh(W_x @ x[t] + W_h @ h + b) + h  # not in PyTorch: a loop"],
    "gru_textbook": [
        "# not in PyTorch: the reset gate inside the product; z keeps",
        "r = torch.sigmoid(X_r @ x[t] + H_r @ h + b_r)",
        "z = torch.sigmoid(X_z @ x[t] + H_z @ h + b_z)",
        "n = torch.tanh(X_n @ x[t] + H_n @ (r * h) + b_n)",
        "h = z * h + (1 - z) * n",
    ],
}


def _torch_layer(hand: Hand) -> tuple[list[str], list[str]]:
    """What stands before the loop, and one step of it."""
    kind, closing = hand.cell_type, ", dtype=torch.float64)"
    if kind in _LOOPS:
        before = [f"h = torch.tensor({_list(hand.start[0])}{closing}"]
        if kind == "gru_textbook":
            chunks = "W_x.chunk(3), W_h.chunk(3), b.chunk(3)"
            before.append(f"(X_r, X_z, X_n), (H_r, H_z, H_n), (b_r, b_z, b_n) = {chunks}")
        return before, _LOOPS[kind]
    module, note = _MODULES[kind]
    states = ["h", "c"][: len(hand.start)]
    bias = "b_h" if kind == "gru" else "torch.zeros_like(b)"
    carried = "h" if len(states) == 1 else "(h, c)"
    return [
        f"layer = {module.format(len(hand.letters), hand.units)}.double(){note}",
        'names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]',
        f"layer.load_state_dict(dict(zip(names, [W_x, W_h, b, {bias}])))",
        *(
            f"{name} = torch.tensor([{_list(row)}]{closing}  # (layers, units)"
            for name, row in zip(states, hand.start, strict=True)
        ),
    ], [f"output, {carried} = layer(x[t : t + 1], {carried})  # one step, the state carried along"]


_SAME = 'return_sequences=True, return_state=True, dtype="float64"'
_SIMPLE = {"rnn_tanh": "tanh", "rnn_relu": "relu", "rnn_sigmoid": "sigmoid"}
_KERAS_WEIGHTS = {
    "gru": "[zrn(W_x).T, zrn(W_h).T, np.stack([zrn(b), zrn(b_h)])]",
    "gru_textbook": "[zrn(W_x).T, zrn(W_h).T, zrn(b)]",
}
_RESIDUAL = """\
class ResidualCell(keras.Layer):  # not in Keras: a cell of one's own
    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = self.state_size = self.output_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.recurrent = self.add_weight(shape=(self.units, self.units), name="recurrent")
        self.bias = self.add_weight(shape=(self.units,), name="bias")

    def call(self, inputs, states):
        old = states[0]
        written = keras.ops.tanh(inputs @ self.kernel + old @ self.recurrent + self.bias)
        return old + written, [old + written]


cell = ResidualCell({units}, dtype="float64")
layer = keras.layers.RNN(cell, {same})"""


def _keras_layer(hand: Hand, options: str) -> list[str]:
    kind, units = hand.cell_type, hand.units
    if kind in _SIMPLE:
        return [f'layer = keras.layers.SimpleRNN({units}, activation="{_SIMPLE[kind]}", {options})']
    if kind == "lstm":
        return [f"layer = keras.layers.LSTM({units}, {options})  # blocks in the order i, f, c, o: c is PyTorch's g"]
    if kind == "residual":
        return [*_RESIDUAL.format(units=units, same=options).split("\n")]
    after = kind == "gru"
    note = "PyTorch's GRU, bias (2, 3 * units)" if after else "the textbook's GRU, bias (3 * units,)"
    return [
        "",
        "def zrn(rows):  # Keras has its blocks in the order z, r, h; h is PyTorch's n",
        "    r, z, n = np.split(rows, 3)",
        "    return np.concatenate([z, r, n])",
        "",
        "",
        f"# {note}; z keeps in both",
        f"layer = keras.layers.GRU({units}, reset_after={after}, {options})",
    ]

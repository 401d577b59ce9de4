"""Which shape is where: recurrent layers run with the reader's settings, each tensor's shape read off the tensor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn

from rnnviz.checkpoints import Model
from rnnviz.text import read

CELLS = {"rnn": ("SimpleRNN", "RNN"), "lstm": ("LSTM", "LSTM"), "gru": ("GRU", "GRU")}
"""Cell -> its layer's name in Keras and in `torch.nn`."""
KINDS = {
    "many_to_one": "Many to one",
    "one_to_many": "One to many",
    "aligned": "Many to many, a label a step",
    "encoder_decoder": "Many to many, encoder and decoder",
}
LIMITS = {"batch": 64, "time": 50, "features": 64, "units": 64, "layers": 3, "classes": 20, "written": 50}
"""The largest value of each number; all are at least 1."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Setting:
    """What the reader has chosen.

    Attributes:
        cell: One of `CELLS`.
        batch: Sequences read together.
        time: Steps that are read.
        features: Numbers a step.
        units: Of each layer and direction.
        layers: One above the other.
        both: Bidirectional.
        sequences: `return_sequences` of the top layer.
        state: `return_state` of the top layer.
        classes: Numbers that a dense head gives.
        written: Steps that a decoder writes.

    Raises:
        ValueError: A number is below 1 or above its limit, or there is no such cell.
    """

    cell: str = "lstm"
    batch: int = 8
    time: int = 5
    features: int = 3
    units: int = 16
    layers: int = 2
    both: bool = False
    sequences: bool = False
    state: bool = False
    classes: int = 4
    written: int = 6

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise ValueError(f"cell: expected one of {', '.join(CELLS)}, got {self.cell!r}")
        for name, most in LIMITS.items():
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name}: expected 1 to {most}, got {getattr(self, name)!r}")

    @property
    def directions(self) -> int:
        """1 or 2."""
        return 2 if self.both else 1


def _layers(setting: Setting, features: int, units: int, both: bool) -> list[nn.RNNBase]:
    """Return one PyTorch layer a level, as Keras stacks them."""
    make, wide = getattr(nn, CELLS[setting.cell][1]), units * (2 if both else 1)
    return [
        _real(make(features if level == 0 else wide, units, batch_first=True, bidirectional=both, device="meta"))
        for level in range(setting.layers)
    ]


def _real(module: nn.Module) -> nn.Module:
    """Give a module of the meta device random weights; torch's own generator stays as it is."""
    generator = torch.Generator().manual_seed(0)
    module.to_empty(device="cpu")
    for weight in module.parameters():
        weight.data.uniform_(-0.1, 0.1, generator=generator)
    return module


def _dense(read: int, wide: int) -> nn.Module:
    return _real(nn.Linear(read, wide, device="meta"))


def _states(state: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Return h, and c where there is one: (layer * direction, batch, unit) each."""
    return state if isinstance(state, tuple) else (state,)


@torch.no_grad()
def _stack(layers: list[nn.RNNBase], x: Tensor) -> tuple[list[Tensor], list[tuple[Tensor, ...]]]:
    """Return each level's output (batch, time, unit * direction) and last states (direction, batch, unit)."""
    outputs, finals = [], []
    for layer in layers:
        x, final = layer(x)
        outputs.append(x)
        finals.append(_states(final))
    return outputs, finals


def _input(setting: Setting) -> Tensor:
    shape = (setting.batch, setting.time, setting.features)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def last_step(output: Tensor, units: int) -> Tensor:
    """Return what Keras gives without `return_sequences`: each direction's output after its own last step.

    Args:
        output: (batch, time, unit * direction).
        units: Of a direction.
    """
    return torch.cat([output[:, -1, :units], output[:, 0, units:]], dim=-1)


@dataclass(frozen=True)
class Returned:
    """What the layers give back, shapes read off tensors.

    Attributes:
        keras: (name, shape) in the order of Keras' list for the top layer.
        pytorch: (name, shape) of what a `torch.nn` module of all layers returns.
        places: The arrows of the diagram: "x" (all steps), "x_t", "up_1", "up_2" (one step between two levels), "h",
            "c" (between two steps of a level and direction), "out_t" (the top at one step), "out" (the tensor that
            leaves the top), "final" (one direction's last state).
    """

    keras: tuple[tuple[str, Shape], ...]
    pytorch: tuple[tuple[str, Shape], ...]
    places: dict[str, Shape]


@lru_cache(maxsize=256)
def returned(setting: Setting) -> Returned:
    """Run the layers on random numbers and tell every shape."""
    make, layers = getattr(nn, CELLS[setting.cell][1]), _layers(setting, setting.features, setting.units, setting.both)
    options = {"batch_first": True, "bidirectional": setting.both, "device": "meta"}
    whole = _real(make(setting.features, setting.units, setting.layers, **options))
    x = _input(setting)
    outputs, finals = _stack(layers, x)
    top, units = outputs[-1], setting.units
    out = top if setting.sequences else last_step(top, units)
    keras = [("sequence" if setting.sequences else "output", _shape(out))]
    if setting.state:
        keras += _keras_states(finals[-1])
    with torch.no_grad():
        output, final = whole(x)
    pytorch = [("output", _shape(output))]
    pytorch += [(f"{name}_n", _shape(part)) for name, part in zip("hc", _states(final), strict=False)]
    places = {"x": _shape(x), "x_t": _shape(x[:, 0]), "out_t": _shape(top[:, 0]), "out": _shape(out)}
    places |= {f"up_{i + 1}": _shape(one[:, 0]) for i, one in enumerate(outputs[:-1])}
    places |= {name: _shape(part[0]) for name, part in zip("hc", finals[-1], strict=False)}
    return Returned(tuple(keras), tuple(pytorch), places | {"final": _shape(finals[-1][0][0])})


def _keras_states(final: tuple[Tensor, ...]) -> list[tuple[str, Shape]]:
    """Return the states in Keras' order: of the forward direction first, h before c."""
    names = ("forward", "backward") if final[0].shape[0] == 2 else ("",)
    return [
        (f"{where} {name}".strip(), _shape(part[d]))
        for d, where in enumerate(names)
        for name, part in zip("hc", final, strict=False)
    ]


def _shape(tensor: Tensor) -> Shape:
    return tuple(tensor.shape)


@lru_cache(maxsize=256)
def places(kind: str, setting: Setting) -> dict[str, Shape]:
    """Run a whole network of one kind, its head included, and return the shape at each arrow of its diagram.

    Args:
        kind: One of `KINDS`.
        setting: Its numbers; one to many writes `time` steps and reads one way, whatever is asked for.

    Returns:
        Place -> shape: those of `Returned.places`, and "y" or "y_t" after the head; for one to many "first" (the
        state that the dense layer makes) and "fed" (what is read at each step); for an encoder and decoder "passed"
        (a level's state that goes across), "fed", "dec_t" and "dec_h".
    """
    if kind == "one_to_many":
        return _one_to_many(replace(setting, both=False))
    found = returned(replace(setting, sequences=kind == "aligned", state=kind == "encoder_decoder"))
    return found.places | (_decoder(setting) if kind == "encoder_decoder" else _head(setting, kind))


@torch.no_grad()
def _head(setting: Setting, kind: str) -> dict[str, Shape]:
    head = _dense(setting.units * setting.directions, setting.classes)
    top = _stack(_layers(setting, setting.features, setting.units, setting.both), _input(setting))[0][-1]
    if kind == "many_to_one":
        return {"y": _shape(head(last_step(top, setting.units)))}
    y = head(top)
    return {"y": _shape(y), "y_t": _shape(y[:, 0])}


@torch.no_grad()
def _one_to_many(setting: Setting) -> dict[str, Shape]:
    x = _input(setting)[:, 0]
    dense, head = _dense(setting.features, setting.units), _dense(setting.units, setting.classes)
    layers = _layers(setting, setting.classes, setting.units, False)
    first = torch.tanh(dense(x))
    state = [_begin(setting, first[None]) for _ in layers]
    fed, written, found = torch.zeros(setting.batch, setting.classes), [], {}
    for _ in range(setting.time):
        up = fed[:, None]
        for level, layer in enumerate(layers):
            up, state[level] = layer(up, state[level])
            found[f"up_{level + 1}"] = _shape(up[:, 0])
        y = head(up[:, 0])
        written.append(y)
        fed = nn.functional.one_hot(y.argmax(dim=-1), setting.classes).float()
    found |= {"out_t": _shape(up[:, 0]), "y_t": _shape(y), "y": _shape(torch.stack(written, dim=1))}
    found |= {name: _shape(part[0]) for name, part in zip("hc", _states(state[0]), strict=False)}
    return found | {"x_t": _shape(x), "first": _shape(first), "fed": _shape(fed)}


def _begin(setting: Setting, hidden: Tensor) -> Tensor | tuple[Tensor, Tensor]:
    return (hidden, torch.zeros_like(hidden)) if setting.cell == "lstm" else hidden


@torch.no_grad()
def _decoder(setting: Setting) -> dict[str, Shape]:
    """Run a decoder as wide as all directions of the encoder, each level begun with its level's last state."""
    wide = setting.units * setting.directions
    finals = _stack(_layers(setting, setting.features, setting.units, setting.both), _input(setting))[1]
    joined = [tuple(torch.cat(tuple(part), dim=-1)[None] for part in final) for final in finals]
    head = _dense(wide, setting.classes)
    fed = torch.zeros(setting.batch, setting.written, setting.classes)
    up, found = fed, {}
    for level, layer in enumerate(_layers(setting, setting.classes, wide, False)):
        begin = joined[level]
        up, final = layer(up, begin if setting.cell == "lstm" else begin[0])
        found[f"dec_up_{level + 1}"] = _shape(up[:, 0])
        found |= {f"dec_{name}": _shape(part[0]) for name, part in zip("hc", _states(final), strict=False)}
    y = head(up)
    found |= {"fed": _shape(fed[:, 0]), "dec_t": _shape(up[:, 0]), "y_t": _shape(y[:, 0]), "y": _shape(y)}
    return found | {f"passed_{name}": _shape(part[0]) for name, part in zip("hc", joined[-1], strict=False)}


@lru_cache(maxsize=64)
def without_sequences(setting: Setting) -> Shape:
    """Return what PyTorch makes of a lower layer's last output, (batch, unit), handed to the next layer as it is.

    It has no time axis, and PyTorch takes the batch for the time of a single sequence, without a word.
    """
    lower, upper = _layers(replace(setting, layers=2), setting.features, setting.units, setting.both)
    out = last_step(_stack([lower], _input(setting))[0][0], setting.units)
    with torch.no_grad():
        return _shape(upper(out)[0])


def pytorch_lines(setting: Setting) -> str:
    """Return a script that prints what PyTorch returns, and the two tensors that Keras would."""
    name, both = CELLS[setting.cell][1], setting.both
    states = "(h_n, c_n)" if setting.cell == "lstm" else "h_n"
    told = ["h_n", "c_n"] if setting.cell == "lstm" else ["h_n"]
    last = "torch.cat([output[:, -1, :units], output[:, 0, units:]], dim=-1)" if both else "output[:, -1]"
    prints = "\n".join(f'print("{one}", tuple({one}.shape))' for one in told)
    return f"""import torch

batch, time, features, units = {setting.batch}, {setting.time}, {setting.features}, {setting.units}
layer = torch.nn.{name}(features, units, num_layers={setting.layers}, batch_first=True, bidirectional={both})
x = torch.rand(batch, time, features)
output, {states} = layer(x)
print("output", tuple(output.shape))
{prints}

# What Keras gives without return_sequences: each direction's output after its own last step.
last = {last}
print("last", tuple(last.shape))
"""


def keras_lines(setting: Setting) -> str:
    """Return a script that prints the shapes of all that the top Keras layer returns."""
    layers = []
    for level in range(setting.layers):
        top = level == setting.layers - 1
        options = [f"return_sequences={setting.sequences if top else True}"]
        options += ["return_state=True"] if top and setting.state else []
        layer = f"keras.layers.{CELLS[setting.cell][0]}({setting.units}, {', '.join(options)})"
        layers.append(f"x = {f'keras.layers.Bidirectional({layer})' if setting.both else layer}(x)")
    names = [name for name, _ in returned(setting).keras]
    stack = "\n".join(layers)
    return f"""import keras

batch, time, features = {setting.batch}, {setting.time}, {setting.features}
x = keras.random.uniform((batch, time, features))
{stack}
returned = x if isinstance(x, (list, tuple)) else [x]
for name, tensor in zip({names!r}, returned):
    print(name, tuple(tensor.shape))
"""


@torch.no_grad()
def classifier_places(model: Model, text: str) -> dict[str, Shape]:
    """Read a text with a classifier that answers from its last state, and return the shape at each arrow.

    Args:
        model: A recurrent classifier, its config's `pooling` "last".
        text: At least one word.
    """
    network = model.network
    ids = torch.from_numpy(read(model.tokenizer, text)[0]).to(network.device)[None]
    x = network.embed(ids)
    found = {"x": _shape(x), "x_t": _shape(x[:, 0])}
    for level in range(model.config.num_layers):
        x, final = network.run_layer(level, x, None, None)
        found |= {f"up_{level + 1}": _shape(x[:, 0]), "h": _shape(final[0]), "final": _shape(final[0])}
    pooled = network.pool(x)[:, -1]
    return found | {"out_t": _shape(x[:, 0]), "out": _shape(pooled), "y": _shape(network.answer(x)[:, -1])}

"""One network fitted to groups of lengths, one group after the other or all in turn; it draws nothing.

The task is made so that lengths differ: a series of numbers is read and its mean is wanted. In it every number counts
1/T, so a network that has met one length only gives each number the wrong weight at another.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

LENGTHS = (4, 8, 16, 32)
ORDERS = ((4, 8, 16, 32), (32, 16, 8, 4), (16, 32, 4, 8), (8, 4, 32, 16))
"""Orders of the groups on offer: each length comes last in one of them."""
UNITS, BATCH, BATCHES, EPOCHS, HELD_OUT, RATE = 16, 32, 10, 10, 256, 0.01
"""Units of the GRU, series in a batch, batches of a group, passes, series held out a length, Adam's learning rate."""
_EPSILON = 1e-12
"""Adam's: PyTorch and Keras add it in different places, and one so small leaves them alike."""
_LOOKS = 40
"""How often each network is tried on what was held out, after the first look."""

Plan = list[tuple[int, int]]
"""Of each update the length and the number of its batch."""


@dataclass(frozen=True, eq=False)
class Fittings:
    """What came of both ways.

    Attributes:
        order: Lengths, in the order in which groups came one after the other.
        updates: int64 (look,), updates made before each look.
        after: float64 (look, length), mean squared error on held-out series, one length after the other.
        turns: The same with a batch of each length in turn.
        guessed: float64 (length,), the same for an answer of 0 to every series.
    """

    order: tuple[int, ...]
    updates: np.ndarray
    after: np.ndarray
    turns: np.ndarray
    guessed: np.ndarray

    @property
    def own(self) -> np.ndarray:
        """Each length's error when its own fitting, one length after the other, had ended: float64 (length,)."""
        looks = (len(self.updates) - 1) // len(self.order)
        return np.array([self.after[looks * (self.order.index(n) + 1), i] for i, n in enumerate(LENGTHS)])


@dataclass(frozen=True, eq=False)
class _Material:
    """Series and means by length, what is held out, and the weights that both networks begin with."""

    train: dict[int, tuple[np.ndarray, np.ndarray]]
    test: dict[int, tuple[np.ndarray, np.ndarray]]
    weights: list[np.ndarray]


def _material(rng: np.random.Generator) -> _Material:
    def series(count: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.uniform(-1, 1, (count, 1, 1)) + rng.normal(0, 0.5, (count, length, 1))
        return x, x.mean(axis=1)

    train = {length: series(BATCHES * BATCH, length) for length in LENGTHS}
    test = {length: series(HELD_OUT, length) for length in LENGTHS}
    three = 3 * UNITS
    shapes = [(three, 1), (three, UNITS), (three,), (three,), (1, UNITS), (1,)]
    return _Material(train, test, [rng.uniform(-0.25, 0.25, shape) for shape in shapes])


def plans(rng: np.random.Generator, order: Sequence[int], epochs: int) -> tuple[Plan, Plan]:
    """Return the updates of both ways, which hold every batch equally often: one length after the other, and in turn.

    Args:
        rng: Shuffles batches, and in turn the four lengths.
        order: Of the groups.
        epochs: How often each batch comes.
    """
    after = [(n, int(k)) for n in order for _ in range(epochs) for k in rng.permutation(BATCHES)]
    turns = [(int(n), int(k)) for _ in range(epochs) for k in rng.permutation(BATCHES) for n in rng.permutation(order)]
    return after, turns


def fit_groups(order: Sequence[int], seed: int, epochs: int = EPOCHS) -> Generator[float | Fittings, None, None]:
    """Fit a GRU to four groups of lengths, one after the other, and another, begun alike, to all in turn.

    Args:
        order: `LENGTHS` in the order in which groups come.
        seed: Of series, weights and shuffling.
        epochs: How often each batch comes.

    Yields:
        The share done, and at the end the result.
    """
    rng = np.random.default_rng(seed)
    material = _material(rng)
    found: list[list[list[float]]] = []
    for plan in plans(rng, order, epochs):
        found.append([])
        for errors in _fitted(material, plan):
            found[-1].append(errors)
            yield min(1.0, (len(found) - 1) / 2 + (len(found[-1]) - 1) / (2 * _LOOKS))
    updates = np.arange(_LOOKS + 1) * (len(LENGTHS) * BATCHES * epochs // _LOOKS)
    guessed = np.array([(material.test[n][1] ** 2).mean() for n in LENGTHS])
    yield Fittings(tuple(order), updates, np.array(found[0]), np.array(found[1]), guessed)


def _fitted(material: _Material, plan: Plan) -> Iterator[list[float]]:
    """Fit a network as planned; yields its errors on held-out series, by length, before and at every look."""
    rnn, head = _network(material.weights)
    optimizer = torch.optim.Adam([*rnn.parameters(), *head.parameters()], RATE, eps=_EPSILON)
    train = {n: [torch.from_numpy(a).split(BATCH) for a in pair] for n, pair in material.train.items()}
    test = [[torch.from_numpy(a) for a in material.test[n]] for n in LENGTHS]

    def error(x: Tensor, y: Tensor) -> Tensor:
        return ((head(rnn(x)[0][:, -1]) - y) ** 2).mean()

    def look() -> list[float]:
        with torch.no_grad():
            return [float(error(x, y)) for x, y in test]

    yield look()
    for i, (length, k) in enumerate(plan):
        x, y = (part[k] for part in train[length])
        with torch.enable_grad():
            loss = error(x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (i + 1) % (len(plan) // _LOOKS) == 0:
            yield look()


def _network(weights: Sequence[np.ndarray]) -> tuple[nn.GRU, nn.Linear]:
    """Return a GRU and a head with these weights; torch's own generator is left alone."""
    options = {"dtype": torch.float64, "device": "meta"}
    rnn = nn.GRU(1, UNITS, batch_first=True, **options).to_empty(device="cpu")
    head = nn.Linear(UNITS, 1, **options).to_empty(device="cpu")
    with torch.no_grad():
        for parameter, values in zip([*rnn.parameters(), *head.parameters()], weights, strict=True):
            parameter.copy_(torch.from_numpy(values))
    return rnn, head


_DATA = """\
rng = np.random.default_rng({seed})

def series(count, length):  # numbers around a level; wanted is their mean
    x = rng.uniform(-1, 1, (count, 1, 1)) + rng.normal(0, 0.5, (count, length, 1))
    return x, x.mean(axis=1)

lengths, order, epochs = {lengths}, {order}, {epochs}
train = {{n: series({batches} * {batch}, n) for n in lengths}}
test = {{n: series({held_out}, n) for n in lengths}}
shapes = [({three}, 1), ({three}, {units}), ({three},), ({three},), (1, {units}), (1,)]
weights = [rng.uniform(-0.25, 0.25, shape) for shape in shapes]
after = [(n, k) for n in order for _ in range(epochs) for k in rng.permutation({batches})]
turns = [(n, k) for _ in range(epochs) for k in rng.permutation({batches}) for n in rng.permutation(order)]

def batch(n, k):
    return [part[{batch} * k : {batch} * (k + 1)] for part in train[n]]
"""
_PYTORCH = """\
import numpy as np
import torch

{data}
def fit(plan):  # the held-out error of each length at the end
    rnn = torch.nn.GRU(1, {units}, batch_first=True, dtype=torch.float64)
    head = torch.nn.Linear({units}, 1, dtype=torch.float64)
    parameters = [*rnn.parameters(), *head.parameters()]
    with torch.no_grad():
        for parameter, values in zip(parameters, weights):
            parameter.copy_(torch.from_numpy(values))
    optimizer = torch.optim.Adam(parameters, lr={rate}, eps={epsilon})

    def error(x, y):
        outputs, state = rnn(torch.from_numpy(x))
        return torch.nn.functional.mse_loss(head(outputs[:, -1]), torch.from_numpy(y))

    for n, k in plan:
        loss = error(*batch(n, k))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [error(*test[n]).item() for n in lengths]

for n, one, other in zip(lengths, fit(after), fit(turns)):
    print(n, f"{{one:.6f}} {{other:.6f}}")  # the length, one after the other, in turn
"""
_KERAS = """\
import keras
import numpy as np

keras.config.set_floatx("float64")
{data}
def zrn(a):  # PyTorch's gates r, z, n in the order of Keras
    r, z, n = np.split(a, 3)
    return np.concatenate([z, r, n])

def fit(plan):  # the held-out error of each length at the end
    inputs = keras.Input((None, 1))
    rnn, head = keras.layers.GRU({units}), keras.layers.Dense(1)
    model = keras.Model(inputs, head(rnn(inputs)))
    w_in, w_state, b_in, b_state = map(zrn, weights[:4])
    rnn.set_weights([w_in.T, w_state.T, np.stack([b_in, b_state])])
    head.set_weights([weights[4].T, weights[5]])
    model.compile(keras.optimizers.Adam({rate}, epsilon={epsilon}), "mse")
    for n, k in plan:
        model.train_on_batch(*batch(n, k))
    outputs = [keras.ops.convert_to_numpy(model(test[n][0])) for n in lengths]
    return [((output - test[n][1]) ** 2).mean() for n, output in zip(lengths, outputs)]

for n, one, other in zip(lengths, fit(after), fit(turns)):
    print(n, f"{{one:.6f}} {{other:.6f}}")  # the length, one after the other, in turn
"""


def fitting_lines(order: Sequence[int], seed: int, epochs: int = EPOCHS) -> tuple[str, str]:
    """Return scripts in PyTorch and in Keras that print both networks' last errors, a length a line."""
    values = {"units": UNITS, "three": 3 * UNITS, "batch": BATCH, "batches": BATCHES, "held_out": HELD_OUT}
    data = _DATA.format(lengths=LENGTHS, order=tuple(order), epochs=epochs, seed=seed, **values)
    return tuple(script.format(data=data, units=UNITS, rate=RATE, epsilon=_EPSILON) for script in (_PYTORCH, _KERAS))

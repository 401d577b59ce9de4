"""Numbers in another order: prices read by two units, rows of pixels read by a small network trained at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from rnnviz.errors import TextError

MOST_PRICES = 60
HOLD, GAIN = 0.005, 400.0
"""Weights of the price network: how a price is held, and how strongly it is compared with the one before.

A price is held so small that tanh leaves it as it is: else an outlier would not be equal to itself.
"""
SIDE, INK = 8, 9
"""Pixels of a picture's side; the darkest pixel as it is typed."""
LEVELS = 17
"""Grey levels of scikit-learn's digits, 0 to 16."""
UNITS, EPOCHS, KEPT_BACK = 32, 8, 500
_BATCH, _RATE = 64, 1e-2
ONE_WAY, PERMUTED, FIXED, ANEW, COUNTED = (
    "rows from the top, tested so",
    "the same network, tested on permuted rows",
    "trained and tested on permuted rows",
    "rows shuffled anew for every picture",
    "bag: how many pixels of each grey",
)
"""What is measured on pictures kept out of the training."""


def read_numbers(text: str) -> list[float]:
    """Return the numbers of a text, apart by spaces, commas, semicolons or lines.

    A comma without a space parts two numbers only where all are parted so: "1,050 1,100" may mean two prices or four.

    Raises:
        TextError: There are fewer than two, or more than `MOST_PRICES`, or one cannot be read, or in two ways.
    """
    if re.search(r"\d,0\d", text) or (re.search(r"\d,\d", text) and re.search(r"[\s;]", text.strip())):
        raise TextError(
            "A comma between two digits can be read in two ways: write 1050 or 101.5, and put spaces between prices."
        )
    parts = [part for part in re.split(r"[\s,;]+", text) if part]
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        raise TextError("Prices must be numbers, as in 101.5, apart by spaces or commas.") from None
    if not 2 <= len(numbers) <= MOST_PRICES:
        raise TextError(f"Type 2 to {MOST_PRICES} prices, apart by spaces or commas; there are {len(numbers)}.")
    if not all(abs(number) <= 1e9 for number in numbers):
        raise TextError("Prices must lie between minus and plus a thousand million.")
    return numbers


def price_weights(keep: float) -> dict[str, np.ndarray]:
    """Return the weights of the price network, two tanh units without biases, in PyTorch's shapes, float64.

    The first unit holds the newest price, a_t = tanh(p z_t). The second compares it with the one before and adds the
    outcome to its memory, b_t = tanh(q p z_t - q a_{t-1} + k b_{t-1}).

    Args:
        keep: k, how much of the memory stays at each step.
    """
    return {
        "weight_ih": np.array([[HOLD], [GAIN * HOLD]]),
        "weight_hh": np.array([[0.0, 0.0], [-GAIN, keep]]),
    }


def standardized(prices: Sequence[float]) -> np.ndarray:
    """Return prices less their mean, over their spread: float64 (time,); all zero where they are all alike.

    Mean and spread do not depend on the order, so this gives nothing of it away.
    """
    values = np.array(prices, dtype=np.float64)
    spread = values.std()
    return (
        np.zeros_like(values) if spread <= 1e-12 * max(1.0, np.abs(values).max()) else (values - values.mean()) / spread
    )


def price_states(prices: Sequence[float], keep: float) -> np.ndarray:
    """Return both units' states after every price, float64 (time, 2); the first price is compared with itself.

    Args:
        prices: (time,).
        keep: As for `price_weights`.
    """
    weights, inputs = price_weights(keep), standardized(prices)
    state, states = np.array([math.tanh(HOLD * inputs[0]), 0.0]), []
    for z in inputs:
        state = np.tanh(weights["weight_ih"][:, 0] * z + weights["weight_hh"] @ state)
        states.append(state)
    return np.array(states)


@dataclass(frozen=True)
class Summary:
    """What a bag keeps of a series: it is the same in every order."""

    mean: float
    spread: float
    lowest: float
    highest: float


def summary(prices: Sequence[float]) -> Summary:
    """Return the bag's features of a series, summed in the order of size, so that every order gives equal bits."""
    values = np.sort(np.array(prices, dtype=np.float64))
    return Summary(float(values.mean()), float(values.std()), float(values[0]), float(values[-1]))


def price_lines(one: Sequence[float], two: Sequence[float], keep: float) -> tuple[str, str]:
    """Return scripts in PyTorch and in Keras that print both units after the last price, in both orders."""
    hold, gain = HOLD, GAIN
    data = f"first = {[float(z) for z in standardized(one)]}\nsecond = {[float(z) for z in standardized(two)]}\n"
    pytorch = (
        "import torch\n\n# prices less their mean, over their spread\n"
        f"{data}\n"
        "rnn = torch.nn.RNN(1, 2, bias=False, batch_first=True, dtype=torch.float64)\n"
        "with torch.no_grad():\n"
        f"    rnn.weight_ih_l0.copy_(torch.tensor([[{hold}], [{gain * hold}]], dtype=torch.float64))\n"
        f"    rnn.weight_hh_l0.copy_(torch.tensor([[0.0, 0.0], [{-gain}, {keep}]], dtype=torch.float64))\n"
        "    for series in (first, second):\n"
        "        x = torch.tensor(series, dtype=torch.float64).reshape(1, -1, 1)\n"
        f"        h0 = torch.tensor([[[({hold} * x[0, 0, 0]).tanh(), 0.0]]], dtype=torch.float64)\n"
        "        output, state = rnn(x, h0)\n"
        '        print("holds the price {:.6f}, remembers {:+.6f}".format(*state[0, 0].tolist()))\n'
    )
    keras = (
        "import keras\nimport numpy as np\n\n# prices less their mean, over their spread\n"
        f"{data}\n"
        'rnn = keras.layers.SimpleRNN(2, use_bias=False, return_state=True, dtype="float64")\n'
        "rnn.build((1, None, 1))\n"
        "# Keras multiplies from the right: its matrices are PyTorch's, transposed\n"
        f"rnn.set_weights([np.array([[{hold}, {gain * hold}]]), np.array([[0.0, {-gain}], [0.0, {keep}]])])\n"
        "for series in (first, second):\n"
        "    x = np.array(series).reshape(1, -1, 1)\n"
        f"    h0 = np.array([[np.tanh({hold} * series[0]), 0.0]])\n"
        "    output, state = rnn(x, initial_state=h0)\n"
        "    state = keras.ops.convert_to_numpy(state)[0]\n"
        '    print("holds the price {:.6f}, remembers {:+.6f}".format(*state))\n'
    )
    return pytorch, keras


def read_picture(text: str) -> np.ndarray:
    """Return a picture typed as eight lines of eight digits, 0 blank and 9 full ink: float64 (row, column), 0 to 1.

    Spaces between the digits and empty lines are of no account.

    Raises:
        TextError: There are not eight lines, or one is not eight digits.
    """
    lines = [line for typed in text.splitlines() if (line := "".join(typed.split()))]
    if len(lines) != SIDE:
        raise TextError(f"A picture is {SIDE} lines of {SIDE} digits; yours has {len(lines)}.")
    for number, line in enumerate(lines, start=1):
        if not re.fullmatch(rf"[0-9]{{{SIDE}}}", line):
            raise TextError(f"Line {number} of the picture must be {SIDE} digits, 0 for blank to 9 for full ink.")
    return np.array([[int(digit) for digit in line] for line in lines]) / INK


def picture_text(image: np.ndarray) -> str:
    """Return a picture (row, column), 0 to 1, as `read_picture` takes it."""
    return "\n".join("".join(str(round(pixel * INK)) for pixel in row) for row in image)


def greys(image: np.ndarray) -> np.ndarray:
    """Count a picture's pixels of each typed grey: float (row, column), 0 to 1 -> int64 (grey,)."""
    return np.bincount(np.round(image * INK).astype(int).ravel(), minlength=INK + 1)


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's hand-written digits: float32 (picture, row, column), 0 to 1, and int64 (picture,).

    They are the test part of UCI's optical recognition of handwritten digits (Alpaydin and Kaynak 1998), and come with
    scikit-learn: nothing is downloaded.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 - slow to import

    found = load_digits()
    return (found.images / (LEVELS - 1)).astype(np.float32), found.target.astype(np.int64)


class RowNet(nn.Module):
    """A picture's rows, one a step -> a layer of tanh units -> ten logits, read off the last state."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.layer = nn.RNN(SIDE, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS, 10)
        _draw(self, seed)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (picture, 10) of pictures (picture, row, column)."""
        return self.head(self.state(images))

    def state(self, images: Tensor) -> Tensor:
        """Return the state after the last row, (picture, unit)."""
        return self.layer(images)[1][0]


class _Counts(nn.Module):
    """How many pixels of each grey a picture has -> ten logits, through a ReLU layer."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(LEVELS, UNITS), nn.ReLU(), nn.Linear(UNITS, 10))
        _draw(self, seed)

    def forward(self, images: Tensor) -> Tensor:
        level = (images * (LEVELS - 1)).round().long()
        return self.layers(nn.functional.one_hot(level, LEVELS).float().sum(dim=(1, 2)) / SIDE)


def _draw(module: nn.Module, seed: int) -> None:
    """Fill in PyTorch's usual uniform start from a generator of its own."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        bound = 1 / math.sqrt(UNITS if parameter.dim() == 1 else parameter.shape[1])
        nn.init.uniform_(parameter, -bound, bound, generator=generator)


@dataclass(frozen=True, eq=False)
class RowsLearned:
    """What small networks learnt of rows of pixels.

    Attributes:
        accuracy: What was measured -> the share of the pictures kept back that was named right.
        tested: How many pictures that is.
        network: The one trained on rows from the top.
        order: The fixed permutation of rows.
    """

    accuracy: dict[str, float]
    tested: int
    network: RowNet
    order: tuple[int, ...]


def learn_rows(order: tuple[int, ...], seed: int = 0, epochs: int = EPOCHS) -> Iterator[float | RowsLearned]:
    """Train three networks on rows and one on counts; gives the share done, and at the end what was learnt.

    Args:
        order: (row,), the permutation of the rows, the same for all pictures.
        seed: Seed of the weights, of the split and of the batches.
        epochs: Passes over the pictures.
    """
    images, labels = (torch.from_numpy(part) for part in digits())
    draw = torch.Generator().manual_seed(seed)
    places = torch.randperm(len(images), generator=draw)
    test, train = places[:KEPT_BACK], places[KEPT_BACK:]
    fixed, done, kinds = list(order), 0, {ONE_WAY: RowNet, FIXED: RowNet, ANEW: RowNet, COUNTED: _Counts}
    views: dict[str, Callable[[Tensor], Tensor]] = {
        ONE_WAY: lambda x: x,
        FIXED: lambda x: x[:, fixed],
        ANEW: lambda x: _each_shuffled(x, draw),
        COUNTED: lambda x: x[:, fixed],
    }
    trained, right = {}, {}
    for name, kind in kinds.items():
        module = kind(seed)
        optimizer = torch.optim.Adam(module.parameters(), lr=_RATE)
        for _ in range(epochs):
            _epoch(module, optimizer, views[name], images[train], labels[train], draw)
            done += 1
            yield done / (epochs * len(kinds))
        trained[name] = module.requires_grad_(False)
        right[name] = _share_right(module, views[name](images[test]), labels[test])
    right[PERMUTED] = _share_right(trained[ONE_WAY], images[test][:, fixed], labels[test])
    yield RowsLearned(
        {name: right[name] for name in (ONE_WAY, PERMUTED, FIXED, ANEW, COUNTED)},
        len(test),
        trained[ONE_WAY],
        order,
    )


def _each_shuffled(images: Tensor, draw: torch.Generator) -> Tensor:
    """Put each picture's rows into an order of its own."""
    order = torch.rand(images.shape[:2], generator=draw).argsort(dim=1)
    return images.gather(1, order[..., None].expand(-1, -1, images.shape[2]))


def _epoch(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    view: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    draw: torch.Generator,
) -> None:
    for part in torch.randperm(len(images), generator=draw).split(_BATCH):
        loss = nn.functional.cross_entropy(module(view(images[part])), labels[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def _share_right(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    return float((module(images).argmax(dim=1) == labels).double().mean())


@cache
def untrained_rows(seed: int) -> RowNet:
    """Return the network for rows before its training."""
    return RowNet(seed).requires_grad_(False)


@torch.no_grad()
def read_rows(network: RowNet, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the states (picture, unit) after the last row and the classes' probabilities (picture, 10), float64.

    Args:
        network: From `untrained_rows` or `learn_rows`.
        images: float (picture, row, column), 0 to 1.
    """
    state = network.state(torch.from_numpy(images.astype(np.float32)))
    return state.double().numpy(), network.head(state).softmax(dim=1).double().numpy()

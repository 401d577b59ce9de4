"""A network so small that every number fits on a page, run step by step as the loop that libraries hide."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from rnnviz.cells import CELLS, Cell, State, Weights
from rnnviz.checkpoints import Model, configs
from rnnviz.config import ModelConfig
from rnnviz.errors import ConfigError, TextError
from rnnviz.lesson.unrolling import MOST_STEPS
from rnnviz.network import Network, seeded_network
from rnnviz.recording import softmax
from rnnviz.text import read

HAND_CELLS = {"rnn_tanh": "RNN (tanh)", "gru": "GRU", "lstm": "LSTM"}
UNITS, FEATURES, SCORES = 2, 2, 2
_SPREAD = 1.6
BOUND = 2.0
"""Weights of the small network that a reader sets lie within this of zero."""
STARTS = ("zero", "random", "learned")
MATRICES = {"W_x": "weight_ih", "W_h": "weight_hh", "b": "bias_ih"}
"""What the page calls a layer's parameters -> what PyTorch does."""
_VOWELS = frozenset("aeiouy")
_LEARNING, _RATE = 150, 1.0


def features(word: str) -> tuple[float, float]:
    """Return what the small network reads of a word: its characters and its vowels, both divided by five."""
    return len(word) / 5, sum(c in _VOWELS for c in word.lower()) / 5


def hand_network(
    words: Sequence[str], cell_type: str = "rnn_tanh", changed: Mapping[str, float] | None = None, seed: int = 0
) -> tuple[Network, np.ndarray]:
    """Return a network of two units in float64, its weights drawn to one decimal, and the words as its ids.

    Its embedding holds each word's `features`; its head gives two scores. The bias is one, as in the formulas: the
    second of PyTorch's two is zero.

    Args:
        words: What it is to read, at least one.
        cell_type: One of `HAND_CELLS`.
        changed: "W_h[0, 1]" -> value, for weights that are not to stay as they were drawn.
        seed: Of the draw.

    Returns:
        The network in evaluation mode, and int64 (time,).
    """
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(words))}
    config = ModelConfig("classifier", cell_type, len(vocabulary), SCORES, FEATURES, UNITS, labels=("no", "yes"))
    network = seeded_network(config, seed).double().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    network.embedding.weight.copy_(torch.tensor([features(word) for word in vocabulary], dtype=torch.float64))
    layer = network.recurrent[0]["d"]
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        _draw(getattr(layer, name), generator, 0.0 if name == "bias_hh_l0" else _SPREAD)
    _draw(network.head.weight, generator, _SPREAD)
    _draw(network.head.bias, generator, 0.0)
    for name, value in (changed or {}).items():
        set_weight(network, name, value)
    return network, np.array([vocabulary[word] for word in words], dtype=np.int64)


def _draw(parameter: Tensor, generator: torch.Generator, spread: float) -> None:
    drawn = torch.rand(parameter.shape, generator=generator, dtype=torch.float64) * 2 - 1
    parameter.copy_((drawn * spread * 10).round() / 10)


def weight_names(cell_type: str) -> list[str]:
    """Return the names of all weights of the small network's layer, "W_x[0, 0]" to "b[1]"."""
    rows = len(CELLS[cell_type].blocks) * UNITS
    matrices = [
        f"{m}[{i}, {j}]"
        for m, columns in (("W_h", UNITS), ("W_x", FEATURES))
        for i in range(rows)
        for j in range(columns)
    ]
    return matrices + [f"b[{i}]" for i in range(rows)]


def _place(name: str) -> tuple[str, tuple[int, ...]]:
    matrix, _, rest = name.partition("[")
    return MATRICES[matrix], tuple(int(i) for i in rest.rstrip("]").split(","))


def weight(network: Network, name: str) -> float:
    """Return one weight of the layer by its name."""
    attribute, place = _place(name)
    return float(getattr(network.recurrent[0]["d"], f"{attribute}_l0")[place])


@torch.no_grad()
def set_weight(network: Network, name: str, value: float) -> None:
    """Set one weight of the layer by its name."""
    attribute, place = _place(name)
    getattr(network.recurrent[0]["d"], f"{attribute}_l0")[place] = value


@dataclass(frozen=True, eq=False)
class CellRun:
    """A network run as a loop over its steps.

    Attributes:
        tokens: (time,), what was read.
        inputs: float (time, input), what the top layer read at each step.
        states: "hidden", for an LSTM also "cell" -> (time + 1, unit) of the top layer, the first row before any input.
        outputs: (time, output), after every token.
        apart: The largest difference between these states and those of the library's own layer.
    """

    tokens: tuple[str, ...]
    inputs: np.ndarray
    states: dict[str, np.ndarray]
    outputs: np.ndarray
    apart: float


@torch.no_grad()
def run_loop(network: Network, ids: np.ndarray, tokens: Sequence[str], start: State | None = None) -> CellRun:
    """Run a network step by step, every step with the very same tensors, and compare with the library's layer.

    Args:
        network: Any network that reads forwards.
        ids: int64 (time,).
        tokens: (time,), for people to see.
        start: The first layer's state before the first step, each (unit,); None for the network's own.
    """
    x = read = network.embed(torch.from_numpy(ids).to(network.device))
    for number in range(network.config.num_layers):
        first = start if start is not None and number == 0 else tuple(s[0] for s in network.start(1, number))
        read, states = x, unroll(network.cell, Weights.of(network.recurrent[number]["d"]), x, first)
        x = states[0][1:]
    given = None if start is None else [tuple(s[None] for s in start)]
    fused, _ = network.features(torch.from_numpy(ids)[None], state=given)
    return CellRun(
        tuple(tokens),
        read.numpy(),
        {name: values.numpy() for name, values in zip(network.cell.states, states, strict=True)},
        network.answer(x[None])[0].numpy(),
        float((fused[0] - x).abs().max()),
    )


def unroll(cell: Cell, weights: Weights, inputs: Tensor, state: State) -> State:
    """Return the states of a layer unrolled over time, the weights the same object in every step.

    Args:
        cell: From `rnnviz.cells.CELLS`.
        weights: The layer's.
        inputs: (time, input).
        state: Before the first step, each (unit,).

    Returns:
        Each state (time + 1, unit), the first row the one given.
    """
    states = [state]
    for x in inputs:
        state, _ = cell.step(weights.project(x), state, weights)
        states.append(state)
    return tuple(torch.stack(column) for column in zip(*states, strict=True))


@dataclass(frozen=True, eq=False)
class OneMore:
    """One more token read in two ways.

    Attributes:
        steps: Tokens read before.
        on: (unit,), the top layer's hidden state by going on from the kept state.
        anew: (unit,), the same by reading everything anew.
        apart: The largest difference.
        seconds: How long the two took here, the least of a few tries each.
    """

    steps: int
    on: np.ndarray
    anew: np.ndarray
    apart: float
    seconds: tuple[float, float]


@torch.no_grad()
def one_more(network: Network, ids: np.ndarray, tries: int = 3) -> OneMore:
    """Read all but the last token, keep the state, and read the last one from there and from the beginning.

    Args:
        network: Any network that reads forwards.
        ids: int64 (time,), at least two.
        tries: How often each way is timed.
    """
    whole = torch.from_numpy(ids)[None].to(network.device)
    state = network.features(whole[:, :-1])[1]
    timed = []
    for tokens, begin in ((whole[:, -1:], state), (whole, None)):
        found, seconds = None, []
        for _ in range(tries):
            before = time.perf_counter()
            found, _ = network.features(tokens, state=begin)
            seconds.append(time.perf_counter() - before)
        timed.append((found[0, -1].numpy(), min(seconds)))
    (on, fast), (anew, slow) = timed
    return OneMore(len(ids) - 1, on, anew, float(np.abs(on - anew).max()), (fast, slow))


def starts(network: Network, ids: np.ndarray, tokens: Sequence[str], seed: int = 0) -> dict[str, CellRun]:
    """Run the small network from a state of zeros, from a random one, and from one that was learned.

    The learned one is found by gradient descent on the state alone, the weights as they are, so that the first score
    after each word comes near the length of the next word (a fifth of its characters).

    Args:
        network: From `hand_network`.
        ids: int64 (time,), at least two.
        tokens: (time,).
        seed: Of the random state, uniform in (-1, 1).

    Returns:
        A run for each of `STARTS`.
    """
    zero = tuple(s[0] for s in network.start(1, 0))
    generator = torch.Generator().manual_seed(seed)
    drawn = tuple(torch.rand(s.shape, generator=generator, dtype=s.dtype) * 2 - 1 for s in zero)
    found = {"zero": zero, "random": drawn, "learned": _learned(network, ids, zero)}
    return {name: run_loop(network, ids, tokens, found[name]) for name in STARTS}


def next_length_loss(run: CellRun, network: Network, ids: np.ndarray) -> float:
    """Return the mean squared distance of the first score from the next word's first feature, (time - 1) of them."""
    wanted = network.embedding.weight[torch.from_numpy(ids[1:]), 0].numpy()
    return float(((run.outputs[:-1, 0] - wanted) ** 2).mean())


def _learned(network: Network, ids: np.ndarray, zero: State) -> State:
    net, row = copy.deepcopy(network), torch.from_numpy(ids)[None]
    wanted = net.embedding.weight[row[0, 1:], 0]
    state = tuple(s.clone().requires_grad_(True) for s in zero)
    for _ in range(_LEARNING):
        scores = net(row, state=[tuple(s[None] for s in state)]).logits[0, :-1, 0]
        found = torch.autograd.grad(((scores - wanted) ** 2).mean(), state)
        state = tuple((s - _RATE * g).detach().requires_grad_(True) for s, g in zip(state, found, strict=True))
    return tuple(s.detach() for s in state)


def most_moving(values: np.ndarray, count: int = 4) -> tuple[int, ...]:
    """Return the units whose values spread most over time, largest spread first: (time, unit) -> at most `count`."""
    return tuple(int(i) for i in np.argsort(-values.std(axis=0), kind="stable")[:count])


def watch(model: Model, text: str) -> CellRun:
    """Run the loop of a trained model over the beginning of a text.

    Args:
        model: One that reads forwards.
        text: Its first `MOST_STEPS` tokens are read.

    Returns:
        The run; `outputs` are probabilities of the answers.

    Raises:
        TextError: There is nothing in the text that the model reads.
        ConfigError: The model reads both ways, or has no state.
    """
    if model.with_states().config.bidirectional:
        raise ConfigError(f"{model.name} reads both ways: its backward half starts at the end. Choose another model.")
    ids, tokens = read(model.tokenizer, text)
    run = run_loop(model.network, ids[:MOST_STEPS], tokens[:MOST_STEPS])
    return replace(run, outputs=softmax(run.outputs))


def watch_one_more(model: Model, text: str) -> OneMore:
    """Do as `one_more` for a trained model and a text, of which the beginning and the last token are read.

    Raises:
        TextError: The model reads fewer than two tokens in it.
    """
    ids, _ = read(model.tokenizer, text)
    if len(ids) < 2:
        raise TextError("This network reads a single token here: type one more word that it can read.")
    return one_more(model.network, np.append(ids[:-1][: MOST_STEPS - 1], ids[-1]))


def forward_models() -> list[str]:
    """Return the names of the models that read forwards; no weights are loaded."""
    return [name for name, config in configs().items() if not (config.is_feedforward or config.bidirectional)]

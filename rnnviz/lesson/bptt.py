"""Back-propagation through time with every number kept: per-step gradients and parts of sums; it draws nothing.

Werbos 1990. The backward pass is the analytic one of `rnnviz.analysis`; autograd and finite differences stand beside it
as checks that know nothing of it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnnviz.analysis.backward import recurrent_operands
from rnnviz.analysis.losses import losses, reading
from rnnviz.analysis.scalar import ACTIVATIONS
from rnnviz.analysis.unrolled import Unrolled, log10_norms, no_denormals, pull_back, unroll
from rnnviz.analysis.weight_gradients import weight_gradient
from rnnviz.checkpoints import Model
from rnnviz.errors import ConfigError
from rnnviz.lesson.unrolling_cell import MATRICES
from rnnviz.network import Network
from rnnviz.text import read

MOST_STEPS = 300
"""Steps that gradients are taken back through on the page."""


@dataclass(frozen=True, eq=False)
class Flow:
    """One loss's gradient on its way back through the top layer.

    Attributes:
        tokens: (time,), what was read.
        log10_norms: "hidden", for an LSTM also "cell" -> float64 (time + 1,): log10 of ||dL / d state||, row t + 1 for
            the state after step t, row 0 for the state before the first.
        log10_parts: float64 (time,), log10 of the Frobenius norm of each step's part of dL/dW_hh.
        loss_nats: The loss.
        answer: The probability that the network gives to the right answer.
        run: The forward pass that the gradient belongs to.
        recurrent: (time, blocks * unit), dL with respect to the recurrent product of each step.
        inputs: (time, blocks * unit), the same for the projected input.
    """

    tokens: tuple[str, ...]
    log10_norms: dict[str, np.ndarray]
    log10_parts: np.ndarray
    loss_nats: float
    answer: float
    run: Unrolled
    recurrent: Tensor
    inputs: Tensor

    @property
    def steps(self) -> int:
        """How many steps the gradient goes back through."""
        return len(self.tokens)

    def parts(self, matrix: str, row: int, column: int = 0) -> np.ndarray:
        """Return what each step adds to dL/dw for one weight of the top layer: float64 (time,).

        Args:
            matrix: "W_h", "W_x" or "b".
            row: Its row.
            column: Its column; ignored for "b".
        """
        layer = self.run.layers[-1]
        if matrix == "b":
            return self.inputs[:, row].numpy()
        if matrix == "W_x":
            return (self.inputs[:, row] * layer.inputs[:, column]).numpy()
        block, size = divmod(row, layer.after[0].shape[1])[0], layer.after[0].shape[1]
        operands = recurrent_operands(self.run.network.config.cell_type, layer.gates, layer.before)
        return (self.recurrent[:, block * size + row % size] * operands[:, block, column]).numpy()


@torch.inference_mode()
def flow(network: Network, ids: np.ndarray, tokens: Sequence[str], target: int | None = None) -> Flow:
    """Take the loss after the last token back to the start, and keep all that passes by.

    Args:
        network: Any network but a bidirectional one.
        ids: int64 (time,); a language model reads all but the last, whose cross-entropy is the loss.
        tokens: What the ids stand for.
        target: The class of a classifier's loss; None for the one it finds likeliest.

    Raises:
        ConfigError: The network is bidirectional.
        TextError: There are fewer tokens than a loss needs.
    """
    ids, answers, shown = reading(network.config, ids, tokens, target)
    run = unroll(network, ids)
    loss = losses(run, answers, [len(ids) - 1])
    names, top = network.cell.states, run.layers[-1]
    states, inner, projected, last = [], [], [], None
    with no_denormals():
        for step in pull_back(run, loss.inject()):
            last, power = step.layers[-1], step.exponents[-1]
            states.append([log10_norms(vector, power) for vector in last.total])
            inner.append(last.recurrent[0] * torch.exp2(power))
            projected.append(last.inputs[0] * torch.exp2(power))
    states.append([log10_norms(vector, power) for vector in last.before])
    table = np.array(states)[::-1, :, 0]
    recurrent, inputs = torch.stack(inner[::-1]), torch.stack(projected[::-1])
    return Flow(
        shown,
        {name: table[:, s] for s, name in enumerate(names)},
        _part_norms(run, recurrent, top.before),
        float(loss.nats[0]),
        math.exp(-float(loss.nats[0])),
        run,
        recurrent,
        inputs,
    )


def _part_norms(run: Unrolled, recurrent: Tensor, before: tuple[Tensor, ...]) -> np.ndarray:
    operands = recurrent_operands(run.network.config.cell_type, run.layers[-1].gates, before)
    inner = recurrent.unflatten(1, operands.shape[1:])
    norms = (inner.square().sum(dim=2) * operands.square().sum(dim=2)).sum(dim=1).sqrt()
    return torch.log10(norms).numpy()


def flow_of(model: Model, text: str) -> Flow:
    """Do as `flow` for a trained model and the beginning of a text.

    Raises:
        TextError: There are fewer tokens than a loss needs.
        ConfigError: The model reads both ways, or has no state.
    """
    return flow(model.network, *readable(model, text))


def readable(model: Model, text: str) -> tuple[np.ndarray, list[str]]:
    """Return the ids and tokens of the beginning of a text for a model that reads forwards; see `flow_of`."""
    if model.with_states().config.bidirectional:
        raise ConfigError(f"{model.name} reads both ways: its gradient has no single direction back.")
    ids, tokens = read(model.tokenizer, text)
    return ids[:MOST_STEPS], tokens[:MOST_STEPS]


def loss_of(network: Network, ids: np.ndarray, target: int) -> Tensor:
    """Return the cross-entropy of a classifier's answer after the last token."""
    logits = network(torch.from_numpy(ids)[None]).logits[0, -1]
    return cross_entropy(logits, torch.tensor(target))


def autograd_gradient(network: Network, ids: np.ndarray, target: int) -> dict[str, np.ndarray]:
    """Return dL/dW of the small network by PyTorch's autograd, under the page's names "W_h", "W_x" and "b".

    Args:
        network: A classifier of one layer.
        ids: int64 (time,).
        target: The right class.
    """
    exact = copy.deepcopy(network).double().requires_grad_(True)
    layer = exact.recurrent[0]["d"]
    named = {name: getattr(layer, f"{attribute}_l0") for name, attribute in MATRICES.items()}
    found = torch.autograd.grad(loss_of(exact, ids, target), list(named.values()))
    return {name: gradient.numpy() for name, gradient in zip(named, found, strict=True)}


@torch.no_grad()
def finite_difference(
    network: Network, ids: np.ndarray, target: int, matrix: str, place: tuple[int, ...], width: float
) -> tuple[float, float, float]:
    """Move one weight a little both ways and see what the loss does.

    Args:
        network: A classifier of one layer.
        ids: int64 (time,).
        target: The right class.
        matrix: "W_h", "W_x" or "b".
        place: The weight's row and column.
        width: How far the weight is moved.

    Returns:
        The loss with the weight moved up, with it moved down, and their difference over twice the width.
    """
    moved = copy.deepcopy(network).double()
    weight = getattr(moved.recurrent[0]["d"], f"{MATRICES[matrix]}_l0")
    start, found = weight[place].clone(), []
    for sign in (1, -1):
        weight[place] = start + sign * width
        found.append(float(loss_of(moved, ids, target)))
    up, down = found
    return up, down, (up - down) / (2 * width)


def _moved(network: Network) -> list[Tensor]:
    """Return what gradient descent moves: PyTorch's two biases are one on the page, and would count twice."""
    left_out = ("embedding", "bias_hh")
    return [w for name, w in network.named_parameters() if not any(part in name for part in left_out)]


def descend(
    network: Network, ids: np.ndarray, target: int, rate: float, updates: int = 1
) -> tuple[Network, np.ndarray]:
    """Take steps of gradient descent with all weights but the embedding and the second of PyTorch's two biases.

    Args:
        network: A classifier; it is copied, not touched.
        ids: int64 (time,).
        target: The right class.
        rate: The learning rate.
        updates: How many steps.

    Returns:
        The network after the last update, and the losses (updates + 1,) before the first and after each.
    """
    moved, losses_ = copy.deepcopy(network).double().requires_grad_(True), []
    weights = _moved(moved)
    for _ in range(updates):
        loss = loss_of(moved, ids, target)
        losses_.append(float(loss.detach()))
        with torch.no_grad():
            for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight.sub_(rate * gradient)
    moved.requires_grad_(False)
    return moved, np.array([*losses_, float(loss_of(moved, ids, target))])


def losses_by_rate(network: Network, ids: np.ndarray, target: int, rates: Sequence[float]) -> np.ndarray:
    """Return the loss after one update with each of some learning rates: (rate,)."""
    return np.array([descend(network, ids, target, rate)[1][-1] for rate in rates])


@dataclass(frozen=True, eq=False)
class Cut:
    """What is left of dL/dW_hh when only the last steps before the loss are gone back through.

    Attributes:
        missing: float64 (time,), by steps kept, from 1: ||whole - kept|| / ||whole||.
        cosine: (time,), the cosine of the angle between kept and whole.
    """

    missing: np.ndarray
    cosine: np.ndarray


def cut(network: Network, ids: np.ndarray, tokens: Sequence[str], target: int | None = None) -> Cut:
    """Measure what truncated back-propagation loses of one loss's gradient; see `flow` for the arguments."""
    found = weight_gradient(network, ids, tokens, target=target)
    return Cut(found.missing, found.cosine)


def cut_of(model: Model, text: str) -> Cut:
    """Do as `cut` for a trained model and the beginning of a text."""
    return cut(model.network, *readable(model, text))


@dataclass(frozen=True, eq=False)
class Scalar:
    """One unit, h_t = f(w_t h_{t-1} + x_t), and the chain rule back from its end in numbers.

    Attributes:
        states: (time + 1,), the first before any input.
        slopes: (time,), f'(a_t).
        weights: (time,), w_t; all the same in a recurrent net.
        factors: (time,), w_t f'(a_t) = dh_t / dh_{t-1}.
        products: (time + 1,), dh_T / dh_{T-k} for k = 0 to T.
    """

    states: np.ndarray
    slopes: np.ndarray
    weights: np.ndarray
    factors: np.ndarray
    products: np.ndarray


def scalar(weights: Sequence[float], inputs: Sequence[float], activation: str = "tanh", start: float = 0.0) -> Scalar:
    """Run one unit and multiply up its derivative.

    Args:
        weights: (time,), one a step or layer.
        inputs: (time,).
        activation: A key of `rnnviz.analysis.scalar.ACTIVATIONS`.
        start: h_0.
    """
    f = ACTIVATIONS[activation]
    states, slopes = [float(start)], []
    for w, x in zip(weights, inputs, strict=True):
        a = np.float64(w * states[-1] + x)
        states.append(float(f.value(a)))
        slopes.append(float(f.slope(a)))
    factors = np.array(weights, dtype=float) * np.array(slopes)
    products = np.concatenate([[1.0], np.cumprod(factors[::-1])])
    return Scalar(np.array(states), np.array(slopes), np.array(weights, dtype=float), factors, products)


def norms(log10_sizes: np.ndarray) -> np.ndarray:
    """Return sizes from their logarithms; what is beyond float64 becomes 0 or infinity."""
    with np.errstate(over="ignore", under="ignore"):
        return 10.0**log10_sizes


def squared_gradient(network: Network, ids: np.ndarray, target: int) -> float:
    """Return the squared length of the whole gradient that `descend` follows."""
    exact = copy.deepcopy(network).double().requires_grad_(True)
    return sum(float((g**2).sum()) for g in torch.autograd.grad(loss_of(exact, ids, target), _moved(exact)))

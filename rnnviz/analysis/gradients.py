"""How much of what happened k steps ago still reaches the loss: gradients by time step; it draws nothing."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnnviz.cells import State, Weights
from rnnviz.errors import ConfigError, TextError
from rnnviz.network import Network

_FLAT = 1e-9
"""Slopes in octaves a step that are rounding, not decay."""


@dataclass(frozen=True, eq=False)
class GradientDecay:
    """The gradient of one loss with respect to every earlier state.

    Attributes:
        label: What the network is called in a legend.
        cell_type: Its cell.
        norms: State name ("hidden", for an LSTM also "cell") -> float64 (time, layer), Euclidean norms
            ||d loss / d state_t||; the last row is the last step.
        loss_nats: The loss.
        tokens: (time,), what was read at each step, for people to see.
    """

    label: str
    cell_type: str
    norms: dict[str, np.ndarray]
    loss_nats: float
    tokens: tuple[str, ...]

    def half_life(self, state: str = "hidden", layer: int = -1) -> float:
        """Return the steps back after which the norm halves, from a straight line through its logarithm.

        Least squares of log2 ||.|| on the steps back, over the steps where the norm is finite and not zero. Infinite
        where it does not fall.
        """
        norms = self.norms[state][::-1, layer]
        back = np.arange(len(norms))
        usable = np.isfinite(norms) & (norms > 0)
        if usable.sum() < 2:
            return math.nan
        slope = float(np.polyfit(back[usable], np.log2(norms[usable]), 1)[0])
        return -1 / slope if slope < -_FLAT else math.inf


def gradient_decay(
    network: Network, ids: np.ndarray, tokens: Sequence[str] | None = None, label: str = "", target: int | None = None
) -> GradientDecay:
    """Measure ||d loss / d state_t|| for every step t, by automatic differentiation in float64.

    The derivative is the total one: through every later step, not the direct path alone. Float64 keeps a gradient that
    has vanished below float32's smallest number (1.2e-38) visible. For an LSTM the "cell" norms hold all that flows
    through c_t, its way through h_t included, and the "hidden" norms what flows through h_t alone. Back-propagation
    through time: Werbos 1990; its vanishing: Bengio, Simard and Frasconi 1994.

    Args:
        network: Any network but a bidirectional one; it is copied, not touched.
        ids: int64 (time,). A language model reads all but the last; the loss is the last one's cross-entropy. A
            classifier reads all; the loss is the cross-entropy of `target` after the last.
        tokens: What the ids stand for, to be shown; None for the ids themselves.
        label: Name for a legend.
        target: The class of a classifier's loss; None for the class it finds likeliest.

    Returns:
        The norms in time order.

    Raises:
        ConfigError: The network is bidirectional.
        TextError: There are fewer tokens than a loss needs.
    """
    if network.config.bidirectional:
        raise ConfigError("A bidirectional network reads the end first, so its gradient has no single direction back.")
    is_language_model = network.config.task == "language_model"
    if len(ids) < 1 + is_language_model:
        raise TextError("The text is too short for a gradient: type at least two tokens.")
    exact = copy.deepcopy(network).double().cpu().eval().requires_grad_(False)
    all_ids = torch.from_numpy(np.asarray(ids, dtype=np.int64))
    inputs = all_ids[:-1] if is_language_model else all_ids
    tokens_read = [str(i) for i in ids[: len(inputs)]] if tokens is None else tokens[: len(inputs)]
    states, logits = _unroll(exact, inputs)
    likeliest = logits.argmax() if target is None else torch.tensor(target)
    loss = cross_entropy(logits, all_ids[-1] if is_language_model else likeliest)
    names = exact.cell.states
    leaves = [
        states[layer][t][s] for layer in range(len(states)) for t in range(len(inputs)) for s in range(len(names))
    ]
    found = torch.autograd.grad(loss, leaves, allow_unused=True)
    norms = torch.stack([torch.zeros(()).double() if g is None else g.norm() for g in found])
    table = norms.view(len(states), len(inputs), len(names)).numpy()
    return GradientDecay(
        label or network.config.cell_type,
        network.config.cell_type,
        {name: table[:, :, s].T for s, name in enumerate(names)},
        float(loss.detach()),
        tuple(tokens_read),
    )


def _unroll(network: Network, ids: Tensor) -> tuple[list[list[State]], Tensor]:
    """Run a network step by step, keeping every state in the graph; returns them by layer and time, and the logits."""
    x = network.embed(ids)
    states: list[list[State]] = []
    for layer in range(network.config.num_layers):
        weights = Weights.of(network.recurrent[layer]["d"])
        state = tuple(s[0].clone().requires_grad_() for s in network.start(1, layer))
        kept = []
        for projected in weights.project(x):
            state, _ = network.cell.step(projected, state, weights)
            kept.append(state)
        states.append(kept)
        x = torch.stack([state[0] for state in kept])
    return states, network.answer(x[None], ids[None])[0, -1]

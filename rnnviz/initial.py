"""Untrained networks by recipe: how recurrent weights are drawn and scaled; it knows nothing of text or training."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnnviz.cells import Weights
from rnnviz.config import ModelConfig
from rnnviz.errors import ConfigError
from rnnviz.network import Network, seeded_network

RECIPES = {
    "pytorch": "PyTorch's default (uniform)",
    "orthogonal": "orthogonal",
    "identity": "identity",
    "glorot": "Glorot (uniform)",
    "gaussian": "Gaussian",
}
"""Every recipe for W_hh and what people call it."""

_STREAM = 0x9E3779B9
"""Makes another seed of a seed: by the same one W_hh would hold the very numbers of the embedding."""


@dataclass(frozen=True)
class Start:
    """How an untrained network's recurrent weights begin.

    Args:
        recipe: One of `RECIPES`, for each gate's matrix on its own: "pytorch" uniform in +-1/sqrt(unit); "orthogonal"
            (Saxe, McClelland and Ganguli 2014); "identity" (Le, Jaitly and Hinton 2015, who used it with ReLU);
            "glorot" uniform in +-sqrt(3/unit) (Glorot and Bengio 2010); "gaussian" with variance 1/unit.
        scale: Factor on every W_hh after it was drawn.
        forget_bias: Bias of an LSTM's forget gates, in all; ignored by other cells.
        seed: Seed of all weights.

    Raises:
        ConfigError: A value is impossible.
    """

    recipe: str = "pytorch"
    scale: float = 1.0
    forget_bias: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise ConfigError(f"recipe must be one of {', '.join(RECIPES)}, got {self.recipe!r}.")
        for name in ("scale", "forget_bias"):
            if not isinstance(getattr(self, name), int | float):
                raise ConfigError(f"{name} must be a number, got {getattr(self, name)!r}.")
        if not (math.isfinite(self.scale) and math.isfinite(self.forget_bias)):
            raise ConfigError(f"scale and forget_bias must be finite, got {self.scale!r} and {self.forget_bias!r}.")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed must be a whole number between 0 and 2^63, got {self.seed!r}.")


@torch.no_grad()
def fresh_network(config: ModelConfig, start: Start) -> Network:
    """Return an untrained network; all but the recurrent matrices and forget biases is PyTorch's default."""
    network = seeded_network(config, start.seed)
    generator = torch.Generator().manual_seed(start.seed ^ _STREAM)
    for layer in network.recurrent:
        for module in layer.values():
            weights = Weights.of(module)
            for block in weights.weight_hh.split(config.hidden_size):
                _draw(block, start.recipe, generator)
            weights.weight_hh.mul_(start.scale)
            if "forget_gate" in network.cell.blocks:
                row = network.cell.blocks.index("forget_gate") * config.hidden_size
                rows = slice(row, row + config.hidden_size)
                weights.bias_ih[rows] = start.forget_bias
                weights.bias_hh[rows] = 0.0
    return network


def _draw(block: Tensor, recipe: str, generator: torch.Generator) -> None:
    """Fill one gate's (unit, unit) matrix; PyTorch's default is there already."""
    if recipe == "orthogonal":
        nn.init.orthogonal_(block, generator=generator)
    elif recipe == "identity":
        nn.init.eye_(block)
    elif recipe == "glorot":
        nn.init.xavier_uniform_(block, generator=generator)
    elif recipe == "gaussian":
        nn.init.normal_(block, std=block.shape[1] ** -0.5, generator=generator)

"""One unit of a shipped model at one step, taken apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rnnviz.analysis.arithmetic import Arithmetic, unit_arithmetic
from rnnviz.cells import Weights
from rnnviz.checkpoints import Model
from rnnviz.record import record
from rnnviz.recording import Recording
from rnnviz.text import read


@dataclass(frozen=True, eq=False)
class TrainedStep:
    """What one unit of a model does at one step.

    Attributes:
        arithmetic: Its gates and states.
        recorded: Its hidden state as the whole run recorded it, float32.
        inputs: How many numbers the unit reads from below.
        units: How many from the state.
    """

    arithmetic: Arithmetic
    recorded: float
    inputs: int
    units: int


def recorded(model: Model, text: str) -> Recording:
    """Record a text; see `rnnviz.record.record`."""
    return record(model, text)


@torch.no_grad()
def trained_step(model: Model, text: str, recording: Recording, layer: int, unit: int, time: int) -> TrainedStep:
    """Work out one unit's step in float64 from what the network read and was at that step.

    Of a bidirectional network it is the layer that reads forwards.

    Args:
        model: The model.
        text: What it read.
        recording: What was recorded of it.
        layer: From 0.
        unit: From 0.
        time: From 0.
    """
    network, signals = model.network, recording.signals
    if layer:
        below = [signals[name][time, layer - 1] for name in ("hidden", "hidden_backward") if name in signals]
        x = torch.from_numpy(np.concatenate(below))
    else:
        ids, _ = read(model.tokenizer, text)
        x = network.embed(torch.from_numpy(ids).to(network.device))[time]
    names = network.cell.states
    if time:
        state = tuple(torch.from_numpy(signals[name][time - 1, layer].copy()) for name in names)
    else:
        state = tuple(part[0] for part in network.start(1, layer))
    weights = Weights.of(network.recurrent[layer]["d"])
    result = unit_arithmetic(model.config.cell_type, weights, x, state, unit)
    return TrainedStep(result, float(signals["hidden"][time, layer, unit]), len(x), network.config.hidden_size)

"""What holding a unit does, judged against the same done to units drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from rnnviz.cells import State, Weights
from rnnviz.checkpoints import Model
from rnnviz.live.clamps import Clamp, Held, held_rows, held_step
from rnnviz.live.reader import Reader
from rnnviz.network import Network
from rnnviz.record import draw
from rnnviz.recording import softmax, surprise


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one network said of a text.

    Attributes:
        unit: The unit held, None for the untouched network or where every unit was held.
        bits_per_token: Mean surprise at what follows the first held token; NaN for a classifier or where nothing does.
        probabilities: float64 (output,), after the last token.
        sample: How it goes on, still held; "" for a classifier.
    """

    unit: int | None
    bits_per_token: float
    probabilities: np.ndarray
    sample: str


def compare(
    model: Model,
    ids: np.ndarray,
    clamp: Clamp,
    *,
    others: int = 10,
    seed: int = 0,
    length: int = 60,
    temperature: float = 0.7,
) -> list[Outcome]:
    """Hold a unit while a text is read and gone on from, and do the same to others.

    Args:
        model: A model of one direction.
        ids: int64 (time,), the text.
        clamp: The intervention.
        others: How many other units of the same layer are held in the same way, one at a time, drawn without return.
        seed: Seed of that draw and of the samples.
        length: Tokens of each sample; 0 for none.
        temperature: Of the samples.

    Returns:
        The untouched network, the clamp, then the other units; all samples share one seed.

    Raises:
        ConfigError: The clamp does not fit the network.
    """
    clamp.check(model.network)
    first = min(clamp.first, len(ids) - 1)
    rest = np.setdiff1d(np.arange(model.config.hidden_size), [-1 if clamp.unit is None else clamp.unit])
    drawn = np.random.default_rng(seed).permutation(rest)[:others].tolist()
    rows = [[], [replace(clamp, first=first)], *([replace(clamp, unit=unit, first=first)] for unit in drawn)]
    reader = Reader(model.network)
    for _ in reader.advance(ids):
        pass
    with torch.no_grad():
        # Layers below the clamp do not feel it: they are as the reader left them, the state after the last token too.
        starts = [*reader.state(len(ids))[: clamp.layer], *reader.state(first)[clamp.layer :]]
        state = [tuple(s.expand(len(rows), -1) for s in layer) for layer in starts]
        held = [held_rows(model.network, rows, layer) for layer in range(model.config.num_layers)]
        inputs = reader.inputs(clamp.layer, first, len(ids))[:, None]
        hidden, state = _run(model.network, inputs, state, held, clamp.layer)
        logits = _logits(reader, first, hidden)
        losses = _bits(logits, ids[first:], model)
        samples = _go_on(model, logits[-1], state, held, length, temperature, seed)
    units = [None, clamp.unit, *drawn]
    last = softmax(logits[-1])
    return [Outcome(*row) for row in zip(units, losses.tolist(), last, samples, strict=True)]


def _run(
    network: Network, x: Tensor, state: list[State], held: Sequence[Held], bottom: int = 0
) -> tuple[Tensor, list[State]]:
    """Run layers from `bottom` up over their input (time, row or 1, input), layer by layer, with values held a row.

    Returns the top hidden states (time, row, unit) and the last state of every layer.
    """
    state = list(state)
    for layer in range(bottom, network.config.num_layers):
        weights, hidden = Weights.of(network.recurrent[layer]["d"]), []
        for projected in weights.project(x).unbind():
            state[layer] = held_step(network.cell, projected, state[layer], weights, held[layer])
            hidden.append(state[layer][0])
        x = torch.stack(hidden)
    return x, state


def _logits(reader: Reader, first: int, hidden: Tensor) -> np.ndarray:
    """Return logits (time, row, output) of a stretch; a pooling head also sees what came before it."""
    network = reader.network
    if network.config.pooling != "last":
        before = torch.from_numpy(reader.signal("hidden", network.config.num_layers - 1, 0, first)).to(hidden.device)
        whole = torch.cat([before[:, None].expand(-1, hidden.shape[1], -1), hidden])
        return network.answer(whole.transpose(0, 1)).transpose(0, 1)[first:].cpu().numpy()
    return network.answer(hidden.transpose(0, 1)).transpose(0, 1).cpu().numpy()


def _bits(logits: np.ndarray, ids: np.ndarray, model: Model) -> np.ndarray:
    """Return the mean surprise of each row, in bits a token: float64 (row,)."""
    if model.config.task != "language_model" or len(ids) < 2:
        return np.full(logits.shape[1], np.nan)
    found = softmax(logits[:-1])[np.arange(len(ids) - 1), :, ids[1:]]
    return surprise(found).mean(axis=0)


def _go_on(
    model: Model,
    logits: np.ndarray,
    state: list[State],
    held: Sequence[Held],
    length: int,
    temperature: float,
    seed: int,
) -> list[str]:
    if model.config.task != "language_model":
        return [""] * len(logits)
    written = []
    for index in range(length):
        written.append([draw(row, temperature, seed, index) for row in logits])
        ids = torch.tensor(written[-1:], device=model.network.device)
        hidden, state = _run(model.network, model.network.embed(ids), state, held)
        logits = model.network.answer(hidden.transpose(0, 1))[:, -1].cpu().numpy()
    return [model.tokenizer.decode(row) for row in zip(*written, strict=True)] if written else [""] * len(logits)

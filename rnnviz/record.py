"""A network reads a text: everything it did, what it would answer after each token, how it would go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from rnnviz.cells import CELLS, Cell, Gates, LoopLayer, State, Weights, run_layer, sum_up
from rnnviz.checkpoints import Model
from rnnviz.errors import ConfigError
from rnnviz.feedforward import FeedForward
from rnnviz.network import Network, reverse_within
from rnnviz.recording import Prediction, Recording, softmax
from rnnviz.text import pad, read

LOOP_FROM_BATCH = 16
"""Batch size from which one loop with all gates beats the fused layer plus the gates rebuilt from its output."""

_STEPS_A_CHUNK = 256
_PREFIXES_A_BATCH = 64
_COLDEST = 1e-4


def record(model: Model, text: str) -> Recording:
    """Run a text through a model and keep every signal of every layer at every time step.

    Args:
        model: From `rnnviz.load`.
        text: Any text with at least one token.

    Returns:
        The recording, float32, one time step a token.

    Raises:
        TextError: The text has no token.
        ConfigError: The model is a feed-forward net.
    """
    return record_batch(model, [text])[0]


@torch.no_grad()
def record_batch(model: Model, texts: Sequence[str]) -> list[Recording]:
    """Record several texts in one pass; see `record`.

    Raises:
        TextError: One of the texts has no token.
        ConfigError: The model is a feed-forward net.
    """
    model = model.with_states()
    read_in = [read(model.tokenizer, text) for text in texts]
    ids, lengths = pad([ids for ids, _ in read_in])
    device = model.network.device
    layers, logits = record_network(
        model.network, torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device)
    )
    recordings = []
    for i, ((_, tokens), length) in enumerate(zip(read_in, lengths.tolist(), strict=True)):
        signals = {name: _stacked([layer[name][:length, i] for layer in layers]) for name in layers[0]}
        out = logits[:length, i].cpu().numpy()
        recordings.append(Recording(model.name, model.config.cell_type, tuple(tokens), signals, out))
    return recordings


def _stacked(layers: list[Tensor]) -> np.ndarray:
    """Stack (time, unit) tensors to (time, layer, unit), without a copy where there is one layer."""
    arrays = [layer.cpu().numpy() for layer in layers]
    return arrays[0][:, None] if len(arrays) == 1 else np.stack(arrays, axis=1)


def record_network(network: Network, ids: Tensor, lengths: Tensor) -> tuple[list[Gates], Tensor]:
    """Run a network over a batch of ids and keep every signal.

    Args:
        network: In evaluation mode.
        ids: int64 (batch, time), padded at the end.
        lengths: int64 (batch,).

    Returns:
        For each layer signal name -> (time, batch, unit), and the logits (time, batch, output).
    """
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # TF32 would cost three digits
        return _record_network(network, ids, lengths)


def _record_network(network: Network, ids: Tensor, lengths: Tensor) -> tuple[list[Gates], Tensor]:
    x = network.embed(ids).transpose(0, 1)
    layers = []
    for layer in range(network.config.num_layers):
        signals: Gates = {}
        for d, name in enumerate(network.directions):
            module = network.recurrent[layer][f"d{name}"]
            start = network.start(ids.shape[0], layer, d)
            inputs = x if d == 0 else _reversed(x, lengths)
            found = record_layer(module, network.cell, inputs, start)
            suffix = "" if d == 0 else "_backward"
            signals |= {f"{key}{suffix}": v if d == 0 else _reversed(v, lengths) for key, v in found.items()}
        layers.append(signals)
        x = signals["hidden"]
        if "hidden_backward" in signals:
            x = torch.cat([x, signals["hidden_backward"]], dim=-1)
    return layers, network.answer(x.transpose(0, 1)).transpose(0, 1)


def _reversed(x: Tensor, lengths: Tensor) -> Tensor:
    return reverse_within(x.transpose(0, 1), lengths).transpose(0, 1)


def record_layer(module: torch.nn.Module, cell: Cell, x: Tensor, start: State) -> Gates:
    """Record one layer and direction.

    For few texts the fused layer gives all hidden states, and since a gate needs only the input and the previous hidden
    state, all gates follow in one batched product; only a cell state is left to be summed up in time. For many texts
    one loop, its input product taken out, does both at once.

    Args:
        module: A layer of `make_layer`.
        cell: Its cell.
        x: (time, batch, input).
        start: The state before the first step, each (batch, unit).

    Returns:
        Signal name -> (time, batch, unit).
    """
    weights = Weights.of(module)
    few = x.shape[1] < LOOP_FROM_BATCH
    if isinstance(module, LoopLayer) or not (few or "cell" in cell.states):
        return _by_loop(cell, weights, x, start)
    if not few:
        return _lstm_by_loop(weights, x, start)
    hidden = run_layer(module, x.transpose(0, 1), start)[0].transpose(0, 1)
    if cell.blocks == ("hidden",):
        return {"hidden": hidden}
    if "cell" in cell.states:
        return _lstm_from_hidden(weights, x, start, hidden.contiguous())
    previous = torch.cat([start[0][None], hidden[:-1]])
    return {"hidden": hidden} | cell.gates(weights.project(x), previous, weights)


_LSTM = CELLS["lstm"]


def _open_gates(pre: Tensor) -> Gates:
    """Turn pre-activations (..., 4 unit) into i, f, g, o of `cells`' LSTM in place; returns them as views."""
    size = pre.shape[-1] // 4
    pre[..., : 2 * size].sigmoid_()
    pre[..., 2 * size : 3 * size].tanh_()
    pre[..., 3 * size :].sigmoid_()
    return dict(zip(_LSTM.blocks, pre.chunk(4, dim=-1), strict=True))


def _lstm_from_hidden(weights: Weights, x: Tensor, start: State, hidden: Tensor) -> Gates:
    """Rebuild the gates from all hidden states, some steps at a time, then sum up the cell state in time."""
    recurrent, bias = weights.weight_hh.T, weights.bias_ih + weights.bias_hh
    gates = hidden.new_empty(*hidden.shape[:2], len(bias))
    for first in range(0, len(x), _STEPS_A_CHUNK):
        last = min(first + _STEPS_A_CHUNK, len(x))
        before = hidden[first - 1 : last - 1] if first else torch.cat([start[0][None], hidden[: last - 1]])
        part = gates[first:last].flatten(0, 1)
        torch.addmm(bias, x[first:last].flatten(0, 1), weights.weight_ih.T, out=part)
        _open_gates(part.addmm_(before.flatten(0, 1), recurrent))
    signals = dict(zip(_LSTM.blocks, gates.chunk(4, dim=-1), strict=True))
    cells = sum_up(signals["input_gate"] * signals["candidate"], signals["forget_gate"], start[1])
    return {"hidden": hidden, "cell": cells} | signals


def _lstm_by_loop(weights: Weights, x: Tensor, start: State) -> Gates:
    """Step an LSTM through time in place: one product of [x_t, h_{t-1}] a step, every result written where it stays."""
    both = torch.cat([weights.weight_ih, weights.weight_hh], dim=1).T.contiguous()
    bias = weights.bias_ih + weights.bias_hh
    hidden, cell = start
    hiddens, cells = (x.new_empty(*x.shape[:2], hidden.shape[-1]) for _ in _LSTM.states)
    gates = x.new_empty(*x.shape[:2], len(bias))
    inputs = torch.cat([x[0], hidden], dim=1)
    for now, pre, h, c in zip(x.unbind(), gates.unbind(), hiddens.unbind(), cells.unbind(), strict=True):
        inputs[:, : x.shape[-1]] = now
        opened = _open_gates(torch.mm(inputs, both, out=pre).add_(bias))
        torch.mul(opened["forget_gate"], cell, out=c)
        cell = c.addcmul_(opened["input_gate"], opened["candidate"])
        torch.tanh(cell, out=h).mul_(opened["output_gate"])
        inputs[:, x.shape[-1] :] = h
    return {"hidden": hiddens, "cell": cells} | dict(zip(_LSTM.blocks, gates.chunk(4, dim=-1), strict=True))


def _by_loop(cell: Cell, weights: Weights, x: Tensor, start: State) -> Gates:
    """Step through time with the input product taken out of the loop."""
    state, kept = start, {name: [] for name in cell.signals}
    for projected in weights.project(x).unbind():
        state, gates = cell.step(projected, state, weights)
        for name, value in {**gates, **dict(zip(cell.states, state, strict=True))}.items():
            kept[name].append(value)
    return {name: torch.stack(values) for name, values in kept.items()}


@torch.no_grad()
def predict(model: Model, text: str) -> Prediction:
    """Classify a text, and every beginning of it.

    A bidirectional network reads each beginning anew, since its backward direction starts at the end; so does a
    feed-forward one, which has no state to go on from.

    Raises:
        TextError: There is no word in the text.
        ConfigError: The model is not a classifier.
    """
    if model.config.task != "classifier":
        raise ConfigError(f"{model.name} is a language model; sentiment needs a classifier.")
    row, tokens = read(model.tokenizer, text)
    ids = torch.from_numpy(row).to(model.network.device)
    if model.config.bidirectional or model.config.is_feedforward:
        logits = torch.cat(list(prefix_logits(model.network, ids)))
    else:
        logits = model.network(ids[None]).logits[0]
    unknown = tuple(model.tokenizer.unknown(text))
    return Prediction(model.name, tuple(tokens), unknown, model.config.labels, softmax(logits.cpu().numpy()))


@torch.no_grad()
def prefix_logits(
    network: Network | FeedForward, ids: Tensor, first: int = 0, at_once: int = _PREFIXES_A_BATCH
) -> Iterator[Tensor]:
    """Read beginnings of a text anew, each as a text of its own.

    Args:
        network: A classifier.
        ids: int64 (time,).
        first: Tokens of the longest beginning that is left out.
        at_once: Beginnings read together.

    Yields:
        Logits (beginning, output), of one more token each.
    """
    for begin in range(first, len(ids), at_once):
        lengths = torch.arange(begin + 1, min(begin + at_once, len(ids)) + 1, device=ids.device)
        yield network.whole(ids[: int(lengths[-1])].expand(len(lengths), -1), lengths)


@torch.no_grad()
def sample(model: Model, prompt: str, length: int = 200, temperature: float = 1.0, seed: int = 0) -> str:
    """Let a language model go on from a prompt.

    Args:
        model: A language model.
        prompt: What it reads first; at least one character.
        length: Characters to write.
        temperature: Divides the logits; below 1 bolder, above 1 wilder, 0 always the likeliest.
        seed: Seed of the draw.

    Returns:
        The new characters alone. The unknown character is never drawn.

    Raises:
        TextError: The prompt is empty.
        ConfigError: The model is a classifier, or `length` or `temperature` is impossible.
    """
    if model.config.task != "language_model":
        raise ConfigError(f"{model.name} is a classifier; only a language model can go on writing.")
    if length < 1 or not 0 <= temperature < float("inf") or not 0 <= seed < 2**63:
        raise ConfigError(
            f"length must be at least 1, temperature not negative and seed between 0 and 2^63, "
            f"got {length}, {temperature} and {seed}."
        )
    network = model.network
    ids = torch.from_numpy(model.tokenizer.encode(prompt)).to(network.device)[None]
    written, state = [], None
    for index in range(length):
        logits, state = network(ids, state=state)
        written.append(draw(logits[0, -1].float().cpu().numpy(), temperature, seed, index))
        ids = torch.tensor([written[-1:]], device=network.device)
    return model.tokenizer.decode(written)


def draw(logits: np.ndarray, temperature: float, seed: int, index: int) -> int:
    """Draw the next token's id; the same seed and index always draw alike, whatever was drawn before.

    Args:
        logits: (output,), unnormalised; the first, the unknown token, is never drawn.
        temperature: Divides the logits; 0 takes the likeliest.
        seed: Seed of the text.
        index: Place of the token in it, from 0.
    """
    known = logits[1:].astype(np.float64)
    if temperature <= _COLDEST:
        return 1 + int(known.argmax())
    cumulative = np.cumsum(softmax(known / temperature))
    place = np.searchsorted(cumulative, np.random.default_rng([seed, index]).random() * cumulative[-1], side="right")
    return 1 + min(int(place), len(known) - 1)

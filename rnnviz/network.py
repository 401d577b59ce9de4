"""One network for both backends: embedding -> recurrent layers -> head; it knows nothing of text or files."""

from __future__ import annotations

from threading import Lock
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import dropout

from rnnviz.cells import CELLS, State, make_layer, run_layer
from rnnviz.config import ModelConfig

DIRECTIONS = ("", "_reverse")
_MIX, _LOW = (2654435761, 40503, 2246822519), 2**31 - 1
_PAIR_SPREAD = 0.01


class Output(NamedTuple):
    """What a forward pass gives: `logits` (batch, time, output) and the state after the last step, a layer each."""

    logits: Tensor
    state: list[State]


def reverse_within(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverse each row of (batch, time, ...) within its true length; padding stays where it is."""
    time = torch.arange(x.shape[1], device=x.device)[None]
    index = torch.where(time < lengths[:, None], lengths[:, None] - 1 - time, time)
    return x.gather(1, index.view(*index.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:]))


def pair_rows(ids: Tensor, before: Tensor, buckets: int) -> Tensor:
    """Hash each token with the one before it to a row below `buckets`, the same on every machine.

    Two pairs may share a row; with some times more rows than common pairs, few do.

    Args:
        ids: int64 (..., time).
        before: int64, the same shape.
        buckets: Rows of the table.
    """
    mixed = (before & _LOW) * _MIX[0] + ids * _MIX[1]
    mixed = ((mixed ^ (mixed >> 15)) & _LOW) * _MIX[2]
    return (mixed ^ (mixed >> 13)) % buckets


class Network(nn.Module):
    """A character language model or a word classifier, by its config.

    Every layer and direction is a module of its own, `recurrent[layer]["" or "_reverse"]`, so that each layer's hidden
    states can be read from its fused kernel.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.cell = CELLS[config.cell_type]
        self.directions = DIRECTIONS if config.bidirectional else DIRECTIONS[:1]
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.padding_index)
        if config.embedding_scale != 1:
            self.embedding.weight.data.mul_(config.embedding_scale)
        self.pairs = None
        if config.pair_buckets:
            self.pairs = nn.Embedding(config.pair_buckets, config.pair_size)
            nn.init.normal_(self.pairs.weight, std=_PAIR_SPREAD)
        self.pooled = ("mean", "max", "last") if config.pooling == "all" else (config.pooling,)
        width = config.hidden_size * len(self.directions)
        sizes = [config.embedding_size + config.pair_size * bool(config.pair_buckets)]
        sizes += [width] * (config.num_layers - 1)
        self.recurrent = nn.ModuleList(
            nn.ModuleDict({f"d{d}": make_layer(config.cell_type, size, config.hidden_size) for d in self.directions})
            for size in sizes
        )
        width *= len(self.pooled)
        self.dense = nn.Linear(width, config.dense_size) if config.dense_size else None
        self.head = nn.Linear(config.dense_size or width, config.num_outputs)
        self._open_forget_gates()
        self.initial_state = None
        if config.learned_initial_state:
            shape = (config.num_layers, len(self.directions), len(self.cell.states), config.hidden_size)
            self.initial_state = nn.Parameter(torch.zeros(shape))

    def _open_forget_gates(self) -> None:
        """Start forget gates near sigmoid(1): a fresh LSTM remembers (Jozefowicz et al. 2015)."""
        if "forget_gate" not in self.cell.blocks:
            return
        row = self.cell.blocks.index("forget_gate") * self.config.hidden_size
        for layer in self.recurrent:
            for module in layer.values():
                nn.init.ones_(module.bias_ih_l0.data[row : row + self.config.hidden_size])

    @property
    def device(self) -> torch.device:
        """The device that holds the weights."""
        return self.head.weight.device

    def start(self, batch: int, layer: int, direction: int = 0) -> State:
        """Return the state before the first token: learned or zero, each (batch, unit)."""
        if self.initial_state is not None:
            return tuple(s.expand(batch, -1) for s in self.initial_state[layer, direction])
        zero = self.head.weight.new_zeros(batch, self.config.hidden_size)
        return (zero,) * len(self.cell.states)

    def embed(self, ids: Tensor, before: Tensor | None = None) -> Tensor:
        """Return what the first layer reads: each token's vector and, where there are pairs, the pair's beside it.

        Args:
            ids: int64 (..., time).
            before: int64 (..., 1), the token before the first; None at a text's beginning.
        """
        if self.pairs is None:
            return self.embedding(ids)
        first = torch.zeros_like(ids[..., :1]) if before is None else before
        rows = pair_rows(ids, torch.cat([first, ids[..., :-1]], dim=-1), len(self.pairs.weight))
        return torch.cat([self.embedding(ids), self.pairs(rows)], dim=-1)

    def _run(self, module: nn.Module, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run one layer and direction, in training with some of its recurrent weights left out."""
        rate = self.config.recurrent_dropout
        if not (self.training and rate):
            return run_layer(module, x, state)
        weights = dict(module.named_parameters())
        weights["weight_hh_l0"] = dropout(weights["weight_hh_l0"], rate)
        return run_layer(lambda *inputs: functional_call(module, weights, inputs), x, state)

    def run_layer(self, layer: int, x: Tensor, lengths: Tensor | None, state: State | None) -> tuple[Tensor, State]:
        """Run one layer in each of its directions; hidden states of both are concatenated, aligned in time."""
        batch = x.shape[0]
        outputs, finals = [], []
        for d, name in enumerate(self.directions):
            module = self.recurrent[layer][f"d{name}"]
            if d == 0:
                out, final = self._run(module, x, state or self.start(batch, layer))
            else:
                full = lengths if lengths is not None else torch.full((batch,), x.shape[1], device=x.device)
                out, final = self._run(module, reverse_within(x, full), self.start(batch, layer, d))
                out = reverse_within(out, full)
            outputs.append(out)
            finals.append(final)
        return (outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)), finals[0]

    def features(
        self,
        ids: Tensor,
        lengths: Tensor | None = None,
        state: list[State] | None = None,
        rate: float | None = None,
    ) -> tuple[Tensor, list[State]]:
        """Return the top layer's hidden states (batch, time, unit * directions) and the final state of each layer.

        `rate` takes the place of the config's dropout; the rest is as for `forward`.
        """
        if ids.dim() != 2 or ids.shape[1] == 0:
            raise ValueError(f"ids: expected (batch, time) with time >= 1, got {tuple(ids.shape)}")
        rate = self.config.dropout if rate is None else rate
        x, final = self.embed(ids), []
        for layer in range(self.config.num_layers):
            x = dropout(x, rate, self.training)
            x, last = self.run_layer(layer, x, lengths, state[layer] if state else None)
            final.append(last)
        return x, final

    def pool(self, hidden: Tensor) -> Tensor:
        """Read the states up to each time step: (batch, time, unit) -> the same shape, three times as wide for "all".

        Causal where the network is; a bidirectional one has read the whole text at every step.
        """
        read = [self._pool(hidden, kind) for kind in self.pooled]
        return read[0] if len(read) == 1 else torch.cat(read, dim=-1)

    def _pool(self, hidden: Tensor, kind: str) -> Tensor:
        if kind == "max":
            return hidden.cummax(dim=1).values
        if kind == "mean":
            steps = torch.arange(1, hidden.shape[1] + 1, device=hidden.device, dtype=hidden.dtype)
            return hidden.cumsum(dim=1) / steps[:, None]
        if not self.config.bidirectional:
            return hidden
        size = self.config.hidden_size  # the backward direction ends at the first token
        return torch.cat([hidden[..., :size], hidden[:, :1, size:].expand(-1, hidden.shape[1], -1)], dim=-1)

    def answer(self, hidden: Tensor) -> Tensor:
        """Return the logits (batch, time, output) of the top layer's hidden states (batch, time, unit)."""
        return self._answer(self.pool(hidden))

    def answer_whole(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits after whole texts, and after no beginning of theirs.

        The states are pooled once, at the end: a running maximum takes longer than the recurrent layers do.

        Args:
            hidden: (batch, time, unit), the top layer's hidden states.
            lengths: int64 (batch,), the true lengths.

        Returns:
            (batch, output), unnormalised.
        """
        real = (torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None])[..., None]
        return self._answer(torch.cat([self._pool_whole(hidden, lengths, real, kind) for kind in self.pooled], dim=-1))

    def _pool_whole(self, hidden: Tensor, lengths: Tensor, real: Tensor, kind: str) -> Tensor:
        """Read the states as `pool` does at each row's last token: (batch, unit)."""
        if kind == "max":
            return hidden.masked_fill(~real, -torch.inf).amax(dim=1)
        if kind == "mean":
            return (hidden * real).sum(dim=1) / lengths[:, None]
        last, size = at_end(hidden, lengths), self.config.hidden_size
        return torch.cat([last[:, :size], hidden[:, 0, size:]], dim=-1) if self.config.bidirectional else last

    def _answer(self, read: Tensor) -> Tensor:
        read = dropout(read, self.config.dropout, self.training)
        return self.head(read if self.dense is None else torch.relu(self.dense(read)))

    def whole_from(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Do as `whole` for vectors (batch, time, vector) in place of ids, without dropout between layers."""
        for layer in range(self.config.num_layers):
            x, _ = self.run_layer(layer, x, lengths, None)
        return self.answer_whole(x, lengths)

    def whole(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits (batch, output) after whole texts, ids int64 (batch, time) padded at the end."""
        return self.answer_whole(self.features(ids, lengths)[0], lengths)

    def forward(self, ids: Tensor, lengths: Tensor | None = None, state: list[State] | None = None) -> Output:
        """Give the logits after every token.

        Args:
            ids: int64 (batch, time), rows padded at the end.
            lengths: int64 (batch,), the true lengths; needed where rows are padded and the network is bidirectional.
                Logits beyond a row's length mean nothing: read them with `at_end`.
            state: One state a layer to go on from (truncated BPTT), or None for the initial state.

        Returns:
            Logits (batch, time, output), unnormalised, and the state after the last column.

        Raises:
            ValueError: `ids` is not two-dimensional or has no time step.
        """
        hidden, final = self.features(ids, lengths, state)
        return Output(self.answer(hidden), final)


_SEEDING = Lock()
"""Torch's generator is the process's: two people's networks are made one after the other."""


def seeded_network(config: ModelConfig, seed: int) -> Network:
    """Return an untrained network of PyTorch's default weights; torch's own generator stays as it is."""
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(config)


def at_end(logits: Tensor, lengths: Tensor) -> Tensor:
    """Return each row's logits at its last real token: (batch, time, output) -> (batch, output)."""
    return logits[torch.arange(len(logits), device=logits.device), lengths - 1]


def detach(state: list[State]) -> list[State]:
    """Cut the gradient's path through a state that is carried over (truncated BPTT)."""
    return [tuple(s.detach() for s in layer) for layer in state]

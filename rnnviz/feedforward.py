"""The classifier without memory: a dense layer reads all words of a text at once, each at its fixed place."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear

from rnnviz.config import ModelConfig
from rnnviz.network import Network, Output


class FeedForward(nn.Module):
    """Embeddings of the first `window` words side by side -> ReLU layer -> logits.

    A shorter text ends in zero vectors, as if padded at the end to `window` words.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.padding_index)
        self.embedding.weight.data.mul_(config.embedding_scale)
        self.dense = nn.Linear(config.window * config.embedding_size, config.hidden_size)
        self.head = nn.Linear(config.hidden_size, config.num_outputs)

    @property
    def device(self) -> torch.device:
        """The device that holds the weights."""
        return self.head.weight.device

    def forward(self, ids: Tensor, lengths: Tensor | None = None, state: None = None) -> Output:
        """Give the logits of whole texts, the same at every step.

        Args:
            ids: int64 (batch, time), rows padded at the end with the padding index.
            lengths: int64 (batch,), the true lengths; None where no row has words beyond its own.
            state: Not used; there is none.

        Returns:
            Logits (batch, time, output), and no state.
        """
        ids, steps = ids[:, : self.config.window], ids.shape[1]
        if lengths is not None:
            ids = ids.where(
                torch.arange(ids.shape[1], device=ids.device) < lengths[:, None], self.embedding.padding_idx
            )
        words = self.embedding(ids).flatten(1)
        words = dropout(words, self.config.dropout, self.training)
        hidden = torch.relu(linear(words, self.dense.weight[:, : words.shape[1]], self.dense.bias))
        logits = self.head(dropout(hidden, self.config.dropout, self.training))
        return Output(logits[:, None].expand(-1, steps, -1), [])

    def whole(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits (batch, output) of whole texts; see `forward`."""
        return self(ids, lengths).logits[:, 0]


def build(config: ModelConfig) -> Network | FeedForward:
    """Return a fresh network of a config's kind."""
    return FeedForward(config) if config.is_feedforward else Network(config)

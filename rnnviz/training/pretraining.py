"""A word classifier first learns to guess the next word, which needs no labels (Dai and Le 2015)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rnnviz.network import Network

UNKNOWN = 1
_PLACES_AT_ONCE = 2048
_RAREST = 1e-9


class NextWord(nn.Module):
    """Reads the next word off the hidden states; its output vectors are the network's own embedding.

    Guessing among a whole vocabulary would cost more than the network itself: only the words of the batch at hand are
    told apart, each one's logit lowered by the logarithm of its chance to be among them, which is what a sampled
    softmax does (Bengio and Senecal 2008).

    Args:
        network: A classifier that reads forwards only.
        rows: The training texts, each int64 (time,).
    """

    def __init__(self, network: Network, rows: Sequence[np.ndarray]) -> None:
        super().__init__()
        config = network.config
        self.project = nn.Linear(config.hidden_size, config.embedding_size)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        counts = np.bincount(np.concatenate(rows), minlength=config.vocab_size)
        share = torch.from_numpy(counts / counts.sum()).float().clamp(_RAREST, 0.5)
        self.register_buffer("log_absent", torch.log1p(-share.double()).float(), persistent=False)

    def forward(self, embedding: nn.Embedding, hidden: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the mean cross-entropy of the next word, over all places whose next word is known.

        Args:
            embedding: The network's embedding.
            hidden: (batch, time, unit).
            ids: int64 (batch, time), padded at the end.
            lengths: int64 (batch,).
        """
        places = torch.arange(ids.shape[1] - 1, device=ids.device)[None] < (lengths - 1)[:, None]
        places &= ids[:, 1:] != UNKNOWN
        if not places.any():
            return hidden.sum() * 0
        words, targets = ids[:, 1:][places].unique(return_inverse=True)
        guesses, total = self.project(hidden[:, :-1][places]), 0.0
        chance = -torch.expm1(len(guesses) * self.log_absent[words])
        vectors, bias = embedding(words).T, self.bias[words] - chance.log()
        for part, right in zip(guesses.split(_PLACES_AT_ONCE), targets.split(_PLACES_AT_ONCE), strict=True):
            total = total + cross_entropy(torch.addmm(bias, part, vectors).float(), right, reduction="sum")
        return total / len(guesses)

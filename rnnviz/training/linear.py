"""Fits a network's linear part to labelled texts and weighs it against the recurrent one; it knows no file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, embedding_bag

from rnnviz.network import LinearPart

_FEWEST_TEXTS = 2
_STRENGTH = 5.0
_ITERATIONS = 40
_A_LITTLE = 1e-4


class Weighing(NamedTuple):
    """How much each part counts: logits = `recurrent` * its own + `linear` * its own + `bias` (output,)."""

    recurrent: float
    linear: float
    bias: Tensor


def fit_linear(part: LinearPart, rows: Sequence[np.ndarray], labels: np.ndarray) -> None:
    """Set the part's scales by naive Bayes and its weights by logistic regression (Wang and Manning 2012).

    A feature's scale says how unevenly the classes use it: the root mean square, over classes, of the logarithm of its
    share among a class' features to that among all others'. Features of a single text get none.

    Args:
        part: The part, on the CPU.
        rows: The training texts, each int64 (time,).
        labels: int64 (text,), their classes.
    """
    found = [part.rows(torch.from_numpy(row)[None]).unique() for row in rows]
    flat, targets = torch.cat(found), torch.from_numpy(np.array(labels))
    of_text = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor([len(features) for features in found]))
    part.scale.copy_(_unevenness(flat, targets[of_text], *part.weight.shape))
    telling = part.scale[flat] > 0
    flat, of_text = flat[telling], of_text[telling]
    offsets = torch.searchsorted(of_text, torch.arange(len(rows)))
    values = part.scale[flat]
    length = torch.zeros(len(rows)).index_add_(0, of_text, values.square()).sqrt()
    values = values / length[of_text]
    used, flat = flat.unique(return_inverse=True)
    weight = torch.zeros(len(used), part.weight.shape[1], requires_grad=True)

    def loss() -> Tensor:
        logits = embedding_bag(flat, weight, offsets, mode="sum", per_sample_weights=values)
        return (_STRENGTH * cross_entropy(logits, targets, reduction="sum") + weight.square().sum() / 2) / len(rows)

    _minimise(loss, [weight])
    part.weight.zero_()
    part.weight[used] = weight.detach()


def _unevenness(flat: Tensor, classes: Tensor, size: int, num_outputs: int) -> Tensor:
    """Return each feature's scale (feature,) from the features and classes of all its occurrences in texts."""
    counts = torch.bincount(classes * size + flat, minlength=num_outputs * size).view(num_outputs, size).double()
    common = counts.sum(dim=0) >= _FEWEST_TEXTS
    rest = counts.sum(dim=0) - counts + 1
    counts = counts + 1
    ratio = (counts / counts.sum(dim=1, keepdim=True)).log() - (rest / rest.sum(dim=1, keepdim=True)).log()
    return (ratio.square().mean(dim=0).sqrt() * common).float()


def weigh(recurrent: Tensor, linear: Tensor, labels: np.ndarray) -> Weighing:
    """Return the weighing of two parts' logits (text, output) with the least cross-entropy on held-out texts."""
    targets = torch.from_numpy(np.array(labels))
    shares = torch.ones(2, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(recurrent.shape[1], dtype=torch.float64, requires_grad=True)

    def loss() -> Tensor:
        logits = shares[0] * recurrent.double() + shares[1] * linear.double() + bias
        return cross_entropy(logits, targets) + _A_LITTLE * bias.square().sum()

    _minimise(loss, [shares, bias])
    first, second = shares.detach().tolist()
    return Weighing(first, second, bias.detach().float())


def _minimise(loss: Callable[[], Tensor], parameters: list[Tensor]) -> None:
    optimizer = torch.optim.LBFGS(parameters, max_iter=_ITERATIONS, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(closure)

"""Where in time the gradient of the recurrent weights comes from, and what truncating it leaves out; it draws nothing.

Weights are shared over time, so their gradient is a sum over steps: dL/dW_hh = sum_t (dL/d a_t) u_t, with a_t the
result of the recurrent product and u_t what W_hh is multiplied with (h_{t-1}). Werbos 1990.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import get_total_norm

from rnnviz.analysis.backward import recurrent_operands
from rnnviz.analysis.losses import losses, reading
from rnnviz.analysis.unrolled import LOG10_OF_2, Unrolled, log10_norms, no_denormals, pull_back, unroll
from rnnviz.network import Network


@dataclass(frozen=True, eq=False)
class WeightGradient:
    """The gradient of one layer's W_hh, step by step, for one loss.

    Attributes:
        label: What the network is called.
        log10_norms: float64 (time,), log10 of the Frobenius norm of each step's part.
        share: (time,), each part's projection on the whole, <part, whole> / ||whole||^2; they sum to 1, and a negative
            one points the other way. NaN where the whole is zero.
        missing: (time,), by steps kept: ||whole - sum of the last k parts|| / ||whole|| for k = 1, 2, ...
        cosine: (time,), the cosine between that sum and the whole.
        log10_norm: log10 of ||whole||.
        tokens: (time,), what was read.
    """

    label: str
    log10_norms: np.ndarray
    share: np.ndarray
    missing: np.ndarray
    cosine: np.ndarray
    log10_norm: float
    tokens: tuple[str, ...]


@torch.inference_mode()
def weight_gradient(
    network: Network,
    ids: np.ndarray,
    tokens: Sequence[str] | None = None,
    label: str = "",
    target: int | None = None,
    *,
    position: int | None = None,
    layer: int = -1,
) -> WeightGradient:
    """Split dL/dW_hh by the step that it comes from, exactly, without forming it.

    All inner products of the parts follow from two (time, time) tables, of the a_t and of the u_t, block by block.

    Args:
        network: Any network but a bidirectional one; it is copied, not touched.
        ids: int64 (time,), cut as for `gradients.gradient_decay`.
        tokens: What the ids stand for; None for the ids themselves.
        label: Name for a legend.
        target: The class of a classifier's loss; None for the class it finds likeliest.
        position: The step after which the loss is taken; None for the last.
        layer: Whose W_hh.

    Raises:
        ConfigError: The network is bidirectional.
        TextError: There are fewer tokens than a loss needs.
    """
    read, answers, shown = reading(network.config, ids, tokens, target, position)
    last = len(read) - 1
    run = unroll(network, read)
    found, exponents = [], []
    with no_denormals():
        for step in pull_back(run, losses(run, answers, [last]).inject()):
            found.append(step.layers[layer].recurrent[0])
            exponents.append(step.exponents[layer, 0])
    operands, powers = _operands(run, layer), torch.stack(exponents[::-1])
    inner, inner_logs = _unit(torch.stack(found[::-1]).unflatten(1, operands.shape[1:]), powers)
    operands, operand_logs = _unit(operands, torch.zeros_like(powers))
    products, logs = _inner_products(inner, operands), inner_logs + operand_logs
    return _weight_gradient(products, logs, label or network.config.cell_type, shown)


def _operands(run: Unrolled, layer: int) -> Tensor:
    kept = run.layers[layer]
    return recurrent_operands(run.network.config.cell_type, kept.gates, kept.before)


def _unit(vectors: Tensor, powers: Tensor) -> tuple[Tensor, np.ndarray]:
    """Part each step's (block, unit) numbers into a direction and log10 of their length; zeros have no direction."""
    logs = log10_norms(vectors.flatten(1), torch.zeros_like(powers))
    factor = 10.0 ** -torch.from_numpy(np.where(np.isneginf(logs), 0.0, logs))
    return vectors * factor[:, None, None], logs + powers.numpy() * LOG10_OF_2


def _inner_products(inner: Tensor, operands: Tensor) -> np.ndarray:
    """Return <part_s, part_t> for all pairs of steps: sum over blocks of (a_s . a_t) (u_s . u_t)."""
    a, u = inner.transpose(0, 1), operands.transpose(0, 1)
    return ((a @ a.transpose(1, 2)) * (u @ u.transpose(1, 2))).sum(dim=0).numpy()


def _weight_gradient(products: np.ndarray, logs: np.ndarray, label: str, tokens: tuple[str, ...]) -> WeightGradient:
    """Sum up inner products of parts, each to be multiplied with 10**logs of both."""
    with np.errstate(divide="ignore", invalid="ignore"):
        norms = np.log10(np.diagonal(products)) / 2 + logs
        shift = logs.max() if np.isfinite(logs).any() else 0.0
        relative = 10.0 ** (logs - shift)
        products = products * relative * relative[:, None]
        whole = products.sum()
        with_whole = products.sum(axis=1)
        lost = np.diagonal(products.cumsum(axis=0).cumsum(axis=1))  # ||sum of the first k parts||^2
        kept = np.diagonal(products[::-1, ::-1].cumsum(axis=0).cumsum(axis=1))  # ... of the last k parts
        missing = np.sqrt(np.maximum(np.append(lost[::-1][1:], 0.0), 0) / whole)
        cosine = with_whole[::-1].cumsum() / np.sqrt(np.maximum(kept, 0) * whole)
        return WeightGradient(
            label,
            norms,
            with_whole / whole,
            missing,
            np.clip(cosine, -1, 1),
            float(np.log10(np.maximum(whole, 0)) / 2 + shift),
            tokens,
        )


@dataclass(frozen=True, eq=False)
class Truncation:
    """What truncated back-propagation through time makes of the gradient of W_hh in training.

    The three are NaN where the full gradient is zero or beyond float64.

    Attributes:
        label: What the network is called.
        windows: Steps between two cuts, ascending.
        missing: (window,), ||truncated - full|| / ||full||, the size of the bias.
        cosine: (window,), between truncated and full.
        ratio: (window,), ||truncated|| / ||full||.
        steps: The text's length.
    """

    label: str
    windows: tuple[int, ...]
    missing: np.ndarray
    cosine: np.ndarray
    ratio: np.ndarray
    steps: int


@torch.inference_mode()
def truncation(
    network: Network,
    ids: np.ndarray,
    windows: Sequence[int],
    label: str = "",
    target: int | None = None,
    *,
    layer: int = -1,
) -> Truncation:
    """Compare truncated gradients with the full one, as in training: the text is cut into windows from its beginning.

    The state is carried over a cut, the gradient is not (Williams and Peng 1990; Tallec and Ollivier 2017 on the bias).
    A language model's loss is the mean over all steps, a classifier's that after the last.

    Args:
        network: Any network but a bidirectional one; it is copied, not touched.
        ids: int64 (time,), cut as for `gradients.gradient_decay`.
        windows: Lengths to try, each at least 1.
        label: Name for a legend.
        target: The class of a classifier's loss; None for the class it finds likeliest.
        layer: Whose W_hh.

    Raises:
        ConfigError: The network is bidirectional.
        TextError: There are fewer tokens than a loss needs.
        ValueError: A window is shorter than one step.
    """
    lengths = sorted(set(windows))
    if not lengths or lengths[0] < 1:
        raise ValueError(f"windows: expected lengths of at least 1, got {list(windows)}")
    read, answers, _ = reading(network.config, ids, target=target)
    run = unroll(network, read)
    every = range(len(read)) if network.config.task == "language_model" else [len(read) - 1]
    enter = losses(run, answers, every).mean()
    sizes = torch.tensor([*lengths, len(read) + 1])
    rows, found = len(sizes), []
    with no_denormals():
        steps = pull_back(
            run, lambda time: enter[time].expand(rows, -1), cut=lambda time: (time % sizes != 0).to(enter.dtype)
        )
        found = [step.layers[layer].recurrent for step in steps]
    operands = _operands(run, layer)
    inner = torch.stack(found[::-1]).unflatten(2, operands.shape[1:])
    found = np.array(_compared(inner, operands))
    return Truncation(label or network.config.cell_type, tuple(lengths), *found.T, len(read))


def _compared(inner: Tensor, operands: Tensor) -> list[tuple[float, float, float]]:
    """Compare each row's gradient with the last row's, one at a time: the missing part, the cosine, the ratio."""

    def gradient(row: int) -> Tensor:
        return torch.einsum("tbi,tbj->bij", inner[:, row], operands).flatten()

    full, found = gradient(-1), []
    scale = full.abs().amax()  # only ratios are asked for, and squares overflow early
    full = full / scale
    for row in range(inner.shape[1] - 1):
        cut = gradient(row) / scale
        norm, whole = cut.norm(), full.norm()
        found.append((float((cut - full).norm() / whole), float(cut @ full / (norm * whole)), float(norm / whole)))
    return found


def gradient_norms(network: Network, ids: np.ndarray, target: int | None = None) -> dict[str, float]:
    """Return the norm of the training loss's gradient: of every parameter, and of all together under "total".

    What `torch.nn.utils.clip_grad_norm_` compares with its limit. Losses as for `truncation`; float64. A bidirectional
    network will do.

    Raises:
        TextError: There are fewer tokens than a loss needs.
    """
    read, answers, _ = reading(network.config, ids, target=target)
    exact = copy.deepcopy(network).double().cpu().eval().requires_grad_(True)
    logits = exact(torch.from_numpy(np.array(read))[None]).logits[0]
    if network.config.task == "language_model":
        loss = cross_entropy(logits, torch.from_numpy(np.array(answers)))
    else:
        right = logits[-1].argmax() if answers is None else torch.tensor(int(answers[-1]))
        loss = cross_entropy(logits[-1], right)
    named = dict(exact.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    known = {name: g for name, g in zip(named, found, strict=True) if g is not None}
    return {name: float(g.norm()) for name, g in known.items()} | {"total": float(get_total_norm(list(known.values())))}

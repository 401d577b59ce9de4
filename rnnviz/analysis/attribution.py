"""How much each token of a text matters to one answer: gradients with respect to its vector; it draws nothing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from rnnviz.analysis.losses import losses, reading
from rnnviz.analysis.unrolled import Progress, log10_norms, no_denormals, pull_back, unheard, unroll
from rnnviz.errors import ConfigError
from rnnviz.network import Network

_PATHS_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class InputGradients:
    """The gradient of one loss with respect to every token's vector.

    Attributes:
        label: What the network is called.
        tokens: (time,), what was read.
        log10_norms: float64 (time,), log10 ||d loss / d x_t||, x_t the token's embedding.
        answer: The id or class whose cross-entropy the loss is.
        loss_nats: The loss.
    """

    label: str
    tokens: tuple[str, ...]
    log10_norms: np.ndarray
    answer: int
    loss_nats: float


@torch.inference_mode()
def input_gradients(
    network: Network,
    ids: np.ndarray,
    tokens: Sequence[str] | None = None,
    label: str = "",
    target: int | None = None,
    *,
    position: int | None = None,
) -> InputGradients:
    """Measure ||d loss / d x_t|| for every token of a text (saliency: Simonyan, Vedaldi and Zisserman 2014).

    Args:
        network: Any network but a bidirectional one; it is copied, not touched.
        ids: int64 (time,), cut as for `gradients.gradient_decay`.
        tokens: What the ids stand for; None for the ids themselves.
        label: Name for a legend.
        target: The class of a classifier's loss; None for the class it finds likeliest.
        position: The step after which the loss is taken; None for the last.

    Raises:
        ConfigError: The network is bidirectional.
        TextError: There are fewer tokens than a loss needs.
    """
    read, answers, shown = reading(network.config, ids, tokens, target, position)
    last = len(read) - 1
    run = unroll(network, read)
    loss = losses(run, answers, [last])
    weight = run.layers[0].weights.weight_ih
    found, exponents = [], []
    with no_denormals():
        for step in pull_back(run, loss.inject()):
            found.append(step.layers[0].inputs[0])
            exponents.append(step.exponents[0, 0])
    norms = log10_norms(torch.stack(found[::-1]) @ weight, torch.stack(exponents[::-1]))
    answer = int(run.logits[-1].argmax()) if answers is None else int(answers[last])
    return InputGradients(label or network.config.cell_type, shown, norms, answer, float(loss.nats[0]))


@dataclass(frozen=True, eq=False)
class Attribution:
    """What each token adds to the log-probability of one answer.

    Attributes:
        label: What the network is called.
        tokens: (time,), what was read.
        values: float64 (time,), in nats; they sum to `log_probability - without` up to `gap`.
        answer: The id or class.
        log_probability: Of the answer after the text, in nats.
        without: The same for a text of zero vectors.
        gap: What the sum misses, in nats: the error of the integral.
    """

    label: str
    tokens: tuple[str, ...]
    values: np.ndarray
    answer: int
    log_probability: float
    without: float
    gap: float


def integrated_gradients(
    network: Network,
    ids: np.ndarray,
    tokens: Sequence[str] | None = None,
    label: str = "",
    target: int | None = None,
    *,
    position: int | None = None,
    points: int = 32,
    progress: Progress = unheard,
) -> Attribution:
    """Attribute an answer to the tokens by integrated gradients (Sundararajan, Taly and Yan 2017), with captum.

    The path goes from zero vectors to the tokens' own; the integral is a Gauss-Legendre sum.

    Args:
        network: As for `input_gradients`.
        ids: As for `input_gradients`.
        tokens: As for `input_gradients`.
        label: As for `input_gradients`.
        target: As for `input_gradients`.
        position: As for `input_gradients`.
        points: Points on the path.
        progress: Told of the share done.

    Raises:
        ConfigError: The network is bidirectional.
        TextError: There are fewer tokens than a loss needs.
    """
    from captum.attr import IntegratedGradients  # noqa: PLC0415  it takes seconds to import

    if network.config.bidirectional:
        raise ConfigError("A bidirectional network reads the end first, so its gradient has no single direction back.")
    read, answers, shown = reading(network.config, ids, tokens, target, position)
    last = len(read) - 1
    exact = copy.deepcopy(network).double().cpu().eval().requires_grad_(False)
    vectors = exact.embed(torch.from_numpy(np.array(read)))[None]
    zeros = torch.zeros_like(vectors)
    answer = int(_log_probabilities(exact, vectors)[0].argmax()) if answers is None else int(answers[last])

    read_so_far = 0

    def score(x: Tensor) -> Tensor:
        nonlocal read_so_far
        read_so_far += len(x)
        progress(min(1.0, read_so_far / (points + 2)))
        return _log_probabilities(exact, x)[:, answer]

    found = IntegratedGradients(score).attribute(
        vectors, zeros, n_steps=points, method="gausslegendre", internal_batch_size=_PATHS_AT_ONCE
    )
    values = found.sum(dim=2)[0].detach().numpy()
    ends = [float(score(x)[0]) for x in (vectors, zeros)]
    return Attribution(
        label or network.config.cell_type,
        shown,
        values,
        answer,
        ends[0],
        ends[1],
        float(ends[0] - ends[1] - values.sum()),
    )


def _log_probabilities(network: Network, x: Tensor) -> Tensor:
    """Read vectors instead of ids: (batch, time, embedding) -> (batch, output) after the last."""
    return log_softmax(network.whole_from(x, torch.full((len(x),), x.shape[1])), dim=-1)

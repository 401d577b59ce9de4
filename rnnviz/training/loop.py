"""The training loop as a generator of steps, and everything it needs to go on after a kill; it knows no file."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnnviz.cells import State
from rnnviz.config import TrainConfig
from rnnviz.network import Network, at_end, detach
from rnnviz.training.batches import Buckets, StreamBatch, Streams, TextBatch
from rnnviz.training.pretraining import NextWord
from rnnviz.training.scores import ClassifierScore, LanguageScore

_KEPT = ("step", "best", "best_step", "stale", "seconds", "best_weights", "averaged", "carried")
_AVERAGE_WARMUP = 10


class Batches(Protocol):
    """Training data by step: `steps` an epoch."""

    steps: int

    def batch(self, step: int) -> StreamBatch | TextBatch:
        """Return the batch of a step."""


@dataclass(frozen=True)
class TrainStep:
    """What one step of training did.

    Attributes:
        step: Steps done, from 1.
        epoch: Passes over the data done.
        loss_nats: Mean cross-entropy of the step's batch, dropout on; of the next word while a classifier pretrains.
        learning_rate: The rate it was taken with.
        tokens: Tokens read in it.
        score: The validation score, where this step ended with one.
        is_best: That score is the best so far.
    """

    step: int
    epoch: float
    loss_nats: float
    learning_rate: float
    tokens: int
    score: LanguageScore | ClassifierScore | None = None
    is_best: bool = False


def learning_rate(step: int, steps: int, config: TrainConfig, peak: float | None = None) -> float:
    """Return the rate of a step counted from 0: linear rise, plateau, linear fall to a hundredth at the end.

    `peak` takes the place of the config's.
    """
    rise = min(1.0, (step + 1) / (config.warmup_steps + 1))
    falling = max(1.0, steps * config.decay)
    fall = min(1.0, 0.01 + 0.99 * (steps - step) / falling) if config.decay else 1.0
    return (peak or config.learning_rate) * min(rise, fall)


def bfloat16_is_faster(device: torch.device) -> bool:
    """Tell whether the hardware multiplies bfloat16 faster than float32: newer GPUs, CPUs with AMX or AVX512-BF16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    features = torch.cpu.get_capabilities()
    return bool(features.get("amx_bf16") or features.get("avx512_bf16"))


def _copy(network: Network) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


class Trainer:
    """A network in training; `run()` yields its steps, `state()` holds all that resuming needs.

    Args:
        network: The network.
        batches: Its data.
        validate: Scores it.
        config: The hyper-parameters.
        unspoilt: The same texts without word dropout, for a classifier that pretrains.
    """

    def __init__(
        self,
        network: Network,
        batches: Streams | Buckets,
        validate: Callable[[Network], LanguageScore | ClassifierScore],
        config: TrainConfig,
        unspoilt: Buckets | None = None,
    ) -> None:
        self.network, self.batches, self.validate, self.config = network, batches, validate, config
        self.unspoilt = unspoilt
        self.pretrain_steps = math.ceil(config.pretrain_epochs * batches.steps)
        self.steps = self.pretrain_steps + max(1, math.ceil(config.epochs * batches.steps))
        self.next_word = None
        if config.pretrain_epochs:
            self.next_word = NextWord(network, batches.rows).to(network.device)
        parameters = [*network.parameters(), *(self.next_word.parameters() if self.next_word else ())]
        parameters = [p for p in parameters if p.requires_grad]
        decayed = [p for p in parameters if p.dim() > 1]
        rest = [p for p in parameters if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}]
        if config.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(parameters, lr=config.learning_rate)
        else:
            self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99))
        self.step, self.best, self.best_step, self.stale, self.seconds = 0, math.inf, 0, 0, 0.0
        self.best_weights = _copy(network)
        self.averaged = _copy(network) if config.average else {}
        self.carried: list[State] | None = None
        half = config.precision == "bfloat16" or (config.precision == "auto" and bfloat16_is_faster(network.device))
        self.precision = "bfloat16" if half else "float32"

    def _autocast(self) -> AbstractContextManager:
        return torch.autocast(self.network.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")

    @property
    def falls_from(self) -> float:
        """The step from which the rate is lowered."""
        return self.pretrain_steps + (self.steps - self.pretrain_steps) * (1 - self.config.decay)

    def state(self) -> dict[str, Any]:
        """Return everything that decides the steps to come, as tensors and plain values."""
        generators = {"cpu": torch.get_rng_state()}
        if self.network.device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(self.network.device)
        return {
            **{name: getattr(self, name) for name in _KEPT},
            "next_word": self.next_word.state_dict() if self.next_word else {},
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generators": generators,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state()` returned."""
        for name in _KEPT:
            setattr(self, name, state[name])
        if bool(self.averaged) != bool(self.config.average):
            self.averaged = dict(state["network"]) if self.config.average else {}
        self.network.load_state_dict(state["network"])
        if self.next_word:
            self.next_word.load_state_dict(state["next_word"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["generators"]["cpu"])
        if "cuda" in state["generators"]:
            torch.cuda.set_rng_state(state["generators"]["cuda"], self.network.device)

    @property
    def finished(self) -> bool:
        """Whether the last step is done or validation has stopped improving."""
        return self.step >= self.steps or self.stale >= self.config.patience

    def run(self) -> Iterator[TrainStep]:
        """Train until finished, a `TrainStep` at a time; the generator may be left at any of them."""
        while not self.finished:
            started = time.perf_counter()
            rate = self._rate()
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            if self.step == self.pretrain_steps:
                self.optimizer.state.clear()  # the next word's gradients are far larger: their mean squares would brake
            batch = self._batch()
            self.network.train()
            loss = self._loss(batch)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise FloatingPointError(f"the loss became {value} at step {self.step + 1}")
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
            self.optimizer.step()
            self.step += 1
            self._average()
            score, is_best = None, False
            due = self.step % self.config.validate_every == 0 and self.step > self.pretrain_steps
            if due or self.step == self.steps:
                score, is_best = self._validate()
            self.seconds += time.perf_counter() - started
            tokens = int(np.prod(batch[0].shape))
            yield TrainStep(self.step, self.step / self.batches.steps, value, rate, tokens, score, is_best)

    @property
    def pretraining(self) -> bool:
        """Whether the step to come is one of guessing the next word."""
        return self.step < self.pretrain_steps

    def _rate(self) -> float:
        config, done = self.config, self.pretrain_steps
        if self.pretraining:
            return learning_rate(self.step, done, config, config.pretrain_learning_rate)
        return learning_rate(self.step - done, self.steps - done, config)

    def _batch(self) -> StreamBatch | TextBatch:
        if self.pretraining:
            return (self.unspoilt or self.batches).batch(self.step)
        return self.batches.batch(self.step - self.pretrain_steps)

    def _average(self) -> None:
        """Move the averaged weights towards the newest, fast at first (Polyak and Juditsky 1992)."""
        done = self.step - self.pretrain_steps
        if not self.averaged or done < 1:
            return
        keep = min(self.config.average, (done - 1) / (done - 1 + _AVERAGE_WARMUP))
        for name, value in self.network.state_dict().items():
            self.averaged[name].lerp_(value, 1 - keep)

    def _validate(self) -> tuple[LanguageScore | ClassifierScore, bool]:
        newest = _copy(self.network) if self.averaged else None
        if newest:
            self.network.load_state_dict(self.averaged)
        self.network.eval()
        score = self.validate(self.network)
        is_best = score.loss_nats < self.best
        if is_best:
            self.best, self.best_step, self.stale = score.loss_nats, self.step, 0
            self.best_weights = _copy(self.network)
        else:
            self.stale += 1
        if newest:
            self.network.load_state_dict(newest)
        return score, is_best

    def _loss(self, batch: StreamBatch | TextBatch) -> Tensor:
        device = self.network.device
        with self._autocast():
            if isinstance(batch, StreamBatch):
                inputs, targets = (torch.from_numpy(a).to(device) for a in (batch.inputs, batch.targets))
                state = None if batch.first else self.carried
                logits, state = self.network(inputs, state=state)
                self.carried = [tuple(s.float() for s in layer) for layer in detach(state)]
                return cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
            ids, lengths, labels = (torch.from_numpy(a).to(device) for a in batch)
            if self.pretraining:
                return self._next_word_loss(ids, lengths)
            logits = self.network(ids, lengths).logits.float()
        return self._class_loss(logits, lengths, labels)

    def _next_word_loss(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Guess the next word; the table of pairs waits for the labels, since it would learn texts by heart."""
        if self.network.pairs is not None:
            self.network.pairs.requires_grad_(False)
        hidden, _ = self.network.features(ids, lengths, rate=self.config.pretrain_dropout)
        if self.network.pairs is not None:
            self.network.pairs.requires_grad_(True)
        return self.next_word(self.network.embedding, hidden, ids, lengths)

    def _class_loss(self, logits: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
        loss = cross_entropy(at_end(logits, lengths), labels)
        weight = self.config.prefix_loss
        if not weight:
            return loss
        real = torch.arange(logits.shape[1], device=logits.device)[None] < lengths[:, None]
        each = cross_entropy(logits.transpose(1, 2), labels[:, None].expand_as(real), reduction="none")
        return (1 - weight) * loss + weight * (each * real).sum(dim=1).div(lengths).mean()

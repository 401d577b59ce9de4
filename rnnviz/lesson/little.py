"""The little networks of "One API, many shapes": trained in under two minutes on one core, or loaded as shipped.

`python -m rnnviz.lesson.little NAME` trains one by its recipe, scores it on what was held out and writes its weights
and its card; without a name it lists them.
"""

from __future__ import annotations

import json
import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rnnviz.analysis.unrolled import no_denormals
from rnnviz.checkpoints import read_arrays, read_json, save_arrays
from rnnviz.errors import CheckpointError, ConfigError
from rnnviz.storage import json_writer, write_atomically
from rnnviz.training.distance import Run, taking_turns, wilson

WEIGHTS = Path(__file__).parent / "weights"
NAMES = ("numbers", "spaces", "dates")
"""Each is `rnnviz.lesson.little_NAME`, with a `TASK` in it."""
MOST_UPDATES, LAST_SEED = 20_000, 10**6
LOOKS = 20
"""Times that a training is validated."""
CLIP = 1.0


@dataclass(frozen=True)
class Recipe:
    """How a little network is trained: Adam (Kingma and Ba 2015), its rate falling to a tenth along a cosine.

    Args:
        updates: Updates of the weights.
        batch_size: Examples an update.
        learning_rate: Adam's first rate; the gradient's norm is clipped at `CLIP`.
        seed: Decides initial weights and the draw of examples.

    Raises:
        ConfigError: A value is impossible.
    """

    updates: int
    batch_size: int
    learning_rate: float
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (("updates", 1, MOST_UPDATES), ("batch_size", 1, 1024), ("seed", 0, LAST_SEED)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(f"{name} must be a whole number from {low:,} to {high:,}, got {value!r}.")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate must be more than 0 and finite, got {self.learning_rate!r}.")

    def rate(self, update: int) -> float:
        """Return the learning rate of an update, counted from 0."""
        return self.learning_rate * (0.1 + 0.9 * (1 + math.cos(math.pi * update / self.updates)) / 2)


class Task(ABC):
    """What a little network learns, and how well it has.

    Attributes:
        name: Its module's and its files'.
        title: In the words of the page.
        recipe: The one that the shipped weights were made with.
        data: Where its examples come from, one sentence.
        measure: What `validate` and the card's accuracies are shares of.
    """

    name: str
    title: str
    recipe: Recipe
    data: str
    measure: str

    @abstractmethod
    def network(self) -> nn.Module:
        """Return the network; its weights are drawn anew by `fresh`."""

    @abstractmethod
    def loss(self, network: nn.Module, generator: torch.Generator, batch_size: int) -> Tensor:
        """Draw a batch of training examples and return their loss in nats."""

    @abstractmethod
    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return the share of a small held-out part that is right, by name; the test part is another one."""

    @abstractmethod
    def score(self, network: nn.Module) -> dict[str, Any]:
        """Return the card's figures on the test part, as JSON."""


@dataclass(frozen=True)
class Look:
    """A validation on the way.

    Attributes:
        update: Updates made by then.
        name: What was validated.
        share: Of the validation part that was right.
        loss_nats: Mean training loss since the look before.
    """

    update: int
    name: str
    share: float
    loss_nats: float


@dataclass(frozen=True, eq=False)
class LittleProgress:
    """Where a training stands.

    Attributes:
        update: Updates made.
        updates: Of so many.
        looks: All validations so far.
        waiting: Someone else's training has to end first.
        result: The network, when it has ended.
    """

    update: int
    updates: int
    looks: tuple[Look, ...] = ()
    waiting: bool = False
    result: nn.Module | None = None

    @property
    def share(self) -> float:
        """Of the work, from 0 to 1."""
        return self.update / self.updates


def task(name: str) -> Task:
    """Return a task by its name.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in NAMES:
        raise ConfigError(f"The little networks are {', '.join(NAMES)}, not {name!r}.")
    return import_module(f"rnnviz.lesson.little_{name}").TASK


def fresh(wanted: Task, seed: int) -> nn.Module:
    """Return an untrained network; torch's own generator stays as it is.

    Weights are uniform within 1/sqrt(fan-in) (the unit count for recurrent layers, as PyTorch has it), embeddings
    normal, and biases zero but an LSTM's forget gates, which begin near sigmoid(1) (Jozefowicz et al. 2015).
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        network = wanted.network()
    network.to_empty(device="cpu")
    for module in network.modules():
        for name, weight in module.named_parameters(recurse=False):
            _draw(module, name, weight.data, generator)
    return network


def _draw(module: nn.Module, name: str, weight: Tensor, generator: torch.Generator) -> None:
    if isinstance(module, nn.Embedding):
        weight.normal_(generator=generator)
    elif "bias" in name:
        weight.zero_()
        if isinstance(module, nn.LSTM) and name.startswith("bias_ih"):
            weight[module.hidden_size : 2 * module.hidden_size] = 1
    else:
        bound = 1 / math.sqrt(module.hidden_size if isinstance(module, nn.RNNBase) else weight.shape[-1])
        weight.uniform_(-bound, bound, generator=generator)


def train(wanted: Task, recipe: Recipe) -> Generator[LittleProgress, None, None]:
    """Train a little network and tell of each update; one training at a time in this process.

    It may be left at any point: close it (`contextlib.closing`), so that the next can begin.

    Yields:
        Where it stands after every update; some five times a second while another training has to be waited for.
    """
    waiting = LittleProgress(0, recipe.updates, waiting=True)
    yield from taking_turns(lambda: _train(wanted, recipe), waiting)


def _train(wanted: Task, recipe: Recipe) -> Generator[LittleProgress, None, None]:
    network, generator = fresh(wanted, recipe.seed), torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    looks, losses = (), []
    due = {max(1, round(recipe.updates * (i + 1) / LOOKS)) for i in range(LOOKS)}
    for update in range(1, recipe.updates + 1):
        optimizer.param_groups[0]["lr"] = recipe.rate(update - 1)
        with no_denormals():
            losses.append(_update(wanted, network, optimizer, generator, recipe.batch_size))
            if update in due:
                mean, losses = sum(losses) / len(losses), []
                looks += tuple(Look(update, name, share, mean) for name, share in wanted.validate(network).items())
        if update < recipe.updates:
            yield LittleProgress(update, recipe.updates, looks)
    yield LittleProgress(recipe.updates, recipe.updates, looks, result=network.requires_grad_(False))


def _update(
    wanted: Task, network: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator, batch_size: int
) -> float:
    optimizer.zero_grad(set_to_none=True)
    loss = wanted.loss(network, generator, batch_size)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), CLIP)
    optimizer.step()
    return float(loss.detach())


class LittleRun(Run):
    """A little network's training in a thread of its own; see `Run`. Its last `progress.result` is the network."""

    def __init__(self, name: str, recipe: Recipe, patience: float = 30.0) -> None:
        self.name = name
        super().__init__(recipe, patience)

    def _steps(self) -> Generator[LittleProgress, None, None]:
        return train(task(self.name), self.config)


@lru_cache(maxsize=len(NAMES))
def shipped(name: str) -> nn.Module:
    """Return the network whose weights are shipped, shared by all.

    Raises:
        CheckpointError: Its file cannot be read or does not fit.
    """
    arrays, _ = read_arrays(WEIGHTS / f"{name}.safetensors")
    network = fresh(task(name), 0)
    try:
        network.load_state_dict({key: torch.from_numpy(value).float() for key, value in arrays.items()})
    except RuntimeError as error:
        raise CheckpointError(f"{name}.safetensors does not fit its network: put the shipped file back.") from error
    return network.requires_grad_(False).eval()


@lru_cache(maxsize=len(NAMES))
def card(name: str) -> Mapping[str, Any]:
    """Return what is known of the shipped network: recipe, data, figures on held-out data.

    Raises:
        CheckpointError: It cannot be read.
    """
    return read_json(WEIGHTS / f"{name}.json")


def weights_count(network: nn.Module) -> int:
    """Return how many weights a network has, biases among them."""
    return sum(weight.numel() for weight in network.parameters())


def interval(right: int, tested: int) -> dict[str, float | int]:
    """Return a share with its 95 % interval (Wilson 1927) as a card holds it."""
    low, high = wilson(right, tested)
    return {"accuracy": right / tested, "right": right, "tested": tested, "low": low, "high": high}


def make(name: str) -> dict[str, Any]:
    """Train a little network by its recipe, write its weights and card, and return the card."""
    wanted, started = task(name), time.process_time()
    with closing(train(wanted, wanted.recipe)) as steps:
        for progress in steps:
            if progress.looks and progress.update == progress.looks[-1].update:
                last = [look for look in progress.looks if look.update == progress.update]
                told = ", ".join(f"{look.name} {look.share:.1%}" for look in last)
                print(f"{progress.update:6d} of {progress.updates}  loss {last[0].loss_nats:.3f}  {told}", flush=True)
    seconds, network = time.process_time() - started, progress.result
    arrays = {key: value.numpy() for key, value in network.state_dict().items()}
    save_arrays(WEIGHTS / f"{name}.safetensors", arrays, {"made by": f"python -m rnnviz.lesson.little {name}"})
    found = {
        "name": name,
        "title": wanted.title,
        "command": f"python -m rnnviz.lesson.little {name}",
        "data": wanted.data,
        "recipe": {**vars(wanted.recipe), "optimizer": "Adam, cosine to a tenth", "clip": CLIP},
        "weights": weights_count(network),
        "cpu_seconds": round(seconds),
        "measure": wanted.measure,
        "validation": [vars(look) for look in progress.looks],
        "test": wanted.score(network),
    }
    write_atomically(WEIGHTS / f"{name}.json", json_writer(found))
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: python -m rnnviz.lesson.little NAME, where NAME is one of {', '.join(NAMES)}")
    print(json.dumps(make(sys.argv[1])["test"], indent=1))

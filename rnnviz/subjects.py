"""The networks that the gradient page sets side by side, each with the part of the text that it reads.

Of Streamlit this module knows nothing; `session.measured` keeps what was measured on a subject.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnviz.cells import CELLS
from rnnviz.checkpoints import Model
from rnnviz.config import CELL_LABELS, ModelConfig
from rnnviz.errors import ConfigError, TextError
from rnnviz.initial import Start, fresh_network
from rnnviz.network import Network
from rnnviz.text import CharTokenizer, read

LONGEST_GRADIENT = 300
"""Steps of a text whose gradients the page measures at most."""
EMBEDDING = 32
"""Length of a token's vector in fresh networks."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A network and what it reads.

    Attributes:
        label: What it is called in a legend.
        config: The network's shape.
        make: Returns the network; untrained ones are drawn anew, always alike.
        ids: int64 (time,), of a language model one more than it reads.
        tokens: What they stand for.
        whole: Tokens in the whole text.
        key: All that its measurements depend on.
        unknown: For each token whether the network has never seen it.
    """

    label: str
    config: ModelConfig
    make: Callable[[], Network]
    ids: np.ndarray
    tokens: tuple[str, ...]
    whole: int
    key: tuple
    unknown: tuple[bool, ...] = ()

    @property
    def steps(self) -> int:
        """How many tokens the network reads."""
        return len(self.ids) - self._ahead

    @property
    def _ahead(self) -> int:
        return int(self.config.task == "language_model")


@dataclass(frozen=True)
class Window:
    """The part of a text that is read.

    Attributes:
        text: All of it.
        steps: How many tokens before the loss are read at most.
        end: Where in the text the loss is, in hundredths of its length.
    """

    text: str
    steps: int = 200
    end: float = 100.0

    def cut(self, length: int, ahead: int) -> slice:
        """Return the part of so many tokens; `ahead` more than are read are needed for the loss."""
        last = max(1 + ahead, min(length, round(length * self.end / 100)))
        return slice(max(0, last - self.steps - ahead), last)


def fresh_subject(window: Window, cell_type: str, size: int, layers: int, start: Start) -> Subject:
    """Return an untrained character model of the text's own characters.

    Raises:
        TextError: The text has fewer than two characters.
    """
    text = window.text
    if len(text) < 2:
        raise TextError("The text is too short for a gradient: type at least two characters.")
    tokenizer = CharTokenizer.fit(text)
    config = ModelConfig(
        "language_model", cell_type, len(tokenizer), len(tokenizer), EMBEDDING, size, num_layers=layers
    )
    part = window.cut(len(text), 1)
    return Subject(
        CELL_LABELS[cell_type],
        config,
        lambda: fresh_network(config, start),
        tokenizer.encode(text)[part],
        tuple(tokenizer.tokens(text)[part]),
        len(text),
        ("fresh", str(config), start, window),
    )


def label_of(name: str) -> str:
    """Return what a trained model is called beside untrained ones."""
    return f"{name} (trained)" if name in CELL_LABELS.values() else name


def trained_subject(window: Window, model: Model, name: str = "") -> Subject:
    """Return a model from disk.

    Args:
        window: What it reads.
        model: The model.
        name: The name it was chosen by; its own where that is empty.

    Raises:
        TextError: The text has nothing that the model can read, or for a language model nothing to say next.
        ConfigError: The model is bidirectional, or a feed-forward net.
    """
    if model.with_states().config.bidirectional:
        raise ConfigError("A bidirectional network reads the end first, so its gradient has no single direction back.")
    ids, tokens = read(model.tokenizer, window.text)
    ahead = int(model.config.task == "language_model")
    if len(ids) < 1 + ahead:
        raise TextError("The text is too short for a gradient: type at least two tokens.")
    part, strange = window.cut(len(ids), ahead), set(model.tokenizer.unknown(window.text))
    return Subject(
        label_of(name or model.name),
        model.config,
        lambda: model.network,
        ids[part],
        tuple(tokens[part]),
        len(ids),
        ("trained", name, model.name, model.digest, str(model.config), window),
        tuple(token in strange for token in tokens[part]),
    )


_PRODUCTS = 2.5e10
"""Multiplications and additions a second in float64 that one core of a common machine does in matrix products."""


def _blocks(subject: Subject) -> int:
    return len(CELLS[subject.config.cell_type].blocks)


def triangle_seconds(subject: Subject, every: int = 1) -> float:
    """Estimate how long all pairs of losses and states take: half of all rows go through each step."""
    size, layers = subject.config.hidden_size, subject.config.num_layers
    a_row = 2 * _blocks(subject) * size**2 * (2 * layers - 1)
    return a_row * subject.steps**2 / (2 * every) / _PRODUCTS


def jacobian_seconds(subject: Subject, every: int = 1) -> float:
    """Estimate how long the Jacobians of one layer take, with a singular value decomposition at some steps."""
    size, states = subject.config.hidden_size, len(CELLS[subject.config.cell_type].states)
    products = 2 * states**2 * size**3 * subject.steps
    decompositions = 20 * states * size**3 * subject.steps / every
    return (products + decompositions) / _PRODUCTS


def decay_seconds(subject: Subject) -> float:
    """Estimate how long the decay of one loss takes: a step's own cost, and reading all weights there and back."""
    size, layers = subject.config.hidden_size, subject.config.num_layers
    return subject.steps * layers * (1e-4 + 4 * _blocks(subject) * size**2 / 2e9)


def integrated_seconds(subject: Subject, points: int) -> float:
    """Estimate how long integrated gradients take: a pass there and two back for each point."""
    size, layers = subject.config.hidden_size, subject.config.num_layers
    a_step = 6 * _blocks(subject) * size**2 * 2 * layers
    return points * subject.steps * a_step / _PRODUCTS

"""The frozen settings of a model and of its training; it knows nothing of torch or of files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from rnnviz.errors import ConfigError

CELL_LABELS = {
    "rnn_tanh": "RNN (tanh)",
    "rnn_relu": "RNN (ReLU)",
    "rnn_sigmoid": "RNN (sigmoid)",
    "residual": "Residual",
    "lstm": "LSTM",
    "gru": "GRU",
    "gru_textbook": "GRU (textbook)",
}
"""Every cell's name and what people call it."""
CELL_TYPES = tuple(CELL_LABELS)
FEEDFORWARD = "feedforward"
"""The kind of a classifier without recurrent layers."""

TASKS = ("language_model", "classifier")
POOLINGS = ("last", "mean", "max", "all")
OPTIMIZERS = ("adamw", "sgd")
PRECISIONS = ("auto", "float32", "bfloat16")
LONGEST = 2000
"""Tokens of a text that the pictures show: bounds a session's memory and the time of a first reading."""


class _Settings:
    """Turns a frozen dataclass into a JSON object and back, refusing keys it does not know."""

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the settings from `to_dict`'s output.

        Raises:
            ConfigError: A key is unknown or missing, or a value is impossible.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"{cls.__name__}: expected a JSON object, got {type(values).__name__}.")
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"{cls.__name__}: unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}.")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigError(f"{cls.__name__}: {str(error).split('() ')[-1]}.") from error


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _positive_int(name: str, value: Any) -> None:
    ok = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    _require(ok, f"{name} must be a whole number of at least 1, got {value!r}.")


@dataclass(frozen=True)
class ModelConfig(_Settings):
    """The shape of a network: embedding -> recurrent layers -> head.

    Args:
        task: "language_model" (many to many: the next token at every step) or "classifier" (many to one).
        cell_type: One of `CELL_TYPES`, or `FEEDFORWARD`, a classifier that is no recurrent network; `gru` is PyTorch's
            form (reset gate outside the matrix product), `gru_textbook` has it inside (Cho et al. 2014).
        vocab_size: Number of token ids.
        num_outputs: Length of the logits: `vocab_size` for a language model, the number of classes otherwise.
        embedding_size: Length of a token's vector.
        hidden_size: Units in each layer and direction.
        num_layers: Recurrent layers, each reading the hidden states of the one below.
        dropout: Probability, in [0, 1), of zeroing an element of each layer's input and of the head's.
        bidirectional: Also read the text backwards (classifier only).
        learned_initial_state: Learn the state before the first token instead of starting from zero.
        recurrent_dropout: Probability, in [0, 1), of zeroing a weight between a layer's states of two steps, anew for
            each training batch (Merity et al. 2018).
        pooling: How a classifier reads the top layer's states up to a token: the "last" one, their "mean" or "max", or
            "all" three side by side (Howard and Ruder 2018).
        pair_buckets: Rows of a table of vectors for pairs of neighbouring tokens, found by hashing, or 0 for none: what
            a word does to the next ("not good") is then read off, not pieced together (classifier only).
        pair_size: Length of a pair's vector, which stands beside the token's own.
        dense_size: Units of a ReLU layer between what is read of the states and the logits, or 0 for none (classifier
            only).
        window: Words that a feed-forward net reads, the first of a text (0 for recurrent ones).
        embedding_scale: Standard deviation of a fresh token's vector; with a small one, rare words stay near nothing
            until they are learnt, and a classifier overfits far less.

    Raises:
        ConfigError: A value is impossible, or two contradict each other.
    """

    task: str
    cell_type: str
    vocab_size: int
    num_outputs: int
    embedding_size: int
    hidden_size: int
    num_layers: int = 1
    dropout: float = 0.0
    bidirectional: bool = False
    learned_initial_state: bool = False
    pooling: str = "last"
    padding_index: int | None = None
    labels: tuple[str, ...] = ()
    recurrent_dropout: float = 0.0
    pair_buckets: int = 0
    pair_size: int = 8
    dense_size: int = 0
    window: int = 0
    embedding_scale: float = 1.0

    @property
    def is_feedforward(self) -> bool:
        """Whether there is no recurrent layer."""
        return self.cell_type == FEEDFORWARD

    def _check_feedforward(self) -> None:
        """Refuse a recurrent network with a window, and a feed-forward one without or with what it cannot have."""
        _require(self.is_feedforward == bool(self.window), "window is for a feed-forward net, which needs one.")
        if not self.is_feedforward:
            return
        _require(self.task == "classifier", "A feed-forward net can only be a classifier.")
        _require(self.padding_index is not None, "A feed-forward net needs a padding_index for what a text lacks.")
        alone = self.num_layers == 1 and not (self.bidirectional or self.pair_buckets or self.dense_size)
        _require(alone, "A feed-forward net has one layer, no pairs, no dense layer besides, and no direction.")

    def __post_init__(self) -> None:
        _require(self.task in TASKS, f"task must be one of {', '.join(TASKS)}, got {self.task!r}.")
        _require(
            self.cell_type in (*CELL_TYPES, FEEDFORWARD),
            f"cell_type must be one of {', '.join(CELL_TYPES)}, got {self.cell_type!r}.",
        )
        _require(self.pooling in POOLINGS, f"pooling must be one of {', '.join(POOLINGS)}, got {self.pooling!r}.")
        for name in ("vocab_size", "num_outputs", "embedding_size", "hidden_size", "num_layers"):
            _positive_int(name, getattr(self, name))
        _positive_int("pair_size", self.pair_size)
        scale = self.embedding_scale
        _require(isinstance(scale, int | float) and 0 < scale < math.inf, "embedding_scale must be more than 0.")
        for name in ("pair_buckets", "dense_size", "window"):
            if getattr(self, name) != 0:
                _positive_int(name, getattr(self, name))
        self._check_feedforward()
        for name in ("dropout", "recurrent_dropout"):
            rate = getattr(self, name)
            is_number = isinstance(rate, int | float) and not isinstance(rate, bool)
            _require(is_number and 0 <= rate < 1, f"{name} must be at least 0 and less than 1, got {rate!r}.")
        if self.padding_index is not None:
            _require(
                isinstance(self.padding_index, int) and 0 <= self.padding_index < self.vocab_size,
                f"padding_index must be an id below vocab_size {self.vocab_size}, got {self.padding_index!r}.",
            )
        if self.task == "language_model":
            _require(
                not self.bidirectional,
                "A bidirectional language model cannot generate: it would have to read the text it is about to write; "
                "use bidirectional with a classifier.",
            )
            _require(
                self.pair_buckets == self.dense_size == 0,
                "pair_buckets and dense_size are for a classifier.",
            )
            _require(
                self.num_outputs == self.vocab_size,
                f"A language model needs one output a token: num_outputs {self.num_outputs}, "
                f"vocab_size {self.vocab_size}.",
            )
        else:
            _require(
                len(self.labels) == self.num_outputs,
                f"A classifier needs one label an output: {len(self.labels)} labels, num_outputs {self.num_outputs}.",
            )


@dataclass(frozen=True)
class TrainConfig(_Settings):
    """Every hyper-parameter of a training run.

    Args:
        epochs: Passes over the training data; a fraction is allowed. The learning rate's decay ends there.
        batch_size: Parallel streams (language model) or texts a batch (classifier).
        bptt: Tokens between two cuts of the gradient; the state is carried over (language model only).
        learning_rate: The optimizer's peak rate, reached after `warmup_steps` steps of linear rise.
        warmup_steps: Length of that rise in steps.
        decay: Fraction of all steps, at the end, over which the rate falls linearly to a hundredth.
        weight_decay: AdamW's decoupled weight decay (Loshchilov and Hutter 2019).
        clip: Largest norm of the network's gradient; larger ones are scaled down (Pascanu et al. 2013).
        max_length: Longest text of a classifier's training batch in tokens; longer ones give a random window.
        word_dropout: Probability of reading a training word as unknown (classifier only).
        prefix_loss: Weight, in [0, 1], of the mean loss over all prefixes beside the whole text's (classifier only).
        pretrain_epochs: Passes before those, in which a classifier learns to guess the next word (Dai and Le 2015);
            their rate rises and falls like that of the others.
        pretrain_learning_rate: The peak rate of those passes.
        pretrain_dropout: Their dropout of each layer's input, in place of the network's.
        optimizer: "adamw", or "sgd": plain steps down the gradient, without momentum or weight decay.
        average: Share of the old in a running average of the weights, updated every step, which then is validated and
            kept in place of the newest ones (Polyak and Juditsky 1992); 0 for none.
        validate_every: Steps between two validations.
        patience: Validations without a new best after which training stops.
        save_every: Steps between two resumable checkpoints.
        precision: "float32", "bfloat16" (autocast), or "auto": bfloat16 where the hardware has it.
        seed: Seed of the weights, the order of the data and the dropout.

    Raises:
        ConfigError: A value is impossible.
    """

    epochs: float = 10.0
    batch_size: int = 32
    bptt: int = 128
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    decay: float = 0.5
    weight_decay: float = 0.01
    clip: float = 1.0
    max_length: int = 400
    word_dropout: float = 0.0
    prefix_loss: float = 0.0
    validate_every: int = 500
    patience: int = 5
    save_every: int = 200
    precision: str = "auto"
    seed: int = 0
    pretrain_epochs: float = 0.0
    pretrain_learning_rate: float = 4e-3
    pretrain_dropout: float = 0.1
    average: float = 0.0
    optimizer: str = "adamw"

    def __post_init__(self) -> None:
        for name in ("batch_size", "bptt", "max_length", "validate_every", "patience", "save_every"):
            _positive_int(name, getattr(self, name))
        for name in ("epochs", "learning_rate", "clip", "pretrain_learning_rate"):
            value = getattr(self, name)
            _require(0 < value < math.inf, f"{name} must be more than 0 and finite, got {value!r}.")
        for name in ("decay", "prefix_loss", "word_dropout"):
            _require(0 <= getattr(self, name) <= 1, f"{name} must be between 0 and 1, got {getattr(self, name)!r}.")
        for name in ("pretrain_dropout", "average"):
            _require(0 <= getattr(self, name) < 1, f"{name} must be at least 0 and less than 1.")
        for name in ("warmup_steps", "weight_decay", "seed", "pretrain_epochs"):
            value = getattr(self, name)
            _require(0 <= value < 2**63, f"{name} must not be negative, nor 2^63 or more, got {value!r}.")
        _require(
            self.optimizer in OPTIMIZERS, f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {self.optimizer!r}."
        )
        _require(
            self.precision in PRECISIONS, f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}."
        )

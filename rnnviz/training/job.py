"""A whole training run in a folder: network and data set up, progress saved, resumed, and the card written."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from rnnviz import checkpoints
from rnnviz.config import FEEDFORWARD, ModelConfig, TrainConfig
from rnnviz.errors import CheckpointError, ConfigError, DataError
from rnnviz.feedforward import build
from rnnviz.network import Network
from rnnviz.storage import sweep, write_together
from rnnviz.text import CharTokenizer, Tokenizer, WordTokenizer
from rnnviz.training.batches import Buckets, Streams, encode_all
from rnnviz.training.datasets import CharCorpus, Corpus, Texts
from rnnviz.training.loop import Trainer, TrainStep
from rnnviz.training.scores import (
    ClassifierScore,
    LanguageScore,
    score_classifier,
    score_language_model,
)

RESUME, CURVE = "resume.pt", "training.csv"
_COLUMNS = ("step", "epoch", "learning_rate", "loss_nats", "validation_loss_nats", "validation_accuracy")
_RARE = 10
_MAY_CHANGE = ("epochs", "decay", "save_every")
_MAY_CHANGE_BEFORE_LABELS = (
    *("learning_rate", "word_dropout", "prefix_loss", "average", "dropout", "validate_every", "patience"),
)


def _refuse_to_overwrite(folder: Path, resume: bool) -> None:
    """Refuse a name that holds another run or a finished model; clear away what a kill left half written."""
    unfinished, made = (folder / RESUME).exists(), (folder / checkpoints.WEIGHTS).exists()
    if unfinished and not resume:
        raise ConfigError(f"{folder} holds an unfinished run: add --resume to go on, or delete {RESUME} in it.")
    if made and not unfinished:
        raise ConfigError(f"{folder} holds a finished model: choose another name, or delete that folder.")
    if resume and not unfinished:
        raise ConfigError(f"{folder} holds no run to go on with: leave --resume out to begin one.")
    sweep(folder)


def _refuse_what_needs_words(corpus: Corpus, shape: dict[str, Any], config: TrainConfig) -> None:
    """Refuse settings that only a word classifier, or only one that reads forwards, can follow."""
    if isinstance(corpus, CharCorpus) and config.pretrain_epochs:
        raise ConfigError("pretrain_epochs is for a classifier; a language model guesses the next token anyway.")
    if shape.get("cell_type") == FEEDFORWARD and (config.pretrain_epochs or config.prefix_loss):
        raise ConfigError("pretrain_epochs and prefix_loss need a recurrent network.")
    if config.pretrain_epochs and shape.get("bidirectional"):
        raise ConfigError(
            "pretrain_epochs needs a network that reads forwards only; a bidirectional one would see the word it is to "
            "guess."
        )


def _decisive(settings: dict[str, Any], step: int) -> dict[str, Any]:
    """Return, flat, those of a run's settings that its steps up to `step` depend on."""
    before_labels = step <= settings["pretrain_steps"] and settings["train"]["pretrain_epochs"]
    free = _MAY_CHANGE_BEFORE_LABELS if before_labels else ()
    decided = {name: value for part in ("model", "train") for name, value in settings[part].items() if name not in free}
    return decided | {"data": settings["data"]}


def _digest(corpus: Corpus, tokenizer: Tokenizer) -> str:
    """Return a SHA-256 of the vocabulary and of all that is trained and validated on."""
    parts = [json.dumps(tokenizer.to_dict())]
    for data in (corpus.train, corpus.validation):
        parts += [data] if isinstance(data, str) else [*data.texts, data.labels.tobytes().hex()]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def build_tokenizer(corpus: Corpus, max_tokens: int) -> Tokenizer:
    """Learn the vocabulary from the training part: characters seen at least ten times, or the commonest words."""
    if isinstance(corpus, CharCorpus):
        return CharTokenizer.fit(corpus.train, min_count=min_count(corpus))
    return WordTokenizer.fit(corpus.train.texts, max_tokens=max_tokens)


def min_count(corpus: CharCorpus) -> int:
    """Return how often a character must occur in the training part to be known: in a long one, ten times."""
    return _RARE if len(corpus.train) > 100_000 else 1


def build_config(corpus: Corpus, tokenizer: Tokenizer, **shape: Any) -> ModelConfig:
    """Return the network's config for a corpus; `shape` holds the remaining fields of `ModelConfig`."""
    if isinstance(corpus, CharCorpus):
        return ModelConfig("language_model", vocab_size=len(tokenizer), num_outputs=len(tokenizer), **shape)
    return ModelConfig(
        "classifier",
        vocab_size=len(tokenizer),
        num_outputs=len(corpus.classes),
        labels=corpus.classes,
        padding_index=0,
        **shape,
    )


def scorer(data: str | Texts, tokenizer: Tokenizer) -> Callable[[Network], LanguageScore | ClassifierScore]:
    """Return the function that scores a network on a text or on labelled texts, encoded once."""
    if isinstance(data, str):
        ids = tokenizer.encode(data)
        return lambda network: score_language_model(network, ids)
    rows = encode_all(tokenizer, data.texts)
    return lambda network: score_classifier(network, rows, data.labels)


class Job:
    """One named training run: `steps()` trains, saves as it goes and leaves a model folder.

    Args:
        folder: The model folder to make.
        corpus: The data.
        shape: Fields of `ModelConfig` that the corpus does not decide.
        config: The hyper-parameters.
        max_tokens: Largest vocabulary of a word model.
        resume: Go on from the folder's last save; `epochs` and `decay` may change before the rate has begun to fall,
            and while a classifier still pretrains, so may what only its training on labels reads.
        dtype: Type of the saved weights.
        command: The command line, for the card.

    Raises:
        CheckpointError: What is to be resumed was made with other settings or data, or cannot be read.
        ConfigError: The folder holds a run or a model already, or none to resume; or the settings are impossible.
        SaveError: The folder cannot be written to.
        DataError: There is too little data for the batch size.
    """

    def __init__(
        self,
        folder: Path,
        corpus: Corpus,
        shape: dict[str, Any],
        config: TrainConfig,
        *,
        max_tokens: int = 20_000,
        resume: bool = False,
        dtype: torch.dtype = torch.float32,
        command: str = "",
    ) -> None:
        _refuse_to_overwrite(folder, resume)
        if shape.get("bidirectional") and config.prefix_loss:
            raise ConfigError(
                "prefix_loss needs a network that reads forwards only; a bidirectional one knows the end."
            )
        _refuse_what_needs_words(corpus, shape, config)
        self.folder, self.corpus, self.config, self.dtype, self.command = folder, corpus, config, dtype, command
        self.max_tokens = max_tokens
        self.tokenizer = build_tokenizer(corpus, max_tokens)
        torch.manual_seed(config.seed)
        model_config = build_config(corpus, self.tokenizer, **shape)
        try:
            network = build(model_config).to(checkpoints.default_device())
        except (RuntimeError, OverflowError) as error:
            raise ConfigError("A network of this size does not fit into memory; choose a smaller one.") from error
        batches = self._batches()
        unspoilt = batches.unspoilt() if config.pretrain_epochs else None
        self.trainer = Trainer(network, batches, scorer(corpus.validation, self.tokenizer), config, unspoilt)
        self.rows: list[dict[str, Any]] = []
        self.data_digest = _digest(corpus, self.tokenizer)
        if resume:
            self._restore()
        else:
            self.save()  # a folder that cannot be written to is found out before any work is done

    def _batches(self) -> Streams | Buckets:
        config = self.config
        try:
            if isinstance(self.corpus, CharCorpus):
                ids = self.tokenizer.encode(self.corpus.train)
                return Streams(ids, config.batch_size, config.bptt, config.seed)
            rows = encode_all(self.tokenizer, self.corpus.train.texts)
            labels = self.corpus.train.labels
            return Buckets(rows, labels, config.batch_size, config.max_length, config.word_dropout, config.seed)
        except ValueError as error:
            raise DataError(f"Too little data for batches of {config.batch_size}: {error}.") from error

    def _settings(self) -> dict[str, Any]:
        """What must agree for a run to go on."""
        config = self.config.to_dict()
        for name in _MAY_CHANGE:
            config.pop(name)
        return {
            "model": self.trainer.network.config.to_dict(),
            "train": config,
            "data": self.data_digest,
            "pretrain_steps": self.trainer.pretrain_steps,
        }

    def _schedule(self) -> dict[str, float]:
        return {"epochs": self.config.epochs, "decay": self.config.decay}

    def _restore(self) -> None:
        try:
            saved = torch.load(self.folder / RESUME, map_location=self.trainer.network.device, weights_only=True)
            state, settings, schedule = saved["trainer"], saved["settings"], saved["schedule"]
            state["generators"] = {name: value.cpu() for name, value in state["generators"].items()}
            with (self.folder / CURVE).open(newline="", encoding="utf-8") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["step"]) <= state["step"]]
            same = _decisive(settings, state["step"]) == _decisive(self._settings(), state["step"])
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, UnpicklingError) as error:
            raise CheckpointError(f"{self.folder} holds a run that cannot be read; delete it to start anew.") from error
        if not same:
            raise CheckpointError(
                f"{self.folder} was begun with other settings or other data; repeat them or choose another name."
            )
        if schedule != self._schedule() and state["step"] >= self.trainer.falls_from:
            raise CheckpointError(
                f"{self.folder} has reached step {state['step']}, where {self.config.epochs:g} epochs would have begun "
                f"to lower the rate; go on with the {schedule['epochs']:g} epochs it was begun with."
            )
        self.trainer.restore(state)

    def steps(self) -> Iterator[TrainStep]:
        """Train to the end, saving every `save_every` steps and at each best validation; yields every step."""
        for step in self.trainer.run():
            self._note(step)
            if step.is_best:
                self._save_model()
            if step.step % self.config.save_every == 0:
                self.save()
            yield step
        self.save()
        self._save_model()

    def finish(self) -> LanguageScore | ClassifierScore:
        """Score the saved weights on the validation part, write that into the card, remove what only resuming needs.

        Raises:
            SaveError: The card could not be written.
        """
        model = checkpoints.load(self.folder)
        score = self.trainer.validate(model.network)
        command = f"python -m rnnviz evaluate {shlex.quote(self.folder.name)} --split validation"
        checkpoints.update_card(self.folder, validation={**score.to_dict(), "command": command})
        (self.folder / RESUME).unlink(missing_ok=True)
        return score

    def _note(self, step: TrainStep) -> None:
        row: dict[str, Any] = {
            "step": step.step,
            "epoch": f"{step.epoch:.4f}",
            "learning_rate": f"{step.learning_rate:.3e}",
            "loss_nats": repr(step.loss_nats),
        }
        if step.score is not None:
            row["validation_loss_nats"] = repr(step.score.loss_nats)
            row["validation_accuracy"] = repr(getattr(step.score, "accuracy", ""))
        self.rows.append(row)

    def save(self) -> None:
        """Save, atomically, the curve so far and all that resuming needs.

        Raises:
            SaveError: It could not be written; the last save is intact.
        """

        def write_curve(path: Path) -> None:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, _COLUMNS)
                writer.writeheader()
                writer.writerows(self.rows)

        def write_state(path: Path) -> None:
            try:
                saved = {"settings": self._settings(), "schedule": self._schedule(), "trainer": self.trainer.state()}
                torch.save(saved, path)
            except RuntimeError as error:  # torch reports a full disk so
                raise OSError(str(error).splitlines()[0]) from error

        write_together({self.folder / CURVE: write_curve, self.folder / RESUME: write_state})

    def _save_model(self) -> None:
        """Export the best weights so far with their card."""
        network = build(self.trainer.network.config)
        network.load_state_dict(self.trainer.best_weights)
        checkpoints.save(self.folder, network, self.tokenizer, self.card(), self.dtype)

    def card(self) -> dict[str, Any]:
        """Return the model card: data, hyper-parameters, time, and the best validation so far."""
        corpus, trainer = self.corpus, self.trainer
        if isinstance(corpus, CharCorpus):
            sizes = {"train_characters": len(corpus.train), "validation_characters": len(corpus.validation)}
        else:
            sizes = {"train_texts": len(corpus.train), "validation_texts": len(corpus.validation)}
            if corpus.test is not None:
                sizes["test_texts"] = len(corpus.test)
        return {
            "name": self.folder.name,
            "command": self.command,
            "data": {**corpus.about, **sizes},
            "model": trainer.network.config.to_dict()
            | {"parameters": sum(p.numel() for p in trainer.network.parameters())},
            "training": self.config.to_dict()
            | {
                "precision_used": trainer.precision,
                "steps_done": trainer.step,
                "best_step": trainer.best_step,
                "seconds": round(trainer.seconds, 1),
            },
            "vocabulary": {"min_count": min_count(corpus)}
            if isinstance(corpus, CharCorpus)
            else {"max_tokens": self.max_tokens},
            "machine": {
                "device": str(trainer.network.device),
                "processor": torch.cpu.get_capabilities().get("cpu_name", platform.machine()),
                "threads": torch.get_num_threads(),
                "cpus": os.cpu_count(),
                "python": platform.python_version(),
                "torch": torch.__version__,
            },
            "best_validation_loss_nats": trainer.best if trainer.best_step else None,
        }

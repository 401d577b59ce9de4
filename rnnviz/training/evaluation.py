"""A loaded model's score on the data it was made for, or on the user's own."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from rnnviz.checkpoints import Model
from rnnviz.errors import DataError
from rnnviz.training.batches import encode_all
from rnnviz.training.datasets import (
    NAMED,
    CharCorpus,
    Texts,
    is_table,
    labels_to_classes,
    open_corpus,
    read_table,
    read_text,
    user_file,
)
from rnnviz.training.scores import ClassifierScore, LanguageScore, score_classifier, score_language_model

SPLITS = ("validation", "test")


def evaluate(
    model: Model,
    data: str | None = None,
    split: str = "validation",
    *,
    data_folder: Path | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
) -> LanguageScore | ClassifierScore:
    """Score a model.

    Args:
        model: From `rnnviz.load`.
        data: A data set's name, the user's own file, all of which is scored, or None for the part, held out from
            training, of what the model's card names.
        split: "validation" or "test"; a file of one's own has no parts.
        data_folder: Where named data is looked for before it is downloaded.
        text_column: A table's column of texts; None for the one the model was trained on, else "text".
        label_column: A table's column of classes; None likewise, else "label".

    Raises:
        DataError: The data cannot be had, has no such split, or does not fit the model.
    """
    if split not in SPLITS:
        raise DataError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.")
    trained = trained_with(model)
    columns = (text_column or trained.text_column, label_column or trained.label_column)
    if data is None and trained.data is None:
        raise DataError(f"The card of {model.name} does not say what it was trained on: name it with --data.")
    if data is not None and data not in NAMED:
        part = _own(model, data, columns)
    else:
        part = held_out(model, data or trained.data, split, data_folder, columns)
    if isinstance(part, str):
        ids = model.tokenizer.encode(part)
        if len(ids) < 2:
            raise DataError("A score needs at least two characters.")
        return score_language_model(model.network, ids)
    return score_classifier(model.network, encode_all(model.tokenizer, part.texts), part.labels)


def held_out(model: Model, data: str, split: str, folder: Path | None, columns: tuple[str, str]) -> str | Texts:
    """Return a part of a corpus that was kept out of training."""
    corpus = open_corpus(data, folder, *columns)
    _refuse_other_kind(model, data, isinstance(corpus, CharCorpus))
    part = getattr(corpus, split, None)
    if part is None:
        raise DataError(f"{data} has no test set; score its validation part.")
    if not isinstance(corpus, CharCorpus) and corpus.classes != model.config.labels:
        raise DataError(f"{data} has other classes than {model.name}, which knows {', '.join(model.config.labels)}.")
    return part


def _own(model: Model, data: str, columns: tuple[str, str]) -> str | Texts:
    """Return all of a user's file, its labels by the model's own class names."""
    path = user_file(data)
    _refuse_other_kind(model, data, not is_table(path))
    if not is_table(path):
        return read_text(path)
    return labels_to_classes(read_table(path, *columns), path, model.config.labels)


def _refuse_other_kind(model: Model, data: str, is_text: bool) -> None:
    if is_text != (model.config.task == "language_model"):
        kind = "a text file" if model.config.task == "language_model" else "a table of labelled texts"
        raise DataError(f"{model.name} needs {kind}; {data} is not one.")


def trained_with(model: Model) -> argparse.Namespace:
    """Return `data`, `text_column` and `label_column` of the command in the model's card, `data` None without one."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--data")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--label-column", default="label")
    try:
        return parser.parse_known_args(shlex.split(str(model.card.get("command", ""))))[0]
    except (ValueError, argparse.ArgumentError):
        return parser.parse_known_args([])[0]

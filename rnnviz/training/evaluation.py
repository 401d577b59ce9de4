"""A loaded model's score on the data it was made for, or on the user's own."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from rnnviz.checkpoints import Model
from rnnviz.errors import DataError
from rnnviz.training.batches import encode_all
from rnnviz.training.datasets import NAMED, CharCorpus, Texts, open_corpus
from rnnviz.training.scores import ClassifierScore, LanguageScore, score_classifier, score_language_model

SPLITS = ("validation", "test")


def evaluate(
    model: Model,
    data: str | None = None,
    split: str = "validation",
    *,
    data_folder: Path | None = None,
    text_column: str = "text",
    label_column: str = "label",
) -> LanguageScore | ClassifierScore:
    """Score a model.

    Args:
        model: From `rnnviz.load`.
        data: A data set's name, the user's own file, of which everything is scored, or None for what the card names.
        split: "validation" or "test" of a named data set.
        data_folder: Where named data is looked for before it is downloaded.
        text_column: A table's column of texts.
        label_column: A table's column of classes.

    Raises:
        DataError: The data cannot be had, has no such split, or does not fit the model.
    """
    if split not in SPLITS:
        raise DataError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.")
    if data is None:
        data = _trained_on(model)
    corpus = open_corpus(data, data_folder, text_column, label_column)
    if isinstance(corpus, CharCorpus) != (model.config.task == "language_model"):
        kind = "a text file" if model.config.task == "language_model" else "a table of labelled texts"
        raise DataError(f"{model.name} needs {kind}; {data} is not one.")
    own = data not in NAMED and data != _trained_on(model, required=False)
    if isinstance(corpus, CharCorpus):
        if split == "test":
            raise DataError(f"{data} has no test set; score its validation part.")
        text = corpus.train + corpus.validation if own else corpus.validation
        return score_language_model(model.network, model.tokenizer.encode(text))
    if corpus.classes != model.config.labels:
        raise DataError(
            f"{data} has the classes {', '.join(corpus.classes)}, "
            f"but {model.name} knows {', '.join(model.config.labels)}."
        )
    part = _joined(corpus.train, corpus.validation) if own else getattr(corpus, split)
    if part is None:
        raise DataError(f"{data} has no test set; score its validation part.")
    return score_classifier(model.network, encode_all(model.tokenizer, part.texts), part.labels)


def _joined(one: Texts, two: Texts) -> Texts:
    return Texts(one.texts + two.texts, np.concatenate([one.labels, two.labels]))


def _trained_on(model: Model, required: bool = True) -> str | None:
    """Return the `--data` of the command in the model's card."""
    words = shlex.split(model.card.get("command", ""))
    for i, word in enumerate(words[:-1]):
        if word == "--data":
            return words[i + 1]
    if required:
        raise DataError(f"The card of {model.name} does not say what it was trained on: name it with --data.")
    return None

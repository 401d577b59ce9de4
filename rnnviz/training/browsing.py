"""Labelled texts that a classifier has not been trained on, and what it makes of them; downloads only when told to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from rnnviz.analysis.unrolled import Progress, unheard
from rnnviz.checkpoints import Model
from rnnviz.errors import ConfigError, DataError
from rnnviz.recording import UNSURE, softmax
from rnnviz.storage import is_file
from rnnviz.text import read
from rnnviz.training import evaluation
from rnnviz.training.batches import encode_all
from rnnviz.training.datasets import NAMED, CharCorpus, Texts, data_folder, open_corpus
from rnnviz.training.scores import classifier_logits

MOST = 1000
"""Texts drawn of a part."""
PARTS = ("validation", "test")
_SEED = 0
_REVIEWS = ("aclImdb_v1.tar.gz", "imdb_train.parquet", "imdb_test.parquet")
_SENTENCES = ("rt-polaritydata.tar.gz", "rt_polarity_train.parquet", "rt_polarity_validation.parquet")
_FILES = {"imdb": (_REVIEWS,), "rt-polarity": (_SENTENCES,), "imdb+rt-polarity": (_REVIEWS, _SENTENCES)}
"""What each data set is read from: archives, each with the tables that may stand in its place."""
_MEGABYTES = {_REVIEWS[0]: 84, _SENTENCES[0]: 1}


class _Kept:
    """The newest few results, each made once for all users; making one holds up those alone who wait for one, too."""

    def __init__(self, most: int) -> None:
        self._most, self._making, self._looking = most, Lock(), Lock()
        self._found: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self:
            with self._making:
                if key not in self:
                    self._keep(key, make())
        with self._looking:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        return self.get(key, make)

    def _keep(self, key: Hashable, found: Any) -> None:
        with self._looking:
            self._found[key] = found
            if len(self._found) > self._most:
                self._found.popitem(last=False)

    def __contains__(self, key: Hashable) -> bool:
        with self._looking:
            return key in self._found


_DRAWN, _BROWSED = _Kept(4), _Kept(16)


@dataclass(frozen=True)
class Source:
    """Where a classifier's held-out texts come from.

    Attributes:
        data: A data set's name, or the path of the user's own file.
        columns: The table's columns of texts and classes.
        place: What tells the data here from data of the same name elsewhere.
        missing: Archives that would have to be downloaded first.
    """

    data: str
    columns: tuple[str, str]
    place: str
    missing: tuple[str, ...]

    @property
    def held_out_of(self) -> str:
        """What the held-out texts belong to: sentences beside the reviews are for training alone."""
        return f"{self.data.removesuffix('+rt-polarity')} {self.columns} {self.place}"

    @property
    def key(self) -> tuple:
        """All that the texts depend on."""
        return self.data, self.columns, self.place

    @property
    def megabytes(self) -> int:
        """How large the download would be."""
        return sum(_MEGABYTES[name] for name in self.missing)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Texts that were kept out of training.

    Attributes:
        classes: Their classes' names.
        parts: Part -> up to `MOST` texts drawn from it.
        sizes: Part -> how many it holds.
    """

    classes: tuple[str, ...]
    parts: dict[str, Texts]
    sizes: dict[str, int]


@dataclass(frozen=True, eq=False)
class Browsed:
    """What a classifier makes of held-out texts.

    Attributes:
        texts: (text,).
        labels: int64 (text,), the true classes.
        probabilities: float64 (text, class).
        words: int64 (text,), how many the classifier read.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    words: np.ndarray

    @property
    def guesses(self) -> np.ndarray:
        """The likeliest class of each: int64 (text,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def right(self) -> np.ndarray:
        """Whether that is the true one: bool (text,)."""
        return self.guesses == self.labels

    def places(self, which: str) -> np.ndarray:
        """Return the places of some of the texts, int64.

        Args:
            which: "all" or "mistakes", as drawn; "confident", the mistakes, surest first; or "unsure", those whose
                likeliest class is in the band `UNSURE` or below, the least sure first.
        """
        sure = self.probabilities.max(axis=1)
        if which == "all":
            return np.arange(len(sure))
        if which == "unsure":
            order = np.argsort(sure, kind="stable")
            return order[sure[order] <= UNSURE[1]]
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-sure[wrong], kind="stable")] if which == "confident" else wrong


def source_of(model: Model) -> Source:
    """Say where the held-out texts of a classifier are, by the command in its card.

    Raises:
        ConfigError: The model is not a classifier.
        DataError: The card names no data, or the data folder or the user's own file is not there.
    """
    if model.config.task != "classifier":
        raise ConfigError(f"{model.name} is a language model; labelled texts are for a classifier.")
    trained = evaluation.trained_with(model)
    columns = (trained.text_column, trained.label_column)
    if trained.data is None:
        raise DataError(f"The card of {model.name} does not say what it was trained on: it has no texts to show.")
    if trained.data in NAMED:
        folder = data_folder(None)
        missing = [names[0] for names in _FILES.get(trained.data, ()) if not _is_here(folder, *names)]
        return Source(trained.data, columns, str(folder), tuple(missing))
    path = Path(trained.data)
    if not is_file(path):
        raise DataError(f"{model.name} was trained on {path.name}, which is not here: its texts cannot be shown.")
    return Source(trained.data, columns, f"{path.resolve()} {path.stat().st_mtime_ns}", ())


def _is_here(folder: Path | None, archive: str, *tables: str) -> bool:
    """Tell whether a data set can be opened without a download: from tables, an archive, or an earlier download."""
    if folder and (all((folder / name).is_file() for name in tables) or (folder / archive).is_file()):
        return True
    import pooch  # noqa: PLC0415 - slow to import

    return (Path(pooch.os_cache("rnnviz")) / archive).is_file()


def held_out(source: Source) -> Drawn:
    """Draw up to `MOST` texts of each part that was kept out of training, always the same ones.

    What is missing on this machine is downloaded, so call it there only where somebody has asked for that.

    Raises:
        DataError: The data cannot be had, or holds no labelled texts.
    """
    return _DRAWN.get(source.key, lambda: _draw(source))


def _draw(source: Source) -> Drawn:
    corpus = open_corpus(source.data, None, *source.columns)
    if isinstance(corpus, CharCorpus):
        raise DataError(f"{source.data} holds no labelled texts.")
    whole = {name: part for name in PARTS if (part := getattr(corpus, name)) is not None}
    drawn = {}
    for name, part in whole.items():
        chosen = np.random.default_rng(_SEED).permutation(len(part))[:MOST]
        drawn[name] = Texts(tuple(part.texts[i] for i in chosen.tolist()), np.array(part.labels)[chosen])
    return Drawn(corpus.classes, drawn, {name: len(part) for name, part in whole.items()})


def browsed(model: Model, source: Source, part: str, progress: Progress = unheard) -> Browsed:
    """Return what a classifier makes of one part of its held-out texts, found out once for all users.

    Args:
        model: The classifier.
        source: From `source_of`.
        part: One of `held_out(source).parts`.
        progress: Told of the share done.

    Raises:
        DataError: The data cannot be had, or has other classes than the model.
    """
    drawn = held_out(source)
    if drawn.classes != model.config.labels:
        known = ", ".join(model.config.labels)
        raise DataError(f"{source.data} has other classes than {model.name}, which knows {known}.")
    key = (model.digest, str(model.config), *source.key, part)
    return _BROWSED.get(key, lambda: _browse(model, drawn.parts[part], progress))


def is_browsed(model: Model, source: Source, part: str) -> bool:
    """Tell whether `browsed` would answer at once."""
    return (model.digest, str(model.config), *source.key, part) in _BROWSED


def _browse(model: Model, part: Texts, progress: Progress) -> Browsed:
    rows = encode_all(model.tokenizer, part.texts)
    probabilities = read_rows(model, rows, progress)
    return Browsed(part.texts, part.labels, probabilities, np.array([len(row) for row in rows]))


def read_rows(model: Model, rows: Sequence[np.ndarray], progress: Progress = unheard) -> np.ndarray:
    """Return a classifier's probabilities after whole texts: float64 (text, class).

    Args:
        model: The classifier.
        rows: The encoded texts.
        progress: Told of the share done, by words.
    """
    return softmax(classifier_logits(model.network, rows, progress=progress).double().numpy())


def read_text(model: Model, text: str) -> np.ndarray:
    """Return a classifier's probabilities after all of one text, however long: float64 (class,).

    Raises:
        TextError: There is no word in the text.
    """
    return read_rows(model, [read(model.tokenizer, text)[0]])[0]

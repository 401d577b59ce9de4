"""Corpora by name, from a data folder or the network, and the user's own files; it knows nothing of networks."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import sysconfig
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnviz.errors import DataError
from rnnviz.storage import is_file

_ENVIRONMENT = "RNNVIZ_DATA"
_FEWEST_TEXTS = 24
_SENTIMENT = {0: "negative", 1: "positive"}
TABLES = (".csv", ".tsv", ".parquet")
_SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
_DOWNLOADS = {
    "tinyshakespeare.txt": (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        f"sha256:{_SHAKESPEARE_SHA256}",
    ),
    "aclImdb_v1.tar.gz": (
        "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        "md5:7c2ac02c03563afcf9b574c7e56c153a",
    ),
    "rt-polaritydata.tar.gz": (
        "https://www.cs.cornell.edu/people/pabo/movie-review-data/rt-polaritydata.tar.gz",
        "sha256:a05befe52aafda71d458d188a1c54506a998b1308613ba76bbda2e5029409ce9",
    ),
}
_SENTENCE_PARTS = {"train": (0, 4265), "validation": (4265, 4798)}


@dataclass(frozen=True, eq=False)
class CharCorpus:
    """Text for a language model: `train` and `validation`, and what a card says of it."""

    train: str
    validation: str
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Texts:
    """Labelled texts: `labels` (text,) int64 index into the corpus' class names."""

    texts: tuple[str, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, eq=False)
class TextCorpus:
    """Labelled texts for a classifier; `test` is None where the data has no test set of its own."""

    train: Texts
    validation: Texts
    test: Texts | None
    classes: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)


Corpus = CharCorpus | TextCorpus


def data_folder(chosen: Path | None) -> Path | None:
    """Return the folder in which data is looked for before any download: the one chosen, else `RNNVIZ_DATA`'s."""
    folder = chosen or (Path(os.environ[_ENVIRONMENT]) if os.environ.get(_ENVIRONMENT) else None)
    if folder is not None and not folder.is_dir():
        raise DataError(f"The data folder {folder} does not exist; name another one.")
    return folder


def _fetch(name: str) -> Path:
    """Download a file to the user's cache, with progress bar and checksum, unless it is there already."""
    import pooch  # noqa: PLC0415 - slow to import, and needed only for a download

    url, checksum = _DOWNLOADS[name]
    try:
        return Path(pooch.retrieve(url, checksum, fname=name, path=pooch.os_cache("rnnviz"), progressbar=True))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        raise DataError(
            f"{name} could not be downloaded from {url} ({type(error).__name__}); check the network, or put the file "
            f"into a folder and name it with --data-folder or {_ENVIRONMENT}."
        ) from error


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, gzipped or not, line ends as they are.

    Raises:
        DataError: It cannot be read or is not UTF-8.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error


def _split_text(text: str, source: str, **about: Any) -> CharCorpus:
    """First 90 % for training, last 10 % for validation."""
    cut = len(text) * 9 // 10
    if len(text) - cut < 2:
        raise DataError(f"{source} holds {len(text)} characters; a language model needs some thousands.")
    about = {"source": source, "split": "first 90 % train, last 10 % validation, in text order", **about}
    return CharCorpus(text[:cut], text[cut:], about)


def _shakespeare(folder: Path | None) -> CharCorpus:
    found = [
        path
        for name in ("tinyshakespeare.txt", "tinyshakespeare.txt.gz")
        if folder and (path := folder / name).is_file()
    ]
    text = read_text(found[0] if found else _fetch("tinyshakespeare.txt"))
    if hashlib.sha256(text.encode()).hexdigest() != _SHAKESPEARE_SHA256:
        raise DataError(
            f"{found[0] if found else 'tinyshakespeare.txt'} is not Tiny Shakespeare: its checksum differs."
        )
    return _split_text(text, "Tiny Shakespeare (karpathy/char-rnn), public domain")


def in_tenths(key: str, tenths: int = 1) -> bool:
    """Tell whether a key falls into a fixed tenth of all keys: the same on every machine, whatever the others are."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 10 < tenths


def _python_stdlib(_: Path | None) -> CharCorpus:
    root = Path(sysconfig.get_paths()["stdlib"])
    skip = {"site-packages", "dist-packages", "test", "tests", "idle_test"}
    parts: dict[bool, list[str]] = {False: [], True: []}
    names = sorted(path.relative_to(root) for path in root.rglob("*.py"))
    kept = [name for name in names if not skip & set(name.parts)]
    for name in sorted(kept, key=lambda name: hashlib.sha256(name.as_posix().encode()).digest()):
        text = (root / name).read_text(encoding="utf-8", errors="replace")
        parts[in_tenths(name.as_posix())].append(text)
    train, validation = "\n".join(parts[False]), "\n".join(parts[True])
    if not validation:
        raise DataError(f"The Python standard library's source is not at {root}; use a Python that ships it.")
    about = {
        "source": f"the standard library's *.py files of Python {sysconfig.get_python_version()}, tests left out",
        "split": "by file: validation is every file whose path's SHA-256, first four bytes, is 0 modulo 10",
        "files": {"train": len(parts[False]), "validation": len(parts[True])},
    }
    return CharCorpus(train, validation, about)


def _imdb_frames(folder: Path | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    if folder and (folder / "imdb_train.parquet").is_file():
        return tuple(pd.read_parquet(folder / f"imdb_{split}.parquet") for split in ("train", "test"))
    archive = folder / "aclImdb_v1.tar.gz" if folder else None
    return read_imdb_archive(archive if archive and archive.is_file() else _fetch("aclImdb_v1.tar.gz"))


def read_imdb_archive(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the official IMDB archive into train and test tables with columns text, label, title.

    Raises:
        DataError: It is not that archive.
    """
    rows: dict[str, list[tuple[str, int, int, str]]] = {"train": [], "test": []}
    titles: dict[tuple[str, str], list[str]] = {}
    review = re.compile(r"aclImdb/(train|test)/(pos|neg)/(\d+)_\d+\.txt")
    urls = re.compile(r"aclImdb/(train|test)/urls_(pos|neg)\.txt")
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if match := review.fullmatch(member.name):
                    text = archive.extractfile(member).read().decode("utf-8")
                    rows[match[1]].append((text, int(match[2] == "pos"), int(match[3]), match[2]))
                elif match := urls.fullmatch(member.name):
                    lines = archive.extractfile(member).read().decode("utf-8").splitlines()
                    titles[match[1], match[2]] = [re.search(r"tt\d+", line)[0] for line in lines]
    except (tarfile.TarError, OSError, EOFError, AttributeError, TypeError, zlib.error) as error:
        raise DataError(f"{path} is not the IMDB archive aclImdb_v1.tar.gz ({error}).") from error
    tables = []
    for split in ("train", "test"):
        ordered = sorted(rows[split], key=lambda row: (row[2], row[1]))
        tables.append(
            pd.DataFrame(
                {
                    "text": [row[0] for row in ordered],
                    "label": [row[1] for row in ordered],
                    "title": [titles[split, row[3]][row[2]] for row in ordered],
                }
            )
        )
    return tables[0], tables[1]


def _texts(table: pd.DataFrame) -> Texts:
    return Texts(tuple(table["text"]), table["label"].to_numpy(dtype=np.int64))


def _imdb(folder: Path | None) -> TextCorpus:
    train, test = _imdb_frames(folder)
    strict = train[~train["text"].isin(set(test["text"]))].drop_duplicates("text")
    held_out = strict["title"].map(in_tenths)
    about = {
        "source": "IMDB Large Movie Review Dataset v1.0 (Maas et al. 2011)",
        "split": "official test set; training reviews that repeat or occur in test are left out; validation is a "
        "tenth of the training films (SHA-256 of the title id)",
    }
    return TextCorpus(
        _texts(strict[~held_out]), _texts(strict[held_out]), _texts(test), ("negative", "positive"), about
    )


def _sentence_frames(folder: Path | None) -> dict[str, pd.DataFrame]:
    if folder and (folder / "rt_polarity_train.parquet").is_file():
        return {part: pd.read_parquet(folder / f"rt_polarity_{part}.parquet") for part in _SENTENCE_PARTS}
    archive = folder / "rt-polaritydata.tar.gz" if folder else None
    return read_sentence_archive(archive if archive and archive.is_file() else _fetch("rt-polaritydata.tar.gz"))


def read_sentence_archive(path: Path) -> dict[str, pd.DataFrame]:
    """Read the rt-polarity archive into tables with columns text, label, by part, in the file's order.

    The parts are those in common use: of each class the first 4,265 sentences are for training, the next 533 for
    validation, and the last 533, left alone here, for a test.

    Raises:
        DataError: It is not that archive.
    """
    lines: dict[int, list[str]] = {}
    try:
        with tarfile.open(path) as archive:
            for label, name in enumerate(("neg", "pos")):
                file = archive.extractfile(f"rt-polaritydata/rt-polarity.{name}")
                lines[label] = file.read().decode("latin-1").splitlines()
    except (tarfile.TarError, OSError, EOFError, KeyError, AttributeError, zlib.error) as error:
        raise DataError(f"{path} is not the archive rt-polaritydata.tar.gz ({error}).") from error
    return {
        part: pd.DataFrame(
            [(text.strip(), label) for label in lines for text in lines[label][first:last]], columns=["text", "label"]
        )
        for part, (first, last) in _SENTENCE_PARTS.items()
    }


def _rt_polarity(folder: Path | None) -> TextCorpus:
    parts = _sentence_frames(folder)
    train = parts["train"][~parts["train"]["text"].isin(set(parts["validation"]["text"]))]
    about = {
        "source": "sentence polarity v1.0 (Pang and Lee 2005)",
        "split": "of each class the first 4,265 sentences train, the next 533 validation",
    }
    return TextCorpus(_texts(train), _texts(parts["validation"]), None, ("negative", "positive"), about)


def _imdb_and_sentences(folder: Path | None) -> TextCorpus:
    """Return IMDB with the training part of rt-polarity beside its own: reviews, and sentences as people type them."""
    reviews, sentences = _imdb(folder), _rt_polarity(folder)
    train = Texts(
        reviews.train.texts + sentences.train.texts, np.concatenate([reviews.train.labels, sentences.train.labels])
    )
    about = {
        "source": f"{reviews.about['source']}; {sentences.about['source']}",
        "split": f"{reviews.about['split']}; to the training part come the first 4,265 rt-polarity sentences of each "
        "class, validation and test are reviews alone",
    }
    return TextCorpus(train, reviews.validation, reviews.test, reviews.classes, about)


def user_file(data: str) -> Path:
    """Return the path of a user's own file.

    Raises:
        DataError: There is no such file.
    """
    path = Path(data)
    if not is_file(path):
        raise DataError(f"There is no data {data!r}: give a file, or one of {', '.join(NAMED)}.")
    return path


def is_table(path: Path) -> bool:
    """Tell whether a file is a table of labelled texts, by its name."""
    return any(suffix in TABLES for suffix in path.suffixes)


def read_table(path: Path, text_column: str = "text", label_column: str = "label") -> pd.DataFrame:
    """Read a CSV, TSV or Parquet file into columns `text` (str) and `label` (str, integer or bool), blanks left out.

    Raises:
        DataError: It cannot be read or lacks a column.
    """
    try:
        if ".parquet" in path.suffixes:
            table = pd.read_parquet(path)
        else:
            separator = "\t" if ".tsv" in path.suffixes else ","
            table = pd.read_csv(path, sep=separator, keep_default_na=False, na_values=[""])
    except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as a table ({str(error).splitlines()[0]}).") from error
    for column in (text_column, label_column):
        if column not in table.columns:
            raise DataError(
                f"{path} has no column {column!r} but {', '.join(map(str, table.columns))}; "
                "name them with --text-column and --label-column."
            )
    if text_column == label_column:
        raise DataError("--text-column and --label-column must be two columns.")
    found = pd.DataFrame({"text": table[text_column], "label": table[label_column]}).dropna()
    found["text"] = found["text"].astype(str)
    found["label"] = found["label"].map(_plain)
    return found


def _plain(label: Any) -> str | int | bool:
    """Return a label without what a missing neighbour made of it: 1.0 is 1."""
    if isinstance(label, bool | np.bool_):
        return bool(label)
    is_number = isinstance(label, int | float | np.integer | np.floating)
    return int(label) if is_number and float(label).is_integer() else str(label)


def class_names(labels: pd.Series) -> dict[Any, str]:
    """Return the classes of a column in order, with their names; 0 and 1, or false and true, are a sentiment."""
    classes = sorted(labels.unique(), key=lambda label: (str(type(label)), label))
    if set(classes) == set(_SENTIMENT):
        return {label: _SENTIMENT[label] for label in classes}
    return {label: str(label) for label in classes}


def labelled_table(path: Path, text_column: str = "text", label_column: str = "label") -> TextCorpus:
    """Read a CSV, TSV or Parquet file of labelled texts; a tenth (by the text's hash) is validation.

    Raises:
        DataError: It cannot be read, lacks a column, or has fewer than two classes or some dozens of texts.
    """
    table = read_table(path, text_column, label_column).drop_duplicates("text")
    names = class_names(table["label"])
    if len(names) < 2:
        raise DataError(f"{path}: column {label_column!r} holds {len(names)} class; a classifier needs at least two.")
    codes = {label: code for code, label in enumerate(names)}
    frame = table.assign(label=table["label"].map(codes))
    held_out = frame["text"].map(in_tenths)
    if len(frame) < _FEWEST_TEXTS or not held_out.any():
        raise DataError(f"{path} holds {len(frame)} different texts; at least some dozens are needed.")
    about = {"source": path.name, "split": "a tenth of the texts (by SHA-256) is validation"}
    return TextCorpus(_texts(frame[~held_out]), _texts(frame[held_out]), None, tuple(names.values()), about)


def labels_to_classes(table: pd.DataFrame, path: Path, classes: tuple[str, ...]) -> Texts:
    """Return a table's texts with their labels as places in `classes`; it may hold fewer of them.

    Raises:
        DataError: It is empty or holds a label that is none of the classes.
    """
    if table.empty:
        raise DataError(f"{path} holds no labelled text.")
    sentiment = _SENTIMENT if set(classes) == set(_SENTIMENT.values()) else {}
    names = table["label"].map(lambda label: sentiment.get(label, str(label)))
    if strange := sorted(set(names) - set(classes)):
        raise DataError(f"{path} holds the class {strange[0]!r}; the model knows {', '.join(classes)}.")
    return Texts(tuple(table["text"]), names.map(classes.index).to_numpy(dtype=np.int64))


NAMED: Mapping[str, Callable[[Path | None], Corpus]] = {
    "shakespeare": _shakespeare,
    "python": _python_stdlib,
    "imdb": _imdb,
    "rt-polarity": _rt_polarity,
    "imdb+rt-polarity": _imdb_and_sentences,
}


def open_corpus(
    data: str, folder: Path | None = None, text_column: str = "text", label_column: str = "label"
) -> Corpus:
    """Open a corpus by name or by the path of the user's own file.

    Args:
        data: A name of `NAMED`, a .csv, .tsv or .parquet table of labelled texts, or any UTF-8 text file.
        folder: Where named data is looked for before it is downloaded; None for `RNNVIZ_DATA`'s.
        text_column: The table's column of texts.
        label_column: The table's column of classes.

    Raises:
        DataError: There is no such data, or it cannot be read.
    """
    if data in NAMED:
        return NAMED[data](data_folder(folder))
    path = user_file(data)
    if is_table(path):
        return labelled_table(path, text_column, label_column)
    return _split_text(read_text(path), path.name)

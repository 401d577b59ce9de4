"""Corpora: by name, from archives, and the user's own files; each mistake is one sentence."""

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from rnnviz.errors import DataError
from rnnviz.training import datasets
from rnnviz.training.datasets import in_tenths, open_corpus, read_imdb_archive


def test_python_needs_no_download_and_splits_by_file() -> None:
    corpus = open_corpus("python")
    files = corpus.about["files"]
    assert files["validation"] > 20
    assert 0.02 < len(corpus.validation) / (len(corpus.train) + len(corpus.validation)) < 0.25
    assert "def " in corpus.validation
    assert 50 < sum(in_tenths(str(i)) for i in range(1000)) < 150


def test_a_text_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("abcdefghij" * 10, encoding="utf-8")
    corpus = open_corpus(str(tmp_path / "t.txt"))
    assert (len(corpus.train), len(corpus.validation)) == (90, 10)
    with gzip.open(tmp_path / "t.txt.gz", "wt") as file:
        file.write("abcdefghij" * 10)
    assert open_corpus(str(tmp_path / "t.txt.gz")).train == corpus.train


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_a_table_of_ones_own(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(100)], "label": [i % 3 for i in range(100)]})
    path = tmp_path / f"t.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if suffix == "tsv" else ",", index=False)
    corpus = open_corpus(str(path))
    assert corpus.classes == ("0", "1", "2")
    assert len(corpus.train) + len(corpus.validation) == 100
    assert not set(corpus.train.texts) & set(corpus.validation.texts)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["None", "all"], ("None", "all")),
        (["NA", "EU"], ("EU", "NA")),
        ([0, 1], ("negative", "positive")),
        ([0, 1, None], ("negative", "positive")),
        ([False, True], ("negative", "positive")),
        ([1, 2, 3], ("1", "2", "3")),
        ([1.5, 2.5], ("1.5", "2.5")),
    ],
)
def test_labels_stay_what_they_are(labels: list, classes: tuple, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(120)], "label": (labels * 120)[:120]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    corpus = open_corpus(str(tmp_path / "t.csv"))
    assert corpus.classes == classes
    assert len(corpus.train) + len(corpus.validation) == frame["label"].notna().sum()


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 " * 20)
    (tmp_path / "short.txt").write_text("a")
    (tmp_path / "one.csv").write_text("text,label\n" + "".join(f"t{i},x\n" for i in range(50)))
    (tmp_path / "other.csv").write_text("review,label\na,b\n")
    (tmp_path / "few.csv").write_text("text,label\na,b\nc,d\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "bad.parquet").write_bytes(b"nonsense")
    (tmp_path / "bad.txt.gz").write_bytes(gzip.compress(b"hello " * 99)[:-20] + b"x" * 20)
    cases = {
        "latin.txt": "not UTF-8",
        "short.txt": "holds 1 characters",
        "one.csv": "at least two",
        "other.csv": "no column 'text'",
        "few.csv": "some dozens",
        "empty.csv": "cannot be read as a table",
        "bad.parquet": "cannot be read as a table",
        "bad.txt.gz": "cannot be read",
        "missing.txt": "There is no data",
        "x" * 300: "There is no data",
    }
    for name, message in cases.items():
        with pytest.raises(DataError, match=message) as caught:
            open_corpus(str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_no_network_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("RNNVIZ_DATA", raising=False)
    address = "http://127.0.0.1:9/input.txt"
    monkeypatch.setitem(datasets._DOWNLOADS, "tinyshakespeare.txt", (address, "sha256:" + "0" * 64))
    with pytest.raises(DataError, match="check the network, or put the file into a folder"):
        open_corpus("shakespeare")


def test_downloads_are_checked_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RNNVIZ_DATA", raising=False)
    (tmp_path / "input.txt").write_text("to be or not " * 100)
    right = hashlib.sha256((tmp_path / "input.txt").read_bytes()).hexdigest()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/input.txt"
        monkeypatch.setitem(datasets._DOWNLOADS, "tinyshakespeare.txt", (address, f"sha256:{'0' * 64}"))
        with pytest.raises(DataError, match="could not be downloaded"):
            open_corpus("shakespeare")
        monkeypatch.setitem(datasets._DOWNLOADS, "tinyshakespeare.txt", (address, f"sha256:{right}"))
        monkeypatch.setattr(datasets, "_SHAKESPEARE_SHA256", right)
        first = open_corpus("shakespeare")
        server.shutdown()
    assert open_corpus("shakespeare").train == first.train, "the second time it comes from the cache"


def test_a_data_folder_is_checked(tmp_path: Path) -> None:
    (tmp_path / "tinyshakespeare.txt").write_text("not it " * 100)
    with pytest.raises(DataError, match="checksum differs"):
        open_corpus("shakespeare", tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        open_corpus("shakespeare", tmp_path / "nowhere")


def _archive(path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:

        def add(name: str, text: str) -> None:
            data = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))

        for split in ("train", "test"):
            for kind in ("pos", "neg"):
                add(f"aclImdb/{split}/urls_{kind}.txt", "".join(f"http://x/title/tt00{i}/r\n" for i in range(3)))
                for i in (2, 0, 1):
                    add(f"aclImdb/{split}/{kind}/{i}_7.txt", f"{split} {kind} {i}")
        add("aclImdb/train/unsup/0_0.txt", "not labelled")


def test_the_official_imdb_archive_is_understood(tmp_path: Path) -> None:
    _archive(tmp_path / "aclImdb_v1.tar.gz")
    train, test = read_imdb_archive(tmp_path / "aclImdb_v1.tar.gz")
    assert len(train) == len(test) == 6
    row = train[train["text"] == "train pos 2"].iloc[0]
    assert (row["label"], row["title"]) == (1, "tt002")
    (tmp_path / "bad.tar.gz").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="not the IMDB archive"):
        read_imdb_archive(tmp_path / "bad.tar.gz")


def test_the_sentence_archive_is_understood(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "rt-polaritydata.tar.gz", "w:gz") as archive:
        for kind in ("neg", "pos"):
            data = "".join(f"{kind} caf\xe9 {i} \n" for i in range(5331)).encode("latin-1")
            member = tarfile.TarInfo(f"rt-polaritydata/rt-polarity.{kind}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    corpus = open_corpus("rt-polarity", tmp_path)
    assert (len(corpus.train), len(corpus.validation), corpus.test) == (8530, 1066, None)
    assert corpus.train.texts[0] == "neg caf\xe9 0"
    assert corpus.validation.texts[-1] == "pos caf\xe9 4797"
    assert corpus.train.labels.sum() == 4265
    (tmp_path / "rt-polaritydata.tar.gz").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="not the archive rt-polaritydata"):
        open_corpus("rt-polarity", tmp_path)


def test_sentences_stand_beside_reviews_in_training_alone(data_folder: Path) -> None:
    both, reviews = open_corpus("imdb+rt-polarity", data_folder), open_corpus("imdb", data_folder)
    assert len(both.train) == len(reviews.train) + 8530
    assert both.validation.texts == reviews.validation.texts
    assert both.test.texts == reviews.test.texts
    held_out = set(open_corpus("rt-polarity", data_folder).validation.texts)
    assert not held_out & set(both.train.texts)


def test_imdb_is_split_by_film_without_what_the_test_set_holds(data_folder: Path) -> None:
    corpus = open_corpus("imdb", data_folder)
    assert len(corpus.test) == 25_000
    assert 1500 < len(corpus.validation) < 3500
    test_texts = set(corpus.test.texts)
    assert not test_texts & set(corpus.train.texts)
    assert not set(corpus.train.texts) & set(corpus.validation.texts)
    train = pd.read_parquet(data_folder / "imdb_train.parquet").set_index("text")["title"]
    assert not set(train[list(corpus.train.texts)]) & set(train[list(corpus.validation.texts)])


def test_shakespeare_splits_in_text_order(data_folder: Path) -> None:
    corpus = open_corpus("shakespeare", data_folder)
    assert len(corpus.train) == 1_003_854
    assert len(corpus.validation) == 111_540

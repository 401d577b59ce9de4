"""States at the ends of held-out reviews: drawn from the validation part alone, kept, and refused when stale."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from rnnviz import checkpoints, held_out
from rnnviz.checkpoints import Model
from rnnviz.cli import app
from rnnviz.errors import CheckpointError, ConfigError, DataError
from rnnviz.held_out import HeldOut, Signal
from rnnviz.record import predict, record
from rnnviz.training.datasets import in_tenths
from tests.conftest import tiny_classifier, tiny_language_model

WORDS = ["good", "bad", "film", "not", "a", "the", "was", "very", "plot", "acting"]


def held_out_of(model: Model, reviews: int = 40) -> HeldOut:
    """Return what a model makes of random texts with random labels, of no corpus."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(reviews)]
    ends = held_out._ends_of(model.network, [model.tokenizer.encode(text) for text in texts], lambda share: None)
    labels = rng.permutation(np.arange(reviews) % 2)
    chances = np.eye(2, dtype=np.float32)[labels]
    return HeldOut(ends.signals, ends.read, chances, labels, labels + 1, np.arange(reviews), "texts", reviews, 0)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of 300 different labelled texts."""
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS, rng.integers(4, 40))) for _ in range(300)]
    pd.DataFrame({"text": texts, "label": np.arange(300) % 2}).to_csv(tmp_path / "texts.csv")
    return tmp_path / "texts.csv"


def _trained(folder: Path, table: Path, **shape: object) -> Model:
    """A model whose card says that it was trained on the table."""
    tiny_classifier(folder, **shape)
    checkpoints.update_card(folder, command=f"python -m rnnviz train tiny --data {table}")
    return checkpoints.load(folder)


@pytest.mark.parametrize(
    "shape",
    [
        {"cell_type": "lstm", "num_layers": 2, "pooling": "all"},
        {"cell_type": "gru", "bidirectional": True, "pooling": "all"},
        {"cell_type": "lstm", "bidirectional": True},
        {"cell_type": "residual", "pooling": "max"},
    ],
)
def test_what_is_kept_is_what_the_recording_says_of_each_review(shape: dict, tmp_path: Path, table: Path) -> None:
    model = _trained(tmp_path / "tiny", table, **shape)
    found = held_out.study(model, count=20, seed=3)
    texts = pd.read_csv(table)
    validation = texts[texts["text"].map(in_tenths)].reset_index(drop=True)
    assert len(found) == min(20, len(validation))
    assert found.part == len(validation)
    assert (np.diff(found.index) > 0).all()
    for place in (0, 7, len(found) - 1):
        text, label = validation["text"][found.index[place]], validation["label"][found.index[place]]
        recording = record(model, text)
        assert found.labels[place] == label
        assert found.words[place] == len(recording.tokens)
        assert found.probabilities[place] == pytest.approx(predict(model, text).probabilities[-1], abs=1e-5)
        for name, values in found.signals.items():
            end = 0 if name.endswith("_backward") else -1
            assert values[place] == pytest.approx(recording.signals[name][end], rel=1e-5, abs=1e-5)
        assert found.read[place] == pytest.approx(held_out.trail(model, text).read[-1], rel=1e-5, abs=1e-5)
    assert set(found.signals) == {s.name for s in held_out.signals_of(model) if not s.is_pooled}


def test_the_draw_depends_on_the_seed_and_the_progress_reaches_the_end(tmp_path: Path, table: Path) -> None:
    model, told = _trained(tmp_path / "tiny", table), []
    one = held_out.study(model, count=12, seed=0, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert held_out.study(model, count=12, seed=0).index.tolist() == one.index.tolist()
    assert held_out.study(model, count=12, seed=1).index.tolist() != one.index.tolist()


def test_saved_and_loaded_it_is_the_same_to_half_precision(tmp_path: Path, table: Path) -> None:
    folder = tmp_path / "tiny"
    model = _trained(folder, table, pooling="all")
    assert held_out.load(model, folder) is None
    found = held_out.study(model, count=20)
    path = held_out.save(folder, model, found)
    again = held_out.load(model, folder)
    for name, values in found.signals.items():
        assert again.signals[name] == pytest.approx(values, rel=1e-3, abs=1e-6)
    assert again.read == pytest.approx(found.read, rel=1e-3, abs=1e-6)
    for name in ("labels", "words", "index", "probabilities"):
        assert (getattr(again, name) == getattr(found, name)).all()
    assert (again.data, again.part, again.seed) == ("texts.csv", found.part, 0)
    words = table.read_text()
    assert not any(word.encode() in path.read_bytes() for word in words.split() if len(word) > 4)
    assert str(tmp_path).encode() not in path.read_bytes()


def test_values_beyond_half_precision_stay_as_they_are(tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "tiny")
    found = held_out_of(model)
    found.signals["cell"][0, 0, 0] = 1e6
    held_out.save(tmp_path / "tiny", model, found)
    assert held_out.load(model, tmp_path / "tiny").signals["cell"][0, 0, 0] == 1e6


def test_a_file_of_other_weights_or_of_another_shape_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    model = tiny_classifier(folder)
    held_out.save(folder, model, held_out_of(model))
    settings = json.loads((folder / checkpoints.CONFIG).read_text())
    (folder / checkpoints.CONFIG).write_text(json.dumps({**settings, "pooling": "max"}))
    with pytest.raises(CheckpointError, match=r"other weights.*python -m rnnviz study tiny"):
        held_out.load(checkpoints.load(folder), folder)
    other = tiny_classifier(folder)
    with pytest.raises(CheckpointError, match="other weights"):
        held_out.load(other, folder)


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_damaged_file_is_one_sentence(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    model = tiny_classifier(folder)
    path = held_out.save(folder, model, held_out_of(model))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:50])
    else:
        checkpoints.save_arrays(path, {"read": np.zeros(3)}, {"weights_sha256": model.digest})
    with pytest.raises(CheckpointError, match=r"held_out\.safetensors"):
        held_out.load(model, folder)


def test_what_cannot_be_studied_is_said(tmp_path: Path, table: Path) -> None:
    with pytest.raises(ConfigError, match="language model"):
        held_out.study(tiny_language_model(tmp_path / "lm"))
    with pytest.raises(DataError, match="does not say"):
        held_out.study(tiny_classifier(tmp_path / "untold"))
    model = _trained(tmp_path / "tiny", table)
    with pytest.raises(ConfigError, match="count must be at least"):
        held_out.study(model, count=1)


def test_signals_of_a_model_and_their_values(tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "tiny", num_layers=2, pooling="all")
    signals = held_out.signals_of(model)
    assert [(s.name, s.layer) for s in signals] == [
        *(("hidden", 0), ("hidden", 1), ("cell", 0), ("cell", 1)),
        *(("mean", 1), ("max", 1)),
    ]
    found = held_out_of(model)
    assert found.values(model, Signal("cell", 1)).shape == (40, 16)
    assert (found.values(model, Signal("max", 1)) == found.read[:, 16:32]).all()
    tokens, unknown, values = held_out.on_words(model, "a good zzyzx", Signal("max", 1))
    assert (tokens, unknown) == (("a", "good", "zzyzx"), (False, False, True))
    hidden = held_out.on_words(model, "a good zzyzx", Signal("hidden", 1))[2]
    assert values == pytest.approx(np.maximum.accumulate(hidden), abs=1e-6)


def test_the_command_writes_the_file_and_says_so(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "models"))
    model = _trained(tmp_path / "models" / "tiny", table)
    told = CliRunner().invoke(app, ["study", "tiny", "--count", "10"])
    assert told.exit_code == 0, told.output
    assert "10 of" in told.output
    assert len(held_out.load(model)) == 10
    assert held_out.version(model) != (0, 0)
    tiny_language_model(tmp_path / "models" / "lm")
    assert CliRunner().invoke(app, ["study", "lm"]).exit_code == 2


@pytest.mark.parametrize("name", ["imdb-lstm", "imdb-rnn", "imdb-lstm-pretrained"])
def test_the_shipped_files_belong_to_their_models(name: str) -> None:
    model = checkpoints.load(name)
    found = held_out.load(model)
    assert len(found) == 1000
    assert found.data.startswith("imdb")
    wanted = model.card["validation"]["accuracy"]
    assert found.right.mean() == pytest.approx(wanted, abs=0.03)
    assert (checkpoints.find(name) / held_out.FILE).stat().st_size < 3e6


def test_a_shipped_file_is_reproduced(data_folder: Path) -> None:
    model = checkpoints.load("imdb-rnn")
    kept, found = held_out.load(model), held_out.study(model, data_folder, count=30, seed=0)
    both = np.intersect1d(kept.index, found.index)
    assert len(both) == 30, "a smaller draw of the same seed is part of a larger one"
    mine = kept.signals["hidden"][np.isin(kept.index, both)]
    assert mine == pytest.approx(found.signals["hidden"], abs=1e-3)
    assert (kept.labels[np.isin(kept.index, both)] == found.labels).all()

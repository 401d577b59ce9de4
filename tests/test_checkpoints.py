"""Model folders: what is saved comes back; what is broken is said in one sentence; nothing is half written."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import rnnviz
from rnnviz import checkpoints
from rnnviz.checkpoints import Model
from rnnviz.config import CELL_TYPES
from rnnviz.errors import CheckpointError, ConfigError, ModelNotFoundError, SaveError
from rnnviz.storage import write_atomically
from tests.conftest import ROOT, tiny_classifier, tiny_language_model


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_round_trip_is_exact(cell_type: str, tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "a", cell_type, num_layers=2, bidirectional=True, learned_initial_state=True)
    checkpoints.save(tmp_path / "b", model.network, model.tokenizer, {})
    again = rnnviz.load(tmp_path / "b")
    assert again.config == model.config
    state = again.network.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in model.network.state_dict().items())


def test_half_weights_are_half_the_size_and_load_as_float32(language_model: Model, tmp_path: Path) -> None:
    sizes = []
    for dtype in (torch.float32, torch.float16):
        checkpoints.save(tmp_path / "m", language_model.network, language_model.tokenizer, {}, dtype)
        sizes.append((tmp_path / "m" / checkpoints.WEIGHTS).stat().st_size)
        assert rnnviz.load(tmp_path / "m").network.head.weight.dtype == torch.float32
    assert sizes[1] < 0.6 * sizes[0]


def test_weights_carry_pytorchs_names(language_model: Model, tmp_path: Path) -> None:
    weights = load_file(tmp_path / "tiny-lm" / checkpoints.WEIGHTS)
    torch.nn.LSTM(8, 16, 2).load_state_dict(
        {k.removeprefix("recurrent."): v for k, v in weights.items() if k.startswith("recurrent.")}
    )


def test_a_loaded_model_is_ready_to_read(language_model: Model) -> None:
    assert not language_model.network.training
    assert not any(p.requires_grad for p in language_model.network.parameters())
    assert language_model.tokenizer.encode("the").dtype == "int64"


def _edit_config(folder: Path, **values: object) -> None:
    path = folder / checkpoints.CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def _truncate(folder: Path) -> None:
    path = folder / checkpoints.WEIGHTS
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _poison(folder: Path) -> None:
    weights = load_file(folder / checkpoints.WEIGHTS)
    weights["head.bias"][0] = float("nan")
    save_file(weights, folder / checkpoints.WEIGHTS)


def _more(folder: Path) -> None:
    weights = load_file(folder / checkpoints.WEIGHTS)
    save_file({**weights, "extra": torch.zeros(1)}, folder / checkpoints.WEIGHTS)


def _pickle(folder: Path) -> None:
    torch.save({"head.bias": torch.zeros(2)}, folder / checkpoints.WEIGHTS)


BROKEN = {
    "truncated": (_truncate, "cut off or damaged"),
    "a pickle": (_pickle, "cannot be read"),
    "no weights": (lambda f: (f / checkpoints.WEIGHTS).write_bytes(b""), "cannot be read"),
    "size disagrees": (lambda f: _edit_config(f, hidden_size=17), r"has shape \(64, 8\).* asks for \(68, 8\)"),
    "a size beyond memory": (lambda f: _edit_config(f, hidden_size=10**6), "has shape"),
    "a size beyond numbers": (lambda f: _edit_config(f, hidden_size=10**30), "impossible network"),
    "layers missing": (lambda f: _edit_config(f, num_layers=3), "lacks 'recurrent.weight_ih_l2'"),
    "layers too many": (lambda f: _edit_config(f, num_layers=1), "holds 'recurrent"),
    "another cell": (lambda f: _edit_config(f, cell_type="gru"), "has shape"),
    "an unknown cell": (lambda f: _edit_config(f, cell_type="qrnn"), "cell_type must be one of"),
    "an unknown setting": (lambda f: _edit_config(f, colour="red"), "unknown setting 'colour'"),
    "a setting missing": (lambda f: (f / checkpoints.CONFIG).write_text("{}"), "missing"),
    "a list for a config": (lambda f: (f / checkpoints.CONFIG).write_text("[]"), "expected a JSON object"),
    "no JSON": (lambda f: (f / checkpoints.CONFIG).write_text("{"), "config.json cannot be read"),
    "words for numbers": (lambda f: _edit_config(f, hidden_size="many"), "whole number"),
    "no vocabulary": (lambda f: (f / checkpoints.VOCABULARY).unlink(), "vocab.json cannot be read"),
    "another vocabulary": (
        lambda f: (f / checkpoints.VOCABULARY).write_text('{"kind": "character", "characters": ["a"]}'),
        "vocab.json holds 2 tokens",
    ),
    "a card that is no card": (lambda f: (f / checkpoints.CARD).write_text("[]"), "card.json must hold"),
    "not a number": (_poison, "NaN"),
    "too much": (_more, "'extra'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_folders_are_told_in_one_sentence(case: str, tmp_path: Path) -> None:
    spoil, message = BROKEN[case]
    tiny_language_model(tmp_path / "m")
    spoil(tmp_path / "m")
    with pytest.raises(CheckpointError, match=message) as caught:
        rnnviz.load(tmp_path / "m")
    assert "\n" not in str(caught.value)


def test_a_missing_model_lists_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path))
    tiny_language_model(tmp_path / "mine")
    assert "mine" in rnnviz.models()
    with pytest.raises(ModelNotFoundError, match=r"no model 'nope'.*mine"):
        rnnviz.load("nope")
    with pytest.raises(ModelNotFoundError):
        rnnviz.load("x" * 300)
    with pytest.raises(ConfigError, match="device"):
        rnnviz.load("mine", device="meta2")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(SaveError, match="No space left on device"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_the_old_model(language_model: Model, tmp_path: Path) -> None:
    """A process that may write 4 kB a file stands for a disk that fills up while it saves."""
    folder = tmp_path / "tiny-lm"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code = (
        "import dataclasses, resource, signal, sys, rnnviz\n"
        "from rnnviz import checkpoints; from rnnviz.network import Network\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "model = rnnviz.load(sys.argv[1])\n"
        "other = Network(dataclasses.replace(model.config, hidden_size=24))\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (4096, {resource.RLIM_INFINITY}))\n"
        "try:\n    checkpoints.save(checkpoints.find(sys.argv[1]), other, model.tokenizer, model.card)\n"
        "except rnnviz.RnnvizError as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.startswith("SaveError")
    assert "what was there before is intact" in done.stdout
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_headline_is_the_test_figure_where_there_is_one() -> None:
    score = {"accuracy": 0.875, "texts": 1000, "loss_nats": 0.3}
    assert (
        checkpoints.headline({"validation": {**score, "accuracy": 0.5}, "test": score})
        == "87.5% of 1,000 test texts right"
    )
    assert checkpoints.headline({"validation": {"loss_nats": 1.5}}) == "1.500 nats per character on validation text"
    assert (
        checkpoints.headline({}) == checkpoints.headline({"test": 3}) == checkpoints.headline({"test": {"x": 1}}) == ""
    )

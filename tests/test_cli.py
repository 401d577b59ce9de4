"""The command line: what it prints, and one sentence with status 2 for a mistake."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import rnnviz
from rnnviz import checkpoints
from rnnviz.cli import app
from rnnviz.recording import Recording
from tests.conftest import tiny_classifier, tiny_language_model


def _run(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, [*words], input=typed)


@pytest.mark.parametrize("command", [[], ["train"], ["evaluate"], ["sample"], ["record"], ["gradients"], ["models"]])
def test_help(command: list[str]) -> None:
    done = _run(*command, "--help")
    assert done.exit_code == 0
    assert "Usage" in done.output


def test_evaluate_a_language_model(tmp_path: Path) -> None:
    tiny_language_model(tmp_path / "m")
    (tmp_path / "t.txt").write_text("the lazy dog " * 50)
    done = _run("evaluate", str(tmp_path / "m"), "--data", str(tmp_path / "t.txt"), "--json")
    found = json.loads(done.output)
    assert found["characters"] == 649
    assert found["bits_per_char"] == pytest.approx(found["loss_nats"] / np.log(2))
    assert "loss nats" in _run("evaluate", str(tmp_path / "m"), "--data", str(tmp_path / "t.txt")).output


def test_evaluate_a_classifier_and_write_its_card(tmp_path: Path) -> None:
    tiny_classifier(tmp_path / "m")
    rows = "".join(f"the film {i} was {('bad', 'good')[i % 2]},{i % 2}\n" for i in range(40))
    (tmp_path / "t.csv").write_text("text,label\n" + rows)
    name, data = str(tmp_path / "m"), str(tmp_path / "t.csv")
    found = json.loads(_run("evaluate", name, "--data", data, "--json").output)
    assert np.sum(found["confusion"]) == found["texts"] == 40
    assert found["split"] == "all"
    assert "confusion" in _run("evaluate", name, "--data", data).output
    assert "leave --data" in _run("evaluate", name, "--data", data, "--update-card").stderr
    (tmp_path / "some.csv").write_text("review,verdict\ngood film,positive\n")
    columns = ["--text-column", "review", "--label-column", "verdict"]
    found = json.loads(_run("evaluate", name, "--data", str(tmp_path / "some.csv"), *columns, "--json").output)
    assert found["texts"] == 1
    (tmp_path / "other.csv").write_text("text,label\ngood film,great\n")
    assert "holds the class 'great'" in _run("evaluate", name, "--data", str(tmp_path / "other.csv")).stderr
    command = f"python -m rnnviz train m --data={tmp_path / 'big.csv'} --text-column review --label-column verdict"
    (tmp_path / "big.csv").write_text("review,verdict\n" + rows)
    checkpoints.update_card(tmp_path / "m", command=command)
    found = json.loads(_run("evaluate", name, "--json", "--update-card").output)
    assert 0 < found["texts"] < 40, "the part of its own data that was held out"
    assert rnnviz.load(tmp_path / "m").card["validation"]["accuracy"] == found["accuracy"]


def test_sample_and_record(tmp_path: Path) -> None:
    tiny_language_model(tmp_path / "m")
    done = _run("sample", str(tmp_path / "m"), "--prompt", "the ", "--length", "30")
    assert done.output.startswith("the ")
    assert _run("sample", str(tmp_path / "m"), "--prompt", "a", "--temperature", "1e-46").exit_code == 0
    assert len(done.output) == 4 + 30 + 1
    for words, typed in ((["--text", "the fox"], None), ([], "the fox")):
        done = _run("record", str(tmp_path / "m"), "--output", str(tmp_path / "r.npz"), *words, typed=typed)
        assert "(7, 2, 16) = (time, layer, unit)" in done.output
        assert Recording.load(tmp_path / "r.npz").tokens == tuple("the fox")


def test_models_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path))
    tiny_language_model(tmp_path / "mine")
    assert "2 x 16 lstm" in _run("models").output
    assert "mine" in {row["name"] for row in json.loads(_run("models", "--json").output)}
    tiny_language_model(tmp_path / "broken")
    (tmp_path / "broken" / "config.json").write_text("{")
    assert "Left out: broken" in _run("models").stderr


def test_mistakes_are_one_sentence_with_status_2(tmp_path: Path) -> None:
    tiny_language_model(tmp_path / "m")
    name = str(tmp_path / "m")
    cases = {
        ("evaluate", "nope"): "There is no model",
        ("evaluate", name): "name it with --data",
        ("evaluate", name, "--data", "nope.txt"): "There is no data",
        ("evaluate", name, "--data", "python", "--split", "test"): "no test set",
        ("evaluate", name, "--data", "python", "--split", "x"): "split must be",
        ("sample", name, "--prompt", ""): "empty",
        ("record", name, "--text", "", "--output", str(tmp_path / "r.npz")): "empty",
        ("record", name, "--text", "a", "--output", str(tmp_path / "m" / "config.json" / "r.npz")): "not be written",
        ("train", "x", "--data", "python", "--cell", "transformer"): "cell_type must be",
        ("train", "x", "--data", "python", "--bidirectional"): "cannot generate",
        ("train", "x", "--data", "nope"): "There is no data",
        ("train", "x", "--data", "python", "--epochs", "0"): "epochs must be",
        ("train", "x", "--data", "python", "--epochs", "inf"): "epochs must be",
        ("train", "x", "--data", "python", "--seed", "9" * 23): "seed must not",
        ("evaluate", "x" * 300): "There is no model",
        ("sample", name, "--seed", "9" * 23): "seed between",
    }
    for words, message in cases.items():
        done = _run(*words)
        assert done.exit_code == 2, words
        assert message in done.stderr, words
        assert "Traceback" not in done.output


def test_half_lives_of_several_models(tmp_path: Path) -> None:
    tiny_language_model(tmp_path / "chars", "lstm")
    tiny_classifier(tmp_path / "words", "rnn_tanh")
    names = [str(tmp_path / "chars"), str(tmp_path / "words")]
    found = json.loads(_run("gradients", *names, "--text", "the film was very bad", "--json").output)
    assert [row["model"] for row in found] == ["chars", "words"]
    assert [row["steps"] for row in found] == [20, 5]
    assert set(found[0]) - set(found[1]) == {"dL/dc", "dc/dc"}
    assert 0 < found[0]["dL/dc"] < 20
    short = _run("gradients", *names, "--text", "the film", "--steps", "1", "--json").output
    assert json.loads(short, parse_constant=lambda _: pytest.fail("not JSON"))[0]["dL/dh"] is None
    assert "dL/dh" in _run("gradients", *names, "--text", "the film was very bad").output
    assert "bidirectional" in _run("gradients", str(_both_ways(tmp_path)), "--text", "good film").stderr


def _both_ways(tmp_path: Path) -> Path:
    tiny_classifier(tmp_path / "both", bidirectional=True)
    return tmp_path / "both"

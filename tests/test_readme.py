"""The README keeps its word: its commands, its Python, its figures."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from rnnviz import checkpoints
from rnnviz.cli import app
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.S)


def test_two_commands_of_one_line_start_and_test_it() -> None:
    start, test = (text.strip() for kind, text in BLOCKS[:2] if kind == "sh")
    assert "\n" not in start + test
    assert start.endswith("streamlit run app.py")
    assert test.endswith("pytest")
    assert all("requirements.txt" in command for command in (start, test))


def test_requirements_pin_exact_versions() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in pins)
    assert "torch==2.13.0" in pins


def test_its_python_runs_as_it_stands(
    capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = (text for kind, text in BLOCKS if kind == "python")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["recording"].signals["forget_gate"].shape[2] == names["model"].config.hidden_size
    assert len(capsys.readouterr().out) > 200
    assert "unit 17" in (tmp_path / "picture.html").read_text(encoding="utf-8")


def test_every_command_it_names_exists() -> None:
    named = re.findall(r"^\| `(\w+)[ `]", README, flags=re.M)
    assert set(named) == set(get_command(app).commands)


def test_its_table_holds_the_cards_figures() -> None:
    rows = {row[0]: row[-1] for row in re.findall(r"^\| `([\w-]+-\w+)` \|(.*)\|$", README, flags=re.M)}
    assert set(rows) == {path.name for path in checkpoints.SHIPPED.iterdir() if path.is_dir()}
    for name, row in rows.items():
        card = json.loads((checkpoints.SHIPPED / name / checkpoints.CARD).read_text(encoding="utf-8"))
        for part in ("validation", "test"):
            score = card.get(part)
            if score:
                figure = f"{score['accuracy']:.2%}" if "accuracy" in score else f"{score['loss_nats']:.4f}"
                assert figure.replace("%", " %") in row, name


def test_its_picture_is_there() -> None:
    picture = re.search(r"!\[[^\]]+\]\(([^)]+)\)", README)[1]
    assert (ROOT / picture).read_bytes()[:4] == b"\x89PNG"

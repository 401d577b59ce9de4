"""Imports point strictly down, and libraries stay on their floors."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FLOORS = {
    "rnnviz.errors": 0.0,
    "rnnviz.config": 0.1,
    "rnnviz.storage": 0.1,
    "rnnviz.recording": 0.2,
    "rnnviz.text": 1.0,
    "rnnviz.cells": 1.0,
    "rnnviz.network": 2.0,
    "rnnviz.feedforward": 2.01,
    "rnnviz.initial": 2.05,
    "rnnviz.analysis": 2.1,
    "rnnviz.checkpoints": 3.0,
    "rnnviz.charts": 3.0,
    "rnnviz.browser": 3.0,
    "rnnviz.scripts": 3.0,
    "rnnviz.record": 3.1,
    "rnnviz.training": 3.1,
    "rnnviz.held_out": 3.15,
    "rnnviz.live": 3.15,
    "rnnviz.notebook": 3.15,
    "rnnviz.subjects": 3.15,
    "rnnviz.lesson": 3.18,
    "rnnviz.sharing": 3.19,
    "rnnviz": 3.2,
    "rnnviz.cli": 4.0,
    "rnnviz.route": 4.0,
    "rnnviz.session": 4.0,
    "rnnviz.__main__": 4.1,
    "rnnviz.components": 4.1,
    "rnnviz.pages": 5.0,
    "rnnviz.router": 5.5,
    "app": 6.0,
}
ONLY_IN = {
    "streamlit": ("rnnviz.components", "rnnviz.session", "rnnviz.pages", "rnnviz.router", "app"),
    "starlette": ("rnnviz.route",),
    "anyio": ("rnnviz.route",),
    "asyncio": ("rnnviz.route",),
    "altair": ("rnnviz.charts",),
    "pyarrow": ("rnnviz.components",),
    "pandas": ("rnnviz.charts", "rnnviz.live", "rnnviz.training", "rnnviz.cli"),
    "safetensors": ("rnnviz.checkpoints",),
    "platformdirs": ("rnnviz.checkpoints",),
    "typer": ("rnnviz.cli",),
    "captum": ("rnnviz.analysis",),
    "pooch": ("rnnviz.training",),
    "sklearn": ("rnnviz.training", "rnnviz.lesson"),
    "torch": (
        *(
            "rnnviz.cells",
            "rnnviz.network",
            "rnnviz.feedforward",
            "rnnviz.initial",
            "rnnviz.analysis",
            "rnnviz.checkpoints",
            "rnnviz.record",
        ),
        *("rnnviz.training", "rnnviz.held_out", "rnnviz.live", "rnnviz.session", "rnnviz.cli", "rnnviz.lesson"),
    ),
}


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _place(module: str) -> str:
    """The entry of FLOORS that a module belongs to."""
    while module not in FLOORS:
        module = module.rpartition(".")[0]
        assert module, "a module has no floor"
    return module


def _files() -> list[Path]:
    return [ROOT / "app.py", *sorted((ROOT / "rnnviz").rglob("*.py"))]


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in FLOORS else node.module


def test_imports_point_strictly_down() -> None:
    wrong = []
    for path in _files():
        here = _place(_module(path))
        for name in _imports(path):
            if name.split(".")[0] == "rnnviz" and (there := _place(name)) != here and FLOORS[there] >= FLOORS[here]:
                wrong.append(f"{here} imports {there}")
    assert not wrong


def test_libraries_stay_where_they_belong() -> None:
    wrong = []
    for path in _files():
        here = _place(_module(path))
        for name in _imports(path):
            library = name.split(".")[0]
            if library in ONLY_IN and here not in ONLY_IN[library]:
                wrong.append(f"{here} imports {library}")
    assert not wrong


def test_every_floor_exists() -> None:
    assert {_place(_module(path)) for path in _files()} == set(FLOORS)

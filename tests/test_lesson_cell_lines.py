"""The scripts for a hand-sized network: they run as they stand and print the page's states."""

import math

import numpy as np
import pytest

from rnnviz.cells import CELLS
from rnnviz.lesson.cell import Hand, walk
from rnnviz.lesson.cell_lines import (
    keras_backwards,
    keras_pieces,
    keras_script,
    pytorch_backwards,
    pytorch_pieces,
    pytorch_script,
)
from rnnviz.lesson.cell_presets import PRESETS, RANDOM, make
from rnnviz.lesson.cell_start import aligned, backwards, in_pieces
from tests.conftest import run_lines

TEXT = "ab 'a\n\"b"


def _expected(hand: Hand, text: str) -> list[list[float]]:
    read = walk(hand, text)
    return [np.concatenate([values[t + 1] for values in read.states.values()]).tolist() for t in range(len(text))]


def _printed(script: str) -> list[list[float]]:
    rows = []
    for at, line in enumerate(run_lines(script).splitlines()):
        step, *words = line.split()
        assert int(step) == at + 1
        rows.append([float(word) for word in words if word not in ("h", "s", "c")])
    return rows


@pytest.mark.parametrize("script", [pytorch_script, keras_script])
@pytest.mark.parametrize("cell_type", CELLS)
def test_a_script_prints_every_state(cell_type: str, script) -> None:
    hand = make(cell_type, RANDOM, "abc", 3, seed=4)
    hand = hand.begun(np.random.default_rng(1).normal(size=hand.start.shape).round(2))
    assert np.array(_printed(script(hand, TEXT))) == pytest.approx(np.array(_expected(hand, TEXT)), abs=1e-6)


@pytest.mark.parametrize("script", [pytorch_script, keras_script])
@pytest.mark.parametrize("cell_type", ["rnn_relu", "gru"])
def test_a_preset_and_one_letter(cell_type: str, script) -> None:
    hand = make(cell_type, next(iter(PRESETS[cell_type])), "a")
    assert np.array(_printed(script(hand, "aa"))) == pytest.approx(np.array(_expected(hand, "aa")), abs=1e-6)


def _random(cell_type: str) -> Hand:
    hand = make(cell_type, RANDOM, "abc", 3, seed=4)
    return hand.begun(np.random.default_rng(1).normal(size=hand.start.shape).round(2))


@pytest.mark.parametrize("script", [pytorch_backwards, keras_backwards])
@pytest.mark.parametrize("cell_type", CELLS)
def test_the_scripts_read_from_the_right(cell_type: str, script) -> None:
    hand = _random(cell_type)
    printed = np.array(_printed(script(hand, TEXT)))
    assert printed == pytest.approx(aligned(backwards(hand, TEXT)), abs=1e-6)
    assert np.abs(printed - walk(hand, TEXT).states["hidden"][1:]).max() > 1e-3


@pytest.mark.parametrize("script", [pytorch_pieces, keras_pieces])
@pytest.mark.parametrize("cell_type", CELLS)
def test_the_scripts_carry_the_state_over_or_begin_anew(cell_type: str, script) -> None:
    hand = _random(cell_type)
    *steps, largest = run_lines(script(hand, TEXT, 3)).splitlines()
    printed = np.array([[float(word) for word in line.split()] for line in steps])
    whole = walk(hand, TEXT).states["hidden"]
    off = [np.abs(in_pieces(hand, TEXT, 3, carried).states["hidden"] - whole).max(axis=1)[1:] for carried in (1, 0)]
    assert printed == pytest.approx(np.column_stack([np.arange(1, len(TEXT) + 1), *off]), abs=1e-6)
    assert [float(word) for word in largest.split()[1:]] == pytest.approx([one.max() for one in off], abs=1e-6)
    assert off[1].max() > 1e-3


@pytest.mark.parametrize("script", [pytorch_pieces, keras_pieces])
def test_pieces_from_a_start_of_zeros(script) -> None:
    hand = make("lstm", "counter", "ab")
    assert "assign" not in script(hand, "aab", 2)
    carried, anew = run_lines(script(hand, "aab", 2)).splitlines()[2].split()[1:]
    assert float(carried) == 0
    assert float(anew) == pytest.approx(math.tanh(2), abs=1e-3)

"""The scripts for a hand-sized network: they run as they stand and print the page's states."""

import numpy as np
import pytest

from rnnviz.cells import CELLS
from rnnviz.lesson.cell import Hand, walk
from rnnviz.lesson.cell_lines import keras_script, pytorch_script
from rnnviz.lesson.cell_presets import PRESETS, RANDOM, make
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

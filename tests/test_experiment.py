"""What holding a unit does, against readers that hold one unit each, run one by one."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

import rnnviz
from rnnviz.cells import CELLS
from rnnviz.checkpoints import Model
from rnnviz.config import CELL_TYPES, POOLINGS
from rnnviz.errors import ConfigError
from rnnviz.live.clamps import Clamp
from rnnviz.live.experiment import Outcome, compare
from rnnviz.live.reader import Reader
from rnnviz.record import draw
from rnnviz.recording import softmax
from rnnviz.text import read
from tests.conftest import tiny_classifier, tiny_language_model

TEXT = "the quick brown fox jumps over the lazy"
REVIEW = "the film was not very good, the plot was bad and the acting was not good"
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Model]:
    """Tiny models, each made once; weights large enough that holding a unit is felt."""

    @cache
    def make(task: str, cell_type: str, **shape: object) -> Model:
        torch.manual_seed(1)
        tiny = tiny_language_model if task == "language_model" else tiny_classifier
        model = tiny(tmp_path_factory.mktemp("m") / "m", cell_type, **shape)
        if model.network.initial_state is not None:
            model.network.initial_state.data.normal_()
        if cell_type != "residual":
            model.network.head.weight.data.mul_(4)
        return model

    return make


def _held_alone(model: Model, ids: np.ndarray, clamps: list[Clamp], first: int, length: int, **wish: float) -> tuple:
    """Bits a token from `first` on, last probabilities and sample of one reader, a character at a time."""
    reader = Reader(model.network, clamps)
    assert list(reader.advance(ids))[-1] == len(ids)
    logits = reader.logits(0, len(ids))
    if model.config.task != "language_model":
        return np.nan, softmax(logits[-1]), ""
    surprise = [-np.log2(softmax(logits[time - 1])[ids[time]]) for time in range(first + 1, len(ids))]
    written: list[int] = []
    for index in range(length):
        both = np.concatenate([ids, np.array(written, dtype=np.int64)])
        assert list(reader.advance(both))[-1] == len(both)
        written.append(draw(reader.logits(len(both) - 1, len(both))[0], wish["temperature"], wish["seed"], index))
    bits = np.mean(surprise) if surprise else np.nan
    return bits, softmax(logits[-1]), model.tokenizer.decode(written)


def _check(model: Model, ids: np.ndarray, clamp: Clamp, others: int = 2, length: int = 8) -> list[Outcome]:
    wish = {"temperature": 0.8, "seed": 5}
    outcomes = compare(model, ids, clamp, others=others, length=length, **wish)
    assert len(outcomes) == 2 + others
    rows = [[], [clamp], *([replace(clamp, unit=one.unit)] for one in outcomes[2:])]
    for outcome, clamps in zip(outcomes, rows, strict=True):
        bits, probabilities, sample = _held_alone(model, ids, clamps, clamp.first, length, **wish)
        assert outcome.bits_per_token == pytest.approx(bits, rel=1e-4, nan_ok=True)
        assert outcome.probabilities.dtype == np.float64
        assert np.allclose(outcome.probabilities, probabilities, **CLOSE)
        assert outcome.sample == sample
    return outcomes


SIGNALS = [(cell_type, signal) for cell_type in CELL_TYPES for signal in CELLS[cell_type].signals]


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize(("cell_type", "signal"), SIGNALS)
def test_a_comparison_is_that_of_readers_run_one_by_one(
    made: Callable[..., Model], cell_type: str, signal: str, layer: int
) -> None:
    model = made("language_model", cell_type, learned_initial_state=True)
    ids = read(model.tokenizer, TEXT[:25])[0]
    outcomes = _check(model, ids, Clamp(layer, signal, 4, -0.8, 11))
    assert not np.allclose(outcomes[1].probabilities, outcomes[0].probabilities, atol=1e-6)


@pytest.mark.parametrize("first", [0, 1, 17, len(TEXT) - 2, len(TEXT) - 1])
@pytest.mark.parametrize("unit", [None, 4])
def test_any_first_token(made: Callable[..., Model], unit: int | None, first: int) -> None:
    model = made("language_model", "lstm")
    ids = read(model.tokenizer, TEXT)[0]
    outcomes = _check(model, ids, Clamp(0, "cell", unit, 3.0, first))
    assert np.isnan(outcomes[0].bits_per_token) == (first == len(TEXT) - 1)
    assert outcomes[0].unit is None
    assert outcomes[1].unit == unit


def test_a_first_token_beyond_the_text_is_its_last(made: Callable[..., Model]) -> None:
    model = made("language_model", "gru")
    ids = read(model.tokenizer, TEXT)[0]
    beyond = compare(model, ids, Clamp(1, "hidden", 4, 0.5, 999), others=1, length=5)
    last = compare(model, ids, Clamp(1, "hidden", 4, 0.5, len(ids) - 1), others=1, length=5)
    assert [one.sample for one in beyond] == [one.sample for one in last]
    assert np.array_equal(beyond[1].probabilities, last[1].probabilities)


@pytest.mark.parametrize("first", [0, 6])
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell_type", ["lstm", "gru_textbook"])
def test_classifiers(made: Callable[..., Model], cell_type: str, pooling: str, layer: int, first: int) -> None:
    model = made("classifier", cell_type, pooling=pooling, num_layers=2, pair_buckets=32, dense_size=16)
    ids = read(model.tokenizer, REVIEW)[0]
    for clamp in (Clamp(layer, "hidden", 2, 1.0, first), Clamp(layer, "candidate", None, 0.9, first)):
        outcomes = _check(model, ids, clamp)
        assert all(one.sample == "" and np.isnan(one.bits_per_token) for one in outcomes)
        assert not np.allclose(outcomes[1].probabilities, outcomes[0].probabilities, atol=1e-6)


@pytest.mark.parametrize("temperature", [0, 0.7, 1.5])
def test_the_untouched_network_goes_on_as_a_sample_does(made: Callable[..., Model], temperature: float) -> None:
    for cell_type in ("lstm", "gru", "rnn_tanh"):
        model = made("language_model", cell_type)
        ids = read(model.tokenizer, TEXT)[0]
        outcomes = compare(model, ids, Clamp(0, "hidden", 4, 1.0, 20), others=0, seed=9, temperature=temperature)
        assert outcomes[0].sample == rnnviz.sample(model, TEXT, 60, temperature, seed=9)
        recording = rnnviz.record(model, TEXT)
        assert np.allclose(outcomes[0].probabilities, recording.probabilities()[-1], **CLOSE)
        chances = recording.probabilities()[np.arange(20, len(ids) - 1), ids[21:]]
        assert outcomes[0].bits_per_token == pytest.approx(-np.log2(chances).mean(), rel=1e-4)


def test_others_are_drawn_by_seed_without_return_and_never_the_unit_itself(made: Callable[..., Model]) -> None:
    model = made("language_model", "gru")
    ids = read(model.tokenizer, TEXT)[0]

    def others(seed: int, count: int, unit: int | None = 4) -> list[int | None]:
        clamp = Clamp(0, "hidden", unit, 0.0)
        return [one.unit for one in compare(model, ids, clamp, others=count, seed=seed, length=0)][2:]

    assert sorted(others(0, 99)) == [unit for unit in range(16) if unit != 4]
    assert sorted(others(0, 99, None)) == list(range(16))
    assert others(0, 10) == others(0, 10)
    assert others(0, 10) != others(1, 10)
    assert len(set(others(0, 10))) == 10


def test_no_sample_one_token_and_what_cannot_be_held(made: Callable[..., Model]) -> None:
    model = made("language_model", "lstm")
    outcomes = compare(model, np.array([3]), Clamp(1, "cell", 0, 1.0), others=1, length=0)
    assert [one.sample for one in outcomes] == ["", "", ""]
    assert all(np.isnan(one.bits_per_token) for one in outcomes)
    assert not np.allclose(outcomes[0].probabilities, outcomes[1].probabilities)
    with pytest.raises(ConfigError, match="unit to hold"):
        compare(model, np.array([3]), Clamp(0, "cell", 16, 1.0))
    with pytest.raises(ConfigError, match="both ways"):
        compare(made("classifier", "gru", bidirectional=True), np.array([3]), Clamp(0, "hidden", 0, 1.0))

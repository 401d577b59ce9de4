"""Live reading against `record` of the final text, and every answer of a session against what it is made of."""

import ast
import copy
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.functional import linear

import rnnviz
from rnnviz import checkpoints
from rnnviz.analysis.saturation import saturation
from rnnviz.analysis.units import (
    on_throughout,
    order_by_similarity,
    rank_by_movement,
    rank_by_persistence,
    switch_at_edges,
)
from rnnviz.cells import CELLS, Cell, State, Weights
from rnnviz.charts.palette import scale_of
from rnnviz.checkpoints import Model
from rnnviz.config import CELL_TYPES, LONGEST, POOLINGS
from rnnviz.errors import ConfigError
from rnnviz.live import reader as reading
from rnnviz.live import session as live
from rnnviz.live import together
from rnnviz.live.clamps import Clamp
from rnnviz.live.experiment import compare
from rnnviz.live.reader import Reader, WholeReader, reader_of
from rnnviz.live.request import LONGEST_TEXT, Asked, listed_model
from rnnviz.live.session import ORDERS, LiveSession, twin
from rnnviz.live.together import LATER, begin_together, step_together
from rnnviz.live.wire import pack, unpack
from rnnviz.record import draw
from rnnviz.recording import Recording, softmax
from rnnviz.text import WordTokenizer, read, spans
from tests.conftest import tiny_classifier, tiny_language_model

TEXT = "the lazy dog jumps over the quick fox. " * 12
REVIEW = "The film was <b>NOT</b> bad, not bad at all: the plot wobbled... very good acting! " * 9
GUESSES = 5
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
KINDS = {"language_model": tiny_language_model, "classifier": tiny_classifier}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Model]:
    """Tiny models, each made once."""

    @cache
    def make(kind: str, cell_type: str, **shape: object) -> Model:
        torch.manual_seed(1)
        model = KINDS[kind](tmp_path_factory.mktemp("m") / f"{kind}-{cell_type}", cell_type, **shape)
        if model.network.initial_state is not None:
            model.network.initial_state.data.normal_()
        if cell_type == "residual":
            _calm(model)
        return model

    return make


def _calm(model: Model) -> None:
    """Let a residual cell forget: its state would sum up what rounding does to it, and two float32 orders part ways."""
    for layer in model.network.recurrent:
        weight = layer["d"].weight_hh_l0
        weight.data.mul_(0.3).sub_(0.5 * torch.eye(len(weight)))


def _ids(model: Model, text: str) -> np.ndarray:
    return read(model.tokenizer, text)[0]


def _through(reader: Reader | WholeReader, ids: np.ndarray) -> Reader | WholeReader:
    """The reader, after it read all."""
    assert list(reader.advance(ids))[-1] == len(ids)
    return reader


def _same(reader: Reader | WholeReader, recording: Recording, length: int | None = None) -> None:
    """Every signal of every layer and the logits are those of a recording."""
    length = len(recording.tokens) if length is None else length
    assert len(reader.ids) == length
    assert set(reader.signals) == set(recording.signals)
    for name, values in recording.signals.items():
        for layer in range(recording.num_layers):
            found = reader.signal(name, layer, 0, length)
            assert found.dtype == np.float32
            assert np.allclose(found, values[:length, layer], **CLOSE), (name, layer)
    assert np.allclose(reader.logits(0, length), recording.logits[:length], **CLOSE)


# --- Reading and editing -------------------------------------------------------------------------------------------

CHARACTERS = (
    st.sampled_from("the quick fox.\n") | st.sampled_from("\U0001f600\u05d0\u0301\x00\x07\r\t") | st.characters()
)
TYPED = st.text(CHARACTERS, min_size=1, max_size=3) | st.just("")
PASTED = st.text(CHARACTERS, min_size=17, max_size=100)
EDITS = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 20), TYPED | PASTED), min_size=1, max_size=6)


def _edited(text: str, at: int, gone: int, new: str) -> str:
    return text[:at] + new + text[at + gone :]


def test_an_edit_is_what_it_says() -> None:
    assert _edited("abcdef", 2, 3, "XY") == "abXYf"
    assert _edited("abc", 9, 3, "d") == "abcd"


@pytest.mark.parametrize("learned", [False, True], ids=["zero", "learned"])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(edits=EDITS, data=st.data())
def test_any_edits_end_in_the_recording_of_the_final_text(
    made: Callable[..., Model], cell_type: str, learned: bool, edits: list[tuple[int, int, str]], data: st.DataObject
) -> None:
    model = made("language_model", cell_type, learned_initial_state=learned)
    reader, text = Reader(model.network), ""
    for edit in edits:
        text = _edited(text, *edit)[:200]
        _through(reader, _ids(model, text) if text else np.empty(0, dtype=np.int64))
    if not text:
        return
    recording = rnnviz.record(model, text)
    _same(reader, recording)
    first = data.draw(st.integers(0, len(text) - 1))
    last = data.draw(st.integers(first + 1, len(text)))
    for name, values in recording.signals.items():
        assert np.allclose(reader.signal(name, 1, first, last), values[first:last, 1], **CLOSE), name
    assert np.allclose(reader.logits(first, last), recording.logits[first:last], **CLOSE)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell_type", ["lstm", "gru_textbook"])
@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9), st.sampled_from([[], ["good"], ["xyz", "film"] * 15])))
)
def test_any_edits_of_a_review_end_in_its_recording(
    made: Callable[..., Model], cell_type: str, pooling: str, edits: list[tuple[int, int, list[str]]]
) -> None:
    model = made("classifier", cell_type, pooling=pooling, num_layers=2, pair_buckets=32, dense_size=16)
    words = ["bad", "plot"]
    reader = _through(reader_of(model.network), _ids(model, " ".join(words)))
    for at, gone, new in edits:
        words = [*words[:at], *new, *words[at + gone :]] or ["bad"]
        _through(reader, _ids(model, " ".join(words)))
    recording = rnnviz.record(model, " ".join(words))
    _same(reader, recording)
    last = len(words) - 1
    assert np.allclose(reader.logits(last, last + 1), recording.logits[last:], **CLOSE)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps that networks run from now on: the rows of each call, whichever way they go."""
    ran: list[int] = []
    step, record_layer = Cell.step, reading.record_layer

    def spied_step(self: Cell, x: torch.Tensor, *rest: object) -> object:
        ran.append(len(x))
        return step(self, x, *rest)

    def spied_layer(module: object, cell: Cell, x: torch.Tensor, *rest: object) -> object:
        with monkeypatch.context() as unspied:
            unspied.setattr(Cell, "step", step)
            ran.append(len(x))
            return record_layer(module, cell, x, *rest)

    monkeypatch.setattr(Cell, "step", spied_step)
    monkeypatch.setattr(reading, "record_layer", spied_layer)
    return ran


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_an_edit_costs_only_what_follows_it(made: Callable[..., Model], cell_type: str, steps: list[int]) -> None:
    model = made("language_model", cell_type)
    reader = _through(reader_of(model.network), _ids(model, TEXT[:100]))
    assert sum(steps) == 2 * 100
    assert max(steps) > 16  # in one go, by the fused kernel where there is one
    names = model.network.cell.states
    before = {(name, layer): reader.signal(name, layer, 0, 100).copy() for name in names for layer in (0, 1)}

    steps.clear()
    _through(reader, _ids(model, TEXT[:100] + "x"))
    assert steps == [1, 1]  # one step in each of the two layers

    steps.clear()
    kept = next(iter(reader.advance(_ids(model, TEXT[:60] + "#" + TEXT[61:101]))))
    assert (kept, steps) == (60, [])
    _through(reader, _ids(model, TEXT[:60] + "#" + TEXT[61:101]))
    assert sum(steps) == 2 * 41
    for (name, layer), values in before.items():
        found = reader.signal(name, layer, 0, 100)
        assert np.array_equal(found[:60], values[:60])
        assert not np.array_equal(found[60:], values[60:])

    steps.clear()
    _through(reader, _ids(model, TEXT[:30]))
    assert not steps
    assert len(reader.ids) == 30


@pytest.mark.parametrize("given_up_after", [1, 2, 3, 4])
def test_a_reading_that_is_given_up_leaves_a_shorter_text(
    made: Callable[..., Model], given_up_after: int, steps: list[int]
) -> None:
    model = made("language_model", "lstm")
    old, new = TEXT[:40], TEXT[:9] + "!" + TEXT[10:]
    reader = _through(Reader(model.network), _ids(model, old))
    going = reader.advance(_ids(model, new))
    seen = [next(going) for _ in range(given_up_after)]
    del going
    assert seen[0] == 9
    assert seen == sorted(set(seen))
    assert seen[-1] == len(reader.ids) < len(new)
    _same(reader, rnnviz.record(model, new), length=seen[-1])
    steps.clear()
    _through(reader, _ids(model, new))
    assert sum(steps) == 2 * (len(new) - seen[-1])
    _same(reader, rnnviz.record(model, new))


def test_a_long_text_comes_in_stretches_and_never_takes_more_room_than_the_longest(made: Callable[..., Model]) -> None:
    model = made("language_model", "gru")
    ids = np.random.default_rng(0).integers(0, len(model.tokenizer), LONGEST)
    reader = Reader(model.network)
    for length in (1, 50, 70, 900, 1100, 1999, LONGEST):
        seen = list(reader.advance(ids[:length]))
        assert seen == sorted(set(seen))
        assert all(length <= len(states) <= LONGEST for states in reader._states)
    seen = list(Reader(model.network).advance(ids))
    assert seen[1] <= 16  # a first answer soon
    assert 16 < max(np.diff(seen)) == reading._STRETCH  # then few messages
    assert seen[-1] == LONGEST


def test_readers_share_a_network_and_leave_it_alone(made: Callable[..., Model]) -> None:
    model = made("language_model", "lstm", learned_initial_state=True)
    before = copy.deepcopy(model.network.state_dict())
    one, two = Reader(model.network, [Clamp(0, "cell", None, 2.0)]), Reader(model.network)
    for n in range(1, 30):
        _through(one, _ids(model, TEXT[:n]))
        _through(two, _ids(model, TEXT[5 : n + 5]))
    _same(two, rnnviz.record(model, TEXT[5:34]))
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("cell_type", ["lstm", "gru", "rnn_tanh"])
def test_a_network_of_both_directions_reads_the_whole_anew(
    made: Callable[..., Model], cell_type: str, pooling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made("classifier", cell_type, pooling=pooling, num_layers=2, bidirectional=True)
    reader = reader_of(model.network)
    assert isinstance(reader, WholeReader)
    for text in ("good", "good film", "not good film", "the plot, unheard of, was bad " * 12, "bad"):
        assert list(reader.advance(_ids(model, text))) == [0, len(_ids(model, text))]
        recording = rnnviz.record(model, text)
        assert "hidden_backward" in recording.signals
        _same(reader, recording)
    monkeypatch.setattr(reading, "record_network", lambda *_: pytest.fail("it read the same text again"))
    assert list(reader.advance(_ids(model, "bad"))) == [1]


# --- Values held ---------------------------------------------------------------------------------------------------


def _gates(cell_type: str, x: torch.Tensor, hidden: torch.Tensor, weights: Weights, held: list[Clamp]) -> dict:
    """The cell's gates, some held; a GRU's candidate is worked out with the reset gate that is held."""
    gates = CELLS[cell_type].gates(x, hidden, weights)
    if any(clamp.signal == "reset_gate" for clamp in held):
        _hold(gates, held, "reset_gate")
        third = slice(2 * hidden.shape[-1], None)
        w, b = weights.weight_hh[third], weights.bias_hh[third]
        reset = gates["reset_gate"]
        inner = linear(reset * hidden, w, b) if cell_type == "gru_textbook" else reset * linear(hidden, w, b)
        gates["candidate"] = torch.tanh(x[..., third] + inner)
    for name in gates:
        _hold(gates, held, name)
    return gates


def _hold(named: dict[str, torch.Tensor], held: list[Clamp], name: str) -> None:
    for clamp in held:
        if clamp.signal == name:
            named[name][..., slice(None) if clamp.unit is None else clamp.unit] = clamp.value


def _by_hand(model: Model, ids: np.ndarray, clamps: list[Clamp]) -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
    """Every signal of every layer and the logits, by one plain loop with values held."""
    network, cell_type = model.network, model.config.cell_type
    x, layers = network.embed(torch.from_numpy(ids)), []
    for layer in range(model.config.num_layers):
        weights, kept = Weights.of(network.recurrent[layer]["d"]), []
        state: State = network.start(1, layer)
        for time, now in enumerate(x):
            held = [clamp for clamp in clamps if clamp.layer == layer and clamp.first <= time]
            gates = _gates(cell_type, weights.project(now[None]), state[0], weights, held)
            state = CELLS[cell_type].update(gates, state)
            named = {**gates, **dict(zip(CELLS[cell_type].states, state, strict=True))}
            if any(clamp.signal == "cell" for clamp in held):
                _hold(named, held, "cell")
                named["hidden"] = named["output_gate"] * torch.tanh(named["cell"])
            _hold(named, held, "hidden")
            state = tuple(named[name] for name in CELLS[cell_type].states)
            kept.append({name: value[0].clone() for name, value in named.items()})
        stacked = {name: torch.stack([one[name] for one in kept]) for name in kept[0]}
        layers.append({name: value.numpy() for name, value in stacked.items()})
        x = stacked["hidden"]
    return layers, network.answer(x[None])[0].numpy()


HELD = [
    *((cell, signal) for cell in CELL_TYPES for signal in CELLS[cell].signals),
    *(("lstm", both) for both in ("cell+hidden", "cell+output_gate")),
    *((cell, "reset_gate+candidate") for cell in ("gru", "gru_textbook")),
]


@pytest.mark.parametrize("first", [0, 1, 23])
@pytest.mark.parametrize(("cell_type", "signals"), HELD)
def test_held_values_agree_with_a_plain_loop(
    made: Callable[..., Model], cell_type: str, signals: str, first: int
) -> None:
    model = made("language_model", cell_type)
    ids = _ids(model, TEXT[:60])
    untouched = _through(Reader(model.network), ids)
    for unit, layer in ((5, 0), (None, 0), (3, 1)):
        clamps = [Clamp(layer, signal, unit, 0.75 - 0.5 * i, first) for i, signal in enumerate(signals.split("+"))]
        reader = Reader(model.network, clamps)
        _through(reader, ids[:40])
        _through(reader, ids)
        layers, logits = _by_hand(model, ids, clamps)
        for at, expected in enumerate(layers):
            assert set(expected) == set(reader.signals)
            for name, values in expected.items():
                assert np.allclose(reader.signal(name, at, 0, 60), values, **CLOSE), (unit, layer, name, at)
                assert np.allclose(reader.signal(name, at, 7, 31), values[7:31], **CLOSE), (unit, layer, name, at)
                before = untouched.signal(name, at, 0, 60)
                assert np.allclose(reader.signal(name, at, 0, 60)[:first], before[:first], **CLOSE)
        assert np.allclose(reader.logits(0, 60), logits, **CLOSE)
        assert not np.allclose(reader.logits(0, 60)[first + 2 :], untouched.logits(0, 60)[first + 2 :], **CLOSE)


def test_each_of_several_values_is_held_from_its_own_time_on(made: Callable[..., Model]) -> None:
    model = made("language_model", "lstm")
    ids = _ids(model, TEXT[:80])
    clamps = [
        Clamp(1, "forget_gate", 2, 0.0, 50),
        Clamp(0, "cell", 4, 1.5, 10),
        Clamp(0, "hidden", None, 0.3, 33),
        Clamp(0, "output_gate", 4, 0.9, 33),
    ]
    reader = _through(Reader(model.network, clamps), ids)
    layers, logits = _by_hand(model, ids, clamps)
    for at, expected in enumerate(layers):
        for name, values in expected.items():
            assert np.allclose(reader.signal(name, at, 0, 80), values, **CLOSE), (name, at)
    assert np.allclose(reader.logits(0, 80), logits, **CLOSE)


def test_before_the_first_held_token_nothing_at_all_differs(made: Callable[..., Model]) -> None:
    model = made("language_model", "gru")
    ids = _ids(model, TEXT[:100])
    held = _through(Reader(model.network, [Clamp(0, "hidden", 3, 0.9, 16)]), ids)
    plain = _through(Reader(model.network), ids)
    for layer in (0, 1):
        assert np.array_equal(held.signal("hidden", layer, 0, 100)[:16], plain.signal("hidden", layer, 0, 100)[:16])
        assert not np.array_equal(held.signal("hidden", layer, 16, 18), plain.signal("hidden", layer, 16, 18))
    late = _through(Reader(model.network, [Clamp(0, "hidden", 3, 0.9, 100)]), ids)
    assert np.allclose(late.logits(0, 100), plain.logits(0, 100), **CLOSE)


def test_a_held_classifier_that_pools(made: Callable[..., Model]) -> None:
    for pooling in POOLINGS:
        model = made("classifier", "gru", pooling=pooling, pair_buckets=32, dense_size=16)
        ids, clamps = _ids(model, REVIEW), [Clamp(0, "update_gate", None, 0.1, 20)]
        reader = _through(Reader(model.network, clamps), ids)
        assert np.allclose(reader.logits(0, len(ids)), _by_hand(model, ids, clamps)[1], **CLOSE)


@pytest.mark.parametrize(
    ("clamp", "named"),
    [
        (Clamp(2, "hidden", 0, 0.0), "layer"),
        (Clamp(-1, "hidden", 0, 0.0), "layer"),
        (Clamp(0, "cell", 0, 0.0), "signal"),
        (Clamp(0, "hidden", 16, 0.0), "unit"),
        (Clamp(0, "hidden", 0, float("nan")), "value"),
        (Clamp(0, "hidden", 0, float("inf")), "value"),
    ],
)
def test_what_cannot_be_held_is_one_sentence(made: Callable[..., Model], clamp: Clamp, named: str) -> None:
    with pytest.raises(ConfigError, match=f"^{named} to hold: expected"):
        Reader(made("language_model", "gru").network, [clamp])
    with pytest.raises(ConfigError, match="both ways"):
        reader_of(made("classifier", "gru", bidirectional=True).network, [Clamp(0, "hidden", 0, 0.0)])


# --- Over the wire -------------------------------------------------------------------------------------------------

STRINGS = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=8,
)
DTYPES = ("uint8", "uint16", "uint32", "int64", "float32", "float64")
SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.dictionaries(STRINGS.filter(lambda name: name != "parts"), VALUES, max_size=4),
    st.dictionaries(STRINGS, st.tuples(st.sampled_from(DTYPES), SHAPES, st.booleans()), max_size=4),
)
def test_packed_answers_come_back(header: dict[str, Any], parts: dict[str, tuple]) -> None:
    arrays = {}
    for seed, (name, (dtype, shape, flipped)) in enumerate(parts.items()):
        array = (np.random.default_rng(seed).standard_normal(shape) * 100).astype(dtype)
        arrays[name] = array.T if flipped else array  # an array need not lie in one piece
    message = pack(header, arrays)
    found, back = unpack(message)
    assert found.pop("parts") == [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    assert found == header
    assert list(back) == list(arrays)
    at = 4 + int.from_bytes(message[:4], "little")
    for name, array in arrays.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(back[name], array)
        assert at % 8 == 0
        assert message[at : at + array.nbytes] == array.tobytes()
        at += array.nbytes + -array.nbytes % 8
    assert at == len(message)
    assert len(message) % 8 == 0


def test_numbers_that_are_not_finite_are_null_in_the_browser() -> None:
    header, _ = unpack(pack({"x": [float("nan"), {"y": float("-inf")}], "z": (1.5,)}))
    assert header == {"x": [None, {"y": None}], "z": [1.5], "parts": []}


# --- Drawing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0, 1.7])
def test_drawing_step_by_step_is_a_sample(made: Callable[..., Model], temperature: float) -> None:
    model = made("language_model", "gru")
    expected = rnnviz.sample(model, "the fox", 40, temperature, seed=7)
    reader, text = Reader(model.network), "the fox"
    for index in range(40):
        _through(reader, _ids(model, text))
        logits = reader.logits(len(text) - 1, len(text))[0]
        text += model.tokenizer.decode([draw(logits, temperature, 7, index)])
    assert text == "the fox" + expected


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(-40, 40), min_size=2, max_size=30),
    st.floats(0, 10),
    st.integers(0, 2**32 - 1),
    st.integers(0, 10**6),
)
def test_a_draw_is_a_known_token_and_at_zero_the_likeliest(
    logits: list[float], temperature: float, seed: int, index: int
) -> None:
    scores = np.array(logits, dtype=np.float32)
    scores[0] = 1000  # the unknown token would win
    assert 1 <= draw(scores, temperature, seed, index) < len(scores)
    assert draw(scores, 0, seed, index) == 1 + scores[1:].argmax()
    assert draw(scores, temperature, seed, index) == draw(scores, temperature, seed, index)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax(temperature: float) -> None:
    logits = np.array([9.0, 0.0, 1.0, 2.0, -1.0, 1.5, -6.0], dtype=np.float32)
    expected = softmax(logits[1:] / temperature)
    for drawn in (
        [draw(logits, temperature, 11, index) for index in range(4000)],
        [draw(logits, temperature, seed, 3) for seed in range(4000)],
    ):
        counts = np.bincount(drawn, minlength=len(logits))
        assert counts[0] == 0
        error = np.abs(counts[1:] - 4000 * expected) / np.sqrt(4000 * expected * (1 - expected) + 1)
        assert error.max() < 4


# --- Where words stand ---------------------------------------------------------------------------------------------


def _named(text: str, **options: object) -> list[tuple[str, str]]:
    """Each token of a text and what stands at its span."""
    tokens = WordTokenizer([], **options).tokens(text)
    return [(token, text[first:last]) for token, (first, last) in zip(tokens, spans(text, tokens), strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good, GOOD film!", [("good", "Good"), ("good", "GOOD"), ("film", "film")]),
        ("  ...so-so; (a)", [("so", "so"), ("so", "so"), ("a", "a")]),
        ("I don\u2019t like 'it'", [("i", "I"), ("don't", "don\u2019t"), ("like", "like"), ("it", "it")]),
        ("<b>Bold</b><br />film", [("bold", "Bold"), ("film", "film")]),
        ("other the others the", [("other", "other"), ("the", "the"), ("others", "others"), ("the", "the")]),
        ("a < b & c", [("a", "a"), ("b", "b"), ("c", "c")]),
        ("fish &amp; chips", [("fish", "fish"), ("chips", "chips")]),
        ("caf&eacute; noir", [("caf\u00e9", ""), ("noir", "noir")]),
        ("fun \U0001f600\U0001f600 film", [("fun", "fun"), *[("\U0001f600", "\U0001f600")] * 2, ("film", "film")]),
        (
            "\u05e1\u05e8\u05d8 \u05e0\u05d4\u05d3\u05e8",
            [("\u05e1\u05e8\u05d8",) * 2, ("\u05e0\u05d4\u05d3\u05e8",) * 2],
        ),
        (
            "\u0130stanbul the \u00c9T\u00c9",
            [("i\u0307stanbul", ""), ("the", "the"), ("\u00e9t\u00e9", "\u00c9T\u00c9")],
        ),
    ],
)
def test_words_are_found_where_they_were_typed(text: str, expected: list[tuple[str, str]]) -> None:
    assert _named(text) == expected


def test_repeated_words_stand_in_turn_and_not_inside_others() -> None:
    text = "there the other the theatre the"
    assert spans(text, ["the", "the", "the"]) == [(6, 9), (16, 19), (28, 31)]


def test_characters_and_runs_of_words() -> None:
    assert _named("A b!", split="character", standardize="lower") == [("a", "A"), (" ", " "), ("b", "b"), ("!", "!")]
    assert spans("good, film", ["good", "film", "good film"]) == [(0, 4), (6, 10), (10, 10)]
    assert spans("a", ["", "a"]) == [(0, 0), (0, 1)]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.text(st.characters() | st.sampled_from("  ..,'<>/bi&;aAtT\u0130\u03a3\u2019"), min_size=1, max_size=60),
    st.sampled_from([{}, {"split": "character"}, {"standardize": None}, {"standardize": "lower"}, {"ngrams": 2}]),
)
def test_spans_are_ordered_and_within_the_text(text: str, options: dict[str, object]) -> None:
    try:
        tokens = WordTokenizer([], **options).tokens(text)
    except rnnviz.RnnvizError:
        return
    found = spans(text, tokens)
    assert len(found) == len(tokens)
    at = 0
    for first, last in found:
        assert at <= first <= last <= len(text)
        at = last
    for token, (first, last) in zip(tokens, found, strict=True):
        assert last - first in (0, len(token))


# --- A session's answers -------------------------------------------------------------------------------------------

SHELF = {
    "tiny-lm": ("language_model", "lstm", {"learned_initial_state": True}),
    "tiny-gru": ("language_model", "gru", {}),
    "tiny-rnn": ("language_model", "rnn_relu", {}),
    "tiny-residual": ("language_model", "residual", {}),
    "words": ("classifier", "lstm", {"pooling": "all", "num_layers": 2, "pair_buckets": 32}),
    "both": ("classifier", "gru", {"bidirectional": True}),
}
FORWARD = [name for name in SHELF if name != "both"]
KINDS_IN_BROWSER = {"uint8", "uint16", "uint32", "float32"}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Model]]:
    """The only models there are, by name."""
    folder = tmp_path_factory.mktemp("shelf")
    torch.manual_seed(2)
    for name, (kind, cell_type, shape) in SHELF.items():
        KINDS[kind](folder / name, cell_type, **shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "SHIPPED", folder)
        patch.setenv("RNNVIZ_MODELS", str(folder / "none"))
        yield {name: checkpoints.shared(name) for name in SHELF}


def _ask(session: LiveSession, ask: str, model: str, text: str = "", **more: object) -> list[tuple[dict, dict]]:
    """A request as a browser makes it, and what came back, taken apart."""
    request = {"seq": 5, "ask": ask, "model": model, "layer": 0, "signal": "hidden", "text": text, **more}
    answers = [unpack(message) for message in session.answer(json.loads(json.dumps(request)))]
    for header, arrays in answers:
        assert (header["seq"], header["ask"]) == (5, ask)
        assert {array.dtype.name for array in arrays.values()} <= KINDS_IN_BROWSER
    return answers


def _one(session: LiveSession, ask: str, model: str, text: str = "", **more: object) -> tuple[dict, dict]:
    (answer,) = _ask(session, ask, model, text, **more)
    assert "error" not in answer[0], answer[0]
    return answer


def _seen(session: LiveSession, model: str, text: str, **more: object) -> dict[str, np.ndarray]:
    """All columns of a text in one piece: of a text that was read already."""
    _ask(session, "read", model, text, **more)
    return _one(session, "read", model, text, **more)[1]


def _error(session: LiveSession, ask: str, model: str, text: str = "", **more: object) -> str:
    ((header, arrays),) = _ask(session, ask, model, text, **more)
    assert not arrays
    return header["error"]


def _long(model: Model) -> str:
    return {"language_model": TEXT[:30] if model.config.cell_type == "residual" else TEXT}.get(
        model.config.task, REVIEW
    )


@pytest.mark.parametrize("name", SHELF)
def test_model(shelf: dict[str, Model], name: str) -> None:
    header, arrays = _one(LiveSession(), "model", name)
    model = shelf[name]
    recording = rnnviz.record(model, "the fox")
    assert not arrays
    assert (header["model"], header["task"], header["cell_type"]) == (name, model.config.task, model.config.cell_type)
    assert (header["layers"], header["units"]) == (recording.num_layers, recording.hidden_size)
    assert {one["name"] for one in header["signals"]} == set(recording.signals)
    for one in header["signals"]:
        scale = scale_of(one["name"], model.config.cell_type)
        assert (one["low"], one["high"], one["squashed"]) == (scale.low, scale.high, scale.squashed)
    assert len(header["outputs"]) == recording.logits.shape[1]
    assert header["characters"] == (model.config.task == "language_model")
    assert header["bidirectional"] == (name == "both")


def _check_columns(found: dict[str, np.ndarray], model: Model, text: str, signal: str, layer: int) -> None:
    """The columns of a whole text are those that its recording gives."""
    recording = rnnviz.record(model, text)
    shades = scale_of(signal, model.config.cell_type).shade(recording.signals[signal][:, layer]).astype(int)
    off = np.abs(found["shades"] - shades)
    assert found["shades"].shape == shades.shape
    assert off.max() <= 1  # a value on the border of two shades may fall on either side
    assert off.mean() < 0.01
    chances = recording.probabilities()
    assert found["guesses"].shape == (len(recording.tokens), min(GUESSES, chances.shape[1]))
    assert np.allclose(found["chances"], np.take_along_axis(chances, found["guesses"].astype(int), axis=1), atol=1e-5)
    assert np.allclose(found["chances"], -np.sort(-chances, axis=1)[:, :GUESSES], atol=1e-5)
    assert (np.diff(found["chances"]) <= 0).all()
    ids = _ids(model, text)
    assert np.array_equal(found["unknown"], ids == (0 if model.config.task == "language_model" else 1))
    if model.config.task == "language_model":
        assert np.isnan(found["bits"][0])
        assert np.allclose(found["bits"][1:], -np.log2(chances[np.arange(len(ids) - 1), ids[1:]]), atol=1e-4)
    else:
        assert "bits" not in found


def _columns(answers: list[tuple[dict, dict]], have: int, total: int) -> list[dict[str, np.ndarray]]:
    """The columns of a reading's chunks, whose headers hang together."""
    at = have
    for header, arrays in answers:
        assert "error" not in header, header
        assert (header["base"], header["total"]) == (at, total)
        sizes = {len(array) for array in arrays.values()} or {0}
        assert len(sizes) == 1
        at += sizes.pop()
        assert header["done"] == (at == total)
    assert answers[-1][0]["done"]
    return [arrays for _, arrays in answers if arrays]


@pytest.mark.parametrize("have", [0, 1, 15, 16, 17, 29, 80, 300, 10**3])
@pytest.mark.parametrize("name", SHELF)
def test_chunks_of_a_reading_make_the_whole_whatever_one_has(shelf: dict[str, Model], name: str, have: int) -> None:
    model, text = shelf[name], _long(shelf[name])
    total, layer = len(_ids(model, text)), model.config.num_layers - 1
    signal = "candidate" if "candidate" in model.network.cell.signals else "hidden"
    whole = _seen(LiveSession(), model.name, text, signal=signal, layer=layer)
    _check_columns(whole, model, text, signal, layer)
    answers = _ask(LiveSession(), "read", model.name, text, signal=signal, layer=layer, have=have)
    have = 0 if name == "both" else min(have, total)  # read both ways, every column changes with every edit
    parts = _columns(answers, have, total)
    assert sum(len(part["shades"]) for part in parts) == total - have
    assert name == "both" or have > 0 or len(parts) > 1
    for key, values in whole.items() if parts else ():
        joined = np.concatenate([values[:have], *(part[key] for part in parts)])
        assert joined.dtype == values.dtype
        if values.dtype == np.float32:
            assert np.allclose(joined, values, atol=1e-4, equal_nan=True), key
        elif key == "shades":
            assert np.abs(joined.astype(int) - values).max() <= 1
        elif key != "guesses":  # of two alike either may come first
            assert np.array_equal(joined, values), key
    words = [header for header, _ in answers if "tokens" in header]
    if model.config.task == "language_model":
        assert not words
    else:
        assert words == [answers[0][0]]
        tokens = read(model.tokenizer, text)[1]
        assert words[0]["tokens"] == tokens
        assert [tuple(span) for span in words[0]["spans"]] == spans(text, tokens)


def test_every_signal_is_shaded_on_its_own_scale(shelf: dict[str, Model]) -> None:
    session = LiveSession()
    for name in SHELF:
        for signal in rnnviz.record(shelf[name], "the fox").signals:
            arrays = _seen(session, name, "the lazy film", signal=signal)
            _check_columns(arrays, shelf[name], "the lazy film", signal, 0)


def test_typing_sends_only_the_new_column(shelf: dict[str, Model]) -> None:
    session, text = LiveSession(), "the quick fox jumps over"
    _ask(session, "read", "tiny-lm", text)
    header, arrays = _one(session, "read", "tiny-lm", text + "\u05d0", have=len(text))
    assert (header["base"], header["total"], header["done"]) == (len(text), len(text) + 1, True)
    assert {len(array) for array in arrays.values()} == {1}
    assert arrays["unknown"].tolist() == [1]
    header, arrays = _one(session, "read", "tiny-lm", text, have=len(text))
    assert (header["base"], header["done"], arrays) == (len(text), True, {})


def test_only_the_longest_part_is_read(shelf: dict[str, Model]) -> None:
    text = "ab" * (LONGEST_TEXT // 2)
    answers = _ask(LiveSession(), "read", "tiny-rnn", text)
    assert answers[-1][0]["total"] == LONGEST
    header, _ = _ask(LiveSession(), "read", "words", "a " * (LONGEST_TEXT // 2))[0]
    assert (header["total"], len(header["tokens"])) == (LONGEST, LONGEST)
    asked = Asked({"ask": "npz", "model": "words", "text": "Good, film " * 1500})
    assert read(asked.model.tokenizer, asked.read_text)[1] == asked.tokens
    assert len(asked.tokens) == LONGEST


@pytest.mark.parametrize("temperature", [0, 0.7])
def test_a_sample_is_drawn_one_character_a_reading(shelf: dict[str, Model], temperature: float) -> None:
    session, text = LiveSession(), "the fox"
    expected = rnnviz.sample(shelf["tiny-lm"], text, 12, temperature, seed=3)
    for index in range(12):
        wish = {"time": len(text), "seed": 3, "index": index, "temperature": temperature}
        header, _ = _one(session, "read", "tiny-lm", text, have=len(text), draw=wish)
        text += header["drawn"]
    assert text == "the fox" + expected
    wish = {"time": 7, "seed": 3, "index": 0, "temperature": temperature}
    assert _one(session, "read", "tiny-lm", text, have=len(text), draw=wish)[0]["drawn"] == expected[0]


def test_a_draw_that_cannot_be_is_refused_before_anything_is_read(shelf: dict[str, Model]) -> None:
    wish = {"time": 1, "seed": 0, "index": 0, "temperature": 1}
    assert "classifier" in _error(LiveSession(), "read", "words", REVIEW, draw=wish)
    assert _error(LiveSession(), "read", "tiny-lm", TEXT, draw={**wish, "time": 0}).startswith("time: expected")
    assert _error(LiveSession(), "read", "tiny-lm", TEXT, draw={**wish, "seed": 2**32}).startswith("seed: expected")
    assert "object" in _error(LiveSession(), "read", "tiny-lm", TEXT, draw=True)


@pytest.mark.parametrize("name", SHELF)
def test_column(shelf: dict[str, Model], name: str) -> None:
    model, session, text = shelf[name], LiveSession(), _long(shelf[name])
    recording = rnnviz.record(model, text)
    for signal, values in recording.signals.items():
        for time in (0, 1, 20, len(values) - 1):
            header, arrays = _one(
                session, "column", name, text, signal=signal, layer=model.config.num_layers - 1, time=time
            )
            assert header["time"] == time
            assert np.allclose(arrays["values"], values[time, -1], **CLOSE)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("signal", ["hidden", "cell", "forget_gate"])
def test_order(shelf: dict[str, Model], order: str, signal: str) -> None:
    header, arrays = _one(LiveSession(), "order", "tiny-lm", TEXT, signal=signal, order=order, first=40, last=90)
    scale = scale_of(signal, "lstm")
    reader = _through(Reader(shelf["tiny-lm"].network), _ids(shelf["tiny-lm"], TEXT))
    values = reader.signal(signal, 0, 0, len(TEXT))
    values = np.tanh(values) if signal == "cell" else values
    stretch = (values, 40, 90, scale.low, scale.high)
    expected = {
        "index": np.arange(16),
        "similarity": order_by_similarity(values),
        "movement": rank_by_movement(values),
        "persistence": rank_by_persistence(values),
        "throughout": on_throughout(*stretch).units,
        "edges": switch_at_edges(*stretch).units,
    }[order]
    assert header["order"] == order
    assert np.array_equal(arrays["units"], expected)


def test_selection(shelf: dict[str, Model]) -> None:
    header, _ = _one(LiveSession(), "selection", "tiny-lm", TEXT, signal="cell", layer=1, first=10, last=30)
    values = np.tanh(rnnviz.record(shelf["tiny-lm"], TEXT).signals["cell"][:, 1])
    assert (header["first"], header["last"]) == (10, 30)
    for name, rank in (("throughout", on_throughout), ("edges", switch_at_edges)):
        match = rank(values, 10, 30, -1.0, 1.0)
        assert np.allclose([one["score"] for one in header[name]], match.score[:12], atol=1e-5)
        best = dict(zip(match.units.tolist(), zip(match.score, match.side, strict=True), strict=True))
        for one in header[name]:
            score, side = best[one["unit"]]
            assert one["score"] == pytest.approx(score, abs=1e-5)
            assert one["side"] == side


@pytest.mark.parametrize("name", FORWARD)
@pytest.mark.parametrize("time", [0, 7])
def test_arithmetic(shelf: dict[str, Model], name: str, time: int) -> None:
    model = shelf[name]
    recording = rnnviz.record(model, "the film was very good")
    if time >= len(recording.tokens):
        time = 4
    header, _ = _one(LiveSession(), "arithmetic", name, "the film was very good", layer=1, unit=9, time=time)
    assert (header["time"], header["unit"], header["layer"]) == (time, 9, 1)
    for state, value in header["result"]["after"].items():
        assert value == pytest.approx(recording.signals[state][time, 1, 9], abs=1e-5)
    for gate in header["result"]["gates"]:
        assert gate["value"] == pytest.approx(recording.signals[gate["name"]][time, 1, 9], abs=1e-5)
    assert f"time = {time}" in header["lines"] or str(time) in header["lines"]
    ast.parse(header["lines"])


def test_arithmetic_is_for_the_model_itself(shelf: dict[str, Model]) -> None:
    assert "both ways" in _error(LiveSession(), "arithmetic", "both", "good", unit=0, time=0)
    assert "twin" in _error(LiveSession(), "arithmetic", "tiny-lm", "good", unit=0, time=0, variant="twin")


def test_saturation(shelf: dict[str, Model]) -> None:
    for name in ("tiny-lm", "both"):
        text = _long(shelf[name])
        header, arrays = _one(LiveSession(), "saturation", name, text, layer=0)
        expected = saturation(rnnviz.record(shelf[name], text).signals)
        assert tuple(header["gates"]) == expected.gates
        assert header["time"] == len(_ids(shelf[name], text))
        assert np.allclose(arrays["left"], expected.left[:, 0], atol=1e-6)
        assert np.allclose(arrays["right"], expected.right[:, 0], atol=1e-6)


@pytest.mark.parametrize("name", ["tiny-rnn", "tiny-residual"])
def test_a_cell_without_gates_has_no_saturation(shelf: dict[str, Model], name: str) -> None:
    assert "gate" in _error(LiveSession(), "saturation", name, "the fox")


@pytest.mark.parametrize("name", ["tiny-lm", "words"])
def test_experiment(shelf: dict[str, Model], name: str) -> None:
    model, text = shelf[name], "the film was very good"
    clamp = {"layer": 1, "signal": "cell", "unit": 3, "value": 2, "first": 2}
    header, _ = _one(LiveSession(), "experiment", name, text, clamps=[clamp], seed=4, temperature=0.9)
    expected = compare(model, _ids(model, text), Clamp(**clamp), seed=4, temperature=0.9)
    assert (header["clamp"], header["time"]) == (clamp, len(_ids(model, text)))
    assert [row["unit"] for row in header["rows"]] == [outcome.unit for outcome in expected]
    assert header["rows"][1]["unit"] == 3
    names = model.tokenizer.vocabulary if name == "tiny-lm" else ("negative", "positive")
    for row, outcome in zip(header["rows"], expected, strict=True):
        assert row["sample"] == outcome.sample
        assert row["bits"] == (pytest.approx(outcome.bits_per_token) if name == "tiny-lm" else None)
        best = np.argsort(-outcome.probabilities, kind="stable")[:GUESSES]
        assert [guess for guess, _ in row["guesses"]] == [names[i] for i in best]
        assert np.allclose([chance for _, chance in row["guesses"]], outcome.probabilities[best])


def test_an_experiment_holds_one_unit(shelf: dict[str, Model]) -> None:
    clamp = {"layer": 0, "signal": "hidden", "unit": 3, "value": 0}
    assert _error(LiveSession(), "experiment", "tiny-lm", "the", clamps=[]).startswith("clamps")
    assert _error(LiveSession(), "experiment", "tiny-lm", "the", clamps=[clamp, clamp]).startswith("clamps")
    assert "both ways" in _error(LiveSession(), "experiment", "both", "good", clamps=[clamp])


@pytest.mark.parametrize(
    "text",
    [TEXT[:50], 'a,"b"\r\n\tc;\x00 NA nan =1 \U0001f600 \u2028\\', "a \ud800 b"],
    ids=["plain", "odd", "surrogate"],
)
@pytest.mark.parametrize("name", ["tiny-lm", "words"])
def test_csv_holds_exact_values(shelf: dict[str, Model], name: str, text: str) -> None:
    session, (ids, tokens) = LiveSession(), read(shelf[name].tokenizer, text)
    first, last = 1, len(ids)
    _, arrays = _one(session, "csv", name, text, signal="cell", layer=1, first=first, last=last, units=[3, 0, 11])
    content = arrays["file"].tobytes()
    frame = pd.read_csv(io.BytesIO(content), keep_default_na=False, dtype={"token": str})
    assert list(frame.columns) == ["time", "token", "unit_3", "unit_0", "unit_11"]
    assert frame["time"].tolist() == list(range(first, last))
    assert frame["token"].tolist() == [t.encode("utf-8", "backslashreplace").decode() for t in tokens[first:]]
    exact = _through(Reader(shelf[name].network), ids).signal("cell", 1, first, last)
    assert np.array_equal(frame.iloc[:, 2:].to_numpy().astype(np.float32), exact[:, [3, 0, 11]])
    _, arrays = _one(session, "csv", name, text, first=0, last=1)
    assert pd.read_csv(io.BytesIO(arrays["file"].tobytes())).shape == (1, 2 + 16)


@pytest.mark.parametrize("name", SHELF)
def test_npz_is_the_recording(shelf: dict[str, Model], name: str) -> None:
    text = _long(shelf[name]) + "\U0001f600\ud800"
    _, arrays = _one(LiveSession(), "npz", name, text)
    found, expected = Recording.load(io.BytesIO(arrays["file"].tobytes())), rnnviz.record(shelf[name], text)
    assert (found.model_id, found.cell_type, found.tokens) == (name, expected.cell_type, expected.tokens)
    assert set(found.signals) == set(expected.signals)
    assert all(np.allclose(found.signals[key], values, **CLOSE) for key, values in expected.signals.items())
    assert np.allclose(found.logits, expected.logits, **CLOSE)
    _, arrays = _one(LiveSession(), "npz", name, text, variant="twin")
    assert Recording.load(io.BytesIO(arrays["file"].tobytes())).model_id == f"{name} (twin)"


SCRIPTED = 'the "fox" \\n \'\'\' """ {text} \U0001f600\n\ud800'


def test_script_holds_what_was_seen(shelf: dict[str, Model]) -> None:
    ask = {"signal": "cell", "layer": 1, "unit": 3}
    _, arrays = _one(LiveSession(), "script", "tiny-lm", SCRIPTED, **ask)
    tree = ast.parse(arrays["file"].tobytes().decode())
    constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert {"tiny-lm", SCRIPTED, "cell", 1, 3} <= constants
    assert "twin" in _error(LiveSession(), "script", "tiny-lm", "the", unit=3, variant="twin")


def test_script_runs(
    shelf: dict[str, Model], tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not hasattr(rnnviz, "show"):
        pytest.skip("rnnviz.show is not there yet")
    monkeypatch.chdir(tmp_path)
    _, arrays = _one(LiveSession(), "script", "tiny-lm", "the fox", signal="cell", layer=1, unit=3)
    exec(compile(arrays["file"].tobytes(), "script.py", "exec"), {"__name__": "__main__"})
    assert (tmp_path / "picture.html").stat().st_size > 1000
    values = rnnviz.record(shelf["tiny-lm"], "the fox").signals["cell"][:, 1, 3]
    printed = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()]
    assert np.allclose(printed, values, atol=1e-5)


# --- What a session keeps, and its variants ------------------------------------------------------------------------


def test_a_session_keeps_three_readers_and_forgets_them(
    shelf: dict[str, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    made_for = []

    def spied(network: object, clamps: object = ()) -> object:
        made_for.append(clamps)
        return reader_of(network, clamps)

    monkeypatch.setattr(live, "reader_of", spied)
    session = LiveSession()
    clamps = [{"layer": 0, "signal": "hidden", "unit": 1, "value": 0.5}]
    wishes = [{}, {"variant": "twin"}, {"variant": "clamped", "clamps": clamps}]
    for wish in wishes * 2:
        _ask(session, "read", "tiny-lm", "the fox", **wish)
    assert len(made_for) == 3
    for wish in [wishes[0], {"variant": "clamped", "clamps": clamps * 2}, wishes[0], wishes[2]]:
        _ask(session, "read", "tiny-lm", "the fox", **wish)
        assert len(session._readers) == 3
    assert len(made_for) == 4  # the twin, least recently used, gave way
    _ask(session, "read", "tiny-lm", "the fox", **wishes[1])
    assert len(made_for) == 5
    session.forget()
    assert not session._readers
    answers = _ask(session, "read", "tiny-lm", "the fox", have=7)
    assert answers[-1][0]["done"]
    assert len(made_for) == 6


def test_a_model_trained_anew_is_read_anew(shelf: dict[str, Model], monkeypatch: pytest.MonkeyPatch) -> None:
    now, looked_up = [100.0], []

    def spied(name: str) -> Model:
        looked_up.append(name)
        return listed_model(name)

    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(live, "listed_model", spied)
    folder = checkpoints.SHIPPED / "changing"
    session, text = LiveSession(), "the fox"
    try:
        for seed in (3, 4):
            torch.manual_seed(seed)
            model = tiny_language_model(folder, "gru")
            _check_columns(_seen(session, "changing", text), model, text, "hidden", 0)
            assert len(looked_up) == seed - 2  # once a second at the most
            now[0] += 1.1
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def test_the_twin_has_the_same_shape_and_other_weights_each_time_alike(shelf: dict[str, Model]) -> None:
    model = shelf["tiny-lm"]
    random_state = torch.get_rng_state()
    first = twin(model.config)
    assert torch.equal(torch.get_rng_state(), random_state)
    twin.cache_clear()
    torch.manual_seed(99)
    again = twin(model.config)
    assert again is not first
    assert not again.training
    for name, value in model.network.state_dict().items():
        other = first.state_dict()[name]
        assert other.shape == value.shape
        assert torch.equal(other, again.state_dict()[name])
        assert name == "initial_state" or not torch.equal(other, value), name
    assert not any(parameter.requires_grad for parameter in again.parameters())
    arrays = _seen(LiveSession(), "tiny-lm", "the fox", variant="twin", signal="cell")
    _check_columns(arrays, replace(model, network=again), "the fox", "cell", 0)


def test_the_clamped_model_is_read_with_values_held(shelf: dict[str, Model]) -> None:
    clamp = {"layer": 0, "signal": "hidden", "unit": 2, "value": 1, "first": 4}
    wish = {"variant": "clamped", "clamps": [clamp, {**clamp, "layer": 1, "unit": None, "first": 6}]}
    clamps = [Clamp(0, "hidden", 2, 1.0, 4), Clamp(1, "hidden", None, 1.0, 6)]
    session, model = LiveSession(), shelf["tiny-gru"]
    layers, logits = _by_hand(model, _ids(model, TEXT[:40]), clamps)
    for layer in (0, 1):
        arrays = _seen(session, "tiny-gru", TEXT[:40], layer=layer, **wish)
        shades = scale_of("hidden", "gru").shade(layers[layer]["hidden"]).astype(int)
        assert np.abs(arrays["shades"] - shades).max() <= 1
        assert np.allclose(arrays["chances"], -np.sort(-softmax(logits), axis=1)[:, :GUESSES], atol=1e-5)
    assert "both ways" in _error(session, "read", "both", "good", variant="clamped", clamps=[clamp])


# --- Requests that cannot be answered ------------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "seq": 1,
    "model": "tiny-lm",
    "variant": "model",
    "text": "the quick brown fox jumps over",
    "signal": "hidden",
    "layer": 0,
    "unit": 1,
    "time": 2,
    "first": 1,
    "last": 5,
    "order": "similarity",
    "have": 0,
    "clamps": [{"layer": 0, "signal": "hidden", "unit": 1, "value": 0.5, "first": 1}],
    "units": [1, 2],
    "seed": 1,
    "temperature": 0.7,
    "draw": {"time": 3, "seed": 0, "index": 0, "temperature": 1},
}
ASKS = tuple(LiveSession._ASKS)
FIELDS = tuple(name for name in GOOD if name != "seq")
ODD = (
    st.sampled_from([float("nan"), float("inf"), -1, 0, 2**31, 10**400, -(10**400), True, False, 1.0, "1", "", [], {}])
    | st.sampled_from(["tiny-rnn", "both", "words", "twin", "clamped", "cell", "candidate", "edges", "../x", "... !!"])
    | VALUES
)
CLAMPED = st.dictionaries(st.sampled_from(["layer", "signal", "unit", "value", "first"]), ODD, max_size=2).map(
    lambda wrong: [{**GOOD["clamps"][0], **wrong}]
)
DRAWN = st.dictionaries(st.sampled_from(["time", "seed", "index", "temperature"]), ODD, max_size=2).map(
    lambda wrong: {**GOOD["draw"], **wrong}
)
WRONG = st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=3) | st.fixed_dictionaries(
    {}, optional={"clamps": CLAMPED, "draw": DRAWN, "variant": st.just("clamped")}
)


def _is_sentence(error: object) -> None:
    assert isinstance(error, str)
    assert error.endswith(".")
    assert "\n" not in error
    assert "Traceback" not in error
    assert 10 < len(error) < 400


@pytest.mark.parametrize("ask", ASKS)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(wrong=WRONG, gone=st.sets(st.sampled_from(FIELDS), max_size=2))
def test_any_request_gets_an_answer_or_one_sentence(
    shelf: dict[str, Model], ask: str, wrong: dict[str, Any], gone: set[str]
) -> None:
    request = {"ask": ask, **{key: value for key, value in (GOOD | wrong).items() if key not in gone}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "compare", lambda *args, **options: compare(*args, **options, others=1, length=2))
        headers = [unpack(message)[0] for message in LiveSession().answer(request)]
    assert headers
    errors = [header["error"] for header in headers if "error" in header]
    if errors:
        assert len(headers) == 1
        _is_sentence(errors[0])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(VALUES)
def test_anything_that_is_no_request_gets_one_sentence(shelf: dict[str, Model], request: object) -> None:
    ((header, arrays),) = (unpack(message) for message in LiveSession().answer(request))
    _is_sentence(header["error"])
    assert not arrays


def test_answers_repeat_only_what_is_plain(shelf: dict[str, Model]) -> None:
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    for seq in (deep, {"a": 1}, float("nan"), 1.5):
        ((header, _),) = (unpack(m) for m in LiveSession().answer({"ask": "model", "model": "tiny-lm", "seq": seq}))
        assert "seq" not in header
    for seq in (0, 7, "a", None):
        ((header, _),) = (unpack(m) for m in LiveSession().answer({"ask": "model", "model": "tiny-lm", "seq": seq}))
        assert header["seq"] == seq


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ask": "everything"}, "^ask: expected one of model, read, "),
        ({"ask": None}, "^ask: expected"),
        ({"ask": "x" * 10**5}, "^ask: expected"),
        ({"model": "none-such"}, "^model: there is none called 'none-such'"),
        ({"model": "../x"}, "^model: there is none"),
        ({"model": "./tiny-lm"}, "^model: there is none"),
        ({"model": "tiny-lm/../tiny-lm"}, "^model: there is none"),
        ({"model": ""}, "^model: there is none"),
        ({"model": 0}, "^model: expected the name"),
        ({"model": ["tiny-lm"]}, "^model: expected the name"),
        ({"model": "a\x00b"}, "^model: there is none"),
        ({"text": ""}, "empty"),
        ({"text": None}, "^text: expected a string"),
        ({"text": "a" * (LONGEST_TEXT + 1)}, "20,001 characters; at most 20,000"),
        ({"model": "words", "text": "... !!"}, "no word"),
        ({"model": "words", "text": " \n"}, "no word"),
        ({"layer": True}, "^layer: expected a whole number from 0 to 1, got 'True'"),
        ({"layer": 1.0}, "^layer: expected a whole number"),
        ({"layer": 2}, "^layer: expected a whole number from 0 to 1, got '2'"),
        ({"signal": "cell_backward"}, "^signal: expected one of hidden, cell"),
        ({"variant": "other"}, "^variant: expected one of model, twin, clamped"),
        ({"have": float("nan")}, "^have: expected"),
        ({"ask": "column", "time": len(GOOD["text"])}, "^time: expected a whole number from 0 to 29"),
        ({"ask": "selection", "first": 5, "last": 5}, "^last: expected a whole number from 6 to 30"),
        ({"ask": "csv", "units": [16]}, "^units: expected"),
        ({"ask": "csv", "units": [True]}, "^units: expected"),
        ({"ask": "experiment", "temperature": float("nan")}, "^temperature: expected a number from 0 to 10"),
        ({"ask": "experiment", "temperature": 10**400}, "^temperature: expected a number from 0 to 10"),
        ({"variant": "clamped", "clamps": GOOD["clamps"] * 9}, "^clamps: expected a list of at most 8"),
        ({"variant": "clamped", "clamps": [7]}, "must be a JSON object"),
    ],
)
def test_what_was_wrong_is_said(shelf: dict[str, Model], wrong: dict[str, Any], message: str) -> None:
    request = {"ask": "read", **GOOD, **wrong}
    ((header, _),) = (unpack(answer) for answer in LiveSession().answer(request))
    _is_sentence(header["error"])
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(header["error"])


def test_a_path_is_no_name_even_of_a_model(shelf: dict[str, Model]) -> None:
    assert "there is none" in _error(LiveSession(), "model", str(checkpoints.SHIPPED / "tiny-lm"))


def test_a_damaged_model_is_one_sentence(shelf: dict[str, Model]) -> None:
    folder = checkpoints.SHIPPED / "damaged"
    folder.mkdir()
    try:
        (folder / checkpoints.WEIGHTS).write_bytes(b"nonsense")
        _is_sentence(_error(LiveSession(), "read", "damaged", "the fox"))
    finally:
        (folder / checkpoints.WEIGHTS).unlink()
        folder.rmdir()


@pytest.mark.parametrize("name", FORWARD)
def test_readers_stepped_together_are_as_each_alone(shelf: dict[str, Model], name: str) -> None:
    network, rng = shelf[name].network, np.random.default_rng(0)
    texts = [rng.integers(1, network.config.vocab_size, size) for size in (0, 1, 7, 30)]
    readers = [_through(Reader(network), ids) for ids in texts]
    extra = [rng.integers(1, network.config.vocab_size, size) for size in (2, 1, 3, 4)]
    grown = [np.concatenate(pair) for pair in zip(texts, extra, strict=True)]
    step_together(list(zip(readers, grown, strict=True)))
    for reader, ids in zip(readers, grown, strict=True):
        alone = _through(Reader(network), ids)
        assert np.array_equal(reader.ids, ids)
        for signal, layer in product(reader.signals, range(network.config.num_layers)):
            ours, theirs = (one.signal(signal, layer, 0, len(ids)) for one in (reader, alone))
            np.testing.assert_allclose(ours, theirs, atol=1e-5, err_msg=signal)


def test_answers_begun_together_are_each_sessions_own(shelf: dict[str, Model]) -> None:
    view = {"ask": "read", "signal": "hidden", "layer": 0, "model": FORWARD[0]}
    texts = [f"text {i} of the five " * (i + 1) for i in range(5)]
    sessions = [LiveSession() for _ in texts]
    for session, text in zip(sessions, texts, strict=True):
        list(session.answer({**view, "text": text}))
    requests = [{**view, "seq": i, "text": f"{text}ab", "have": len(text)} for i, text in enumerate(texts)]
    requests[3]["layer"] = 99
    requests[4] |= {"text": "something else altogether", "have": 0}
    with patch.object(together, "step_together", side_effect=step_together) as stepped:
        begun = begin_together(list(zip(sessions, requests, strict=True)))
    assert [len(reader.ids) for reader, _ in stepped.call_args.args[0]] == [len(text) + 2 for text in texts[:4]]
    for (answers, first), request in zip(begun, requests, strict=True):
        assert (first == LATER) == (request["seq"] == 4)
        messages = [unpack(message) for message in (first, *answers) if message != LATER]
        expected = [unpack(message) for message in LiveSession().answer(request)]
        assert messages[-1][0]["seq"] == request["seq"]
        if "error" in expected[0][0]:
            assert messages == expected
            continue
        shades, own = (
            np.concatenate([arrays["shades"] for _, arrays in answer if arrays]) for answer in (messages, expected)
        )
        assert shades.shape == own.shape
        assert np.abs(shades.astype(int) - own.astype(int)).max() <= 1


def test_one_persons_trouble_is_not_the_others(shelf: dict[str, Model]) -> None:
    request = {"ask": "read", "signal": "hidden", "layer": 0, "model": FORWARD[0], "text": "abc"}
    bad = LiveSession()
    with patch.object(bad, "answer", side_effect=lambda request: (1 / 0 for _ in "x")):
        (_, trouble), (_, fine) = begin_together([(bad, request), (LiveSession(), request)])
    assert isinstance(trouble, ZeroDivisionError)
    assert unpack(fine)[0]["done"]


def test_words_are_found_neither_in_tags_nor_inside_other_words() -> None:
    assert spans("<i>I like it</i> i", ["i", "like", "it", "i"]) == [(3, 4), (5, 9), (10, 12), (17, 18)]
    assert spans("fun\U0001f600\U0001f600 film", ["fun", "\U0001f600", "\U0001f600", "film"]) == [
        (0, 3), (3, 4), (4, 5), (6, 10),
    ]  # fmt: skip
    assert spans("theatre the", ["the"]) == [(8, 11)]

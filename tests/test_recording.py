"""Recordings against a naive float64 loop; predictions, samples, files."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnviz
from rnnviz.cells import Weights
from rnnviz.checkpoints import Model
from rnnviz.config import CELL_TYPES
from rnnviz.errors import ConfigError, SaveError, TextError
from rnnviz.record import LOOP_FROM_BATCH
from rnnviz.recording import Recording, likeliest
from tests.conftest import STRANGE_TEXTS, tiny_classifier, tiny_language_model

TEXT = "the lazy dog jumps over the quick fox. " * 9


def _naive(model: Model, text: str) -> dict[str, np.ndarray]:
    """Every signal by a plain loop in float64, one step and one layer at a time."""
    network = copy.deepcopy(model.network).double()
    x = network.embed(torch.from_numpy(model.tokenizer.encode(text)))
    layers = []
    for layer in range(model.config.num_layers):
        weights = Weights.of(network.recurrent[layer]["d"])
        state, kept = network.start(1, layer), []
        for x_t in x:
            state, gates = network.cell.step(weights.project(x_t), state, weights)
            named = {**gates, **dict(zip(network.cell.states, state, strict=True))}
            kept.append({name: value.reshape(-1) for name, value in named.items()})
        layers.append({name: torch.stack([step[name] for step in kept]) for name in kept[0]})
        x = layers[-1]["hidden"]
    return {name: torch.stack([layer[name] for layer in layers], dim=1).numpy() for name in layers[0]}


def _check(recording: Recording, exact: dict[str, np.ndarray]) -> None:
    assert set(recording.signals) == set(exact)
    for name, values in recording.signals.items():
        assert values.dtype == np.float32
        error = np.abs(values - exact[name]) / (1 + np.abs(exact[name]))
        assert error.max() < 1e-5, name


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_recording_agrees_with_a_float64_loop(cell_type: str, tmp_path: Path) -> None:
    model = tiny_language_model(tmp_path / "m", cell_type, learned_initial_state=True)
    model.network.initial_state.data.normal_()
    # A residual state is a running sum of what rounding does to it: with random weights two float32 orders part ways.
    text = TEXT[:30] if cell_type == "residual" else TEXT
    exact = _naive(model, text)
    _check(rnnviz.record(model, text), exact)
    many = rnnviz.record_batch(model, [text] * LOOP_FROM_BATCH + ["the fox"])
    _check(many[0], exact)
    _check(many[-1], _naive(model, "the fox"))
    logits = model.network(torch.from_numpy(model.tokenizer.encode(text))[None]).logits[0].numpy()
    assert np.abs(rnnviz.record(model, text).logits - logits).max() < 1e-3


def test_lstm_signals_agree_with_each_other(language_model: Model) -> None:
    signals = rnnviz.record(language_model, TEXT).signals
    assert np.abs(signals["output_gate"] * np.tanh(signals["cell"]) - signals["hidden"]).max() < 5e-6


def test_bidirectional_signals_are_aligned_in_time(tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "m", "gru", bidirectional=True)
    recording = rnnviz.record(model, "good film not bad")
    assert {"hidden", "hidden_backward", "update_gate_backward"} <= set(recording.signals)
    mirrored = rnnviz.record(model, "bad not film good").signals["hidden_backward"]
    network = model.network
    network.recurrent[0]["d"].load_state_dict(network.recurrent[0]["d_reverse"].state_dict())
    assert np.allclose(rnnviz.record(model, "good film not bad").signals["hidden"][::-1], mirrored, atol=1e-6)


def test_recordings_cannot_be_changed(language_model: Model) -> None:
    recording = rnnviz.record(language_model, "the fox")
    with pytest.raises(ValueError, match="read-only"):
        recording.signals["hidden"][0, 0, 0] = 1
    with pytest.raises(TypeError):
        recording.signals["more"] = recording.logits


def test_recording_says_what_is_wrong_with_its_shapes() -> None:
    hidden, logits = np.zeros((3, 1, 8), np.float32), np.zeros((4, 2), np.float32)
    with pytest.raises(ValueError, match=r"hidden: expected \(time=4"):
        Recording("m", "gru", ("a",) * 4, {"hidden": hidden}, logits)
    with pytest.raises(ValueError, match="'hidden'"):
        Recording("m", "gru", ("a",) * 4, {}, logits)
    with pytest.raises(ValueError, match="logits"):
        Recording("m", "gru", ("a",) * 3, {"hidden": hidden}, logits)


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_any_text_can_be_recorded(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    model = tiny_language_model(tmp_path_factory.mktemp("m") / "m")
    recording = rnnviz.record(model, text)
    assert "".join(recording.tokens) == text
    assert np.isfinite(recording.logits).all()


@pytest.mark.parametrize("text", STRANGE_TEXTS.values(), ids=STRANGE_TEXTS)
def test_strange_texts(text: str, language_model: Model, classifier: Model) -> None:
    assert len(rnnviz.record(language_model, text).tokens) == len(text)
    prediction = rnnviz.predict(classifier, text)
    assert np.allclose(prediction.probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("text", ["the fox", "a\x00", "\U0001f600 \u05d0"])
def test_npz_round_trip(text: str, language_model: Model, tmp_path: Path) -> None:
    recording = rnnviz.record(language_model, text)
    recording.save(tmp_path / "r.npz")
    again = Recording.load(tmp_path / "r.npz")
    assert again.tokens == recording.tokens
    assert (again.model_id, again.cell_type) == ("tiny-lm", "lstm")
    assert all(np.array_equal(again.signals[name], values) for name, values in recording.signals.items())
    assert np.array_equal(again.logits, recording.logits)


def test_npz_that_is_none(language_model: Model, tmp_path: Path) -> None:
    (tmp_path / "r.npz").write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match="not a recording"):
        Recording.load(tmp_path / "r.npz")
    with pytest.raises(SaveError, match="could not be written"):
        rnnviz.record(language_model, "a").save(tmp_path / "r.npz" / "x.npz")


@pytest.mark.parametrize("bidirectional", [False, True])
def test_prediction_after_every_word_is_that_of_the_prefix(bidirectional: bool, tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "m", bidirectional=bidirectional)
    text = "the film was not very good but the plot wobbled"
    prediction = rnnviz.predict(model, text)
    assert prediction.unknown == ("but", "wobbled")
    words = text.split()
    for n in range(1, len(words) + 1):
        alone = rnnviz.predict(model, " ".join(words[:n])).probabilities[-1]
        assert np.allclose(prediction.probabilities[n - 1], alone, atol=1e-6)
    assert prediction.final["positive"] == pytest.approx(prediction.probabilities[-1, 1])


def test_sampling_is_seeded_and_never_draws_the_unknown(language_model: Model) -> None:
    one = rnnviz.sample(language_model, "the ", 80, 1.3, seed=1)
    assert one == rnnviz.sample(language_model, "the ", 80, 1.3, seed=1)
    assert one != rnnviz.sample(language_model, "the ", 80, 1.3, seed=2)
    assert len(one) == 80
    assert "\ufffd" not in one
    greedy = rnnviz.sample(language_model, "the ", 10, 0)
    logits = rnnviz.record(language_model, "the ").logits[-1]
    assert greedy[0] == language_model.tokenizer.vocabulary[1 + int(logits[1:].argmax())]


def test_the_wrong_kind_of_model_is_one_sentence(language_model: Model, classifier: Model) -> None:
    with pytest.raises(ConfigError, match="classifier"):
        rnnviz.sample(classifier, "good")
    with pytest.raises(ConfigError, match="language model"):
        rnnviz.predict(language_model, "good")
    with pytest.raises(ConfigError, match="temperature"):
        rnnviz.sample(language_model, "a", temperature=-1)
    with pytest.raises(TextError):
        rnnviz.record(language_model, "")


def test_the_likeliest_come_in_order() -> None:
    p = np.array([[0.1, 0.6, 0.3], [0.5, 0.25, 0.25]])
    assert likeliest(p, 2).tolist() == [[1, 2], [0, 1]]
    assert likeliest(p, 9).shape == (2, 3)

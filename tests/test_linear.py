"""The linear part beside the recurrent one: counted by hand, causal, fitted, weighed, and kept with the model."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import rnnviz
from rnnviz.config import ModelConfig
from rnnviz.network import LinearPart, Network, first_of_its_kind, run_rows
from rnnviz.training.job import Job
from rnnviz.training.linear import fit_linear, weigh
from tests.conftest import tiny_classifier
from tests.test_training import SHAPE, _config, _text_corpus


def test_first_of_its_kind() -> None:
    rows = torch.tensor([[3, 1, 3, 2, 1, 3], [5, 5, 5, 4, 4, 5]])
    assert first_of_its_kind(rows).int().tolist() == [[1, 1, 0, 1, 0, 0], [1, 0, 0, 1, 0, 0]]


def test_each_word_and_pair_counts_once_wherever_the_text_is_cut() -> None:
    part = LinearPart(vocab_size=9, longest=3, buckets=50, num_outputs=3)
    part.weight.normal_()
    part.scale.uniform_()
    ids = torch.randint(0, 5, (2, 14))
    found = part(ids)
    for row, logits in zip(ids, found, strict=True):
        for t in range(len(row)):
            runs = {9 + place for n in (2, 3) for place in run_rows(row[: t + 1], n, 50).tolist()}
            features = sorted({*row[: t + 1].tolist(), *runs})
            scale = part.scale[features]
            expected = scale @ part.weight[features] / scale.norm()
            assert (logits[t] - expected).abs().max() < 1e-5


def test_a_fresh_one_and_one_in_training_say_nothing() -> None:
    config = ModelConfig("classifier", "lstm", 20, 2, 5, 7, labels=("a", "b"), padding_index=0, linear_runs=2)
    network, ids = Network(config).eval(), torch.randint(1, 20, (2, 9))
    alone = network(ids).logits
    network.linear.weight.normal_()
    assert network(ids).logits.equal(alone), "all scales are zero"
    network.linear.scale.uniform_()
    assert not network(ids).logits.equal(alone)
    assert network.train()(ids).logits.equal(alone)


@torch.no_grad()
def test_fitting_finds_the_telling_words() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=300)
    rows = [np.append(rng.integers(4, 30, size=12), 2 + label) for label in labels]
    part = LinearPart(vocab_size=30, longest=2, buckets=400, num_outputs=2)
    fit_linear(part, rows, labels)
    assert set(part.scale[:30].topk(2).indices.tolist()) == {2, 3}
    counts = np.bincount(labels)
    words = sum(len({*row.tolist()}) for row in rows)
    assert part.scale[0] == 0, "it is in no text"
    assert words > counts.sum()
    assert part.weight[2, 0] > 0 > part.weight[2, 1]
    held_out = torch.from_numpy(np.stack([np.append(rng.integers(4, 30, size=12), 2 + label) for label in labels]))
    assert (part(held_out)[:, -1].argmax(1).numpy() == labels).mean() > 0.99


def test_scales_are_naive_bayes_log_ratios() -> None:
    rows, labels = [np.array([2, 3]), np.array([2, 4]), np.array([4, 4])], np.array([0, 0, 1])
    part = LinearPart(vocab_size=5, longest=2, buckets=1, num_outputs=2)  # all pairs are one
    with torch.no_grad():
        fit_linear(part, rows, labels)
    # texts with each feature: class 0 has 2 twice, 3 once, 4 once and the pair twice; class 1 has 4 once, the pair once
    ratio = math.log((3 / 12) / (1 / 8))
    assert float(part.scale[2]) == pytest.approx(abs(ratio), abs=1e-5)
    assert float(part.scale[4]) == pytest.approx(abs(math.log((2 / 12) / (2 / 8))), abs=1e-5)
    assert part.scale[3] == 0, "a single text has it"


def test_weighing_prefers_the_part_that_knows() -> None:
    labels = np.random.default_rng(0).integers(2, size=2000)
    truth = torch.tensor(np.stack([1 - labels, labels], axis=1)).float()
    knows, guesses = 2 * truth + torch.randn(2000, 2), torch.randn(2000, 2)
    found = weigh(guesses, knows, labels)
    assert abs(found.recurrent) < 0.15
    assert found.linear > 1


def test_a_job_fits_weighs_and_keeps_it(tmp_path: Path) -> None:
    shape = {**SHAPE, "num_layers": 1, "pair_buckets": 200, "linear_runs": 3, "linear_buckets": 500}
    job = Job(tmp_path / "m", _text_corpus(), shape, _config(epochs=0.5))
    list(job.steps())
    assert not rnnviz.load(tmp_path / "m").network.linear.weight.any()
    score = job.finish()
    model = rnnviz.load(tmp_path / "m")
    assert model.network.linear.weight.any()
    assert score.accuracy > 0.9
    assert model.card["parts"]["linear_alone_accuracy"] > 0.9
    assert model.card["validation"]["accuracy"] == score.accuracy
    prediction = rnnviz.predict(model, "one day we saw a good film")
    for n, beginning in ((3, "one day we"), (6, "one day we saw a good")):
        cut = rnnviz.predict(model, beginning)
        assert np.allclose(cut.probabilities[-1], prediction.probabilities[n - 1], atol=1e-5)
    recording = rnnviz.record(model, "one day we saw a good film")
    assert np.allclose(recording.probabilities(), prediction.probabilities, atol=1e-5)


def test_gradients_of_a_model_with_pairs_and_a_linear_part(tmp_path: Path) -> None:
    from rnnviz.analysis.gradients import gradient_decay  # noqa: PLC0415

    model = tiny_classifier(tmp_path / "m", pooling="all", pair_buckets=64, linear_runs=2)
    ids = model.tokenizer.encode("the plot was not very good")
    found = gradient_decay(model.network, ids)
    assert math.isfinite(found.loss_nats)

"""The classifier without recurrent layers: a plain dense net on the first words, refused where a state is asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import rnnviz
from rnnviz import checkpoints, session
from rnnviz.checkpoints import Model
from rnnviz.config import FEEDFORWARD, ModelConfig, TrainConfig
from rnnviz.errors import ConfigError
from rnnviz.feedforward import FeedForward, build
from rnnviz.live.request import listed_model
from rnnviz.record import predict
from rnnviz.subjects import Window, trained_subject
from rnnviz.training.datasets import TextCorpus, Texts
from rnnviz.training.job import Job
from tests.conftest import tiny_classifier

SHAPE = {"padding_index": 0, "labels": ("no", "yes"), "window": 6}


def _config(**more: object) -> ModelConfig:
    return ModelConfig("classifier", FEEDFORWARD, 12, 2, 4, 5, **(SHAPE | more))


@pytest.fixture
def net(tmp_path: Path) -> Model:
    return tiny_classifier(tmp_path / "net", FEEDFORWARD, window=6)


def test_it_is_flatten_and_two_dense_layers_on_padded_text() -> None:
    network = build(_config()).eval()
    assert isinstance(network, FeedForward)
    plain = nn.Sequential(network.embedding, nn.Flatten(), network.dense, nn.ReLU(), network.head)
    for length in (1, 3, 6):
        ids = torch.randint(1, 12, (2, length))
        padded = nn.functional.pad(ids, (0, 6 - length))
        assert torch.allclose(network(ids).logits[:, -1], plain(padded), atol=1e-6)
    long = torch.randint(1, 12, (2, 9))
    assert torch.allclose(network(long).logits[:, 8], plain(long[:, :6]), atol=1e-6), "words beyond are not read"
    rows = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 9]])
    assert torch.allclose(network.whole(rows, torch.tensor([4, 2]))[1], network(rows[1:, :2]).logits[0, 1])
    assert torch.allclose(network(rows, torch.tensor([4, 2])).logits[1, 1], network(rows[1:, :2]).logits[0, 1])


def test_every_beginning_is_read_anew(net: Model) -> None:
    found = predict(net, "good film not bad")
    for count in (1, 2, 4):
        alone = predict(net, " ".join(["good", "film", "not", "bad"][:count])).probabilities[-1]
        assert np.allclose(found.probabilities[count - 1], alone, atol=1e-6)
    assert not np.allclose(found.probabilities[0], found.probabilities[1])


def test_it_has_no_state_to_record(net: Model) -> None:
    with pytest.raises(ConfigError, match="no recurrent state"):
        rnnviz.record(net, "good film")
    with pytest.raises(ConfigError, match="no recurrent state"):
        trained_subject(Window("good film"), net)


def test_pages_do_not_offer_it(net: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_classifier(tmp_path / "words")
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    assert set(checkpoints.models()) == {"net", "words"}
    assert session.model_names() == session.model_names("classifier") == ["words"]
    with pytest.raises(ConfigError, match="no recurrent state"):
        listed_model(net.name)


def test_what_it_cannot_have_is_refused() -> None:
    for wrong in ({"window": 0}, {"bidirectional": True}, {"num_layers": 2}, {"dense_size": 3}, {"pair_buckets": 8}):
        with pytest.raises(ConfigError):
            _config(**wrong)
    with pytest.raises(ConfigError, match="window is for"):
        ModelConfig("classifier", "lstm", 12, 2, 4, 5, **SHAPE)
    with pytest.raises(ConfigError, match="only be a classifier"):
        ModelConfig("language_model", FEEDFORWARD, 12, 12, 4, 5, window=6)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_it_learns_where_a_word_stands(optimizer: str, tmp_path: Path) -> None:
    """The class is whether the word "here" comes first: a bag of words could not tell."""
    rng = np.random.default_rng(0)
    texts = [" ".join(["here", "there"][:: 1 if label else -1]) for label in rng.integers(0, 2, 300)]
    labels = np.array([int(text.startswith("here")) for text in texts])
    corpus = TextCorpus(Texts(texts[:200], labels[:200]), Texts(texts[200:], labels[200:]), None, ("no", "yes"), {})
    rate = 0.5 if optimizer == "sgd" else 1e-2
    config = TrainConfig(epochs=8, batch_size=16, learning_rate=rate, warmup_steps=0, optimizer=optimizer)
    shape = {"cell_type": FEEDFORWARD, "embedding_size": 8, "hidden_size": 8, "window": 4}
    job = Job(tmp_path / "m", corpus, shape, config)
    assert type(job.trainer.optimizer).__name__.lower() == optimizer
    list(job.steps())
    assert job.finish().accuracy == 1.0


def test_pretraining_needs_a_recurrent_network(tmp_path: Path) -> None:
    corpus = TextCorpus(*(Texts(["a b", "b a"] * 20, np.array([0, 1] * 20)),) * 2, None, ("no", "yes"), {})
    shape = {"cell_type": FEEDFORWARD, "embedding_size": 8, "hidden_size": 8, "window": 4}
    for settings in ({"pretrain_epochs": 1.0}, {"prefix_loss": 0.5}):
        with pytest.raises(ConfigError, match="recurrent network"):
            Job(tmp_path / "m", corpus, shape, TrainConfig(**settings))

"""The shipped models: their figures, their cards, what they make of short typed sentences."""

import hashlib
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import rnnviz
from rnnviz import checkpoints
from rnnviz.training import evaluation
from rnnviz.training.datasets import open_corpus
from rnnviz.training.evaluation import evaluate

SHIPPED = sorted(path.name for path in checkpoints.SHIPPED.iterdir() if (path / checkpoints.WEIGHTS).is_file())
CLASSIFIERS = [name for name in SHIPPED if name.startswith("imdb-")]
BEST = "imdb-lstm-pretrained"
LIMIT_BYTES = 90e6


def _card(name: str) -> dict:
    return json.loads((checkpoints.SHIPPED / name / checkpoints.CARD).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SHIPPED)
def test_cards_belong_to_their_weights_and_say_it_all(name: str) -> None:
    card = _card(name)
    weights = (checkpoints.SHIPPED / name / checkpoints.WEIGHTS).read_bytes()
    assert card["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert card["command"].startswith(f"python -m rnnviz train {name} --")
    assert " --data " in card["command"]
    assert card["training"]["seconds"] > 0
    assert {"source", "split"} <= set(card["data"])
    assert "loss_nats" in card["validation"]
    assert card["validation"]["command"] == f"python -m rnnviz evaluate {name} --split validation"
    assert (checkpoints.SHIPPED / name / "training.csv").is_file()
    text = json.dumps(card)
    assert "/" + "work" not in text
    assert "/" + "root" not in text


def test_the_models_are_as_good_as_they_are_meant_to_be() -> None:
    assert _card("shakespeare-lstm")["validation"]["loss_nats"] <= 1.50
    assert _card("python-lstm")["validation"]["loss_nats"] <= 1.00
    assert _card("imdb-lstm")["test"]["accuracy"] >= 0.87


def test_all_weights_stay_small() -> None:
    assert sum(path.stat().st_size for path in checkpoints.SHIPPED.rglob("*") if path.is_file()) < LIMIT_BYTES


def test_shakespeare_figure_is_reproduced(data_folder: Path) -> None:
    score = evaluate(rnnviz.load("shakespeare-lstm"), data_folder=data_folder)
    assert score.loss_nats == pytest.approx(_card("shakespeare-lstm")["validation"]["loss_nats"], abs=1e-4)


@pytest.mark.skipif("RNNVIZ_SLOW" not in os.environ, reason="takes minutes: set RNNVIZ_SLOW to run it")
def test_python_figure_is_reproduced() -> None:
    card = _card("python-lstm")
    corpus = open_corpus("python")
    if len(corpus.train) != card["data"]["train_characters"]:
        pytest.skip(f"the card's figure is for the source of Python {card['machine']['python']} as it was trained on")
    score = evaluate(rnnviz.load("python-lstm"))
    assert score.loss_nats == pytest.approx(card["validation"]["loss_nats"], abs=1e-4)


@pytest.fixture(scope="module", autouse=True)
def _opened_once() -> Iterator[None]:
    """Each corpus is read once for all models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "open_corpus", cache(open_corpus))
        yield


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_imdb_figures_are_reproduced(name: str, data_folder: Path) -> None:
    """On the validation part; 25,000 test reviews a model would take too long here: `evaluate NAME --split test`."""
    score, card = evaluate(rnnviz.load(name), data_folder=data_folder), _card(name)["validation"]
    assert score.accuracy == pytest.approx(card["accuracy"], abs=1e-3)
    assert score.loss_nats == pytest.approx(card["loss_nats"], abs=1e-3)


def test_a_test_figure_is_reproduced(data_folder: Path) -> None:
    score = evaluate(rnnviz.load("imdb-rnn"), split="test", data_folder=data_folder)
    assert score.accuracy == pytest.approx(_card("imdb-rnn")["test"]["accuracy"], abs=1e-3)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_seeds_stand_beside_the_one_that_is_shipped(name: str) -> None:
    card = _card(name)
    seeds = card.get("seeds", [])
    assert len({one["seed"] for one in seeds}) == len(seeds)
    if seeds:
        assert seeds[0]["seed"] == card["training"]["seed"]
        assert seeds[0]["weights_sha256"] == card["weights_sha256"]
        for split in ("validation", "test"):
            assert seeds[0][split]["accuracy"] == card[split]["accuracy"]


@pytest.mark.parametrize(
    ("text", "positive"),
    [
        ("not good at all", False),
        ("I loved it", True),
        ("This was an absolutely terrible movie.", False),
        ("A wonderful, moving film.", True),
        ("boring", False),
        ("The best film I have seen this year!", True),
    ],
)
def test_imdb_lstm_is_sensible_on_short_sentences(text: str, positive: bool) -> None:
    assert (rnnviz.predict(rnnviz.load("imdb-lstm"), text).final["positive"] > 0.5) == positive


def test_python_model_knows_its_own_language_from_another() -> None:
    model = rnnviz.load("python-lstm")
    code = "    def __init__(self, name):\n        self.name = name\n        return None\n"
    probabilities = rnnviz.record(model, code).probabilities()
    ids = model.tokenizer.encode(code)
    right = probabilities[range(len(ids) - 1), ids[1:]]
    assert right.mean() > 0.5

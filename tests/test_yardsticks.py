"""Yardsticks on planted texts: what a bag of words can know, and what it cannot; the shipped report holds."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner, Result

from rnnviz import checkpoints
from rnnviz.cli import app
from rnnviz.errors import DataError
from rnnviz.text import WordTokenizer
from rnnviz.training.datasets import TextCorpus, Texts, labelled_table, open_corpus
from rnnviz.training.yardsticks import BAG, FILE, PAIRS, PLANS, Plan, measure, report, shipped

WORDS, TWOS = Plan(f"{BAG}, 100", 100), Plan(f"{PAIRS}, 100", 100, 2)


def _corpus(texts: list[str], labels: list[int], classes: tuple[str, ...] = ("negative", "positive")) -> TextCorpus:
    """A third of the texts each for training, validation and test."""
    parts = [Texts(tuple(texts[i::3]), np.array(labels[i::3])) for i in range(3)]
    return TextCorpus(*parts, classes)


def _planted(order: bool) -> TextCorpus:
    """Texts whose class is in a word, or only in the order of two words that every text holds."""
    signs = ("difficult not easy", "easy not difficult") if order else ("bad film", "good film")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 240).tolist()
    noise = rng.choice(["plot", "acting", "music", "scene"], (240, 3))
    return _corpus([f"{' '.join(row)} was {signs[label]}" for row, label in zip(noise, labels, strict=True)], labels)


def _accuracies(corpus: TextCorpus, *plans: Plan) -> list[float]:
    return [one.test.accuracy for one in measure(corpus, plans)]


def test_a_bag_of_words_knows_words_and_pairs_know_their_order() -> None:
    constant, words = _accuracies(_planted(order=False), PLANS[0], WORDS)
    assert constant < 0.65
    assert words == 1.0
    words, pairs = _accuracies(_planted(order=True), WORDS, TWOS)
    assert words < 0.65
    assert pairs == 1.0


def test_the_commonest_class_is_that_of_the_training_part() -> None:
    labels = [1, 0, 0, 1, 1, 0, 0, 0, 0] * 3  # every third of them: two ones for each zero in the training part alone
    corpus = _corpus([f"word{i}" for i in range(27)], labels)
    (one,) = measure(corpus, PLANS[:1])
    assert one.parameters == 1
    assert one.validation.accuracy == np.mean(corpus.validation.labels == 1) < 0.5
    assert one.test.accuracy == np.mean(corpus.test.labels == 1) == 0


def test_figures_are_those_of_a_regression_written_out_by_hand() -> None:
    rng = np.random.default_rng(1)
    words = np.array(["good", "bad", "film", "plot", "don't", "slow"])
    texts = [f"The {' '.join(rng.choice(words, 5))}!<br />" for _ in range(90)]
    labels = [int((text.count("good") > text.count("bad")) ^ (rng.random() < 0.1)) for text in texts]
    corpus = _corpus(texts, labels)
    (one,) = measure(corpus, [Plan("five", 7)], [0.3])
    known = WordTokenizer.fit(corpus.train.texts, 7)

    def features(part: Texts) -> np.ndarray:
        rows = [set(known.tokens(text)) for text in part.texts]
        return np.array([[word in row for word in known.vocabulary[2:]] for row in rows], dtype=float)

    by_hand = LogisticRegression(C=0.3, max_iter=1000).fit(features(corpus.train), corpus.train.labels)
    for part, score in ((corpus.validation, one.validation), (corpus.test, one.test)):
        chances = by_hand.predict_proba(features(part))
        assert score.accuracy == np.mean(chances.argmax(axis=1) == part.labels)
        loss = -np.log(chances[np.arange(len(part)), part.labels]).mean()
        assert score.loss_nats == pytest.approx(loss, abs=1e-3)
        assert sum(n for n, _, _ in score.calibration) == len(part)
    assert one.parameters == by_hand.coef_.size + by_hand.intercept_.size == 6


def test_c_is_chosen_on_validation_alone() -> None:
    corpus = _planted(order=True)
    upset = dataclasses.replace(corpus, test=Texts(corpus.test.texts, 1 - corpus.test.labels))
    strengths = (1e-6, 0.1)
    for one in (*measure(corpus, [TWOS], strengths), *measure(upset, [TWOS], strengths)):
        assert one.strength == 0.1, "with the small one all texts are one class"
        assert one.validation.accuracy == 1.0


def test_several_classes_and_no_test_set() -> None:
    labels = [0, 1, 2] * 20
    corpus = _corpus([("good", "bad", "so so")[label] for label in sorted(labels)], sorted(labels), ("a", "b", "c"))
    corpus = dataclasses.replace(corpus, test=None)
    constant, words = measure(corpus, [PLANS[0], WORDS])
    assert (constant.parameters, words.parameters) == (3, 3 * (3 + 1))
    assert words.validation.accuracy == 1.0
    assert words.test is None
    json.dumps(report(corpus, [constant, words], ""))


def test_one_class_is_refused_and_an_empty_text_is_not() -> None:
    with pytest.raises(DataError, match="two classes"):
        list(measure(_corpus(["a"] * 9, [1] * 9)))
    corpus = _corpus(["good", "bad", "\u2026", "...", "good", "bad"] * 6, [1, 0] * 18)
    (one,) = measure(corpus, [WORDS])
    assert 0 <= one.test.accuracy <= 1


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, ["yardsticks", *words])


def test_the_command_writes_what_it_measures(tmp_path: Path) -> None:
    rows = "".join(f"the film {i} was {('bad', 'good')[i % 2]},{i % 2}\n" for i in range(60))
    data, output = tmp_path / "t.csv", tmp_path / "y.json"
    data.write_text("text,label\n" + rows)
    done = _run("--data", str(data), "--output", str(output))
    assert done.exit_code == 0
    found = json.loads(output.read_text())
    assert [one["name"] for one in found["yardsticks"]] == [plan.name for plan in PLANS]
    assert found["machine"]["scikit-learn"]
    corpus = labelled_table(data)
    again = report(corpus, list(measure(corpus)), found["command"])
    for one, other in zip(found["yardsticks"], json.loads(json.dumps(again))["yardsticks"], strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
        assert f"{one['name']}: validation {one['validation']['accuracy']:.2%}" in done.output
    (tmp_path / "t.txt").write_text("only text, no labels " * 9)
    for words, message in ((str(tmp_path / "t.txt"), "labelled texts"), ("nope", "There is no data")):
        done = _run("--data", words)
        assert (done.exit_code, "Traceback" in done.output) == (2, False)
        assert message in done.stderr


def test_the_shipped_report_is_whole() -> None:
    found = shipped()
    assert found["command"] == f"python -m rnnviz yardsticks --data imdb --output pretrained/{FILE}"
    assert [one["name"] for one in found["yardsticks"]] == [plan.name for plan in PLANS]
    assert found["data"]["test_texts"] == 25_000
    accuracies = [one["test"]["accuracy"] for one in found["yardsticks"]]
    assert accuracies[0] == 0.5
    assert accuracies[0] < accuracies[1] < accuracies[3]
    assert "/" + "work" not in json.dumps(found)


def test_no_report_is_no_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    assert shipped() == {}


def test_the_cheap_figures_are_reproduced(data_folder: Path) -> None:
    """On validation only: most of the time goes into splitting texts, and the test set has as many as training."""
    corpus = open_corpus("imdb", data_folder)
    told = {one["name"]: one for one in shipped()["yardsticks"]}
    assert told[PLANS[0].name]["test"]["accuracy"] == np.mean(corpus.test.labels == 1)
    corpus = dataclasses.replace(corpus, test=None)
    for one in measure(corpus, PLANS[:2], [told[PLANS[1].name]["C"]]):
        score = told[one.plan.name]["validation"]
        assert one.validation.accuracy == pytest.approx(score["accuracy"], abs=5e-4)
        assert one.validation.calibration_error == pytest.approx(score["calibration_error"], abs=2e-3)
        assert one.parameters == told[one.plan.name]["parameters"]

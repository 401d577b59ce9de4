"""What a classifier has to beat: the commonest class, and which words occur; it knows nothing of networks."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnnviz import checkpoints
from rnnviz.errors import DataError, TextError
from rnnviz.storage import json_writer, write_atomically
from rnnviz.text import WordTokenizer
from rnnviz.training.datasets import TextCorpus, Texts, open_corpus
from rnnviz.training.scores import ClassifierScore, score_logits

FILE = "yardsticks.json"
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Values of C, the inverse strength of the L2 penalty, that are tried."""
BAG, PAIRS = "bag of words", "words and pairs"
_MOST_ROUNDS = 1000
_NEVER = -30.0
"""Log-probability of a class that the training part does not hold."""


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        name: What it is called in the table.
        max_tokens: Largest vocabulary, padding and unknown included, as for a network; 0 to look at no word.
        ngrams: 1 for words, 2 for pairs of neighbours beside them.
    """

    name: str
    max_tokens: int = 0
    ngrams: int = 1

    @property
    def what(self) -> str:
        """What it does, in a line."""
        if not self.max_tokens:
            return "always the commonest class"
        pairs = " and pairs of neighbours" if self.ngrams > 1 else ""
        return f"which of {self.max_tokens:,} words{pairs} occur, logistic regression"


PLANS = (
    Plan("majority class"),
    Plan(f"{BAG}, 10,000", 10_000),
    Plan(f"{BAG}, 20,000", 20_000),
    Plan(f"{PAIRS}, 100,000", 100_000, 2),
)


@dataclass(frozen=True)
class Yardstick:
    """What a plan came to.

    Attributes:
        plan: What was measured.
        parameters: Numbers fitted.
        strength: The C that did best on validation; None where there is none.
        seconds: Of processor time, for vocabulary, counting, all fits and the choice among them.
        validation: The score that the choice was made by.
        test: The score on the test set, made once, after the choice; None without one.
    """

    plan: Plan
    parameters: int
    strength: float | None
    seconds: float
    validation: ClassifierScore
    test: ClassifierScore | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that JSON can hold."""
        scores = {"validation": self.validation.to_dict(), "test": self.test and self.test.to_dict()}
        told = {"name": self.plan.name, "what": self.plan.what, "not recurrent": True, "parameters": self.parameters}
        return {**told, "C": self.strength, "seconds": round(self.seconds, 1), **scores}


def measure(
    corpus: TextCorpus, plans: Sequence[Plan] = PLANS, strengths: Sequence[float] = STRENGTHS
) -> Iterator[Yardstick]:
    """Measure yardsticks one after the other.

    A text becomes the set of its known words (whether a word occurs tells more of sentiment than how often: Pang, Lee
    and Vaithyanathan 2002), and an L2-penalised logistic regression is fitted to the training part. C is chosen by
    accuracy on validation, the smallest of equals.

    Args:
        corpus: Labelled texts; the vocabulary is learnt from the training part.
        plans: What to measure.
        strengths: Values of C to try.

    Raises:
        DataError: The training part holds fewer than two classes.
    """
    if len(np.unique(corpus.train.labels)) < 2:
        raise DataError("The training part must hold at least two classes.")
    started = time.process_time()
    parts = [_words(part) for part in (corpus.train, corpus.validation)]
    prepared = time.process_time() - started
    for plan in plans:
        yield (_counted if plan.max_tokens else _constant)(corpus, parts, plan, strengths, prepared)


def _words(part: Texts) -> tuple[str, ...]:
    """Return each text as its words joined by spaces, "" where it has none: they are split off only once."""
    tokenizer, texts = WordTokenizer([]), []
    for text in part.texts:
        try:
            texts.append(" ".join(tokenizer.tokens(text)))
        except TextError:
            texts.append("")
    return tuple(texts)


def _constant(
    corpus: TextCorpus, parts: list[tuple[str, ...]], plan: Plan, strengths: Sequence[float], prepared: float
) -> Yardstick:
    """Give each text the classes' shares in the training part."""
    shares = np.bincount(corpus.train.labels, minlength=len(corpus.classes)) / len(corpus.train)
    logits = np.log(np.maximum(shares, np.exp(_NEVER)))

    def score(part: Texts) -> ClassifierScore:
        return score_logits(torch.from_numpy(np.tile(logits, (len(part), 1))), part.labels)

    test = score(corpus.test) if corpus.test else None
    return Yardstick(plan, _size(0, corpus), None, 0.0, score(corpus.validation), test)


def _counted(
    corpus: TextCorpus, parts: list[tuple[str, ...]], plan: Plan, strengths: Sequence[float], prepared: float
) -> Yardstick:
    """Fit logistic regressions to which words occur and keep the one that does best on validation."""
    from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415 - slow to import
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    started = time.process_time()
    tokenizer = WordTokenizer.fit(parts[0], plan.max_tokens, standardize=None, ngrams=plan.ngrams)
    known = tokenizer.vocabulary[2:]
    counter = CountVectorizer(
        analyzer=lambda text: tokenizer.tokens(text) if text else [], vocabulary=known, binary=True
    )
    train, validation = (counter.transform(part) for part in parts)
    best = None
    for strength in sorted(strengths):
        fitted = LogisticRegression(C=strength, max_iter=_MOST_ROUNDS).fit(train, corpus.train.labels)
        score = _score(fitted, validation, corpus.validation, len(corpus.classes))
        if best is None or score.accuracy > best[1].accuracy:
            best = (fitted, score, strength)
    fitted, score, strength = best
    seconds = prepared + time.process_time() - started
    test = corpus.test and _score(fitted, counter.transform(_words(corpus.test)), corpus.test, len(corpus.classes))
    return Yardstick(plan, _size(len(known), corpus), strength, seconds, score, test)


def _score(fitted: Any, features: Any, part: Texts, classes: int) -> ClassifierScore:
    """Score a fitted regression on a part's features (text, feature)."""
    found = torch.from_numpy(fitted.decision_function(features))
    if found.ndim == 1:
        found = torch.stack([torch.zeros_like(found), found], dim=1)
    logits = torch.full((len(part), classes), _NEVER, dtype=torch.float64)
    logits[:, fitted.classes_] = found.log_softmax(dim=1)
    return score_logits(logits, part.labels)


def _size(features: int, corpus: TextCorpus) -> int:
    """Return how many numbers are fitted: a weight a feature and a bias, for each class where there are over two."""
    classes = len(np.unique(corpus.train.labels))
    return (features + 1) * (1 if classes == 2 else classes)


def run(data: str, folder: Path | None, output: Path | None, command: str) -> Iterator[str]:
    """Measure all yardsticks on labelled texts; gives a line for each as it comes, and one for the file written.

    Args:
        data: A data set's name or a table's path.
        folder: Where named data is looked for before it is downloaded.
        output: The JSON file for `report`, or None.
        command: The command line, for the report.

    Raises:
        DataError: The texts cannot be had, or are not labelled.
        SaveError: The file could not be written.
    """
    corpus = open_corpus(data, folder)
    if not isinstance(corpus, TextCorpus):
        raise DataError(f"{data} is a text without labels; yardsticks need labelled texts.")
    found = []
    for one in measure(corpus):
        found.append(one)
        scores = {"validation": one.validation, "test": one.test}
        told = ", ".join(f"{part} {score.accuracy:.2%}" for part, score in scores.items() if score)
        chosen = "" if one.strength is None else f", C {one.strength:g}"
        yield f"{one.plan.name}: {told}{chosen}, {one.parameters:,} parameters, {one.seconds:.0f} s"
    if output is not None:
        write_atomically(output, json_writer(report(corpus, found, command)))
        yield f"{output} holds them."


def report(corpus: TextCorpus, found: Sequence[Yardstick], command: str) -> dict[str, Any]:
    """Return the yardsticks with all that tells where they come from, as a dict that JSON can hold."""
    import sklearn  # noqa: PLC0415 - slow to import

    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    sizes = {f"{name}_texts": len(part) for name, part in parts.items() if part is not None}
    return {
        "command": command,
        "data": {**corpus.about, **sizes},
        "machine": {
            "processor": torch.cpu.get_capabilities().get("cpu_name", platform.machine()),
            "threads": torch.get_num_threads(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
        },
        "yardsticks": [one.to_dict() for one in found],
    }


def shipped() -> dict[str, Any]:
    """Return the report beside the shipped models; {} where there is none.

    Raises:
        CheckpointError: It cannot be read.
    """
    path = checkpoints.SHIPPED / FILE
    found = checkpoints.read_json(path) if path.is_file() else {}
    return found if isinstance(found, dict) else {}

"""All that was ever measured on the IMDB reviews, side by side: the cards' figures, yardsticks and published ones."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import pandas as pd

from rnnviz import checkpoints
from rnnviz.config import CELL_LABELS, ModelConfig
from rnnviz.errors import RnnvizError
from rnnviz.training import yardsticks

RECURRENT, OTHER, PUBLISHED = KINDS = ("recurrent", "not recurrent", "published, not measured here")
ORDER = (
    *("imdb-feedforward", "imdb-rnn-100", "imdb-rnn-dense", "imdb-rnn"),
    *("imdb-lstm-100", "imdb-lstm", "imdb-gru-100", "imdb-bilstm-100", "imdb-lstm-pretrained"),
)
"""The lecture notes' order, from the net without a memory to the best; other models follow by name."""

_DATA = "IMDB Large Movie Review Dataset"
_CARD, _REPORT = "measured here: card.json", f"measured here: {yardsticks.FILE}"
_Z = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""
_POOLINGS = {
    "last": "reads the last state",
    "mean": "reads the mean state",
    "max": "reads each unit's largest value",
    "all": "reads last, mean and largest state",
}


@dataclass(frozen=True)
class Row:
    """One classifier and what is known of it.

    Attributes:
        name: The model's, the yardstick's, or the authors'.
        kind: One of `KINDS`.
        what: What it is, in a line.
        source: Where the figures come from.
        test: Share of the official test set that is right; None where it was never scored.
        validation: Share of the validation part that is right.
        texts: Reviews that `test` was measured on; 0 where unknown.
        seeds: For each seed that was trained, its share right of the test set.
        parameters: Numbers fitted.
        seconds: Training took so long.
        machine: On what.
        epochs: Passes over the labelled data, at most.
        calibration_error: Expected calibration error on the test set.
        bins: `scores.reliability` of the test set, () where the card does not hold it.
        command: The command that makes it.
        score_command: The command that scores it.
    """

    name: str
    kind: str
    what: str
    source: str
    test: float | None = None
    validation: float | None = None
    texts: int = 0
    seeds: tuple[tuple[int, float], ...] = ()
    parameters: int | None = None
    seconds: float | None = None
    machine: str = ""
    epochs: float | None = None
    calibration_error: float | None = None
    bins: tuple[tuple[int, float, float], ...] = ()
    command: str = ""
    score_command: str = ""

    @property
    def accuracy(self) -> float | None:
        """Mean over the seeds where several were trained, else this model's own share right."""
        return mean(share for _, share in self.seeds) if self.seeds else self.test

    @property
    def ends(self) -> tuple[float, float] | None:
        """Lowest and highest seed; None with fewer than two."""
        shares = [share for _, share in self.seeds]
        return (min(shares), max(shares)) if len(shares) > 1 else None

    @property
    def spread(self) -> str:
        """The seeds in words: mean, standard deviation, lowest and highest; "" with fewer than two."""
        if self.ends is None:
            return ""
        low, high = self.ends
        deviation = 100 * stdev(share for _, share in self.seeds)
        return (
            f"{100 * self.accuracy:.2f} \u00b1 {deviation:.2f} ({100 * low:.2f} to {100 * high:.2f}), "
            f"{len(self.seeds)} seeds"
        )


def _published(name: str, accuracy: float, what: str, source: str, checked: str) -> Row:
    """A figure of others; `checked` names where it was looked up."""
    return Row(name, PUBLISHED, what, f"{source}; seen in {checked}", accuracy)


_NOTES = "lecture notes: 10,000 words, 500 a review, two epochs of SGD"
PUBLISHED_ROWS = (
    _published("notes: feed-forward", 0.515, "embeddings, 250 ReLU units; not recurrent", _NOTES, "the notes"),
    _published("notes: SimpleRNN(100)", 0.588, "embeddings, 100 tanh units", _NOTES, "the notes"),
    _published(
        "fastText in Keras",
        0.9056,
        "mean of word and pair embeddings, 5 epochs; not recurrent",
        "Joulin et al. 2016",
        "Keras' example imdb_fasttext.py",
    ),
    _published(
        "NBSVM, pairs",
        0.9122,
        "support vector machine on words and pairs; not recurrent",
        "Wang and Manning 2012",
        "the authors' repository sidaw/nbsvm",
    ),
    _published(
        "sentiment unit alone",
        0.923,
        "one unit of the byte mLSTM",
        "Radford et al. 2017",
        "S. Sodhani's summary, gist.github.com/shagunsodhani",
    ),
    _published(
        "LSTM, autoencoder first",
        0.928,
        "LSTM that first learned to give back what it had read",
        "Dai and Le 2015",
        "the summary on shortscience.org",
    ),
    _published(
        "byte mLSTM",
        0.929,
        "4,096 units that first read 82 million Amazon reviews",
        "Radford et al. 2017",
        "the paper's results on wizwand.com",
    ),
    _published(
        "one-hot LSTM, regions",
        0.941,
        "LSTM on one-hot words, with embeddings of regions learned from unlabelled text",
        "Johnson and Zhang 2016",
        "the paper's results on paperswithcode.com",
    ),
)


def ladder() -> tuple[list[Row], list[str]]:
    """Gather all rows: models in the notes' order, then yardsticks, then published figures.

    Returns:
        The rows, and a sentence for each file that cannot be read.
    """
    models, troubles = _models()
    try:
        measured = _yardsticks(yardsticks.shipped())
    except RnnvizError as error:
        measured = []
        troubles.append(str(error))
    return [*models, *measured, *PUBLISHED_ROWS], troubles


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Return the rows by test accuracy, best first; those never scored on the test set come last."""
    return sorted(rows, key=lambda row: (row.test is None, -(row.test or 0.0)))


def _models() -> tuple[list[Row], list[str]]:
    found, troubles = [], []
    for name, folder in checkpoints.models().items():
        try:
            card = checkpoints.read_card(folder)
            if _DATA not in str(_get(card, "data", "source")):
                continue
            config = ModelConfig.from_dict(checkpoints.read_json(folder / checkpoints.CONFIG))
        except RnnvizError as error:
            troubles.append(f"Left out: {error}")
            continue
        if config.task == "classifier":
            found.append(_model(name, config, card))
    place = {name: i for i, name in enumerate(ORDER)}
    return sorted(found, key=lambda row: (place.get(row.name, len(place)), row.name)), troubles


def _model(name: str, config: ModelConfig, card: Mapping[str, Any]) -> Row:
    """Return the row of a model's card; what a card does not say, or says in another form, stays empty."""
    seeds = _get(card, "seeds")
    shares = [(_whole(one, "seed"), _share(one, "test", "accuracy")) for one in seeds] if _is_list(seeds) else []
    return Row(
        name,
        OTHER if config.is_feedforward else RECURRENT,
        described(config, card),
        _CARD,
        seeds=tuple((seed, share) for seed, share in shares if None not in (seed, share)),
        parameters=_whole(card, "model", "parameters"),
        seconds=_number(card, "training", "seconds"),
        machine=_machine(card),
        epochs=_number(card, "training", "epochs"),
        command=str(_get(card, "command") or ""),
        score_command=f"python -m rnnviz evaluate {shlex.quote(name)} --split test --update-card",
        **_scores(card),
    )


def _yardsticks(report: Mapping[str, Any]) -> list[Row]:
    """Return the rows of a report of `yardsticks`."""
    found = _get(report, "yardsticks")
    return [
        Row(
            str(_get(one, "name")),
            OTHER,
            str(_get(one, "what")),
            _REPORT,
            parameters=_whole(one, "parameters"),
            seconds=_number(one, "seconds"),
            machine=_machine(report),
            command=str(_get(report, "command") or ""),
            **_scores(one),
        )
        for one in (found if _is_list(found) else [])
    ]


def _scores(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a card says of its scores, as fields of `Row`."""
    bins = _get(card, "test", "calibration")
    return {
        "test": _share(card, "test", "accuracy"),
        "validation": _share(card, "validation", "accuracy"),
        "texts": _whole(card, "test", "texts") or 0,
        "calibration_error": _number(card, "test", "calibration_error"),
        "bins": tuple(tuple(one) for one in bins) if _is_list(bins) and all(map(_is_bin, bins)) else (),
    }


def _get(card: Any, *keys: str) -> Any:
    """Return what lies under nested keys, None where the way there is broken."""
    for key in keys:
        card = card.get(key) if isinstance(card, Mapping) else None
    return card


def _number(card: Any, *keys: str) -> float | None:
    value = _get(card, *keys)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None


def _share(card: Any, *keys: str) -> float | None:
    value = _number(card, *keys)
    return value if value is not None and 0 <= value <= 1 else None


def _whole(card: Any, *keys: str) -> int | None:
    value = _number(card, *keys)
    return None if value is None else int(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_bin(value: Any) -> bool:
    return _is_list(value) and len(value) == 3 and all(_number({"n": n}, "n") is not None for n in value)


def _machine(card: Mapping[str, Any]) -> str:
    """Return what a training ran on."""
    device, processor = _get(card, "machine", "device"), _get(card, "machine", "processor")
    if not processor:
        return ""
    threads = _whole(card, "machine", "threads") or 1
    where = f"{processor}, {threads} thread{'s' if threads > 1 else ''}"
    return where if device in (None, "cpu") else f"{device}, {where}"


def described(config: ModelConfig, card: Mapping[str, Any]) -> str:
    """Say in a line what a classifier is."""
    words = f"{config.vocab_size:,} words"
    if config.is_feedforward:
        return f"feed-forward, the first {config.window} words at once, {config.hidden_size} ReLU units, {words}"
    layers = f"{config.num_layers} x " if config.num_layers > 1 else ""
    parts = [f"{CELL_LABELS[config.cell_type]}, {layers}{config.hidden_size} units"]
    parts += ["both ways"] if config.bidirectional else []
    parts += [_POOLINGS[config.pooling]]
    parts += [f"dense layer of {config.dense_size}"] if config.dense_size else []
    parts += [words + (" and pairs" if config.pair_buckets else "")]
    parts += ["guessed the next word first"] if _number(card, "training", "pretrain_epochs") else []
    parts += ["also trained on rt-polarity"] if "polarity" in str(_get(card, "data", "source")) else []
    return ", ".join(parts)


def lead(one: Row, other: Row) -> tuple[float, float]:
    """Return how far one row is ahead of another, and half the 95 % interval of such a difference.

    The interval is that of two shares measured on different texts; on the same ones it is too wide rather than too
    narrow where the two err on the same texts.

    Args:
        one: With an accuracy and the number of its texts.
        other: Likewise.
    """
    variance = sum(row.accuracy * (1 - row.accuracy) / row.texts for row in (one, other))
    return one.accuracy - other.accuracy, _Z * math.sqrt(variance)


def best_of(rows: Sequence[Row], name: str) -> Row | None:
    """Return, of the yardsticks whose names begin so, the one that did best on validation."""
    found = [row for row in rows if row.source == _REPORT and row.name.startswith(name) and _is_comparable(row)]
    return max(found, key=lambda row: row.validation or 0.0, default=None)


def _is_comparable(row: Row) -> bool:
    return row.accuracy is not None and row.texts > 0


def verdicts(rows: Sequence[Row], shown: Callable[[str], str] = str) -> list[str]:
    """Say which recurrent models are no better than yardsticks that know nothing of order, or of neighbours only.

    Args:
        rows: From `ladder`.
        shown: How a model's name is written.

    Returns:
        Sentences; none where there is nothing to compare.
    """
    networks = [row for row in ranked(rows) if row.kind == RECURRENT and _is_comparable(row)]
    told, margin = [], 0.0
    for name, label in (
        (yardsticks.BAG, "a bag of words with logistic regression"),
        (yardsticks.PAIRS, "logistic regression on words and pairs of neighbours"),
    ):
        if (yardstick := best_of(rows, name)) and networks:
            leads = {row: lead(row, yardstick) for row in networks}
            margin = max(margin, *(half for _, half in leads.values()))
            poor = [row for row, (ahead, half) in leads.items() if ahead <= half]
            networks = [row for row in networks if row not in poor]
            other = f"{label} ({percent(yardstick.accuracy)})"
            told += [f"No better than {other}: {_listed(poor, shown)}."] if poor else []
            told += [f"Better than {other}: {_listed(networks, shown)}."] if networks else []
    if told:
        told.append(
            "Better means ahead by more than the 95 % interval of the difference between two shares of so many reviews "
            f"({100 * margin:.1f} points at most); of a model trained with several seeds the mean is compared."
        )
    return told


def _listed(rows: Sequence[Row], shown: Callable[[str], str]) -> str:
    return ", ".join(f"{shown(row.name)} ({percent(row.accuracy)})" for row in rows)


def percent(share: float | None) -> str:
    """Return a share as the README writes it, "" for None."""
    return "" if share is None else f"{100 * share:.2f} %"


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the rows as a table of plain numbers, shares between 0 and 1, in the order given."""
    return pd.DataFrame(
        [
            {
                "model": row.name,
                "test": row.test,
                "kind": row.kind,
                "over seeds, %": row.spread,
                "validation": row.validation,
                "parameters": row.parameters,
                "minutes": None if row.seconds is None else row.seconds / 60,
                "calibration error": row.calibration_error,
                "what it is": row.what,
                "epochs": row.epochs,
                "machine": row.machine,
                "source": row.source,
            }
            for row in rows
        ]
    ).astype({"parameters": "Int64", "minutes": float, "calibration error": float, "epochs": float})


def plain(rows: Sequence[Row]) -> str:
    """Return the ladder as text, best first: a table, and the sentences of `verdicts`."""
    cells = pd.DataFrame([_cells(row) for row in ranked(rows)])
    return "\n".join([cells.to_string(index=False), *verdicts(rows)])


def markdown(rows: Sequence[Row]) -> str:
    """Return the ladder as Markdown, best first: a table, and the sentences of `verdicts`."""
    cells = [_cells(row, "`{}`".format) for row in ranked(rows)]
    lines = [list(cells[0]), ["---"] * len(cells[0]), *(one.values() for one in cells)]
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    return "\n".join([*body, "", " ".join(verdicts(rows, "`{}`".format))])


def _cells(row: Row, shown: Callable[[str], str] = str) -> dict[str, str]:
    """Return a row's cells as they are read; published figures with the digits that were published."""
    kind = {RECURRENT: "", OTHER: f" ({OTHER})", PUBLISHED: f" ({PUBLISHED}: {row.source})"}[row.kind]
    return {
        "model": shown(row.name) if row.source == _CARD else row.name,
        "what it is": row.what + kind,
        "test": f"{100 * row.test:g} %" if row.kind == PUBLISHED else percent(row.test),
        "over seeds, %": row.spread,
        "validation": percent(row.validation),
        "parameters": "" if row.parameters is None else f"{row.parameters:,}",
        "minutes": "" if row.seconds is None else f"{row.seconds / 60:.1f}",
        "calibration error": "" if row.calibration_error is None else f"{row.calibration_error:.3f}",
    }

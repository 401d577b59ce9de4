"""The ladder: every classifier of the reviews beside what is as good without a memory, and how sure each may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, sqrt
from typing import Any

import streamlit as st

from rnnviz import checkpoints, session
from rnnviz.charts.calibration import Bin, Dot, accuracy_chart, calibration_chart
from rnnviz.charts.text import as_text
from rnnviz.errors import RnnvizError
from rnnviz.pages.sentiment import typed_sentences
from rnnviz.pages.sentiment.choice import MODEL
from rnnviz.training import yardsticks
from rnnviz.training.distance import wilson
from rnnviz.training.ladder import KINDS, PUBLISHED, RECURRENT, Row, best_of, ladder, percent, ranked, table, verdicts

_UPPER, _CALIBRATED, _RECIPE = "keep_ladder_upper", "keep_ladder_calibrated", "keep_ladder_recipe"
_FROM = 0.8
_ROW, _HEAD, _SEEDS = 35, 38, 250
"""Pixels of a table's row, of its head, and of its column of seeds."""
_THEIRS, _FIRST, _SECOND = "notes: SimpleRNN(100)", "imdb-rnn-100", "imdb-rnn-dense"
_SAME = 0.01
"""A figure of others is called reproduced where ours is as near."""
_RECIPES = {
    _FIRST: {
        ("model", "vocab_size"): (10_000, "{:,} words"),
        ("training", "max_length"): (500, "{:,} words a review"),
        ("model", "embedding_size"): (100, "embedding {:,}"),
        ("model", "hidden_size"): (100, "{:,} units"),
        ("training", "batch_size"): (128, "batch {:,}"),
        ("training", "optimizer"): ("sgd", "{}"),
        ("training", "epochs"): (2, "{:g} epochs"),
    },
    _SECOND: {
        ("model", "vocab_size"): (1_000, "{:,} words"),
        ("model", "embedding_size"): (64, "embedding {:,}"),
        ("model", "hidden_size"): (64, "{:,} units"),
        ("model", "dense_size"): (64, "dense layer of {:,}"),
        ("model", "num_outputs"): (1, "{:,} outputs"),
        ("training", "optimizer"): ("sgd", "{}"),
        ("training", "learning_rate"): (0.001, "learning rate {:g}"),
        ("training", "epochs"): (512, "{:g} epochs"),
    },
}
"""The lecture notes' two recipes, where a card says the same thing of ours: their value, and how ours is written."""
_BESIDES = {
    ("model", "dropout"): "dropout {:g}",
    ("training", "prefix_loss"): "{:.0%} of the loss from the beginnings of reviews",
    ("training", "average"): "averaged weights",
    ("training", "clip"): "gradients clipped at norm {:g}",
    ("training", "max_length"): "random stretches of {:,} words of longer reviews",
}
"""What the notes do not speak of and a card may hold."""
_OPTIMIZERS = {"sgd": "SGD", "adamw": "AdamW"}


def render() -> None:
    """Draw the view."""
    rows, troubles = ladder()
    for trouble in troubles:
        st.warning(as_text(trouble))
    rows = ranked(rows)
    st.write(
        "The same task all the way up: 25,000 test reviews, half of them positive. What do memory, gates and a second "
        "direction add to knowing which words occur?"
    )
    _table(rows)
    for sentence in verdicts(rows, as_text):
        st.write(sentence)
    for sentence in recipes(rows):
        st.write(sentence)
    st.fragment(_accuracies)(rows)
    st.fragment(_calibration)(rows)
    typed_sentences.render()
    st.fragment(_recipe)(rows)


def _table(rows: list[Row]) -> None:
    """Draw the table and offer it as a file."""
    columns = {
        "model": st.column_config.TextColumn(pinned=True),
        "test": st.column_config.NumberColumn(format="percent", help="Share of the official test set that is right."),
        "over seeds, %": st.column_config.TextColumn(
            width=_SEEDS, help="Test: mean \u00b1 standard deviation (lowest to highest seed)."
        ),
        "validation": st.column_config.NumberColumn(format="percent"),
        "parameters": st.column_config.NumberColumn(format="localized"),
        "minutes": st.column_config.NumberColumn(
            "minutes to train",
            format="%.1f",
            help="Of one thread on the machine named, by the clock, which other work on it lengthens; for logistic "
            "regression the processor's time.",
        ),
        "calibration error": st.column_config.NumberColumn(
            format="%.3f", help="How far the chance given is from the share right, on average, on the test set."
        ),
        "epochs": st.column_config.NumberColumn("epochs at most", format="%g"),
    }
    data = table(rows)
    st.dataframe(data, column_config=columns, hide_index=True, placeholder="", height=_HEAD + _ROW * len(rows))
    st.download_button("Download the table (CSV)", data.to_csv(index=False), "ladder.csv", "text/csv")
    st.caption(
        "Look at the column \u201ckind\u201d: what is not recurrent carries no memory from word to word. Published "
        "figures were not measured here, and some of them read far more text; \u201csource\u201d says where each comes "
        "from. What was measured here was validated on the same tenth of the training films and tested on the same "
        "25,000 reviews."
    )


def recipes(rows: Sequence[Row]) -> list[str]:
    """Say how the lecture notes' two recipes differ from ours, by the cards; nothing of one that is not here.

    Args:
        rows: From `ladder`.
    """
    there = {row.name: row for row in rows if row.accuracy is not None}
    told = []
    if _FIRST in there and (card := _card(_FIRST)):
        told.append(_first_recipe(there[_FIRST], there[_THEIRS].accuracy, card))
    if _SECOND in there and (card := _card(_SECOND)):
        told.append(_second_recipe(there[_SECOND], card))
    return told


def _first_recipe(ours: Row, theirs: float, card: Mapping[str, Any]) -> str:
    outcome = "reproduced" if abs(ours.accuracy - theirs) < _SAME else "not reproduced"
    apart = _apart(_FIRST, card)
    settings = f"with {_listed(apart)}" if apart else "with the same settings"
    units, reviews = _number(card, "model", "hidden_size"), _number(card, "data", "train_texts")
    bound = f", uniform within \u00b1{1 / sqrt(units):.2g}" if units and units > 0 else ""
    saw = f"saw {reviews:,.0f} of the 25,000 training reviews, " if reviews else ""
    rate = _number(card, "training", "learning_rate")
    learned = f"learned at rate {rate:g} (theirs is not told) and " if rate else ""
    return (
        "The notes\u2019 first recipe (10,000 words, 500 a review, embedding 100, batch 128, SGD, 2 epochs) gave their "
        f"SimpleRNN(100) {100 * theirs:.1f} %; ours, {as_text(ours.name)}, gets {_reached(ours)} {settings}: "
        f"{outcome}. Ours reads each review to its true length, as with a mask; theirs perhaps read padding. "
        f"Ours began with PyTorch\u2019s recurrent weights{bound}; Keras\u2019 are orthogonal. "
        f"In training ours {saw}{learned}had {_listed(_besides(card))}. Which of these matters was not tried."
    )


def _second_recipe(ours: Row, card: Mapping[str, Any]) -> str:
    apart = _apart(_SECOND, card)
    differs = f" It differs: {_listed(apart)}." if apart else ""
    return (
        "The notes\u2019 second recipe (1,000 words, Embedding 64 with masking, SimpleRNN(64), Dense(64, ReLU), "
        "Dense(1), SGD 0.001, 512 epochs) was not run as it stands. Nearest in shape is "
        f"{as_text(ours.name)} ({as_text(ours.what)}), which gets {_reached(ours)}.{differs} "
        f"In training it also had {_listed(_besides(card))}."
    )


def _reached(row: Row) -> str:
    """Return a model's own share right of the test set, and the mean over its seeds."""
    mean = f"{percent(row.accuracy)} on average over {len(row.seeds)} seeds" if row.ends else ""
    own = percent(row.test)
    return f"{own} ({mean})" if own and mean else own or mean


def _apart(name: str, card: Mapping[str, Any]) -> list[str]:
    """Say where a card's values are not those of the notes' recipe; what a card does not say is left out."""
    told = []
    for keys, (theirs, written) in _RECIPES[name].items():
        if isinstance(theirs, str):
            ours = _of(card, *keys)
            if isinstance(ours, str) and ours != theirs:
                told.append(f"{as_text(_OPTIMIZERS.get(ours, ours))} in place of {_OPTIMIZERS[theirs]}")
        elif (ours := _number(card, *keys)) is not None and ours != theirs:
            told.append(f"{written.format(ours)} in place of {theirs:,}")
    return told


def _besides(card: Mapping[str, Any]) -> list[str]:
    """Say what a card holds that the notes do not speak of."""
    found = ((written, _number(card, *keys)) for keys, written in _BESIDES.items())
    told = [written.format(value) for written, value in found if value]
    return [*told, "the weights kept of the step that validated best"]


def _card(name: str) -> Mapping[str, Any]:
    """Return a model's card, {} where it has none that can be read; the table's warnings tell of those."""
    try:
        return checkpoints.read_card(checkpoints.find(name))
    except RnnvizError:
        return {}


def _of(card: Any, *keys: str) -> Any:
    """Return what lies under nested keys, None where the way there is broken."""
    for key in keys:
        card = card.get(key) if isinstance(card, Mapping) else None
    return card


def _number(card: Any, *keys: str) -> float | None:
    value = _of(card, *keys)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and isfinite(value) else None


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


def _accuracies(rows: list[Row]) -> None:
    """Draw the accuracies on one axis."""
    upper = st.toggle(f"Only from {_FROM:.0%} on", key=session.default(_UPPER, False))
    lines = {row.name for name in (yardsticks.BAG, yardsticks.PAIRS) if (row := best_of(rows, name))}
    dots = [_dot(row, row.name in lines) for row in rows if row.accuracy is not None]
    shown = [dot for dot in dots if not upper or dot.low >= _FROM]
    if not shown:
        st.info(f"Nothing here reaches {_FROM:.0%}.")
        return
    st.altair_chart(accuracy_chart(shown, KINDS), width="stretch")
    left_out = f" Left out below {_FROM:.0%}: {len(dots) - len(shown)}." if len(shown) < len(dots) else ""
    st.caption(
        "Look for circles to the left of a dashed line: networks that read every word in order, and are behind "
        f"logistic regression that knows which words occur, or which pairs of neighbours.{left_out}"
    )


def _dot(row: Row, line: bool) -> Dot:
    low, high = row.ends or (row.accuracy, row.accuracy)
    return Dot(row.name, row.kind, row.accuracy, low, high, row.seeds if row.ends else (), row.what, line)


def _calibration(rows: list[Row]) -> None:
    """Draw how often guesses are right against the chance given to them."""
    st.header("Calibration")
    there = {row.name: row for row in rows if row.kind != PUBLISHED and row.test is not None}
    if not there:
        st.info("No model here was scored on the test set.")
        return
    first = [_first(rows), *([bag.name] if (bag := best_of(rows, yardsticks.BAG)) else [])]
    kept = st.session_state[session.default(_CALIBRATED, first)]
    st.session_state[_CALIBRATED] = [name for name in kept if name in there]
    chosen = [there[name] for name in st.multiselect("Classifiers", list(there), key=_CALIBRATED)]
    for row in chosen:
        if not row.bins:
            st.info(f"The card of {as_text(row.name)} holds no calibration yet; `{row.score_command}` writes it.")
    curves = {row.name: _bins(row) for row in chosen if row.bins}
    if not curves:
        if not chosen:
            st.info("Choose at least one classifier to see its calibration.")
        return
    st.altair_chart(calibration_chart(curves, "guesses on the test set; dotted: as sure as right"), width="stretch")
    errors = [
        f"{as_text(row.name)} {row.calibration_error:.3f}"
        for row in chosen
        if row.bins and row.calibration_error is not None
    ]
    st.caption(
        f"Expected calibration error: {', '.join(errors)}. Look on which side of the dotted line the large points lie: "
        "below it a classifier is surer than it is right, above it less sure than it could be. A point is all guesses "
        "given about the same chance (15 equal bins), its size how many they are, its bar the 95 % interval (Wilson "
        "1927)."
    )


def _first(rows: list[Row]) -> str:
    """Return the model chosen on the other views where it has bins, else the best recurrent one that has."""
    with_bins = [row.name for row in rows if row.kind == RECURRENT and row.bins]
    scored = [row.name for row in rows if row.kind == RECURRENT and row.test is not None]
    chosen = st.session_state.get(MODEL)
    return chosen if chosen in with_bins else next(iter([*with_bins, *scored]), "")


def _bins(row: Row) -> list[Bin]:
    """Return a row's bins that hold a guess, with the interval of each share."""
    return [Bin(chance, right, *wilson(round(right * n), n), n) for n, chance, right in row.bins if n]


def _recipe(rows: list[Row]) -> None:
    """Show the command that makes a classifier, how long it took and on what."""
    st.header("Make it yourself")
    there = {row.name: row for row in rows if row.command}
    if not there:
        st.info("No model here says how it was made.")
        return
    names = list(there)
    first = next((name for name in (st.session_state.get(MODEL), _first(rows)) if name in names), names[0])
    row = there[st.selectbox("Recipe of", names, key=session.fitting(_RECIPE, names, first))]
    st.code(row.command, language="sh", wrap_lines=True)
    st.write(_took(row))
    if row.score_command:
        st.write("Its figure on the test set, and the calibration above:")
        st.code(row.score_command, language="sh", wrap_lines=True)
    if row.ends:
        st.write("The same with other seeds, each scored once on the test set:")
        seeds = [{"seed": str(seed), "test": percent(share)} for seed, share in row.seeds]
        st.dataframe(seeds, hide_index=True, width="content")


def _took(row: Row) -> str:
    """Say how long it took and on what."""
    if row.seconds is None:
        return "Its card does not say how long it took."
    time = f"{row.seconds:.0f} seconds" if row.seconds < 90 else f"{row.seconds / 60:.0f} minutes"
    together = "" if row.score_command else " The command measures all yardsticks, one after the other."
    return f"Took {time}{f' on {as_text(row.machine)}' if row.machine else ''}.{together}"

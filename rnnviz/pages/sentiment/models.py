"""The ladder: every classifier of the reviews beside what is as good without a memory, and how sure each may be."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.charts.calibration import Bin, Dot, accuracy_chart, calibration_chart
from rnnviz.charts.text import as_text
from rnnviz.pages.sentiment.choice import MODEL
from rnnviz.training import yardsticks
from rnnviz.training.distance import wilson
from rnnviz.training.ladder import KINDS, PUBLISHED, RECURRENT, Row, best_of, ladder, percent, ranked, table, verdicts

_UPPER, _CALIBRATED, _RECIPE = "keep_ladder_upper", "keep_ladder_calibrated", "keep_ladder_recipe"
_FROM = 0.8
_ROW, _HEAD, _SEEDS = 35, 38, 250
"""Pixels of a table's row, of its head, and of its column of seeds."""


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
    st.fragment(_accuracies)(rows)
    st.fragment(_calibration)(rows)
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

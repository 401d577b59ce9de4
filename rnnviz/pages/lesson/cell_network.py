"""Which hand-sized network reads which text: one choice for all views of the page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from rnnviz import session
from rnnviz.charts.text import as_text, visible
from rnnviz.components.cellview import Sheet, kept, sheets
from rnnviz.config import CELL_LABELS
from rnnviz.errors import ConfigError, TextError
from rnnviz.lesson.cell import (
    FEWEST_UNITS,
    MOST_LETTERS,
    MOST_STEPS,
    MOST_UNITS,
    Hand,
    columns,
    from_tables,
    row_names,
    symbol,
    tables,
)
from rnnviz.lesson.cell_presets import RANDOM, make, preset_names, watch

WEIGHTS = "cell_weights"
_TEXT, _LETTERS = "abb bab", "ab"
LAST_SEED = 10**6


def chosen_text(help_text: str = "") -> str:
    """Ask for the text; what is too long is cut, and the page says so.

    Raises:
        TextError: It is empty.
    """
    text = st.text_input(
        "Text", key=session.typed("keep_cell_text", _TEXT), disabled=session.frozen("text"), help=help_text or None
    )
    if not text:
        raise TextError("The text is empty: type a few letters for the network to read.")
    return session.first_of(text, MOST_STEPS, "characters")


class Choice:
    """What is chosen: the cell, the preset and its numbers' first values."""

    def __init__(self, kind: str, preset: str, units: int, seed: int, letters: Sequence[str]) -> None:
        self.kind, self.preset, self.letters = kind, preset, tuple(letters)
        self.first = make(kind, preset, letters, units, seed)
        size = f"{units} {seed}" if preset == RANDOM else ""
        self.of = f"{kind} {preset} {size} {''.join(letters)}"
        self.label, self.watch = watch(kind, preset, letters)

    def hand(self) -> Hand:
        """Return the network with the numbers as they were left."""
        return from_tables(self.kind, self.letters, kept(self.of, WEIGHTS, tables(self.first)))

    def edited(self) -> Hand:
        """Mount the tables of numbers and return the network with the numbers now."""
        first, units = self.first, self.first.units
        names = [f"{symbol(state, self.kind)}0" for state in ("hidden", "cell")[: len(first.start)]]
        kinds = [
            (
                "Weights and biases",
                columns([visible(letter) for letter in self.letters], units, self.kind),
                row_names(units, self.kind),
            ),
            ("State before the first step", [f"unit {i + 1}" for i in range(units)], names),
            ("Output y: W_hy and b_y", [*(f"unit {i + 1}" for i in range(units)), "b_y"], ["y"]),
        ]
        last = len(kinds[0][1]) - 1
        fixed = tuple((row, last) for row in range(2 * units)) if self.kind == "gru" else ()
        made = [
            Sheet(title, tuple(across), tuple(down), tuple(map(tuple, numbers)), fixed if i == 0 else ())
            for i, ((title, across, down), numbers) in enumerate(zip(kinds, tables(first), strict=True))
        ]
        values = sheets(made, of=self.of, key=WEIGHTS, frozen=session.frozen("model"))
        return from_tables(self.kind, self.letters, values)


def chosen_network(kinds: Sequence[str] = tuple(CELL_LABELS)) -> Choice:
    """Ask for a cell, a preset and its letters.

    Raises:
        ConfigError: No letter is named, or too many.
    """
    held = session.frozen("model")
    one, two, three = st.columns([2, 3, 1])
    kind = one.selectbox(
        "Cell",
        list(kinds),
        key=session.fitting("keep_cell_kind", list(kinds), "lstm" if "lstm" in kinds else kinds[0]),
        format_func=CELL_LABELS.get,
        disabled=held,
    )
    typed = three.text_input(
        "Letters",
        key=session.typed("keep_cell_letters", _LETTERS),
        disabled=held,
        help="The one-hot inputs, one to three characters; any other character is a vector of zeros.",
    )
    letters = tuple(dict.fromkeys(typed))
    names = preset_names(kind)
    told = letters or ("?",)
    preset = two.selectbox(
        "Weights",
        names,
        key=session.fitting("keep_cell_preset", names, names[0]),
        format_func=lambda name: watch(kind, name, told)[0],
        disabled=held,
    )
    if not 1 <= len(letters) <= MOST_LETTERS:
        raise ConfigError(f"Name one to {MOST_LETTERS} different letters as the network's inputs.")
    units, seed = 2, 0
    if preset == RANDOM:
        four, five, _ = st.columns([1, 1, 2])
        sizes = list(range(FEWEST_UNITS, MOST_UNITS + 1))
        units = four.selectbox("Units", sizes, key=session.fitting("keep_cell_units", sizes, 2), disabled=held)
        seed = five.number_input(
            "Seed of the weights", 0, LAST_SEED, key=session.whole("keep_cell_seed", 0, LAST_SEED, 0), disabled=held
        )
    return Choice(kind, preset, units, int(seed), letters)


def told(choice: Choice) -> None:
    """Say in one line which network it is, for the views that do not show its numbers."""
    changed = " Some of its numbers are your own." if tables(choice.hand()) != tables(choice.first) else ""
    st.caption(
        f"{CELL_LABELS[choice.kind]}, {as_text(choice.label)}, {choice.first.units} units.{changed} "
        "Its numbers are under “Step by step”, where they can be changed."
    )

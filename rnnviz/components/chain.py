"""A recurrent loop drawn as a cycle and as a chain, with its program beside it: play, pause, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
import streamlit as st

from rnnviz.browser import bundle, style
from rnnviz.charts.palette import HEX, INK, Scale
from rnnviz.charts.text import visible

SPEEDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Lines of the program a second, when it plays."""
_LITS = ("input", "cell", "output")
_FIGURES = 6


@dataclass(frozen=True, eq=False)
class Lane:
    """Numbers that come with every step: a state, an input or an output.

    Attributes:
        name: As in the program.
        values: (time, number); of a state (time + 1, number), the first row before any input.
        scale: Numbers' colours; None for no colour.
        names: What each number is called, for the mouse; () for their places.
        colours: What is coloured in place of `values`, of the same shape; None for the values themselves.
        note: What the legend says of the colours; "" for the scale's own words.
    """

    name: str
    values: np.ndarray
    scale: Scale | None = None
    names: tuple[str, ...] = ()
    colours: np.ndarray | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Matrix:
    """Weights shown inside every box.

    Attributes:
        name: As in the program.
        values: (row, column), all of them or a corner.
        shape: Its true shape in words where only a corner is shown.
    """

    name: str
    values: np.ndarray
    shape: str = ""


@dataclass(frozen=True)
class Phase:
    """One line of the program within a step.

    Attributes:
        line: The line that is lit.
        shows: What has happened once it has run: "input" (an input was taken), "cell" (the cell has run: the new
            state, or on the way back the gradient before the step, is there) or "output" (what the step gives besides).
        also: Further lines, lit less.
    """

    line: int
    shows: str
    also: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """The loop as lines of code.

    Attributes:
        lines: The lines.
        first: The line that stands before any step.
        phases: What runs in each step, in order; one of them shows "cell".
        last: The line after the last step.

    Raises:
        ValueError: A line does not exist, or there is no phase that shows "cell".
    """

    lines: tuple[str, ...]
    first: int
    phases: tuple[Phase, ...]
    last: int

    def __post_init__(self) -> None:
        places = {self.first, self.last, *(line for phase in self.phases for line in (phase.line, *phase.also))}
        if not places <= set(range(len(self.lines))):
            raise ValueError(f"lines: expected places from 0 to {len(self.lines) - 1}, got {sorted(places)}")
        shown = [phase.shows for phase in self.phases]
        if "cell" not in shown or not set(shown) <= set(_LITS) or len(set(shown)) < len(shown):
            raise ValueError(f"phases: expected some of {', '.join(_LITS)}, each once, 'cell' among them, got {shown}")


@dataclass(frozen=True, eq=False)
class Chain:
    """What is drawn.

    Attributes:
        tokens: (time,), what is read at each step.
        states: What is carried from step to step, at least one.
        program: The loop.
        cell: What a box is called.
        inputs: Numbers of each input, or None.
        outputs: Numbers of each output, or None.
        told: (time,), each step in a few characters, inside its box; () for none.
        weights: Shown inside each box.
        backwards: Whether the steps run from the last to the first: states are then gradients, and row t of a state is
            the gradient with respect to the state before step t.

    Raises:
        ValueError: Numbers do not fit the steps.
    """

    tokens: tuple[str, ...]
    states: tuple[Lane, ...]
    program: Program
    cell: str = "cell"
    inputs: Lane | None = None
    outputs: Lane | None = None
    told: tuple[str, ...] = ()
    weights: tuple[Matrix, ...] = ()
    backwards: bool = False

    def __post_init__(self) -> None:
        steps = len(self.tokens)
        expected = [(lane, steps + 1) for lane in self.states]
        expected += [(lane, steps) for lane in (self.inputs, self.outputs) if lane is not None]
        for lane, rows in expected:
            if lane.values.ndim != 2 or len(lane.values) != rows:
                raise ValueError(f"{lane.name}: expected (time={rows}, number), got {lane.values.shape}")
        if not self.states or not steps or len(self.told) not in (0, steps):
            raise ValueError(f"expected steps, states and a text for each step or none, got {steps} steps")

    @property
    def places(self) -> int:
        """How many places the program can stand at."""
        return len(self.tokens) * len(self.program.phases) + 2


def chain(shown: Chain, *, key: str, label: str, at: int | None = None) -> None:
    """Draw a chain that can be played; mount it inside a fragment.

    Where the reader stands is kept in `st.session_state[f"keep_{key}"]`.

    Args:
        shown: What is drawn.
        key: The component's key.
        label: What the figure is called by a screen reader.
        at: The place to stand at first; None for the end, where all that has happened can be seen.
    """
    kept = _heard(key)
    place = kept.get("at")
    if not isinstance(place, int) or isinstance(place, bool):
        place = shown.places - 1 if at is None else at
    speed = kept.get("speed") if kept.get("speed") in SPEEDS else 1.0
    kept = {"at": min(max(place, 0), shown.places - 1), "speed": speed}
    st.session_state[f"keep_{key}"] = kept
    data = {"label": label, "speeds": SPEEDS, "hex": HEX, "ink": INK, **kept, **_data(shown)}
    _component()(key=key, data=data)


def _heard(key: str) -> Mapping[str, Any]:
    """Return where the reader stood, as the browser last told it or as it was kept."""
    kept = st.session_state.get(f"keep_{key}")
    kept = kept if isinstance(kept, Mapping) else {}
    state = st.session_state.get(key)
    message = state.get("stands") if isinstance(state, Mapping) else None
    if isinstance(message, Mapping) and message.get("count") != st.session_state.get(f"{key}_count"):
        st.session_state[f"{key}_count"] = message.get("count")
        return {**kept, **message}
    return kept


def _data(shown: Chain) -> dict[str, Any]:
    return {
        "tokens": [visible(token) for token in shown.tokens],
        "states": [_lane(lane) for lane in shown.states],
        "inputs": None if shown.inputs is None else _lane(shown.inputs),
        "outputs": None if shown.outputs is None else _lane(shown.outputs),
        "told": list(shown.told),
        "cell": shown.cell,
        "weights": [{"name": m.name, "rows": _rows(m.values), "shape": m.shape} for m in shown.weights],
        "program": asdict(shown.program),
        "back": shown.backwards,
    }


def _lane(lane: Lane) -> dict[str, Any]:
    scale = lane.scale
    colours = lane.values if lane.colours is None else lane.colours
    note = lane.note or (scale.note if scale else "")
    names = lane.names or tuple(f"{lane.name}[{i}]" for i in range(lane.values.shape[1]))
    if not lane.names and lane.values.shape[1] == 1:
        names = (lane.name,)
    shades = None if scale is None else scale.shade(np.nan_to_num(colours.astype(float))).tolist()
    return {"name": lane.name, "rows": _rows(lane.values), "names": list(names), "shades": shades, "note": note}


def _rows(values: np.ndarray) -> list[list[float | str]]:
    """Return numbers as JSON can hold them: six figures, infinities as signs."""
    return [[_number(v) for v in row] for row in np.asarray(values, dtype=float).tolist()]


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return float(f"{value:.{_FIGURES}g}")
    return "not a number" if math.isnan(value) else ("\u221e" if value > 0 else "\u2212\u221e")


def lanes(names: Sequence[str], values: np.ndarray, scale: Scale | None, note: str = "") -> tuple[Lane, ...]:
    """Part (time + 1, state) numbers into one lane a state, all on one scale."""
    return tuple(Lane(name, values[:, i : i + 1], scale, note=note) for i, name in enumerate(names))


@cache
def _component() -> Callable[..., object]:
    """Register once, and only inside a running server."""
    return st.components.v2.component(
        "rnnviz_chain", html='<div class="rv-chain"></div>', css=style("chain.css"), js=bundle("chain.js")
    )

"""Which networks stand side by side, how the untrained ones begin, and what they read; shared by the page's views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rnnviz import session
from rnnviz.charts.text import as_text
from rnnviz.components.knobs import Knob, knobs
from rnnviz.config import CELL_LABELS
from rnnviz.errors import ModelNotFoundError, RnnvizError
from rnnviz.initial import RECIPES, Start
from rnnviz.subjects import LONGEST_GRADIENT, Subject, Window, fresh_subject, label_of, trained_subject

TEXT = "keep_gradient_text"
EXAMPLE = (
    "The keys to the old cabinet in the hall, which my grandmother had locked long before the war and never "
    "opened again in all the years that we knew her, were lost when we moved out of the house by the river, "
    "and nobody ever asked for them again."
)
_SEED_LIMIT, _SIZES = 10**6, (16, 32, 64, 128, 256)
_STEPS, _END = "steps", "end"
_KNOBS = [
    Knob("scale", "Scale of W_hh", 0.1, 10, 0.01, 1.0, logarithmic=True, help="Factor on every recurrent matrix."),
    Knob("forget", "Forget-gate bias", -4, 8, 0.1, 1.0, help="LSTM only: above 0 the gates start open."),
    Knob(_STEPS, "Steps read", 1, LONGEST_GRADIENT, 1, 200, help="How far before the loss reading begins, at most."),
    Knob(_END, "Place of the loss", 1, 100, 1, 100, unit="% of the text", help="Where in the text the loss sits."),
]


@dataclass(frozen=True)
class Settings:
    """What stands still while knobs are turned.

    Attributes:
        cells: The untrained networks' cells.
        names: The trained models.
        size: Units of the untrained ones.
        layers: Their layers.
        recipe: How their W_hh is drawn.
        seed: Their seed.
    """

    cells: tuple[str, ...]
    names: tuple[str, ...]
    size: int
    layers: int
    recipe: str
    seed: int

    @property
    def labels(self) -> list[str]:
        """What the networks are called, untrained ones first."""
        return [*(CELL_LABELS[cell] for cell in self.cells), *map(label_of, self.names)]


@dataclass(frozen=True)
class Choice:
    """What the controls say.

    Attributes:
        subjects: The networks, untrained ones first.
        settings: What they were made by.
        start: How the untrained ones begin.
        window: What is read.
    """

    subjects: tuple[Subject, ...]
    settings: Settings
    start: Start
    window: Window

    @property
    def fresh(self) -> tuple[Subject, ...]:
        """The untrained networks."""
        return self.subjects[: len(self.settings.cells)]

    def unscaled(self, subject: Subject) -> Subject:
        """Return an untrained network as it was before its W_hh was scaled, a trained one as it is."""
        if subject not in self.fresh:
            return subject
        return self._fresh(subject.config.cell_type, replace(self.start, scale=1.0))

    def with_seeds(self, count: int) -> list[list[Subject]]:
        """Return the untrained networks again for so many seeds from the chosen one on, a list a cell."""
        starts = [replace(self.start, seed=self.start.seed + i) for i in range(count)]
        return [[self._fresh(cell, start) for start in starts] for cell in self.settings.cells]

    def _fresh(self, cell: str, start: Start) -> Subject:
        return fresh_subject(self.window, cell, self.settings.size, self.settings.layers, start)


@dataclass(frozen=True)
class Frame:
    """The places of a view: knobs beside pictures, so that one sees what one turns; settings above and below.

    Attributes:
        knobs: Left.
        pictures: Right.
        below: Under both.
        settings: What the settings say.
    """

    knobs: DeltaGenerator
    pictures: DeltaGenerator
    below: DeltaGenerator
    settings: Settings


def framed() -> Frame:
    """Draw the settings around the places of a view."""
    one, two = st.columns(2)
    cells = one.multiselect(
        "Untrained networks",
        list(CELL_LABELS),
        key=session.default("keep_gradient_cells", ["rnn_tanh", "lstm", "gru"]),
        format_func=CELL_LABELS.get,
        disabled=session.frozen("model"),
    )
    there = _names()
    kept = st.session_state.get("keep_gradient_models")
    st.session_state["keep_gradient_models"] = (
        [name for name in there if name in kept] if isinstance(kept, list) else []
    )
    names = two.multiselect(
        "Trained models",
        there,
        key="keep_gradient_models",
        placeholder="put one beside them",
        disabled=session.frozen("model"),
    )
    left, pictures = st.columns([1, 2.2], gap="medium")
    below = st.container()
    one, two, three, four = below.columns([1, 1, 2, 1])
    held = session.frozen("model")
    size = one.selectbox("Units", _SIZES, key=session.fitting("keep_gradient_units", _SIZES, 128), disabled=held)
    layers = two.selectbox(
        "Layers", [1, 2, 3], key=session.fitting("keep_gradient_layers", [1, 2, 3], 1), disabled=held
    )
    key = session.fitting("keep_gradient_recipe", list(RECIPES), "pytorch")
    recipe = three.selectbox("W_hh begins as", list(RECIPES), key=key, format_func=RECIPES.get, disabled=held)
    key = session.within("keep_gradient_seed", 0, _SEED_LIMIT, 0)
    seed = four.number_input("Seed", 0, _SEED_LIMIT, key=key, disabled=held)
    settings = Settings(tuple(cells), tuple(names), size, layers, recipe, int(seed))
    if not settings.labels:
        pictures.info("Choose at least one network.")
    return Frame(left, pictures, below, settings)


def beside(draw: Callable[[Choice], None]) -> None:
    """Draw all controls, and the view's pictures beside them where a network is chosen."""
    frame = framed()
    with frame.knobs:
        choice = turned(frame.settings)
    if choice.subjects:
        with frame.pictures:
            draw(choice)


def turned(settings: Settings) -> Choice:
    """Draw the knobs; models that cannot read the text are told of and left out."""
    values = knobs(_KNOBS, key="gradient_knobs", frozen=session.frozen("model"))
    window = Window(str(st.session_state.get(TEXT, EXAMPLE)), round(values[_STEPS]), values[_END])
    start = Start(settings.recipe, values["scale"], values["forget"], settings.seed)
    subjects = _subjects(
        [partial(fresh_subject, window, cell, settings.size, settings.layers, start) for cell in settings.cells],
        {name: partial(_trained, window, name) for name in settings.names},
    )
    if not any(subject.key[0] == "fresh" for subject in subjects):
        settings = replace(settings, cells=())
    return Choice(tuple(subjects), settings, start, window)


def _names() -> list[str]:
    """Return the models here; the page can do without."""
    try:
        return session.model_names()
    except ModelNotFoundError:
        return []


def _subjects(fresh: list[Callable[[], Subject]], trained: dict[str, Callable[[], Subject]]) -> list[Subject]:
    """Make the subjects; what cannot read the text is told of and left out.

    Raises:
        RnnvizError: None is left.
    """
    subjects, troubles = [], []
    for name, make in [*(("Untrained networks", make) for make in fresh[:1]), *trained.items()]:
        try:
            subjects += [one() for one in fresh] if make in fresh else [make()]
        except RnnvizError as error:
            troubles.append((name, error))
    if troubles and not subjects:
        raise troubles[0][1]
    for name, error in troubles:
        st.warning(f"{as_text(name)}: {error}")
    return subjects


def _trained(window: Window, name: str) -> Subject:
    return trained_subject(window, session.load_model(name), name)


def about(choice: Choice) -> str:
    """Say what is a random draw and what was read."""
    parts = []
    if choice.fresh:
        what = "network is one random draw" if len(choice.fresh) == 1 else "networks are one random draw each"
        parts.append(f"The untrained {what}, seed {choice.start.seed}, and read characters.")
    cut = [f"{as_text(s.label)} {s.steps:,} of {s.whole:,}" for s in choice.subjects if len(s.ids) < s.whole]
    if cut:
        parts.append(f"Steps read: {', '.join(cut)}.")
    if strange := [f"{as_text(s.label)} {sum(s.unknown)}" for s in choice.subjects if any(s.unknown)]:
        parts.append(f"Tokens outside the vocabulary, read as \u201cunknown\u201d: {', '.join(strange)}.")
    return " ".join(parts)


def layers_of(name: str) -> int:
    """Return how many layers a trained model has; 1 where it cannot be read."""
    try:
        return session.load_model(name).config.num_layers
    except RnnvizError:
        return 1


def pick_state() -> tuple[str, str]:
    """Ask which state; returns its name and its letter."""
    state = st.segmented_control(
        "State",
        ["hidden", "cell"],
        key=session.fitting("keep_gradient_state", ["hidden", "cell"], "hidden"),
        format_func=lambda name: f"{name} state",
        required=True,
    )
    return state, "h" if state == "hidden" else "c"


def say_without(state: str) -> None:
    """Say that none of the networks has a state."""
    st.info(f"None of these networks has a {state} state: choose an LSTM, or the hidden state.")


def pick(choice: Choice, label: str, key: str, subjects: Sequence[Subject] | None = None) -> Subject:
    """Let one of the networks be chosen."""
    subjects = choice.subjects if subjects is None else subjects
    labels = [subject.label for subject in subjects]
    return subjects[labels.index(st.selectbox(label, labels, key=session.fitting(key, labels, labels[0])))]

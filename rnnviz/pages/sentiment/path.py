"""The path of the state through one review, in the plane in which the ends of many reviews differ most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from rnnviz import held_out, session
from rnnviz.analysis.paths import Border, Plane, border_in, fit_plane
from rnnviz.charts.paths import ends_table, path_chart
from rnnviz.charts.text import as_text
from rnnviz.checkpoints import Model
from rnnviz.errors import ConfigError
from rnnviz.held_out import HeldOut, Trail
from rnnviz.pages.sentiment import choice

_WIDE_SLIDER = "<style>.vega-bind input[type=range] {width: min(42vw, 30rem) !important}</style>"
_STATE, _READ = "Last hidden state", "What the head reads"
_POOLED = {
    "mean": "the mean of the hidden states so far",
    "max": "each unit\u2019s largest hidden state so far",
    "all": "the mean, the maximum and the last of the hidden states, side by side",
}


@dataclass(frozen=True, eq=False)
class _Ground:
    """What a path is drawn on: the plane, the held-out ends in it, where the answer turns, and how often that holds."""

    plane: Plane
    held: HeldOut
    points: np.ndarray
    border: Border | None
    agreement: float


def render() -> None:
    """Draw the view."""
    model = choice.chosen_model()
    text = session.shown_part(model, choice.chosen_text())
    _path(model, text)


@st.fragment
@session.guarded
def _path(model: Model, text: str) -> None:
    space = _chosen_space(model)
    found: Trail = session.kept(held_out.trail, model, text)
    ground: _Ground | None = session.kept(_ground, model, space == _READ, held_out.version(model))
    if ground is None:
        st.info(
            f"The plane is fitted to the ends of held-out reviews, and this model has none yet: "
            f"`{held_out.command(model)}` lets it read them, and keeps numbers alone."
        )
        return
    tell_beginnings(model, len(found.tokens))
    _draw(model, ground, found, found.read if space == _READ else found.hidden, space)


def tell_beginnings(model: Model, words: int) -> None:
    """Say where a text is cut because a network that reads both ways has to read each beginning anew."""
    if model.config.bidirectional and words == held_out.LONGEST_BOTH_WAYS:
        st.info(
            f"This network reads both ways, each beginning of the text anew: of the first {words} words at the most."
        )


def _chosen_space(model: Model) -> str:
    """Ask which vector moves, where the head reads another one than the last state."""
    if model.config.pooling not in _POOLED:
        return _READ
    key = session.fitting("keep_path_space", [_STATE, _READ], _STATE)
    return st.segmented_control("What moves", [_STATE, _READ], key=key, required=True)


def _ground(model: Model, of_head: bool, version: tuple[int, int]) -> _Ground | None:
    """Fit the plane and place the held-out ends in it; `version` is that of the file, for the cache."""
    held = held_out.load(model)
    if held is None:
        return None
    label = choice.followed(model)
    states = held.read if of_head else _top(held)
    try:
        plane = fit_plane(states, held.labels == label)
    except ValueError as error:
        raise ConfigError(f"{model.name} has no plane to show: its states at the ends do not differ enough.") from error
    points, border, agreement = plane.project(states), None, float("nan")
    found = held_out.decision(model, label) if of_head else None
    if found is not None:
        border = border_in(plane, *found)
        agreement = float((border.side(points) == (held.probabilities[:, label] > 0.5)).mean())
    return _Ground(plane, held, points, border, agreement)


def _top(held: HeldOut) -> np.ndarray:
    """Return the top layer's hidden states, both directions side by side: (review, unit)."""
    names = [name for name in ("hidden", "hidden_backward") if name in held.signals]
    return np.concatenate([held.signals[name][:, -1] for name in names], axis=1)


def _draw(model: Model, ground: _Ground, found: Trail, states: np.ndarray, space: str) -> None:
    label, held = choice.followed(model), ground.held
    labels = model.config.labels
    names = choice.class_names(labels, label)
    ends = ends_table(ground.points, held.labels == label, held.probabilities[:, label], names)
    chance = found.probabilities[:, label]
    title = "The path of the state, word by word"
    chart = path_chart(
        ground.plane, ends, ground.plane.project(states), found.tokens, chance, *names, ground.border, title
    )
    st.html(_WIDE_SLIDER)
    st.altair_chart(chart, width="stretch")
    st.write(f"At the end: {as_text(choice.verdict(labels, label, float(chance[-1])))}.")
    st.caption(_look(model, ground, space))
    st.caption(_about(ground, states))


def _look(model: Model, ground: _Ground, space: str) -> str:
    look = (
        "Drag the slider and look which words take the largest steps, and on which side of the held-out reviews the "
        "path ends."
    )
    pooled = _POOLED.get(model.config.pooling)
    if space == _STATE and pooled:
        return (
            f"{look} The answer is not made from this one point but from {pooled}: the path may end on one side and "
            f"the answer be the other. Choose \u201c{_READ}\u201d to see what it is made from."
        )
    if pooled:
        look = f"{look} What moves is {pooled}; the longer the text, the less one word moves a mean."
    if ground.border is None:
        return f"{look} The answer turns on no straight line here: go by the held-out reviews around the path."
    return (
        f"{look} On the dashed line the head says one half. It is exact in this plane alone, a slice through the mean "
        f"of the held-out reviews; {ground.agreement:.1%} of them lie on the side that the network chose for them."
    )


def _about(ground: _Ground, states: np.ndarray) -> str:
    both, shown = sum(ground.plane.shares), ground.plane.shown(states)
    moved = "" if np.isnan(shown) else f", and {shown:.0%} of this path\u2019s own movement (squared steps)"
    return (
        f"The axes are the first two principal components of {len(ground.held):,} held-out reviews\u2019 ends: they "
        f"hold {both:.0%} of the variance{moved}. The path\u2019s signs grow from word to word, and their colour is "
        "the probability after the word: blue low, red high."
    )

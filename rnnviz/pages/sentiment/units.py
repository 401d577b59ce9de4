"""Which units carry sentiment: all of them ranked, and one at the end of many reviews and on the words of one text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from rnnviz import held_out, session
from rnnviz.analysis.telling import Telling, interval, telling_units
from rnnviz.charts.palette import scale_of
from rnnviz.charts.telling import CLICKED, histogram_chart, ranking_chart
from rnnviz.charts.text import as_text, text_html
from rnnviz.checkpoints import Model
from rnnviz.errors import CheckpointError, ConfigError
from rnnviz.held_out import Signal
from rnnviz.pages.sentiment import choice
from rnnviz.pages.sentiment.path import tell_beginnings

_SAME = 0.03
"""Points of accuracy, as a share, within which one unit is called as good as the whole network."""
_NAMES = {
    "hidden": "hidden state",
    "cell": "cell state",
    "hidden_backward": "hidden state, read backwards",
    "cell_backward": "cell state, read backwards",
    "mean": "mean of the hidden states so far, which the answer is made from",
    "max": "maximum of the hidden states so far, which the answer is made from",
}


@dataclass(frozen=True, eq=False)
class _Found:
    """A signal's units on the held-out reviews: (review, unit) values, which are of the class, how telling, how right.

    `whole` is the share of the second half that the whole network puts on the right side.
    """

    values: np.ndarray
    positive: np.ndarray
    telling: Telling
    whole: float
    of: str


def render() -> None:
    """Draw the view."""
    model = choice.chosen_model()
    text = session.shown_part(model, choice.chosen_text())
    _units(model, text)


@st.fragment
@session.guarded
def _units(model: Model, text: str) -> None:
    signal = _chosen_signal(model)
    label = _chosen_class(model)
    found = _held_out(model, signal, label)
    names = choice.class_names(model.config.labels, label)
    unit = _chosen_unit(model, signal, found, names)
    if found is not None:
        _numbers(found, unit, names, signal)
    _words(model, text, signal, unit)


def _chosen_signal(model: Model) -> Signal:
    """Ask for the signal and the layer."""
    many = model.config.num_layers > 1
    signals = {
        _NAMES[signal.name] + (f", layer {signal.layer + 1}" if many and not signal.is_pooled else ""): signal
        for signal in held_out.signals_of(model)
    }
    first = [name for name, signal in signals.items() if signal.name == "hidden"][-1]
    key = session.fitting(f"keep_units_signal_{model.name}", list(signals), first)
    return signals[st.selectbox("Signal", list(signals), key=key)]


def _chosen_class(model: Model) -> int:
    """Ask for the class that is set against the rest, where there are more than two."""
    labels = model.config.labels
    if len(labels) == 2:
        return choice.followed(model)
    key = session.fitting(f"keep_units_class_{model.name}", labels, labels[choice.followed(model)])
    return labels.index(st.selectbox("Class, against the rest", labels, key=key))


def _held_out(model: Model, signal: Signal, label: int) -> _Found | None:
    """Return what the held-out reviews say, or tell why there is nothing."""
    try:
        found = session.kept(_find, model, signal, label, held_out.version(model))
    except (CheckpointError, ConfigError) as error:
        st.warning(str(error))
        return None
    if found is None:
        st.info(
            f"Which units carry sentiment is not known yet for this model: `{held_out.command(model)}` lets it read "
            "held-out reviews, and keeps numbers alone. The words below are coloured all the same."
        )
    return found


def _find(model: Model, signal: Signal, label: int, version: tuple[int, int]) -> _Found | None:
    """Rank the units; `version` is that of the held-out file, for the cache."""
    held = held_out.load(model)
    if held is None:
        return None
    values, positive = held.values(model, signal), held.labels == label
    try:
        telling = telling_units(values, positive)
    except ValueError as error:
        raise ConfigError(
            f"The held-out reviews of {model.name} hold too few of one class to rank its units."
        ) from error
    guess = held.probabilities.argmax(axis=1) == label
    whole = float((guess == positive)[telling.second].mean())
    return _Found(
        values,
        positive,
        telling,
        whole,
        f"{len(held):,} of the {held.part:,} validation reviews of {as_text(held.data)}",
    )


def _chosen_unit(model: Model, signal: Signal, found: _Found | None, names: tuple[str, str]) -> int:
    """Draw the ranking and ask for a unit: by a click on it, or by its number."""
    both_ways = signal.is_pooled and model.config.bidirectional
    size = model.config.hidden_size * (2 if both_ways else 1)
    order = found.telling.units.tolist() if found else list(range(size))
    name = f"{model.name}_{signal.name}_{signal.layer}_{names[0]}"
    key, chart_key = f"keep_units_unit_{name}", f"units_ranking_{name}"
    session.fitting(key, order, order[0])
    if found is None:
        return st.selectbox("Unit", order, key=key, format_func=lambda unit: f"unit {unit}")

    def take() -> None:
        picked = st.session_state[chart_key]["selection"].get(CLICKED) or []
        if picked and picked[0]["unit"] in order:
            st.session_state[key] = picked[0]["unit"]

    telling = found.telling
    chart = ranking_chart(telling, st.session_state[key], *names, _short(signal))
    st.altair_chart(chart, width="stretch", key=chart_key, on_select=take)
    st.caption(_ranking_caption(found))
    if not signal.is_pooled and model.config.pooling in ("mean", "max", "all"):
        st.caption(
            "This network answers from all its states, not from the one at the end alone: choose their "
            f"{'mean' if model.config.pooling == 'all' else model.config.pooling} as the signal to see how well that "
            "tells."
        )
    return st.selectbox(
        "Unit (or click one above)",
        order,
        key=key,
        format_func=lambda unit: f"unit {unit}: AUC {telling.auc[telling.place(unit)]:.3f}",
    )


def _ranking_caption(found: _Found) -> str:
    telling = found.telling
    return (
        f"Look how many units stand above the longer dashes: {telling.above_chance} of {len(telling.units)} here. "
        "Each mark is one unit; its AUC is the chance that of two reviews, one of either kind, it puts the right one "
        "first (0.5 is a coin, 1 never wrong). With the labels shuffled, the best of all units stays below the line "
        f"19 times of 20. Units were ranked on one half of {found.of}, kept out of training, and scored on the other."
    )


def _numbers(found: _Found, unit: int, names: tuple[str, str], signal: Signal) -> None:
    """Show the unit's values at the end of each review, and how right it is alone."""
    telling, place = found.telling, found.telling.place(unit)
    when = "at the review\u2019s end"
    chart = histogram_chart(
        found.values[:, unit],
        found.positive,
        float(telling.threshold[place]),
        f"Unit {unit} {when}",
        *names,
        f"{_short(signal)} of unit {unit}",
    )
    st.altair_chart(chart, width="stretch")
    st.caption(
        "Look how far the two heaps lie apart: where they overlap, this unit cannot tell. The threshold parts the "
        "first half of the reviews best; point at a bar for its counts."
    )
    st.write(_verdict(found, unit, place))
    st.caption(
        "The published comparison is one unit of a character model of 4,096 units, trained on 82 million reviews to "
        "predict the next letter: alone it is right on 92.3 % of the IMDB test set "
        "([Radford et al. 2017](https://arxiv.org/abs/1704.01444))."
    )


def _verdict(found: _Found, unit: int, place: int) -> str:
    """Compare the unit alone with the whole network."""
    telling = found.telling
    count, alone = int(telling.second.sum()), float(telling.accuracy[place])
    around = [f"(\u00b1 {100 * interval(share, count):.1f} points)" for share in (alone, found.whole)]
    text = (
        f"Unit {unit} alone is right on **{alone:.1%}** {around[0]} of the {count} reviews of the second half, the "
        f"whole network on **{found.whole:.1%}** {around[1]}, a guess that never changes on {telling.majority:.1%}. "
    )
    if telling.auc[place] <= telling.chance:
        return text + "This unit is not above chance: its place in the ranking means nothing."
    if alone < found.whole - _SAME:
        return text + "One unit is not enough here: the rest of the answer is spread over the others."
    return text + "Here one unit says nearly all that the network knows."


def _short(signal: Signal) -> str:
    return _NAMES[signal.name].split(",")[0].removesuffix(" so far")


def _words(model: Model, text: str, signal: Signal, unit: int) -> None:
    """Colour the words by the unit."""
    tokens, unknown, values = session.kept(held_out.on_words, model, text, signal)
    scale = scale_of("hidden" if signal.is_pooled else signal.name, model.config.cell_type)
    st.header(f"Unit {unit} on the words")
    if signal.is_pooled:
        tell_beginnings(model, len(tokens))
    st.html(text_html(tokens, values[:, unit], scale, first=1, unknown=unknown))
    back = " It reads from the end: look at the words from right to left." if "backward" in signal.name else ""
    if signal.is_pooled and unit >= model.config.hidden_size:
        back = " This unit reads each beginning from its end."
    st.caption(
        f"Look for the words at which the colour turns: they moved unit {unit}. Blue is low, red high "
        f"({as_text(scale.note)}); point at a word for the value after it.{back}"
    )

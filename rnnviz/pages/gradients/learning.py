"""What a vanished gradient costs, trained live: a first symbol to be remembered over more and more others."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from rnnviz import session
from rnnviz.charts.distance import Point, distance_chart
from rnnviz.config import CELL_LABELS
from rnnviz.training.distance import (
    CHANCE,
    LAST_SEED,
    MOST_SEEDS,
    NOISE,
    PERFECT,
    SIGNALS,
    TESTED,
    DistanceConfig,
    Learned,
    Run,
    seconds_an_update,
)

_KEYS = "keep_gradient_learning_"
_RUN, _SHOWN = f"{_KEYS}run", f"{_KEYS}shown"
_FIRST = DistanceConfig()
_DISTANCES, _NEAREST, _FARTHEST = 5, 5, 100
_UPDATES, _UNITS, _SEEDS = (50, 100, 200, 500, 1000, 2000), (16, 32, 64, 128), (1, 3, 5)
_BAR, _CHART = 0.5, 3.0
"""Seconds between two looks at a run and between two charts of it: building one takes time from the training."""
_LONG, _TOO_LONG = 60, 900
"""Seconds from which on the page warns, and from which on it refuses: others wait for their turn."""
_ENDS = {
    "stopped": "Stopped: the chart shows what had been trained by then.",
    "left alone": "Stopped because this page was left: the chart shows what had been trained by then.",
    "failed": "The training broke off by an error: the chart shows what had been trained by then.",
}


def render() -> None:
    """Draw the view."""
    st.write(
        f"A sequence is one of {SIGNALS} signals and then nothing but noise ({NOISE} other symbols, at random). After "
        "the last symbol the network must name the first: all there is to learn lies at step 0. Every cell trains on "
        "the same sequences, with the same size, seed and number of updates."
    )
    config = _settings()
    running = _RUN in st.session_state
    refused = config is None or (not running and _estimate(config))
    st.button("Train", type="primary", disabled=running or refused, on_click=_begin, args=(config,))
    st.fragment(_live, run_every=_BAR if running else None)()
    st.fragment(_results, run_every=_CHART if running else None)(config)


def _settings() -> DistanceConfig | None:
    """Ask what to train; None where no cell is chosen."""
    cells = st.multiselect(
        "Cells",
        list(CELL_LABELS),
        key=_default("cells", list(CELL_LABELS)),
        format_func=CELL_LABELS.get,
        disabled=session.frozen("model"),
    )
    one, two, three, four, five = st.columns([3, 2, 1, 1, 1])
    key = session.within(f"{_KEYS}farthest", _NEAREST, _FARTHEST, max(_FIRST.distances))
    farthest = one.slider("Farthest distance, in steps", _NEAREST, _FARTHEST, key=key)
    updates = two.select_slider("Updates at most", _UPDATES, key=_one_of("updates", _UPDATES, _FIRST.updates))
    held = session.frozen("model")
    units = three.selectbox("Units", _UNITS, key=_one_of("units", _UNITS, _FIRST.hidden_size), disabled=held)
    key = session.within(f"{_KEYS}seed", 0, LAST_SEED - MOST_SEEDS, 0)
    seed = four.number_input("Seed", 0, LAST_SEED - MOST_SEEDS, key=key)
    key = _one_of("seeds", _SEEDS, 1)
    rounds = five.selectbox("Seeds", _SEEDS, key=key, help="How many, from the chosen one on.")
    if not cells:
        st.info("Choose at least one cell.")
        return None
    return DistanceConfig(
        tuple(cell for cell in CELL_LABELS if cell in cells),
        tuple(sorted({round(farthest * i / _DISTANCES) for i in range(1, _DISTANCES + 1)})),
        updates,
        units,
        seeds=tuple(range(int(seed), int(seed) + rounds)),
    )


def _default(name: str, value: object) -> str:
    return session.default(_KEYS + name, value)


def _one_of(name: str, options: Sequence[int], value: int) -> str:
    return session.fitting(_KEYS + name, options, value)


@st.cache_data(ttl=120, max_entries=1000, show_spinner=False)
def _pace(cell: str, distance: int, hidden_size: int, batch_size: int) -> float:
    return seconds_an_update(cell, distance, hidden_size, batch_size)


def _estimate(config: DistanceConfig) -> bool:
    """Say how long the training will take, and whether that is too long to be begun."""
    middle = round(sum(config.distances) / len(config.distances))  # the cost of an update is linear in the distance
    paces = [_pace(cell, middle, config.hidden_size, config.batch_size) for cell in config.cells]
    seconds = sum(paces) * config.updates * len(config.distances) * len(config.seeds)
    told = f"Takes {_spelt(seconds)} on this computer, as busy as it is now, or less: a cell that learns ends early."
    less = "Fewer cells, seeds, updates or units or a shorter distance make it shorter."
    if seconds > _TOO_LONG:
        st.warning(f"{told} That is more than {_spelt(_TOO_LONG)}, and others wait for their turn. {less}")
    elif seconds > _LONG:
        st.info(f"{told} {less}")
    else:
        st.caption(told)
    return seconds > _TOO_LONG


def _spelt(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, math.ceil(seconds))} seconds"
    return f"about {math.ceil(seconds / 60)} minutes"


def _begin(config: DistanceConfig) -> None:
    if _RUN not in st.session_state:
        st.session_state[_RUN] = Run(config)
        st.session_state[_SHOWN] = (config, (), "")


def _live() -> None:
    """Draw how far the training is, looked at anew while it runs, and keep what it has found."""
    run: Run | None = st.session_state.get(_RUN)
    if run is None:
        return
    ended = run.ended
    _bar(run)
    st.session_state[_SHOWN] = (run.config, run.results, ended)
    if ended:
        del st.session_state[_RUN]
        st.rerun()


def _bar(run: Run) -> None:
    progress = run.look()
    st.button("Stop", on_click=run.stop)
    if progress is None or progress.waiting:
        text = "Beginning \u2026" if progress is None else "Waiting: someone else's training has to end first \u2026"
        st.progress(0.0, text=text)
        return
    text = f"{CELL_LABELS[progress.cell]}, distance {progress.distance}, seed {progress.seed}: update "
    text += f"{progress.update} of {run.config.updates} at most; {progress.done} of {progress.total} networks trained"
    st.progress(min(1.0, progress.share), text=text)


def _results(config: DistanceConfig | None) -> None:
    """Draw what has been found so far, or was found the last time."""
    if _SHOWN not in st.session_state:
        return
    shown, results, ended = st.session_state[_SHOWN]
    if ended in _ENDS:
        st.info(_ENDS[ended])
    if config not in (None, shown):
        st.caption("The chart below was trained with other settings than those above: its own are under its title.")
    names = [CELL_LABELS[cell] for cell in shown.cells]
    points = [_point(one, shown) for one in results]
    st.altair_chart(distance_chart(points, names, shown.distances, CHANCE, _subtitle(shown)), width="stretch")
    several = len(shown.seeds) > 1
    st.caption(
        "Look for the distance at which a line falls to the dotted one, which guessing reaches: where the gradient "
        "from step 0 has vanished, the first symbol cannot be learned (a ReLU may also fail by exploding or dying). "
        + (
            "The line is the mean of the seeds, small points are the seeds, and bars go from the lowest to the highest."
            if several
            else "Bars are 95 % intervals (Wilson 1927) for these networks; this is one seed, and another may move a "
            "fall to the next distance: choose more seeds to see how far."
        )
        + f" It is also one budget: with more updates some cells get farther. A network that names {PERFECT} batches "
        "in a row without a mistake ends early. Points at one distance stand side by side only to be seen."
    )
    if results:
        with st.expander("Numbers"):
            st.dataframe([_row(one, shown) for one in results], hide_index=True)


def _subtitle(shown: DistanceConfig) -> list[str]:
    seeds = f"seed {shown.seeds[0]}" if len(shown.seeds) == 1 else f"seeds {shown.seeds[0]} to {shown.seeds[-1]}"
    return [
        f"{shown.hidden_size} units, {seeds}, {shown.updates} updates at most, {shown.batch_size} sequences each",
        f"Adam, rate {shown.learning_rate:g}; each point is measured on {TESTED} fresh sequences",
    ]


def _note(one: Learned, shown: DistanceConfig) -> str:
    if one.overflowed:
        return f"overflowed after update {one.updates}"
    return "ended early, without mistakes" if one.perfect else f"all {shown.updates} updates used"


def _point(one: Learned, shown: DistanceConfig) -> Point:
    label, note = CELL_LABELS[one.cell], _note(one, shown)
    return Point(label, one.distance, one.seed, one.accuracy, *one.interval, one.updates, note)


def _row(one: Learned, shown: DistanceConfig) -> dict[str, object]:
    low, high = one.interval
    return {
        "cell": CELL_LABELS[one.cell],
        "distance (steps)": one.distance,
        "seed": one.seed,
        "answered right": f"{one.accuracy:.1%}",
        "95 % interval": f"{low:.1%} to {high:.1%}",
        "loss (nats)": f"{one.loss_nats:.3f}",
        "updates": one.updates,
        "training": _note(one, shown),
    }

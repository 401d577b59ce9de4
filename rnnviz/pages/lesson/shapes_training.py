"""A little network on the page: the shipped one, or one that the reader trains, with progress, a stop and a figure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from rnnviz import session
from rnnviz.charts.little import learned_chart
from rnnviz.lesson.little import LAST_SEED, LittleRun, Look, Recipe, card, shipped, task

SHIPPED, MINE = "shipped", "trained here"
_LOOK = 0.7
"""Seconds between two looks at a run."""
_SHARES = {"a quarter": 4, "half": 2, "all": 1}
_ENDS = {
    "stopped": "Stopped: there is no new network, the one in use stays.",
    "left alone": "Stopped because this page was left; the network in use stays.",
    "failed": "The training broke off by an error; the network in use stays.",
}


@dataclass(frozen=True, eq=False)
class Mine:
    """What the reader's last training came to.

    Attributes:
        recipe: Its settings.
        looks: Its validations.
        ended: As `LittleRun.ended`.
        network: None where it was stopped.
    """

    recipe: Recipe
    looks: tuple[Look, ...]
    ended: str
    network: Any


def _mine(name: str) -> Mine | None:
    return st.session_state.get(f"shapes_mine_{name}")


def network(name: str, *, ask: bool = True) -> Any:
    """Return the network to use: asked for where the reader has trained one.

    Args:
        name: One of `lesson.little.NAMES`.
        ask: Draw the choice; without, what was chosen last counts.

    Raises:
        CheckpointError: The shipped file cannot be read.
    """
    mine, key = _mine(name), f"keep_shapes_{name}_network"
    if mine is None or mine.network is None:
        return shipped(name)
    if not ask:
        return mine.network if st.session_state.get(key) == MINE else shipped(name)
    if st.session_state.pop(f"shapes_take_{name}", False):
        st.session_state[key] = MINE
    session.fitting(key, (SHIPPED, MINE), SHIPPED)
    chosen = st.segmented_control("Network", (SHIPPED, MINE), key=key, required=True, disabled=session.frozen("model"))
    return mine.network if chosen == MINE else shipped(name)


def told(name: str) -> str:
    """Return one sentence on the shipped network's recipe."""
    found = card(name)
    recipe = found["recipe"]
    return (
        f"Shipped: {found['weights']:,} weights, {recipe['updates']:,} updates of {recipe['batch_size']} examples, "
        f"seed {recipe['seed']}, {found['cpu_seconds']} seconds of one processor core. {found['data']} "
        f"`{found['command']}` makes it again."
    )


def training(name: str) -> None:
    """Draw what trains the network anew, and how far it is."""
    st.header("Train it yourself")
    st.caption(told(name))
    running = _run(name) in st.session_state
    one, two = st.columns(2)
    share_key = session.fitting(f"keep_shapes_{name}_share", tuple(_SHARES), "half")
    share = one.selectbox("Updates, of the shipped recipe\u2019s", list(_SHARES), key=share_key)
    seed_key = session.whole(f"keep_shapes_{name}_seed", 0, LAST_SEED, 1)
    seed = two.number_input("Seed", 0, LAST_SEED, key=seed_key, step=1)
    made = task(name).recipe
    recipe = replace(made, updates=max(1, made.updates // _SHARES[share]), seed=int(seed))
    st.button(
        "Train", key=f"shapes_train_{name}", type="primary", disabled=running, on_click=_begin, args=(name, recipe)
    )
    st.fragment(_live, run_every=_LOOK if running else None)(name)


def _run(name: str) -> str:
    return f"shapes_run_{name}"


def _begin(name: str, recipe: Recipe) -> None:
    if _run(name) not in st.session_state:
        st.session_state[_run(name)] = LittleRun(name, recipe)


def _live(name: str) -> None:
    """Draw how far a training is, or what the last one came to."""
    run: LittleRun | None = st.session_state.get(_run(name))
    if run is None:
        _past(name)
        return
    ended, progress = run.ended, run.look()
    st.button("Stop", key=f"shapes_stop_{name}", on_click=run.stop)
    if progress is None or progress.waiting:
        text = "Beginning \u2026" if progress is None else "Waiting: another training has to end first \u2026"
        st.progress(0.0, text=text)
    else:
        last = "".join(f", {look.name} {look.share:.1%} right" for look in _latest(progress.looks))
        st.progress(progress.share, text=f"Update {progress.update:,} of {progress.updates:,}{last}")
        _chart(name, progress.looks, run.config)
    if ended:
        looks, result = (progress.looks, progress.result) if progress else ((), None)
        st.session_state[f"shapes_mine_{name}"] = Mine(run.config, looks, ended, result)
        st.session_state[f"shapes_take_{name}"] = result is not None
        del st.session_state[_run(name)]
        st.rerun()


def _latest(looks: tuple[Look, ...]) -> tuple[Look, ...]:
    return tuple(look for look in looks if look.update == looks[-1].update) if looks else ()


def _past(name: str) -> None:
    mine = _mine(name)
    if mine is None:
        return
    if mine.ended in _ENDS:
        st.info(_ENDS[mine.ended])
    if mine.looks:
        _chart(name, mine.looks, mine.recipe)


def _chart(name: str, looks: tuple[Look, ...], recipe: Recipe) -> None:
    rows = [(look.update, look.name, look.share) for look in looks]
    names = list(dict.fromkeys(look.name for look in looks)) or [task(name).title]
    st.altair_chart(learned_chart(rows, names, recipe.updates), width="stretch")
    st.caption(
        f"Look for when the line leaves the floor. Each point is the share of {task(name).measure}, on the validation "
        f"part. Seed {recipe.seed}, {recipe.updates:,} updates of {recipe.batch_size} examples."
    )

"""Several fittings: one length after the other or all in turn, tried out on a small network."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.ragged_fittings import ends_of, fitting_chart
from rnnviz.components.lines import lines
from rnnviz.components.question import ask
from rnnviz.lesson.questions import Choice
from rnnviz.lesson.ragged_fittings import (
    BATCH,
    BATCHES,
    EPOCHS,
    HELD_OUT,
    LENGTHS,
    ORDERS,
    UNITS,
    Fittings,
    fit_groups,
    fitting_lines,
)
from rnnviz.training.distance import taking_turns

ORDER, SEED = "keep_batches_order", "keep_batches_seed"
_FITTED, _KEPT, _SEEDS = "batches_fitted", 8, 99
_NAMES = {", ".join(map(str, order)): order for order in ORDERS}
_RATIOS = (1.0, 2.0, 20.0)
"""Where the answers of the question divide."""


@st.fragment
@session.guarded
def render() -> None:
    """Fit a network both ways on demand, ask what came of it, and show it."""
    st.subheader("Several fittings")
    every = len(LENGTHS) * BATCHES * EPOCHS
    st.write(
        "The recurrent weights are the same for every length; that is why one network can be fitted to all groups. "
        "`model.fit` called again goes on where the last call ended. But in which order should the groups come? Try "
        f"it: a GRU of {UNITS} units reads series of {', '.join(map(str, LENGTHS[:-1]))} or {LENGTHS[-1]} numbers, "
        f"and is to say their mean. One network is fitted to one length after the other, each group to its end; "
        "another gets a batch of each length in turn, shuffled. Both begin with the same weights and see each of the "
        f"same batches {EPOCHS} times, {every} updates in all."
    )
    one, two = st.columns(2)
    name = one.selectbox(
        "Order of the groups", list(_NAMES), key=session.fitting(ORDER, list(_NAMES), next(iter(_NAMES)))
    )
    seed = two.number_input("Seed of the fittings", 0, _SEEDS, step=1, key=session.whole(SEED, 0, _SEEDS, 0))
    fitted: dict[tuple[str, int], Fittings] = st.session_state.setdefault(_FITTED, {})
    slot = st.empty()
    if (name, seed) not in fitted and slot.button("Fit both networks: some 10 seconds", key="batches_fit"):
        with slot:
            _fit(fitted, name, seed)
        slot.empty()
    if (name, seed) in fitted:
        _asked(fitted[name, seed])
    lines(
        *fitting_lines(_NAMES[name], seed),
        note="Each makes the series, fits both networks, and prints the last two columns of the table: some 10 seconds "
        "in PyTorch, longer in Keras.",
    )


def _fit(fitted: dict[tuple[str, int], Fittings], name: str, seed: int) -> None:
    bar = st.progress(0.0, text="Fitting \u2026")
    for step in taking_turns(lambda: fit_groups(_NAMES[name], seed), -1.0):
        if isinstance(step, Fittings):
            while len(fitted) >= _KEPT:
                fitted.pop(next(iter(fitted)))
            fitted[name, seed] = step
        elif step < 0:
            bar.progress(0.0, text="Waiting: someone else\u2019s training has to end first \u2026")
        else:
            bar.progress(step, text=f"Fitting: {step:.0%} done")


def _asked(found: Fittings) -> None:
    first = found.order[0]
    i = LENGTHS.index(first)
    then, now = float(found.own[i]), float(found.after[-1, i])
    ask(
        Choice(
            "batches-drift",
            f"One length after the other: length {first} came first. When its fitting had ended, the error on held-out "
            f"series of {first} numbers was {then:.2g}. Then came the lengths "
            f"{', '.join(map(str, found.order[1:]))}. What is the error at length {first} at the very end?",
            f"It is {now:.2g}, {now / then:.2g} times what it was. In a mean of T numbers each counts 1/T. At one "
            "length alone a fixed weight will do, and nothing in the later batches holds the network to what another "
            "length needs. In turn, it has to serve all lengths at once.",
            ("lower than before", "up to twice as large", "2 to 20 times as large", "more than 20 times as large"),
            int(np.searchsorted(_RATIOS, now / then)),
        ),
        reveal=lambda: _shown(found),
    )


def _shown(found: Fittings) -> None:
    ends = ends_of(found.after, found.turns)
    one, two = st.columns(2)
    one.altair_chart(
        fitting_chart(found.updates, found.after, LENGTHS, ends, "One length after the other", found.order),
        width="stretch",
    )
    two.altair_chart(fitting_chart(found.updates, found.turns, LENGTHS, ends, "All lengths in turn"), width="stretch")
    st.caption(
        "Look, under \u201cOne length after the other\u201d, at a line after its own fitting (\u201cfit 4\u201d is the "
        "fitting to length 4): does it stay down, or rise while other lengths are fitted? Then under \u201cAll lengths "
        "in turn\u201d: do the lines come down together? Both pictures have the same axes."
    )
    st.dataframe(
        {
            "length": list(LENGTHS),
            "always answering 0": [f"{e:.6f}" for e in found.guessed],
            "when its own fitting ended": [f"{e:.6f}" for e in found.own],
            "at the end, one after the other": [f"{e:.6f}" for e in found.after[-1]],
            "at the end, in turn": [f"{e:.6f}" for e in found.turns[-1]],
        },
        hide_index=True,
        width="stretch",
    )
    st.caption(_measured(found))


def _measured(found: Fittings) -> str:
    """Say what was measured, whichever way it came out."""
    earlier = [LENGTHS.index(n) for n in found.order[:-1]]
    rise = found.after[-1] / found.own
    risen = [i for i in earlier if rise[i] > 1]
    worse = int((found.after[-1] > found.turns[-1]).sum())
    most = max(earlier, key=lambda i: rise[i])
    drift = (
        f"after their own fitting {len(risen)} of the three earlier lengths got worse, length {LENGTHS[most]} most, "
        f"{rise[most]:.2g} times: the network drifted towards what it was fitted to last."
        if risen
        else "none of the three earlier lengths got worse after its own fitting: no drift this time."
    )
    return (
        f"Measured, mean squared error on {HELD_OUT} held-out series a length, {BATCHES} batches of {BATCH} to learn "
        f"from: {drift} At the end one length after the other is worse than in turn at {worse} of {len(LENGTHS)} "
        "lengths. One seed, and a task made so that lengths differ; how far a network drifts on texts is not "
        "measured here."
    )

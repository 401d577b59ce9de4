"""Texts of similar length in one batch: what buckets save, counted and measured."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.ragged import epoch_chart, steps_chart
from rnnviz.checkpoints import Model
from rnnviz.components.question import ask
from rnnviz.lesson.questions import Order
from rnnviz.lesson.ragged_buckets import (
    BUCKETS,
    FIXED,
    PLANS,
    SHUFFLED,
    SORTED,
    columns,
    computed_steps,
    drawn_lengths,
    groups,
    has_imdb,
    held_out_lengths,
    imdb_lengths,
    plan,
    time_plans,
)

SOURCE, SIZE, CUT, GROUPS = (f"keep_batches_{name}" for name in ("source", "size", "cut", "groups"))
NAMES = {
    FIXED: "one length for all",
    SHUFFLED: "shuffled batches",
    BUCKETS: "buckets, pools of 10",
    SORTED: "sorted by length",
}
HELD_OUT, IMDB, OWN, DRAWN = "held out", "imdb", "lines", "drawn"
SOURCES = {
    HELD_OUT: "1,000 held-out reviews",
    IMDB: "IMDB's training reviews",
    OWN: "your lines, 64 times over",
    DRAWN: "1,000 lengths drawn at random",
}
_SIZES, _CUTS, _GROUPS = (8, 16, 32, 64, 128), (100, 200, 500, 2000), (2, 4, 8)
_NOTES = 500
"""Words to which the notes' recipe pads every review."""
_STEPS = 40_000
"""Words of the texts that are timed at most: a few seconds."""
_TIMED = "batches_timed"


@st.fragment
@session.guarded
def render(model: Model, own: np.ndarray) -> None:
    """Count what each way of making batches wastes, and measure it on demand."""
    st.header("Bucketing by length")
    st.write(
        "Steps on padding cost as much as steps on words. Texts of similar length in one batch need little of it: sort "
        "them, or sort within pools of 10 batches and shuffle the batches, so that every epoch still comes in another "
        "order."
    )
    lengths, batch_size = _settings(own)
    batches = {way: plan(lengths, way, batch_size) for way in PLANS}
    real = int(lengths.sum())
    steps = {way: computed_steps(lengths, batches[way], way) for way in PLANS}
    order = sorted(PLANS, key=lambda way: -steps[way])

    def reveal() -> None:
        _counted(lengths, batches, steps, real)

    if len(set(steps.values())) == len(PLANS):
        ask(
            Order(
                "batches-order",
                f"{len(lengths):,} texts of {int(lengths.min())} to {int(lengths.max())} words, {batch_size} a batch. "
                "Which way computes the most time steps in an epoch, and which the fewest? Most first.",
                " ".join(f"{NAMES[way].capitalize()}: {steps[way]:,} steps." for way in order)
                + f" The words alone are {real:,}. Buckets come near to sorting and keep the order random.",
                tuple(NAMES[way] for way in order),
            ),
            reveal=reveal,
        )
    else:
        reveal()
    _timing(model, lengths, batch_size)
    _groups(lengths)


def _settings(own: np.ndarray) -> tuple[np.ndarray, int]:
    held_out = held_out_lengths()
    sources = [
        key
        for key, there in ((HELD_OUT, held_out is not None), (IMDB, has_imdb()), (OWN, True), (DRAWN, True))
        if there
    ]
    one, two, three = st.columns(3)
    source = one.selectbox(
        "Lengths of", sources, key=session.fitting(SOURCE, sources, sources[0]), format_func=SOURCES.get
    )
    size = two.selectbox("Texts in a batch", _SIZES, key=session.fitting(SIZE, _SIZES, 32))
    cut = three.selectbox("Cut texts at, in words", _CUTS, key=session.fitting(CUT, _CUTS, 500))
    if source == DRAWN:
        lengths = drawn_lengths()
        st.caption("Drawn from a log-normal distribution with median 180, seed 0: no real texts stand behind them.")
    elif source == IMDB:
        with st.spinner("Counting the words of IMDB\u2019s training reviews \u2026"):
            lengths = imdb_lengths()
    else:
        lengths = held_out if source == HELD_OUT else np.tile(own, 64)
    return np.minimum(lengths, cut), size


def _counted(lengths: np.ndarray, batches: dict, steps: dict[str, int], real: int) -> None:
    rows = [(NAMES[way], real, steps[way] - real) for way in PLANS]
    st.altair_chart(steps_chart(rows, "Words and padding in one epoch"), width="stretch")
    st.caption(
        "Look at the grey part, all of it wasted: "
        + "; ".join(f"{NAMES[way]}: {1 - real / steps[way]:.1%}" for way in PLANS)
        + "."
        + " The first bar is the notes\u2019 recipe, every text padded to 500 words." * (int(lengths.max()) == _NOTES)
    )
    shown = {NAMES[way]: columns(lengths, batches[way], way) for way in (SHUFFLED, BUCKETS, SORTED)}
    st.altair_chart(epoch_chart(shown), width="stretch")
    st.caption(
        "Look at the order: sorted, an epoch goes from short to long every time; in buckets long and short batches "
        "come mixed, at nearly the same cost. Shuffled, one long text makes its whole batch long."
    )


def _timing(model: Model, lengths: np.ndarray, batch_size: int) -> None:
    chosen = np.random.default_rng(0).permutation(len(lengths))
    count = int(np.searchsorted(np.cumsum(lengths[chosen]), _STEPS))
    part = lengths[chosen[: max(count, min(len(lengths), 2 * batch_size))]]
    ways = (SHUFFLED, BUCKETS)
    key = (model.name, model.digest, batch_size, part.tobytes())
    st.write(
        f"Counting is one thing, time another. Here {model.name} reads {len(part)} of these texts forwards in "
        f"batches of {batch_size}."
    )
    if st.button("Measure the time on this computer", key="batches_measure"):
        bar = st.progress(0.0, text="Reading \u2026")
        found = time_plans(
            model.network, part, ways, batch_size, lambda share: bar.progress(share, text="Reading \u2026")
        )
        bar.empty()
        st.session_state[_TIMED] = (key, found)
    kept = st.session_state.get(_TIMED)
    if kept is None or kept[0] != key:
        return
    seconds = kept[1]
    real = int(part.sum())
    counted = {way: computed_steps(part, plan(part, way, batch_size), way) for way in ways}
    st.dataframe(
        {
            "batches": [NAMES[way] for way in ways],
            "steps": [f"{counted[way]:,}" for way in ways],
            "of them padding": [f"{1 - real / counted[way]:.0%}" for way in ways],
            "seconds": [f"{seconds[way]:.3f}" for way in ways],
            "times as fast": [f"{seconds[SHUFFLED] / seconds[way]:.2f}" for way in ways],
        },
        hide_index=True,
        width="stretch",
    )
    st.caption(
        "Look whether time follows the steps. Each is the median of three passes on this computer, taken in turns; "
        "what else it does meanwhile is in them. A backward pass costs more, in about the same proportion."
    )


def _groups(lengths: np.ndarray) -> None:
    st.markdown(
        "**Groups.** The same idea by hand, as the notes have it: one fitting a group of lengths, each padded to its "
        "own longest text."
    )
    count = st.selectbox("Groups", _GROUPS, key=session.fitting(GROUPS, _GROUPS, 4))
    found = groups(lengths, count)
    st.dataframe(
        {
            "words": [f"{low} to {high}" for low, high, _, _ in found],
            "texts": [texts for _, _, texts, _ in found],
            "shape of a batch": [f"(batch, {high}, features)" for _, high, _, _ in found],
            "padding": [f"{share:.0%}" for _, _, _, share in found],
        },
        hide_index=True,
        width="stretch",
    )
    worst = max(found, key=lambda group: group[3])
    st.caption(
        f"Look at the last column: the group of {worst[0]} to {worst[1]} words pads most: "
        f"{worst[3]:.0%}; all texts in one matrix would pad {1 - lengths.mean() / lengths.max():.0%}."
    )

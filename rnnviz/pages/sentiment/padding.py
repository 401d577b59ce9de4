"""Padding under the X-ray: one review, padded in every way that is in use, and what the network makes of each."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.analysis.padded import (
    ALONE,
    LEFT,
    MASKED_LEFT,
    MASKED_RIGHT,
    PACKED,
    RIGHT,
    WAYS,
    Drift,
    PaddingXray,
    padding_xray,
)
from rnnviz.charts.padded import PAD, Line, Way, drift_chart, strip_chart, ways_html
from rnnviz.charts.palette import scale_of
from rnnviz.checkpoints import Model
from rnnviz.pages.sentiment import choice
from rnnviz.subjects import Subject
from rnnviz.text import read

MOST_PADDING = LONGEST_PADDED = 500
STEPS, SHOWN = "keep_padding_steps", "keep_padding_way"
NAMES = {
    ALONE: "Alone, without padding",
    RIGHT: "Padded at the end, no mask",
    LEFT: "Padded at the start, no mask",
    PACKED: "Packed with its true length",
    MASKED_RIGHT: "Masked, padded at the end",
    MASKED_LEFT: "Masked, padded at the start",
}
TOLD = {
    ALONE: "The truth: a batch of one, as long as the text.",
    RIGHT: "PyTorch: pad_sequence(batch_first=True), the head then reads all columns, or h_n. "
    'Keras: pad_sequences(padding="post") without mask_zero.',
    LEFT: 'PyTorch: pad_sequence(padding_side="left"). Keras: pad_sequences(padding="pre"), the default, without '
    "mask_zero.",
    PACKED: "PyTorch: pack_padded_sequence(x, lengths), steps of padding are never computed. Keras has no such thing.",
    MASKED_RIGHT: "Keras: Embedding(mask_zero=True), padding=\u201cpost\u201d; a masked step hands the state on. "
    "PyTorch: torch.where(mask, new, old) in a loop of your own.",
    MASKED_LEFT: "Keras: Embedding(mask_zero=True), padding=\u201cpre\u201d. PyTorch: the same torch.where.",
}
_OWN_CODE = (
    "torch.nn has no such cell, so there is nothing to pack: our own code reads the states up to the true length."
)
_READS = {"last": "", "mean": "the mean over ", "max": "the maximum over ", "all": "mean and maximum over "}


def render() -> None:
    """Draw the view; a change of the padding redraws what depends on it alone."""
    st.write(
        "Texts of a batch must be equally long, so short ones are filled up with a padding token. What the network "
        "makes of your text then depends on where the padding goes, on whether the network knows of it, and on which "
        "state is read."
    )
    model = choice.chosen_model()
    text = choice.chosen_text()
    ids, tokens = read(model.tokenizer, text)
    if len(ids) > LONGEST_PADDED:
        st.info(f"The text is long: its first {LONGEST_PADDED} of {len(ids):,} words are read here.")
    _xray(model, ids[:LONGEST_PADDED], tokens[:LONGEST_PADDED])


@st.fragment
@session.guarded
def _xray(model: Model, ids: np.ndarray, tokens: list[str]) -> None:
    start = min(MOST_PADDING, len(ids))
    key = session.within(STEPS, 0, MOST_PADDING, start)
    padding = int(st.number_input("Steps of padding", 0, MOST_PADDING, step=1, key=key))
    st.caption(f"{len(ids)} words and {padding} steps of padding: a batch of {len(ids) + padding} columns.")
    key = ("padded", model.name, model.digest, str(model.config), ids.tobytes())
    subject = Subject(model.name, model.config, lambda: model.network, ids, tuple(tokens), len(ids), key)
    found: PaddingXray = session.measured(padding_xray, subject, padding=padding)
    _table(model, found)
    drift, backwards = _direction(found)
    words = {True: [*tokens, *[PAD] * padding], False: [*[PAD] * padding, *tokens]}
    _drifts(found, drift, words, backwards)
    _strip(model, found, drift, words, backwards)


def _table(model: Model, found: PaddingXray) -> None:
    """The ways and their answers."""
    column = choice.followed(model)
    label = model.config.labels[column]
    truth = found.probabilities[ALONE]
    rows = []
    for way in WAYS:
        own = _OWN_CODE if way == PACKED and not found.by_torch else TOLD[way]
        p = found.probabilities[way]
        turned = int(p.argmax()) != int(truth.argmax())
        apart = float(p[column] - truth[column])
        rows.append(Way(way, NAMES[way], own, _what_is_read(model, found, way), float(p[column]), apart, turned))
    st.html(ways_html(rows, label))
    st.caption(
        "Look at the last column: packing and both masks give back the truth, padding that the network is not told of "
        "need not. In bold: padding turned the answer. Networks trained here learn from true lengths and never met "
        "padding; one that was trained with it learns to live with it, at the side where it saw it."
    )


def _what_is_read(model: Model, found: PaddingXray, way: str) -> str:
    """Say which columns the head reads, counted from 1."""
    first, last = (column + 1 for column in found.read[way])
    pooling, both = model.config.pooling, model.config.bidirectional
    end = f"h at column {last}" + (f", backwards at column {first}" if both else "")
    if pooling == "last":
        return end
    pooled = f"{_READS[pooling]}columns {first} to {last}"
    return f"{pooled}, and {end}" if pooling == "all" else pooled


def _direction(found: PaddingXray) -> tuple[Drift, bool]:
    """Ask which direction's state is followed, where there are two."""
    if len(found.drifts) == 1:
        return found.drifts[0], False
    names = ["forwards", "backwards"]
    name = st.segmented_control(
        "Direction", names, key=session.fitting("keep_padding_direction", names, names[0]), required=True
    )
    return found.drifts[names.index(name)], name == names[1]


def _drifts(found: PaddingXray, drift: Drift, words: dict[bool, list[str]], backwards: bool) -> None:
    """How far the state is from the true last one, padded at the end and at the start."""
    st.header("The state drifts")
    every = np.concatenate(list(drift.distances.values()))
    top = max(1e-6, 1.05 * float(every[np.isfinite(every)].max(initial=0.0)))
    steps = int(found.padding[RIGHT].sum())
    length = len(words[True]) - steps
    subtitle = "\u2016h\u209c \u2212 h_T\u2016, top layer" + (", read from the right" if backwards else "")
    panels = (
        ("Padded at the end", True, 0, (length, length + steps - 1), (RIGHT, MASKED_RIGHT, PACKED)),
        ("Padded at the start", False, steps, (0, steps - 1), (LEFT, MASKED_LEFT)),
    )
    for place, (title, end, first, stretch, ways) in zip(st.columns(2), panels, strict=True):
        lines = [Line(NAMES[ALONE], drift.distances[ALONE], first, thick=True)]
        lines += [Line(NAMES[way], drift.distances[way]) for way in ways]
        chart = drift_chart(lines, words[end], stretch, top, title, subtitle)
        place.altair_chart(chart, width="stretch")
    st.caption(_reading_of_drift(found, drift, steps, backwards))


def _reading_of_drift(found: PaddingXray, drift: Drift, steps: int, backwards: bool) -> str:
    """Say what to look for, and how far the state went."""
    look = (
        "h_T is the state that the text alone ends with. Look at the shaded stretch: with a mask the line is flat, "
        "packed there is none, and without a mask the state moves on although nothing is read."
    )
    if not steps:
        return f"{look} There is no padding now: all ways are the same."
    norm = (
        "The padding token\u2019s vector is zero"
        if found.input_norm == 0
        else f"What the first layer reads at a step of padding has norm {found.input_norm:.3g}"
    )
    after = drift.distances[LEFT][0] if backwards else drift.distances[RIGHT][-1]
    if not np.isfinite(after):
        return f"{look} {norm}, yet W_hh goes on working: over {steps} steps of padding the state overflowed."
    kept = (
        "; its last step still moves it by"
        if drift.last_move > 1e-4
        else "; it has come to rest, its last step moves it by"
    )
    return (
        f"{look} {norm}, yet the biases and W_hh go on working: {steps} steps of padding after the text take "
        f"the state {after:.3g} away from h_T{kept} {drift.last_move:.1g}. After padding at the start the text meets a "
        "state that has moved already: look how many words it takes to come back to the thick line."
    )


def _strip(model: Model, found: PaddingXray, drift: Drift, words: dict[bool, list[str]], backwards: bool) -> None:
    """Some units over the columns, in one way."""
    st.header("The units that drift most")
    way = st.selectbox("Read", WAYS, key=session.fitting(SHOWN, WAYS, RIGHT), format_func=NAMES.get)
    first, last = found.read[way]
    scale = scale_of("hidden", model.config.cell_type)
    shown = words[way not in (LEFT, MASKED_LEFT)]
    shown = shown[: len(found.padding[way])]
    chart = strip_chart(
        drift.values[way],
        drift.units,
        shown,
        found.padding[way],
        _marks(model.config.pooling, first, last, backwards),
        scale,
        f"{NAMES[way]}: hidden state",
        f"the {len(drift.units)} units that padding moves most"
        if found.padding[RIGHT].any()
        else "there is no padding",
    )
    st.altair_chart(chart, width="stretch")
    left_out = model.config.hidden_size - len(drift.units)
    rest = f" {left_out} units that drift less are not shown." if left_out else ""
    st.caption(
        "Blue is low, red is high. Look what the colours do in the padded stretch: without a mask they settle into "
        "stripes that have little to do with the text, with one they stay as they are, and packed there are none. The "
        f"orange lines mark what the head reads.{rest}"
    )


def _marks(pooling: str, first: int, last: int, backwards: bool) -> dict[str, int]:
    """Name the columns to be marked."""
    if pooling == "last":
        return {"read": first if backwards else last}
    if first == last:
        return {"read": last}
    what = {"mean": "mean", "max": "maximum", "all": "mean, maximum"}[pooling]
    return {f"read: {what} from": first, f"to here{', last' if pooling == 'all' else ''}": last}

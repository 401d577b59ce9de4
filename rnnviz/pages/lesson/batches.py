"""Ragged batches: texts of different lengths in one matrix, what the padding does, and how it is avoided."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.analysis.padded import ALONE, LEFT, MASKED_RIGHT, RIGHT
from rnnviz.charts.ragged import away_chart, batch_html, off_chart, row_names
from rnnviz.charts.text import as_text
from rnnviz.checkpoints import Model, headline
from rnnviz.components.question import ask
from rnnviz.errors import ConfigError
from rnnviz.lesson.questions import Choice, Number, Picture, Several
from rnnviz.lesson.ragged import MOST_LINES, MOST_WORDS, POST, PRE, Batch, Readings, matrix, read_lines, readings
from rnnviz.lesson.references import cite
from rnnviz.pages.lesson import batches_buckets, batches_fittings, batches_lengths, batches_windows
from rnnviz.pages.sentiment import choice

LINES, MODEL, SIDE = "keep_batches_lines", "keep_batches_model", "keep_batches_side"
FIRST_MODEL = "imdb-lstm-100"
EXAMPLE = (
    "I loved it\n"
    "A dull film with a plot that makes no sense and a terrible ending\n"
    "Great fun from the first minute to the last\n"
    "What a waste of time"
)
_TIED = 1e-3
"""Distances that differ by less are written alike, so which is larger is not asked."""
SIDES = {POST: "at the end (post)", PRE: "at the start (pre)"}


def render() -> None:
    """Draw the page."""
    st.title("Ragged batches")
    st.write(
        "A network reads many texts at once, and a batch is one array: all its rows must be equally long. Texts are "
        "not. So short rows are filled up with a padding number, and everything on this page follows from that."
    )
    _page()


@session.guarded
def _page() -> None:
    model = _chosen_model()
    text = st.text_area(
        "Your texts, one a line",
        key=session.typed(LINES, EXAMPLE),
        height=140,
        disabled=session.frozen("text"),
    )
    batch = read_lines(model.tokenizer, text)
    _say_left_out(batch)
    _matrix(model, batch)
    _state(model, batch, text)
    batches_lengths.masks(model, batch, text)
    batches_lengths.learning_less(model, batch, text)
    batches_buckets.render(model, batch.lengths)
    batches_fittings.render()
    batches_windows.render(model)
    _closing()


def _chosen_model() -> Model:
    """Ask for a classifier whose answer is read off its last state alone, read one way.

    Raises:
        ConfigError: There is none.
    """
    names = [name for name in session.model_names("classifier") if _suits(session.load_model(name))]
    if not names:
        raise ConfigError(
            "There is no classifier here that reads one way and answers from its last state: train one with "
            "`python -m rnnviz train NAME --data imdb --pooling last`."
        )
    first = FIRST_MODEL if FIRST_MODEL in names else names[0]
    name = st.selectbox("Model", names, key=session.fitting(MODEL, names, first), disabled=session.frozen("model"))
    model = session.load_model(name)
    config = model.config
    scored = headline(model.card)
    st.caption(
        f"{config.num_layers} x {config.hidden_size} {config.cell_type} units, word vectors of {config.embedding_size} "
        f"numbers. {f'{scored}. ' if scored else ''}It was trained with true lengths and has never met padding."
    )
    return model


def _suits(model: Model) -> bool:
    config = model.config
    return config.pooling == "last" and not config.bidirectional and config.num_outputs > 1


def _say_left_out(batch: Batch) -> None:
    if batch.left_out:
        st.info(f"The batch holds the first {MOST_LINES} lines with a word; left out: {batch.left_out}.")
    if batch.cut:
        are = "are" if batch.cut > 1 else "is"
        st.info(f"The matrix shows the first {MOST_WORDS} words of a line; {batch.cut} of yours {are} cut there.")


def _computed(batch: Batch) -> Number:
    rows, time, real = len(batch.rows), batch.time, int(batch.lengths.sum())
    lengths = ", ".join(map(str, batch.lengths.tolist()))
    said = f"Your {rows} rows have {lengths} words" if rows > 1 else f"Your row has {time} word{'s' * (time > 1)}"
    return Number(
        "batches-computed",
        f"{said}. The network is not told of padding. How many time steps does it compute for this batch, all rows "
        "together?",
        f"Every row takes as many steps as the longest: {rows} x {time}. Steps that read a word: {real}; steps on "
        f"padding: {batch.computed - real}, or {1 - real / batch.computed:.0%}.",
        float(batch.computed),
        unit="steps" if batch.computed > 1 else "step",
    )


@st.fragment
@session.guarded
def _matrix(model: Model, batch: Batch) -> None:
    st.header("One batch, one matrix")
    rows, time = len(batch.rows), batch.time
    ask(_computed(batch))
    side = st.segmented_control(
        "Padding", list(SIDES), key=session.fitting(SIDE, list(SIDES), POST), format_func=SIDES.get, required=True
    )
    padding = model.config.padding_index or 0
    ids, where = matrix(batch.rows, side, padding)
    read = np.full(rows, time - 1) if side == PRE else batch.lengths - 1
    st.html(batch_html(batch.words, batch.unknown, ids, where, read))
    st.caption(
        f"Each cell is a word\u2019s id; id {padding} is padding, hatched; a wavy line marks a word "
        "outside the vocabulary, read as [UNK]. The outlined cell is the one whose state h_T should go to the head. "
        "Look how it moves when you change the side: padded at the start, it is the last column in every row; padded "
        "at the end, it is another column in each row, and has to be gathered by the true length."
    )
    config = model.config
    vector, units = config.embedding_size, config.hidden_size
    st.markdown(
        f"Shapes: ids `({rows}, {time})` \u2192 input of the cell (batch, time steps, features) "
        f"`({rows}, {time}, {vector})` \u2192 a state at every step `({rows}, {time}, {units})` \u2192 the state read "
        f"`({rows}, {units})` \u2192 answers `({rows}, {config.num_outputs})`."
    )
    gather = "h[arange(batch), lengths - 1]" if side == POST else "h[:, -1]"
    st.markdown(
        f"The state read is `{gather}`. Keras: `pad_sequences(texts, padding={side!r})`; its default is `'pre'`. "
        f"PyTorch: `pad_sequence(texts, batch_first=True, padding_side={'right' if side == POST else 'left'!r})`."
    )


@st.fragment
@session.guarded
def _state(model: Model, batch: Batch, text: str) -> None:
    st.header("What padding does to the state")
    st.write(
        "Padding is read like any other word: its vector may be zero, but the biases and W_hh still work, so the "
        "state goes on moving. At the end it moves away from what the text left behind; at the start the text meets "
        "a state that is no longer the initial one."
    )
    if batch.computed == batch.lengths.sum():
        st.info("Your lines are all equally long, so there is no padding: type one shorter line to see what it does.")
        return
    found = session.kept(readings, model, text)
    names = row_names(batch.words)
    far = found.distances(RIGHT)
    if int((far > far.max() - _TIED).sum()) == 1:
        ask(_farthest(batch, far, names), reveal=lambda: _distances(model, batch, found, names))
    else:
        _distances(model, batch, found, names)
    _mask_pictures(batch, found)
    st.caption(
        "For one text under all ways at once, unit by unit, see [Sentiment, the view Padding](/sentiment): the X-ray."
    )


def _farthest(batch: Batch, far: np.ndarray, names: list[str]) -> Choice:
    off = zip(far.tolist(), (batch.time - batch.lengths).tolist(), strict=True)
    return Choice(
        "batches-farthest",
        "All rows are padded at the end and the network is not told, so the head reads the last column. In which row "
        "is the state there farthest from the row\u2019s true h_T?",
        "The distances are "
        + ", ".join(f"{d:.3f} (row {i + 1}, {p} step{'s' * (p != 1)} of padding)" for i, (d, p) in enumerate(off))
        + ". More padding often, but not always, takes a state farther from where the text left it.",
        tuple(as_text(name) for name in names),
        int(far.argmax()),
    )


def _distances(model: Model, batch: Batch, found: Readings, names: list[str]) -> None:
    column = choice.followed(model)
    ways = {RIGHT: "padded at the end", LEFT: "padded at the start"}
    values = {name: found.distances(way) for way, name in ways.items()}
    st.altair_chart(
        off_chart(names, values, "How far the state read is from the true h_T", "Euclidean distance"), width="stretch"
    )
    st.caption(
        "The network is not told of the padding. Look at the row without any, whose bars are 0, and compare the two "
        "sides row by row."
    )
    table = {"row": names, "steps of padding": (batch.time - batch.lengths).tolist()}
    label = as_text(model.config.labels[column])
    for way, name in {ALONE: "alone (the truth)", **ways}.items():
        table[f"{name}"] = [f"{p:.2%}" for p in found.probabilities[way][:, column]]
    turned = sum(
        int((found.probabilities[way].argmax(axis=1) != found.probabilities[ALONE].argmax(axis=1)).any())
        for way in ways
    )
    st.markdown(f"Probability of \u201c{label}\u201d:")
    st.dataframe(table, hide_index=True, width="stretch")
    st.caption(
        "Look at how far each side moves the answer."
        + (" At least one row gets another answer than alone." if turned else " No row changes its answer here.")
    )


def _mask_pictures(batch: Batch, found: Readings) -> None:
    """Three pictures of the shortest row, of which one is masked."""
    i = int(batch.lengths.argmin())
    end = np.arange(batch.time) >= batch.lengths[i]
    ways = ((LEFT, end[::-1]), (MASKED_RIGHT, end), (RIGHT, end))
    top = 1.08 * max(float(found.away[way][i].max()) for way, _ in ways)
    pictures = [away_chart(found.away[way][i], top, padding) for way, padding in ways]
    ask(
        Picture(
            "batches-mask",
            f"Row {i + 1} is your shortest. Each picture shows how far its state is from its true h_T, column by "
            "column; padding is shaded. In which one does the network have a mask?",
            "A masked step hands the state on unchanged, so over the shaded columns the line lies still at 0: h_T "
            "arrives at the last column untouched. In the other picture with padding at the end the state drifts off; "
            "with padding at the start it begins at another place and has to find its way back.",
            (
                "padding first, and the state moves in it",
                "the line falls to 0 and stays there",
                "the line falls to 0 and leaves it again",
            ),
            1,
        ),
        pictures=pictures,
    )


def _closing() -> None:
    st.header("Check yourself")
    ask(
        Several(
            "batches-closing",
            "Which of these are true? Tick all that are.",
            "Masks and lengths give the same states, so which one a framework offers is a matter of speed. Sorting "
            "saves most, but makes every epoch come in the same order. Cutting a text into windows keeps the forward "
            "pass only where the state is carried over, and even then the gradient stops at the window\u2019s edge "
            f"(truncated back-propagation through time: {cite('williams1990')}).",
            (
                "With true lengths the network needs no padding word in its vocabulary",
                "A zero vector for padding is enough to keep the state still",
                "Padding at the start puts the last word of every row into the last column",
                "Buckets change which texts share a batch, and leave every text as it is",
                "A stateful network that reads windows learns from the whole text as one that reads it in one go",
            ),
            (0, 2, 3),
        ),
        title="Before you leave",
    )

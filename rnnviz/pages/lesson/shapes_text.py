"""Many to one: a text in, the probability of a class out."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.palette import Scale
from rnnviz.charts.shapes import Net, shape_chart
from rnnviz.charts.text import as_text, text_html
from rnnviz.checkpoints import Model, headline
from rnnviz.components.question import ask
from rnnviz.errors import ModelNotFoundError
from rnnviz.lesson.questions import Number
from rnnviz.lesson.references import cite
from rnnviz.lesson.shapes import classifier_places
from rnnviz.pages.sentiment import choice

TEXT, MODEL = "keep_shapes_text", "keep_shapes_text_model"
_EXAMPLE = "not a bad film at all, the plot is clever and the acting is great"
_BEST_FIRST = ("imdb-gru-100", "imdb-lstm-100", "imdb-rnn-dense")
_LONGEST = 300
"""Words that are coloured."""


def render() -> None:
    """Draw the view."""
    st.write(
        "Many words go in, one answer comes out. The layer makes an output at every word, but only the last one goes "
        "on to the dense head: in Keras that is `return_sequences=False`, in PyTorch `output[:, -1]` or `h_n[-1]`."
    )
    _try()


@st.fragment
@session.guarded
def _try() -> None:
    model = _model()
    text = st.text_input(
        "Type a review", key=session.typed(TEXT, _EXAMPLE), live="200ms", disabled=session.frozen("text")
    )
    part = session.shown_part(model, text)
    found = session.prediction(model, part)
    label = choice.followed(model)
    after = found.probabilities[:, label]
    name = model.config.labels[label]
    st.metric(f"{name}, after the last word", f"{after[-1]:.1%}")
    words = found.tokens[:_LONGEST]
    strange = [token in set(found.unknown) for token in words]
    more = f" The first {_LONGEST} words are coloured." if len(found.tokens) > _LONGEST else ""
    st.html(text_html(words, after[:_LONGEST], Scale(0, 1, False), unknown=strange))
    st.caption(
        f"Each word is coloured by the probability of \u201c{as_text(name)}\u201d after it (blue 0, white a half, red "
        "1; hover for the number). Look for words after which the colour turns: all but the last colour is thrown "
        "away. A word with a wavy line is outside the vocabulary." + more
    )
    _diagram(model, part, len(found.tokens))
    _question(found.tokens, after, name)


def _model() -> Model:
    names = [name for name in session.model_names("classifier") if _fits(session.load_model(name))]
    if not names:
        raise ModelNotFoundError("There is no classifier here that reads its last state: train one first.")
    first = next((name for name in _BEST_FIRST if name in names), names[0])
    key = session.fitting(MODEL, names, first)
    name = st.selectbox("Model", names, key=key, disabled=session.frozen("model"))
    model = session.load_model(name)
    st.caption(f"Trained on film reviews ({cite('maas2011')}). {headline(model.card)}")
    return model


def _fits(model: Model) -> bool:
    config = model.config
    return config.pooling == "last" and not config.bidirectional and config.num_outputs >= 2


def _diagram(model: Model, text: str, words: int) -> None:
    shapes = classifier_places(model, text)
    config = model.config
    cell = {"gru": "GRU", "lstm": "LSTM"}.get(config.cell_type, "RNN")
    states = "h, c" if cell == "LSTM" else "h"
    net = Net("many_to_one", cell, states, words, config.num_layers, config.bidirectional, ends=("word", "y"))
    title = f"Many to one: {words} words in, {config.num_outputs} numbers out"
    st.altair_chart(shape_chart(net, shapes, title), width="stretch")
    st.caption(
        "Shapes read off this very run, batch first. Look at the top: one arrow leaves, however many words there are. "
        "Each word comes as its embedding; a dashed arrow leaves out the words between."
    )


def _question(tokens: tuple[str, ...], after: np.ndarray, name: str) -> None:
    ask(
        Number(
            "shapes-thrown",
            "The layer has made an output at each word of the text above. How many of these outputs does the dense "
            "head never see when it gives its one answer?",
            f"The text has {len(tokens)} words as the network reads them, and the head sees the output after the last "
            f"one alone. That output has to hold all that matters: the answer here is {after[-1]:.1%} "
            f"{as_text(name)}.",
            len(tokens) - 1,
        ),
        title="Count",
    )

"""Sentiment: the probability after every word of a typed review, two networks side by side."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.charts.lines import sentiment_chart
from rnnviz.charts.palette import Scale
from rnnviz.charts.text import text_html, visible
from rnnviz.checkpoints import Model, headline
from rnnviz.errors import ConfigError
from rnnviz.recording import Prediction

_PROBABILITY = Scale(0.0, 1.0, False)
_WORDS = 300


def render() -> None:
    """Draw the page."""
    st.title("Sentiment")
    st.write("Type a film review: after every word, each network says how likely it is that the review is positive.")
    text = st.text_area("Review", key=session.default("keep_review", session.EXAMPLES["review"]), height=130)
    names = session.model_names("classifier")
    first = [name for name in ("imdb-rnn", "imdb-lstm") if name in names] or names[:2]
    chosen = st.multiselect("Models", names, key=session.default("keep_sentiment_models", first))
    if not chosen:
        st.info("Choose at least one model.")
        return
    models = [session.load_model(name) for name in chosen]
    text = session.shown_part(models[0], text)
    predictions = [session.prediction(model, text) for model in models]
    label = _label(predictions)
    for column, prediction in zip(st.columns(max(2, len(predictions))), predictions, strict=False):
        column.metric(f"{prediction.model_id}: {label}", f"{prediction.final[label]:.1%}")
    st.altair_chart(sentiment_chart(predictions, label), width="stretch")
    st.caption(
        "Look at where a line jumps: that word changed the network's mind. "
        "Each network's answer is made from all states so far, the average or the last one by its card."
    )
    for model, prediction in zip(models, predictions, strict=True):
        _words(model, prediction, label)
    st.caption("Each word is coloured by the probability after it: blue is low, red is high; point at one to read it.")


def _label(predictions: list[Prediction]) -> str:
    """Return the class to follow: "positive" where all have it, else the first that all share."""
    shared = [label for label in predictions[0].labels if all(label in p.labels for p in predictions)]
    if not shared:
        raise ConfigError("These models have no class in common; choose models of one data set.")
    if len(shared) == 2 and "positive" in shared:
        return "positive"
    return st.selectbox("Class", shared, key="keep_class")


def _words(model: Model, prediction: Prediction, label: str) -> None:
    """Spell out the words as the model read them, unknown ones marked."""
    st.subheader(model.name)
    st.caption(headline(model.card))
    strange = set(prediction.unknown)
    tokens = prediction.tokens[:_WORDS]
    values = prediction.probabilities[: len(tokens), prediction.labels.index(label)]
    st.html(text_html(tokens, values, _PROBABILITY, unknown=[token in strange for token in tokens]))
    if len(prediction.tokens) > _WORDS:
        st.caption(f"The first {_WORDS} of {len(prediction.tokens):,} words; the chart above has them all.")
    if strange:
        names = ", ".join(visible(token) for token in prediction.unknown[:30])
        st.caption("Never seen in training and read as \u201cunknown\u201d, outlined above:")
        st.text(names)

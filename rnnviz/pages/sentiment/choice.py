"""Which network reads which review: one choice for all views of the page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from rnnviz import session
from rnnviz.checkpoints import Model, headline
from rnnviz.errors import ConfigError, TextError
from rnnviz.recording import UNSURE

TEXT, MODEL = "keep_review", "keep_sentiment_model"
BEST_FIRST = ("imdb-lstm-pretrained", "imdb-lstm")


def chosen_model() -> Model:
    """Ask for one classifier.

    Raises:
        ModelNotFoundError: There is none.
        ConfigError: It has a single class.
    """
    names = session.model_names("classifier")
    first = next((name for name in BEST_FIRST if name in names), names[0])
    session.fitting(MODEL, names, first)
    name = st.selectbox("Model", names, key=MODEL, disabled=session.frozen("model"))
    model = session.load_model(name)
    config = model.config
    if config.num_outputs < 2:
        raise ConfigError(f"{name} knows a single class, so it has nothing to tell apart: choose another model.")
    both = ", both ways" if config.bidirectional else ""
    st.caption(f"{config.num_layers} x {config.hidden_size} {config.cell_type} units{both}. {headline(model.card)}")
    return model


def chosen_text() -> str:
    """Ask for the review.

    Raises:
        TextError: There is nothing in it.
    """
    key = session.default(TEXT, session.EXAMPLES["review"])
    text = st.text_area("Review", key=key, height=130, disabled=session.frozen("text"))
    if not text.strip():
        raise TextError("The text is empty: type a review to see what the network makes of it.")
    return text


def followed(model: Model) -> int:
    """Return the class whose probability is followed: "positive" where there is one, else the last."""
    labels = model.config.labels
    return labels.index("positive") if "positive" in labels else len(labels) - 1


def class_names(labels: Sequence[str], followed: int) -> tuple[str, str]:
    """Return what a class is called, and what stands against it: the other of two, or all that it is not."""
    return labels[followed], labels[1 - followed] if len(labels) == 2 else f"not {labels[followed]}"


def verdict(labels: Sequence[str], followed: int, probability: float) -> str:
    """Say what a probability means, without more certainty than it has: in the band `UNSURE` it is unsure.

    Args:
        labels: The classes' names.
        followed: The class that the probability is of.
        probability: From 0 to 1.
    """
    label, other = class_names(labels, followed)
    if UNSURE[0] <= probability <= UNSURE[1]:
        return f"unsure ({label} {probability:.0%})"
    sure = max(probability, 1 - probability)
    return f"{label if probability > 0.5 else other}, {f'{sure:.0%}' if sure < 0.995 else 'over 99%'} sure"

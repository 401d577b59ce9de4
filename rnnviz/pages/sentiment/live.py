"""The probability after every word while a review is typed, and how much each word moved it."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.checkpoints import Model, headline
from rnnviz.components.review import MOST_LINES, Followed, Said, review
from rnnviz.pages.sentiment import choice
from rnnviz.text import CharTokenizer

CHOSEN = "keep_sentiment_live"
EXAMPLES = (
    ("A good start", session.EXAMPLES["review"]),
    *((text, text) for text in ("not good", "not bad at all", "never a dull moment")),
    *((text, text) for text in ("easy not difficult", "difficult not easy")),
)
_STANDARD = {
    "lower_and_strip_punctuation": "lower case; punctuation and HTML tags become spaces, an apostrophe in a word stays",
    "lower": "lower case; HTML tags become spaces",
    "strip_punctuation": "punctuation and HTML tags become spaces, an apostrophe in a word stays",
    None: "HTML tags become spaces",
}


def render() -> None:
    """Draw the view."""
    st.write(
        "Type a film review: after every word each network says how likely it thinks that the review is positive, and "
        "the word is coloured by how much it moved the answer."
    )
    names = session.model_names("classifier")
    models = [_followed(session.load_model(name)) for name in names]
    text = st.session_state[session.default(choice.TEXT, session.EXAMPLES["review"])]
    review(models, Said(text, *_chosen(names)), EXAMPLES, keep=_keep, key="sentiment_live")


def _chosen(names: list[str]) -> tuple[tuple[str, ...], str]:
    """Return the models whose lines are drawn, and the one that colours the words: the one the other views show."""
    best = [name for name in choice.BEST_FIRST if name in names] + names
    kept = st.session_state.get(choice.MODEL)
    coloured = kept if kept in names else best[0]
    others = st.session_state[session.default(CHOSEN, ["imdb-rnn"])]
    chosen = [coloured, *(name for name in others if name in names and name != coloured)][:MOST_LINES]
    return tuple(name for name in names if name in chosen), coloured


def _keep(said: Said) -> None:
    """Keep text and models for when this view is opened again, and for the other views."""
    if not session.frozen("text"):
        st.session_state[choice.TEXT] = said.text
    if session.frozen("model"):
        return
    st.session_state[CHOSEN] = list(said.models)
    if said.coloured:
        st.session_state[choice.MODEL] = said.coloured


def _followed(model: Model) -> Followed:
    config, tokenizer = model.config, model.tokenizer
    output = choice.followed(model)
    known = {
        "name": model.name,
        "headline": headline(model.card),
        "output": output,
        "followed": config.labels[output],
        "classes": config.num_outputs,
        "pooling": config.pooling,
        "both_ways": config.bidirectional,
        "size": len(tokenizer),
    }
    if isinstance(tokenizer, CharTokenizer):
        return Followed(**known, token="character", standard="nothing: each character is a token", unknown=0)
    return Followed(
        **known,
        token="word" if tokenizer.split == "whitespace" else "character",
        standard=_STANDARD.get(tokenizer.standardize, "a function of its own"),
        unknown=1,
        most=tokenizer.output_sequence_length,
    )

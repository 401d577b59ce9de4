"""What people type: short sentences with a person's label, and what the networks here make of each."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from rnnviz import checkpoints, session
from rnnviz.charts.text import as_text
from rnnviz.checkpoints import Model
from rnnviz.config import ModelConfig
from rnnviz.errors import RnnvizError, TextError
from rnnviz.recording import UNSURE

MODELS, OWN = "keep_models_typed", "keep_models_typed_text"
FIRST = ("imdb-lstm-pretrained", "imdb-gru-100", "imdb-lstm")
MOST_MODELS, MOST_OWN, LONGEST_OWN = 4, 30, 300
RIGHT, WRONG, NOT_SURE, NOTHING = "right", "wrong", "unsure", "no word to read"
_POSITIVE, _NEGATIVE = "positive", "negative"
_SIGNS = {"+": True, "-": False, "\u2212": False, "\u2013": False}
_SENTENCE, _LABEL, _MODEL = 245, 105, 145
"""Pixels of the table's columns: on a telephone the first model's answers stand beside the sentences."""


@dataclass(frozen=True)
class Typed:
    """A sentence and what a person says of it.

    Attributes:
        text: The sentence.
        positive: Whether a person calls it positive; None where nobody has said so.
    """

    text: str
    positive: bool | None


SENTENCES = (
    Typed("The film was good", True),
    Typed("The film was not good", False),
    Typed("The film was bad", False),
    Typed("The film was not bad", True),
    Typed("Machine learning is easy not difficult", True),
    Typed("Machine learning is difficult not easy", False),
    Typed("I have never seen a better film", True),
    Typed("I have never seen a worse film", False),
    Typed("A great film, never a dull moment", True),
    Typed("Wonderful acting, but I was bored", False),
    Typed("A wonderful, moving film", True),
    Typed("This was an absolutely terrible movie", False),
)
"""The fifth and sixth are the lecture notes'."""


@st.fragment
@session.guarded
def render() -> None:
    """Draw the section; another model or sentence redraws it alone."""
    st.header("What people type")
    st.write(
        "Reviews of 230 words are one thing, a typed sentence is another. Each number is the probability of "
        "\u201cpositive\u201d after the sentence\u2019s last word; the word after it holds it against a person\u2019s "
        "label."
    )
    models = _models()
    typed = [*_own(), *SENTENCES]
    if models:
        _table(models, typed)


def _models() -> list[Model]:
    """Ask for the classifiers; those that cannot be read are named and left out."""
    names = [name for name, config in checkpoints.configs().items() if _tells(config)]
    if not names:
        st.write("No recurrent network here tells positive texts from negative ones.")
        return []
    first = [name for name in FIRST if name in names] or names[:1]
    kept = st.session_state[session.default(MODELS, first)]
    kept = kept if isinstance(kept, list) else first
    st.session_state[MODELS] = [name for i, name in enumerate(kept) if name in names and name not in kept[:i]][
        :MOST_MODELS
    ]
    chosen = st.multiselect(
        "Models that read the sentences",
        names,
        key=MODELS,
        max_selections=MOST_MODELS,
        disabled=session.frozen("model"),
    )
    if not chosen:
        st.write("Choose a model, and it reads the sentences.")
    found = []
    for name in chosen:
        try:
            found.append(session.load_model(name))
        except RnnvizError as error:
            st.caption(f"Left out: {as_text(str(error))}")
    return found


def _tells(config: ModelConfig) -> bool:
    """Return whether a network reads word after word and has two answers, one of them "positive"."""
    recurrent = config.task == "classifier" and not config.is_feedforward
    return recurrent and len(config.labels) == 2 and _POSITIVE in config.labels


def _own() -> list[Typed]:
    """Ask for the reader's sentences."""
    text = st.text_area(
        "Your own sentences, one a line",
        key=session.typed(OWN, ""),
        height=110,
        placeholder="+ I would see it again tomorrow\n- Two hours that nobody gives back to me",
        disabled=session.frozen("text"),
    )
    st.caption(
        f"Begin a line with + or - to say what a person would call it; without a sign it is read and not counted. "
        f"At most {MOST_OWN} lines; they come first in the table."
    )
    lines = own_sentences(text)
    if len(lines) > MOST_OWN:
        st.info(f"There are {len(lines):,} sentences: the first {MOST_OWN} are read.")
    lines = lines[:MOST_OWN]
    if long := sum(len(one.text) > LONGEST_OWN for one in lines):
        st.info(f"Of each line its first {LONGEST_OWN} characters are read; {long} of yours are longer.")
    return [Typed(one.text[:LONGEST_OWN], one.positive) for one in lines]


def own_sentences(text: str) -> list[Typed]:
    """Return a text's lines as sentences, with the label that a sign at the start gives; empty ones are left out."""
    found = []
    for typed in text.splitlines():
        line = " ".join(typed.split())
        label = _SIGNS.get(line[:1])
        sentence = line if label is None else line[1:].strip()
        if sentence:
            found.append(Typed(sentence, label))
    return found


def _table(models: list[Model], typed: list[Typed]) -> None:
    """Every sentence with every model's answer, and how many each has right."""
    chances = [[_chance(model, one.text) for one in typed] for model in models]
    words = [[judged(p, one.positive) for p, one in zip(each, typed, strict=True)] for each in chances]
    answers = [[_cell(*cell) for cell in zip(*each, strict=True)] for each in zip(chances, words, strict=True)]
    columns = {f"model {i}": column for i, column in enumerate(answers)}
    st.dataframe(
        {"sentence": [one.text for one in typed], **columns, "label": [_label(one.positive) for one in typed]},
        column_config={
            "sentence": st.column_config.TextColumn(width=_SENTENCE),
            "label": st.column_config.TextColumn("a person says", width=_LABEL),
            **{f"model {i}": st.column_config.TextColumn(model.name, width=_MODEL) for i, model in enumerate(models)},
        },
        hide_index=True,
        width="stretch",
        height="content",
    )
    st.write(_counted(models, words, typed))
    low, high = UNSURE
    st.caption(
        "Look whether \u201cnot\u201d, \u201cnever\u201d and \u201cbut\u201d turn the answer as they turn the meaning; "
        f"a dozen hand-picked sentences are no measurement. Unsure: from {low:.0%} to {high:.0%}, which counts as not "
        "right. `python -m rnnviz evaluate NAME --data rt-polarity` measures a model on single sentences that other "
        "people wrote."
    )


def _chance(model: Model, text: str) -> float | None:
    """Return the probability of "positive", None where the model finds no word in the text."""
    try:
        return session.prediction(model, text).final[_POSITIVE]
    except TextError:
        return None


def judged(chance: float | None, positive: bool | None) -> str:
    """Say whether an answer is right, or what it is where nobody has given a label.

    Args:
        chance: Probability of "positive"; None where there was nothing to read.
        positive: A person's label, None for none.
    """
    if chance is None:
        return NOTHING
    if UNSURE[0] <= chance <= UNSURE[1]:
        return NOT_SURE
    if positive is None:
        return _label(chance > 0.5)
    return RIGHT if (chance > 0.5) == positive else WRONG


def _label(positive: bool | None) -> str:
    return "\u2013" if positive is None else _POSITIVE if positive else _NEGATIVE


def _cell(chance: float | None, word: str) -> str:
    """Return a probability, without more certainty than it has, and what is to be said of it."""
    if chance is None:
        return word
    shown = "over 99.9%" if chance > 0.9995 else "under 0.1%" if chance < 0.0005 else f"{chance:.1%}"
    return f"{shown}, {word}"


def _counted(models: list[Model], words: list[list[str]], typed: list[Typed]) -> str:
    """Say how many of the labelled sentences each model has right, and what always giving one answer would."""
    labels = [one.positive for one in typed if one.positive is not None]
    told = []
    for model, each in zip(models, words, strict=True):
        of = [word for word, one in zip(each, typed, strict=True) if one.positive is not None and word != NOTHING]
        unsure = f", unsure on {of.count(NOT_SURE)}" if NOT_SURE in of else ""
        told.append(f"**{as_text(model.name)}** on {of.count(RIGHT)} of {len(of)}{unsure}")
    return f"Right: {'; '.join(told)}. Who always says \u201cpositive\u201d is right on {sum(labels)} of {len(labels)}."

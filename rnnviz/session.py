"""The only owner of Streamlit's state and caches: models, recordings, and what the user has typed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import streamlit as st

from rnnviz import checkpoints
from rnnviz.analysis.gradients import GradientDecay, gradient_decay
from rnnviz.checkpoints import Model
from rnnviz.config import LONGEST, ModelConfig
from rnnviz.errors import ModelNotFoundError, RnnvizError, TextError
from rnnviz.network import seeded_network
from rnnviz.record import predict
from rnnviz.recording import Prediction
from rnnviz.text import CharTokenizer, read

LONGEST_GRADIENT = 300
"""Tokens of a text whose gradients are measured, from its end."""

EXAMPLES = {
    "shakespeare": "KING HENRY:\nO, what a noble mind is here!\nShall we not hear the rest of it, my lord?\n\nDUKE:\n",
    "python": 'def mean(values):\n    """Return the mean of the values."""\n    total = 0.0\n    for value in values:\n'
    '        total += value  # a comment\n    if not values:\n        raise ValueError("no values")\n    return total',
    "review": "I had heard good things about this film, and the first half hour is great fun. "
    "Then it falls apart: the plot makes no sense, the acting is wooden, and the ending was a terrible waste of time.",
}


def keep_state() -> None:
    """Keep widgets' values when their page is left, so that nothing typed is lost."""
    for key in list(st.session_state):
        if str(key).startswith("keep_"):
            st.session_state[key] = st.session_state[key]


def default(key: str, value: object) -> str:
    """Give a widget's state its first value and return its key; a widget with a default of its own would warn."""
    st.session_state.setdefault(key, value)
    return key


def guarded(render: Callable[[], None]) -> Callable[[], None]:
    """Show a user's mistake as its one sentence, in place of what could not be drawn."""

    @wraps(render)
    def run() -> None:
        try:
            render()
        except RnnvizError as error:
            st.error(str(error))

    return run


def load_model(name: str) -> Model:
    """Return a loaded model, shared by all users until its weights change.

    Raises:
        ModelNotFoundError: There is none of this name.
        CheckpointError: It cannot be read.
    """
    return checkpoints.shared(name)


@st.cache_data(max_entries=1000, show_spinner=False)
def _task(name: str, version: tuple[int, int]) -> tuple[str, str]:
    """Return a model's task, or "" and why it cannot be read; looked up once, however many models there are."""
    try:
        return checkpoints.shared(name).config.task, ""
    except RnnvizError as error:
        return "", str(error)


def _version(name: str) -> tuple[int, int]:
    stat = (checkpoints.find(name) / checkpoints.WEIGHTS).stat()
    return stat.st_mtime_ns, stat.st_size


def _key(model: Model) -> tuple[str, str, str]:
    """What tells one model's results from another's in the shared caches."""
    return model.name, model.digest, str(model.config)


def model_names(task: str | None = None) -> list[str]:
    """Return the names of the models here, language models first, those of one task only where it is given.

    Unreadable ones are left out, with a warning that says why.

    Raises:
        ModelNotFoundError: There is none.
    """
    tasks = {}
    for name in checkpoints.models():
        tasks[name], trouble = _task(name, _version(name))
        if trouble:
            st.warning(trouble)
            del tasks[name]
    names = [name for name in tasks if task in (None, tasks[name])]
    if not names:
        raise ModelNotFoundError("There is no model here yet: train one with `python -m rnnviz train`.")
    return sorted(names, key=lambda name: tasks[name] != "language_model")


def example(model: Model) -> str:
    """Return a text that suits a model."""
    if model.config.task == "classifier":
        return EXAMPLES["review"]
    return EXAMPLES["python" if "python" in model.name else "shakespeare"]


def shown_part(model: Model, text: str) -> str:
    """Return the beginning of a text that the pictures show, telling the user where something is left out.

    Raises:
        TextError: There is nothing to read in the text.
    """
    if not text.strip():
        raise TextError("The text is empty: type something to watch the network read it.")
    kind, part = "characters", text[:LONGEST]
    if model.config.task == "classifier":
        tokens = model.tokenizer.tokens(text)
        kind, part = "words", text if len(tokens) <= LONGEST else " ".join(tokens[:LONGEST])
    if part != text:
        st.info(f"The text is long: the pictures show its first {LONGEST:,} {kind}.")
    return part


def prediction(model: Model, text: str) -> Prediction:
    """Return what a classifier makes of a text, made once."""
    return _predict(model, *_key(model), text)


@st.cache_resource(max_entries=64, show_spinner=False)
def _predict(_model: Model, name: str, digest: str, config: str, text: str) -> Prediction:
    return predict(_model, text)


def say_where_cut(labels_and_lengths: list[tuple[str, int]]) -> None:
    """Tell which networks' texts were cut to their ends for the gradient."""
    cut = [f"{label} ({length:,} steps)" for label, length in labels_and_lengths if length > LONGEST_GRADIENT]
    if cut:
        st.info(f"The text is long: gradients are measured over its last {LONGEST_GRADIENT} steps. {', '.join(cut)}")


def trained_decay(model: Model, text: str) -> GradientDecay:
    """Return the gradient decay of a model's own loss on a text's end, made once."""
    return _trained_decay(model, *_key(model), text)


@st.cache_resource(max_entries=64, show_spinner="Measuring gradients \u2026")
def _trained_decay(_model: Model, name: str, digest: str, config: str, text: str) -> GradientDecay:
    ids, tokens = read(_model.tokenizer, text)
    most = LONGEST_GRADIENT + (_model.config.task == "language_model")
    return gradient_decay(_model.network, ids[-most:], tokens[-most:], _model.name)


@st.cache_resource(max_entries=64, show_spinner="Measuring gradients \u2026")
def fresh_decay(cell_type: str, label: str, hidden_size: int, seed: int, text: str) -> GradientDecay:
    """Return the gradient decay of an untrained network that guesses the text's last character.

    Its vocabulary is the text's own characters; weights are PyTorch's defaults, an LSTM's forget gates open.

    Raises:
        TextError: The text has fewer than two characters.
    """
    text = text[-LONGEST_GRADIENT - 1 :]
    tokenizer = CharTokenizer.fit(text)
    size = len(tokenizer)
    config = ModelConfig("language_model", cell_type, size, size, 32, hidden_size)
    return gradient_decay(seeded_network(config, seed), tokenizer.encode(text), tokenizer.tokens(text), label)

"""The only owner of Streamlit's state and caches: models, recordings, and what the user has typed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import streamlit as st
import torch

from rnnviz import checkpoints
from rnnviz.analysis.gradients import GradientDecay, gradient_decay
from rnnviz.checkpoints import Model
from rnnviz.config import ModelConfig
from rnnviz.errors import ModelNotFoundError, RnnvizError, TextError
from rnnviz.network import Network
from rnnviz.record import predict, record
from rnnviz.recording import Prediction, Recording
from rnnviz.text import CharTokenizer

LONGEST = 2000
"""Tokens of a text that the pictures show; what comes after them is kept but not drawn."""

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
    stat = (checkpoints.find(name) / checkpoints.WEIGHTS).stat()
    return _load(name, (stat.st_mtime_ns, stat.st_size))


@st.cache_resource(max_entries=16, show_spinner="Loading the model \u2026")
def _load(name: str, version: tuple[int, int]) -> Model:
    return checkpoints.load(name)


def model_names(task: str | None = None) -> list[str]:
    """Return the names of the models here, language models first, those of one task only where it is given.

    Unreadable ones are left out, with a warning that says why.

    Raises:
        ModelNotFoundError: There is none.
    """
    tasks = {}
    for name in checkpoints.models():
        try:
            tasks[name] = load_model(name).config.task
        except RnnvizError as error:
            st.warning(str(error))
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
        words = text.split()
        kind, part = "words", text if len(words) <= LONGEST else " ".join(words[:LONGEST])
    if part != text:
        st.info(f"The text is long: the pictures show its first {LONGEST:,} {kind}.")
    return part


def recording(model: Model, text: str) -> Recording:
    """Return the recording of a text, made once for all users and all choices of signal, layer and unit."""
    return _record(model, model.digest, text)


@st.cache_resource(max_entries=8, show_spinner="Reading the text \u2026")
def _record(_model: Model, digest: str, text: str) -> Recording:
    return record(_model, text)


def prediction(model: Model, text: str) -> Prediction:
    """Return what a classifier makes of a text, made once."""
    return _predict(model, model.digest, text)


@st.cache_resource(max_entries=64, show_spinner=False)
def _predict(_model: Model, digest: str, text: str) -> Prediction:
    return predict(_model, text)


def trained_decay(model: Model, text: str) -> GradientDecay:
    """Return the gradient decay of a model's own loss on a text's end, made once."""
    return _trained_decay(model, model.digest, text)


@st.cache_resource(max_entries=64, show_spinner="Measuring gradients \u2026")
def _trained_decay(_model: Model, digest: str, text: str) -> GradientDecay:
    ids = _model.tokenizer.encode(text)[-LONGEST_GRADIENT:]
    tokens = _model.tokenizer.tokens(text)[-LONGEST_GRADIENT:]
    return gradient_decay(_model.network, ids, tokens, _model.name)


@st.cache_resource(max_entries=64, show_spinner="Measuring gradients \u2026")
def fresh_decay(cell_type: str, label: str, hidden_size: int, seed: int, text: str) -> GradientDecay:
    """Return the gradient decay of an untrained network that guesses the text's last character.

    Its vocabulary is the text's own characters; weights are PyTorch's defaults, an LSTM's forget gates open.

    Raises:
        TextError: The text has fewer than two characters.
    """
    text = text[-LONGEST_GRADIENT - 1 :]
    tokenizer = CharTokenizer.fit(text)
    generator_state = torch.get_rng_state()
    torch.manual_seed(seed)
    size = len(tokenizer)
    network = Network(ModelConfig("language_model", cell_type, size, size, 32, hidden_size))
    torch.set_rng_state(generator_state)
    return gradient_decay(network, tokenizer.encode(text), tokenizer.tokens(text), label)

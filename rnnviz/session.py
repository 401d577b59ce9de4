"""The only owner of Streamlit's state and caches: models, recordings, and what the user has typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from copy import deepcopy
from functools import wraps
from threading import BoundedSemaphore
from typing import Any, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException

from rnnviz import checkpoints
from rnnviz.charts.text import as_text
from rnnviz.checkpoints import Model
from rnnviz.config import LONGEST
from rnnviz.errors import ModelNotFoundError, RnnvizError, TextError
from rnnviz.record import predict
from rnnviz.recording import Prediction
from rnnviz.subjects import Subject

Pieces = TypeVar("Pieces", bound=Sequence)

_MEASURING = BoundedSemaphore(2)
"""Gradients of two people at once; the others wait for their turn rather than all for each other."""
_MEASURING_LONG = BoundedSemaphore(1)

LINK_TROUBLE = "link_trouble"
"""Key of what is said of a link that could not be read whole."""
_LINKED = "link_values"
_PAGE, _LAST, _DRAWN = "shown_page", "last_values", "drawn_keys"
_DRAWING: ContextVar[tuple[tuple[set[str], set[str]], ...]] = ContextVar("_DRAWING", default=())
"""For each guarded function that is being drawn: the keys that it drew the last time, and those of this time."""

LONG = 5.0
"""Seconds from which on a measurement is asked for before it is begun."""
_KEPT = 8

EXAMPLES = {
    "shakespeare": "KING HENRY:\nO, what a noble mind is here!\nShall we not hear the rest of it, my lord?\n\nDUKE:\n",
    "python": 'def mean(values):\n    """Return the mean of the values."""\n    total = 0.0\n    for value in values:\n'
    '        total += value  # a comment\n    if not values:\n        raise ValueError("no values")\n    return total',
    "review": "I had heard good things about this film, and the first half hour is great fun. "
    "Then it falls apart: the plot makes no sense, the acting is wooden, and the ending was a terrible waste of time.",
}


def keep_state() -> None:
    """Keep the values of widgets that this run has not drawn, on other pages or below a mistake: nothing is lost."""
    for key in list(st.session_state):
        if str(key).startswith("keep_"):
            with suppress(StreamlitAPIException):  # it is drawn: it keeps its own
                st.session_state[key] = st.session_state[key]


def come_to(page: str) -> None:
    """Take up, on a page that was not shown before, the last values of all: Streamlit drops those of fragments."""
    if st.session_state.get(_PAGE) != page:
        st.session_state.update(st.session_state.get(_LAST, {}))
    st.session_state[_PAGE] = page


def _shown(key: str) -> str:
    """Return the key of a widget that is about to be drawn.

    A widget that comes back is new to the browser, which shows only a value that is set in this very run. One that is
    there already is left alone: somebody may be typing in it.
    """
    for _, now in _DRAWING.get():
        now.add(key)
    if any(key not in before for before, _ in _DRAWING.get()):
        with suppress(StreamlitAPIException):  # it has been drawn in this run
            st.session_state[key] = st.session_state[key]
    return key


def default(key: str, value: object) -> str:
    """Give a widget's state its first value and return its key; a widget with a default of its own would warn.

    What a link brought along gives way where it is of another kind: a widget would break on it.
    """
    if key in _unchanged() and not _alike(st.session_state[key], value):
        st.session_state[key] = value
    st.session_state.setdefault(key, value)
    return _shown(key)


def _alike(kept: object, value: object) -> bool:
    """Return whether a value is of the same kind as another: a list of texts, a whole number."""
    if value is None:
        return True
    if isinstance(kept, (list, tuple)) and isinstance(value, (list, tuple)):
        return not value or all(_alike(one, value[0]) for one in kept)
    return type(kept) is type(value) or (type(kept) is int and type(value) is float)


def fitting(key: str, options: Sequence[Any], value: object) -> str:
    """Do as `default`, also where what is kept is none of the options: a link may hold anything."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = value
    return _shown(key)


def within(key: str, low: float, high: float, value: float) -> str:
    """Do as `default`, also where what is kept is no number from `low` to `high`."""
    default(key, value)
    kept = st.session_state[key]
    if isinstance(kept, bool) or not isinstance(kept, (int, float)) or not low <= kept <= high:
        st.session_state[key] = value
    return _shown(key)


def whole(key: str, low: int, high: int, value: int) -> str:
    """Do as `default`, also where what is kept is no whole number from `low` to `high`."""
    kept = st.session_state.get(key)
    if type(kept) is not int or not low <= kept <= high:
        st.session_state[key] = value
    return _shown(key)


def typed(key: str, value: str) -> str:
    """Do as `default` for a text, also where what is kept is none."""
    if not isinstance(st.session_state.get(key), str):
        st.session_state[key] = value
    return _shown(key)


def ticked(key: str, value: bool) -> str:
    """Do as `default` for a box or a switch, also where what is kept is neither on nor off."""
    if not isinstance(st.session_state.get(key), bool):
        st.session_state[key] = value
    return _shown(key)


def take_link(state: Mapping[str, object]) -> None:
    """Put what a link brought along in place; before any widget is made."""
    for key, value in state.items():
        st.session_state[key] = deepcopy(value)
    st.session_state[_LINKED] = dict(state)


def left_out() -> list[str]:
    """Return the keys of what a link brought along and the page has had to replace since; none a second time."""
    linked = st.session_state.get(_LINKED, {})
    lost = [key for key, value in linked.items() if not _within(value, st.session_state.get(key))]
    for key in lost:
        del linked[key]
    return lost


def _within(value: object, kept: object) -> bool:
    """Return whether a link's value is kept; a dictionary may have got more entries."""
    if isinstance(value, dict) and isinstance(kept, Mapping):
        return all(_within(one, kept.get(key)) for key, one in value.items())
    if isinstance(value, (list, tuple)) and isinstance(kept, (list, tuple)):
        return list(value) == list(kept)
    return value == kept


def _unchanged() -> list[str]:
    """Return the keys that still hold what a link brought along."""
    linked = st.session_state.get(_LINKED, {})
    return [key for key, value in linked.items() if key in st.session_state and st.session_state[key] == value]


def forget_link() -> bool:
    """Drop all that a link brought along and is still as it was; returns whether there was any."""
    dropped = _unchanged()
    for key in dropped:
        del st.session_state[key]
    st.session_state.pop(_LINKED, None)
    return bool(dropped)


def frozen(part: str) -> bool:
    """Return whether a teacher's link holds a part of the page shown as it is: "text" or "model"."""
    return part in st.session_state.get("frozen_parts", ())


def guarded(render: Callable[..., None]) -> Callable[..., None]:
    """Show a user's mistake as its one sentence, in place of what could not be drawn, which keeps its values.

    Where a page breaks on what a link brought along, that is dropped and the page drawn anew.
    """
    name = f"{render.__module__}.{render.__qualname__}"

    @wraps(render)
    def run(*arguments: Any) -> None:
        drawn = st.session_state.setdefault(_DRAWN, {})
        now: set[str] = set()
        outer = _DRAWING.set((*_DRAWING.get(), (drawn.get(name, set()), now)))
        try:
            render(*arguments)
        except RnnvizError as error:
            st.error(as_text(str(error)))
        except Exception:
            if not forget_link():
                raise
            st.session_state[LINK_TROUBLE] = "The link\u2019s settings do not fit this page, so it opens with its own."
            st.rerun()
        finally:
            _DRAWING.reset(outer)
            drawn[name] = now
            keep_state()
            st.session_state[_LAST] = {k: v for k, v in st.session_state.items() if str(k).startswith("keep_")}

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
    """Return a model's task, "" for one without recurrent layers, or "" and why it cannot be read; looked up once."""
    try:
        config = checkpoints.shared(name).config
        return "" if config.is_feedforward else config.task, ""
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
    names = [name for name in tasks if tasks[name] and task in (None, tasks[name])]
    if not names:
        raise ModelNotFoundError("There is no model here yet: train one with `python -m rnnviz train`.")
    return sorted(names, key=lambda name: tasks[name] != "language_model")


def example(model: Model) -> str:
    """Return a text that suits a model."""
    if model.config.task == "classifier":
        return EXAMPLES["review"]
    return EXAMPLES["python" if "python" in model.name else "shakespeare"]


def first_of(pieces: Pieces, most: int, kind: str) -> Pieces:
    """Return the first pieces of what was typed, telling the user where some are left out."""
    if len(pieces) > most:
        st.info(f"The text is long: its first {most:,} of {len(pieces):,} {kind} are read here.")
    return pieces[:most]


def shown_part(model: Model, text: str, most: int = LONGEST) -> str:
    """Return the beginning of a text that the pictures show, telling the user where something is left out.

    Raises:
        TextError: There is nothing to read in the text.
    """
    if not text.strip():
        raise TextError("The text is empty: type something to watch the network read it.")
    kind, part = "characters", text[:most]
    if model.config.task == "classifier":
        tokens = model.tokenizer.tokens(text)
        kind, part = "words", text if len(tokens) <= most else " ".join(tokens[:most])
    if part != text:
        st.info(f"The text is long: the pictures show its first {most:,} {kind}.")
    return part


def prediction(model: Model, text: str) -> Prediction:
    """Return what a classifier makes of a text, made once."""
    return _predict(model, *_key(model), text)


@st.cache_resource(max_entries=64, show_spinner=False)
def _predict(_model: Model, name: str, digest: str, config: str, text: str) -> Prediction:
    return predict(_model, text)


def measured(measure: Callable[..., Any], subject: Subject, **options: Any) -> Any:
    """Return what a function of `analysis` finds on a subject, measured once for all users.

    Args:
        measure: Takes a network, ids, tokens and a label, and `options`.
        subject: The network and what it reads.
        **options: Passed on; hashable.
    """
    return _measured(measure, subject, _what(measure, subject, options))


def _what(measure: Callable[..., Any], subject: Subject, options: dict[str, Any]) -> tuple:
    """Return what tells one measurement from another."""
    return f"{measure.__module__}.{measure.__name__}", subject.key, tuple(sorted(options.items()))


def asked(measure: Callable[..., Any], subject: Subject, seconds: float, together: float, **options: Any) -> Any:
    """Return what `measured` would; where that takes long, say so, wait for a click, and let it be stopped.

    Call it outside a fragment: there any click stops what is running.

    Args:
        measure: As for `measured`; it also takes `progress`.
        subject: The network and what it reads.
        seconds: About how long it will take.
        together: About how long it and its quicker neighbours will take.
        **options: Passed on; hashable.

    Returns:
        The result, or None where it has not been asked for yet.
    """
    if together <= LONG:
        return measured(measure, subject, **options)
    kept = st.session_state.setdefault("gradient_asked", {})
    key = _what(measure, subject, options)
    if key in kept:
        return kept[key]
    if not st.button(f"Measure {subject.label}: takes about {max(1, seconds):.0f} seconds", key=f"ask_{hash(key)}"):
        return None
    bar = st.progress(0.0, text=f"Measuring {subject.label} \u2026")
    stop = st.empty()
    stop.button("Stop", key=f"stop_{hash(key)}")
    while not _MEASURING_LONG.acquire(timeout=0.5):
        bar.progress(0.0, text="Waiting: someone else's long measurement has to end first \u2026")
    try:
        found = measure(subject.make(), subject.ids, subject.tokens, subject.label, progress=bar.progress, **options)
    finally:
        _MEASURING_LONG.release()
    while len(kept) >= _KEPT:
        kept.pop(next(iter(kept)))
    kept[key] = found
    bar.empty()
    stop.empty()
    return found


@st.cache_resource(max_entries=256, show_spinner=False)
def _measured(_measure: Callable[..., Any], _subject: Subject, what: tuple) -> Any:
    with _MEASURING:
        return _measure(_subject.make(), _subject.ids, _subject.tokens, _subject.label, **dict(what[-1]))


def kept(compute: Callable[..., Any], model: Model, *arguments: Any) -> Any:
    """Return what a function makes of a model and other arguments, made once for all users.

    Args:
        compute: Takes the model and the arguments; does not change what it has returned.
        model: The model.
        *arguments: Hashable.
    """
    return _kept(compute, model, f"{compute.__module__}.{compute.__name__}", _key(model), arguments)


@st.cache_resource(max_entries=24, show_spinner=False)
def _kept(_compute: Callable[..., Any], _model: Model, name: str, key: tuple, arguments: tuple) -> Any:
    with _MEASURING:
        return _compute(_model, *arguments)

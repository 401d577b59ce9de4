"""A question on a page: answered first by the reader, then by the page; what was answered is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from rnnviz.lesson.questions import Choice, Number, Order, Picture, Question, Several

_ANSWERED = "keep_answers"
"""Key of a question -> (its digest, the answer, whether it was right, whether the answer was looked at)."""


@st.fragment
def ask(
    question: Question, *, pictures: Sequence[Any] = (), reveal: Callable[[], None] | None = None, title: str = ""
) -> None:
    """Ask, judge and explain.

    Args:
        question: The question; where its numbers change, an earlier answer to it no longer counts.
        pictures: The charts of a `Picture`, one an option.
        reveal: Draws the page's own answer, below, once the reader has answered right or asked for the answer.
        title: What stands above it.

    Raises:
        ValueError: There are not as many pictures as options.
    """
    with st.container(border=True):
        st.markdown(f"**{title or 'Your turn'}.** {question.prompt}")
        digest, answered, right, looked = _record().get(question.key, (question.digest, None, False, False))
        if digest != question.digest:
            answered, right, looked = None, False, False
        answer = _answer(question, pictures, answered)
        check, show, _ = st.columns([1, 1, 2])
        checked = check.button("Check", key=f"check_{question.key}", type="primary", width="stretch")
        if checked and answer is not None:
            answered, right = answer, question.judge(answer)
            _record()[question.key] = (question.digest, answered, right, looked)
        if show.button("Show the answer", key=f"show_{question.key}", width="stretch"):
            looked = True
            _record()[question.key] = (question.digest, answered, right, looked)
        if checked and answer is None and not looked:
            st.info("Choose or type an answer first.")
        else:
            _say(question, answered, right and answer == answered, looked)
        if reveal is not None and (right or looked):
            reveal()


def _record() -> dict[str, tuple]:
    return st.session_state.setdefault(_ANSWERED, {})


def score() -> tuple[int, int]:
    """Return how many questions have been answered right, and how many have been answered at all."""
    given = [entry for entry in _record().values() if entry[1] is not None]
    return sum(bool(entry[2]) for entry in given), len(given)


def _say(question: Question, answered: object, right: bool, looked: bool) -> None:
    if right:
        st.success(f"Right: {question.answer}. {question.explanation}")
    elif looked:
        st.info(f"The answer: {question.answer}. {question.explanation}")
    elif answered is not None and not question.judge(answered):
        st.warning("Not yet. Try again, or look at the answer.")


def _answer(question: Question, pictures: Sequence[Any], before: Any) -> Any:
    """Draw what the reader answers with; the answer as it stands now, None for none."""
    key = f"answer_{question.key}_{question.digest}"
    if isinstance(question, Picture):
        return _picture(question, pictures, before, key)
    if isinstance(question, Choice):
        return _choice(question.options, before, key)
    if isinstance(question, Several):
        ticked = [
            st.checkbox(option, value=i in (before or ()), key=f"{key}_{i}")
            for i, option in enumerate(question.options)
        ]
        return [i for i, on in enumerate(ticked) if on]
    if isinstance(question, Number):
        label = f"Your number{f', in {question.unit}' if question.unit else ''}"
        return st.number_input(label, value=before, key=key, step=None, format="%g", placeholder="type a number")
    if isinstance(question, Order):
        label = "Choose one after the other, the first one first"
        return st.multiselect(label, question.shuffled, default=before, key=key)
    raise ValueError(f"{type(question).__name__} is no kind of question")


def _picture(question: Picture, pictures: Sequence[Any], before: Any, key: str) -> int | None:
    if len(pictures) != len(question.options):
        raise ValueError(f"pictures: expected {len(question.options)}, got {len(pictures)}")
    letters = [chr(ord("A") + i) for i in range(len(pictures))]
    for column, letter, picture in zip(st.columns(len(pictures)), letters, pictures, strict=True):
        column.markdown(f"**{letter}**")
        column.altair_chart(picture, width="stretch")
    names = [f"{letter}: {name}" for letter, name in zip(letters, question.options, strict=True)]
    return _choice(names, before, key)


def _choice(options: Sequence[str], before: Any, key: str) -> int | None:
    return st.radio("Your answer", range(len(options)), index=before, format_func=lambda i: options[i], key=key)

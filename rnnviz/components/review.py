"""The live view of a review as a Streamlit component: typed text in, probabilities by word; its words stay typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import streamlit as st

from rnnviz import session
from rnnviz.browser import bundle, style
from rnnviz.charts.palette import DASHES, HEX, INK, LINES
from rnnviz.components import rerun
from rnnviz.config import LONGEST
from rnnviz.live.odds import MOST_ANEW
from rnnviz.live.request import LONGEST_TEXT
from rnnviz.recording import UNSURE
from rnnviz.sharing import PARTS

MOST_LINES = 3
"""Models that are followed at a time: as many as a live session keeps readers for."""


@dataclass(frozen=True)
class Followed:
    """A classifier on offer, and what the browser has to know of it.

    Attributes:
        name: The model's name.
        headline: What its card says of it, "" for nothing.
        output: Index of the class whose probability is followed.
        followed: That class's name.
        classes: How many classes there are.
        pooling: How the head reads the states, one of `rnnviz.config.POOLINGS`.
        both_ways: Whether it is bidirectional.
        token: What it reads, "word" or "character".
        standard: What becomes of a text before it is split, in a few words.
        unknown: The id of what was never seen in training.
        size: Entries of its vocabulary.
        most: Tokens of a text that its tokenizer keeps, or None for all.
    """

    name: str
    headline: str
    output: int
    followed: str
    classes: int
    pooling: str
    both_ways: bool
    token: str
    standard: str
    unknown: int
    size: int
    most: int | None = None


@dataclass(frozen=True)
class Said:
    """What stands in the browser: the text, the models followed, and the one that colours the words."""

    text: str
    models: tuple[str, ...]
    coloured: str


@cache
def _component() -> Callable[..., object]:
    """Register once, and only inside a running server."""
    return st.components.v2.component(
        "rnnviz_review",
        html='<div class="rv-live rv-review"></div>',
        css=style() + style("review.css"),
        js=bundle("review.js"),
    )


def review(
    models: Sequence[Followed],
    start: Said,
    examples: Sequence[tuple[str, str]],
    *,
    keep: Callable[[Said], None],
    key: str,
) -> None:
    """Mount the editor with its chart; mount it outside fragments.

    A click that takes the focus off the editor sends two requests at once, the text's and the click's own: were the
    first a fragment's, Streamlit would drop the second.

    Args:
        models: All on offer.
        start: What a newly mounted editor begins with; one that is there already keeps its own.
        examples: Names and texts of the buttons above the editor.
        keep: Called, before the rerun, with what stands in the browser once typing has paused or the editor was left.
        key: The component's key.
    """
    data = {
        **rerun.line(key),
        "models": [asdict(model) for model in models],
        "frozen": [part for part in PARTS if session.frozen(part)],
        "start": asdict(start),
        "examples": [list(example) for example in examples],
        "most": MOST_LINES,
        "anew": MOST_ANEW,
        "unsure": list(UNSURE),
        "longest": LONGEST,
        "longest_text": LONGEST_TEXT,
        "hex": list(HEX),
        "ink": list(INK),
        "lines": list(LINES[:MOST_LINES]),
        "dashes": list(DASHES[:MOST_LINES]),
    }
    names = [model.name for model in models]
    _component()(
        key=key, data=data, on_ask_change=lambda: rerun.answer(key), on_said_change=lambda: hear(key, names, keep)
    )


def hear(key: str, names: Sequence[str], keep: Callable[[Said], None]) -> None:
    """Take in what the browser says stands in it; of what makes no sense, and of unknown models, nothing is kept.

    Args:
        key: The component's key.
        names: The models on offer.
        keep: As for `review`.
    """
    state = st.session_state.get(key)
    said = state.get("said") if isinstance(state, Mapping) else None
    if not isinstance(said, Mapping) or not isinstance(said.get("text"), str):
        return
    listed, coloured = said.get("models"), said.get("coloured")
    chosen = tuple(name for name in names if isinstance(listed, list) and name in listed)[:MOST_LINES]
    keep(Said(said["text"], chosen, coloured if coloured in chosen else next(iter(chosen), "")))

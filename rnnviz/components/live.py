"""The live page as a Streamlit component; where its own connection cannot be had, reruns carry its requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import streamlit as st

from rnnviz import session
from rnnviz.browser import bundle, style
from rnnviz.charts.palette import HEX, INK, STOPS, TABLE
from rnnviz.components import rerun
from rnnviz.config import LONGEST
from rnnviz.live.request import LONGEST_TEXT
from rnnviz.sharing import LONGEST as LONGEST_LINK
from rnnviz.sharing import PARTS


@cache
def _component() -> Callable[..., object]:
    """Register once, and only inside a running server."""
    return st.components.v2.component(
        "rnnviz_live", html='<div class="rv-live"></div>', css=style(), js=bundle("live.js")
    )


def studio(models: Sequence[dict[str, str]], examples: dict[str, str], *, key: str) -> None:
    """Mount the live page.

    Args:
        models: Each with `name`, `label`, and `example`, the text it starts with.
        examples: All example texts: one that was not changed gives way to another model's.
        key: The component's key.
    """
    data = {
        **rerun.line(key),
        "models": list(models),
        "examples": examples,
        "longest": LONGEST,
        "longest_text": LONGEST_TEXT,
        "longest_link": LONGEST_LINK,
        "frozen": [part for part in PARTS if session.frozen(part)],
        "palette": TABLE.tolist(),
        "hex": list(HEX),
        "ink": list(INK),
        "stops": list(STOPS),
    }
    _component()(key=key, data=data, on_ask_change=lambda: rerun.answer(key))

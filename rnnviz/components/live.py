"""The live page as a Streamlit component; where its own connection cannot be had, reruns carry its requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pyarrow as pa
import streamlit as st

from rnnviz.browser import bundle, style
from rnnviz.charts.palette import HEX, INK, STOPS, TABLE
from rnnviz.config import LONGEST
from rnnviz.live.request import LONGEST_TEXT
from rnnviz.live.session import LiveSession
from rnnviz.route import PATH

LONGEST_LINK = 16_000
"""Characters of a link's query: what servers and proxies take without a word."""


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
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    data: dict[str, Any] = {
        "path": f"{'/' if base else ''}{base}{PATH}",
        "models": list(models),
        "examples": examples,
        "longest": LONGEST,
        "longest_text": LONGEST_TEXT,
        "longest_link": LONGEST_LINK,
        "palette": TABLE.tolist(),
        "hex": list(HEX),
        "ink": list(INK),
        "stops": list(STOPS),
    }
    answered = st.session_state.get(f"{key}_answer")
    if answered and answered[1]:
        data |= {"answered": answered[0], "answer": pa.table({"b": pa.array(answered[1], type=pa.binary())})}
        st.session_state[f"{key}_answer"] = (answered[0], ())  # it is on its way: its memory is given back
    _component()(key=key, data=data, on_ask_change=lambda: _answer(key))


def _answer(key: str) -> None:
    """Answer a request that came with a rerun."""
    request = st.session_state[key]["ask"]
    if request is None:
        return
    session = st.session_state.setdefault(f"{key}_session", LiveSession())
    count = st.session_state.get(f"{key}_answer", (0, ()))[0] + 1
    st.session_state[f"{key}_answer"] = (count, list(session.answer(request)))

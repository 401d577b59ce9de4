"""How a live component reaches its session: the address of its connection, and reruns where that cannot be had."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import streamlit as st

from rnnviz.live.session import LiveSession
from rnnviz.route import PATH


def line(key: str) -> dict[str, Any]:
    """Return what a component has to be given: the connection's `path`, and an `answer` that waits for it.

    Args:
        key: The component's key.
    """
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    path = {"path": f"{'/' if base else ''}{base}{PATH}"}
    count, messages = st.session_state.get(f"{key}_answer", (0, ()))
    if not messages:
        return path
    st.session_state[f"{key}_answer"] = (count, ())  # it is on its way: its memory is given back
    return path | {"answered": count, "answer": pa.table({"b": pa.array(messages, type=pa.binary())})}


def answer(key: str) -> None:
    """Answer a request that came with a rerun; the component's `on_ask_change`."""
    request = st.session_state[key]["ask"]
    if request is None:
        return
    session = st.session_state.setdefault(f"{key}_session", LiveSession())
    count = st.session_state.get(f"{key}_answer", (0, ()))[0] + 1
    st.session_state[f"{key}_answer"] = (count, list(session.answer(request)))

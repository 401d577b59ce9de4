"""Tables of numbers that are edited in place and answer while they are typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import streamlit as st

from rnnviz.browser import bundle, style
from rnnviz.lesson.cell import cleaned


@dataclass(frozen=True)
class Sheet:
    """One table.

    Attributes:
        caption: What it holds.
        columns: Names of the columns.
        rows: Names of the rows.
        starts: (row, column), its first numbers, and those that "Reset" goes back to.
        fixed: (row, column) places that hold no number of their own and cannot be edited.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    starts: tuple[tuple[float, ...], ...]
    fixed: tuple[tuple[int, int], ...] = ()


def sheets(tables: Sequence[Sheet], *, of: str, key: str, frozen: bool = False) -> list[list[list[float]]]:
    """Mount tables and return their numbers now.

    Mount it inside a fragment. The numbers stay in `st.session_state[f"keep_{key}"]`, with `of` beside them: where `of`
    is another one than before, the tables begin anew.

    Args:
        tables: The tables.
        of: What the numbers belong to.
        key: The component's key.
        frozen: Whether they can only be looked at.

    Returns:
        (table, row, column).
    """
    starts = [[list(row) for row in table.starts] for table in tables]
    count = st.session_state.get(f"{key}_count", 0)
    values = kept(of, key, starts)
    state = st.session_state.get(key)
    message = state.get("edited") if isinstance(state, Mapping) else None
    news = isinstance(message, Mapping) and type(message.get("count")) is int and message["count"] != count
    if news and not frozen:
        count = message["count"]
        if message.get("of") == of:
            values = cleaned(message.get("values"), values)
    st.session_state[f"keep_{key}"] = {"of": of, "values": values}
    st.session_state[f"{key}_count"] = count
    _component()(
        key=key,
        data={
            "sheets": [asdict(table) for table in tables],
            "values": values,
            "of": of,
            "heard": count,
            "frozen": frozen,
        },
    )
    return values


def kept(of: str, key: str, starts: Sequence[Sequence[Sequence[float]]]) -> list[list[list[float]]]:
    """Return the numbers as they were left, or the first ones where they belong to something else."""
    state = st.session_state.get(f"keep_{key}")
    fits = isinstance(state, Mapping) and state.get("of") == of
    return cleaned(state.get("values") if fits else None, starts)


@cache
def _component() -> Callable[..., object]:
    """Register once, and only inside a running server."""
    return st.components.v2.component(
        "rnnviz_cellview", html='<div class="rv-sheets"></div>', css=style("cellview.css"), js=bundle("cellview.js")
    )

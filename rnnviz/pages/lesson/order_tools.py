"""Buttons that put words, prices or rows into another order; the order is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from rnnviz import session
from rnnviz.lesson.order import shuffled

Orders = dict[str, Callable[[Sequence], list[int]]]
"""What a button is called -> the order it makes of the items."""

REVERSE: Orders = {"Reverse": lambda items: list(range(len(items)))[::-1]}
SORT: Orders = {"Sort": lambda items: sorted(range(len(items)), key=lambda i: items[i])}


_DRAWN = "order_drawn"


def whole_page() -> None:
    """Note that the whole page is about to be drawn."""
    st.session_state[_DRAWN] = {}


def redraw_if_changed(part: str, now: object) -> None:
    """Draw the whole page anew where a fragment has changed what other parts of the page show.

    Args:
        part: The fragment's own name for it.
        now: What the others show.
    """
    drawn = st.session_state.setdefault(_DRAWN, {})
    before, drawn[part] = drawn.get(part, now), now
    if before != now:
        st.rerun()


def kept_order(name: str, length: int, begin: Sequence[int] = ()) -> list[int]:
    """Return the order kept for so many items; what is no order of theirs becomes the first order.

    Args:
        name: Whose order it is: it is kept under `keep_order_NAME`.
        length: How many items there are.
        begin: The order to begin with, before any was kept.
    """
    kept = st.session_state.setdefault(f"keep_order_{name}", list(begin))
    ok = isinstance(kept, (list, tuple)) and all(type(i) is int for i in kept) and sorted(kept) == list(range(length))
    if not ok:
        st.session_state[f"keep_order_{name}"] = list(range(length))
    return list(st.session_state[f"keep_order_{name}"])


def order_tools(name: str, items: Sequence, label: Callable[[int], str], what: str, more: Orders) -> list[int]:
    """Let the reader change the order of some items.

    Args:
        name: As for `kept_order`.
        items: Hashable, in their first order.
        label: Writes the item at a place of the first order, as Markdown.
        what: What one of them is called.
        more: Buttons besides moving, shuffling and going back.

    Returns:
        Places in the first order, in the reader's order.
    """
    order, frozen = kept_order(name, len(items)), session.frozen("text")
    key = session.fitting(f"keep_order_{name}_chosen", range(len(order)), len(order) - 1)
    st.pills(
        f"Choose a {what}, then move it",
        range(len(order)),
        key=key,
        format_func=lambda at: f"{at + 1}. {label(order[at])}",
        disabled=frozen,
        required=True,
    )
    names = ["\u2190 Earlier", "Later \u2192", "Shuffle", *more, "First order"]
    with st.container(horizontal=True):
        for button in names:
            st.button(
                button,
                key=f"order_{name}_{button}",
                on_click=_change,
                args=(name, button, list(items), more),
                disabled=frozen,
            )
    return order


def _change(name: str, button: str, items: list, more: Orders) -> None:
    """Do what a button says."""
    order, chosen = kept_order(name, len(items)), f"keep_order_{name}_chosen"
    if button in ("\u2190 Earlier", "Later \u2192"):
        at = st.session_state.get(chosen)
        to = (at if type(at) is int else 0) + (1 if button.startswith("Later") else -1)
        if type(at) is int and 0 <= at < len(order) and 0 <= to < len(order):
            order[at], order[to] = order[to], order[at]
            st.session_state[chosen] = to
    elif button == "Shuffle":
        draws = st.session_state.get(f"order_{name}_draws", 0) + 1
        st.session_state[f"order_{name}_draws"] = draws
        now = [items[i] for i in order]
        order = [order[i] for i in shuffled(now, draws)]
    elif button in more:
        order = more[button](items)
    else:
        order = list(range(len(items)))
    st.session_state[f"keep_order_{name}"] = order

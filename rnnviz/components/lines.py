"""What is on the screen as program lines, in PyTorch and in Keras."""

from __future__ import annotations

import streamlit as st


def lines(pytorch: str, keras: str, *, note: str = "") -> None:
    """Show two scripts that run as they stand and print the numbers on the page.

    Args:
        pytorch: Needs torch alone.
        keras: Needs Keras 3, on any backend.
        note: One sentence above them.
    """
    with st.expander("The same in PyTorch and in Keras"):
        if note:
            st.caption(note)
        for tab, script in zip(st.tabs(["PyTorch", "Keras"]), (pytorch, keras), strict=True):
            tab.code(script, language="python", wrap_lines=True)

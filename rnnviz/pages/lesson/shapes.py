"""One API, many shapes."""

from __future__ import annotations

import streamlit as st


def render() -> None:
    """Draw the page."""
    st.title("One API, many shapes")

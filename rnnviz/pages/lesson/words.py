"""Words to numbers."""

from __future__ import annotations

import streamlit as st


def render() -> None:
    """Draw the page."""
    st.title("Words to numbers")

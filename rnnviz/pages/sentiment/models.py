"""A view of the sentiment page."""

from __future__ import annotations

import streamlit as st


def render() -> None:
    """Draw the view."""
    st.write("models")

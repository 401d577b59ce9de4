"""Open issues: short against long memory, the cost of steps one after the other, and what came after."""

from __future__ import annotations

import streamlit as st

from rnnviz.pages.lesson import (
    issues_after,
    issues_attention,
    issues_check,
    issues_cost,
    issues_depth,
    issues_memory,
    issues_where,
)


def render() -> None:
    """Draw the page."""
    st.title("Open issues")
    st.write(
        "What recurrent networks find hard: to remember for long, to be fast on long texts, and to be trained over "
        "very long ones. Each is measured here, on your text and on this computer. Then: what was done about it."
    )
    issues_memory.render()
    issues_cost.render()
    issues_depth.render()
    issues_attention.render()
    issues_after.render()
    issues_check.render()
    issues_where.render()

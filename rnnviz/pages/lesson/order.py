"""Order matters."""

from __future__ import annotations

import streamlit as st

from rnnviz.pages.lesson import order_pixels, order_prices, order_time, order_tools, order_words


def render() -> None:
    """Draw the page."""
    order_tools.whole_page()
    st.title("Order matters")
    st.write(
        "Words in a sentence, prices in a week, rows of a picture: in all of them the order says something. Here you "
        "change the order and nothing else, and watch who notices."
    )
    order_words.render()
    order_prices.render()
    order_pixels.render()
    order_pixels.training()
    order_time.feedforward()
    order_time.prefixes()
    order_time.memory()
    st.header("One more question")
    order_words.closing()

"""The pages and how one gets from one to another; run anew by Streamlit at every interaction."""

import streamlit as st

from rnnviz import session
from rnnviz.components import sharing
from rnnviz.pages import gradients, lesson, neurons, sentiment

st.set_page_config(page_title="rnnviz", layout="wide")
session.keep_state()
chapters = [
    st.Page(session.guarded(render), title=title, url_path=path) for path, (title, render) in lesson.PAGES.items()
]
page = st.navigation(
    {
        "Watch": [
            st.Page(session.guarded(neurons.render), title="Neurons", url_path="neurons", default=True),
            st.Page(session.guarded(gradients.render), title="Gradients", url_path="gradients"),
            st.Page(session.guarded(sentiment.render), title="Sentiment", url_path="sentiment"),
        ],
        "Lesson": chapters,
    }
)
session.come_to(page.url_path)
beside = []
if page in chapters:
    place = chapters.index(page)
    beside = [(f"\u2190 {other.title}", other) for other in chapters[max(0, place - 1) : place]]
    beside += [(f"{other.title} \u2192", other) for other in chapters[place + 1 : place + 2]]
sharing.frame(page.url_path or "neurons", page.title, page.run, beside)

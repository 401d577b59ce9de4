"""The pages and how one gets from one to another; run anew by Streamlit at every interaction."""

import streamlit as st

from rnnviz import session
from rnnviz.pages import gradients, lesson, neurons, sentiment

st.set_page_config(page_title="rnnviz", layout="wide")
session.keep_state()
page = st.navigation(
    {
        "Watch": [
            st.Page(session.guarded(neurons.render), title="Neurons", url_path="neurons", default=True),
            st.Page(session.guarded(gradients.render), title="Gradients", url_path="gradients"),
            st.Page(session.guarded(sentiment.render), title="Sentiment", url_path="sentiment"),
        ],
        "Lesson": [
            st.Page(session.guarded(render), title=title, url_path=path)
            for path, (title, render) in lesson.PAGES.items()
        ],
    }
)
page.run()

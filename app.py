"""The app: `streamlit run app.py`."""

import os

# Worker threads take one core each: many people type at once. It must be said before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import streamlit as st

from rnnviz.route import lifespan, routes

app = st.App("rnnviz/router/main.py", routes=routes(), lifespan=lifespan)

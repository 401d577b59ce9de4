"""The same picture from plain Streamlit widgets, for `live` to compare with; run by `streamlit run`, not a test.

A text field that sends every key, a fragment rerun for each, the same incremental reader kept in the session's state,
one span a character coloured by one unit, and the heatmap as an image. It draws less than the live page (no guesses,
no surprise, one line of text), so what it is compared with has no advantage in drawing.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as app.py does, before torch is imported

from html import escape

import numpy as np
import streamlit as st

from rnnviz import checkpoints
from rnnviz.charts.palette import HEX, TABLE, scale_of
from rnnviz.live.reader import LONGEST, Reader, reader_of
from rnnviz.text import read

MODEL, SIGNAL, UNIT = "python-lstm", "hidden", 0


@st.fragment
def typed() -> None:
    """Draw what one text makes the network do."""
    text = st.text_input("Text", key="text", live="0ms")
    if not text:
        return
    model = checkpoints.shared(MODEL)
    reader: Reader = st.session_state.setdefault("reader", reader_of(model.network))
    ids = read(model.tokenizer, text)[0][:LONGEST]
    for _ in reader.advance(ids):
        pass
    values = reader.signal(SIGNAL, model.config.num_layers - 1, 0, len(ids))
    shades = scale_of(SIGNAL, model.config.cell_type).shade(values)
    spans = [
        f'<span style="background:{HEX[shade]}">{escape(c)}</span>'
        for c, shade in zip(text, shades[:, UNIT].tolist(), strict=False)
    ]
    st.html(f'<div class="bench-text">{"".join(spans)}</div>')
    st.image(TABLE.astype(np.uint8)[shades.T])


typed()

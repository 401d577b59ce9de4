"""Long texts in windows: carried over or begun anew, the first words or the last."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.ragged import windows_chart
from rnnviz.charts.text import as_text
from rnnviz.checkpoints import Model
from rnnviz.components.question import ask
from rnnviz.config import LONGEST
from rnnviz.lesson.questions import Choice, Number
from rnnviz.lesson.ragged_windows import Windows, read_windows
from rnnviz.lesson.references import cite
from rnnviz.pages.sentiment import choice
from rnnviz.text import read

LONG, WINDOW, STRIDE = (f"keep_batches_{name}" for name in ("long", "window", "stride"))
EXAMPLE = (
    "I had been looking forward to this film for months, and for most of an hour it is wonderful: the photography is "
    "beautiful, the two leads are charming together, and the first half has the best jokes I have heard all year. I "
    "laughed out loud and thought I had found a new favourite. Then the story falls apart. The villain is stupid, the "
    "twist makes no sense, and the last thirty minutes are one long, boring and noisy chase. I felt cheated. "
    "What a pity, and what a waste of a great cast."
)
_MOST = 200


@st.fragment
@session.guarded
def render(model: Model) -> None:
    """Draw the section."""
    st.header("Long texts and windows")
    st.write(
        "A very long text would make its whole batch long. It can be cut: keep only its first or last words, or read "
        "it in windows of w words, each from a fresh state or from where the last one ended."
    )
    text = st.text_area("A long text", key=session.typed(LONG, EXAMPLE), height=150, disabled=session.frozen("text"))
    ids, tokens = read(model.tokenizer, text)
    ids, tokens = session.first_of(ids, LONGEST, "words"), tokens[:LONGEST]
    one, two = st.columns(2)
    window = one.number_input("Window w, in words", 1, _MOST, step=1, key=session.whole(WINDOW, 1, _MOST, 20))
    stride = two.number_input(
        "Stride s, from one window to the next", 1, window, step=1, key=session.whole(STRIDE, 1, window, window)
    )
    labels, column = model.config.labels, choice.followed(model)
    found = read_windows(model.network, ids, window, stride, column)
    _count(len(ids), window, stride, model)
    _kept(found, window, labels[column])
    _picture(found, tokens, labels[column], window)


def _count(words: int, window: int, stride: int, model: Model) -> None:
    windows = max(1, math.ceil((words - window) / stride) + 1)
    ask(
        Number(
            "batches-windows",
            f"Your text has {words} words. Windows of {window} begin every {stride} words until the last word is "
            "covered. How many windows are there?",
            rf"$\lceil (n - w)/s \rceil + 1$ with n = {words}, w = {window}, s = {stride}, and one where the text is "
            f"shorter than a window. As input they are (batch, time steps, features) = ({windows}, {window}, "
            f"{model.config.embedding_size}), the last one padded: the time axis has become a batch axis. A stride "
            "below w reads words twice, so that no word stands at the beginning of its window only.",
            float(windows),
            unit="windows",
        )
    )


def _kept(found: Windows, window: int, label: str) -> None:
    whole = float(found.whole[-1])
    first, last = abs(found.first - whole), abs(found.last - whole)
    options = (
        f"the first {window} words, `truncating='post'`",
        f"the last {window} words, `truncating='pre'`",
        "no difference: both lie equally near, up to a tenth of a point",
    )
    right = 2 if abs(first - last) < 1e-3 else int(last < first)
    reveal_text = (
        f"The whole text: {whole:.1%} \u201c{as_text(label)}\u201d. The first {window} words alone: {found.first:.1%}. "
        f"The last {window} words alone: {found.last:.1%}."
    )
    ask(
        Choice(
            "batches-truncating",
            f"Only {window} words may be kept. Which words give an answer nearer to that of the whole text?",
            f"{reveal_text} A network that answers from its last state forgets what is far back, so the last words "
            "often count most; reviews also tend to end with their verdict. Keras\u2019 `pad_sequences` keeps the last "
            "ones by default (`truncating='pre'`); its `TextVectorization` keeps the first.",
            options,
            right,
        )
    )


def _picture(found: Windows, tokens: list[str], label: str, window: int) -> None:
    whole = float(found.whole[-1])
    ends = np.array([part[-1] for part in found.fresh])
    st.altair_chart(windows_chart(tokens, found.starts, found.whole, found.fresh, label), width="stretch")
    gap = float(np.abs(found.whole - found.carried).max())
    st.caption(
        "Look what happens at a dotted line: a window that begins anew has forgotten everything before it, and answers "
        f"from its own {min(window, len(tokens))} words. The lines meet again where the last words decide alone."
    )
    st.dataframe(
        {
            "read": [
                "whole",
                "windows, state carried over",
                "windows begun anew: the last one",
                "windows begun anew: mean of all",
                f"first {window} words (truncating='post')",
                f"last {window} words (truncating='pre')",
            ],
            f"probability of {label}": [
                f"{p:.2%}" for p in (whole, found.carried[-1], ends[-1], ends.mean(), found.first, found.last)
            ],
            "off by, in points": [
                f"{100 * (p - whole):+.2f}"
                for p in (whole, found.carried[-1], ends[-1], ends.mean(), found.first, found.last)
            ],
        },
        hide_index=True,
        width="stretch",
    )
    st.markdown(
        f"With the state carried over nothing is lost on the way forward: the largest difference of a probability is "
        f"{gap:.1e}, of a unit of the final state {found.state_gap:.1e}. Keras: `stateful=True`, batches in order, and "
        "`reset_state()` between texts. PyTorch: `output, state = rnn(window, state)`, and `state.detach()` in "
        "training. For that is what is lost: the gradient ends at the window\u2019s edge, and nothing learns from "
        f"farther back ({cite('williams1990')}; [Training by steps](/training))."
    )

"""Long texts in windows: carried over or begun anew, the first words or the last."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.ragged import windows_chart
from rnnviz.charts.text import as_text
from rnnviz.checkpoints import Model
from rnnviz.components.question import ask
from rnnviz.config import LONGEST
from rnnviz.lesson.questions import Choice, Number
from rnnviz.lesson.ragged_windows import Windows, window_starts, windows_of
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
_MOST, _DRAWN = 200, 20
"""Words of a window, and windows that are drawn, at most."""


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
    tokens = session.first_of(read(model.tokenizer, text)[1], LONGEST, "words")
    one, two = st.columns(2)
    window = one.number_input("Window w, in words", 1, _MOST, step=1, key=session.whole(WINDOW, 1, _MOST, 20))
    stride = two.number_input(
        "Stride s, from one window to the next", 1, window, step=1, key=session.whole(STRIDE, 1, window, window)
    )
    labels, column = model.config.labels, choice.followed(model)
    found = session.kept(windows_of, model, text, window, stride, column)
    _count(len(tokens), window, stride, model)
    _kept(found, tokens, window, labels[column])
    _lost(found)


def _count(words: int, window: int, stride: int, model: Model) -> None:
    starts = window_starts(words, window, stride)
    windows = len(starts)
    padded = ", the last one padded" if starts[-1] + window > words else ""
    ask(
        Number(
            "batches-windows",
            f"Your text has {_words(words)}. Windows of {window} begin {_words(stride)} apart until the last word is "
            "covered. How many windows are there?",
            rf"$\lceil (n - w)/s \rceil + 1$ with n = {words}, w = {window}, s = {stride}, and one where the text is "
            f"shorter than a window. As input they are (batch, time steps, features) = ({windows}, {window}, "
            f"{model.config.embedding_size}){padded}: the time axis has become a batch axis. A stride below w reads "
            "some words twice; from s = w/2 down, every word but the first s also has at least s words before it in "
            "some window.",
            float(windows),
            unit="windows" if windows > 1 else "window",
        )
    )


def _kept(found: Windows, tokens: list[str], window: int, label: str) -> None:
    whole = float(found.whole[-1])
    first, last = abs(found.first - whole), abs(found.last - whole)
    options = (
        f"the first {_words(window)}, `truncating='post'`",
        f"the last {_words(window)}, `truncating='pre'`",
        "no difference: both lie equally near, up to a tenth of a point",
    )
    right = 2 if abs(first - last) < 1e-3 else int(last < first)
    reveal_text = (
        f"The whole text: {whole:.1%} \u201c{as_text(label)}\u201d. The first {_words(window)} alone: "
        f"{found.first:.1%}. The last {_words(window)} alone: {found.last:.1%}."
    )
    ask(
        Choice(
            "batches-truncating",
            f"Only {_words(window)} may be kept. Which give an answer nearer to that of the whole text?",
            f"{reveal_text} A network that answers from its last state forgets what is far back, so the last words "
            "often count most; reviews also tend to end with their verdict. Keras\u2019 `pad_sequences` keeps the last "
            "ones by default (`truncating='pre'`); its `TextVectorization` keeps the first.",
            options,
            right,
        ),
        reveal=lambda: _picture(found, tokens, label, window),
    )


def _words(count: int) -> str:
    return f"{count} word{'s' * (count != 1)}"


def _picture(found: Windows, tokens: list[str], label: str, window: int) -> None:
    whole = float(found.whole[-1])
    ends = np.array([part[-1] for part in found.fresh])
    drawn = np.unique(np.linspace(0, len(ends) - 1, _DRAWN).round().astype(int)).tolist()
    starts, fresh = ([many[i] for i in drawn] for many in (found.starts, found.fresh))
    st.altair_chart(windows_chart(tokens, starts, found.whole, fresh, label), width="stretch")
    few = f"Of the {len(ends):,} windows {len(drawn)} are drawn; the table counts all. " * (len(drawn) < len(ends))
    st.caption(
        f"{few}Look what happens at a dotted line: a window that begins anew has forgotten everything before it, and "
        f"answers from its own {_words(min(window, len(tokens)))}. The lines meet again where the last words decide "
        "alone."
    )
    st.dataframe(
        {
            "read": [
                "whole",
                "windows, state carried over",
                "windows begun anew: the last one",
                "windows begun anew: mean of all",
                f"first {_words(window)} (truncating='post')",
                f"last {_words(window)} (truncating='pre')",
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


def _lost(found: Windows) -> None:
    gap = float(np.abs(found.whole - found.carried).max())
    st.markdown(
        f"With the state carried over nothing is lost on the way forward: the largest difference of a probability is "
        f"{gap:.1e}, of a unit of the final state {found.state_gap:.1e}. Keras: `stateful=True`, batches in order, and "
        "`reset_state()` between texts. PyTorch: `output, state = rnn(window, state)`, and `state.detach()` in "
        "training. For that is what is lost: the gradient ends at the window\u2019s edge, and nothing learns from "
        f"farther back ({cite('williams1990')}; [Training by steps](/training))."
    )

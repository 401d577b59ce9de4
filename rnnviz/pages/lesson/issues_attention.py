"""Where attention comes in: a state looks back at all states of the reader's text."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.issues import weights_chart
from rnnviz.charts.text import as_text, visible
from rnnviz.components.question import ask
from rnnviz.errors import ConfigError
from rnnviz.lesson.issues import WORDS, Attended, attend, likeness, states_of
from rnnviz.lesson.questions import Choice
from rnnviz.lesson.references import cite

TEXT, MODEL, QUERY, SCALED = (f"keep_issues_{name}" for name in ("words", "reader", "query", "scaled"))
EXAMPLE = "The acting was wonderful and the music was lovely but in the end I found the story terribly boring"
FIRST = "imdb-lstm-100"


@st.fragment
@session.guarded
def render() -> None:
    """Draw the section."""
    st.header("Where attention comes in")
    st.write(
        "One final state is a narrow door for a long text. An encoder and decoder that had only this door got worse as "
        "sentences grew; letting the decoder look back at every state of the encoder mended it "
        f"({cite('bahdanau2015')}). Simpler is a dot product ({cite('luong2015')}): a query q is compared with every "
        "state, a softmax turns the likenesses into shares of 1, and what comes out is the mixture of the states."
    )
    over = r" / \sqrt{H}" * st.session_state[session.ticked(SCALED, True)]
    st.latex(
        rf"\alpha_t = \frac{{\exp(q \cdot h_t{over})}}{{\sum_s \exp(q \cdot h_s{over})}} \qquad\qquad "
        r"c = \sum_t \alpha_t\, h_t"
    )
    text = st.text_area(
        "Text for attention", key=session.typed(TEXT, EXAMPLE), height=100, disabled=session.frozen("text")
    )
    names = [n for n in session.model_names("classifier") if not session.load_model(n).config.bidirectional]
    if not names:
        raise ConfigError("There is no classifier here that reads one way: train one with `python -m rnnviz train`.")
    first = FIRST if FIRST in names else names[0]
    name = st.selectbox(
        "Network whose states are looked at",
        names,
        key=session.fitting(MODEL, names, first),
        disabled=session.frozen("model"),
    )
    model = session.load_model(name)
    tokens, states = session.kept(states_of, model, text)
    left_out = len(model.tokenizer.tokens(text)) - len(tokens)
    if left_out > 0:
        st.info(f"The text is long: attention looks at its last {WORDS} words; what stands before was read.")
    _look(name, tokens, states, max(0, left_out))


def _look(name: str, tokens: tuple[str, ...], states: np.ndarray, first: int) -> None:
    """Draw where one state looks; `first` is the number of the first word looked at, from 0."""
    places = list(range(len(tokens)))
    if st.session_state.get("issues_asked") != tokens:
        st.session_state["issues_asked"] = tokens
        if len(places) <= (kept if type(kept := st.session_state.get(QUERY)) is int else len(places)):
            st.session_state.pop(QUERY, None)
    one, two = st.columns([3, 1])
    place = one.selectbox(
        "The query is the state after word",
        places,
        key=session.fitting(QUERY, places, places[-1]),
        format_func=lambda i: (
            f"{first + i + 1} {visible(tokens[i])}" + (", the final state" if i == places[-1] else "")
        ),
    )
    scaled = two.checkbox("Divide by \u221aH", key=session.ticked(SCALED, True))
    found = attend(tokens, states, place, scaled)
    _question(found, place, first)
    st.altair_chart(weights_chart(found.tokens, found.weights, place, first), width="stretch")
    alike = likeness(states)
    entropy = float(-(found.weights * np.log(np.maximum(found.weights, 1e-300))).sum())
    st.caption(
        f"Look at the shape, not at single words: the weights sum to {found.weights.sum():.3f}, the dashed line is an "
        f"even share, and all together they are as spread out as an even share of {np.exp(entropy):.1f} of "
        f"{place + 1} word{'s' * (place > 0)}. "
        f"**{as_text(name)} was not trained with attention**, so nobody taught these states to be found by one "
        "another; a trained model learns what to ask for and what to answer to, by matrices for query, key and value "
        f"({cite('vaswani2017')})."
        + (
            f" The median cosine between a state and the next is {alike:.2f} here: where it is near 1, a state keeps "
            "its direction over one step, and neighbours look alike."
            if alike is not None
            else ""
        )
    )
    _price(place, first)


def _price(place: int, first: int) -> None:
    """Say what attention buys and costs."""
    steps = f"{place} step{'s' * (place != 1)}"
    st.markdown(
        f"What it buys: from word {first + 1} to the answer after word {first + place + 1} a gradient passes {steps} "
        "of the RNN, but only 1 of attention. What it costs: every query looks at every state, "
        "T\u00b2 products for T words, and all states have to be kept. And without recurrence the order is lost, as in "
        "the bag of [Order matters](/order): Transformers add the place to each word\u2019s vector."
    )


def _question(found: Attended, place: int, first: int) -> None:
    """Ask where the query looks most, itself left out."""
    if place < 3:
        return
    others = found.weights[:place]
    best = int(others.argmax())
    every = sorted({0, place // 2, place - 1, best})
    options = tuple(as_text(f"{first + i + 1} {visible(found.tokens[i])}") for i in every)
    ask(
        Choice(
            "issues-attention",
            f"The state after word {first + place + 1} is the query. Apart from itself, which of these words gets the "
            "largest weight?",
            f"It gets {found.weights[best]:.1%}; the query\u2019s own state gets {found.weights[place]:.1%}. The "
            "largest dot product needs a long state that points the same way as the query.",
            options,
            every.index(best),
        ),
        title="Guess, then read it off the bars below",
    )

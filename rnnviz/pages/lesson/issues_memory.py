"""How far back a token still counts: changed, taken out, or with all before it cut off."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.charts.issues import cut_chart, reach_chart
from rnnviz.charts.text import as_text, visible
from rnnviz.checkpoints import Model
from rnnviz.components.question import ask
from rnnviz.lesson.issues import (
    LONGEST_MEMORY,
    NEAR,
    REPLACED,
    TAKEN_OUT,
    Changed,
    Cut,
    changed,
    cut,
    farthest,
    replacements,
)
from rnnviz.lesson.questions import Choice
from rnnviz.lesson.references import cite

TEXT, MODELS, HOW, SEEN = (f"keep_issues_{name}" for name in ("text", "models", "how", "seen"))
EXAMPLE = (
    "This is the best film I have seen in years. My brother and I went to the small cinema at the corner of our "
    "street on a rainy Tuesday evening, bought two cups of tea, and sat down in the third row. The hall was half "
    "empty. The film is about two hours long and is set in a village by the sea, where an old man repairs clocks and "
    "a young woman delivers the post."
)
FIRST = ("imdb-rnn-100", "imdb-gru-100", "imdb-lstm-100")
_MOST = 4
_HOW = {REPLACED: "replaced by another token", TAKEN_OUT: "taken out"}
_SEEN = {"state": "the final state", "answer": "the answer"}
_CUT = "issues_cut"


@st.fragment
@session.guarded
def render() -> None:
    """Draw the section."""
    st.header("Long against short memory")
    st.write(
        "One state of fixed size has to hold all that was read. How long does it? Change one token of your text, read "
        "on to the end, and see what is left of the change there. Then cut off all but the last tokens, and see what "
        "the network misses."
    )
    text = st.text_area("Text", key=session.typed(TEXT, EXAMPLE), height=130, disabled=session.frozen("text"))
    models = _models()
    if not models:
        st.info("Choose at least one network.")
        return
    how, seen = _ways()
    found = {model.name: session.kept(changed, model, text, how) for model in models}
    _question(found)
    _reach(models, found, seen, how)
    _cut(models, text)


def _models() -> list[Model]:
    """Ask for one-way networks, words or characters."""
    names = [name for name in session.model_names() if not session.load_model(name).config.bidirectional]
    chosen = st.session_state.get(MODELS)
    first = [name for name in FIRST if name in names] or names[:2]
    if not isinstance(chosen, list):
        st.session_state[MODELS] = first
    else:
        st.session_state[MODELS] = [name for name in chosen if name in names][:_MOST]
    picked = st.multiselect("Networks", names, key=MODELS, max_selections=_MOST, disabled=session.frozen("model"))
    models = [session.load_model(name) for name in picked]
    kinds = {
        "classifier": "a word, and the answer a class",
        "language_model": "a character, and the answer the next one",
    }
    told = [
        f"For {', '.join(as_text(model.name) for model in those)} a token is {what}."
        for task, what in kinds.items()
        if (those := [model for model in models if model.config.task == task])
    ]
    st.caption(" ".join([*told, f"At most the last {LONGEST_MEMORY} tokens are read."]))
    return models


def _ways() -> tuple[str, str]:
    one, two = st.columns(2)
    how = one.segmented_control(
        "One token is", list(_HOW), key=session.fitting(HOW, list(_HOW), REPLACED), format_func=_HOW.get, required=True
    )
    seen = two.segmented_control(
        "Look at", list(_SEEN), key=session.fitting(SEEN, list(_SEEN), "state"), format_func=_SEEN.get, required=True
    )
    return how, seen


def _question(found: dict[str, Changed]) -> None:
    """Ask which network feels a change farthest back."""
    if len(found) < 2:
        return
    best = farthest(list(found.values()))
    told = ", ".join(
        f"{as_text(name)}: {'at least ' * one.is_cut_off}{one.reach() or 'none'}" for name, one in found.items()
    )
    ask(
        Choice(
            "issues-reach",
            "One token is changed. In which network does a change farthest back still move the final state by one "
            "hundredth of its norm or more?",
            f"The farthest distance measured with that much left, in tokens: {told}. \u201cAt least\u201d stands "
            "where it is the farthest that was tried: a longer text can tell more. A gated cell can carry a thing for "
            "long, but only what its training made worth carrying; one text is one sample, so try another.",
            (
                *map(as_text, found),
                "the farthest reach equally far",
                "it cannot be told: more than one may reach farther than this text lets us measure",
            ),
            len(found) + 1 if best is None else best,
        ),
        title="Guess, then read it off the lines below",
    )


def _reach(models: list[Model], found: dict[str, Changed], seen: str, how: str) -> None:
    state = seen == "state"
    points = {name: (one.distances, one.moved if state else one.divergence) for name, one in found.items()}
    title = f"One token {how}: what is left"
    st.altair_chart(
        reach_chart(points, title, "change of the state / its norm" if state else "change of the answer, in nats"),
        width="stretch",
    )
    st.caption(
        "Look how steeply each line falls: a straight fall to the floor is short memory. Measured: "
        + (
            "the Euclidean norm of the final state\u2019s change, divided by the state\u2019s own norm."
            if state
            else "the Kullback-Leibler divergence from the answer with the text as it is."
        )
        + " Single points jump, since some words matter more than others. What is under 1e-8 is drawn at the floor."
        + _put_in(models) * (how == REPLACED)
    )
    if any(model.config.pooling != "last" and model.config.task == "classifier" for model in models) and not state:
        st.caption("A network that answers from the mean of all states does not need its last state to remember.")


def _put_in(models: list[Model]) -> str:
    """Name what a token is replaced by."""
    every: dict[tuple[str, ...], list[str]] = {}
    for model in models:
        tokens = tuple(as_text(f"\u201c{visible(token)}\u201d") for token in replacements(model))
        every.setdefault(tokens, []).append(as_text(model.name))
    told = "; ".join(
        f"{', '.join(names)}: {' and '.join(first)}, or {last} where one of these stands already"
        for (*first, last), names in every.items()
    )
    return f" The changed token is replaced by each of two others, and the mean is drawn: {told}."


def _cut(models: list[Model], text: str) -> None:
    st.write(
        "The other way round: let the network read only the last k tokens, from a fresh state, and ask what it "
        f"answers. {cite('khandelwal2018')} found in this way that an LSTM language model of words used about 200 of "
        "them, and told their order apart only in the nearest 50."
    )
    key = (text, tuple((model.name, model.digest) for model in models))
    if st.button("Measure with less and less context", key="issues_cut_button"):
        bar, results = st.progress(0.0, text="Reading \u2026"), {}
        try:
            for done, model in enumerate(models):
                results[model.name] = session.kept(cut, model, text)
                bar.progress((done + 1) / len(models), text="Reading \u2026")
        finally:
            bar.empty()
        st.session_state[_CUT] = (key, results)
    kept = st.session_state.get(_CUT)
    if kept is None or kept[0] != key:
        return
    found: dict[str, Cut] = kept[1]
    points = {name: (one.contexts, one.loss_nats - one.full_nats) for name, one in found.items()}
    st.altair_chart(cut_chart(points, NEAR), width="stretch")
    parts = [
        f"{as_text(name)}: {_tokens(one.enough)}" if one.enough else f"{as_text(name)}: more than {one.contexts.max()}"
        for name, one in found.items()
    ]
    tasks = {model.config.task for model in models}
    places = max(one.targets for one in found.values())
    asked = ["a classifier for the answer that it gives to the whole text"] * ("classifier" in tasks)
    if "language_model" in tasks:
        asked.append(f"a language model for the next character at {places} place{'s' * (places > 1)}")
    st.caption(
        f"Look where a line enters the grey band for good, {NEAR} nats around the loss with all context: more context "
        f"brings nothing there. {'; '.join(parts)}. Asked is {', '.join(asked)}. How far back "
        "can be learned at all is another question: train on it in [Gradients, What is learned](/gradients)."
    )


def _tokens(count: int) -> str:
    return f"{count} token{'s' * (count > 1)}"

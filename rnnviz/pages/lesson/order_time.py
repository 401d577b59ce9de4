"""Time as a network sees it: not at all, by the whole prefix, or through a state that any classifier can read."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts import order as charts
from rnnviz.charts.text import as_text, visible
from rnnviz.checkpoints import Model
from rnnviz.components.question import ask
from rnnviz.errors import TextError
from rnnviz.lesson.order import words_of
from rnnviz.lesson.order_time import (
    Reader,
    at_places,
    has_held_out,
    read_by_head,
    readers,
    reads_by_steps,
    shapes,
    two_ways,
)
from rnnviz.lesson.questions import Number, Order
from rnnviz.lesson.references import cite
from rnnviz.pages.lesson.order_words import MODEL, SENTENCE
from rnnviz.pages.sentiment import choice

GOOD, BAD, STEPPED = "keep_order_good", "keep_order_bad", "keep_order_stepped"
FIRST_STEPPED = ("imdb-gru-100", "imdb-lstm-100")
_PLACES = tuple(range(1, 501, 20))


@st.fragment
@session.guarded
def feedforward() -> None:
    """Draw what a net without time makes of places."""
    st.header("A net without time")
    st.write(
        "A feed-forward net can be given a text too: cut or pad it to a fixed number of words, put their vectors side "
        "by side, and multiply. A word\u2019s vector is the same at every place, but every place has weights of its "
        "own: what those of place 3 have learnt to make of a word says nothing of the same word at place 30."
    )
    names = [name for name, config in shapes().items() if config.is_feedforward]
    if not names:
        st.info("There is no feed-forward classifier among the models here, so it cannot be measured.")
        return
    flat = session.load_model(names[0])
    recurrent = session.load_model(_recurrent())
    config = flat.config
    weights = config.window * config.embedding_size * config.hidden_size
    st.latex(
        rf"{config.window}\text{{ words}}\times {config.embedding_size}\text{{ numbers}}\times "
        rf"{config.hidden_size}\text{{ units}} = {weights:,}\text{{ weights}}".replace(",", r"{,}")
    )
    _scores(flat, recurrent)
    _one_word(flat, recurrent)


def _recurrent() -> str:
    names = session.model_names("classifier")
    kept = st.session_state.get(MODEL)
    return kept if kept in names else next((name for name in choice.BEST_FIRST if name in names), names[0])


def _scores(flat: Model, recurrent: Model) -> None:
    """What the cards say; nothing here is measured on the page."""
    for column, model in zip(st.columns(2), (flat, recurrent), strict=True):
        score = model.card.get("test") or {}
        told = f"{score['accuracy']:.1%}" if isinstance(score.get("accuracy"), float) else "not measured"
        column.metric(f"{as_text(model.name)}, test reviews right", told)
        column.caption(f"From its card. {_recipe(model)}")


def _recipe(model: Model) -> str:
    training = model.card.get("training") or {}
    before, epochs = training.get("pretrain_epochs") or 0, training.get("epochs")
    if not isinstance(epochs, float | int) or not isinstance(before, float | int):
        return ""
    first = f"{before:g} epochs of guessing the next word, then " if before else ""
    by = f" by {training['optimizer']}" if training.get("optimizer") else ""
    return f"Trained{by}: {first}{epochs:g} epochs of classifying.{_kept_weights(training)}"


def _kept_weights(training: dict) -> str:
    """Say how far a network was trained when its weights were kept: training goes on beyond the best of them."""
    best, done = training.get("best_step"), training.get("steps_done")
    if type(best) is not int or type(done) is not int or not 0 < best < done:
        return ""
    return (
        f" Its weights are those after step {best:,} of {done:,}, where its loss on reviews kept out of the "
        "training was least."
    )


def _one_word(flat: Model, recurrent: Model) -> None:
    """One word alone at many places of a text."""
    words = _two_words(flat, recurrent)
    curves, followed = {}, choice.followed(flat)
    places = tuple(place for place in _PLACES if place <= flat.config.window)
    for model, kind in ((flat, "feed-forward"), (recurrent, "recurrent")):
        for word in dict.fromkeys(words):
            curves[f"{kind}, {visible(word)}"] = session.kept(at_places, model, word, places, choice.followed(model))
    label = visible(flat.config.labels[followed])
    st.altair_chart(charts.places_chart(places, curves, label), width="stretch")
    flat_lines = [values for name, values in curves.items() if name.startswith("feed-forward")]
    apart = float(np.ptp(flat_lines))
    st.caption(
        f"Look at the feed-forward net: at the {len(places)} places drawn, its answers to both words lie within "
        f"{100 * apart:.2f} points of each other. In its training it has met most words at most places hardly ever, or "
        "never. The recurrent network uses the same weights at every step and masks padding, so for it a lone word is "
        "the same text at any place."
    )


def _two_words(flat: Model, recurrent: Model) -> list[str]:
    """Ask for two words.

    Raises:
        TextError: There is none in one of the boxes.
    """
    boxes = (("A good word", GOOD, "wonderful"), ("A bad word", BAD, "terrible"))
    texts = [
        column.text_input(label, key=session.typed(key, first), disabled=session.frozen("text"))
        for column, (label, key, first) in zip(st.columns(2), boxes, strict=True)
    ]
    if not all(text.strip() for text in texts):
        raise TextError("Type one word in each of the two boxes.")
    found = [words_of(flat, text) for text in texts]
    words = [tokens[0] for tokens, _ in found]
    if any(whole > 1 for _, whole in found):
        st.info(f"One word a box is read, the first: {as_text(', '.join(map(visible, words)))}.")
    for model in (flat, recurrent):
        strange = [visible(word) for word in dict.fromkeys(words) if int(model.tokenizer.ids([word])[0]) == 1]
        if strange:
            told = f"{model.name} does not know {', '.join(strange)}: it reads its id for unknown words there."
            st.info(as_text(told))
    return words


@st.fragment
@session.guarded
def prefixes() -> None:
    """Draw the two ways to predict from a prefix."""
    st.header("Two ways to predict from what came before")
    left, right = st.columns(2)
    left.markdown("**From the whole prefix.** At each step, all inputs so far are read again.")
    left.latex(r"y_t = g_t(x_1, x_2, \ldots, x_t)")
    right.markdown("**Through a latent state.** Only the newest input is read; the rest is in the state.")
    right.latex(r"h_t = f(x_t, h_{t-1}),\qquad y_t = g(h_t)")
    names = [name for name, config in shapes().items() if reads_by_steps(config)]
    if not names:
        st.info("There is no classifier here whose answer is read off its newest state alone.")
        return
    first = next((name for name in FIRST_STEPPED if name in names), names[0])
    key = session.fitting(STEPPED, names, first)
    name = st.selectbox("Network read in both ways", names, key=key, disabled=session.frozen("model"))
    model = session.load_model(name)
    _count_steps(model, *words_of(model, _sentence()))


def _sentence() -> str:
    """Return the sentence typed at the top of the page.

    Raises:
        TextError: It is empty.
    """
    text = st.session_state.get(SENTENCE)
    if not isinstance(text, str) or not text.strip():
        raise TextError("The sentence at the top of the page is empty: type a few words there.")
    return text


def _count_steps(model: Model, words: list[str], whole: int) -> None:
    """Ask what the first way costs for the words read of a sentence, or of so many of its words; then show both."""
    column, n = choice.followed(model), len(words)
    begin = f"Your sentence has {n} words" if whole == n else f"Of your sentence\u2019s {whole:,} words {n} are read"

    ask(
        Number(
            "order-steps",
            f"{begin}, and you want an answer after every one. How many steps of the network does "
            "the first way take in all?",
            f"1 + 2 + \u2026 + {n} = {n} \u00b7 {n + 1} / 2. Through the state it is one step a word, {n} in all.",
            float(n * (n + 1) // 2),
            0.0,
            "steps",
        ),
        reveal=lambda: _both_ways(model, words, column),
    )
    ask(
        Order(
            "order-state",
            "One step of a network that takes the second way: put its parts in order.",
            f"This is the recurrence of {cite('elman1990')}: the state is fed back as an input of the next step.",
            (
                "x_t arrives",
                "x_t and the old state make the new state",
                "y_t is read off the new state",
                "the new state waits for the next input",
            ),
        )
    )


def _both_ways(model: Model, words: list[str], column: int) -> None:
    """Both ways of predicting after every word, and what each costs."""
    n = len(words)
    found = session.kept(two_ways, model, tuple(words), column)
    rows = [
        (f"{t}. {visible(word)}", f"{a:.6f}", f"{b:.6f}", str(t), "1")
        for t, (word, a, b) in enumerate(zip(words, found.prefix.tolist(), found.state.tolist(), strict=True), start=1)
    ]
    head = ("after", "whole prefix", "from the state", "steps", "steps")
    label = visible(model.config.labels[column])
    st.html(charts.table_html(head, rows, f"Probability of {label} in both ways, and what each costs"))
    apart = float(abs(found.prefix - found.state).max())
    told = f"they differ by {apart:.0e} at most" if apart else "they are equal to the last bit"
    st.caption(
        f"Look at the two columns of probabilities: {told}. The first way takes "
        f"{n * (n + 1) // 2} steps, the second {n}. What the second carries from word to word are {found.kept} "
        f"numbers, whether it has read one word or {n}."
    )


@st.fragment
@session.guarded
def memory() -> None:
    """Draw other classifiers that read the state."""
    st.header("The state is a memory that any classifier can read")
    st.write(
        "However long the text, the state has the same length, and so has the mean of all states or the largest of "
        "their values: a vector of features, made by the network. Any classifier that takes vectors can be put on top "
        "of it."
    )
    name = next((name for name in _with_states() if has_held_out(name)), None)
    if name is None:
        st.info("No model here comes with the states of held-out reviews: `python -m rnnviz study NAME` makes them.")
        return
    model = session.load_model(name)
    column, text = choice.followed(model), _sentence()
    found = session.kept(readers, model, text, column)
    width = model.network.head.in_features
    label = visible(model.config.labels[column])
    rows = [_row(one, label) for one in found]
    head = ("reads the memory", "held-out reviews right", "your sentence")
    st.html(charts.table_html(head, rows, f"Three classifiers on {width} numbers made by {visible(name)}"))
    st.caption(
        f"Half of the {2 * found[0].tested:,} reviews kept out of the training fit the second and the third, the other "
        f"half tests all three. Each is shown only the {width} numbers that the network\u2019s own head reads: "
        f"{read_by_head(model.config)}. Look how close the accuracies are: the work was done by whatever made the "
        "memory."
    )


def _with_states() -> list[str]:
    names = [name for name, config in shapes().items() if not config.is_feedforward]
    return [*(name for name in choice.BEST_FIRST if name in names), *names]


def _row(one: Reader, label: str) -> tuple[str, str, str]:
    return one.name, f"{one.accuracy:.1%}", f"{one.share:.0%} for {label}"

"""A sentence and another order of its words: a bag of words stays where it is, a recurrent network moves."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts import order as charts
from rnnviz.charts.order import FIRST, YOURS
from rnnviz.charts.text import as_text, visible
from rnnviz.checkpoints import Model, headline
from rnnviz.components.question import ask
from rnnviz.errors import ConfigError, TextError
from rnnviz.lesson.order import (
    Bag,
    Read,
    bag,
    in_order,
    learn_labels,
    many_orders,
    most_orders,
    moved,
    orders_of,
    read_orders,
    words_of,
)
from rnnviz.lesson.order_time import read_by_head
from rnnviz.lesson.questions import Number, Picture, Several
from rnnviz.pages.lesson.order_tools import REVERSE, SORT, order_tools, redraw_if_changed
from rnnviz.pages.sentiment import choice
from rnnviz.record import predict

SENTENCE, MODEL, PAIR, ORDER = "keep_order_sentence", "keep_order_model", "order_pair", "keep_order_words"
PAIRS = {
    "easy not difficult / difficult not easy": ("Machine learning is easy not difficult", [0, 1, 2, 5, 4, 3]),
    "good not bad / bad not good": ("The film was good not bad", [0, 1, 2, 5, 4, 3]),
    "dog bites man / man bites dog": ("the dog bit the man", [0, 4, 2, 3, 1]),
}
NOTES = next(iter(PAIRS.values()))
_MOST_ASKED = 10**6


@st.fragment
@session.guarded
def render() -> None:
    """Draw the part."""
    st.header("A set against a sequence")
    st.write(
        "A set has no order: {easy, not, difficult} and {difficult, not, easy} are the same set. A sequence has: "
        "put its words in another order, and it is another sequence. Take a sentence, move its words, and see what two "
        "classifiers make of it."
    )
    model, text = _settings()
    words, whole = words_of(model, text)
    if whole > len(words):
        st.info(f"The sentence is long: its first {len(words)} of {whole:,} words are used.")
    order = order_tools("words", words, lambda i: as_text(visible(words[i])), "word", REVERSE | SORT)
    column = choice.followed(model)
    found = session.kept(bag, model, tuple(words), column)
    read = session.kept(read_orders, model, tuple(words), (tuple(range(len(words))), tuple(order)), column)
    _compare(model, found, read, words, order)
    _bag_table(found, words, order)
    _on_the_way(model, words, order, column)
    _all_orders(model, words, found, read, column)
    _labels(words, order)


def _settings() -> tuple[Model, str]:
    """Ask for the sentence and the network.

    Raises:
        TextError: There is no sentence.
        ConfigError: The network knows a single class.
    """
    if SENTENCE not in st.session_state:
        st.session_state[SENTENCE], st.session_state[ORDER] = NOTES[0], list(NOTES[1])
    session.typed(SENTENCE, NOTES[0])
    now = (st.session_state[SENTENCE], st.session_state.get(ORDER))
    st.session_state[PAIR] = next((name for name, pair in PAIRS.items() if pair == now), None)
    frozen = session.frozen("text")
    st.pills("A pair to begin with", list(PAIRS), key=PAIR, on_change=_fill, disabled=frozen)
    text = st.text_input("Your sentence, in its first order", key=SENTENCE, disabled=frozen)
    names = session.model_names("classifier")
    first = next((name for name in choice.BEST_FIRST if name in names), names[0])
    key = session.fitting(MODEL, names, first)
    name = st.selectbox("Network", names, key=key, disabled=session.frozen("model"))
    redraw_if_changed("words", (text, name))
    model = session.load_model(name)
    if model.config.num_outputs < 2:
        raise ConfigError(f"{model.name} knows a single class, so it has nothing to tell apart: choose another model.")
    st.write(as_text(headline(model.card)))
    if not text.strip():
        raise TextError("The sentence is empty: type a few words to put in another order.")
    return model, text


def _fill() -> None:
    """Put the chosen pair in place."""
    if st.session_state[PAIR] in PAIRS:
        text, order = PAIRS[st.session_state[PAIR]]
        st.session_state[SENTENCE], st.session_state[ORDER] = text, list(order)


def _count(words: list[str]) -> None:
    """Ask how many sequences the words make."""
    asked = words if orders_of(words) <= _MOST_ASKED and len(words) > 1 else NOTES[0].lower().split()
    told = " ".join(as_text(visible(word)) for word in asked)
    repeated = len(set(asked)) < len(asked)
    twice = " Equal words can change places without making another sequence, so divide by their orders too."

    def reveal() -> None:
        st.latex(charts.orders_formula(asked))

    ask(
        Number(
            "order-count",
            f"One bag, how many sequences? Count the different orders of the {len(asked)} words of \u201c{told}\u201d.",
            "There are n choices for the first place, n \u2212 1 for the next, and so on: n! orders."
            + (twice if repeated else ""),
            float(orders_of(asked)),
        ),
        reveal=reveal,
    )


def _compare(model: Model, found: Bag, read: Read, words: list[str], order: list[int]) -> None:
    """The two orders and the answers to each."""
    label = as_text(model.config.labels[choice.followed(model)])
    yours, strange = in_order(words, order), {word for word in words if int(model.tokenizer.ids([word])[0]) == 1}
    st.html(charts.orders_html(words, yours, strange))
    there = bag(model, tuple(yours), choice.followed(model)).probability
    apart, share = moved(*read.states)
    one, two = read.probabilities.tolist()
    left, middle, right = st.columns(3)
    left.metric(
        f"Bag of words: {label}",
        f"{there:.1%}",
        f"{100 * (there - found.probability):+.1f} points from {found.probability:.1%}".replace("-", "\u2212"),
        delta_color="off",
        delta_arrow="off",
    )
    middle.metric(
        f"{as_text(model.name)}: {label}",
        f"{two:.1%}",
        f"{100 * (two - one):+.1f} points from {one:.1%}".replace("-", "\u2212"),
        delta_color="off",
        delta_arrow="off",
    )
    right.metric(
        "Last state moved by",
        f"{apart:.2f}",
        f"{share:.0%} of its length",
        delta_color="off",
        delta_arrow="off",
    )
    wavy = f" Wavy: not among the {len(model.tokenizer) - 2:,} words that the network knows." if strange else ""
    st.caption(_told_of_orders(model, words, yours) + wavy)


def _told_of_orders(model: Model, words: list[str], yours: list[str]) -> str:
    """Say what to look at, as far as the network can tell the two orders apart."""
    if yours == words:
        return "Your order is the first order: move a word, or shuffle."
    if _same_ids(model, words, yours):
        return (
            "Your order is another one, but not to this network: it does not know the words that changed places, so "
            "they are one and the same to it, and it has read the same ids. Move a word that it knows."
        )
    return (
        "Look at the three numbers: the bag says the same of both orders, to the last digit; the network read its way "
        f"to another last state. Its answer is read off {read_by_head(model.config)}. The distance is Euclidean, over "
        "all units of the top layer."
    )


def _same_ids(model: Model, one: list[str], two: list[str]) -> bool:
    """Return whether two orders are one to the network."""
    return model.tokenizer.ids(one).tolist() == model.tokenizer.ids(two).tolist()


def _bag_table(found: Bag, words: list[str], order: list[int]) -> None:
    """What the bag keeps, and how it adds up."""
    with st.expander("What is in the bag, and how it answers"):
        yours = in_order(words, order)
        rows = [
            (visible(word), str(words.count(word)), str(yours.count(word)), _signed(weight), _signed(count * weight))
            for word, count, weight in zip(found.words, found.counts.tolist(), found.weights.tolist(), strict=True)
        ]
        head = ("word", FIRST, YOURS, "log-odds of one", "added")
        st.html(charts.table_html(head, rows, "Counts of words in both orders"))
        st.latex(
            rf"p=\sigma\Bigl(\sum_w \text{{count}}(w)\,\text{{log-odds}}(w)\Bigr)=\sigma({found.log_odds:.3f})"
            rf"={found.probability:.3f}"
        )
        st.caption(
            "A word\u2019s log-odds are those that the network gives to that word alone, so the bag has all that the "
            "network knows of single words. It lacks two things: the words\u2019 order, and what they do together. It "
            "adds a word\u2019s log-odds once for each time the word stands there; the network need not, so the two "
            "may differ where there is nothing to put in order. Look at the two columns of counts: they are equal in "
            "every row."
        )


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\u2212")


def _on_the_way(model: Model, words: list[str], order: list[int], column: int) -> None:
    """The answers after every word, and every unit of the last state."""
    label = model.config.labels[column]
    texts = words, in_order(words, order)
    paths = [session.kept(_path, model, tuple(read), column) for read in texts]
    left, right = st.columns(2)
    with left:
        st.altair_chart(charts.words_chart(*paths, texts, visible(label)), width="stretch")
        apart = 100 * abs(float(paths[1][-1] - paths[0][-1]))
        st.caption(
            "The two lines are one: the network has read the same ids twice."
            if _same_ids(model, *texts)
            else f"Look where the two lines part: they end {apart:.1f} points apart, although by then the network has "
            "read the same words."
        )
    both = session.kept(read_orders, model, tuple(words), (tuple(range(len(words))), tuple(order)), column)
    with right:
        st.altair_chart(charts.state_chart(*both.states), width="stretch")
        st.caption(
            "Each dot is a unit of the last state. Look how far the dots lie from the dashed line: on it, a unit ends "
            "alike in both orders."
        )


def _path(model: Model, words: tuple[str, ...], column: int) -> np.ndarray:
    """Return the class's probability after every word: float64 (time,)."""
    return predict(model, " ".join(words)).probabilities[:, column]


def _all_orders(model: Model, words: list[str], found: Bag, read: Read, column: int) -> None:
    """Every order of the words, read by the network."""
    st.markdown("**All orders at once**")
    _count(words)
    different = orders_of(model.tokenizer.ids(words).tolist())
    if different < 2:
        st.info(
            "To the network these words have a single order. Type two different words at least, of which it knows one, "
            "to see what order does."
        )
        return
    many = session.kept(many_orders, model, tuple(words), column)
    n, every = len(many.probabilities), different <= most_orders(len(words))
    told = f"all {n} orders" if every else f"{n} of the orders, drawn at random"
    if different < orders_of(words):
        told += " (words that it does not know are one and the same to it)"
    label = visible(model.config.labels[column])
    low, high = float(many.probabilities.min()), float(many.probabilities.max())
    if charts.filled_bins(many.probabilities) < 2:
        st.write(
            f"The network reads {told} of your sentence and hardly cares: its answers go from {low:.2%} to {high:.2%}, "
            f"too near each other for a picture. The bag has one, {found.probability:.2%}."
        )
        return
    ask(
        Picture(
            "order-spread",
            f"Both classifiers answer to {told} of your sentence. Which picture shows the bag of words?",
            "Its answer is a function of the counts, and the counts are the same in every order: it has one answer.",
            ("several answers", "a single answer"),
            1,
        ),
        pictures=[
            charts.spread_picture(many.probabilities),
            charts.spread_picture(np.full(n, found.probability)),
        ],
        reveal=lambda: _spread(found, read, many, label, told),
    )


def _spread(found: Bag, read: Read, many: Read, label: str, told: str) -> None:
    """The answers to many orders, beside the bag's one."""
    low, high = float(many.probabilities.min()), float(many.probabilities.max())
    marks = dict(zip((FIRST, YOURS), read.probabilities.tolist(), strict=True))
    chart = charts.spread_chart(many.probabilities, found.probability, marks, label, told)
    st.altair_chart(chart, width="stretch")
    st.caption(
        f"Look at the bars beside the bag\u2019s one line: with the same words the network\u2019s answers go from "
        f"{low:.2%} to {high:.2%}, as their order has it."
    )


def _labels(words: list[str], order: list[int]) -> None:
    """Different labels for the two orders."""
    st.markdown("**Different labels for the two orders**")
    st.write(
        "Now call the first order positive and yours negative, and train two classifiers on just these two texts: "
        "weights on counts of words, and a recurrent network of four units that starts from random weights."
    )
    one, two = tuple(words), tuple(in_order(words, order))

    def reveal() -> None:
        found = learn_labels(one, two)
        st.altair_chart(charts.losses_chart({"bag of words": found.bag, "recurrent network": found.network}))
        st.caption(_told_of_losses(one == two, float(found.bag.min()), float(found.network[-1])))

    ask(
        Number(
            "order-labels",
            "The bag gives both texts the same probability p. One label says positive, the other negative. What is the "
            "least mean loss that the bag can reach, \u2212\u00bd (ln p + ln(1 \u2212 p))?",
            "The loss is least at p = \u00bd, where it is ln 2: to the bag the two texts are one text with two "
            "labels, and it can do no better than a coin.",
            math.log(2),
            0.006,
            "nats",
        ),
        reveal=reveal,
    )


def _told_of_losses(same: bool, least: float, network: float) -> str:
    if same:
        return "The two orders are the same text here, so neither can learn two labels for it: move a word first."
    begin = f"Look at the flat line: the bag\u2019s loss never falls below {least:.4f} nats, which is ln 2. "
    if network < 0.3:
        return f"{begin}The network\u2019s falls to {network:.4f}: four units are enough to tell the two orders apart."
    return (
        f"{begin}The network could tell them apart, but has not learnt it in so few updates (loss {network:.4f}): "
        "where the two orders differ early in a long text, little of the difference reaches the end. The page on "
        "training by steps shows why."
    )


def closing() -> None:
    """Ask what a bag can tell apart; judged by counting."""
    pairs = (
        ("the man bit the dog", "the dog bit the man"),
        ("not good", "not not good"),
        ("a film to love, not to hate", "a film to hate, not to love"),
        ("never dull", "dull"),
    )
    equal = [sorted(a.replace(",", "").split()) == sorted(b.replace(",", "").split()) for a, b in pairs]
    options = tuple(f"\u201c{a}\u201d / \u201c{b}\u201d" for a, b in pairs)
    ask(
        Several(
            "order-closing",
            "Which of these pairs could a classifier on counts of words tell apart?",
            "It can where the counts differ: another word, or one more of it. Where two texts are the same words in "
            "another order, only a model that reads in order can.",
            options,
            tuple(i for i, same in enumerate(equal) if not same),
        ),
        title="Before you go on",
    )

"""Many to many, a label a step: where were the spaces? Read one way, and both ways."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.palette import Scale
from rnnviz.charts.shapes import Net, shape_chart
from rnnviz.charts.text import text_html
from rnnviz.components.question import ask
from rnnviz.lesson.little import card
from rnnviz.lesson.little_spaces import NETWORKS, Tagged, changed, places, tag
from rnnviz.lesson.questions import Choice, Number
from rnnviz.lesson.references import cite
from rnnviz.pages.lesson.shapes_training import network, training

_KEYS = "keep_shapes_spaces_"
_TEXT = "We were all together. I have no one to love."
_ONE, _OTHER = "The rest is silence", "There stands the king"


def render() -> None:
    """Draw the view."""
    st.write(
        "Each step gets a label of its own. Here the spaces of a text are taken out, and a network says at each letter "
        "whether a word begins there. One network reads from left to right; the other has two layers side by side, one "
        "reading from the left and one from the right, so that at each letter it knows what comes after, too "
        f"({cite('schuster1997', 'graves2005')}). Both have nearly the same number of weights. Checking spelling and "
        "naming parts of speech need both sides just so: whether \u201cform\u201d was meant as \u201cfrom\u201d, or "
        "\u201cplay\u201d is a noun, often shows only in the words that follow."
    )
    _before()
    _try()
    _endings()
    _figures()
    training("spaces")


def _before() -> None:
    ask(
        Choice(
            "shapes-right",
            "The letters so far are \u201cthe\u201d, and the next one is \u201cr\u201d. Does a word begin at the "
            "\u201cr\u201d? What would help most?",
            "\u201cthe rest\u201d and \u201cthere stands\u201d have the same letters up to there: it depends on what "
            "follows. A network that reads one way has to answer before it knows. Try both in the boxes below.",
            ("more letters before the \u201cthe\u201d", "the letters after the \u201cr\u201d", "a larger embedding"),
            1,
        ),
        title="Before you look",
    )


@st.fragment
@session.guarded
def _try() -> None:
    networks = network("spaces")
    text = st.text_input(
        "Type English words", key=session.typed(f"{_KEYS}text", _TEXT), live="200ms", disabled=session.frozen("text")
    )
    found = tag(networks, text)
    for name, label in NETWORKS.items():
        _row(found, name, label)
    st.caption(
        "Each letter is coloured by the probability that a word begins there (blue 0, white a half, red 1; hover for "
        "the number). Look for letters at which the two rows differ: the one-way network cannot see what comes next. "
        "Both were trained on Shakespeare; modern words are strange to them."
    )
    _differences(found)
    _diagram(networks, text, len(found.letters))


def _row(found: Tagged, name: str, label: str) -> None:
    steps = max(1, len(found.letters) - 1)
    right = f"{found.right(name)} of {steps} letters after the first as you typed them"
    st.markdown(f"**Read {label}**: {found.spaced(name)} ({right})")
    st.html(text_html(tuple(found.letters), found.chances[name], Scale(0, 1, False)))


def _differences(found: Tagged) -> None:
    guesses = {name: found.chances[name] > 0.5 for name in NETWORKS}
    apart = [i for i in range(1, len(found.letters)) if guesses["one_way"][i] != guesses["both_ways"][i]]
    if not apart:
        st.write("The two networks agree at every letter of this text.")
        return
    rows = [
        {
            "letter": f"{found.letters[max(0, i - 6) : i]}|{found.letters[i : i + 6]}",
            **{label: f"{found.chances[name][i]:.1%}" for name, label in NETWORKS.items()},
            "you typed": "a space" if found.begins[i] else "no space",
        }
        for i in apart[:20]
    ]
    st.write(f"They differ at {len(apart)} of the letters; the bar stands where the space would be:")
    st.table(rows)


def _diagram(networks: object, text: str, letters: int) -> None:
    key = session.fitting(f"{_KEYS}shown", tuple(NETWORKS), "both_ways")
    name = st.radio(
        "Shapes of the network that reads", list(NETWORKS), key=key, format_func=NETWORKS.get, horizontal=True
    )
    drawn = Net("aligned", "LSTM", "h, c", letters, both=name == "both_ways", sequences=True)
    title = f"A label a step: {letters} letters in, {letters} labels out"
    st.altair_chart(shape_chart(drawn, places(networks[name], text), title), width="stretch")
    st.caption(
        "Shapes read off this very run, batch first. Look at the arrows between the cells: "
        + (
            "two directions, and the outputs of both laid side by side for the dense head."
            if name == "both_ways"
            else "all point one way, so no label can depend on a letter further on."
        )
    )


@st.fragment
@session.guarded
def _endings() -> None:
    st.header("Change the ending")
    st.write(
        "Two texts that begin with the same letters and go on differently: does what comes later change the start?"
    )
    one, two = st.columns(2)
    frozen = session.frozen("text")
    first = one.text_input("One ending", key=session.typed(f"{_KEYS}one", _ONE), live="200ms", disabled=frozen)
    second = two.text_input("Another ending", key=session.typed(f"{_KEYS}other", _OTHER), live="200ms", disabled=frozen)
    letters, gaps = changed(network_in_use(), first, second)
    ask(
        Number(
            "shapes-ending",
            f"Both texts begin with the {len(letters)} letters \u201c{letters}\u201d. At how many of them does the "
            "one-way network give another probability in the second text?",
            "It has read the same letters up to there, so its state is the same to the last digit, and so is its "
            "answer. The other network has read the rest as well.",
            float((gaps["one_way"] > 1e-6).sum()),
        ),
        reveal=lambda: _gaps(letters, gaps),
        title="Predict",
    )


def network_in_use() -> object:
    """Return the networks without asking again."""
    return network("spaces", ask=False)


def _gaps(letters: str, gaps: dict[str, np.ndarray]) -> None:
    for name, label in NETWORKS.items():
        st.markdown(f"**Read {label}**: largest change {gaps[name].max():.3f}")
        st.html(text_html(tuple(letters), gaps[name], Scale(0, 1, False)))
    st.caption("How far the probability at each letter of the common beginning differs (blue 0, red 1).")


def _figures() -> None:
    found = card("spaces")
    test = found["test"]
    st.header("On text that neither has seen")
    rows = [
        {
            "network": label,
            "letters right": f"{test[name]['accuracy']:.2%}",
            "spaces found": f"{test[name]['recall']:.1%}",
            "of its spaces right": f"{test[name]['precision']:.1%}",
            "weights": f"{test[name]['weights']:,}",
        }
        for name, label in NETWORKS.items()
    ]
    rows.append({"network": "never a space", "letters right": f"{test['no_space_at_all']:.2%}"})
    st.table([{key: row.get(key, "") for key in rows[0]} for row in rows])
    one, both = (1 - test[name]["accuracy"] for name in NETWORKS)
    st.caption(
        f"The shipped networks on {test['one_way']['tested']:,} held-out letters. Look at the mistakes: reading both "
        f"ways leaves {both / one:.0%} of those that reading one way makes, with as many weights."
    )

"""The notes' example beside the shipped tokenizers, and what those do not know."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.charts.order import table_html
from rnnviz.charts.text import as_text, visible
from rnnviz.charts.vectorizer import WRITTEN, ids_html
from rnnviz.components.question import ask
from rnnviz.errors import TextError
from rnnviz.lesson.questions import Several
from rnnviz.lesson.vectorizer import STANDARDIZE, Options, steps_of
from rnnviz.lesson.words_vectors import Known, known_to
from rnnviz.pages.sentiment import choice

MODEL, TEXT, STRANGE = "keep_words_model", "keep_words_text", "keep_words_strange"
NOTES = "This was an absolutely terrible movie."
NOTES_IDS = [11, 14, 35, 436, 389, 19]
"""What the lecture's vectorizer gave for it, fitted on film reviews."""
STRANGE_EXAMPLE = "An unputdownable, binge-worthy rom-com; the CGI was meh but Zendaya slays."
_CANDIDATES = ("good", "terrible", "unputdownable", "director", "netflix", "smartphone")
_LONGEST, _COMPARED = 200, 60


@st.fragment
@session.guarded
def example() -> None:
    """Draw the notes' example."""
    st.header("One sentence, two vocabularies")
    names = session.model_names("classifier")
    first = next((name for name in choice.BEST_FIRST if name in names), names[0])
    left, right = st.columns([2, 3])
    key = session.fitting(MODEL, names, first)
    model = session.load_model(
        left.selectbox("Network whose tokenizer reads", names, key=key, disabled=session.frozen("model"))
    )
    key = session.typed(TEXT, NOTES)
    text = right.text_input("A sentence", key=key, disabled=session.frozen("text"))
    tokens = session.first_of(model.tokenizer.tokens(text), _LONGEST, "words")
    ids = model.tokenizer.ids(tokens).tolist()
    if text == NOTES:
        st.markdown("In the lecture:")
        st.html(ids_html(steps_of(NOTES, Options()).tokens, NOTES_IDS, 1, 0))
    st.markdown(f"In {as_text(model.name)}:")
    st.html(ids_html(tokens, ids, 1, 0))
    if len(ids) > WRITTEN:
        st.caption(f"The first {WRITTEN} of {len(ids)} words stand over their ids; all ids are below.")
    st.code(str(ids), language=None, wrap_lines=True)
    if text == NOTES:
        same = sum(one == two for one, two in zip(ids, NOTES_IDS, strict=False))
        st.write(_why(same, len(NOTES_IDS), len(model.tokenizer)))
    _standardized(text)


def _why(same: int, all_of: int, size: int) -> str:
    return (
        f"{same} of {all_of} ids agree, and the others are near. An id is a rank: the place of a word by frequency in "
        "the texts that the vocabulary was fitted on. Both were fitted on film reviews, so the common words come at "
        "like ranks; but the lecture\u2019s layer deletes punctuation, so that \u201cdon\u2019t\u201d is "
        "\u201cdont\u201d there and the tag `<br />` leaves a word \u201cbr\u201d, which is among the most frequent; "
        "our tokenizer puts a space for punctuation, keeps apostrophes inside words and takes tags out. Other training "
        f"texts shift the ranks too. The rarer the word, the farther its rank moves. What counts is that the table of "
        f"{size:,} vectors was trained with these very ids: with another\u2019s ids, a network reads other words."
    )


def _standardized(text: str) -> None:
    """What each standardisation makes of the sentence."""
    rows = []
    for name in STANDARDIZE:
        tokens = steps_of(text, Options(standardize=name)).tokens
        more = " | \u2026" if len(tokens) > _COMPARED else ""
        rows.append((name, " | ".join(visible(token) for token in tokens[:_COMPARED]) + more))
    st.html(table_html(("standardize", "tokens"), rows, "The same sentence, standardised in four ways", words=True))
    st.caption(
        "Look at the ends of sentences and at capital letters: where they are left, a word with its full stop is "
        "another word, and with a capital letter yet another. Each would need an id, and an embedding, of its own."
    )


@st.fragment
@session.guarded
def unknown() -> None:
    """Draw what the shipped vocabularies do not hold."""
    st.header("Unknown words")
    st.write(
        "Whatever is not in the vocabulary becomes one and the same id, 1. To the network all unknown words are one "
        "word: it may learn that such a word stands there, never which."
    )
    _ask()
    key = session.typed(STRANGE, STRANGE_EXAMPLE)
    text = st.text_area("Your words", key=key, height=90, disabled=session.frozen("text"))
    if not text.strip():
        raise TextError("The text is empty: type a few words to see which of them are known.")
    found = sorted(known_to(text), key=lambda one: one.size)
    rows = [
        (
            visible(one.model),
            f"{one.size:,}",
            f"{len(one.unknown)} of {one.words}",
            ", ".join(visible(word) for word in one.unknown[:12]) + (", \u2026" if len(one.unknown) > 12 else ""),
        )
        for one in found
    ]
    head = ("model", "ids", "unknown", "which")
    st.html(table_html(head, rows, "Words of your text that each vocabulary lacks", words=True))
    st.caption(
        f"{_told_of_sizes(found)} Names, new words and slips of the pen are on few lists. Cutting text into smaller "
        "pieces is a way out: the character models of this app take single characters."
    )


def _told_of_sizes(found: list[Known]) -> str:
    """Say how many words are unknown to the smallest vocabulary and to the largest, the first and the last."""
    counts = [len(one.unknown) for one in found]
    if not any(counts):
        return "Every vocabulary holds all words of your text: type a rarer one."
    if counts[0] > counts[-1]:
        return (
            "Look how the number falls with the size of the vocabulary: the smallest lacks "
            f"{counts[0]}, the largest {counts[-1]}."
        )
    return "Look at the words that are lacking: a larger vocabulary does not always hold more of them."


def _ask() -> None:
    """Ask which words the first vocabulary lacks; judged by looking them up."""
    found = known_to(" ".join(_CANDIDATES))
    if not found:
        return
    smallest = min(found, key=lambda one: one.size)
    ask(
        Several(
            "words-unknown",
            f"{as_text(smallest.model)} knows the {smallest.size - 2:,} most frequent words of film reviews written "
            "until 2011. Which of these are unknown to it?",
            "A word is unknown where the training texts did not hold it often enough: it was rare, it was new, or it "
            "was not yet there.",
            _CANDIDATES,
            tuple(i for i, word in enumerate(_CANDIDATES) if word in smallest.unknown),
        )
    )

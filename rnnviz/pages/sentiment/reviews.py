"""Reviews the model has not been trained on: pasted, or picked from held-out ones with their true label."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts.attribution import course_chart, scale_html
from rnnviz.charts.palette import Scale
from rnnviz.charts.text import as_text, text_html
from rnnviz.checkpoints import Model
from rnnviz.errors import RnnvizError, TextError
from rnnviz.held_out import LONGEST_BOTH_WAYS
from rnnviz.live.odds import log_odds, odds_at_start
from rnnviz.pages.sentiment import choice
from rnnviz.recording import UNSURE
from rnnviz.text import read
from rnnviz.training.browsing import MOST, Browsed, Source, browsed, held_out, is_browsed, read_text, source_of

PICKED = "keep_review_picked"
"""The review that was picked last: its text, its true class, and where it comes from."""

"""Words up to which a network that also reads backwards is followed: it reads each beginning anew."""
REACH = 2.0
"""Nats at the ends of the colour scale: that of the view "Live"."""
_FILTERS = {
    "confident": "Most confident mistakes",
    "mistakes": "All mistakes",
    "unsure": "Unsure",
    "all": "All",
}
_LETTERS = 200
_TABLE = 330


def render() -> None:
    """Draw the view."""
    model = choice.chosen_model()
    problem, text = None, ""
    try:
        text = choice.chosen_text()
    except TextError as error:
        problem = error
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        _pick(model)
    with right:
        if problem:
            st.error(str(problem))
        else:
            _reading(model, text)


@session.guarded
def _pick(model: Model) -> None:
    """Offer held-out reviews, where they are on this machine."""
    st.header("Pick a held-out review")
    source = source_of(model)
    if source.missing:
        _offer_download(source)
        return
    _table(model, source)


def _offer_download(source: Source) -> None:
    """Say how the reviews get here; nothing is downloaded before the click."""
    names = " and ".join(source.missing)
    st.info(
        f"The labelled reviews may not be shipped with the app: download them here, or put {names} into a folder and "
        "start the app with the environment variable RNNVIZ_DATA naming it. A review of your own can be pasted above "
        "without them."
    )
    if st.button(f"Download the reviews ({source.megabytes} MB)"):
        with st.spinner("Downloading and opening the reviews \u2026"):
            held_out(source)
        st.rerun()


@st.fragment
@session.guarded
def _table(model: Model, source: Source) -> None:
    """List the reviews of the chosen part with what the model makes of them."""
    with st.spinner("Opening the reviews \u2026"):
        drawn = held_out(source)
    parts = list(drawn.parts)
    if st.session_state.get("keep_reviews_part") not in parts:
        st.session_state["keep_reviews_part"] = None
    part = st.segmented_control(
        "Part of the data",
        parts,
        key="keep_reviews_part",
        format_func=lambda name: f"{name} ({drawn.sizes[name]:,})",
    )
    if part is None:
        st.caption(
            f"Choose a part: the model then reads up to {MOST:,} texts drawn from it, which takes some seconds. "
            "None of them was trained on; validation texts chose the best training step, test texts nothing at all."
        )
        return
    found = _scored(model, source, part)
    _say_score(model, found, part, drawn.sizes[part])
    which = st.segmented_control(
        "Show",
        list(_FILTERS),
        key=session.fitting("keep_reviews_filter", list(_FILTERS), "confident"),
        format_func=_FILTERS.get,
        required=True,
    )
    _rows(model, source, found, part, which)


def _scored(model: Model, source: Source, part: str) -> Browsed:
    """Return what the model makes of a part, with a bar while it reads."""
    if is_browsed(model, source, part):
        return browsed(model, source, part)
    bar = st.progress(0.0, text=f"{as_text(model.name)} reads the {part} reviews \u2026")
    found = browsed(model, source, part, bar.progress)
    bar.empty()
    return found


def _say_score(model: Model, found: Browsed, part: str, whole: int) -> None:
    count, wrong = len(found.texts), int((~found.right).sum())
    used = (
        "chose the best training step, but were not trained on" if part == "validation" else "had no part in training"
    )
    drawn = "These are all" if count == whole else f"They were drawn at random from {whole:,}, always the same ones"
    st.markdown(
        f"**{found.right.mean():.1%}** of {count:,} {part} texts right, **{wrong:,} mistakes**. {drawn}; {part} texts "
        f"{used}."
    )


def _rows(model: Model, source: Source, found: Browsed, part: str, which: str) -> None:
    """Draw the table; a click on a row puts its review into the shared text."""
    places = found.places(which)
    if not len(places):
        st.info(f"None of the {len(found.texts):,} texts is among these.")
        return
    labels, followed = model.config.labels, choice.followed(model)
    st.caption("Click any cell of a row to read its review; click a column\u2019s head to sort.")
    guesses, rights = found.guesses[places], found.right[places]
    key = f"reviews_{model.name}_{part}_{which}"
    st.dataframe(
        {
            "true label": [labels[i] for i in found.labels[places]],
            "p": found.probabilities[places, followed],
            "model": ["right" if right else f"wrong: {labels[i]}" for i, right in zip(guesses, rights, strict=True)],
            "words": found.words[places],
            "begins": [found.texts[i][:_LETTERS] for i in places],
        },
        column_config={"p": st.column_config.NumberColumn(f"p({labels[followed]})", format="%.4f")},
        hide_index=True,
        height=_TABLE,
        width="stretch",
        key=key,
        on_select=partial(_take, key, found, places, part, labels, source.held_out_of),
        selection_mode="single-cell",
    )
    st.caption(
        f"Unsure: the likeliest class has at most {UNSURE[1]:.0%}. Look at the most confident mistakes: is the review "
        "hard, does the model overlook something, or is the label wrong?"
    )
    if st.session_state.pop("reviews_taken", False):
        st.rerun()


def _take(key: str, found: Browsed, places: np.ndarray, part: str, labels: tuple[str, ...], held_out_of: str) -> None:
    """Put the review that was clicked into the shared text."""
    chosen = st.session_state[key]["selection"]
    if chosen["cells"] and not session.frozen("text"):
        place = int(places[chosen["cells"][0][0]])
        st.session_state[choice.TEXT] = found.texts[place]
        st.session_state[PICKED] = (found.texts[place], labels[found.labels[place]], part, held_out_of)
        st.session_state["reviews_taken"] = True


@session.guarded
def _reading(model: Model, text: str) -> None:
    """Show what the model makes of the text, word by word, beside the true label where it is known."""
    st.header("Read word by word")
    labels, output = model.config.labels, choice.followed(model)
    picked = st.session_state.get(PICKED)
    truth = picked[1] if picked and picked[0] == text and _is_held_out_of(model, picked) else ""
    final = session.kept(read_text, model, text)
    verdict = choice.verdict(labels, output, float(final[output]))
    if truth:
        guess = labels[int(final.argmax())]
        outcome = "right" if guess == truth else "a mistake"
        st.markdown(f"True label: **{as_text(truth)}** ({picked[2]}). Model: **{as_text(verdict)}**: {outcome}.")
    else:
        st.markdown(
            f"Model: **{as_text(verdict)}**. This text was not picked from this model's held-out ones: its true "
            "label is not known here."
        )
    prediction = session.prediction(model, _followed_part(model, text))
    probabilities = prediction.probabilities
    moves = _moves(model, probabilities, output)
    tokens = prediction.tokens
    st.altair_chart(course_chart(tokens, probabilities[:, output], moves, labels[output], truth), width="stretch")
    st.html(scale_html(f"\u2212{REACH:g} nats or less", "moved by", f"+{REACH:g} or more"))
    told = [f"{move:+.2f} nats, then {p:.1%}" for move, p in zip(moves, probabilities[:, output], strict=True)]
    strange = set(prediction.unknown)
    unknown = [token in strange for token in tokens]
    st.html(text_html(tokens, moves, Scale(-REACH, REACH, False), first=1, unknown=unknown, told=told))
    st.caption(
        f"Each word is coloured by how much it moved the log-odds of {as_text(labels[output])} when it was read; "
        "outlined ones are outside the vocabulary. Look for the word at which the line crosses the grey band, and "
        "whether it comes back."
    )


def _is_held_out_of(model: Model, picked: tuple[str, str, str, str]) -> bool:
    """Say whether a review picked with some model is held out from this one, too, and labelled in its words."""
    try:
        return picked[1] in model.config.labels and picked[3] == source_of(model).held_out_of
    except RnnvizError:
        return False


def _followed_part(model: Model, text: str) -> str:
    """Return the beginning of a text that is followed word by word, telling where that is not all of it."""
    tokens = read(model.tokenizer, text)[1]
    if not model.config.bidirectional or len(tokens) <= LONGEST_BOTH_WAYS:
        return session.shown_part(model, text)
    st.info(
        "This network also reads backwards and begins anew at every word: the first "
        f"{LONGEST_BOTH_WAYS} of {len(tokens):,} words are followed. The answer above is to all of them."
    )
    glue = " " if getattr(model.tokenizer, "split", "character") == "whitespace" else ""
    return glue.join(tokens[:LONGEST_BOTH_WAYS])


def _moves(model: Model, probabilities: np.ndarray, output: int) -> np.ndarray:
    """Return how much each word moved the log-odds of a class, in nats; the first from before any word.

    Where the network has no answer before any word, the first moves it from classes that are all alike.
    """
    odds = log_odds(np.log(np.maximum(probabilities, np.finfo(float).tiny)), output)
    start = odds_at_start(model.network, output)
    alike = -np.log(max(1, probabilities.shape[1] - 1))
    return np.diff(odds, prepend=alike if start is None else start)

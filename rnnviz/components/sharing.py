"""What stands around every page: what a link brought along, the panel that makes one, projector mode, print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from html import escape

import streamlit as st

from rnnviz import session
from rnnviz.browser import bundle, style
from rnnviz.charts.text import as_text
from rnnviz.components.question import ask, score
from rnnviz.errors import LinkError
from rnnviz.sharing import LONGEST, PARTS, Asked, Shared, pack, question_of, state_of, unpack

PROJECTOR = "projector"
_SHARED, _READ, _BEFORE = "shared", "share_read", "page_before"
_NAMES = {"text": "the text", "model": "the model"}


@cache
def _component() -> Callable[..., object]:
    """Register once, and only inside a running server."""
    return st.components.v2.component(
        "rnnviz_share", html='<div class="rv-share"></div>', css=style("sharing.css"), js=bundle("sharing.js")
    )


def frame(page: str, title: str, draw: Callable[[], None], others: Sequence[tuple[str, object]] = ()) -> None:
    """Draw a page with what stands around it.

    Args:
        page: Its address.
        title: Its title.
        draw: Draws the page itself.
        others: Labels and pages that are linked to at its end.
    """
    shared, fresh = _open_link(page)
    dark = style("dark.css") if st.context.theme.type == "dark" else ""
    st.html(f"<style>{style('page.css')}{dark}</style>")
    if st.session_state.setdefault(PROJECTOR, False):
        _in_projector()
    trouble = st.empty()
    _banner(shared)
    _panel(page)
    draw()
    if fresh:
        _say_left_out(page)
    if said := st.session_state.get(session.LINK_TROUBLE):
        trouble.warning(said)
    _end(title, others)


def _open_link(page: str) -> tuple[Shared | None, bool]:
    """Take in the address, once a visit; returns what holds on this page, and whether that was done just now."""
    if st.session_state.get(_BEFORE) != page:
        st.session_state.pop(session.LINK_TROUBLE, None)
    st.session_state[_BEFORE] = page
    said = (st.query_params.get("share", ""), st.query_params.get("projector", ""))
    fresh = any(said) and said != st.session_state.get(_READ)
    if fresh:
        st.session_state[_READ] = said
        _take_in(said[0], page)
        if said[1] == "1":
            st.session_state[PROJECTOR] = True
    shared = st.session_state.get(_SHARED)
    holds = shared if shared is not None and shared.page == page else None
    st.session_state["frozen_parts"] = holds.frozen if holds else ()
    return holds, fresh


def _take_in(text: str, page: str) -> None:
    if not text:
        return
    try:
        shared = unpack(text, page)
    except LinkError as error:
        st.session_state[session.LINK_TROUBLE] = str(error)
        return
    session.take_link(shared.state)
    st.session_state[_SHARED] = shared
    if shared.projector:
        st.session_state[PROJECTOR] = True


def _say_left_out(page: str) -> None:
    """Keep a sentence about what of a link did not fit; the page has put its own in its place."""
    lost = [key.removeprefix("keep_").replace("_", " ") for key in session.left_out()]
    if lost:
        more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
        names = as_text(", ".join(name[:60] for name in lost[:5]))
        st.session_state[session.LINK_TROUBLE] = (
            f"These settings of the link did not fit and were left out: {names}{more}; the rest of it is open."
        )


def _banner(shared: Shared | None) -> None:
    """Say what the link holds fast, with a way out, and ask what the teacher asks."""
    if shared is None:
        return
    held = [f"{_NAMES[part]} cannot be changed" for part in shared.frozen]
    held += ["the controls are hidden"] if shared.hidden else []
    if not held and not shared.asked:
        return
    held = held or ["with a question"]
    with st.container(horizontal=True, vertical_alignment="center", key="share_banner"):
        st.markdown(f"**Shared by link:** {', '.join(held)}.", width="content")
        st.button("Make it mine", key="share_mine", on_click=_make_mine, help="Everything can be changed again.")
    if shared.hidden:
        st.html(f"<style>{style('hidden.css')}</style>")
    if shared.asked:
        ask(question_of(shared.asked), title="Asked by whoever shared this page")


def _make_mine() -> None:
    st.session_state.pop(_SHARED, None)
    st.session_state.pop(session.LINK_TROUBLE, None)
    _drop("share")


def _drop(name: str) -> None:
    """Take a part out of the address, so that a reload does not bring it back."""
    if name in st.query_params:
        del st.query_params[name]
    st.session_state[_READ] = (st.query_params.get("share", ""), st.query_params.get("projector", ""))


def _in_projector() -> None:
    st.html(f"<style>{style('projector.css')}</style>")
    with st.container(key="projector_out"):
        st.button("Leave projector mode", key="projector_leave", shortcut="Escape", on_click=_leave_projector)


def _leave_projector() -> None:
    st.session_state[PROJECTOR] = False
    _drop("projector")


def _panel(page: str) -> None:
    """Draw what stands in the side bar under the pages."""
    with st.sidebar:
        right, given = score()
        if given:
            st.caption(f"Questions: {right} of {given} answered right.")
        st.toggle("Projector mode", key=PROJECTOR, help="Large type, no side bar; Escape leads back.")
        with st.expander("Share this page"):
            session.guarded(_maker)(page)


def _maker(page: str) -> None:
    """Ask what a link is to hold, and make it."""
    with st.form("share_form", border=False):
        st.caption("A link to this page as it is now. Nothing is stored: all of it is in the link.")
        hidden = st.checkbox("Hide the controls", key="share_hidden", help="Results and questions stay.")
        frozen = [part for part in PARTS if st.checkbox(f"Freeze {_NAMES[part]}", key=f"share_{part}")]
        projector = st.checkbox("Open in projector mode", key="share_projector")
        prompt = st.text_area("A question of your own", key="share_prompt", height=68)
        answers = st.text_area(
            "Its answers",
            key="share_answers",
            height=100,
            placeholder="one a line,\n*a star before the right one,\nor a number: 3.5 \u00b1 0.1",
        )
        explanation = st.text_area("Explanation of the answer", key="share_explanation", height=68)
        made = st.form_submit_button("Make the link", type="primary", width="stretch")
    if not made:
        return
    asked = Asked(prompt, answers, explanation) if prompt.strip() or answers.strip() else None
    if asked:
        question_of(asked)
    state = {} if page == "neurons" else state_of(page, st.session_state)
    shared = Shared(page, state, hidden, tuple(frozen), asked, projector)
    data = {"share": "" if shared.plain else pack(shared), "own": page == "neurons", "longest": LONGEST}
    _component()(key="share_link", data=data)


def _end(title: str, others: Sequence[tuple[str, object]]) -> None:
    """Link to the pages before and after, and name the page where it is printed."""
    if others:
        with st.container(horizontal=True, horizontal_alignment="distribute", key="page_neighbours"):
            for label, other in others:
                st.page_link(other, label=label)
    said = " \u00b7 ".join([title, "rnnviz", *([str(st.context.url)] if st.context.url else [])])
    st.html(f'<p class="rv-printed">{escape(said)}</p>')

"""What the session keeps: values below a mistake, values that fit, and a mistake told as it was typed."""

import pytest
from streamlit.testing.v1 import AppTest

from rnnviz import session

BELOW = """
import streamlit as st
from rnnviz import session
from rnnviz.errors import TextError

@session.guarded
def draw():
    if not st.text_input("Above", key=session.typed("keep_above", "a")):
        raise TextError("The text is empty: *type* `$x$` :red[again].")
    st.text_input("Below", key=session.typed("keep_below", "first"))

session.keep_state()
draw()
"""
ODD = [None, True, 3, 3.0, 99, "text", [1], {}]


def test_what_stands_below_a_mistake_keeps_its_value() -> None:
    app = AppTest.from_string(BELOW).run()
    app.text_input(key="keep_below").set_value("mine").run()
    app.text_input(key="keep_above").set_value("").run()
    assert len(app.text_input) == 1
    assert app.error[0].value == r"The text is empty\: \*type\* \`\$x\$\` \:red\[again\]."
    app.text_input(key="keep_above").set_value("b").run()
    assert not app.error
    assert app.text_input(key="keep_below").value == "mine"


def test_a_fragments_run_keeps_them_too() -> None:
    app = AppTest.from_string(BELOW.replace("@session", "@st.fragment\n@session").replace("session.keep_state()", ""))
    app.run()
    app.text_input(key="keep_below").set_value("mine").run()
    app.text_input(key="keep_above").set_value("").run()
    app.text_input(key="keep_above").set_value("b").run()
    assert app.text_input(key="keep_below").value == "mine"


@pytest.mark.parametrize("kept", ODD, ids=str)
def test_values_that_do_not_fit_give_way(kept: object, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"whole": kept, "typed": kept, "ticked": kept}
    monkeypatch.setattr(session.st, "session_state", state)
    assert [session.whole("whole", 0, 9, 5), session.typed("typed", "a"), session.ticked("ticked", False)] == [*state]
    assert state["whole"] == (3 if type(kept) is int and kept == 3 else 5)
    assert state["typed"] == (kept if kept == "text" else "a")
    assert state["ticked"] is (kept is True)


def test_long_texts_are_cut_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(session.st, "info", told.append)
    assert session.first_of("abc", 3, "characters") == "abc"
    assert told == []
    assert session.first_of(["a"] * 4000, 2000, "words") == ["a"] * 2000
    assert told == ["The text is long: its first 2,000 of 4,000 words are read here."]

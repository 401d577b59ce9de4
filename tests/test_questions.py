"""Questions: what is right, what is not, and how they stand on a page."""

import ast

import pytest
from streamlit.testing.v1 import AppTest

from rnnviz.lesson.questions import Choice, Number, Order, Picture, Question, Several
from tests.conftest import ROOT

KINDS = ("Choice", "Several", "Number", "Order", "Picture")

PAGE = """
import streamlit as st
from rnnviz import session
from rnnviz.components.question import ask, score
from rnnviz.lesson.questions import Choice, Number, Order, Several
session.keep_state()
number = st.session_state.get("number", 4.0)
ask(Choice("c", "Which?", "Because of c.", ("one", "two", "three"), 1), reveal=lambda: st.write("revealed"))
ask(Several("s", "Which ones?", "Because of s.", ("one", "two", "three"), (0, 2)))
ask(Number("n", "How much?", "Because of n.", number, 0.05, "steps"))
ask(Order("o", "In which order?", "Because of o.", ("first", "second", "third")))
st.write("score %d of %d" % score())
"""


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        (Choice("a", "", "", ("x", "y"), 1), [1], [0, None, "y"]),
        (Picture("b", "", "", ("x", "y"), 0), [0], [1, None]),
        (Several("c", "", "", ("x", "y", "z"), (0, 2)), [[0, 2], (2, 0)], [[0], [0, 1, 2], [], None]),
        (Several("d", "", "", ("x", "y"), ()), [[]], [[0], None]),
        (Number("e", "", "", 2.0, 0.1), [2, 2.1, 1.9], [2.2, None, True, "2", float("nan")]),
        (Order("f", "", "", ("x", "y", "z")), [["x", "y", "z"]], [["y", "x", "z"], ["x", "y"], [], None]),
    ],
)
def test_a_judge_knows_right_from_wrong(question: Question, right: list, wrong: list) -> None:
    assert all(question.judge(answer) for answer in right)
    assert not any(question.judge(answer) for answer in wrong)


def test_a_shuffled_order_gives_nothing_away_and_stays_the_same() -> None:
    for n in range(2, 8):
        question = Order(f"q{n}", "", "", tuple(f"item {i}" for i in range(n)))
        assert sorted(question.shuffled) == sorted(question.items)
        assert question.shuffled != question.items
        assert question.shuffled == question.shuffled


@pytest.mark.parametrize(
    "make",
    [
        lambda: Choice("a", "", "", ("x", "x"), 0),
        lambda: Choice("a", "", "", ("x",), 0),
        lambda: Choice("a", "", "", ("x", "y"), 2),
        lambda: Several("a", "", "", ("x", "y"), (0, 0)),
        lambda: Order("a", "", "", ("x", "x")),
        lambda: Number("a", "", "", float("inf")),
        lambda: Number("a", "", "", 1.0, -1.0),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(make) -> None:
    with pytest.raises(ValueError):
        make()


def test_numbers_that_change_make_another_question() -> None:
    assert Number("n", "", "", 1.0).digest != Number("n", "", "", 2.0).digest
    assert Number("n", "", "", 1.0).digest == Number("n", "", "", 1.0).digest


def _page() -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=60).run()
    assert not app.exception
    return app


def test_an_answer_is_judged_and_kept() -> None:
    app = _page()
    app.radio[0].set_value(0)
    app.button(key="check_c").click().run()
    assert [warning.value for warning in app.warning] == ["Not yet. Try again, or look at the answer."]
    assert not any("revealed" in text.value for text in app.markdown)
    app.radio[0].set_value(1)
    app.button(key="check_c").click().run()
    assert [success.value for success in app.success] == ["Right: two. Because of c."]
    assert any(text.value == "revealed" for text in app.markdown)
    app.checkbox[0].check()
    app.checkbox[2].check()
    app.button(key="check_s").click().run()
    app.number_input[0].set_value(4.04)
    app.button(key="check_n").click().run()
    app.multiselect[0].set_value(["first", "third", "second"])
    app.button(key="check_o").click().run()
    assert len(app.success) == 3 and len(app.warning) == 1
    assert any(text.value == "score 3 of 4" for text in app.markdown)


def test_a_check_without_an_answer_asks_for_one() -> None:
    app = _page()
    app.button(key="check_n").click().run()
    app.button(key="check_c").click().run()
    assert [info.value for info in app.info] == ["Choose or type an answer first."]
    assert not app.warning and any(text.value == "score 0 of 0" for text in app.markdown)
    app.radio[0].set_value(0)
    app.button(key="check_c").click().run()
    assert not app.info and len(app.warning) == 1


def test_another_number_asks_anew() -> None:
    app = _page()
    app.number_input[0].set_value(4.0)
    app.button(key="check_n").click().run()
    assert len(app.success) == 1
    app.session_state["number"] = 5.0
    app.run()
    assert not app.success and app.number_input[0].value is None


def test_the_answer_can_be_looked_at_and_does_not_count() -> None:
    app = _page()
    app.button(key="show_c").click().run()
    assert [info.value for info in app.info] == ["The answer: two. Because of c."]
    assert any(text.value == "revealed" for text in app.markdown)
    assert any(text.value == "score 0 of 0" for text in app.markdown)


def _questions_of_the_lesson() -> list[tuple[str, str, str]]:
    """Page module, kind and key (as written) of every question that the lesson's pages make."""
    found = []
    for path in sorted((ROOT / "rnnviz" / "pages" / "lesson").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS):
                continue
            named = {word.arg: word.value for word in node.keywords}
            key = node.args[0] if node.args else named.get("key")
            if key is not None and "-" in ast.unparse(key):
                found.append((path.stem, node.func.id, ast.unparse(key)))
    return found


def test_every_page_of_the_lesson_asks_and_no_two_questions_share_a_key() -> None:
    found = _questions_of_the_lesson()
    keys = [key for _, _, key in found]
    assert len(set(keys)) == len(keys)
    assert len(keys) >= 25
    assert {kind for _, kind, _ in found} == set(KINDS)
    for module in ("order", "shapes", "unrolling", "cell", "words", "batches", "bptt", "issues"):
        assert len([page for page, _, _ in found if page == module or page.startswith(f"{module}_")]) >= 4, module

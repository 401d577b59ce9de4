"""Links to pages with their state: what goes in comes out, what is forged does no harm; projector mode; print."""

import base64
import json
import re
import shutil
import subprocess
import zlib
from itertools import permutations
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from rnnviz import browser, checkpoints
from rnnviz.errors import LinkError
from rnnviz.lesson.questions import Choice, Number, Several
from rnnviz.pages import lesson
from rnnviz.sharing import LONGEST, Asked, Shared, is_of, pack, prefixes, question_of, state_of, unpack
from tests.conftest import tiny_classifier, tiny_language_model

SLOW = 60_000
STATE = {
    "keep_gradient_text": "na\u00efve \U0001f600 <b>",
    "keep_gradient_units": 16,
    "keep_gradient_knobs": {"scale": 0.5},
    "keep_gradient_cells": ["lstm"],
    "keep_gradient_spread": True,
}
ASKED = Asked("Which *fades*?", "*the RNN\nthe LSTM", "It <i>shrinks</i>.")
GARBAGE = ["<script>", -7, 1e300, None, [["x"]], {"a": {"b": [1]}}]


def _packed(told: object) -> str:
    """A link's text made by hand."""
    data = told if isinstance(told, bytes) else json.dumps(told).encode()
    return base64.urlsafe_b64encode(zlib.compress(data)).decode().rstrip("=")


def test_what_goes_into_a_link_comes_out() -> None:
    shared = Shared("gradients", STATE, True, ("text", "model"), ASKED, True)
    packed = pack(shared)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", packed)
    assert unpack(packed, "gradients") == shared
    assert Shared("neurons").plain and not shared.plain


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("", "damaged"),
        ("a", "damaged"),
        ("\u00e4\u00f6", "damaged"),
        ("A" * (LONGEST + 1), "longer than"),
        (_packed(b"x"), "damaged"),
        (_packed(b"\xff"), "damaged"),
        (_packed(b" " * 500_000), "damaged"),
        (_packed(b"[" * 50_000), "damaged"),
        (_packed([1]), "damaged"),
        (_packed({"v": 1, "page": "gradients"})[:-6], "damaged"),
        (_packed({"v": 2, "page": "gradients"}), "another version"),
        (_packed({"v": 1, "page": "sentiment"}), "another page"),
        (_packed({"v": 1, "page": "gradients", "state": []}), "damaged"),
        (_packed({"v": 1, "page": "gradients", "freeze": "text"}), "damaged"),
        (_packed({"v": 1, "page": "gradients", "ask": ["a"]}), "damaged"),
        (_packed({"v": 1, "page": "gradients", "ask": ["a", "b", "c"]}), "single answer"),
        (_packed(b'{"v":1,"page":"gradients","state":{"keep_gradient_x":1e999}}'), "damaged"),
        (_packed(b'{"v":1,"page":"gradients","state":{"keep_gradient_x":NaN}}'), "damaged"),
        (_packed(b'{"v":1,"page":"gradients","state":{"keep_gradient_x":"\\ud800"}}'), "damaged"),
        (_packed({"v": 1, "page": "gradients", "state": {"keep_gradient_x": [[[[[[1]]]]]]}}), "damaged"),
        (_packed({"v": 1, "page": "gradients", "state": {"keep_gradient_x": [0] * 5_001}}), "damaged"),
        (_packed({"v": 1, "page": "gradients", "state": {"keep_gradient_x": 10**20}}), "damaged"),
    ],
)
def test_a_link_that_is_none_is_one_sentence(told: str, said: str) -> None:
    with pytest.raises(LinkError, match=said):
        unpack(told, "gradients")


def test_a_link_reaches_no_other_page_and_nothing_of_the_sessions_own() -> None:
    keys = ["keep_gradient_text", "keep_review", "keep_answers", "frozen_parts", "keep_order_text", "answer_x"]
    told = {"v": 1, "page": "gradients", "state": dict.fromkeys(keys, "x"), "freeze": ["model", "all"], "hide": 1}
    assert unpack(_packed(told), "gradients") == Shared("gradients", {"keep_gradient_text": "x"}, frozen=("model",))
    assert not any(is_of(key, "neurons") for key in keys)
    assert is_of("keep_bptt_text", "training") and is_of("keep_order_text", "order")
    assert not is_of("keep_review_picked", "sentiment")


def test_no_page_keeps_what_another_page_keeps() -> None:
    pages = ("neurons", "gradients", "sentiment", *lesson.PAGES)
    for one, other in permutations(pages, 2):
        assert not any(prefix.startswith(prefixes(other)) for prefix in prefixes(one)), (one, other)


def test_only_json_of_the_page_goes_into_a_link() -> None:
    values = {"keep_gradient_a": (1, 2), "keep_gradient_b": object(), "keep_gradient_c": float("nan"), **STATE}
    assert state_of("gradients", values | {"keep_review": "mine", 3: 4} | {"other": 1}) == STATE


_SHOWN = """
const made = [];
globalThis.document = { createElement: () => {
  const node = { addEventListener() {}, setAttribute() {}, append() {}, replaceChildren() {} };
  made.push(node);
  return node;
} };
globalThis.location = { search: "", origin: "https://example.org", pathname: "/gradients" };
const { default: show } = await import("./sharing.js");
const root = document.createElement("div");
for (const length of [8000, 8001]) {
  const before = "https://example.org/gradients?share=".length;
  const data = { share: "x".repeat(length - before), own: false, longest: 8000 };
  show({ data, parentElement: { querySelector: () => root } });
  console.log(made[1].value.length, made[2].textContent);
}
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_whole_address_counts(tmp_path: Path) -> None:
    for path in Path(browser.__file__).parent.glob("*.js"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "show.js").write_text(_SHOWN)
    done = subprocess.run(["node", "show.js"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["8000 ", "0 The page holds too much for a link: shorten its texts."]
    assert LONGEST == 8000 < 8190 - len("GET / HTTP/1.1"), "what nginx and Apache take of a request line"


def test_a_page_that_holds_too_much_is_one_sentence() -> None:
    noise = "".join(chr(0x4E00 + i * 7919 % 20_000) for i in range(20_000))
    with pytest.raises(LinkError, match="too much"):
        pack(Shared("gradients", {"keep_gradient_text": noise}))


@pytest.mark.parametrize(
    ("answers", "kind", "right", "wrong"),
    [
        ("*the RNN\nthe LSTM\n\n", Choice, 0, 1),
        ("a\n* b\n*c", Several, [1, 2], [1]),
        ("3.5", Number, 3.5, 3.6),
        ("\u22123.5 \u00b1 0.25", Number, -3.3, -3.2),
        ("1e3 +- 1", Number, 1001, 1002),
    ],
)
def test_a_teachers_answers_become_a_question(answers: str, kind: type, right: object, wrong: object) -> None:
    question = question_of(Asked("Why?", answers))
    assert type(question) is kind
    assert question.judge(right) and not question.judge(wrong)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(" ", "*a\nb"), "empty"),
        (Asked("Why?", "a\nb"), r"a \* before"),
        (Asked("Why?", "*a\na"), "all different"),
        (Asked("Why?", "*a\n*"), "all different"),
        (Asked("Why?", "\n".join(f"*{i}" for i in range(13))), "from 2 to 12"),
        (Asked("Why?", ""), "from 2 to 12"),
        (Asked("Why?", "a"), "must be a number"),
        (Asked("Why?", "1 \u00b1 -1"), "not below zero"),
        (Asked("Why?", "1e999"), "finite"),
        (Asked("Why?" * 501, "*a\nb"), "must not be longer"),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_sentence(asked: Asked, said: str) -> None:
    with pytest.raises(LinkError, match=said):
        question_of(asked)


def test_a_teachers_text_is_shown_as_it_is() -> None:
    question = question_of(Asked("<b>x</b> **y**\n# z", "*[a](http://b)\nwww.b.c"))
    assert question.prompt == r"\<b\>x\</b\> \*\*y\*\* \# z"
    assert question.options == ("\\[a\\]\\(http\\:\u2060//b\\)", "www\u2060.b.c")


@pytest.fixture
def _models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_language_model(tmp_path / "tiny-lm")
    tiny_classifier(tmp_path / "imdb-lstm")


def _page(name: str, share: str = "") -> AppTest:
    code = (
        "from rnnviz import session\nfrom rnnviz.components import sharing\n"
        f"from rnnviz.pages import {name}\nsession.keep_state()\n"
        f'sharing.frame("{name}", "{name}", session.guarded({name}.render))\n'
    )
    app = AppTest.from_string(code, default_timeout=60)
    if share:
        app.query_params["share"] = share
    return app.run()


def _held(app: AppTest) -> list[str]:
    """The sentences about a link."""
    return [warning.value for warning in app.warning if "link" in warning.value]


@pytest.mark.usefixtures("_models")
def test_a_link_opens_the_page_as_it_was_and_holds_it() -> None:
    state = {**STATE, "keep_gradient_cells": ["lstm", "gru"], "keep_gradient_units": 32}
    app = _page("gradients", pack(Shared("gradients", state, frozen=("text", "model"), asked=ASKED)))
    assert not app.exception and not app.error and not _held(app)
    assert all(app.session_state[key] == value for key, value in state.items() if key != "keep_gradient_knobs")
    assert app.session_state["keep_gradient_knobs"]["scale"] == 0.5
    assert any(json.loads(part.proto.json).get("frozen") for part in app.get("bidi_component"))
    assert app.text_area(key="keep_gradient_text").disabled
    assert app.multiselect(key="keep_gradient_cells").disabled and app.selectbox(key="keep_gradient_units").disabled
    assert "the text cannot be changed, the model cannot be changed" in app.markdown[0].value
    app.radio[0].set_value(0)
    app.button(key="check_shared").click().run()
    assert [success.value for success in app.success] == [r"Right: the RNN. It \<i\>shrinks\</i\>."]
    app.button(key="share_mine").click().run()
    assert not app.text_area(key="keep_gradient_text").disabled
    assert not any(json.loads(part.proto.json).get("frozen") for part in app.get("bidi_component"))
    assert "share" not in app.query_params
    assert app.text_area(key="keep_gradient_text").value == STATE["keep_gradient_text"]


@pytest.mark.usefixtures("_models")
@pytest.mark.parametrize("value", GARBAGE, ids=lambda value: json.dumps(value)[:12])
def test_values_that_fit_nothing_are_told_of_and_left_out(value: object) -> None:
    keys = ("text", "cells", "models", "units", "layers", "recipe", "seed", "precision", "state", "guided", "spread")
    keys = [f"keep_gradient_{key}" for key in (*keys, "knobs", "below")]
    app = _page("gradients", pack(Shared("gradients", dict.fromkeys(keys, value))))
    assert not app.exception
    assert len(_held(app)) == 1 and "did not fit and were left out" in _held(app)[0]
    app.run()
    assert not app.exception and len(_held(app)) == 1


@pytest.mark.parametrize("path", lesson.PAGES)
def test_a_page_of_the_lesson_comes_back_as_it_was_and_takes_no_garbage(path: str) -> None:
    code = (
        "from rnnviz import session\nfrom rnnviz.components import sharing\nfrom rnnviz.pages import lesson\n"
        f"session.keep_state()\ntitle, render = lesson.PAGES[{path!r}]\n"
        f"sharing.frame({path!r}, title, session.guarded(render))\n"
    )
    app = AppTest.from_string(code, default_timeout=60).run()
    own = {key for key in app.session_state._state.filtered_state if str(key).startswith("keep_")} - {"keep_answers"}
    state = state_of(path, {key: app.session_state[key] for key in own})
    assert own and state.keys() == own, "all that the page keeps fits into its link"
    for shared in (state, {key: {"a": {"b": [1]}} for key in own}):
        app = AppTest.from_string(code, default_timeout=60)
        app.query_params["share"] = pack(Shared(path, shared))
        app.run()
        assert not app.exception
        assert [app.session_state[key] for key in own] == [state[key] for key in own] or shared is not state
        assert len(_held(app)) == (shared is not state)


@pytest.mark.usefixtures("_models")
def test_a_view_that_does_not_exist_is_left_out() -> None:
    app = _page("sentiment", pack(Shared("sentiment", {"keep_sentiment_view": [1], "keep_sentiment_live": 5})))
    assert not app.exception and "sentiment view, sentiment live" in _held(app)[0]
    app = _page("sentiment", "broken")
    assert not app.exception and "damaged" in _held(app)[0]


def test_a_page_that_breaks_on_a_link_opens_with_its_own() -> None:
    app = AppTest.from_string(
        "import streamlit as st\nfrom rnnviz import session\nfrom rnnviz.components import sharing\n"
        "session.keep_state()\n"
        "def draw():\n    st.slider('A', 0, 10, key=session.default('keep_order_a', 5))\n"
        "sharing.frame('order', 'Order', session.guarded(draw))\n"
    )
    app.query_params["share"] = pack(Shared("order", {"keep_order_a": 99}))
    app.run()
    assert not app.exception
    assert app.slider[0].value == 5
    assert _held(app) == ["The link\u2019s settings do not fit this page, so it opens with its own."]


def test_a_page_that_breaks_without_a_link_is_not_hushed_up() -> None:
    app = AppTest.from_string("from rnnviz import session\nsession.guarded(lambda: 1 / 0)()\n").run()
    assert app.exception


def test_kinds_and_ranges() -> None:
    script = (
        "import streamlit as st\nfrom rnnviz import session\n"
        "st.write(session.within('keep_a', 0, 10, 3))\nsession.fitting('keep_b', ['x', 'y'], 'y')\n"
    )
    for kept, expected in ((4, 4), (11, 3), (-1, 3), (True, 3), ("4", 3), (None, 3)):
        app = AppTest.from_string(script)
        app.session_state["keep_a"] = kept
        app.session_state["keep_b"] = [kept]
        app.run()
        assert app.session_state["keep_a"] == expected and app.session_state["keep_b"] == "y"


def _frozen_link(page: Page, app_url: str) -> str:
    """Type a text and ask for a link with everything in it, as a teacher does."""
    page.goto(f"{app_url}/gradients")
    box = page.get_by_label("Text", exact=True)
    expect(page.locator(".rv-life b")).to_have_count(3, timeout=SLOW)
    box.fill("a short text of the teacher\u2019s")
    box.press("Control+Enter")
    expect(page.get_by_text("Steps read:")).to_have_count(0, timeout=SLOW)
    page.get_by_text("Share this page").click()
    for name in ("Hide the controls", "Freeze the text"):
        page.locator("label", has_text=name).click()
    page.get_by_label("A question of your own").fill("Which <b>line</b> is lowest? www.example.org")
    page.get_by_label("Its answers").fill("the LSTM\n*the RNN")
    page.get_by_role("button", name="Make the link").click()
    field = page.get_by_label("Link to this page")
    expect(field).to_have_value(re.compile("share="), timeout=SLOW)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("The link was copied.")).to_be_visible(timeout=SLOW)
    return field.input_value()


def test_a_teacher_shares_a_page_and_a_student_opens_it(page: Page, app_url: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    link = _frozen_link(page, app_url)
    student = page.context.browser.new_context()
    other = student.new_page()
    other.goto(link)
    expect(other.get_by_text("the text cannot be changed, the controls are hidden.")).to_be_visible(timeout=SLOW)
    box = other.get_by_label("Text", exact=True)
    expect(box).to_have_value("a short text of the teacher\u2019s", timeout=SLOW)
    expect(box).to_be_disabled()
    expect(other.locator("[data-testid=stVegaLiteChart] svg").first).to_be_visible(timeout=SLOW)
    expect(other.get_by_text("Which <b>line</b> is lowest?")).to_be_visible()
    assert other.locator("[data-testid=stMain] a[href*=example]").count() == 0
    expect(other.get_by_role("radio", name="Jacobians")).to_be_hidden()
    expect(other.get_by_label("Scale of W_hh")).to_be_hidden()
    other.get_by_text("the RNN", exact=True).click()
    other.get_by_role("button", name="Check").click()
    expect(other.get_by_text("Right: the RNN.")).to_be_visible(timeout=SLOW)
    other.get_by_role("button", name="Make it mine").click()
    expect(other.get_by_role("radio", name="Jacobians")).to_be_visible(timeout=SLOW)
    expect(box).to_be_enabled(timeout=SLOW)
    assert "share=" not in other.url
    student.close()


def test_neurons_keeps_its_own_address_beside_the_teachers(page: Page, app_url: str) -> None:
    share = pack(Shared("neurons", {}, True, ("text", "model")))
    page.goto(f"{app_url}/?model=shakespeare-lstm&unit=5&text=KING&share={share}")
    box = page.get_by_label("Text", exact=True)
    expect(page.locator(".rv-status")).to_have_text("Live.", timeout=SLOW)
    expect(box).to_have_value("KING", timeout=SLOW)
    assert box.evaluate("box => box.readOnly")
    expect(page.locator(".rv-field select").first).to_be_disabled()
    expect(page.get_by_role("button", name="Go on writing")).to_be_hidden()
    page.wait_for_function("new URLSearchParams(location.search).has('signal')", timeout=SLOW)
    assert parse_qs(urlparse(page.url).query)["share"] == [share]
    page.get_by_role("button", name="Make it mine").click()
    expect(page.get_by_role("button", name="Go on writing")).to_be_visible(timeout=SLOW)
    assert not box.evaluate("box => box.readOnly")
    assert "share=" not in page.url


def test_projector_mode_is_large_and_has_a_way_out(page: Page, app_url: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{app_url}/?model=shakespeare-lstm&unit=5&text=KING&projector=1")
    expect(page.locator(".rv-status")).to_have_text("Live.", timeout=SLOW)
    expect(page.locator("[data-testid=stSidebar]")).to_be_hidden(timeout=SLOW)
    page.wait_for_function("new URLSearchParams(location.search).has('signal')", timeout=SLOW)
    large = page.locator("h1").bounding_box()["height"]
    heat = page.locator("canvas.rv-heat")
    heat.scroll_into_view_if_needed()
    place = heat.bounding_box()
    assert place["x"] + place["width"] <= 1280
    page.mouse.move(place["x"] + 1.5 * (46 + 3.5 * 14), place["y"] + 30)
    expect(page.locator(".rv-read")).to_have_text(re.compile("time 3, after .G"), timeout=SLOW)
    page.locator("h1").click()
    page.keyboard.press("Escape")
    expect(page.locator("[data-testid=stSidebar]")).to_be_visible(timeout=SLOW)
    assert page.locator("h1").bounding_box()["height"] < large
    assert "projector" not in page.url and "unit=5" in page.url


def _pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_printed_whole_in_black_on_white(scheme: str, page: Page, app_url: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{app_url}/gradients")
    expect(page.locator("[data-testid=stVegaLiteChart] svg").first).to_be_visible(timeout=SLOW)
    last = page.get_by_text("Spread over 10 seeds")
    expect(last).to_be_attached(timeout=SLOW)
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached(timeout=SLOW)
    assert _pages_of(page.pdf(format="A4")) >= 2
    page.emulate_media(media="print", color_scheme=scheme)
    page.set_viewport_size({"width": 794, "height": 1123})
    page.wait_for_function("document.documentElement.scrollWidth <= 794", timeout=SLOW)  # nothing is wider than paper
    page.wait_for_function("document.documentElement.scrollHeight > innerHeight", timeout=SLOW)
    body = page.evaluate("[document.documentElement.scrollHeight, innerHeight]")
    bottom = last.bounding_box()["y"]
    assert body[1] < bottom < body[0], "what is below the first screen is part of the paper"
    for selector in ("[data-testid=stSidebar]", "[data-testid=stHeader]", "[data-testid=stToolbar]"):
        assert not any(one.is_visible() for one in page.locator(selector).all())
    expect(page.locator(".rv-printed")).to_contain_text("Gradients \u00b7 rnnviz")
    colours = page.locator("h1").evaluate(
        "h => [getComputedStyle(h).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    label = page.locator(".role-axis-label text").first
    assert label.evaluate("text => getComputedStyle(text).fill") == "rgb(0, 0, 0)"
    knob = page.locator(".rv-knob label").first
    assert knob.evaluate("label => getComputedStyle(label).color") == "rgb(0, 0, 0)"


def test_pages_of_the_lesson_lead_on(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/shapes")
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=SLOW)
    page.locator("[data-testid=stMain]").get_by_role("link", name="\u2190 Order matters").click()
    expect(page.get_by_role("heading", name="Order matters", exact=True)).to_be_visible(timeout=SLOW)
    onward = page.locator("[data-testid=stMain]").get_by_role("link", name="One API, many shapes \u2192")
    expect(onward).to_be_visible(timeout=SLOW)

"""Sliders that answer while they are moved: what Python keeps and refuses, and a journey in a real browser."""

import json
import math
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect
from streamlit.testing.v1 import AppTest

from rnnviz.components.knobs import Knob, knobs
from tests.conftest import start_app

SLOW = 60_000
RADIUS = Knob("radius", "Spectral radius", 0.01, 10, 0.25, 1, logarithmic=True)
BIAS = Knob("bias", "Forget-gate bias", -3, 5, 0.1, 1)
LENGTH = Knob("length", "Length", 10, 200, 60, 100, unit="steps")
SCRIPT = """
import streamlit as st
from rnnviz import session
from rnnviz.components.knobs import knobs
session.keep_state()
if st.session_state.get("shown", True):
    st.session_state["result"] = knobs(
        st.session_state["settings"], key="lab", frozen=st.session_state.get("still", False)
    )
"""


def _app(*settings: Knob, **state: object) -> AppTest:
    app = AppTest.from_string(SCRIPT, default_timeout=60)
    app.session_state["settings"] = settings or (RADIUS, BIAS)
    for key, value in state.items():
        app.session_state[key] = value
    return app.run()


def _say(app: AppTest, count: object, values: object) -> dict[str, float]:
    """Send what a browser might; returns what the page was given."""
    app.session_state["lab"] = {"moved": {"count": count, "values": values}}
    app.run()
    assert not app.exception
    return app.session_state["result"]


def _mounted(app: AppTest) -> dict:
    return json.loads(app.get("bidi_component")[0].proto.json)


def test_first_values_are_the_starts() -> None:
    app = _app()
    assert not app.exception
    assert app.session_state["result"] == {"radius": 1.0, "bias": 1.0}
    assert app.session_state["keep_lab"] == {"radius": 1.0, "bias": 1.0}
    data = _mounted(app)
    assert data["values"] == {"radius": 1.0, "bias": 1.0}
    assert [knob["label"] for knob in data["knobs"]] == ["Spectral radius", "Forget-gate bias"]


def test_frozen_sliders_stand_still_whatever_the_browser_says() -> None:
    app = _app(still=True, keep_lab={"radius": 2.0, "bias": 0.0})
    assert _mounted(app)["frozen"] is True
    assert _say(app, 1, {"radius": 5.0, "bias": 3.0}) == {"radius": 2.0, "bias": 0.0}
    app.session_state["still"] = False
    assert _say(app, 2, {"radius": 5.0}) == {"radius": 5.0, "bias": 0.0}
    assert _mounted(app)["frozen"] is False


def test_what_the_browser_says_is_heard_kept_and_answered() -> None:
    app = _app()
    before = _mounted(app)["heard"]
    assert _say(app, 7, {"radius": 2.5, "bias": -1}) == {"radius": 2.5, "bias": -1.0}
    assert app.session_state["keep_lab"] == {"radius": 2.5, "bias": -1.0}
    data = _mounted(app)
    assert data["heard"] == 7 != before
    assert data["values"] == {"radius": 2.5, "bias": -1.0}
    assert _say(app, 8, {"bias": 0.5}) == {"radius": 2.5, "bias": 0.5}


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        *((-99, -3.0), (99, 5.0), (-3, -3.0), (5, 5.0), (0, 0.0)),
        *((math.nan, 1.0), (math.inf, 1.0), (-math.inf, 1.0), (10**400, 1.0)),
        *(("4", 1.0), (None, 1.0), (True, 1.0), ([2], 1.0), ({"a": 1}, 1.0)),
    ],
)
def test_values_are_clamped_and_nonsense_is_the_start(value: object, becomes: float) -> None:
    app = _app(keep_lab={"bias": 4.0})
    result = _say(app, 1, {"bias": value})
    assert result["bias"] == becomes
    assert type(result["bias"]) is float


@pytest.mark.parametrize(
    "message",
    [None, 3, "moved", [], {}, {"count": 1}, {"count": 1, "values": [1]}, {"count": "1", "values": {"bias": 2}}],
)
def test_a_message_that_makes_no_sense_changes_nothing(message: object) -> None:
    app = _app(keep_lab={"bias": 4.0})
    app.session_state["lab"] = {"moved": message}
    app.run()
    assert not app.exception
    assert app.session_state["result"] == {"radius": 1.0, "bias": 4.0}


def test_names_that_were_not_asked_for_are_not_kept() -> None:
    app = _app()
    _say(app, 1, {"bias": 2, "other": 3.0, "": 1})
    assert set(app.session_state["keep_lab"]) == {"radius", "bias"}


def test_values_set_before_are_shown_and_clamped() -> None:
    app = _app(keep_lab={"radius": 1e9, "bias": -2.0})
    assert app.session_state["result"] == {"radius": 10.0, "bias": -2.0}
    assert _mounted(app)["values"] == {"radius": 10.0, "bias": -2.0}
    for nonsense in (None, 5, "text", {"bias": "x", "radius": None}):
        assert _app(keep_lab=nonsense).session_state["result"] == {"radius": 1.0, "bias": 1.0}


def test_a_page_that_sets_values_is_not_overruled_by_an_old_message() -> None:
    app = _app()
    _say(app, 1, {"bias": 2.0})
    app.session_state["keep_lab"] = {"radius": 3.0, "bias": 0.0}
    app.run()
    assert app.session_state["result"] == {"radius": 3.0, "bias": 0.0}
    assert _mounted(app)["heard"] == 1


def test_values_outlive_leaving_the_page() -> None:
    app = _app()
    _say(app, 1, {"bias": 2.0})
    app.session_state["shown"] = False
    app.run()
    assert not app.get("bidi_component")
    app.session_state["shown"] = True
    app.run()
    assert app.session_state["result"]["bias"] == 2.0
    assert _mounted(app)["values"]["bias"] == 2.0


def test_settings_change_and_values_stay() -> None:
    app = _app()
    _say(app, 1, {"radius": 2.0, "bias": 3.0})
    app.session_state["settings"] = (LENGTH, RADIUS)
    app.run()
    assert app.session_state["result"] == {"length": 100.0, "radius": 2.0}
    assert [knob["name"] for knob in _mounted(app)["knobs"]] == ["length", "radius"]
    app.session_state["settings"] = (RADIUS, Knob("bias", "Forget-gate bias", -1, 2, 0.1, 1))
    app.run()
    assert app.session_state["result"] == {"radius": 2.0, "bias": 2.0}, "it comes back within its new ends"
    app.session_state["settings"] = ()
    app.run()
    assert not app.exception
    assert app.session_state["result"] == {}


def test_names_must_differ() -> None:
    with pytest.raises(ValueError, match="differ"):
        knobs((BIAS, RADIUS, BIAS), key="lab")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"low": 6}, "low <= start"),
        ({"start": 9}, "low <= start"),
        ({"low": 1, "high": 1}, "low < high"),
        ({"step": 0}, "above zero"),
        ({"high": math.inf}, "finite"),
        ({"start": math.nan}, "finite"),
        ({"logarithmic": True}, "above zero"),
    ],
)
def test_a_slider_that_cannot_be_is_refused(change: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Knob(**{"name": "bias", "label": "", "low": -3, "high": 5, "step": 0.1, "start": 1, **change})


PAGES = """
import streamlit as st
from rnnviz import session
from rnnviz.components.knobs import Knob, knobs

session.keep_state()

@st.fragment
def lab():
    settings = [
        Knob("radius", "Spectral radius", 0.01, 10, 0.25, 1, logarithmic=True, help="Above one it may explode."),
        Knob("bias", "Forget-gate bias", -3, 5, 0.1, 1),
        Knob("length", "Length", 10, 200, 60, 100, unit="steps"),
    ]
    if st.checkbox("No bias"):
        del settings[1]
    if st.button("Preset"):
        st.session_state["keep_lab"] = {"radius": 0.1, "bias": -2.0, "length": 70.0}
    values = knobs(settings, key="lab")
    heard = st.session_state.setdefault("keep_heard", [values])
    if values != heard[-1]:
        heard.append(values)
    st.text(f"heard {values}")
    st.text(f"changes {len(heard) - 1}")

def one():
    st.title("One")
    lab()

def two():
    st.title("Two")

pages = [st.Page(one, title="One", url_path="one", default=True), st.Page(two, title="Two", url_path="two")]
st.navigation(pages, position="top").run()
"""


@pytest.fixture(scope="module")
def knobs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an app of two pages, one with sliders."""
    script = tmp_path_factory.mktemp("knobs") / "pages.py"
    script.write_text(PAGES)
    with start_app(script=str(script)) as (url, _):
        yield url


@pytest.fixture
def sliders(page: Page, knobs_url: str) -> Iterator[Page]:
    """The page with sliders, filled in; whatever the browser complains of fails the test."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(knobs_url)
    expect(page.get_by_label("Spectral radius")).to_be_visible(timeout=SLOW)
    expect(page.get_by_text("changes 0")).to_be_visible(timeout=SLOW)
    yield page
    assert not wrong


def _python_heard(page: Page, **values: float) -> None:
    for name, value in values.items():
        expect(page.get_by_text("heard {")).to_contain_text(f"'{name}': {value}", timeout=SLOW)


def _output(page: Page, label: str) -> Locator:
    return page.locator(".rv-knob", has=page.get_by_label(label)).locator("output")


def test_keys_reset_and_coming_back(sliders: Page) -> None:
    page, bias = sliders, sliders.get_by_label("Forget-gate bias")
    bias.press("ArrowRight")
    bias.press("ArrowRight")
    expect(_output(page, "Forget-gate bias")).to_have_text("1.2")
    _python_heard(page, bias=1.2, radius=1.0, length=100.0)
    expect(bias).to_be_focused()
    bias.press("Home")
    expect(_output(page, "Forget-gate bias")).to_have_text("\u22123.0")
    _python_heard(page, bias=-3.0)
    page.get_by_label("Spectral radius").press("ArrowUp")
    expect(_output(page, "Spectral radius")).to_have_text("1.78")
    _python_heard(page, radius=1.77827941004)  # a quarter of a decade up
    length = page.get_by_label("Length")
    for key, value in (("End", 200.0), ("ArrowLeft", 190.0), ("Home", 10.0), ("PageUp", 70.0)):
        length.press(key)
        _python_heard(page, length=value)
    expect(length).to_have_attribute("aria-valuetext", "70\u00a0steps")
    page.get_by_role("link", name="Two").click()
    expect(page.get_by_role("heading", name="Two")).to_be_visible(timeout=SLOW)
    page.get_by_role("link", name="One").click()
    expect(_output(page, "Length")).to_have_text("70\u00a0steps", timeout=SLOW)
    expect(_output(page, "Forget-gate bias")).to_have_text("\u22123.0")
    _python_heard(page, bias=-3.0, length=70.0)
    length.press("ArrowRight")
    _python_heard(page, length=130.0)
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(_output(page, "Spectral radius")).to_have_text("1.00")
    _python_heard(page, radius=1.0, bias=1.0, length=100.0)


def test_of_many_moves_at_once_the_first_and_the_newest_are_sent_and_no_older_value_is_shown(sliders: Page) -> None:
    page = sliders
    page.get_by_label("Forget-gate bias").evaluate(
        """slider => {
            [window.sent, window.seen] = [0, new Set()];
            const { send } = WebSocket.prototype;
            WebSocket.prototype.send = function (message) { window.sent += 1; send.call(this, message); };
            const output = slider.parentElement.querySelector("output");
            new MutationObserver(() => window.seen.add(output.textContent)).observe(output, { childList: true });
            for (const place of [10, 20, 30, 40, 50, 60, 70]) {
                slider.value = place;
                slider.dispatchEvent(new Event("input", { bubbles: true }));
            }
        }"""
    )
    _python_heard(page, bias=4.0)
    expect(page.get_by_text("changes 2")).to_be_visible(timeout=SLOW)
    assert page.evaluate("[window.sent, ...window.seen]") == [2, "4.0"]


def test_no_rerun_moves_a_thumb_under_the_hand(sliders: Page) -> None:
    page, bias = sliders, sliders.get_by_label("Forget-gate bias")
    box = bias.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + box["width"] / 4, y, steps=5)
    shown = _output(page, "Forget-gate bias").inner_text()
    assert float(shown) > 2
    _python_heard(page, bias=float(shown))
    page.get_by_role("button", name="Preset").evaluate("button => button.click()")
    _python_heard(page, bias=-2.0)
    expect(_output(page, "Length")).to_have_text("70\u00a0steps")
    expect(_output(page, "Forget-gate bias")).to_have_text(shown)
    assert float(bias.input_value()) == round((float(shown) + 3) * 10)
    page.mouse.up()
    expect(_output(page, "Forget-gate bias")).to_have_text("\u22122.0")
    expect(bias).to_have_value("10")


def test_a_slider_that_goes_leaves_the_others_and_the_focus_alone(sliders: Page) -> None:
    page = sliders
    page.get_by_label("Forget-gate bias").press("ArrowLeft")
    length = page.get_by_label("Length")
    length.press("End")
    _python_heard(page, bias=0.9, length=200.0)
    box = page.get_by_role("checkbox", name="No bias")
    box.evaluate("box => box.click()")
    expect(page.get_by_label("Forget-gate bias")).to_have_count(0, timeout=SLOW)
    expect(length).to_be_focused()
    expect(_output(page, "Length")).to_have_text("200\u00a0steps")
    box.evaluate("box => box.click()")
    expect(_output(page, "Forget-gate bias")).to_have_text("0.9", timeout=SLOW)
    expect(length).to_be_focused()
    order = page.locator(".rv-knob label").all_inner_texts()
    assert order == ["Spectral radius", "Forget-gate bias", "Length"]


def test_axe_finds_nothing_and_nothing_sticks_out_of_a_narrow_screen(sliders: Page) -> None:
    page = sliders
    page.set_viewport_size({"width": 390, "height": 900})
    page.get_by_label("Spectral radius").focus()
    inside = page.locator(".rv-knobs").evaluate("e => [e.scrollWidth, e.clientWidth, innerWidth]")
    assert inside[0] <= inside[1] <= inside[2]
    colour = page.locator(".rv-knobs").evaluate("e => getComputedStyle(e).color")
    found = Axe().run(page).response["violations"]
    page.emulate_media(color_scheme="dark")
    expect(page.locator(".rv-knobs")).not_to_have_css("color", colour, timeout=SLOW)
    found += Axe().run(page).response["violations"]
    assert not [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found]

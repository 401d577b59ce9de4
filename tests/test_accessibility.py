"""Every page and main view under axe-core, light and wide, then dark and narrow."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from rnnviz.pages import lesson
from rnnviz.sharing import Asked, Shared, pack
from tests.axe import violations

SLOW = 60_000
VIEWS = {
    "gradients": ("Decay", "On your text", "Jacobians", "Weights", "Warm-up", "What is learned"),
    "shapes": ("Many to one", "One to many", "A label a step", "Encoder and decoder"),
    "cell": (
        "A trained unit",
        "Ways to write it",
        "Gates and activations",
        "Start and direction",
        "Dropout and first weights",
    ),
    "sentiment": ("Live", "Words", "Units", "Two texts", "Padding", "Reviews", "Path", "Models"),
}
PLACES = ["neurons", *((page, view) for page, views in VIEWS.items() for view in views), *lesson.PAGES]
SETTLED = """() => document.querySelector("[data-test-script-state=notRunning]")
  && !document.querySelector("[data-testid=stSkeleton], [data-testid=stSpinner]")"""


@pytest.fixture(scope="module")
def visited(browser: Browser) -> Iterator[Page]:
    """One page for all places: what one visit has loaded the next need not."""
    context = browser.new_context(reduced_motion="reduce")
    yield context.new_page()
    context.close()


def _settle(page: Page) -> None:
    """Wait until the page stands still."""
    expect(page.locator("h1")).to_be_visible(timeout=SLOW)
    page.wait_for_timeout(250)
    page.wait_for_function(SETTLED, timeout=SLOW)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place if isinstance(place, str) else "-".join(place))
def test_axe_finds_nothing(place: str | tuple[str, str], visited: Page, app_url: str) -> None:
    page = visited
    path, view = (place, None) if isinstance(place, str) else place
    told = {}
    if view is None:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme="light")
        page.goto(f"{app_url}/{path}")
        _settle(page)
        told["light, 1280"] = violations(page)
    page.set_viewport_size({"width": 390, "height": 900})
    page.emulate_media(color_scheme="dark")
    if view is not None:
        if f"/{path}" not in page.url:
            page.goto(f"{app_url}/{path}")
        choice = page.get_by_role("radio", name=view, exact=True)
        choice.click(timeout=SLOW)
        expect(choice).to_be_checked(timeout=SLOW)
    _settle(page)
    expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", "dark", timeout=SLOW)
    told["dark, 390"] = violations(page)
    assert not any(told.values()), json.dumps(told, indent=1)


def test_axe_finds_nothing_around_a_shared_page(visited: Page, app_url: str) -> None:
    page = visited
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="dark")
    asked = Asked("Which line falls fastest?", "*the RNN\nthe LSTM")
    page.goto(f"{app_url}/gradients?share={pack(Shared('gradients', {}, True, ('text', 'model'), asked))}")
    page.get_by_text("Share this page").click(timeout=SLOW)
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_label("Link to this page")).to_be_visible(timeout=SLOW)
    _settle(page)
    found = violations(page)
    assert not found, json.dumps(found, indent=1)

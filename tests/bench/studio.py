"""A real browser with the live page in it: how it is opened, filled and typed into."""

import inspect
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.conftest import CHROMIUM

MODEL = "python-lstm"
CLOCK = Path(__file__).parent / "clock.js"
SIZE = {"width": 1280, "height": 900}
SLOW = 60_000
LAUNCH: dict[str, Any] = {
    "args": ["--no-sandbox", "--disable-background-networking", "--disable-gpu", "--enable-precise-memory-info"],
    **({"executable_path": CHROMIUM} if CHROMIUM else {}),
}
ADDRESS = f"?model={MODEL}"
SOURCE = inspect.getsource(textwrap)
"""What is typed: a module of Python's own library."""

STILL = 1.2
"""Seconds after which the page has settled: it brings its lists up to date half a second after the last key."""


def key_of(character: str) -> str:
    """Return the name of the key that types a character."""
    return "Enter" if character == "\n" else character


def pauses(rate: float, seed: int = 0) -> Iterator[float]:
    """Yield pauses between keys, 15 % to either side of even ones, so that they fall into no step with frames."""
    random = Random(seed)
    while True:
        yield random.uniform(0.85, 1.15) / rate


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**LAUNCH)
        try:
            yield browser
        finally:
            browser.close()


def open_page(browser: Browser, url: str) -> Page:
    """Open a page with the clock in it, and wait for its text field."""
    page = browser.new_context(viewport=SIZE).new_page()
    page.add_init_script(path=CLOCK)
    page.goto(url)
    text_box(page).wait_for(timeout=SLOW)
    return page


def open_studio(browser: Browser, url: str) -> Page:
    """Open the live page and wait for its first picture."""
    page = open_page(browser, f"{url}/{ADDRESS}")
    page.wait_for_function("rvBench.last !== null", timeout=SLOW)
    return page


def text_box(page: Page) -> Locator:
    """Return the field that is typed into."""
    return page.get_by_label("Text", exact=True)


def start_with(page: Page, text: str, caret: int) -> None:
    """Put a text in place, the caret somewhere in it, and wait until all is painted and still."""
    box = text_box(page)
    box.fill(text)
    wait_for_picture(page, len(text))
    box.press("Control+End")
    box.evaluate("(box, caret) => box.setSelectionRange(caret, caret)", caret)
    page.wait_for_timeout(STILL * 1000)


def wait_for_picture(page: Page, length: int) -> None:
    """Wait until a text of a length has been painted, and the frame is done."""
    painted = "length => rvBench.last === length && rvBench.drawing === 0"
    page.wait_for_function(painted, arg=length, timeout=SLOW)


def press_all(page: Page, text: str, rate: float) -> None:
    """Press the keys of a text at a rate, whether or not the page keeps up."""
    due = time.monotonic()
    for character, pause in zip(text, pauses(rate), strict=False):
        page.wait_for_timeout(max(0.0, due - time.monotonic()) * 1000)
        page.keyboard.press(key_of(character))
        due += pause


def press_alone(page: Page, text: str, length: int) -> None:
    """Press the keys of a text, each once the one before is painted and the page is still."""
    for i, character in enumerate(text):
        page.keyboard.press(key_of(character))
        wait_for_picture(page, length + i + 1)
        page.wait_for_timeout(STILL * 1000)

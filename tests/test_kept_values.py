"""What was typed or chosen in a part that is drawn alone stays: on other pages, and while a widget is away."""

import pytest
from playwright.sync_api import Page, expect

SLOW = 60_000

FIELDS = {
    "unrolling": ("Text for the cell", "dogs bite"),
    "training": ("Inputs x, one a step", "0.5 0.25"),
}


def _leave_and_return(page: Page, path: str) -> None:
    menu = page.get_by_test_id("stSidebarNav")
    menu.get_by_role("link", name="Open issues").click()
    expect(page.get_by_role("heading", name="Open issues", exact=True)).to_be_visible(timeout=SLOW)
    menu.locator(f"a[href$='/{path}']").click()


@pytest.mark.parametrize("path", FIELDS)
def test_what_was_typed_last_is_there_after_a_visit_elsewhere(page: Page, app_url: str, path: str) -> None:
    label, text = FIELDS[path]
    page.goto(f"{app_url}/{path}")
    box = page.get_by_label(label, exact=True).first
    expect(box).to_be_visible(timeout=SLOW)
    box.fill(text)
    box.press("Enter")
    page.wait_for_timeout(1500)
    _leave_and_return(page, path)
    expect(page.get_by_label(label, exact=True).first).to_have_value(text, timeout=SLOW)


def test_a_box_that_was_away_comes_back_with_its_text(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/unrolling")
    box = page.get_by_label("Numbers", exact=True)
    expect(box).to_be_visible(timeout=SLOW)
    box.fill("7 7 7")
    box.press("Enter")
    for name in ("count of a letter", "running maximum"):
        page.get_by_role("radio", name=name, exact=True).click()
        page.wait_for_timeout(1500)
    expect(box).to_have_value("7 7 7", timeout=SLOW)

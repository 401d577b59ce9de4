"""What axe-core finds on a page, but for what Streamlit alone could mend."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_LISTS = ("list", "listitem")
_OWN = "target => Boolean(document.querySelector(target)?.closest('[data-testid=stSidebarNav]'))"


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """Return rule and markup; not that Streamlit puts headers into the side bar's list, which nobody can change."""
    found = []
    for one in Axe().run(page).response["violations"]:
        nodes = [
            node for node in one["nodes"] if not (one["id"] in _LISTS and page.evaluate(_OWN, str(node["target"][0])))
        ]
        if nodes:
            found.append((one["id"], [node["html"][:200] for node in nodes][:4]))
    return found

"""From a knob of the gradient page to the chart that answers it, in a real browser."""

from typing import Annotated

import typer
from playwright.sync_api import Page, sync_playwright

from tests.bench.figures import SPREAD, machine, print_table, spread
from tests.bench.server import serving
from tests.conftest import CHROMIUM

_SLOW = 60_000
_CHART = "[data-testid=stVegaLiteChart]"
_CLOCK = """
document.addEventListener("input", () => { window.benchTurned = performance.now(); }, true);
window.benchWatch = (chart) => {
  window.benchPainted = [];
  const seen = () => requestAnimationFrame(() => setTimeout(() => window.benchPainted.push(performance.now())));
  new MutationObserver(seen).observe(chart, { subtree: true, childList: true, attributes: true });
};
"""


def knob(
    turns: Annotated[int, typer.Option(help="Presses of an arrow key on each knob.")] = 30,
    pause: Annotated[int, typer.Option(help="Milliseconds between two presses.")] = 900,
) -> None:
    """Print how long the decay chart takes to answer a knob: 200 steps, 128 units, an RNN, an LSTM and a GRU."""
    with serving("app.py") as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        )
        print(machine(browser.version))
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        page.add_init_script(_CLOCK)
        page.goto(f"{server.url}/gradients")
        page.locator(f"{_CHART} svg, {_CHART} canvas").first.wait_for(timeout=_SLOW)
        page.wait_for_timeout(2000)
        rows = [[label, *spread(_turned(page, label, turns, pause))] for label in ("Scale of W_hh", "Forget-gate bias")]
        print_table(["knob turned -> chart painted, ms", *SPREAD], rows)
        browser.close()


def _turned(page: Page, label: str, turns: int, pause: int) -> list[float]:
    """Press an arrow key again and again; returns milliseconds until the chart has changed for the last time."""
    page.evaluate("(chart) => window.benchWatch(chart)", page.locator(_CHART).first.element_handle())
    page.get_by_label(label).focus()
    took = []
    for _ in range(turns):
        page.evaluate("window.benchPainted.length = 0")
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(pause)
        painted, turned = page.evaluate("[window.benchPainted, window.benchTurned]")
        if not painted:
            raise RuntimeError(f"the chart did not answer within {pause} ms; give it more with --pause")
        took.append(painted[-1] - turned)
    return took

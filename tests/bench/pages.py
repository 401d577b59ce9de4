"""From an address to the first useful picture of each page, in a real browser.

Useful is the first thing that a visitor came for, not the title: on Neurons and in Sentiment's live view the text
painted in its colours, on Gradients the decay chart's lines, on a page of the lesson its first chart, coloured text,
formula, table or button that is part of the experiment. Cold is a browser that has never been there, on a server that
has loaded its models; warm is the same browser coming back.
"""

from typing import Annotated

import numpy as np
import typer
from playwright.sync_api import Browser, sync_playwright

from rnnviz.pages import lesson
from tests.bench.figures import machine, print_table
from tests.bench.server import serving
from tests.bench.studio import LAUNCH, SIZE

_SLOW = 120_000
_CHART = "[data-testid=stVegaLiteChart] :is(svg .role-mark, canvas)"
_PAINTED = "window.benchPainted"
_FIRST = [_CHART, ".rv-text", ".katex", "table", "[data-testid=stMetric]", "[data-testid=stButton] button"]
_USEFUL = {"neurons": _PAINTED, "gradients": _CHART, "sentiment": _PAINTED}
_CLOCK = """
addEventListener("rnnviz:painted", () => { window.benchPainted = true; });
window.benchUseful = (selector) => {
  if (selector === "window.benchPainted") return window.benchPainted === true;
  const main = document.querySelector("[data-testid=stMain]");
  return main !== null && [...main.querySelectorAll(selector)].some((node) => node.getBoundingClientRect().height > 0);
};
"""


def pages(
    rounds: Annotated[int, typer.Option(help="Visits of each kind, of which the median is taken.")] = 5,
) -> None:
    """Print how long each page takes to be useful, in milliseconds from the navigation."""
    with serving("app.py") as server, sync_playwright() as playwright:
        server.wait_until_loaded()
        browser = playwright.chromium.launch(**LAUNCH)
        print(machine(browser.version))
        rows = []
        for path in (*_USEFUL, *lesson.PAGES):
            useful = _USEFUL.get(path, ", ".join(_FIRST))
            taken = [_visited(browser, f"{server.url}/{path}", useful) for _ in range(rounds)]
            medians = [f"{np.median(times):.0f}" for times in zip(*taken, strict=True)]
            rows.append([path, *medians, f"{taken[0][0]:.0f}"])
        print_table(["page", "cold browser, ms", "warm, ms", "the server's first visit, ms"], rows)
        browser.close()


def _visited(browser: Browser, url: str, useful: str) -> tuple[float, float]:
    """Open a page twice in a browser that has kept nothing; returns milliseconds until it was useful."""
    context = browser.new_context(viewport=SIZE)
    page = context.new_page()
    page.add_init_script(_CLOCK)
    taken = []
    for _ in range(2):
        page.goto(url, wait_until="commit")
        page.wait_for_function("(selector) => window.benchUseful(selector)", arg=useful, timeout=_SLOW, polling="raf")
        taken.append(float(page.evaluate("performance.now()")))
        page.goto("about:blank")
    context.close()
    return taken[0], taken[1]

"""`soak`: one real page, typed into at random for a long time: is anything lost, wrong, or growing?

Every 20 actions the page is left alone until it is still, and then: the text must be what was typed; the last picture
must have been of that text, every column of it; the connection must be live; and nothing may have gone wrong in the
browser's console.
"""

import time
from dataclasses import dataclass, field
from typing import Annotated

import typer
from playwright.sync_api import CDPSession, Page
from playwright.sync_api import TimeoutError as TookTooLong

from tests.bench.figures import machine, megabytes, print_table
from tests.bench.server import Server, serving
from tests.bench.studio import chromium, open_studio, text_box
from tests.bench.typist import Typist, missing, units

ACTIONS, QUIET, PATIENCE, MEMORY_EVERY = 20, 0.7, 20.0, 30.0
SETTLED = "length => rvBench.drawing === 0 && (length === 0 || rvBench.announced === length && rvBench.last === length)"


@dataclass
class Kept:
    """What was found on the way."""

    errors: list[str] = field(default_factory=list)
    lost: int = 0
    wrong: int = 0
    stale: int = 0
    late: int = 0
    checks: int = 0
    beyond: int = 0
    longest: int = 0
    memory: list[tuple[float, int, int]] = field(default_factory=list)


class Soak:
    """A page, its typist, and what was found."""

    def __init__(self, page: Page, server: Server, seed: int) -> None:
        self._page, self._server = page, server
        self._devtools: CDPSession = page.context.new_cdp_session(page)
        self._started = time.monotonic()
        self.found = Kept()
        page.on("pageerror", lambda error: self._wrong(f"pageerror: {error}"))
        page.on("console", lambda message: message.type == "error" and self._wrong(f"console: {message.text}"))
        page.on("crash", lambda: self._wrong("the page crashed"))
        text_box(page).focus()
        self.typist = Typist(page, seed)

    def run(self, minutes: float) -> None:
        """Type until the time is over."""
        self.note_memory()
        until, memory_due = time.monotonic() + minutes * 60, time.monotonic() + MEMORY_EVERY
        while time.monotonic() < until:
            self.typist.act()
            self.found.longest = max(self.found.longest, len(self.typist.text))
            if self.typist.counts["actions"] % ACTIONS == 0:
                self.check()
            if time.monotonic() > memory_due:
                self.note_memory()
                memory_due += MEMORY_EVERY
        self.check()
        self.note_memory()

    def _wrong(self, what: str) -> None:
        at = f"{time.monotonic() - self._started:.0f} s"
        self.found.errors.append(f"{at}: {what}")
        print(f"- {at}: {what}", flush=True)

    def check(self) -> None:
        """Wait until the page is still, and look whether all is as it must be."""
        found, text = self.found, self.typist.text
        found.checks += 1
        found.beyond += len(text) > 2000
        self._wait_until_still(units(text))
        self._check_text(text)
        if text and (wrong := self._page.evaluate("text => rvBench.wrong(text)", text)):
            found.wrong += wrong
            self._wrong(f"{wrong} of the picture's columns are missing or of another text ({len(text)} characters)")
        status = self._page.locator(".rv-status").inner_text()
        if not status.startswith("Live."):
            self._wrong(f"status: {status}")
        noted = self._page.evaluate("rvBench.take()")
        found.late += noted["late"]
        found.stale += noted["stale"]

    def _wait_until_still(self, length: int) -> None:
        self._page.wait_for_timeout(QUIET * 1000)
        try:
            self._page.wait_for_function(SETTLED, arg=length, timeout=PATIENCE * 1000)
        except TookTooLong:
            last = self._page.evaluate("({ announced: rvBench.announced, of: rvBench.last })")
            self._wrong(f"the text has {length} units, the last picture: {last}")
        self._page.wait_for_timeout(QUIET * 1000)

    def _check_text(self, text: str) -> None:
        value = text_box(self._page).input_value()
        if lost := missing(text, value):
            self.found.lost += lost
            self._wrong(f"{lost} characters lost or misplaced: {len(text)} expected, {len(value)} there")
            self.typist.reread()

    def note_memory(self) -> None:
        """Read the page's heap, after a collection, and the server's memory."""
        self._devtools.send("HeapProfiler.collectGarbage")
        heap = self._page.evaluate("performance.memory.usedJSHeapSize")
        at, resident = time.monotonic() - self._started, self._server.memory()
        self.found.memory.append((at, heap, resident))
        counts = self.typist.counts
        print(
            f"{at:5.0f} s: {counts['actions']} actions, text of {len(self.typist.text)}, "
            f"page's heap {megabytes(heap)}, server {megabytes(resident)}",
            flush=True,
        )


def _print(soak: Soak) -> None:
    found, counts = soak.found, soak.typist.counts
    moments = {"start": 0, "middle": len(found.memory) // 2, "end": -1}
    rows = [[name, counts[name]] for name in ("actions", "typed", "pasted", "deleted", "undone", "redone")]
    rows += [["longest text", found.longest], ["checks (text beyond 2,000)", f"{found.checks} ({found.beyond})"]]
    rows += [["**lost characters**", found.lost], ["columns of the picture missing or wrong", found.wrong]]
    rows += [["requests that claimed columns of another text", found.stale]]
    rows += [["answers to an older text announced as the newest's", found.late], ["errors", len(found.errors)]]
    for name, which in (("page's heap", 1), ("server's memory", 2)):
        at = [f"{megabytes(found.memory[place][which])} ({moment})" for moment, place in moments.items()]
        rows.append([name, ", ".join(at)])
    print_table(["soak", ""], rows)


def soak(
    minutes: Annotated[float, typer.Option(help="How long to type.")] = 10,
    seed: Annotated[int, typer.Option(help="What is done follows from it.")] = 0,
) -> None:
    """Type at random into a real page for a long time; print what was lost or wrong, and how memory grew."""
    with serving("app.py") as server, chromium() as browser:
        server.wait_until_loaded()
        print(f"{minutes:g} minutes, seed {seed}; {machine(browser.version)}", flush=True)
        soaked = Soak(open_studio(browser, server.url), server, seed)
        soaked.run(minutes)
        _print(soaked)
    found = soaked.found
    if found.errors or found.stale:
        raise typer.Exit(1)

"""`load`: many people type at once at one process: how long answers take, and what memory they cost."""

import asyncio
import time
from typing import Annotated

import typer
from playwright.async_api import Browser, Page, async_playwright

from tests.bench.clients import Crowd, Heard, typing
from tests.bench.figures import SPREAD, machine, megabytes, print_table, spread
from tests.bench.server import MemoryWatch, Server, serving
from tests.bench.studio import ADDRESS, CLOCK, LAUNCH, SIZE, SLOW, SOURCE, key_of, pauses

RATE, START = 3.0, 200
LEAVING = 5.0
"""Seconds after the last has left, before memory is read again."""


async def _open(browser: Browser, url: str, text: str) -> Page:
    """Open the live page in a context of its own, and fill it in."""
    page = await (await browser.new_context(viewport=SIZE)).new_page()
    await page.add_init_script(path=CLOCK)
    await page.goto(f"{url}/{ADDRESS}", timeout=SLOW)
    box = page.get_by_label("Text", exact=True)
    await box.wait_for(timeout=SLOW)
    await page.wait_for_function("rvBench.last !== null", timeout=SLOW)
    await box.fill(text)
    await _painted(page, len(text))
    await box.press("Control+End")
    await page.evaluate("rvBench.take()")
    return page


async def _painted(page: Page, length: int) -> None:
    done = "length => rvBench.last === length && rvBench.drawing === 0"
    await page.wait_for_function(done, arg=length, timeout=SLOW)


async def _type(page: Page, number: int, seconds: float) -> tuple[list[float], bool]:
    """Type for some seconds; returns each key's milliseconds until it was painted, and whether all was kept."""
    start = text = SOURCE[: START + number]
    due = time.monotonic() + number * 0.1 / RATE
    until = due + seconds
    for pause in pauses(RATE, number):
        await asyncio.sleep(due - time.monotonic())
        character = SOURCE[len(text)]
        await page.keyboard.press(key_of(character))
        text += character
        due += pause
        if due > until:
            break
    await _painted(page, len(text))
    noted = await page.evaluate("rvBench.take()")
    shown = [one for one in noted["shown"] if one["kind"] == "painted"]
    taken = [
        next(one["after"] for one in shown if one["length"] > len(start) + i and one["at"] >= key) - key
        for i, key in enumerate(noted["keys"])
    ]
    return taken, await page.get_by_label("Text", exact=True).input_value() == text


async def _pages(crowd: Crowd, count: int) -> tuple[list[float], int, Heard, str]:
    """Let real pages and the crowd type at the same time."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**LAUNCH)
        pages = [await _open(browser, crowd.url, SOURCE[: START + number]) for number in range(count)]
        with typing(crowd) as crowded:
            typed = await asyncio.gather(*(_type(page, number, crowd.seconds) for number, page in enumerate(pages)))
            heard = await asyncio.wrap_future(crowded)
        version = browser.version
        await browser.close()
    return [one for taken, _ in typed for one in taken], sum(not kept for _, kept in typed), heard, version


def _print(heard: Heard, taken: list[float], pages: int, clients: int) -> None:
    rows = [
        [f"{clients} clients: request -> complete answer", len(heard.answered), *spread(heard.answered)],
        [f"{clients} clients: key due -> complete answer", len(heard.typed), *spread(heard.typed)],
    ]
    if pages:
        rows.append([f"{pages} pages: key down -> painted", len(taken), *spread(taken)])
    print_table(["ms", "count", *SPREAD], rows)


def _print_memory(server: Server, before: int, peak: int) -> None:
    time.sleep(LEAVING)
    names = ["server's memory", "before", "peak", "after all have left"]
    print_table(names, [["resident", *map(megabytes, (before, peak, server.memory()))]])


def load(
    clients: Annotated[int, typer.Option(min=1, help="WebSocket clients that type.")] = 100,
    seconds: Annotated[float, typer.Option(help="How long they type.")] = 60,
    pages: Annotated[int, typer.Option(min=0, help="Real browser pages that type among them.")] = 20,
) -> None:
    """Print how long answers take while many people type at one process, and what memory they cost."""
    with serving("app.py") as server:
        server.wait_until_loaded()
        before = server.memory()
        crowd = Crowd(server.url, clients, seconds, RATE)
        with MemoryWatch(server) as watch:
            taken, changed, heard, version = asyncio.run(_pages(crowd, pages))
        print(f"{clients} clients and {pages} pages, each {RATE:g} keys a second for {seconds:g} s; {machine(version)}")
        _print(heard, taken, pages, clients)
        _print_memory(server, before, watch.peak)
    print(f"\n{heard.keys} keys of clients, {heard.unread} unanswered, {len(heard.errors)} errors", end="; ")
    print(f"{changed} of {pages} pages lost text")
    for error in heard.errors[:5]:
        print(f"- {error}")
    if heard.errors or heard.unread or changed:
        raise typer.Exit(1)

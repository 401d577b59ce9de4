"""`live`: milliseconds from a key pressed to the pixels it changed, in a real browser.

A key's time starts with the `timeStamp` of its trusted keydown event. It ends in a task that was posted from the
animation frame after the page had drawn the answer to a text with that key in it, so that the frame itself counts. A
key that was overtaken by the next one ends with the first picture that shows it: none is left out.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import typer
from playwright.sync_api import Browser, Page

from tests.bench.figures import SPREAD, machine, median, print_table, spread
from tests.bench.server import serving
from tests.bench.studio import (
    SOURCE,
    chromium,
    open_page,
    open_studio,
    press_all,
    press_alone,
    start_with,
    text_box,
    wait_for_picture,
)

RATE, WARM_UP = 3.0, 10
SHORT, LONG = 200, 2000
STEPS = ("key down -> request sent", "-> first answer in", "-> complete answer in", "-> drawn", "-> frame done")
ALONE = 10


@dataclass(frozen=True)
class Row:
    """What is typed: how long the text is, where the caret stands, and whether each key waits for the picture."""

    name: str
    length: int
    caret: int
    keys: int
    alone: bool = False


@dataclass(frozen=True)
class Typed:
    """What was measured of one row: milliseconds of each key, and where they went."""

    row: Row
    begun: list[float]
    painted: list[float]
    parts: list[list[float]]
    overtaken: int
    wrong: dict[str, int]


def _seen(keys: list[float], shown: list[dict[str, Any]], first_length: int) -> list[dict[str, Any]]:
    """Return, key by key, the first thing shown after it that has it in its text."""
    return [
        next(one for one in shown if one["length"] >= first_length + i and one["at"] >= key)
        for i, key in enumerate(keys)
    ]


def _parts(keys: list[float], seen: list[dict[str, Any]]) -> list[list[float]]:
    """Return how long each step between a key and its picture took, a list a step."""
    if any(one.get("complete") is None for one in seen):
        return []
    names = ("sent", "first", "complete", "at", "after")
    walks = [[key, *(one[name] for name in names)] for key, one in zip(keys, seen, strict=True)]
    return [[walk[i + 1] - walk[i] for walk in walks] for i in range(len(names))]


def _type(page: Page, row: Row, source: str) -> Typed:
    """Type into a text of a length; the first keys only warm up."""
    count = WARM_UP + row.keys
    start = min(row.length - WARM_UP, LONG - 1 - count)
    before, new, at = source[:start], source[start : start + count], min(row.caret, start)
    start_with(page, before, at)
    page.evaluate("rvBench.take()")
    if row.alone:
        press_alone(page, new, start)
    else:
        press_all(page, new, RATE)
    wait_for_picture(page, start + count)
    noted = page.evaluate("rvBench.take()")
    text = before[:at] + new + before[at:]
    wrong = {"lost": int(text_box(page).input_value() != text), "late": noted["late"], "stale": noted["stale"]}
    return _measure(row, noted, start + WARM_UP + 1, wrong)


def _measure(row: Row, noted: dict[str, Any], first_length: int, wrong: dict[str, int]) -> Typed:
    """Match what was shown to the keys that asked for it."""
    keys = noted["keys"][WARM_UP:]
    shown = {kind: [one for one in noted["shown"] if one["kind"] == kind] for kind in ("begun", "painted")}
    seen = {kind: _seen(keys, ones, first_length) if ones else [] for kind, ones in shown.items()}
    taken = {
        kind: [one["after"] - key for key, one in zip(keys, ones, strict=True)] if ones else []
        for kind, ones in seen.items()
    }
    overtaken = sum(one["length"] > first_length + i for i, one in enumerate(seen["painted"]))
    return Typed(row, taken["begun"], taken["painted"], _parts(keys, seen["painted"]), overtaken, wrong)


def _studio_rows(browser: Browser, keys: int) -> list[Typed]:
    """Type on the live page: at the end and in the middle of a short and a long text."""
    rows = [Row("live page, at the end", length, length, keys) for length in (SHORT, LONG)]
    rows += [Row("live page, in the middle", length, length // 2, keys) for length in (SHORT, LONG)]
    rows.append(Row("the same, each key alone", LONG, LONG // 2, min(keys, ALONE), alone=True))
    with serving("app.py") as server:
        server.wait_until_loaded()
        page = open_studio(browser, server.url)
        found = [_type(page, row, SOURCE) for row in rows]
        page.context.close()
    return found


def _plain_rows(browser: Browser, keys: int) -> list[Typed]:
    """Type into plain widgets: `st.text_input(live="0ms")` in a fragment, see `plain.py`."""
    source = SOURCE.replace("\n", " ")
    with serving("tests/bench/plain.py") as server:
        server.wait_until_loaded()
        page = open_page(browser, server.url)
        page.evaluate("rvBench.watch('.bench-text')")
        rows = [Row("plain widgets, at the end", length, length, keys) for length in (SHORT, LONG)]
        found = [_type(page, row, source) for row in rows]
        page.context.close()
    return found


def _print(found: list[Typed]) -> None:
    named = [([one.row.name, f"{one.row.length:,}"], one) for one in found]
    print_table(
        ["key down -> painted, ms", "characters", *SPREAD, *(f"first answer {name}" for name in SPREAD), "overtaken"],
        ([*name, *spread(one.painted), *spread(one.begun), one.overtaken] for name, one in named),
    )
    print_table(
        ["where it goes, median ms", "characters", *STEPS],
        ([*name, *map(median, one.parts)] for name, one in named if one.parts),
    )


def _tell_what_is_wrong(found: list[Typed]) -> None:
    """Say what went wrong, and end with an error if any of it is a fault of the picture or the text."""
    if late := sum(one.wrong["late"] for one in found):
        print(f"\nAnswers to an older text that were announced as the newest text's: {late}")
    if stale := sum(one.wrong["stale"] for one in found):
        print(f"\nRequests that claimed columns worked out from another text (a wrong picture): {stale}")
    if lost := [one.row.name for one in found if one.wrong["lost"]]:
        print(f"\nThe text is not what was typed: {', '.join(lost)}")
    if stale or lost:
        raise typer.Exit(1)


def live(keys: Annotated[int, typer.Option(help="Keys of each row, after ten to warm up.")] = 60) -> None:
    """Print how long it takes from a key pressed to the pixels it changes, beside plain widgets."""
    with chromium() as browser:
        print(f"{keys} keys a row at {RATE:g} a second; {machine(browser.version)}", flush=True)
        found = [*_studio_rows(browser, keys), *_plain_rows(browser, keys)]
    _print(found)
    _tell_what_is_wrong(found)

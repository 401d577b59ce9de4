"""The lesson: what recurrent networks are, an experiment at a time."""

from __future__ import annotations

from collections.abc import Callable

from rnnviz.pages.lesson import batches, bptt, cell, issues, order, shapes, unrolling, words

PAGES: dict[str, tuple[str, Callable[[], None]]] = {
    "order": ("Order matters", order.render),
    "shapes": ("One API, many shapes", shapes.render),
    "unrolling": ("Unrolling", unrolling.render),
    "cell": ("Inside the cell", cell.render),
    "words": ("Words to numbers", words.render),
    "batches": ("Ragged batches", batches.render),
    "training": ("Training by steps", bptt.render),
    "issues": ("Open issues", issues.render),
}
"""Address -> (title, what draws the page), in the lesson's order."""

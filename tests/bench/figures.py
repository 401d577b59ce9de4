"""Figures and how they are printed: markdown tables, milliseconds, the machine they were taken on."""

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

SPREAD = ("p50", "p95", "max")


def spread(milliseconds: Sequence[float]) -> list[str]:
    """Return p50, p95 and the largest, as cells of a table."""
    if not milliseconds:
        return ["-"] * len(SPREAD)
    return [f"{value:.0f}" for value in (*np.percentile(milliseconds, [50, 95]), max(milliseconds))]


def median(milliseconds: Sequence[float]) -> str:
    """Return the median, with one decimal, as a cell of a table."""
    return f"{np.median(milliseconds):.1f}" if milliseconds else "-"


def print_table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a markdown table."""
    head = list(head)
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)


def machine(browser: str = "") -> str:
    """Return one line about the machine and what ran on it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    load = os.getloadavg()[0]
    parts = [f"{os.cpu_count()} cores ({cpu})", f"load before {load:.1f}", "one torch thread a request in the app"]
    parts += [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in ("torch", "streamlit"))]
    return ", ".join([*parts, *([f"Chromium {browser}"] if browser else [])])


def megabytes(size: int) -> str:
    """Return a number of bytes in MB."""
    return f"{size / 1e6:.0f} MB"

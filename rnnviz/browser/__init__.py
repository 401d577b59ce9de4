"""What runs in the browser: plain ES modules and a style sheet, joined into one script where only one can be sent."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import (?:\{[^}]*\}|\* as (?P<whole>\w+)) from "\./(?P<file>\w+\.js)";\n', re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:async )?(?:class|function|const) (\w+)", re.MULTILINE)


@cache
def bundle(entry: str) -> str:
    """Return a module and all that it imports as one script, each module once, those it needs before it.

    Imports are by name or whole (`import * as name`); names at the top of all modules differ, so they share one scope.

    Args:
        entry: The module's file name; its own `export` stays.
    """
    parts: list[str] = []
    _join(entry, parts, set(), keep_export=True)
    return "\n".join(parts)


def _join(file: str, parts: list[str], done: set[str], keep_export: bool = False) -> None:
    if file in done:
        return
    done.add(file)
    source = (_HERE / file).read_text(encoding="utf-8")
    for found in _IMPORT.finditer(source):
        _join(found["file"], parts, done)
        whole = f"const {found['whole']} = "
        if found["whole"] and not any(part.startswith(whole) for part in parts):
            names = _EXPORTED.findall((_HERE / found["file"]).read_text(encoding="utf-8"))
            parts.append(f"{whole}{{ {', '.join(names)} }};")
    source = _IMPORT.sub("", source)
    parts.append(source if keep_export else re.sub(r"^export ", "", source, flags=re.MULTILINE))


@cache
def style(file: str = "style.css") -> str:
    """Return a style sheet."""
    return (_HERE / file).read_text(encoding="utf-8")

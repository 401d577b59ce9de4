"""Files that are either wholly written or not at all; it knows nothing of what is in them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rnnviz.errors import SaveError

Write = Callable[[Path], None]
_MARK = ".unfinished"


def write_together(files: Mapping[Path, Write]) -> None:
    """Write several files: each first beside its place, and only when all are whole are they put in place, in order.

    Args:
        files: For each path a function that fills the temporary file whose path it is given.

    Raises:
        SaveError: One could not be written (a full disk, no permission); all that was there before is untouched.
    """
    ready: list[tuple[Path, Path]] = []
    try:
        for path, write in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_MARK, dir=path.parent)
            os.close(handle)
            temporary = Path(name)
            ready.append((temporary, path))
            write(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
        for temporary, path in ready:
            temporary.replace(path)
    except OSError as error:
        raise SaveError(
            f"{path} could not be written ({error.strerror or error}); what was there before is intact. "
            "Free some space or choose another folder."
        ) from error
    finally:
        for temporary, _ in ready:
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, write: Write) -> None:
    """Write one file; see `write_together`.

    Raises:
        SaveError: It could not be written; a file that was there before is untouched.
    """
    write_together({path: write})


def is_file(path: Path) -> bool:
    """Tell whether a path is a file; a name that no file can have (too long, a null character) is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written in a folder."""
    for path in folder.glob(f".*{_MARK}"):
        path.unlink(missing_ok=True)


def json_writer(value: Any) -> Write:
    """Return the function that writes a value as indented UTF-8 JSON, for `write_together`."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    return lambda path: path.write_text(text, encoding="utf-8", errors="surrogatepass") and None

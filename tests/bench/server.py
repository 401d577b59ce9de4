"""A Streamlit server in a process of its own, on a free port, and how much memory it takes."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60.0


@dataclass(frozen=True)
class Server:
    """A running server: its address and its process."""

    url: str
    pid: int

    def memory(self) -> int:
        """Return the resident bytes of the process and its children, 0 where there is no /proc."""
        return sum(_resident(pid) for pid in _family(self.pid))

    def wait_until_loaded(self) -> None:
        """Wait until memory stands still: models are loaded before the first visitor comes."""
        before = -1
        while abs(self.memory() - before) > 1_000_000:
            before = self.memory()
            time.sleep(1)


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    children = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [pid, *(found for group in children for child in group for found in _family(int(child)))]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_up(url: str, process: subprocess.Popen) -> None:
    """Wait for the health page.

    Raises:
        RuntimeError: The server ended, or did not answer in time.
    """
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise RuntimeError("the server did not start")


@contextmanager
def serving(script: str) -> Iterator[Server]:
    """Run a Streamlit script with the shipped models only, from the repository's root and by its settings."""
    port = _free_port()
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    command += ["--server.headless", "true", "--server.address", "127.0.0.1"]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        environment = {**os.environ, "RNNVIZ_MODELS": str(Path(folder) / "models")}
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            _wait_until_up(f"http://127.0.0.1:{port}", process)
            yield Server(f"http://127.0.0.1:{port}", process.pid)
        except BaseException:
            log.seek(0)
            print(f"server (exit status {process.poll()}): {log.read()[-2000:]}", file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(timeout=30)


class MemoryWatch:
    """Follows a server's memory in a thread; `peak` is the most that was seen."""

    def __init__(self, server: Server, every: float = 0.25) -> None:
        self._server, self._every = server, every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = 0

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self._every):
            self.peak = max(self.peak, self._server.memory())

"""Shared fixtures: tiny models, the data folder, a running app and a browser."""

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, BrowserContext, Error

from rnnviz import checkpoints
from rnnviz.checkpoints import Model
from rnnviz.config import ModelConfig
from rnnviz.feedforward import build
from rnnviz.text import CharTokenizer, WordTokenizer

ROOT = Path(__file__).parent.parent
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")  # the lightest first
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
STRANGE_TEXTS = {
    "long": "all work and no play makes a dull film. " * 500,
    "emoji": "great film \U0001f600 \U0001f469\u200d\U0001f467 loved it \U0001f44d",
    "right to left": "\u05e1\u05e8\u05d8 \u05e0\u05d4\u05d3\u05e8 \u0641\u064a\u0644\u0645 \u0631\u0627\u0626\u0639",
    "markup": "<script>document.title='owned'</script> <b>bold</b> & <img src=x onerror=alert(1)>",
    "one token": "a",
    "control": "a\x00b\x07 c\r\n\td \u2028 e",
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
    np.random.seed(0)


def tiny_language_model(folder: Path, cell_type: str = "lstm", **shape: object) -> Model:
    """Make, save and load a character model with random weights."""
    tokenizer = CharTokenizer.fit("the quick brown fox jumps over the lazy dog.\n")
    size = len(tokenizer)
    config = ModelConfig("language_model", cell_type, size, size, 8, 16, **{"num_layers": 2, **shape})
    checkpoints.save(folder, build(config), tokenizer, {"name": folder.name})
    return checkpoints.load(folder, device="cpu")


def tiny_classifier(folder: Path, cell_type: str = "lstm", **shape: object) -> Model:
    """Make, save and load a word classifier with random weights."""
    tokenizer = WordTokenizer.fit(["good bad film not a the was very plot acting"])
    config = ModelConfig(
        "classifier", cell_type, len(tokenizer), 2, 8, 16, padding_index=0, labels=("negative", "positive"), **shape
    )
    checkpoints.save(folder, build(config), tokenizer, {"name": folder.name})
    return checkpoints.load(folder, device="cpu")


def run_lines(script: str) -> str:
    """Run a script as it stands, in this process; returns what it printed."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(script, "<lines>", "exec"), {"__name__": "__main__"})
    return printed.getvalue()


@pytest.fixture
def language_model(tmp_path: Path) -> Model:
    """A tiny character LSTM."""
    return tiny_language_model(tmp_path / "tiny-lm")


@pytest.fixture
def classifier(tmp_path: Path) -> Model:
    """A tiny word LSTM."""
    return tiny_classifier(tmp_path / "tiny-words")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real corpora that RNNVIZ_DATA names; tests that need it are skipped without."""
    folder = os.environ.get("RNNVIZ_DATA")
    if not folder:
        pytest.skip("RNNVIZ_DATA is not set: the checks on real corpora are left out")
    return Path(folder)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    """Use the machine's Chromium or Chrome where there is one."""
    arguments = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
    found = {"executable_path": CHROMIUM} if CHROMIUM else {}
    return {**browser_type_launch_args, "args": arguments, **found}


@pytest.fixture(scope="session")
def launch_browser(launch_browser):
    """Skip, loudly, where there is no browser at all."""

    def launch(**options: object):
        try:
            return launch_browser(**options)
        except Exception as error:
            if CHROMIUM:
                raise
            pytest.skip(f"no browser: `apt install chromium` or `playwright install chromium` ({type(error).__name__})")

    return launch


@pytest.fixture(scope="session")
def one_context(browser: Browser, browser_context_args: dict) -> Iterator[BrowserContext]:
    """One browser for all pages of a worker: what one visit has loaded of the app, the next need not."""
    context = browser.new_context(**browser_context_args)
    yield context
    context.close()


@pytest.fixture
def context(one_context: BrowserContext) -> Iterator[BrowserContext]:
    """That browser, which afterwards forgets what a page has stored or was allowed."""
    yield one_context
    for page in one_context.pages:
        with suppress(Error):  # a page that never went anywhere has no storage
            page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        page.close()
    one_context.clear_cookies()
    one_context.clear_permissions()


@contextmanager
def start_app(port: int | None = None, script: str = "app.py") -> Iterator[tuple[str, subprocess.Popen]]:
    """Run the app as the README says, or another script from here; gives its address and process once it answers."""
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    command += ["--server.headless", "true", "--server.address", "127.0.0.1"]
    url, paths = f"http://127.0.0.1:{port}", {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=paths, stdout=log, stderr=subprocess.STDOUT)
        try:
            for _ in range(240):
                try:
                    urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
                    break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.25)
            else:
                log.seek(0)
                pytest.fail(f"the app did not start: {log.read()[-2000:]}")
            yield url, server
        finally:
            server.terminate()
            server.wait(timeout=20)


@pytest.fixture(scope="session")
def app_url() -> Iterator[str]:
    """The address of a running app."""
    with start_app() as (url, _):
        yield url

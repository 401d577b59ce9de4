"""Many people who type, as WebSocket clients in a process of their own; they ask as the page does, and draw nothing.

Each keeps one reading on its way: the newest text goes out when the one before has begun to be answered.
"""

import asyncio
import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlparse

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from rnnviz.live.wire import unpack
from rnnviz.route import PATH
from tests.bench.studio import MODEL, SOURCE, pauses

START, LAYER, SIGNAL = 200, 1, "hidden"
CONNECTING, PATIENCE = 20.0, 60.0
"""Seconds over which clients come one after the other, and that an answer may take."""


@dataclass(frozen=True)
class Crowd:
    """How many clients, how fast each types, for how long, and where."""

    url: str
    clients: int
    seconds: float
    rate: float


@dataclass
class Heard:
    """What clients saw: milliseconds, and what went wrong."""

    answered: list[float] = field(default_factory=list)
    typed: list[float] = field(default_factory=list)
    keys: int = 0
    unread: int = 0
    errors: list[str] = field(default_factory=list)


@contextmanager
def closing_noted(heard: Heard) -> Iterator[None]:
    """Note a connection that was lost or never made, and go on."""
    try:
        yield
    except (OSError, TimeoutError, WebSocketException, asyncio.BrokenBarrierError) as error:
        heard.errors.append(f"{type(error).__name__}: {error}")


class Client:
    """One typist: a text of its own that grows at its end."""

    def __init__(self, number: int, socket: ClientConnection, heard: Heard) -> None:
        self._socket, self._heard = socket, heard
        self._source = (SOURCE[number * 97 % START :] + SOURCE) * 2
        self._length, self._have, self._seq = START, 0, 0
        self._sent: tuple[int, float] | None = None
        self._begun = True
        self._waiting = False
        self._keys: list[tuple[int, float]] = []
        self.complete = asyncio.Event()

    async def key(self, due: float) -> None:
        """Press a key that was due at a time."""
        self._length += 1
        self._keys.append((self._length, due))
        self._heard.keys += 1
        await self.send()

    async def send(self) -> None:
        """Ask for the text as it is, or when what is on its way has begun to be answered."""
        self._waiting = not self._begun
        if self._waiting:
            return
        self._seq += 1
        self._sent, self._begun = (self._length, time.monotonic()), False
        self.complete.clear()
        request = {"ask": "read", "seq": self._seq, "model": MODEL, "variant": "model", "clamps": []}
        request |= {"signal": SIGNAL, "layer": LAYER, "text": self._source[: self._length], "have": self._have}
        await self._socket.send(json.dumps(request))

    async def listen(self) -> None:
        """Take in answers until this side closes the connection."""
        with closing_noted(self._heard):
            await self._listen()

    async def _listen(self) -> None:
        async for message in self._socket:
            header, arrays = unpack(message)
            if "error" in header:
                self._heard.errors.append(header["error"])
            if header["seq"] == self._seq:
                await self._take(header, len(arrays.get("shades", ())))

    async def _take(self, header: dict, columns: int) -> None:
        self._begun = True
        if "error" not in header:
            self._have = header["base"] + columns
        if header.get("done"):
            self._note()
        if self._waiting:
            await self.send()
        elif header.get("done"):
            self.complete.set()

    def _note(self) -> None:
        now, (length, sent) = time.monotonic(), self._sent
        if not self._keys:  # the first reading
            return
        self._heard.answered.append((now - sent) * 1e3)
        self._heard.typed += [(now - due) * 1e3 for reached, due in self._keys if reached <= length]
        self._keys = [(reached, due) for reached, due in self._keys if reached > length]

    def unread(self) -> int:
        """Return how many keys were never answered."""
        return len(self._keys)


async def _type(number: int, crowd: Crowd, heard: Heard, ready: asyncio.Barrier) -> None:
    """Connect when it is this one's turn, read a first text, wait for the others, and type."""
    await asyncio.sleep(CONNECTING * number / crowd.clients)
    origin, address = crowd.url, f"ws://{urlparse(crowd.url).netloc}{PATH}"
    async with connect(address, origin=origin, proxy=None, max_size=None) as socket:
        client = Client(number, socket, heard)
        listening = asyncio.create_task(client.listen())
        await client.send()
        await asyncio.wait_for(client.complete.wait(), PATIENCE)
        await ready.wait()
        due = time.monotonic() + number / crowd.clients / crowd.rate
        until = due + crowd.seconds
        for pause in pauses(crowd.rate, number):
            await asyncio.sleep(due - time.monotonic())
            await client.key(due)
            due += pause
            if due > until:
                break
        await asyncio.wait_for(client.complete.wait(), PATIENCE)
        heard.unread += client.unread()
    await listening


async def _one(number: int, crowd: Crowd, heard: Heard, ready: asyncio.Barrier) -> None:
    before = len(heard.errors)
    with closing_noted(heard):
        await _type(number, crowd, heard, ready)
    if len(heard.errors) > before:
        await ready.abort()


async def _all(crowd: Crowd, started: object) -> Heard:
    heard, ready = Heard(), asyncio.Barrier(crowd.clients + 1)
    tasks = [asyncio.create_task(_one(number, crowd, heard, ready)) for number in range(crowd.clients)]
    try:
        await ready.wait()
    except asyncio.BrokenBarrierError:
        heard.errors.append("not every client could connect and read its first text")
    started.set()
    await asyncio.gather(*tasks)
    return heard


def _run(crowd: Crowd, started: object) -> Heard:
    return asyncio.run(_all(crowd, started))


@contextmanager
def typing(crowd: Crowd) -> Iterator[Future[Heard]]:
    """Let a crowd type beside what is done meanwhile; it has begun when this is entered."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(1, mp_context=context) as pool:
        started = manager.Event()
        future = pool.submit(_run, crowd, started)
        while not started.wait(0.2) and not future.done():
            pass
        yield future

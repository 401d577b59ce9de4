"""The app's own WebSocket: typed text in, pictures out, past Streamlit's rerun; it guards itself."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlparse

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from rnnviz import checkpoints
from rnnviz.errors import RnnvizError
from rnnviz.live.session import LiveSession, echo
from rnnviz.live.together import LATER, begin_together
from rnnviz.live.wire import pack

PATH = "/rnnviz/live"
MOST_CONNECTIONS = 300
LONGEST_MESSAGE = 300_000
"""Characters of a message: the longest text, every character escaped, and room for the rest."""

RATE, BURST = 60, 120
"""Requests a second of one connection, and how many it may save up; beyond, they wait their turn."""

TOGETHER = 32
"""Most readings that are begun in one batch: others wait no longer than it takes."""

WAITING = 32
"""Requests of one connection that may wait; one that sends more is refused the rest."""

UNREAD = 30.0
"""Seconds that a client may take to receive an answer before its connection is closed."""

IDLE = 300.0
"""Seconds without a request after which a connection's memory is given back."""

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_TOO_BIG, _TRY_LATER = 1009, 1013


class Desk:
    """All live connections of this process: how many there are, and how many networks run at a time."""

    def __init__(self, most: int = MOST_CONNECTIONS, idle: float = IDLE) -> None:
        self.most, self.idle, self.open = most, idle, 0
        self._running = CapacityLimiter(os.cpu_count() or 1)
        self._readings: list[tuple[LiveSession, dict, asyncio.Future]] = []
        self._beginning: asyncio.Task | None = None

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection until it is closed."""
        if not same_origin(socket.headers.get("origin"), socket.headers.get("host")):
            await socket.send_denial_response(PlainTextResponse("This address is for rnnviz's own pages.", 403))
            return
        await socket.accept()
        if self.open >= self.most:
            await socket.close(_TRY_LATER, f"{self.most} people are connected already; try again in a while.")
            return
        self.open += 1
        try:
            await Connection(socket, self).run()
        finally:
            self.open -= 1

    async def begin(self, session: LiveSession, request: dict) -> tuple[Iterator[bytes], bytes | None]:
        """Start to answer a reading, together with all that have come while the last ones were begun."""
        future = asyncio.get_running_loop().create_future()
        self._readings.append((session, request, future))
        if self._beginning is None or self._beginning.done():
            self._beginning = asyncio.create_task(self._begin_all())
        answers, first = await future
        return answers, await self.step(answers) if first == LATER else first

    async def _begin_all(self) -> None:
        while self._readings:
            batch, self._readings = self._readings[:TOGETHER], self._readings[TOGETHER:]
            batch = [one for one in batch if not one[2].done()]  # the others have left
            asked = [(session, request) for session, request, _ in batch]
            try:
                begun = await anyio.to_thread.run_sync(begin_together, asked, limiter=self._running)
            except Exception as error:
                begun = [(None, error)] * len(batch)
            for (*_, future), (answers, first) in zip(batch, begun, strict=True):
                if future.done():
                    continue
                if isinstance(first, Exception):
                    future.set_exception(first)
                else:
                    future.set_result((answers, first))

    async def step(self, answers: Iterator[bytes]) -> bytes | None:
        """Return the next message of an answer, worked out beside the event loop, or None after the last."""
        return await anyio.to_thread.run_sync(next, answers, None, limiter=self._running)


def same_origin(origin: str | None, host: str | None) -> bool:
    """Say whether a browser's request comes from this server's own pages; a client without an Origin is no browser."""
    try:
        return origin is None or (host is not None and urlparse(origin).netloc.lower() == host.lower())
    except ValueError:  # no address at all
        return False


class Connection:
    """One connection: requests are answered in turn, but a newer text stops the reading of an older one."""

    def __init__(self, socket: WebSocket, desk: Desk) -> None:
        self._socket, self._desk = socket, desk
        self._session = LiveSession()
        self._waiting: deque[dict] = deque()
        self._job: asyncio.Future | None = None
        self._news = asyncio.Event()
        self._allowance, self._since = float(BURST), time.monotonic()

    async def run(self) -> None:
        """Receive and answer until the other side leaves."""
        answering = asyncio.create_task(self._answer_all())
        try:
            while True:
                await self._receive()
        except WebSocketDisconnect:
            pass
        finally:
            answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering
            if self._job is not None:
                await asyncio.wait([self._job])
            self._session.forget()

    async def _receive(self) -> None:
        """Take in one message."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        text = message.get("text")
        if text is None:
            return await self._close(1003, "A message must be text.")
        if len(text) > LONGEST_MESSAGE:
            return await self._close(_TOO_BIG, f"A message may hold {LONGEST_MESSAGE:,} characters at the most.")
        await self._wait_for_turn()
        try:
            request = json.loads(text)
        except (ValueError, RecursionError):
            return await self._send(pack({"seq": None, "error": "A message must be a JSON object."}))
        if not isinstance(request, dict):
            request = {}
        if request.get("ask") == "read":  # only the newest text matters
            self._waiting = deque(one for one in self._waiting if one.get("ask") != "read")
        if len(self._waiting) >= WAITING:
            error = f"More than {WAITING} requests are waiting; this one was dropped."
            return await self._send(pack({**echo(request), "error": error}))
        self._waiting.append(request)
        self._news.set()

    async def _wait_for_turn(self) -> None:
        """Slow a connection down to the rate: it is not read from meanwhile."""
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._since) * RATE) - 1
        self._since = now
        if self._allowance < 0:
            await asyncio.sleep(-self._allowance / RATE)

    async def _answer_all(self) -> None:
        while True:
            if not self._waiting:
                self._news.clear()
                try:
                    async with asyncio.timeout(self._desk.idle):
                        await self._news.wait()
                except TimeoutError:
                    self._session.forget()
                    await self._news.wait()
            await self._answer(self._waiting.popleft())

    async def _answer(self, request: dict) -> None:
        reading = request.get("ask") == "read"
        try:
            if reading:
                answers, message = await self._work(self._desk.begin(self._session, request))
            else:
                answers = self._session.answer(request)
                message = await self._work(self._desk.step(answers))
            while message is not None:
                await self._send(message)
                if reading and any(one.get("ask") == "read" for one in self._waiting):
                    return
                message = await self._work(self._desk.step(answers))
        except Exception:  # a mistake of ours must not leave the connection mute
            _LOG.exception("A request could not be answered")
            error = "Something went wrong on the server, which has made a note of it; try something else."
            await self._send(pack({**echo(request), "error": error}))

    async def _work(self, job: Coroutine[Any, Any, T]) -> T:
        """Wait for work on the session; if the connection goes meanwhile, the work still ends in its own time."""
        self._job = asyncio.ensure_future(job)
        return await asyncio.shield(self._job)

    async def _send(self, message: bytes) -> None:
        if self._socket.client_state is not WebSocketState.CONNECTED:
            return
        with suppress(RuntimeError, WebSocketDisconnect):  # it left meanwhile; receiving will say so
            try:
                async with asyncio.timeout(UNREAD):  # `wait_for` of Python 3.11 can swallow a cancellation
                    await self._socket.send_bytes(message)
            except TimeoutError:
                await self._socket.close(_TRY_LATER, "Answers were not taken in.")

    async def _close(self, code: int, reason: str) -> None:
        await self._socket.close(code, reason)
        raise WebSocketDisconnect(code)


def routes() -> list[WebSocketRoute]:
    """Return what the app serves beside Streamlit's own."""
    return [WebSocketRoute(PATH, Desk().serve)]


@asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """Load the models before the first visitor comes."""
    for name in checkpoints.models():
        with suppress(RnnvizError, OSError):
            await anyio.to_thread.run_sync(checkpoints.shared, name)
    yield

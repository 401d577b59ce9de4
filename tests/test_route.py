"""The app's own WebSocket, over real sockets: who may come in, how much they may ask, and what is left when they go."""

import asyncio
import gc
import json
import socket
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from rnnviz import checkpoints, route
from rnnviz.config import LONGEST
from rnnviz.live import reader as reading
from rnnviz.live.session import LiveSession
from rnnviz.live.wire import pack, unpack
from rnnviz.route import BURST, LONGEST_MESSAGE, PATH, WAITING, Desk, routes, same_origin
from tests.conftest import tiny_classifier, tiny_language_model

TEXT = "the quick brown fox jumps over the lazy dog. " * 40
PATIENCE = 30.0


@pytest.fixture(scope="module", autouse=True)
def _two_tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("shelf")
    tiny_language_model(folder / "tiny-lm")
    tiny_classifier(folder / "words", "gru")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "SHIPPED", folder)
        patch.setenv("RNNVIZ_MODELS", str(folder / "none"))
        yield


@contextmanager
def _served(desk: Desk | None = None) -> Iterator[str]:
    """The address of a server with nothing but this route."""
    listed = routes() if desk is None else [WebSocketRoute(PATH, desk.serve)]
    config = uvicorn.Config(
        Starlette(routes=listed),
        port=0,
        lifespan="off",
        log_config=None,
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        _until(lambda: server.started or not thread.is_alive())
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def _until(true: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def _join(host: str, **options: object) -> ClientConnection:
    return connect(f"ws://{host}{PATH}", max_size=None, compression=None, open_timeout=PATIENCE, **options)


def _send(client: ClientConnection, **request: object) -> None:
    client.send(json.dumps({"model": "tiny-lm", "layer": 0, "signal": "hidden", "text": TEXT, **request}))


def _receive(client: ClientConnection) -> tuple[dict, dict]:
    return unpack(client.recv(timeout=PATIENCE))


def _ask(client: ClientConnection, **request: object) -> list[tuple[dict, dict]]:
    """All messages of one answer."""
    _send(client, **request)
    answers = [_receive(client)]
    while answers[-1][0].get("done") is False:
        answers.append(_receive(client))
    return answers


def _closed(client: ClientConnection) -> tuple[int, str]:
    """Code and reason with which the server closes the connection."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            client.recv(timeout=PATIENCE)
    return closed.value.rcvd.code, closed.value.rcvd.reason


# --- Answers -------------------------------------------------------------------------------------------------------


def test_answers_are_those_of_a_session() -> None:
    clamp = {"layer": 0, "signal": "cell", "unit": 2, "value": 1.5, "first": 3}
    wishes = [
        {"ask": "model"},
        {"ask": "read"},
        {"ask": "read", "text": TEXT + "x", "have": len(TEXT)},
        {"ask": "read", "text": "a \ud800 \U0001f600\x00\n", "signal": "cell", "layer": 1},
        {"ask": "read", "model": "words", "text": "not a good film, a bad plot"},
        {"ask": "column", "time": 9},
        {"ask": "order", "order": "similarity"},
        {"ask": "saturation"},
        {"ask": "experiment", "text": TEXT[:50], "clamps": [clamp]},
        {"ask": "read", "variant": "clamped", "clamps": [clamp]},
        {"ask": "csv", "first": 0, "last": 30},
        {"ask": "column", "time": 10**9},
        {"ask": "nothing"},
        {},
    ]
    session = LiveSession()
    with _served() as host, _join(host) as client:
        for seq, wish in enumerate(wishes):
            whole = {"model": "tiny-lm", "layer": 0, "signal": "hidden", "text": TEXT, "seq": seq, **wish}
            expected = [unpack(message) for message in session.answer(whole)]
            found = _ask(client, seq=seq, **wish)
            assert [header for header, _ in found] == [header for header, _ in expected]
            assert found[0][0]["seq"] == seq
            for (_, arrays), (_, others) in zip(found, expected, strict=True):
                assert all(np.allclose(arrays[name], others[name], equal_nan=True, atol=1e-6) for name in others)


def test_everyone_has_a_session_of_their_own() -> None:
    with _served() as host, _join(host) as one, _join(host) as two:
        for n in range(1, 20):
            texts = (TEXT[:n], TEXT[-n:])
            for client, text in zip((one, two), texts, strict=True):
                _send(client, ask="column", text=text, time=n - 1, seq=n)
            for client, text in zip((one, two), texts, strict=True):
                (expected,) = LiveSession().answer(
                    {"ask": "column", "model": "tiny-lm", "layer": 0, "signal": "hidden", "text": text, "time": n - 1}
                )
                assert np.allclose(_receive(client)[1]["values"], unpack(expected)[1]["values"], atol=1e-6)


# --- Who may come in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1:1.evil.example", "http://[", "nonsense"],
)
def test_other_sites_are_refused(origin: str) -> None:
    with _served(desk := Desk()) as host:
        with pytest.raises(InvalidStatus) as refused:
            _join(host, origin=origin)
        assert refused.value.response.status_code == 403
        sentence = refused.value.response.body.decode()
        assert sentence.endswith(".")
        assert "rnnviz" in sentence
        assert desk.open == 0


def test_own_pages_and_programs_may_come() -> None:
    with _served() as host:
        for origin in (f"http://{host}", f"https://{host}", None):
            with _join(host, origin=origin) as client:
                assert _ask(client, ask="model")[0][0]["model"] == "tiny-lm"


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://h:8501", "h:8501", True),
        ("https://Name.Example", "name.example", True),
        (None, "h", True),
        ("http://h:8501", "h:8502", False),
        ("http://h", "h:8501", False),
        ("http://h.evil", "h", False),
        ("http://h@evil", "h", False),
        ("http://h", None, False),
        ("http://[::1]:8501", "[::1]:8501", True),
        ("http://[::1", "h", False),
        ("null", "h", False),
    ],
)
def test_same_origin(origin: str | None, host: str | None, same: bool) -> None:
    assert same_origin(origin, host) is same


def test_only_so_many_may_come_at_a_time() -> None:
    with _served(desk := Desk(most=2)) as host, _join(host) as one:
        with _join(host) as two:
            assert _ask(one, ask="model")
            assert _ask(two, ask="model")
            assert desk.open == 2
            with _join(host) as three:
                code, reason = _closed(three)
                assert code == 1013
                assert reason == "2 people are connected already; try again in a while."
            assert _ask(two, ask="model")
        _until(lambda: desk.open == 1)
        with _join(host) as four:
            assert _ask(four, ask="model")
    _until(lambda: desk.open == 0)


def test_the_longest_reason_fits_into_a_frame() -> None:
    assert len(f"{route.MOST_CONNECTIONS} people are connected already; try again in a while.".encode()) <= 123


# --- What may be sent ----------------------------------------------------------------------------------------------


def test_a_binary_message_ends_the_connection() -> None:
    with _served(desk := Desk()) as host:
        with _join(host) as client:
            client.send(b"{}")
            assert _closed(client) == (1003, "A message must be text.")
        _until(lambda: desk.open == 0)


def test_too_long_a_message_ends_the_connection() -> None:
    with _served(desk := Desk()) as host:
        with _join(host) as client:
            client.send(json.dumps({"ask": "model", "model": "tiny-lm", "more": ""}).ljust(LONGEST_MESSAGE))
            assert _receive(client)[0]["model"] == "tiny-lm"
            client.send(" " * (LONGEST_MESSAGE + 1))
            code, reason = _closed(client)
        assert code == 1009
        assert f"{LONGEST_MESSAGE:,}" in reason
        _until(lambda: desk.open == 0)


def test_the_longest_text_fits_into_a_message() -> None:
    with _served() as host, _join(host) as client:
        text = "\U0001f600" * 20_000  # twelve characters each, escaped
        if len(json.dumps({"text": text})) > LONGEST_MESSAGE:
            text = "\u00e9" * 20_000
        assert _ask(client, ask="read", text=text)[-1][0]["total"] == LONGEST


@pytest.mark.parametrize(
    "message",
    ["", "nonsense", "{", '{"ask": "model"', "[" * 100_000, '"' * 3, "1" * 5000, "NaN", "[]", "7", "null", '"ask"'],
    ids=lambda message: message[:9],
)
def test_what_is_no_request_gets_one_sentence_and_no_harm_is_done(message: str) -> None:
    with _served() as host, _join(host) as client:
        client.send(message)
        header, arrays = _receive(client)
        assert header["error"].endswith(".")
        assert header["seq"] is None
        assert not arrays
        assert "error" not in _ask(client, ask="model")[0][0]  # nothing else came in between


@pytest.mark.parametrize("field", ["ask", "seq", "model", "text", "layer", "clamps"])
def test_deep_nesting_does_no_harm(field: str) -> None:
    with _served() as host, _join(host) as client:
        for depth in (10, 400, *range(860, 1000, 4), 5000):
            request = {"ask": "read", "model": "tiny-lm", "layer": 0, "signal": "hidden", "text": "the"}
            nested = "[" * depth + "]" * depth
            client.send(json.dumps({**request, field: "HERE"}).replace('"HERE"', nested))
            while _receive(client)[0].get("done") is False:
                pass
        assert "error" not in _ask(client, ask="model", seq=1)[0][0]


# --- Taking turns --------------------------------------------------------------------------------------------------


class _Slow:
    """A session whose answers begin and then wait for `go`."""

    go = threading.Event()
    began: list[int]

    def __init__(self) -> None:
        _Slow.began = []

    def forget(self) -> None:
        pass

    def growth(self, request: dict, most: int) -> None:
        return None

    def answer(self, request: dict) -> Iterator[bytes]:
        self.began.append(request["seq"])
        yield pack({"seq": request["seq"], "done": False})
        assert self.go.wait(PATIENCE)
        yield pack({"seq": request["seq"], "done": True})


@pytest.fixture
def _slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(route, "LiveSession", _Slow)
    _Slow.go.clear()
    yield
    _Slow.go.set()


@pytest.mark.usefixtures("_slow")
def test_only_so_many_requests_may_wait() -> None:
    assert WAITING + 10 < BURST
    with _served() as host, _join(host) as client:
        _send(client, ask="column", seq=0)
        assert _receive(client)[0]["seq"] == 0
        for seq in range(1, WAITING + 4):
            _send(client, ask="column", seq=seq)
        for seq in range(WAITING + 1, WAITING + 4):
            header, _ = _receive(client)
            assert (header["seq"], header["ask"]) == (seq, "column")
            assert header["error"] == f"More than {WAITING} requests are waiting; this one was dropped."
        _Slow.go.set()
        done = []
        while len(done) <= WAITING:
            header, _ = _receive(client)
            done += [header["seq"]] if header["done"] else []
        assert done == list(range(WAITING + 1))  # in turn
        assert _Slow.began == done


@pytest.mark.usefixtures("_slow")
def test_of_readings_that_wait_only_the_newest_is_done() -> None:
    with _served() as host, _join(host) as client:
        _send(client, ask="column", seq=0)
        assert _receive(client)[0]["seq"] == 0
        for seq in range(1, 50):
            _send(client, ask="read", seq=seq)
        _send(client, ask="column", seq=50)
        # One more than may wait is refused at once: by then all of the above has been taken in.
        for seq in range(51, 51 + WAITING):
            _send(client, ask="column", seq=seq)
        while "error" not in _receive(client)[0]:
            pass
        _Slow.go.set()
        while _receive(client)[0]["seq"] != 50:
            pass
        assert _Slow.began[:3] == [0, 49, 50]


def test_a_newer_text_stops_the_reading_of_an_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST", "_STRETCH"):
        monkeypatch.setattr(reading, name, 1)
    older, newer = TEXT[:1500], TEXT[:5]
    with _served() as host, _join(host) as client:
        _send(client, ask="read", text=older, seq=1)
        assert _receive(client)[0]["seq"] == 1
        _send(client, ask="read", text=newer, seq=2)
        seen: list[tuple[int, bool]] = []
        while not seen or seen[-1] != (2, True):
            header, _ = _receive(client)
            seen.append((header["seq"], header["done"]))
        assert (1, True) not in seen
        assert seen == sorted(seen)
        header, arrays = _ask(client, ask="column", text=older, time=len(older) - 1, seq=3)[0]
        (expected,) = LiveSession().answer(
            {"ask": "column", "model": "tiny-lm", "layer": 0, "signal": "hidden", "text": older, "time": 1499}
        )
        assert np.allclose(arrays["values"], unpack(expected)[1]["values"], atol=1e-6)


def test_other_questions_do_not_stop_a_reading() -> None:
    with _served() as host, _join(host) as client:
        _send(client, ask="read", seq=1)
        for seq in range(2, 12):
            _send(client, ask="column", time=3, seq=seq)
        headers = [_receive(client)[0]]
        while headers[-1]["seq"] != 11:
            headers.append(_receive(client)[0])
        assert [header["seq"] for header in headers if header.get("done")] == [1]
        assert [header["seq"] for header in headers if header["ask"] == "column"] == list(range(2, 12))


def test_too_many_requests_wait_their_turn_and_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "BURST", 3)
    monkeypatch.setattr(route, "RATE", 20)
    with _served() as host, _join(host) as client:
        begun = time.monotonic()
        for seq in range(13):
            _send(client, ask="model", seq=seq)
        assert [_receive(client)[0]["seq"] for _ in range(13)] == list(range(13))
        assert time.monotonic() - begun > 0.9 * 10 / 20


# --- What is left --------------------------------------------------------------------------------------------------


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref]:
    """Every session made from now on."""
    kept: list[weakref.ref] = []

    class Kept(LiveSession):
        def __init__(self) -> None:
            super().__init__()
            kept.append(weakref.ref(self))

    monkeypatch.setattr(route, "LiveSession", Kept)
    return kept


def _gone(sessions: list[weakref.ref]) -> bool:
    gc.collect()
    return all(session() is None for session in sessions)


def test_a_quiet_connection_gives_its_memory_back_and_still_answers(sessions: list[weakref.ref]) -> None:
    with _served(Desk(idle=0.05)) as host, _join(host) as client:
        first = _ask(client, ask="read")
        for _ in range(3):
            _until(lambda: not sessions[0]()._readers)
            (header, arrays), *_ = _ask(client, ask="column", time=5)
            assert "error" not in header
            assert arrays["values"].shape == (16,)
        _until(lambda: not sessions[0]()._readers)
        assert [header for header, _ in _ask(client, ask="read")] == [header for header, _ in first]
        assert len(sessions) == 1


def test_a_busy_connection_keeps_its_memory(sessions: list[weakref.ref]) -> None:
    with _served() as host, _join(host) as client:
        _ask(client, ask="read")
        (held,) = sessions[0]()._readers.values()
        for n in range(5):
            _ask(client, ask="read", text=TEXT + "x" * n, have=len(TEXT))
        assert list(sessions[0]()._readers.values()) == [held]


@pytest.mark.parametrize("politely", [True, False], ids=["closed", "cut off"])
def test_nothing_is_left_when_a_client_leaves_in_the_middle(
    monkeypatch: pytest.MonkeyPatch, sessions: list[weakref.ref], politely: bool
) -> None:
    for name in ("_FIRST", "_STRETCH"):
        monkeypatch.setattr(reading, name, 1)
    with _served(desk := Desk()) as host:
        for _ in range(3):
            with _join(host) as client:
                _send(client, ask="read", seq=1)
                for seq in range(2, 9):
                    _send(client, ask="experiment", seq=seq)
                assert _receive(client)[0]["done"] is False
                assert desk.open == 1
                if not politely:
                    client.socket.shutdown(socket.SHUT_RDWR)
            _until(lambda: desk.open == 0)
        _until(lambda: _gone(sessions))
        assert len(sessions) == 3
        with _join(host) as client:
            assert _ask(client, ask="model")


def test_a_mistake_of_ours_is_one_sentence_and_the_connection_lives_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: LiveSession, asked: object) -> Iterator[tuple]:
        yield {"done": False}, None
        raise ZeroDivisionError("a secret")

    monkeypatch.setitem(LiveSession._ASKS, "read", broken)
    with _served(desk := Desk()) as host:
        with _join(host) as client:
            _send(client, ask="read", seq=4)
            assert _receive(client)[0]["done"] is False
            header, _ = _receive(client)
            assert (header["seq"], header["ask"]) == (4, "read")
            assert header["error"].endswith(".")
            assert "secret" not in header["error"]
            assert "error" not in _ask(client, ask="model")[0][0]
        _until(lambda: desk.open == 0)
    assert "ZeroDivisionError" in caplog.text


# --- Before the first visitor --------------------------------------------------------------------------------------


def _run(start: Callable[[], Coroutine]) -> None:
    """Run a coroutine on a thread of its own: a browser of another test may still have a loop on this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(start())).result()


def test_the_models_are_there_before_the_first_visitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start() -> None:
        async with route.lifespan(None):
            pass

    loaded: list[str] = []
    monkeypatch.setattr(checkpoints, "shared", loaded.append)
    _run(start)
    assert loaded == list(checkpoints.models())
    loaded.clear()
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    _run(start)
    assert not loaded
    monkeypatch.undo()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / checkpoints.WEIGHTS).write_bytes(b"nonsense")
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    _run(start)

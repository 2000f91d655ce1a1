"""A watcher that does not read is cut off, and nobody else notices (PROTOCOL 2.6.4)."""

import asyncio
import json
import select
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from channels.db import database_sync_to_async
from pytest_django.fixtures import Settings

from progrock.live import connection, outbox, wire
from progrock.live.connection import Connection
from progrock.live.hub import Hub, hub
from progrock.live.publishing import Facts, Published
from progrock.live.sse import Stream
from progrock.models import Job
from tests.contracts.parts import running_job
from tests.contracts.test_hub import eventually
from tests.contracts.web_server import RECEIVE_BUFFER_BYTES, Caller, serving

pytestmark = pytest.mark.usefixtures("real_parts", "in_memory")
WAITING = 40  # frames that an outbox holds at most, here
FRAMES = 120
LARGEST = 64 * 1024 + 16 * 1024  # bytes: what a transport holds before it says that it is full
TRY_LATER = struct.pack("!BBH", 0x88, 2, 1013)  # the close frame (RFC 6455, 5.5.1)


@pytest.fixture
def in_memory(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are handed to the hub by the tests, and outboxes are small."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    settings.PROGROCK_ANONYMOUS = True
    monkeypatch.setattr(outbox, "MAX_FRAMES", WAITING)


@pytest.fixture(params=["known", "plain"])
def kind_of_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server whose transport the wire knows, and any other one."""
    if request.param == "plain":
        monkeypatch.setattr(connection, "socket_wire", wire.AsgiSocket)
    return str(request.param)


@pytest.fixture
async def server(kind_of_server: str) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """A web server of each kind, and its port."""
    async with serving() as served:
        yield served


def event(job: Job, seq: int, type_: str = "log") -> Published:
    """Return an event of two kilobytes, as the log would publish it."""
    frame = json.dumps({"type": type_, "job": str(job.id), "lines": ["x" * 2_000], "seq": seq})
    facts = Facts(None, "plain", (), "running")
    return Published(job=str(job.id), seq=seq, type=type_, frame=frame, facts=facts, shard=0)


class Readers:
    """Many watchers who read, in a thread of their own."""

    def __init__(self, port: int, job: str, number: int) -> None:
        self._poll = select.epoll()
        self._callers = []
        for _ in range(number):
            caller = Caller(port)
            caller.watch(job)
            caller.socket.setblocking(False)
            self._callers.append(caller)
            self._poll.register(caller.socket.fileno(), select.EPOLLIN)
        self._by_fd = {caller.socket.fileno(): caller.socket for caller in self._callers}
        self.frames = dict.fromkeys(self._by_fd, 0)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        tails = dict.fromkeys(self._by_fd, b"")
        while not self._is_over.is_set():
            for fd, _ in self._poll.poll(0.1):
                data = tails[fd] + self._by_fd[fd].recv(1 << 18)
                self.frames[fd] += data.count(b'"seq"')
                tails[fd] = data[-4:]

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        for caller in self._callers:
            caller.close()


@contextmanager
def closing(*callers: Any) -> Iterator[None]:
    try:
        yield
    finally:
        for caller in callers:
            caller.close()


def frames_in(said: str) -> list[dict[str, Any]]:
    """Return the events among what was said, whatever stands around them."""
    begin = '{"type": '
    return [json.JSONDecoder().raw_decode(begin + rest)[0] for rest in said.split(begin)[1:]]


async def in_thread(call: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.to_thread(call, *args)


def watcher_of(home: Hub, kind: type) -> Any:
    """Return the only watcher of a kind."""
    (found,) = [watcher for watcher in home._watchers if isinstance(watcher, kind)]
    return found


def bytes_waiting(deaf: Connection) -> int:
    """Return how many bytes wait for a connection, in its outbox and in its transport."""
    backlog = deaf.outbox._backlog
    protocol = deaf.base_send.__self__  # type: ignore[attr-defined]
    return (backlog._bytes if backlog else 0) + protocol.transport.get_write_buffer_size()


async def test_one_that_never_reads_delays_nobody_and_is_cut_off_with_1013(
    server: tuple[uvicorn.Server, int], kind_of_server: str
) -> None:
    _, port = server
    number = 500 if kind_of_server == "known" else 50
    job = await database_sync_to_async(running_job)()
    slow = Caller(port, receive_buffer=RECEIVE_BUFFER_BYTES)
    await in_thread(slow.watch, str(job.id))
    home = hub()
    deaf = watcher_of(home, Connection)
    most = 0
    readers = await in_thread(Readers, port, str(job.id), number)
    with closing(readers, slow):
        for seq in range(job.seq + 1, job.seq + 1 + FRAMES):
            home.take(event(job, seq))
            most = max(most, bytes_waiting(deaf))
            told = seq - job.seq
            await eventually(
                lambda told=told: min(readers.frames.values()) >= told - WAITING // 2,
                f"frame {told}, to each of those who read",
            )
        await eventually(lambda: set(readers.frames.values()) == {FRAMES}, "all of it, to all")
        assert deaf.outbox.is_closed  # while the others went on
        assert deaf not in home._watchers
        assert len(home.watchers_of(str(job.id))) == number
        assert most <= LARGEST + WAITING * 2_100
        said = await in_thread(slow.read_until, TRY_LATER)
    assert said.endswith(TRY_LATER)
    assert said.count(b'"seq"') < FRAMES


async def test_one_that_goes_on_not_reading_is_ended_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "CUT_OFF_SECONDS", 0.1)
    async with serving() as (server, port):
        job = await database_sync_to_async(running_job)()
        slow = Caller(port, receive_buffer=RECEIVE_BUFFER_BYTES)
        with closing(slow):
            await in_thread(slow.watch, str(job.id))
            deaf = watcher_of(hub(), Connection)
            for seq in range(job.seq + 1, job.seq + 1 + FRAMES):
                hub().take(event(job, seq))
                await asyncio.sleep(0)
            assert deaf.outbox.is_closed
            await eventually(lambda: not server.server_state.connections, "the connection's end")
            await eventually(lambda: not server.server_state.tasks, "the end of its task")
            said = await in_thread(slow.read_all)
    assert 0 < said.count(b'"seq"') < FRAMES


async def test_an_event_stream_that_nobody_reads_is_ended() -> None:
    async with serving() as (server, port):
        job = await database_sync_to_async(running_job)()
        slow = Caller(port, receive_buffer=RECEIVE_BUFFER_BYTES)
        with closing(slow):
            await in_thread(slow.stream, str(job.id))
            deaf = watcher_of(hub(), Stream)
            for seq in range(job.seq + 1, job.seq + 1 + FRAMES):
                hub().take(event(job, seq))
                await asyncio.sleep(0)
            assert deaf.outbox.is_closed
            await eventually(lambda: not server.server_state.connections, "the connection's end")
            await eventually(lambda: not server.server_state.tasks, "the end of its task")
            assert deaf not in hub()._watchers
            said = await in_thread(slow.read_all)
    assert 0 < said.count(b'"seq"') < FRAMES


@pytest.mark.parametrize("kind", ["socket", "stream"])
async def test_one_that_reads_late_gets_the_latest_progress_and_what_was_skipped(
    kind: str,
) -> None:
    async with serving() as (_, port):
        job = await database_sync_to_async(running_job)()
        slow = Caller(port, receive_buffer=RECEIVE_BUFFER_BYTES)
        with closing(slow):
            await in_thread(slow.watch if kind == "socket" else slow.stream, str(job.id))
            last = job.seq + 5 * FRAMES
            for seq in range(job.seq + 1, last):
                hub().take(event(job, seq, "progress"))
                if seq % 10 == 0:
                    await asyncio.sleep(0)
            hub().take(event(job, last, "state"))
            said = await in_thread(slow.read_until, b'"seq": %d}' % last)
    frames = frames_in(said.decode(errors="replace"))
    after = job.seq
    for frame in frames:
        assert frame["seq"] == after + 1 + frame.get("skipped", 0)
        after = frame["seq"]
    assert frames[-1]["type"] == "state"
    assert frames[-2]["skipped"] > FRAMES
    assert len(frames) < FRAMES


@pytest.mark.parametrize("kind", ["socket", "stream"])
async def test_a_client_that_is_gone_leaves_nothing_behind(
    kind: str, server: tuple[uvicorn.Server, int]
) -> None:
    running, port = server
    job = await database_sync_to_async(running_job)()
    callers = [Caller(port) for _ in range(5)]
    with closing(*callers):
        for caller in callers:
            await in_thread(caller.watch if kind == "socket" else caller.stream, str(job.id))
        assert len(hub().watchers_of(str(job.id))) == 5
    await eventually(lambda: not hub()._watchers, "that nobody watches")
    await eventually(lambda: not running.server_state.tasks, "that no task is left")
    assert not hub()._topics

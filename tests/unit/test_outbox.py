"""An outbox keeps its order and its bounds, whatever the connection does (PROTOCOL 2.6)."""

import asyncio
import json

import pytest

from progrock.live.outbox import MAX_BYTES, MAX_FRAMES, Outbox
from progrock.live.publishing import Facts, Published
from progrock.live.wire import GoneError

FACTS = Facts(None, "plain", (), "running")


class Peer:
    """The other end of a wire: takes frames while there is room, or is gone."""

    def __init__(self, *, takes_at_once: bool) -> None:
        self.takes_at_once = takes_at_once
        self.taken: list[str] = []
        self.room = asyncio.Event()
        self.room.set()
        self.is_asked = asyncio.Event()
        self.is_gone = False
        self.told: list[str] = []
        self.at_once = self.most_at_once = 0
        self.outbox = Outbox(self, self)

    # --- the wire ---

    def write_now(self, frame: str, event: Published | None) -> bool:
        if not self.takes_at_once or not self.room.is_set():
            return False
        self._take(frame)
        return True

    async def write(self, frame: str, event: Published | None) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.is_asked.set()
        await self.room.wait()
        if not self.takes_at_once:
            await asyncio.sleep(0)
        self.at_once -= 1
        self._take(frame)

    def _take(self, frame: str) -> None:
        if self.is_gone:
            raise GoneError
        self.taken.append(frame)

    # --- the owner ---

    def on_full(self) -> None:
        self.told.append("full")

    def on_broken(self) -> None:
        self.told.append("broken")


@pytest.fixture(params=[True, False], ids=["at once", "by a task"])
async def peer(request: pytest.FixtureRequest) -> Peer:
    """A peer behind each kind of wire."""
    return Peer(takes_at_once=request.param)


async def drained(outbox: Outbox) -> None:
    async with asyncio.timeout(10):
        await outbox.drained()


async def blocked(peer: Peer) -> None:
    """Have the peer read no more, with one frame on its way."""
    peer.room.clear()
    peer.outbox.put("on its way")
    async with asyncio.timeout(10):
        await peer.is_asked.wait()


def event(seq: int, type_: str = "progress", job: str = "a") -> Published:
    frame = json.dumps({"type": type_, "job": job, "seq": seq})
    return Published(job=job, seq=seq, type=type_, frame=frame, facts=FACTS, shard=0)


def put(peer: Peer, *events: Published) -> None:
    for each in events:
        peer.outbox.put(each.frame, each)


def told(peer: Peer) -> list[tuple[str, str, int, int]]:
    """Return (job, type, seq, skipped) of the events that were taken."""
    frames = [json.loads(frame) for frame in peer.taken if frame.startswith("{")]
    return [
        (frame["job"], frame["type"], frame["seq"], frame.get("skipped", 0)) for frame in frames
    ]


# --- order ---------------------------------------------------------------------------------------


async def test_frames_are_written_in_their_order_one_at_a_time(peer: Peer) -> None:
    frames = [str(number) for number in range(500)]
    for number, frame in enumerate(frames):
        peer.outbox.put(frame)
        if number % 50 == 0:
            await asyncio.sleep(0)
    await drained(peer.outbox)
    assert peer.taken == frames
    assert peer.most_at_once <= 1


async def test_what_had_to_wait_goes_before_what_comes_later(peer: Peer) -> None:
    await blocked(peer)
    peer.outbox.put("b")
    peer.room.set()
    peer.outbox.put("c")
    await drained(peer.outbox)
    peer.outbox.put("d")
    await drained(peer.outbox)
    assert peer.taken == ["on its way", "b", "c", "d"]


async def test_where_there_is_room_no_task_is_made() -> None:
    peer = Peer(takes_at_once=True)
    before = len(asyncio.all_tasks())
    for number in range(10):
        peer.outbox.put(str(number))
    assert len(asyncio.all_tasks()) == before
    assert len(peer.taken) == 10


async def test_an_idle_outbox_has_no_task(peer: Peer) -> None:
    before = len(asyncio.all_tasks())
    for _ in range(2):
        peer.outbox.put("a")
        await drained(peer.outbox)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == before


# --- bounds --------------------------------------------------------------------------------------


async def test_a_reader_that_does_not_read_is_told_of_once_and_holds_no_memory(peer: Peer) -> None:
    await blocked(peer)
    for number in range(3 * MAX_FRAMES):
        peer.outbox.put(str(number))
    assert peer.told == ["full"]
    assert peer.outbox._backlog is None
    peer.outbox.put("late")
    peer.room.set()
    await drained(peer.outbox)
    await asyncio.sleep(0.01)
    assert len(peer.taken) <= 1  # the one that was on its way
    assert "late" not in peer.taken


@pytest.mark.parametrize("text", ["x" * 300_000, "日" * 100_000], ids=["ascii", "three bytes each"])
async def test_the_bound_holds_for_bytes_too(peer: Peer, text: str) -> None:
    await blocked(peer)
    for _ in range(MAX_BYTES // 300_000):
        peer.outbox.put(text)
    assert peer.told == []
    peer.outbox.put(text)
    assert peer.told == ["full"]


async def test_one_frame_may_be_larger_than_the_bound(peer: Peer) -> None:
    peer.outbox.put("x" * (MAX_BYTES + 1))
    await drained(peer.outbox)
    assert (peer.told, len(peer.taken)) == ([], 1)


async def test_what_was_written_no_longer_counts(peer: Peer) -> None:
    for number in range(10 * MAX_FRAMES):
        peer.outbox.put("x" * 1_000)
        if number % (MAX_FRAMES // 2) == 0:
            await drained(peer.outbox)
    await drained(peer.outbox)
    assert peer.told == []
    assert len(peer.taken) == 10 * MAX_FRAMES


# --- the end -------------------------------------------------------------------------------------


async def test_a_connection_that_is_gone_is_told_of_once(peer: Peer) -> None:
    peer.is_gone = True
    for _ in range(5):
        peer.outbox.put("a")
    await drained(peer.outbox)
    await asyncio.sleep(0.01)
    peer.outbox.put("b")
    await asyncio.sleep(0.01)
    assert (peer.told, peer.taken) == (["broken"], [])


async def test_a_closed_outbox_drops_what_it_held_and_takes_no_more(peer: Peer) -> None:
    await blocked(peer)
    for frame in "abc":
        peer.outbox.put(frame)
    peer.outbox.close()
    peer.outbox.put("d")
    peer.room.set()
    await drained(peer.outbox)
    await asyncio.sleep(0.01)
    assert peer.taken in ([], ["on its way"])
    assert peer.told == []


async def test_waiting_for_a_closed_or_empty_outbox_ends_at_once(peer: Peer) -> None:
    await drained(peer.outbox)
    await blocked(peer)
    peer.outbox.close()
    await drained(peer.outbox)


# --- merging -------------------------------------------------------------------------------------


async def test_progress_that_cannot_be_sent_in_time_is_merged_into_the_latest(peer: Peer) -> None:
    await blocked(peer)
    put(peer, *(event(seq) for seq in range(4, 11)))
    peer.room.set()
    await drained(peer.outbox)
    assert told(peer) == [("a", "progress", 10, 6)]


async def test_each_job_has_its_own_latest(peer: Peer) -> None:
    await blocked(peer)
    put(peer, *(event(seq, job=job) for seq in (2, 3, 4) for job in "ab"))
    peer.room.set()
    await drained(peer.outbox)
    assert told(peer) == [("a", "progress", 4, 2), ("b", "progress", 4, 2)]


@pytest.mark.parametrize("type_", ["state", "log", "comment", "edited", "complete"])
async def test_no_other_event_is_left_out_or_overtaken(peer: Peer, type_: str) -> None:
    await blocked(peer)
    put(peer, event(2), event(3), event(4, type_), event(5, type_), event(6), event(7))
    peer.room.set()
    await drained(peer.outbox)
    assert told(peer) == [
        ("a", "progress", 3, 1),
        ("a", type_, 4, 0),
        ("a", type_, 5, 0),
        ("a", "progress", 7, 1),
    ]


async def test_a_watcher_that_keeps_up_gets_every_progress(peer: Peer) -> None:
    for start in range(0, 100, 10):
        put(peer, *(event(seq) for seq in range(start, start + 10)))
        await drained(peer.outbox)
    assert told(peer) == [("a", "progress", seq, 0) for seq in range(100)]


async def test_merged_progress_never_fills_the_box(peer: Peer) -> None:
    await blocked(peer)
    put(peer, *(event(seq) for seq in range(2, 5 * MAX_FRAMES)))
    assert peer.told == []
    peer.room.set()
    await drained(peer.outbox)
    assert told(peer) == [("a", "progress", 5 * MAX_FRAMES - 1, 5 * MAX_FRAMES - 3)]


async def test_events_that_may_not_be_merged_fill_it(peer: Peer) -> None:
    await blocked(peer)
    put(peer, *(event(seq, "log") for seq in range(2, 2 * MAX_FRAMES)))
    assert peer.told == ["full"]

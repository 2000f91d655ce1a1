"""An outbox keeps its order and its bounds, whatever the connection does (PROTOCOL 2.6)."""

import asyncio

from progrock.live.outbox import MAX_BYTES, MAX_FRAMES, Outbox


class Connection:
    """The other end: takes frames when `may_take` is set, or breaks."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.is_broken = False
        self.told: list[str] = []
        self.at_once = self.most_at_once = 0
        self.outbox = Outbox(
            self._send, lambda: self.told.append("full"), lambda: self.told.append("broken")
        )

    async def _send(self, frame: str) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_take.wait()
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.is_broken:
            raise ConnectionResetError("gone")
        self.taken.append(frame)


async def drained(outbox: Outbox) -> None:
    async with asyncio.timeout(10):
        await outbox.drained()


async def test_frames_are_written_in_their_order_one_at_a_time() -> None:
    connection = Connection()
    frames = [str(number) for number in range(500)]
    for number, frame in enumerate(frames):
        connection.outbox.put(frame)
        if number % 50 == 0:
            await asyncio.sleep(0)
    await drained(connection.outbox)
    assert connection.taken == frames
    assert connection.most_at_once == 1


async def test_an_idle_outbox_has_no_task() -> None:
    connection = Connection()
    before = len(asyncio.all_tasks())
    connection.outbox.put("a")
    await drained(connection.outbox)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before
    connection.outbox.put("b")
    await drained(connection.outbox)
    assert connection.taken == ["a", "b"]


async def test_a_reader_that_does_not_read_is_told_of_once_and_holds_no_memory() -> None:
    connection = Connection()
    connection.may_take.clear()
    for number in range(3 * MAX_FRAMES):
        connection.outbox.put(str(number))
    assert connection.told == ["full"]
    assert not connection.outbox._frames
    connection.outbox.put("late")
    connection.may_take.set()
    await drained(connection.outbox)
    await asyncio.sleep(0.01)
    assert len(connection.taken) <= 1  # the one that was on its way
    assert "late" not in connection.taken


async def test_the_bound_holds_for_bytes_too() -> None:
    connection = Connection()
    connection.may_take.clear()
    for _ in range(MAX_BYTES // 100_000 + 2):
        connection.outbox.put("x" * 100_000)
    assert connection.told == ["full"]


async def test_bytes_are_counted_as_they_are_written() -> None:
    connection = Connection()
    connection.may_take.clear()
    for _ in range(MAX_BYTES // 300_000 + 2):
        connection.outbox.put("日" * 100_000)  # three bytes each, in UTF-8
    assert connection.told == ["full"]


async def test_what_was_written_no_longer_counts() -> None:
    connection = Connection()
    for number in range(10 * MAX_FRAMES):
        connection.outbox.put("x" * 1_000)
        if number % (MAX_FRAMES // 2) == 0:
            await drained(connection.outbox)
    await drained(connection.outbox)
    assert connection.told == []
    assert len(connection.taken) == 10 * MAX_FRAMES


async def test_a_connection_that_is_gone_is_told_of_once() -> None:
    connection = Connection()
    connection.is_broken = True
    for _ in range(5):
        connection.outbox.put("a")
    await drained(connection.outbox)
    await asyncio.sleep(0.01)
    connection.outbox.put("b")
    await asyncio.sleep(0.01)
    assert (connection.told, connection.taken) == (["broken"], [])


async def test_a_closed_outbox_drops_what_it_held_and_takes_no_more() -> None:
    connection = Connection()
    connection.may_take.clear()
    for frame in "abc":
        connection.outbox.put(frame)
    await asyncio.sleep(0)
    connection.outbox.close()
    connection.outbox.put("d")
    connection.may_take.set()
    await drained(connection.outbox)
    await asyncio.sleep(0.01)
    assert connection.taken in ([], ["a"])
    assert connection.told == []


async def test_waiting_for_a_closed_or_empty_outbox_ends_at_once() -> None:
    connection = Connection()
    await drained(connection.outbox)
    connection.may_take.clear()
    connection.outbox.put("a")
    await asyncio.sleep(0)
    connection.outbox.close()
    await drained(connection.outbox)

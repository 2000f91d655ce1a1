"""How far one job was told: what is new, what is old, and where something is missing. Pure."""

from enum import Enum, auto

from progrock.client.events import Event, read_event, snapshot_event
from progrock.client.values import Json, Snapshot


class News(Enum):
    """What a frame is to one who has been told up to a seq."""

    NEXT = auto()
    OLD = auto()
    HOLE = auto()


class Known:
    """What is known of a job: `snapshot` is the latest, `told` the seq that its iteration gave."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.told = snapshot.seq

    def learn(self, snapshot: Snapshot) -> None:
        """Take a snapshot, unless a later one is known."""
        if snapshot.seq >= self.snapshot.seq:
            self.snapshot = snapshot

    def learn_frame(self, frame: Json) -> None:
        """Take an event in."""
        if frame["type"] == "presence":
            watchers = frame.get("watchers") or {}
            self.snapshot = self.snapshot.with_watchers(watchers.get("count"))
        else:
            self.snapshot = self.snapshot.after(frame)


class Position:
    """The seq that one iteration has told, and whether the end was among it."""

    def __init__(self, known: Known, seq: int | None = None) -> None:
        self.known = known
        self.seq = known.told if seq is None else seq
        self.is_over = False
        self.holes = 0
        self._moves_job = seq is None

    @property
    def job(self) -> str:
        """The job's id."""
        return self.known.snapshot.job

    @property
    def after(self) -> int | None:
        """The seq to ask on from; None to begin again, since what is missing does not come."""
        return self.seq if self.holes < 2 else None

    def look_at(self, frame: Json) -> News:
        """Say what an event frame is. `skipped` events of progress are in it, and not missing."""
        seq = int(frame["seq"])
        if seq <= self.seq:
            return News.OLD
        first = seq - int(frame.get("skipped") or 0)
        if first <= self.seq + 1:
            return News.NEXT
        self.holes += 1
        return News.HOLE

    def take(self, frame: Json) -> Event:
        """Return the event that the caller is told now."""
        event = read_event(frame)
        self.known.learn_frame(frame)
        self._move(event.seq, is_over=frame["type"] == "complete")
        return event

    def begin_again(self, snapshot: Snapshot) -> Event | None:
        """Return the event that stands for a snapshot; None where it says nothing new."""
        is_new = snapshot.seq != self.seq or snapshot.complete
        if snapshot.seq < self.seq:  # the log was set back: what we know is no longer so
            self.known.snapshot = snapshot
        self.known.learn(snapshot)
        self._move(snapshot.seq, is_over=snapshot.complete)
        return snapshot_event(snapshot) if is_new else None

    def _move(self, seq: int, *, is_over: bool) -> None:
        self.seq = seq
        self.is_over = is_over
        self.holes = 0
        if self._moves_job:
            self.known.told = seq

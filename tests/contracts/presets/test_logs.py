"""When a job's log is asked for: where there may be more of it, and not at each poll."""

from datetime import timedelta
from typing import Any

import pytest

from progrock.backends import conversation
from progrock.backends.http import Seen
from progrock.jobs.changes import Change, Observation, Unchanged
from tests.contracts.presets.exchanges import Player, backend_of, drive
from tests.contracts.presets.test_odd_replies import BASE, PLAIN, asked

LOGGED = (
    PLAIN
    + """
    current = ".body.current"
    total   = ".body.total"
    [backends.odd.log]
    path  = "/jobs/{operation}/log"
    query = { offset = "{offset}" }
"""
)
SIZED = LOGGED.replace("[backends.odd.log]", "log_size = '.body.log_size'\n[backends.odd.log]")
OURS = f'[backends.odd]\npreset = "progrock"\nbase_url = "{BASE}"\n'


class Watched(Player):
    """A job that is looked at as the worker does: with what was seen the last time."""

    def __init__(self, text: str = LOGGED) -> None:
        super().__init__(backend_of(text))
        self.seen: Seen | None = None
        body = {"json": {}} if text.startswith(OURS) else {}
        self.look("start", iter([asked({"json": {"id": "7"}}, "/jobs", "POST", **body)]))

    def polled(self, *exchanges: dict[str, Any], after: float = 1.0) -> Change:
        """Poll after some seconds, with these exchanges and no other."""
        self.at = self.at + timedelta(seconds=after)
        left = iter(exchanges)
        talk = conversation.poll(self.backend, self.job, self.params, self.at, seen=self.seen)
        change = drive(talk, left)
        assert list(left) == []
        if isinstance(change, Observation):
            self.seen = change.seen
        elif isinstance(change, Unchanged):
            self.seen = change.seen or self.seen
        self.take(change)
        return change

    @property
    def lines(self) -> list[str]:
        """What was told of the log."""
        return self.outcome()["log"]  # type: ignore[no-any-return]


def status(**said: Any) -> dict[str, Any]:
    """Return the exchange of a poll."""
    return asked({"json": {"id": "7", "state": "going", **said}})


def log(offset: int, text: str | None = "") -> dict[str, Any]:
    """Return the exchange of a look at the log; without a text there is none."""
    reply = {"status": 404} if text is None else {"text": text}
    return asked(reply, f"/jobs/7/log?offset={offset}")


def test_while_the_status_says_something_new_the_log_is_asked_for_each_second() -> None:
    job = Watched()
    job.polled(status(progress=1), log(0, "one\n"))
    job.polled(status(progress=2), log(4, "two\n"))
    job.polled(status(progress=3), after=0.5)
    job.polled(status(progress=4), log(8, "three\n"), after=0.5)
    assert job.lines == ["one", "two", "three"]


def test_while_the_status_says_the_same_the_log_is_asked_for_each_five_seconds() -> None:
    job = Watched()
    job.polled(status(current=3, total=9), log(0, "one\n"))
    assert isinstance(job.polled(status(current=3, total=9)), Unchanged)
    change = job.polled(status(current=3, total=9), log(4, "two\n"), after=4)
    assert isinstance(change, Observation)
    assert job.lines == ["one", "two"]
    assert (job.job.current, job.job.total, job.job.log_offset) == (3, 9, 8)
    assert isinstance(job.polled(status(current=3, total=9)), Unchanged)
    assert isinstance(job.polled(status(current=3, total=9), log(8), after=4), Unchanged)
    assert isinstance(job.polled(status(current=3, total=9)), Unchanged)


def test_a_not_modified_status_holds_the_log_up_no_more_than_the_same_one() -> None:
    job = Watched()
    tagged = asked({"json": {"id": "7", "state": "going"}, "headers": {"ETag": '"a"'}})
    same = asked({"status": 304})
    job.polled(tagged, log(0, "one\n"))
    assert isinstance(job.polled(same), Unchanged)
    job.polled(same, log(4, "two\n"), after=5)
    assert job.lines == ["one", "two"]


def test_at_the_end_all_that_is_left_of_the_log_is_fetched() -> None:
    job = Watched()
    job.polled(status(), log(0, "one\n"))
    job.polled(status(state="done"), log(4, "two\n"), log(8, "three"), log(13), after=0.1)
    assert job.lines == ["one", "two", "three"]
    assert job.job.state == "succeeded"


def test_a_log_that_is_not_there_is_asked_for_once_a_minute_and_at_the_end() -> None:
    job = Watched()
    job.polled(status(progress=1), log(0, None))
    job.polled(status(progress=2), after=30)
    job.polled(status(progress=3), log(0, None), after=30)
    job.polled(status(state="done"), log(0, "one\n"), log(4))
    assert job.lines == ["one"]


def test_a_status_that_moves_brings_another_log() -> None:
    job = Watched(LOGGED.replace("map]", 'map]\nstatus_url = ".body.at"'))
    job.polled(status(), log(0, None))
    job.polled(status(at="/jobs/7?now"), log(0, "one\n"))
    assert job.lines == ["one"]


@pytest.mark.parametrize("text", [SIZED, OURS], ids=["described", "progrock"])
def test_a_log_whose_size_is_told_is_asked_for_when_there_is_more(text: str) -> None:
    job = Watched(text)
    job.polled(status(progress=1, state="running"))
    job.polled(status(progress=2, state="running", log_size=0))
    job.polled(status(progress=3, state="running", log_size=4), log(0, "one\n"))
    job.polled(status(progress=4, state="running", log_size=8), after=0.5)
    job.polled(status(progress=4, state="running", log_size=8), log(4, "two\n"), after=0.5)
    job.polled(status(progress=5, state="running", log_size=8), after=60)
    job.polled(status(state="succeeded", log_size=14), log(8, "three\n"), log(14))
    assert job.lines == ["one", "two", "three"]


def test_at_the_end_a_log_without_more_is_not_asked_for() -> None:
    job = Watched(OURS)
    job.polled(status(state="running", log_size=4), log(0, "one\n"))
    job.polled(status(state="succeeded", log_size=4))
    assert job.lines == ["one"]


def test_a_log_of_ones_own_beside_our_contract_needs_no_size() -> None:
    job = Watched(OURS + '[backends.odd.log]\npath = "/jobs/{operation}/lines"\nquery = {}\n')
    job.polled(status(state="running"), asked({"text": "one\n"}, "/jobs/7/lines?offset=0"))
    assert job.lines == ["one"]


def test_a_log_of_ones_own_in_the_status_takes_the_place_of_ours() -> None:
    job = Watched(OURS + 'map.log = ".body.lines"\n')
    job.polled(status(state="running", lines=["one"], log_size=4))
    job.polled(status(state="succeeded", lines=["two"], log_size=8))
    assert job.lines == ["one", "two"]


def test_a_log_is_asked_for_at_each_look_where_nothing_is_remembered() -> None:
    job = Watched()
    job.polled(status(), log(0, "one\n"))
    job.seen = None
    job.polled(status(), log(4, "two\n"), after=0.1)
    assert job.lines == ["one", "two"]

"""Two workers, a clock that steps, and answers that come doubled, late and out of order.

Hypothesis plays them against the log on the real database. After every step the invariants of
DESIGN section 4 and PROTOCOL section 1 hold for every job, and at the end every job can be brought
to its end: none is lost. What the log should accept is known from the row before: the model is
one number, the look that is out.
"""

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from progrock import clock
from progrock.backends import push, registry
from progrock.backends.registry import policy_of
from progrock.identity import ANONYMOUS
from progrock.jobs import commenting, editing, log, recall, rows
from progrock.jobs.changes import (
    CancelRequested,
    Change,
    Ended,
    JobError,
    Observation,
    PollFailed,
    Reported,
    Started,
    StartFailed,
    Unchanged,
)
from progrock.jobs.log import Entry, Lease, Recorded
from progrock.jobs.states import TERMINAL, Condition, JobErrorCode, State
from progrock.live.publishing import Published
from progrock.models import Event, Job
from progrock.polling import claim, pulse, sweeping
from progrock.polling.claim import (
    Claim,
    claim_due,
    claim_start,
    claim_unleased,
    take_leases,
)
from progrock.protocol.messages import JobEdit
from tests.contracts.parts import at_once, frames_of, new_job

pytestmark = pytest.mark.usefixtures("real_parts")
THOROUGH = 1_000  # examples from which on a run was asked to be thorough
STEPS = 30
BEGAN = datetime(2030, 1, 1, tzinfo=UTC)
ROUNDS = 12  # in which every job has to come to its end
LEASE = timedelta(seconds=30)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
BACKENDS = ("plain", "safe", push.NAME)
REMARKS = {"comment", "edited"}
ENDS = sorted(TERMINAL)  # in one order in every run
OUR_ENDS = [state for state in ENDS if state is not State.SUCCEEDED]
RANK = {State.PENDING: 0, State.QUEUED: 1, State.RUNNING: 2, State.CANCELLING: 3}

# --- what is said of a job -----------------------------------------------------------------------

figures = st.none() | st.floats(-20, 120) | st.sampled_from([math.nan, math.inf, -math.inf, 100.0])
errors = st.builds(
    JobError,
    code=st.sampled_from(JobErrorCode),
    message=st.sampled_from(["no", "ü and a longer reason"]),
)
waits = st.none() | st.sampled_from([0.0, 7.0, 1e9])


@st.composite
def observations(draw: st.DrawFn, look: int) -> Observation:
    """What a reply can say; mostly it is no end."""
    live = [None, State.QUEUED, State.RUNNING, State.CANCELLING]
    is_end = draw(st.integers(0, 5)) == 0
    return Observation(
        look=look,
        state=draw(st.sampled_from(ENDS if is_end else live)),
        progress=draw(figures),
        current=draw(figures),
        total=draw(figures),
        message=draw(st.sampled_from([None, "one", "two"])),
        steps=draw(st.none() | st.just([{"name": "a", "state": "running", "progress": 5.0}])),
        result=draw(st.sampled_from([None, 7, {"url": "/x"}])),
        gone=draw(st.integers(0, 15)) == 0,
        log=tuple(f"line {next(numbers)}" for _ in range(draw(st.integers(0, 2)))),
        retry_after=draw(waits),
    )


numbers = itertools.count()  # each line of a log is another one, so that a second time shows


@st.composite
def answers(draw: st.DrawFn, claim: Claim, *, is_start: bool) -> Change:
    """What can come of one look or start."""
    look = claim.job.look
    seen = draw(observations(look))
    if is_start:
        begun = Started(look=look, operation="op", start={"status": 202}, observation=seen)
        failed = StartFailed(
            look=look,
            error=draw(errors),
            try_again=draw(st.booleans()),
            may_run=draw(st.booleans()),
            retry_after=draw(waits),
        )
        return draw(st.sampled_from([begun, begun, failed]))
    ended = Ended(look=look, state=draw(st.sampled_from(OUR_ENDS)), error=draw(errors))
    failed_look = PollFailed(look=look, error=draw(errors), retry_after=draw(waits))
    return draw(
        st.sampled_from([seen, seen, seen, Unchanged(look=look), failed_look, failed_look, ended])
    )


# --- who says it ---------------------------------------------------------------------------------


@dataclass
class Worker:
    """A worker process: what it remembers of jobs, how its clock is off, what it waits for."""

    name: str
    memory: dict[Any, Any] = field(default_factory=dict)
    off: timedelta = timedelta()
    waits_for: list[tuple[Claim, bool]] = field(default_factory=list)  # and whether it is a start


@dataclass
class Known:
    """A job as it was after the last step."""

    row: dict[str, Any]
    frames: list[dict[str, Any]]
    may_run: bool = False  # a start was sent, and may have begun it
    hooked: datetime | None = None  # a hook came since then, and no look was begun


class Log(RuleBasedStateMachine):
    """The machine. `published` and `set_clock` are given by the test."""

    published: ClassVar[list[list[Published]]]
    set_clock: ClassVar[Callable[[Callable[[], datetime]], None]]

    def __init__(self) -> None:
        super().__init__()
        self.began = BEGAN
        self.jobs_made = 0
        self.passed = timedelta()
        self.workers = [Worker("one"), Worker("two")]
        self.known: dict[UUID, Known] = {}
        self.published.clear()
        type(self).set_clock(lambda: self.began + self.passed)
        recall._written = {}

    # --- the steps ---

    @initialize(backends=st.lists(st.sampled_from(BACKENDS), min_size=1, max_size=2))
    def begin(self, backends: list[str]) -> None:
        for backend in backends:
            self.ask_for_a_job(backend, is_begun=True)

    @precondition(lambda self: len(self.known) < 3)
    @rule(backend=st.sampled_from(BACKENDS), is_begun=st.booleans())
    def ask_for_a_job(self, backend: str, is_begun: bool) -> None:
        at = clock.now()
        is_push = backend == push.NAME
        fields = {"started": at, "due_at": at + timedelta(seconds=60)} if is_push else {}
        self.jobs_made += 1  # an id that is the same in each run: it decides how looks are spread
        job = new_job(id=UUID(int=self.jobs_made), backend=backend, created=at, **fields)
        self.known[job.id] = Known(_row(job.id), frames_of(job))
        if is_begun and not is_push:
            self.have_started(job.id)

    @rule(seconds=st.sampled_from([0.01, 1.0, 20.0, 120.0, 4_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.passed += timedelta(seconds=seconds)

    @rule(data=st.data(), hours=st.sampled_from([-1, 0, 1]))
    def a_clock_steps(self, data: st.DataObject, hours: int) -> None:
        self.one_of(data).off = timedelta(hours=hours)

    @rule(data=st.data())
    def a_worker_starts_a_job(self, data: st.DataObject) -> None:
        worker, id_ = self.one_of(data), self.job_of(data)
        again = self.known[id_].row["backend"] == "safe"
        with self.working(worker):
            taken = claim_start(id_, LEASE, clock.now(), again=again)
        if taken is not None:
            assert again or not self.known[id_].may_run, "a start that may have begun is repeated"
            self.known[id_].may_run = True
            worker.waits_for.append((taken, True))

    @precondition(lambda self: any(self.begun()))
    @rule(data=st.data())
    def a_worker_looks(self, data: st.DataObject) -> None:
        """At a job as it falls due, or its lease runs out, by the clock of this worker."""
        worker, id_ = self.one_of(data), data.draw(st.sampled_from(list(self.begun())))
        row = self.known[id_].row
        self.passed += max(timedelta(), row["due_at"] - self.began - self.passed - worker.off)
        self.look(worker, row["backend"], is_leased=data.draw(st.booleans()))

    @precondition(lambda self: any(worker.waits_for for worker in self.workers))
    @rule(data=st.data())
    def a_worker_leases_what_it_looks_at(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([each for each in self.workers if each.waits_for]))
        unleased = [taken for taken, _ in worker.waits_for if not taken.is_leased]
        with self.working(worker):
            leased = {taken.job.id: taken for taken in take_leases(unleased)}
        worker.waits_for = [
            (taken if taken.is_leased else leased[taken.job.id], is_start)
            for taken, is_start in worker.waits_for
        ]

    @precondition(lambda self: any(self.begun()))
    @rule(data=st.data())
    def an_answer_comes_after_the_lease(self, data: st.DataObject) -> None:
        """Another worker has looked meanwhile, and may have its answer already."""
        id_ = data.draw(st.sampled_from(list(self.begun())))
        for worker in self.workers:
            due = Job.objects.get(id=id_).due_at
            self.passed += max(timedelta(), due - self.began - self.passed - worker.off)
            self.look(worker, self.known[id_].row["backend"])
        self.all_holds()
        order = self.workers if data.draw(st.booleans()) else self.workers[::-1]
        for worker in order:
            if worker.waits_for:
                self.record(worker, self.entries_of(data, worker))
                self.all_holds()

    @precondition(lambda self: any(worker.waits_for for worker in self.workers))
    @rule(data=st.data())
    def answers_come(self, data: st.DataObject) -> None:
        """Some of them, in any order, some of them twice, some of them again later."""
        worker = data.draw(st.sampled_from([each for each in self.workers if each.waits_for]))
        self.record(worker, self.entries_of(data, worker))

    @precondition(lambda self: any(worker.waits_for for worker in self.workers))
    @rule(data=st.data())
    def a_job_that_is_kept_stands_still(self, data: st.DataObject) -> None:
        """Nothing is written of it, also when another has taken it; its look stays."""
        worker = data.draw(st.sampled_from([each for each in self.workers if each.waits_for]))
        place = data.draw(st.integers(0, len(worker.waits_for) - 1))
        taken, is_start = worker.waits_for[place]
        same = Unchanged(look=taken.job.look)
        lease = None if taken.is_leased else Lease(worker.name, taken.lease_ends)
        entry = Entry(taken.job.id, same, taken.due, taken.stored, keep_until=LATEST, lease=lease)
        policy = policy_of(taken.job.backend, taken.params)
        if (interval := taken.job.interval) > 0:  # as often as may be
            policy = replace(policy, min=interval, max=interval)
        with self.working(worker):
            outcome = None if is_start else log.unmoved(entry, policy, clock.now())
        assert _row(taken.job.id) == self.known[taken.job.id].row
        if outcome is not None and outcome.kept is not None and outcome.due_at is not None:
            assert outcome.job == taken.job
            assert taken.is_leased, "it is kept without a lease"
            kept = Claim(outcome.kept, outcome.due_at, LATEST, LATEST)
            worker.waits_for[place] = (kept, False)

    @rule(data=st.data())
    def what_is_rolled_back_did_not_happen(self, data: st.DataObject) -> None:
        worker = self.one_of(data)
        entries = self.entries_of(data, worker) if worker.waits_for else []
        published, memory = len(self.published), dict(worker.memory)
        with self.working(worker), transaction.atomic():
            log.record(entries, registry.policy_of)
            transaction.set_rollback(True)
        assert (len(self.published), worker.memory) == (published, memory)

    @rule(data=st.data())
    def somebody_cancels(self, data: st.DataObject) -> None:
        self.record(self.one_of(data), [Entry(job=self.job_of(data), change=CancelRequested())])

    @rule(data=st.data(), state=st.sampled_from(OUR_ENDS), error=errors)
    def somebody_decides_the_end(self, data: st.DataObject, state: State, error: JobError) -> None:
        change = Ended(state=state, error=error)
        self.record(self.one_of(data), [Entry(job=self.job_of(data), change=change)])

    @precondition(lambda self: any(self.reported()))
    @rule(data=st.data())
    def a_program_reports(self, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(list(self.reported())))
        change = Reported(observation=data.draw(observations(0)))
        self.record(self.one_of(data), [Entry(job=id_, change=change)])

    @rule(data=st.data())
    def a_hook_comes(self, data: st.DataObject) -> None:
        id_ = self.job_of(data)
        claim.hasten(id_, clock.now())
        if self.known[id_].row["started"] and self.known[id_].row["due_at"]:
            self.known[id_].hooked = clock.now()

    @rule(data=st.data(), is_edit=st.booleans())
    def somebody_remarks(self, data: st.DataObject, is_edit: bool) -> None:
        id_ = str(self.job_of(data))
        if is_edit:
            editing.edit_job(ANONYMOUS, id_, JobEdit(title=f"title {next(numbers)}"))
        else:
            commenting.comment_on(ANONYMOUS, id_, "well")

    @rule(data=st.data())
    def a_worker_is_restarted(self, data: st.DataObject) -> None:
        worker = self.one_of(data)
        worker.memory, worker.off, worker.waits_for = {}, timedelta(), []
        claim.release(worker.name, clock.now())

    @rule(data=st.data())
    def the_sweeper_comes(self, data: st.DataObject) -> None:
        with self.working(self.one_of(data)):
            sweeping.sweep()

    # --- what always holds ---

    @invariant()
    def all_holds(self) -> None:
        jobs = {row["id"]: row for row in Job.objects.values()}
        events: dict[UUID, list[dict[str, Any]]] = {}
        for id_, frame in Event.objects.order_by("seq").values_list("job_id", "frame"):
            events.setdefault(id_, []).append(json.loads(frame))
        assert jobs.keys() == self.known.keys()
        for id_, known in self.known.items():
            row, frames = jobs[id_], events[id_]
            if (row, frames) == (known.row, known.frames):
                continue
            check_row(row)
            check_frames(row, frames)
            check_went_on(known, row, frames)
            known.row, known.frames = row, frames
        self.check_published()

    def check_published(self) -> None:
        told: dict[str, list[int]] = {}
        for batch in self.published:
            for event in batch:
                told.setdefault(event.job, []).append(event.seq)
        for id_, known in self.known.items():
            assert sorted(told[str(id_)]) == [frame["seq"] for frame in known.frames]

    def teardown(self) -> None:
        """No job is lost: a worker whose clock is right brings each to its end."""
        try:
            worker = Worker("the last one")
            for _ in range(ROUNDS):
                if all(known.row["state"] in TERMINAL for known in self.known.values()):
                    break
                self.passed += timedelta(hours=2)
                with self.working(worker):
                    sweeping.sweep()
                    self.bring_to_an_end()
                self.all_holds()
            assert all(known.row["state"] in TERMINAL for known in self.known.values())
        finally:
            Job.objects.all().delete()

    def bring_to_an_end(self) -> None:
        for id_ in self.known:
            self.have_started(id_)
        self.passed += timedelta(seconds=1)
        for backend in BACKENDS:
            for taken in _claimed(backend):
                end = Observation(look=taken.job.look, state=State.SUCCEEDED)
                entry = Entry(job=taken.job.id, change=end, due=taken.due, held=taken.stored)
                log.record([entry], registry.policy_of)

    def have_started(self, id_: UUID) -> None:
        """Have a job started, where it may be."""
        again = self.known[id_].row["backend"] == "safe"
        taken = claim_start(id_, LEASE, clock.now(), again=again)
        if taken is not None:
            look = taken.job.look
            seen = Observation(look=look, state=State.RUNNING)
            begun = Started(look=look, operation="op", start={}, observation=seen)
            log.record([Entry(job=id_, change=begun)], registry.policy_of)

    # --- the parts ---

    def one_of(self, data: st.DataObject) -> Worker:
        return data.draw(st.sampled_from(self.workers))

    def job_of(self, data: st.DataObject) -> UUID:
        return data.draw(st.sampled_from(list(self.known)))

    def reported(self) -> Iterator[UUID]:
        return (id_ for id_, known in self.known.items() if known.row["backend"] == push.NAME)

    def look(self, worker: Worker, backend: str, *, is_leased: bool = True) -> None:
        """Have a worker claim what is due, and check that it got the jobs as they are."""
        with self.working(worker):
            claims = _claimed(backend) if is_leased else self.unleased(worker, backend)
        worker.waits_for += [(each, False) for each in claims]
        for each in claims:
            self.known[each.job.id].hooked = None
            found = rows.read_one(each.job.id)
            assert found is not None
            assert (each.job, each.stored.due_at) == (found.job, found.due_at)

    def unleased(self, worker: Worker, backend: str) -> list[Claim]:
        """Claim what is due and is not looked at by this worker, as a tick that stays does."""
        but = {taken.job.id.int for taken, _ in worker.waits_for}
        policy, now = policy_of(backend), clock.now()
        claims = claim_unleased(backend, 0, policy, now, 9, until=now + LEASE, but=but)
        for each in claims:
            assert _row(each.job.id) == self.known[each.job.id].row, "something was written"
        return claims

    def begun(self) -> Iterator[UUID]:
        """Give the jobs that are looked at."""
        jobs = ((id_, known.row) for id_, known in self.known.items())
        return (id_ for id_, row in jobs if row["started"] and row["due_at"])

    @contextmanager
    def working(self, worker: Worker) -> Iterator[None]:
        """Be a worker: remember what it remembers, and see the time that its clock shows."""
        recall._written = worker.memory
        claim.name_worker(worker.name)
        type(self).set_clock(lambda: self.began + self.passed + worker.off)
        try:
            yield
        finally:
            worker.memory = recall._written
            type(self).set_clock(lambda: self.began + self.passed)

    def entries_of(self, data: st.DataObject, worker: Worker) -> list[Entry]:
        """Return answers to some of what a worker waits for; some it still waits for then."""
        places = st.integers(0, len(worker.waits_for) - 1)
        entries = []
        for place in data.draw(st.lists(places, min_size=1, max_size=4)):
            taken, is_start = worker.waits_for[place]
            entries.append(
                Entry(
                    job=taken.job.id,
                    change=data.draw(answers(taken, is_start=is_start)),
                    due=taken.due,
                    held=taken.stored if not is_start and data.draw(st.integers(0, 3)) else None,
                    keep_until=clock.now() + LEASE if data.draw(st.booleans()) else None,
                    lease=None if taken.is_leased else Lease(worker.name, taken.lease_ends),
                )
            )
        if data.draw(st.booleans()):
            worker.waits_for.pop()
        return entries

    def record(self, worker: Worker, entries: list[Entry]) -> None:
        """Record a batch, and check that what should be accepted is, and nothing else."""
        looks = {id_: known.row["look"] for id_, known in self.known.items()}
        over = {id_ for id_, known in self.known.items() if known.row["state"] in TERMINAL}
        with self.working(worker):
            recorded = log.record(entries, registry.policy_of)
        assert [outcome.job.id for outcome in recorded] == [entry.job for entry in entries]
        for entry, outcome in zip(entries, recorded, strict=True):
            look = entry.change.look
            is_due = entry.job not in over and look in {None, looks[entry.job]}
            assert outcome.accepted == is_due
            if outcome.accepted:
                looks[entry.job] += look is not None
                if outcome.kept is not None and outcome.due_at is not None:
                    kept = Claim(outcome.kept, outcome.due_at, LATEST, LATEST)
                    worker.waits_for.append((kept, False))
                if outcome.job.state.is_terminal:
                    over.add(entry.job)
                hooked = self.known[entry.job].hooked
                if look is not None and entry.held is not None and hooked is not None:
                    due_at = _row(entry.job)["due_at"]
                    assert due_at is None or due_at <= hooked, "a hook was lost"
            self.note_start(outcome, entry.change)

    def note_start(self, outcome: Recorded, change: Change) -> None:
        """Remember that a start is known not to have begun anything."""
        if outcome.accepted and isinstance(change, StartFailed) and not change.may_run:
            self.known[outcome.job.id].may_run = False


def _claimed(backend: str) -> list[Claim]:
    claims = claim_due(backend, 0, registry.policy_of(backend), clock.now())
    return sorted(claims, key=lambda each: each.job.id)


def _row(id_: UUID) -> dict[str, Any]:
    return Job.objects.filter(id=id_).values().get()


# --- the invariants ------------------------------------------------------------------------------


def check_row(row: dict[str, Any]) -> None:
    """Check what holds of a job by itself."""
    is_over = row["state"] in TERMINAL
    assert row["condition"] in list(Condition)
    assert is_over == (row["finished"] is not None)
    assert is_over == (row["due_at"] is None), "a job that goes on is due, one that ended is not"
    assert row["progress"] is None or 0 <= row["progress"] <= 100
    assert (row["progress"] == 100) == (row["state"] == "succeeded")
    if is_over:
        assert (row["condition"], row["eta"]) == ("ok", None)
        assert (row["error"] is None) == (row["state"] == "succeeded")
    elif row["cancel_requested"] is not None:
        assert row["state"] == "cancelling"
        assert row["cancel_due_at"] or row["cancel_sent"], "nobody tells the backend"


def check_frames(row: dict[str, Any], frames: list[dict[str, Any]]) -> None:
    """Check the events of a job: numbers, order, and that the last one is the row."""
    assert [frame["seq"] for frame in frames] == list(range(1, row["seq"] + 1))
    kinds = [frame["type"] for frame in frames]
    assert kinds.count("complete") == (row["state"] in TERMINAL)
    if "complete" in kinds:
        assert set(kinds[kinds.index("complete") + 1 :]) <= REMARKS
    lines = [line for frame in frames for line in frame.get("lines", ())]
    assert len(lines) == len(set(lines)) == row["log_lines"]
    last = frames[-1]
    for name in ("state", "condition", "progress", "current", "total", "unit", "message"):
        assert last[name] == row[name], name
    for before, after in itertools.pairwise(frames):
        ranks = [RANK.get(State(frame["state"]), 4) for frame in (before, after)]
        assert ranks[0] <= ranks[1], "the state went back"
        assert ranks[0] < 4 or before["state"] == after["state"], "a terminal state was left"
        if before["progress"] is not None:
            assert after["progress"] is not None
            assert after["progress"] >= before["progress"], "the progress went back"
    for frame in frames:
        assert frame["complete"] == (frame["state"] in TERMINAL)
        assert (frame["progress"] == 100) == (frame["state"] == "succeeded")


def check_went_on(known: Known, row: dict[str, Any], frames: list[dict[str, Any]]) -> None:
    """Check that what was written stays as it was."""
    assert frames[: len(known.frames)] == known.frames
    assert row["look"] >= known.row["look"]
    if known.row["state"] in TERMINAL:
        own = {"seq", "updated", "title", "note", "labels", "pinned", "version", "cancel_due_at"}
        assert {name: row[name] for name in row.keys() - own} == {
            name: known.row[name] for name in row.keys() - own
        }


@pytest.fixture
def machine(
    monkeypatch: pytest.MonkeyPatch, published: list[list[Published]]
) -> Iterator[type[Log]]:
    """The machine, with a clock of its own and nothing remembered."""
    Log.published = published
    Log.set_clock = lambda now: monkeypatch.setattr(clock, "now", now)
    monkeypatch.setattr(clock, "check", lambda: None)
    monkeypatch.setattr(pulse, "beat", lambda: None)
    monkeypatch.setattr(recall, "_written", {})
    name = claim.worker_name()
    yield Log
    claim.name_worker(name)


def examples(usual: int) -> int:
    """Return how many examples to play: more where the run was asked to be thorough."""
    asked = settings.default.max_examples if settings.default else 0
    return asked if asked >= THOROUGH else usual


def test_the_log_holds_whatever_comes_in_whatever_order(machine: type[Log]) -> None:
    played = settings(max_examples=examples(40), stateful_step_count=STEPS)
    run_state_machine_as_test(machine, settings=played)


DEEDS = ("answer", "answer again", "look", "cancel", "edit", "sweep", "give up")


def test_two_threads_lose_and_double_nothing(machine: type[Log]) -> None:
    """With two connections. All is drawn beforehand: what a race gives decides no draw."""

    @settings(max_examples=examples(12), deadline=None)
    @given(
        turns=st.lists(
            st.tuples(st.sampled_from(DEEDS), st.sampled_from(DEEDS)), min_size=2, max_size=6
        )
    )
    def play(turns: list[tuple[str, str]]) -> None:
        played = machine()
        try:
            played.begin(["plain", "safe"])
            for turn in turns:
                played.passed += timedelta(hours=1)
                answered = {each.job.id: each for each in _claimed("plain") + _claimed("safe")}
                done = at_once(*[partial(do, deed, played, answered) for deed in turn])
                accepted = [outcome.job.id for given in done for outcome in given]
                assert len(accepted) == len(set(accepted)), "a look was answered twice"
                played.all_holds()
        finally:
            played.teardown()

    play()


def do(deed: str, played: Log, claims: Mapping[UUID, Claim]) -> list[Recorded]:
    """Do one thing to all jobs; return what became of the answers that were accepted."""
    entries = []
    for id_, taken in claims.items():
        line = f"line {next(numbers)}"
        seen = Observation(look=taken.job.look, state=State.RUNNING, log=(line,), progress=9.0)
        held = taken.stored if deed == "answer" else None
        entries.append(Entry(job=id_, change=seen, due=taken.due, held=held))
    lost = JobError(code=JobErrorCode.TIMED_OUT, message="too late")
    match deed:
        case "answer" | "answer again":
            recorded = log.record(entries, policy_of)
            return [outcome for outcome in recorded if outcome.accepted]
        case "look":
            _claimed("plain")
        case "cancel":
            log.record([Entry(job=id_, change=CancelRequested()) for id_ in claims], policy_of)
        case "give up":
            end = Ended(state=State.TIMED_OUT, error=lost)
            log.record([Entry(job=id_, change=end) for id_ in list(claims)[:1]], policy_of)
        case "edit":
            for id_ in played.known:
                editing.edit_job(ANONYMOUS, str(id_), JobEdit(note="at once"))
        case "sweep":
            sweeping.sweep()
    return []

"""The tables. What may be written to `Job` state and `Event` is decided in `jobs.log` alone."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from progrock.jobs.states import TERMINAL, Condition, State


class Job(models.Model):
    """One long-running piece of work; the present state, as of event number `seq`."""

    id = models.UUIDField(primary_key=True, editable=False)
    seq = models.PositiveBigIntegerField(default=1)
    backend = models.CharField(max_length=100)
    shard = models.PositiveSmallIntegerField(default=0)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="jobs"
    )
    params = models.JSONField(default=dict)
    retry_of = models.UUIDField(null=True)

    # edited by people, under `version`
    title = models.CharField(max_length=200)
    note = models.TextField(default="", blank=True)
    labels = models.JSONField(default=list, blank=True)
    pinned = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)

    # told by the backend
    state = models.CharField(max_length=16, default=State.PENDING)
    condition = models.CharField(max_length=16, default=Condition.OK)
    progress = models.FloatField(null=True)
    current = models.FloatField(null=True)
    total = models.FloatField(null=True)
    unit = models.CharField(max_length=60, null=True)
    message = models.TextField(null=True)
    steps = models.JSONField(default=list)
    result = models.JSONField(null=True)
    error = models.JSONField(null=True)
    eta = models.FloatField(null=True)
    eta_low = models.FloatField(null=True)
    eta_high = models.FloatField(null=True)
    pace = models.JSONField(default=dict)

    created = models.DateTimeField()
    started = models.DateTimeField(null=True)
    updated = models.DateTimeField()
    finished = models.DateTimeField(null=True)

    # who watches: Unix seconds, for they are read at each look, and a time would be parsed
    watched_until = models.FloatField(default=0.0)

    # what polling needs. A claim moves `due_at` to the end of its lease and counts `look` up.
    due_at = models.DateTimeField(null=True)
    claimed_by = models.CharField(max_length=100, default="", blank=True)  # the worker, or ""
    look = models.PositiveIntegerField(default=0)
    looked_at = models.DateTimeField(null=True)  # when the latest look was claimed
    held_until = models.DateTimeField(null=True)  # the backend's Retry-After: no look before
    report_number = models.PositiveBigIntegerField(default=0)  # the last one a program gave
    interval = models.FloatField(default=0.0)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    moved_at = models.DateTimeField()
    operation = models.TextField(null=True)
    status_url = models.TextField(null=True)
    start = models.JSONField(null=True)
    lookup = models.JSONField(null=True)
    cookies = models.JSONField(default=dict)
    log_offset = models.PositiveBigIntegerField(default=0)
    log_lines = models.PositiveIntegerField(default=0)
    start_sent = models.DateTimeField(null=True)
    cancel_requested = models.DateTimeField(null=True)
    cancel_due_at = models.DateTimeField(null=True)  # null: there is nothing to tell the backend
    cancel_sent = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["backend", "shard", "due_at"],
                name="job_due",
                condition=Q(due_at__isnull=False),
            ),
            models.Index(fields=["-created"], name="job_created"),
            models.Index(fields=["state", "-created"], name="job_state"),
            models.Index(fields=["owner", "-created"], name="job_owner"),
            models.Index(fields=["-updated"], name="job_updated"),
            models.Index(  # the earlier runs of the same work
                fields=["backend", "title", "state", "-finished"],
                name="job_runs",
                condition=Q(finished__isnull=False),
            ),
            models.Index(  # how long jobs took of late
                fields=["backend", "-finished"],
                name="job_ended",
                condition=Q(finished__isnull=False),
            ),
            models.Index(
                fields=["backend", "operation"],
                name="job_operation",
                condition=Q(due_at__isnull=False),
            ),
            models.Index(
                fields=["cancel_due_at"],
                name="job_cancel_due",
                condition=Q(cancel_due_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.id})"

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self.state in TERMINAL


class Event(models.Model):
    """One numbered, immutable change of a job. `frame` is the JSON text that watchers get."""

    pk = models.CompositePrimaryKey("job_id", "seq")
    job = models.ForeignKey(Job, models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveBigIntegerField()
    type = models.CharField(max_length=16)
    at = models.DateTimeField()
    frame = models.TextField()

    def __str__(self) -> str:
        return f"{self.job_id} {self.seq} {self.type}"


class Comment(models.Model):
    """What somebody said to a job. Of one job the ids rise in the order of the events."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="comments", db_index=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="comments"
    )
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["job", "id"], name="comment_order")]

    def __str__(self) -> str:
        return f"{self.job_id} {self.pk}"


class Lane(models.Model):
    """The tick of one shard of a backend: at most one is armed, the one numbered `tick`."""

    backend = models.CharField(max_length=100)
    shard = models.PositiveSmallIntegerField()
    tick = models.PositiveBigIntegerField(default=0)
    armed_for = models.DateTimeField(null=True)  # null: none is under way
    kept_until = models.DateTimeField(null=True)  # a tick stays with it so long
    kept_by = models.CharField(max_length=100, default="", blank=True)  # the tick's worker

    class Meta:
        constraints = [models.UniqueConstraint(fields=["backend", "shard"], name="one_lane")]

    def __str__(self) -> str:
        return f"{self.backend}/{self.shard}"


class FeedWatch(models.Model):
    """Whose list of jobs somebody has open: "*" for all jobs, a user's id, "" for nobody's."""

    owner = models.CharField(max_length=20, primary_key=True)
    until = models.FloatField()  # Unix seconds, as of a job

    def __str__(self) -> str:
        return f"feed of {self.owner!r}"


class IdempotencyKey(models.Model):
    """A client's key for a start: the same key from the same user gives the same job."""

    scope = models.CharField(max_length=40)  # whose: "user:7" or "anonymous"
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)  # of backend and params
    job = models.ForeignKey(Job, models.CASCADE)
    created = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="one_start_per_key")]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"


class Notice(models.Model):
    """Something that every process should take up: a number that is counted up."""

    name = models.CharField(max_length=40, primary_key=True)
    number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.number}"

    @classmethod
    def number_of(cls, name: str) -> int:
        """Return the present number; 0 before the first."""
        return cls.objects.filter(name=name).values_list("number", flat=True).first() or 0

    @classmethod
    def count_up(cls, name: str) -> None:
        """Make the number one higher."""
        cls.objects.get_or_create(name=name)
        cls.objects.filter(name=name).update(number=models.F("number") + 1)


class Token(models.Model):
    """A Bearer token of a user; only its SHA-256 is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=100, blank=True)
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.user}: {self.name or 'token'}"

"""What the tests need to know of a server: its address, and work that behaves in a known way."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Work:
    """A backend and params; without a backend, the server's default one."""

    backend: str | None = None
    params: dict[str, Any] = field(default_factory=dict)

    def request(self, **more: Any) -> dict[str, Any]:
        """Return the fields of a start."""
        backend = {} if self.backend is None else {"backend": self.backend}
        return {**backend, "params": self.params, **more}


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Somebody with an account. Without a password, the session is not tried."""

    name: str
    token: str
    password: str = ""


@dataclass(frozen=True, kw_only=True)
class ClosedTarget:
    """A server that lets nobody in without a token or a session.

    `staff` may log in at `/admin/`; `one` and `other` are no staff, and not the same.
    """

    url: str
    work: Work
    staff: Visitor
    one: Visitor
    other: Visitor


@dataclass(frozen=True, kw_only=True)
class Target:
    """A server that lets everybody in who reaches it."""

    url: str
    quick: Work
    """Moves a few times and succeeds within seconds; and one of another backend."""
    other: Work
    slow: Work
    """Moves for half a minute or longer, unless it is cancelled; does not reach 100 before."""
    failing: Work
    """Fails with a reason."""
    wrong: Work
    """The schema of the backend's params forbids it, in one place."""
    closed: ClosedTarget | None = None


def bundled(url: str, closed: ClosedTarget | None = None) -> Target:
    """Return a server that runs the example backends, as `make run` does."""
    return Target(
        url=url,
        quick=Work(backend="flaky", params={"rows": 1000, "fail_at": None, "pause_ms": 20}),
        other=Work(backend="fractal", params={"width": 64, "height": 64, "pause_ms": 50}),
        slow=Work(backend="flaky", params={"rows": 10_000, "fail_at": None, "pause_ms": 500}),
        failing=Work(backend="flaky", params={"rows": 1000, "fail_at": 50, "pause_ms": 10}),
        wrong=Work(backend="fractal", params={"width": "wide"}),
        closed=closed,
    )

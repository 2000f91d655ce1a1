"""What the page of the backends shows, as it is read at first and as a table without scripts."""

from dataclasses import dataclass
from typing import Any

from progrock.backends import registry
from progrock.identity import Who
from progrock.overview.backends import described, with_figures

CIRCUIT_WORDS = {"closed": "Answers", "open": "Does not answer", "half_open": "Is asked again"}


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendLine:
    """One backend as a template prints it; "-" stands for what is not known."""

    name: str
    title: str
    health: str
    active: int
    rate: str
    errors: str
    p50: str
    p99: str
    lag: str
    duration: str
    failure: str


def read(who: Who) -> list[dict[str, Any]]:
    """Return all backends with their figures, without the schemas of their params."""
    known = registry.backends()
    told = with_figures(who, described(list(known.by_name.values()), known.default))
    return [{name: value for name, value in each.items() if name != "params"} for each in told]


def as_line(told: dict[str, Any]) -> BackendLine:
    """Return a backend in words."""
    figures = told["figures"]
    polls, jobs, durations = figures["polls"], figures["jobs"], figures["durations"]
    rate = polls["error_rate"] if polls else None
    return BackendLine(
        name=told["name"],
        title=told["title"],
        health=_health(told, polls),
        active=jobs["active"],
        rate=f"{polls['per_second']:.3g}" if polls else "-",
        errors="-" if rate is None else f"{100 * rate:.3g} %",
        p50=_seconds(polls["latency"]["p50"] if polls else None),
        p99=_seconds(polls["latency"]["p99"] if polls else None),
        lag=_seconds(jobs["lag"]),
        duration=_seconds(durations["p50"] if durations else None),
        failure=_failure(figures["last_failure"]),
    )


def _health(told: dict[str, Any], polls: dict[str, Any] | None) -> str:
    if told["condition"] == "unreachable":
        return "Does not answer"
    if told["held_until"]:
        return "Wants a pause"
    if polls is None:
        return "Unknown: Redis does not answer"
    return CIRCUIT_WORDS[told["circuit"]] if polls["count"] else "Idle"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.3g} ms" if 0 < seconds < 1 else f"{seconds:.3g} s"


def _failure(failure: dict[str, Any] | None) -> str:
    if failure is None:
        return "-"
    status = "no answer" if failure["status"] is None else f"HTTP {failure['status']}"
    message = f": {failure['message']}" if failure["message"] else ""
    return f"{status}, {failure['at']}{message}"

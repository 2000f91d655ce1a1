"""What the page of one job is made with: for its scripts, and as plain text for who has none."""

import json
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.urls import NoReverseMatch, reverse

from progrock.backends import registry
from progrock.dashboard import queries
from progrock.dashboard.advice import ADVICE, OTHERWISE, Advice, advice_on
from progrock.dashboard.queries import JobLine
from progrock.identity import Who
from progrock.jobs import commenting
from progrock.jobs.states import State
from progrock.models import Comment

COMMENTS = 200  # that the plain page shows; scripts read on
TEXT_LENGTH = 4_000
BAD_ENDS = frozenset({State.FAILED, State.TIMED_OUT})


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPage:
    """A job as its template prints it; `setting` is what the scripts are told."""

    line: JobLine
    told: dict[str, Any]
    params: list[tuple[str, str]]
    advice: Advice | None
    comments: list[Comment]
    setting: dict[str, Any]


def read(who: Who, job: UUID) -> JobPage:
    """Return what a visitor sees of a job. Raises RequestError(unknown_job)."""
    told = queries.one_job(who, job)
    titles = queries.backend_titles()
    comments, _ = commenting.page_of_comments(who, told["job"], COMMENTS, None)
    return JobPage(
        line=queries.as_line(told, titles),
        told=told,
        params=[(name, _shown(value)) for name, value in told["params"].items()],
        advice=advice_on((told["error"] or {}).get("code", ""))
        if told["state"] in BAD_ENDS
        else None,
        comments=comments,
        setting=setting(job, told, titles),
    )


def setting(
    job: UUID, told: dict[str, Any] | None = None, titles: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return what the scripts of the page are told; of a job that may not be seen its id alone."""
    return {
        "job": str(job),
        "snapshot": told,
        "backends": titles or {},
        "log": _whole_log(told) if told else "",
        "start": _start_page() if told else "",
        "advice": {code.value: asdict(advice) for code, advice in ADVICE.items()}
        | {"": asdict(OTHERWISE)},
    }


def _whole_log(told: dict[str, Any]) -> str:
    backend = registry.find(told["backend"])
    if backend is None or backend.log is None:
        return ""
    return f"/api/v1/jobs/{told['job']}/log"


def _start_page() -> str:
    try:
        return reverse("start")
    except NoReverseMatch:
        return ""


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= TEXT_LENGTH else text[: TEXT_LENGTH - 1] + "…"

"""Backends of descriptions that stand in the tests: `backend_of("[start]…")`."""

import tempfile
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from progrock.backends.backend import Backend
from progrock.backends.errors import DescriptionError
from progrock.backends.loading import Backends, load
from progrock.jobs.states import State
from progrock.jobs.values import JobValue

BEGIN = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
JOB = UUID("0199a6f0-7c1e-7d3a-9b1f-2f0d2d6b8a11")
BASE = "http://127.0.0.1:6800"
MINIMAL = f"""
    base_url = "{BASE}"
    start.path = "/jobs"
    status.path = "/jobs/{{operation}}"
"""


def load_text(text: str, env: Mapping[str, str] | None = None) -> Backends:
    """Return the backends of a file with this text. Raises DescriptionError."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "backends.toml"
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return load(file, env or {})


def backend_of(table: str, env: Mapping[str, str] | None = None) -> Backend:
    """Return the backend `b` of one table, in which keys are dotted."""
    return load_text("[backends.b]\n" + textwrap.dedent(table), env).by_name["b"]


def problems_of(text: str, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what is wrong with a file, as {key: what is told of it}; empty when it is valid."""
    try:
        load_text(text, env)
    except DescriptionError as exc:
        told: dict[str, str] = {}
        for problem in exc.problems:
            told[problem.key] = told.get(problem.key, "") + problem.message + "\n"
        return told
    return {}


def a_job(**values: object) -> JobValue:
    """Return a running job of the backend `b`, whose look is number 3."""
    usual = {"state": State.RUNNING, "seq": 3, "look": 3, "operation": "op-1", "started": BEGIN}
    fixed = {"id": JOB, "backend": "b", "created": BEGIN, "updated": BEGIN, "moved_at": BEGIN}
    return JobValue(**{**fixed, **usual, **values})  # type: ignore[arg-type]

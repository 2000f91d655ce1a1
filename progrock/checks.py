"""System checks: what must be right before anything is served."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004

from progrock import conf
from progrock.backends import registry
from progrock.backends.doubts import doubts
from progrock.backends.errors import DescriptionError


@register()
def check_backends(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Every problem in the description of the backends."""
    try:
        found = registry.backends()
    except DescriptionError as exc:
        return [
            Error(
                f"{problem.key}: {problem.message}",
                hint=f"Mend it in {conf.backends_file()}, or name another file in "
                "PROGROCK_BACKENDS.",
                id="progrock.E001",
            )
            for problem in exc.problems
        ]
    return [
        Warning(
            f"{doubt.key}: {doubt.message}",
            hint=f"See {conf.backends_file()}.",
            id="progrock.W001",
        )
        for backend in found.by_name.values()
        for doubt in doubts(backend)
    ]

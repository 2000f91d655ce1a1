"""Why a field of `map` found nothing: in the worker it is null and no more, here jq's words count.

Reads the description's file again for the expressions as they were written. Pure but for that.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jq

from progrock.backends import templates
from progrock.backends.loading import PRESETS
from progrock.protocol.codec import encode


class Explanations:
    """The expressions of one backend, each compiled alone."""

    def __init__(self, expressions: Mapping[str, str]) -> None:
        self._programs = {field: jq.compile(text) for field, text in expressions.items()}

    def why(self, field: str, document: Mapping[str, Any]) -> str | None:
        """Return the error of a field over a document, or None where it merely finds nothing."""
        program = self._programs.get(field)
        if program is None:
            return None
        try:
            next(iter(program.input_text(encode(document))), None)
        except (ValueError, TypeError) as exc:  # TypeError: nested too deep to be written
            return str(exc)
        return None


def explanations(file: Path, backend: str, env: Mapping[str, str]) -> Explanations:
    """Return the explanations for a backend of a file that was loaded without a problem."""
    table = _read(file)["backends"][backend]
    preset = table.get("preset")
    under = _read(PRESETS / f"{preset}.toml").get("map", {}) if preset else {}
    texts = under | table.get("map", {})
    return Explanations({field: templates.expand(text, env) for field, text in texts.items()})


def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))

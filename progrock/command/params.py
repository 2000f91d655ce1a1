"""Reading `-p NAME=VALUE`. Pure but for files that are named."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any


def parse_param(text: str) -> tuple[str, Any]:
    """Return name and value of `NAME=VALUE`; raises ArgumentTypeError.

    A value is JSON where it parses, else text. `@FILE` stands for what a file holds, `@-` for the
    standard input.
    """
    name, is_given, value = text.partition("=")
    if not (name and is_given):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as width=4000")
    if not value.startswith("@"):
        return name, value_of(value)
    try:
        held = sys.stdin.read() if value == "@-" else Path(value[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise argparse.ArgumentTypeError(
            f"{value[1:]!r} cannot be read: {reason}. For a text that begins with @, "
            f"write {name}='\"{value}\"'"
        ) from exc
    return name, value_of(held)


def value_of(text: str) -> Any:
    """Return the JSON value of a text where it is JSON (RFC 8259), else the text."""
    try:
        value = json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return text
    is_too_large = isinstance(value, float) and not math.isfinite(value)
    return text if is_too_large else value


def _no_json(word: str) -> None:
    raise ValueError(f"{word} is no JSON")

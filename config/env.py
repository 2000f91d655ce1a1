"""Read settings from the environment, each with a sentence when it is wrong."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "on", "true", "yes"}
_FALSE = {"0", "off", "false", "no"}


def text(name: str, default: str = "") -> str:
    """Return the variable's value without surrounding blanks; an empty one counts as unset."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, *, default: bool) -> bool:
    """Return an on/off variable. Raises ImproperlyConfigured for any other word."""
    value = text(name).lower()
    if not value:
        return default
    if value in _TRUE | _FALSE:
        return value in _TRUE
    raise ImproperlyConfigured(f"{name} is {value!r}: set it to on or off.")


def choice(name: str, default: str, known: tuple[str, ...]) -> str:
    """Return one of some words. Raises ImproperlyConfigured for any other."""
    value = text(name, default).lower()
    if value not in known:
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to one of {', '.join(known)}.")
    return value


def integer(name: str, default: int, *, low: int, high: int) -> int:
    """Return a whole number within low..high. Raises ImproperlyConfigured otherwise."""
    value = text(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to a number from {low} to {high}.")
    return number


def words(name: str, default: str = "") -> list[str]:
    """Return a comma-separated variable as a list without empty items."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def path(name: str, default: Path) -> Path:
    """Return a folder or file path, absolute."""
    return Path(text(name) or default).expanduser().absolute()

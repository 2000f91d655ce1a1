"""Settings from the environment, checked as a whole before anything starts."""

import os
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from examples.renderer.errors import SettingsError

T = TypeVar("T")

MOST_WORKERS = 64


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the service runs; every field has a variable `RENDERER_…` of the same name."""

    host: str
    port: int
    """0 lets the system choose; the line printed at start tells which one it chose."""
    data: Path
    public_url: str | None
    """The address under which others reach the service; None: the one it listens on."""
    workers: int
    roots: tuple[Path, ...]
    """Folders that may be digested, with all that lies below them."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings, or raise SettingsError with a sentence for each one that is wrong."""
    problems: list[str] = []

    def read(name: str, default: T, parse: Callable[[str], T]) -> T:
        text = environ.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except (ValueError, OSError) as error:
            problems.append(f"{name} {error}, not {text!r}.")
            return default

    settings = Settings(
        host=read("RENDERER_HOST", "127.0.0.1", str),
        port=read("RENDERER_PORT", 8001, lambda text: _whole(text, 0, 65535)),
        data=read("RENDERER_DATA", Path("var/renderer"), Path),
        public_url=read("RENDERER_PUBLIC_URL", None, _web_address),
        workers=read(
            "RENDERER_WORKERS", _spare_cores(), lambda text: _whole(text, 1, MOST_WORKERS)
        ),
        roots=read("RENDERER_ROOTS", (Path(sysconfig.get_path("stdlib")),), _folders),
    )
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _spare_cores() -> int:
    """All cores but one, so that the machine stays usable; at least one."""
    if hasattr(os, "sched_getaffinity"):
        return min(MOST_WORKERS, max(1, len(os.sched_getaffinity(0)) - 1))
    return min(MOST_WORKERS, max(1, (os.cpu_count() or 1) - 1))


def _whole(text: str, least: int, most: int) -> int:
    reason = f"must be a whole number between {least} and {most}"
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ValueError(reason)
    if not least <= int(text) <= most:
        raise ValueError(reason)
    return int(text)


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be an address such as http://renderer.example:8001")
    return text.rstrip("/")


def _folders(text: str) -> tuple[Path, ...]:
    folders = tuple(Path(part).resolve() for part in text.split(os.pathsep) if part)
    if not folders or not all(folder.is_dir() for folder in folders):
        raise ValueError(f"must name existing folders, separated by {os.pathsep!r}")
    return folders

"""One digest over a whole folder tree, read file by file.

With SHA-256 it is what `sha256sum` says of its own sorted list, so that it can be checked:

    cd FOLDER && find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
"""

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated

from examples.renderer.errors import JobFailed
from examples.renderer.job import JsonObject
from examples.renderer.kinds.base import Run
from examples.renderer.params import Choice, OrNull, Text, Whole, printable, show

SLICE_BYTES = 8 * 1024 * 1024
FILES_PER_LISTING = 500
MOST_FILES = 1_000_000
SMALL_FOLDER = "encodings"


class Algorithm(StrEnum):
    """Digests of Python's hashlib that are not broken."""

    SHA256 = "sha256"
    SHA512 = "sha512"
    SHA3_256 = "sha3_256"
    BLAKE2B = "blake2b"


@dataclass(frozen=True, kw_only=True)
class DigestParams:
    """`folder` is absolute or relative to the first root; null is a small one that is there."""

    folder: Annotated[str | None, OrNull(Text(4096))] = None
    algorithm: Annotated[Algorithm, Choice(Algorithm)] = Algorithm.SHA256
    pause_ms: Annotated[int, Whole(0, 5000)] = 20
    """Milliseconds to rest after each file."""


@dataclass(frozen=True)
class Entry:
    """A file that was found: its name below the folder, and its size in bytes at that time."""

    name: str
    size: int


class Digest:
    """The kind `digest`; reads nothing outside of its roots."""

    name = "digest"
    params = DigestParams
    steps = ("count files", "hash files")
    unit = "bytes"
    running_limit = 4

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = tuple(root.resolve() for root in roots)

    def check(self, params: DigestParams) -> list[str]:
        if params.folder is None:
            return []
        allowed = ", ".join(str(root) for root in self._roots)
        try:
            folder = self._resolve(params)
            is_folder = folder.is_dir()
        except (OSError, ValueError, RuntimeError):
            # Too long, not encodable, or a circle of links: no folder in any case.
            return [f"folder must lie within {allowed}, not {show(params.folder)}"]
        if not any(folder.is_relative_to(root) for root in self._roots):
            return [f"folder must lie within {allowed}, not {show(params.folder)}"]
        if not is_folder:
            return [f"folder must be an existing folder, not {show(params.folder)}"]
        return []

    async def run(self, params: DigestParams, run: Run) -> tuple[JsonObject, str]:
        if problems := self.check(params):
            raise JobFailed("no_folder", "; ".join(problems))
        folder = self._resolve(params)
        entries = await self._count(folder, run)
        total = sum(entry.size for entry in entries)
        done = files = hashed_bytes = 0
        digest = hashlib.new(params.algorithm)
        run.begin("hash files", f"hashing {len(entries):,} files")
        for number, entry in enumerate(entries, start=1):
            message = f"file {number:,} of {len(entries):,}: {printable(entry.name)}"
            hasher = hashlib.new(params.algorithm)
            size = 0
            try:
                async for size in _hash_file(folder / entry.name, hasher, run):
                    _report(run, done + min(size, entry.size), total, message)
            except FileNotFoundError:
                run.log(f"gone before it was read: {entry.name}")
            except OSError as error:
                reason = f"cannot read {printable(entry.name)}: {error.strerror}"
                raise JobFailed("unreadable_file", reason) from error
            else:
                files += 1
                hashed_bytes += size
                digest.update(digest_line(hasher.hexdigest(), entry.name))
                run.log(f"{hasher.hexdigest()}  {entry.name}")
            done += entry.size
            _report(run, done, total, message)
            await asyncio.sleep(params.pause_ms / 1000)
        result = {
            "algorithm": params.algorithm.value,
            "files": files,
            "bytes": hashed_bytes,
            "digest": digest.hexdigest(),
        }
        return result, f"{files:,} files hashed"

    async def _count(self, folder: Path, run: Run) -> list[Entry]:
        """All files, in the order of their names as bytes. Until then the total is unknown."""
        run.begin("count files", "counting files")
        files = walk(folder)
        entries: list[Entry] = []
        while found := await run.in_thread(lambda: list(islice(files, FILES_PER_LISTING))):
            entries += found
            if len(entries) > MOST_FILES:
                raise JobFailed("too_many_files", f"the folder has over {MOST_FILES:,} files")
            run.report(f"counting files: {len(entries):,} so far")
        return sorted(entries, key=lambda entry: os.fsencode(entry.name))

    def _resolve(self, params: DigestParams) -> Path:
        """The folder that is meant, with all symbolic links followed to where they really go."""
        if params.folder is not None:
            return (self._roots[0] / params.folder).resolve()
        small = self._roots[0] / SMALL_FOLDER
        return small if small.is_dir() and not small.is_symlink() else self._roots[0]


def walk(folder: Path) -> Iterator[Entry]:
    """Every regular file below the folder; symbolic links are not followed."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield Entry(path.relative_to(folder).as_posix(), status.st_size)


def digest_line(hexdigest: str, name: str) -> bytes:
    """The line that `sha256sum` writes for a file with an ordinary name."""
    return f"{hexdigest}  ".encode() + os.fsencode(name) + b"\n"


async def _hash_file(path: Path, hasher: "hashlib._Hash", run: Run) -> AsyncIterator[int]:
    """Hash the file slice by slice; gives the number of bytes so far after each."""
    size = 0
    file = await run.in_thread(path.open, "rb")
    with file:
        while data := await run.in_thread(file.read, SLICE_BYTES):
            await run.in_thread(hasher.update, data)
            size += len(data)
            yield size


def _report(run: Run, done: int, total: int, message: str) -> None:
    percent = 100 * done / total if total else None
    run.report(message, progress=percent, step=percent, current=done, total=total)

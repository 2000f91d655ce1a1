"""The jobs on disk, so that a restart goes on where the last run was stopped, however it ended.

    DATA/lock              held while a renderer runs on this folder
    DATA/jobs/ID/spec.json     what was asked for
    DATA/jobs/ID/status.json   the latest status that was worth writing
    DATA/jobs/ID/log.txt       the log, only appended to
    DATA/jobs/ID/work/         what is finished of an unfinished job
    DATA/jobs/ID/…             what the job made

Files are replaced whole (written beside, then renamed), so a reader never sees half of one.
They are not forced to the platter: a killed process loses nothing, a lost mains may lose seconds.
"""

import fcntl
import json
import logging
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from examples.renderer.errors import DataFolderInUse
from examples.renderer.job import Job, JsonObject, Spec, read_status, status_document

LOG_LIMIT = 1024 * 1024
LOG_FULL = b"the log is full: further lines are left out\n"
READ_LIMIT = 256 * 1024

log = logging.getLogger(__name__)


class Store:
    """The data folder. All methods are quick file operations; none waits for the network."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._jobs = data / "jobs"
        self._lock: TextIO | None = None

    def open(self) -> None:
        """Create the folder where it is missing, and take it for this process alone.

        Raises DataFolderInUse when another renderer has it, OSError when it cannot be written.
        """
        self._jobs.mkdir(parents=True, exist_ok=True)
        self._lock = (self._data / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataFolderInUse(
                f"Another renderer works on {self._data}: stop it, or set RENDERER_DATA."
            ) from error

    def folder(self, job_id: str) -> Path:
        """Where the job keeps what it makes."""
        return self._jobs / job_id

    def work_folder(self, job_id: str) -> Path:
        """Where the job keeps what is only needed until it ends."""
        return self.folder(job_id) / "work"

    def load(self) -> list[Job]:
        """All jobs, oldest first. A damaged one is left alone and named in the log."""
        jobs: list[Job] = []
        for folder in self._jobs.iterdir():
            if not (folder / "spec.json").exists():
                # Stopped between making the folder and writing the spec: nobody was told of it.
                shutil.rmtree(folder, ignore_errors=True)
                continue
            try:
                jobs.append(_read_job(folder))
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("job %s cannot be read and is left out: %r", folder.name, error)
        return sorted(jobs, key=lambda job: job.spec.created)

    def add(self, job: Job) -> None:
        """Write a new job down."""
        folder = self.folder(job.spec.id)
        folder.mkdir()
        try:
            _replace(folder / "status.json", _status_file(job))
            _replace(folder / "spec.json", asdict(job.spec))
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        job.saved_at = time.monotonic()

    def save(self, job: Job) -> None:
        """Write the job's present status."""
        _replace(self.folder(job.spec.id) / "status.json", _status_file(job))
        job.saved_at = time.monotonic()

    def append_log(self, job_id: str, line: str) -> int:
        """Add a line, stamped with the time, unless the log is full; return the log's size."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        text = f"{stamp} {line}".replace("\n", " ") + "\n"
        with (self.folder(job_id) / "log.txt").open("ab") as file:
            if file.tell() < LOG_LIMIT:
                file.write(text.encode("utf-8", "backslashreplace"))
                if file.tell() >= LOG_LIMIT:
                    file.write(LOG_FULL)
            return file.tell()

    def read_log(self, job_id: str, offset: int) -> bytes:
        """Whole lines of the log from the byte `offset` on, at most 256 KiB of them."""
        try:
            with (self.folder(job_id) / "log.txt").open("rb") as file:
                file.seek(offset)
                text = file.read(READ_LIMIT)
        except FileNotFoundError:
            return b""
        return text[: text.rfind(b"\n") + 1]

    def drop_work(self, job_id: str) -> None:
        """Remove what is only needed until the job ends."""
        shutil.rmtree(self.work_folder(job_id), ignore_errors=True)

    def remove(self, job_id: str) -> None:
        """Remove the job with everything it made."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)


def _read_job(folder: Path) -> Job:
    spec = Spec(**json.loads((folder / "spec.json").read_bytes()))
    if spec.id != folder.name:
        raise ValueError(f"its spec names another job, {spec.id}")
    document = json.loads((folder / "status.json").read_bytes())
    log_file = folder / "log.txt"
    return Job(
        spec=spec,
        status=read_status(document),
        finished=document["finished"],
        log_size=log_file.stat().st_size if log_file.exists() else 0,
    )


def _status_file(job: Job) -> JsonObject:
    return status_document(job.spec.id, job.status) | {"finished": job.finished}


def _replace(path: Path, document: JsonObject) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(document), encoding="utf-8")
    beside.replace(path)

"""What a kind of job is, and what the service gives to a job that runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, ParamSpec, Protocol, TypeVar

from examples.renderer.job import JsonObject, Status

P = TypeVar("P")
Ps = ParamSpec("Ps")
T = TypeVar("T")


class Run(Protocol):
    """A running job, as its kind sees it."""

    @property
    def id(self) -> str: ...

    @property
    def folder(self) -> Path:
        """An existing folder for what the job makes."""

    @property
    def work_folder(self) -> Path:
        """An existing folder that outlives a restart and is removed when the job ends."""

    @property
    def status(self) -> Status:
        """The present status: after a restart, the last one that was written down."""

    def begin(self, step: str, message: str, *, progress: float | None = None) -> None:
        """Enter the step; `progress` is that of the whole job, None leaves it as it is."""

    def report(
        self,
        message: str,
        *,
        progress: float | None = None,
        step: float | None = None,
        current: int | None = None,
        total: int | None = None,
    ) -> None:
        """Say how far the job and its step are, 0 to 100, and in units; None is unknown."""

    def log(self, line: str) -> None:
        """Add a line to the job's log."""

    async def in_process(self, function: Callable[Ps, T], *args: Ps.args, **kwargs: Ps.kwargs) -> T:
        """Compute in a worker process."""

    async def in_thread(self, function: Callable[Ps, T], *args: Ps.args, **kwargs: Ps.kwargs) -> T:
        """Wait for the disk in a thread."""


class Kind(Protocol, Generic[P]):
    """One kind of job."""

    @property
    def name(self) -> str:
        """The path prefix."""

    @property
    def params(self) -> type[P]:
        """The dataclass that declares the parameters; see `params.py`."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The stages, in order."""

    @property
    def unit(self) -> str:
        """What `current` and `total` count."""

    @property
    def running_limit(self) -> int:
        """So many jobs of this kind run at once; more are queued."""

    def check(self, params: P) -> list[str]:
        """What is wrong with parameters that are each right by themselves."""

    async def run(self, params: P, run: Run) -> tuple[JsonObject, str]:
        """Do the work; gives the result, and a closing message. May raise JobFailed.

        After a restart it is called again and finds what it left in the work folder. A cancel
        arrives as asyncio.CancelledError at an await.
        """

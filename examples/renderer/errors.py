"""The errors of the service, each with a stable code, and the HTTP status where it has one.

RendererError
├── SettingsError        the environment asks for something impossible: refused at start
├── DataFolderInUse      another renderer works on the same data folder: refused at start
├── RequestError         a request is refused; the caller reads `code` and `message`
│   ├── BadJson            400  the body is not a JSON object
│   ├── BadKey             400  the Idempotency-Key is empty, too long or unprintable
│   ├── UnknownKind        404  no jobs of that kind here
│   ├── UnknownJob         404  no such job, or no longer kept
│   ├── NoPicture          404  the picture is not there (yet)
│   ├── BodyTooSlow        408  the body does not arrive
│   ├── NotCancellable     409  the job has ended
│   ├── KeyReused          409  the same Idempotency-Key with other parameters
│   ├── BodyTooLarge       413  the body is over the limit
│   ├── BadParams          422  parameters are refused, all problems at once
│   ├── QueueFull          503  too many unfinished jobs
│   └── StorageFailed      503  the job could not be written down
├── JobFailed            the work itself found a reason to fail; becomes the job's `error`
└── WorkerLost           worker processes kept dying under one piece of work
"""

from collections.abc import Sequence

SHOWN_PROBLEMS = 10


class RendererError(Exception):
    """Root of all errors that the service raises itself."""


class SettingsError(RendererError):
    """One sentence per wrong setting, each naming the variable and what would be right."""


class DataFolderInUse(RendererError):
    """The data folder is locked by a running renderer."""


class RequestError(RendererError):
    """A request that is answered with an error; `code` never changes its meaning."""

    code = "bad_request"
    status = 400
    retry_after: int | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadJson(RequestError):
    """The body is not a JSON object."""

    code = "bad_json"


class BadKey(RequestError):
    """The Idempotency-Key cannot be used."""

    code = "bad_key"


class UnknownKind(RequestError):
    """The path begins with no kind of job."""

    code = "not_found"
    status = 404


class UnknownJob(RequestError):
    """There is no such job here, or it is no longer kept."""

    code = "unknown_job"
    status = 404


class NoPicture(RequestError):
    """The job has no picture: it is unfinished, or ended without one."""

    code = "no_picture"
    status = 404


class NotCancellable(RequestError):
    """The job has ended before the cancel came."""

    code = "not_cancellable"
    status = 409


class KeyReused(RequestError):
    """The Idempotency-Key belongs to a job with other parameters."""

    code = "key_reused"
    status = 409


class BodyTooSlow(RequestError):
    """The body has not arrived within the time that any set of parameters needs."""

    code = "too_slow"
    status = 408


class BodyTooLarge(RequestError):
    """The body is larger than any set of parameters needs to be."""

    code = "too_large"
    status = 413


class BadParams(RequestError):
    """Parameters are refused; the message names every one that is wrong."""

    code = "bad_params"
    status = 422

    def __init__(self, problems: Sequence[str]) -> None:
        shown = list(problems[:SHOWN_PROBLEMS])
        if len(problems) > SHOWN_PROBLEMS:
            shown.append(f"and {len(problems) - SHOWN_PROBLEMS} more")
        super().__init__("; ".join(shown))


class QueueFull(RequestError):
    """As many jobs as the service takes are unfinished; later there is room again."""

    code = "queue_full"
    status = 503
    retry_after = 5


class StorageFailed(RequestError):
    """The job was not accepted, because it could not be written to the data folder."""

    code = "storage_failed"
    status = 503
    retry_after = 30


class JobFailed(RendererError):
    """The work cannot succeed; `code` and `message` are told to whoever follows the job."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class WorkerLost(RendererError):
    """Worker processes died repeatedly under the same work, for example for lack of memory."""

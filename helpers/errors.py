"""Everything that can go wrong in the tutorial, as one tree.

    TutorialError                 catch this to catch them all
    ├── SettingError              a value in config.py cannot be used
    ├── DatasetError              the data cannot be loaded, read or used
    ├── MissingState              an earlier notebook has not handed something over yet
    ├── MissingRequirements       packages that local_nemo needs are not installed
    ├── AlreadyRunning            another `make run` is under way in this folder
    ├── ServiceError              a service was asked and did not do it
    │   ├── ServiceUnreachable    no answer: refused, unknown host, reset, timeout
    │   ├── UnexpectedReply       an answer that is not this API: HTML, cut short, not JSON
    │   ├── ServiceFailed         5xx: the service met a problem of its own
    │   └── Refused               4xx: the service understood and said no
    │       ├── NotAuthorized     401, 403
    │       ├── NotFound          404
    │       ├── Conflict          409: the name is taken
    │       ├── Invalid           400, 422: a field has a value the service does not take
    │       └── Busy              429: too many requests at once
    ├── ModelNotServed            NIM does not list a model that should be there
    ├── DeploymentFailed          Deployment Management could not start a model
    └── JobError                  a job that ended, or seems to have ended, without success
        ├── JobFailed             status failed (or a word this client does not know)
        ├── JobCancelled          status cancelled
        └── JobStalled            no progress for too long; the job may still be running

Every message has the same four parts: what happened (and to which object), what is true now, the next step, and the
heading of docs/troubleshooting.md that says more. Errors never hold a token.
"""

from __future__ import annotations

__all__ = [
    "AlreadyRunning",
    "BY_STATUS",
    "Busy",
    "Conflict",
    "DatasetError",
    "DeploymentFailed",
    "Invalid",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobStalled",
    "MissingRequirements",
    "MissingState",
    "ModelNotServed",
    "NotAuthorized",
    "NotFound",
    "Refused",
    "ServiceError",
    "ServiceFailed",
    "ServiceUnreachable",
    "SettingError",
    "TutorialError",
    "UnexpectedReply",
]


class TutorialError(Exception):
    """What happened, what is true now and what to do next.

    `what`, `now` and `next_step` are sentences; `str(error)` lays them out on lines of their own.
    """

    def __init__(self, what: str, *, now: str = "", next_step: str = "") -> None:
        self.what, self.now, self.next_step = what, now, next_step
        lines = [what]
        if now:
            lines.append(f"  Now:  {now}")
        if next_step:
            lines.append(f"  Next: {next_step}")
        lines.append(f"  More: docs/troubleshooting.md#{type(self).__name__.lower()}")
        super().__init__("\n".join(lines))

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows instead of a traceback through the helpers: the message is written for the reader."""
        return [f"{type(self).__name__}: {self}"]


class SettingError(TutorialError):
    """A value in config.py cannot be used."""


class DatasetError(TutorialError):
    """The data cannot be loaded, read or used."""


class MissingState(TutorialError):
    """An earlier notebook has not handed something over yet."""


class MissingRequirements(TutorialError):
    """Packages that local_nemo needs are not installed."""


class AlreadyRunning(TutorialError):
    """Another run of the series is under way and writes to the same results."""


class ServiceError(TutorialError):
    """A service was asked and did not do it.

    `call` is the method and URL, `status` the HTTP status (None without an answer), `detail` what the service said.
    """

    def __init__(
        self,
        what: str,
        *,
        now: str = "",
        next_step: str = "",
        call: str = "",
        status: int | None = None,
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, now=now, next_step=next_step)
        self.call, self.status, self.detail, self.retry_after = call, status, detail, retry_after


class ServiceUnreachable(ServiceError):
    """No answer: connection refused, unknown host, reset, timeout."""


class UnexpectedReply(ServiceError):
    """An answer that is not this API: an HTML page, a body cut short, not JSON."""


class ServiceFailed(ServiceError):
    """5xx: the service met a problem of its own."""


class Refused(ServiceError):
    """4xx: the service understood and said no."""


class NotAuthorized(Refused):
    """401 or 403: a token is missing, wrong, or lacks access."""


class NotFound(Refused):
    """404: no such object, or no such path."""


class Conflict(Refused):
    """409: the name is taken."""


class Invalid(Refused):
    """400 or 422: a field has a value the service does not take."""


class Busy(Refused):
    """429: too many requests at once."""


BY_STATUS: dict[int, type[Refused]] = {
    400: Invalid,
    401: NotAuthorized,
    403: NotAuthorized,
    404: NotFound,
    409: Conflict,
    422: Invalid,
    429: Busy,
}


class ModelNotServed(TutorialError):
    """NIM does not list a model that should be there; `served` are the ones it does list."""

    def __init__(self, what: str, *, served: list[str], now: str = "", next_step: str = "") -> None:
        super().__init__(what, now=now, next_step=next_step)
        self.served = served


class DeploymentFailed(TutorialError):
    """Deployment Management could not start a model."""


class JobError(TutorialError):
    """A job that ended, or seems to have ended, without success; `job` is its last known state."""

    def __init__(self, what: str, *, job: dict, now: str = "", next_step: str = "") -> None:
        super().__init__(what, now=now, next_step=next_step)
        self.job = job


class JobFailed(JobError):
    """The status is `failed`, or a word this client does not know."""


class JobCancelled(JobError):
    """The status is `cancelled`."""


class JobStalled(JobError):
    """No progress for too long; the job itself may still be running."""

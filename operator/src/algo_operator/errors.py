"""What can go wrong, by who must act.

OperatorError
├── Transient          nobody: it is tried again
│   ├── Conflict       the object changed meanwhile (409 on a write with a version)
│   ├── Expired        a watch or list must begin anew (410)
│   ├── KubeUnavailable  the API server is away, slow or overloaded
│   └── RedisUnavailable  a Redis server is away
│       └── RedisBusy  a script holds it
├── NotFound           nobody: the object is gone, which is a normal answer
├── AlreadyExists      nobody: the object is there already, which is a normal answer
├── Rejected           the user: the API server refuses the object (400, 422, quota)
├── Unreadable         whoever wrote it: a key in Redis holds something else
├── Misconfigured      the administrator: permissions (401, 403), settings
├── LeadershipLost     nobody: another operator may act, this process ends
└── Bug                the developers

`judge` maps each class to the reason shown on the resource and the first delay before the next
attempt; the queue doubles it.
"""


class OperatorError(Exception):
    """The root of the operator's own errors."""


class Transient(OperatorError):
    """Passes by itself."""


class Conflict(Transient):
    """The object changed between reading and writing."""


class Expired(Transient):
    """The version asked for is gone: list anew."""


class KubeUnavailable(Transient):
    """The API server cannot be reached, or asks to come back later."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        """Keep the server's own wish for the delay, if it has one."""
        super().__init__(message)
        self.retry_after = retry_after


class RedisUnavailable(Transient):
    """A Redis server cannot be reached."""


class RedisBusy(RedisUnavailable):
    """A script that does not end holds a Redis server."""

    def __init__(self, server: str) -> None:
        """Keep which server it is."""
        super().__init__(f"A script holds redis-{server}.")
        self.server = server


class Unreadable(OperatorError):
    """A key in Redis holds something else than it should: its owner's trouble, nobody else's."""


class NotFound(OperatorError):
    """There is no such object."""


class AlreadyExists(OperatorError):
    """There is such an object already."""


class Rejected(OperatorError):
    """The API server refuses the object as it is."""


class Misconfigured(OperatorError):
    """An administrator must act."""


class LeadershipLost(OperatorError):
    """The Lease is not ours any more: nothing may be written."""


class Bug(OperatorError):
    """This should not happen."""


_DELAYS: tuple[tuple[type[Exception], str, float], ...] = (
    (Conflict, "Conflict", 0.05),
    (RedisUnavailable, "RedisUnavailable", 0.5),
    (KubeUnavailable, "KubernetesUnavailable", 0.5),
    (Transient, "Retrying", 0.5),
    (NotFound, "ObjectGone", 0.1),
    (AlreadyExists, "ObjectExists", 0.1),
    (Rejected, "RejectedByKubernetes", 5.0),
    (Unreadable, "StateUnreadable", 5.0),
    (Misconfigured, "OperatorMisconfigured", 5.0),
    (Exception, "InternalError", 2.0),
)


def judge(error: Exception) -> tuple[str, float]:
    """The reason to show for an error and the first delay before the next attempt in seconds."""
    return next((reason, delay) for kind, reason, delay in _DELAYS if isinstance(error, kind))

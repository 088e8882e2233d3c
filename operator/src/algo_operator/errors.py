"""What can go wrong beside the API server (`algo_kube.errors`), by who must act.

ControllerError
├── Transient
│   └── RedisUnavailable  nobody: a Redis server is away
│       └── RedisBusy  nobody: a script holds it
├── Unreadable         whoever wrote it: a key in Redis holds something else
└── Bug                the developers

`judge` maps each class to the reason shown on the resource and the first delay before the next
attempt; the queue doubles it.
"""

from algo_kube.errors import (
    AlreadyExists,
    Conflict,
    ControllerError,
    KubeUnavailable,
    Misconfigured,
    NotFound,
    Rejected,
    Transient,
)


class RedisUnavailable(Transient):
    """A Redis server cannot be reached."""


class RedisBusy(RedisUnavailable):
    """A script that does not end holds a Redis server."""

    def __init__(self, server: str) -> None:
        """Keep which server it is."""
        super().__init__(f"A script holds redis-{server}.")
        self.server = server


class Unreadable(ControllerError):
    """A key in Redis holds something else than it should: its owner's failure, nobody else's."""


class Bug(ControllerError):
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

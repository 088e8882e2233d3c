"""What can go wrong between a controller and the API server, by who must act.

ControllerError
├── Transient          nobody: it is tried again
│   ├── Conflict       the object changed meanwhile (409 on a write with a version)
│   ├── Expired        a watch or list must begin again (410)
│   └── KubeUnavailable  the API server is away, slow or overloaded
├── NotFound           nobody: the object is gone, which is a normal answer
├── AlreadyExists      nobody: the object is there already, which is a normal answer
├── Rejected           the user: the API server refuses the object (400, 422, quota)
├── Misconfigured      the administrator: permissions (401, 403), settings
└── LeadershipLost     nobody: another process may act, this one ends
"""


class ControllerError(Exception):
    """The root of the controllers' own errors."""


class Transient(ControllerError):
    """Passes without anybody doing anything."""


class Conflict(Transient):
    """The object changed between reading and writing."""


class Expired(Transient):
    """The version asked for is gone: list again."""


class KubeUnavailable(Transient):
    """The API server cannot be reached, or asks to come back later."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        """Keep the delay that the server itself asks for, if it does."""
        super().__init__(message)
        self.retry_after = retry_after


class NotFound(ControllerError):
    """There is no such object."""


class AlreadyExists(ControllerError):
    """There is such an object already."""


class Rejected(ControllerError):
    """The API server refuses the object as it is."""


class Misconfigured(ControllerError):
    """An administrator must act."""


class LeadershipLost(ControllerError):
    """The Lease is not ours any more: nothing may be written."""

"""The Secret that the operator mounts into a pod: read, and read again when the kubelet has changed
it in place.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from algo_contract.messages.redis_server import REDIS_FILE, RedisServer, read_redis

LOGIN_REFUSALS: Final = frozenset({"WRONGPASS", "NOAUTH"})
"""Redis' words for a log-in that is not, or no longer, good."""

T = TypeVar("T")


class SecretUnusable(Exception):
    """A file of the Secret is missing or cannot be read; the message never holds its text."""


class LoginChanged(Exception):
    """The mounted Redis log-in is not the one in use: only a new start takes it over."""


def load(folder: Path, name: str, read: Callable[[str], T]) -> T:
    """What a file of the Secret holds.

    Args:
        folder: where the Secret is mounted.
        name: of the file.
        read: makes a value of its text; raises ValueError where it cannot.

    Raises:
        SecretUnusable: the file is missing, or `read` refused it.
    """
    path = folder / name
    try:
        return read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SecretUnusable(
            f"{path} cannot be read ({error.strerror}): is the pod's Secret mounted there?"
        ) from error
    except ValueError as error:
        raise SecretUnusable(f"{path}: {error}") from None


def load_redis(folder: Path) -> tuple[RedisServer, RedisServer]:
    """The redis-state and the redis-ticks server.

    Raises:
        SecretUnusable: missing or unreadable.
    """
    return load(folder, REDIS_FILE, read_redis)


def check_login(folder: Path, *in_use: RedisServer) -> None:
    """After a refused log-in: a Secret that was deleted comes back with another password. A file
    that cannot be read says nothing.

    Raises:
        LoginChanged: a server in use is not as mounted.
    """
    try:
        mounted = load_redis(folder)
    except SecretUnusable:
        return
    if any(server not in mounted for server in in_use):
        raise LoginChanged("the Redis log-in in the Secret has changed: starting again with it")

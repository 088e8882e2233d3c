"""The mounted Secret: the day's assignment, and the Redis servers with this runner's user."""

from pathlib import Path

from algo_contract.assignment import (
    ASSIGNMENT_FILE,
    REDIS_FILE,
    Assignment,
    RedisServer,
    read_assignment,
    read_redis,
)
from algo_contract.broker_session import SESSION_FILE, BrokerSession, read_session

from algo_runner.errors import Misconfigured


def load_assignment(folder: Path) -> Assignment:
    """The assignment as it stands now.

    Raises:
        Misconfigured: missing or unreadable.
    """
    try:
        return read_assignment(_text(folder / ASSIGNMENT_FILE))
    except ValueError as error:
        raise Misconfigured(f"{folder / ASSIGNMENT_FILE}: {error}") from error


def load_redis(folder: Path) -> tuple[RedisServer, RedisServer]:
    """The redis-state and the redis-ticks server.

    Raises:
        Misconfigured: missing or unreadable.
    """
    try:
        return read_redis(_text(folder / REDIS_FILE))
    except ValueError as error:
        raise Misconfigured(f"{folder / REDIS_FILE}: {error}") from None


def load_session(folder: Path) -> BrokerSession:
    """The account's session at its broker.

    Raises:
        Misconfigured: missing or unreadable.
    """
    try:
        return read_session(_text(folder / SESSION_FILE))
    except ValueError as error:
        raise Misconfigured(f"{folder / SESSION_FILE}: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be read ({error.strerror}): is the strategy's Secret mounted there?"
        ) from error

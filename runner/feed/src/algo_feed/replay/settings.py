"""What `algo-feed publish` is told: the command line, and Redis from the environment."""

import argparse
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from algo_contract.messages.redis_server import RedisServer

from algo_feed.errors import BadInput

URL_VARIABLE: Final = "ALGO_FEED_REDIS_URL"
USERNAME_VARIABLE: Final = "ALGO_FEED_REDIS_USERNAME"
PASSWORD_FILE_VARIABLE: Final = "ALGO_FEED_REDIS_PASSWORD_FILE"  # noqa: S105 - a name
DEFAULT_PORT: Final = 6379


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishSettings:
    """One run of `algo-feed publish`."""

    ticks: Path
    speed: float
    """Times real time; infinity publishes as fast as it can."""

    account: str | None
    """NAMESPACE/NAME of a BrokerAccount; None is the shared feed."""

    account_uid: str | None
    wait_ready: int
    wait_timeout: float
    """Seconds."""

    redis: RedisServer


def publish_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> PublishSettings:
    """The settings from the command line and the environment.

    Raises:
        BadInput: the Redis address or credentials cannot be used.
        SystemExit: argparse's, for wrong arguments (2) and --help (0).
    """
    parsed = _parser().parse_args(arguments)
    return PublishSettings(
        ticks=parsed.ticks,
        speed=parsed.speed,
        account=parsed.account,
        account_uid=parsed.account_uid,
        wait_ready=parsed.wait_ready,
        wait_timeout=parsed.wait_timeout,
        redis=redis_server(parsed.redis or environment.get(URL_VARIABLE, ""), environment),
    )


def redis_server(url: str, environment: Mapping[str, str]) -> RedisServer:
    """The server at `redis://host:port`, with the environment's user and password file.

    Raises:
        BadInput: no or a malformed address, credentials in it, or an unreadable password file.
    """
    if not url:
        raise BadInput(f"where is redis-ticks? Give --redis redis://HOST:PORT or {URL_VARIABLE}")
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise BadInput(
            f"the Redis address holds credentials: use {USERNAME_VARIABLE} and "
            f"{PASSWORD_FILE_VARIABLE} instead"
        )
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError:
        port = 0
    rest = parts.path.strip("/") + parts.query + parts.fragment
    if parts.scheme != "redis" or not parts.hostname or not port or rest:
        raise BadInput(f"{url!r} is not a Redis address such as redis://redis-ticks:6379")
    username = environment.get(USERNAME_VARIABLE, "")
    password = _password(environment.get(PASSWORD_FILE_VARIABLE, ""))
    if username and not password:
        raise BadInput(f"{USERNAME_VARIABLE} is set, so {PASSWORD_FILE_VARIABLE} is needed")
    return RedisServer(host=parts.hostname, port=port, username=username, password=password)


def _password(path: str) -> str:
    if not path:
        return ""
    try:
        password = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise BadInput(f"{PASSWORD_FILE_VARIABLE}: {path} cannot be read: {reason}") from None
    if not password:
        raise BadInput(f"{PASSWORD_FILE_VARIABLE}: {path} is empty")
    return password


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="algo-feed publish",
        description="Replay a recorded tick file into redis-ticks, in the file's order.",
        epilog=f"Redis user and password: {USERNAME_VARIABLE}, {PASSWORD_FILE_VARIABLE}. Exit "
        "status: 0 published, 2 bad input, 3 runners not ready in time, 4 Redis unreachable or "
        "refusing, 5 another publisher, 130 and 143 stopped by a signal.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--ticks", type=Path, required=True, metavar="FILE", help="CSV, plain or gzip")
    add("--speed", type=_speed, default=1.0, metavar="N", help="times real time, or max; default 1")
    add("--account", type=_account, metavar="NAMESPACE/NAME", help="default: the shared feed")
    add("--account-uid", metavar="UID", help="the BrokerAccount's UID, instead of looking it up")
    add("--wait-ready", type=_count, default=0, metavar="N", help="runners to wait for; default 0")
    add("--wait-timeout", type=_seconds, default=120.0, metavar="SECONDS", help="default 120")
    add("--redis", metavar="URL", help=f"redis://HOST:PORT; default ${URL_VARIABLE}")
    return parser


def _speed(text: str) -> float:
    speed = math.inf if text == "max" else _number(text)
    if not speed > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0, nor max")
    return speed


def _seconds(text: str) -> float:
    seconds = _number(text)
    if not seconds >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _account(text: str) -> str:
    if not re.fullmatch(r"[^/\s]+/[^/\s]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/NAME")
    return text

"""What a runner's Redis user may do: its own keys, its account's, and to read its prices."""

import hashlib
import re
from typing import Final

from algo_contract import redis_keys

COMMANDS: Final = (
    "auth",
    "hello",
    "ping",
    "quit",
    "client|setname",
    "time",
    "exists",
    "get",
    "mget",
    "set",
    "del",
    "incrby",
    "expire",
    "pexpire",
    "hget",
    "hmget",
    "hgetall",
    "hset",
    "hsetnx",
    "hexists",
    "hdel",
    "hincrby",
    "xadd",
    "xdel",
    "xread",
    "xrange",
    "xrevrange",
    "xlen",
    "zadd",
    "zcard",
    "zcount",
    "zrangebyscore",
    "zremrangebyscore",
    "eval",
    "evalsha",
    "script|load",
)
"""No KEYS, SCAN, admin or dangerous command; scripts may call only what is listed too. Redis 7.0
refuses a rule that names a command it does not have yet, so CLIENT SETINFO (7.2) is left out."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_:.&-]*")
"""No sign that means something in a pattern of Redis; M&M is a symbol."""
_ACCOUNT_PARTS: Final = ("budget", "breaker", "pnl", "halt", "claims")


def runner_rules(
    *,
    strategy: str,
    instrument: tuple[str, str],
    feed: str,
    account: str | None,
    tenant: str,
    password: str,
) -> list[str]:
    """The arguments of ACL SETUSER after the name; the password goes in as its hash.

    Raises:
        ValueError: a part of a key is a pattern, which would open more than that one key.
    """
    for part in (strategy, *instrument, feed, account or "", tenant):
        if not is_plain(part):
            raise ValueError(f"not a plain part of a key: {part[:40]!r}")
    digest = hashlib.sha256(password.encode()).hexdigest()
    reads = [
        redis_keys.ticks(feed, *instrument),
        redis_keys.feed_clock(feed),
        redis_keys.feed_heartbeat(feed),
        redis_keys.PLATFORM_HALT,
        *([redis_keys.user_halt(tenant)] if tenant else []),
        *([redis_keys.account(account, part) for part in ("orders", "quotes")] if account else []),
    ]
    writes = [
        redis_keys.strategy(strategy, "*"),
        *([redis_keys.account(account, part) for part in _ACCOUNT_PARTS] if account else []),
    ]
    return [
        "reset",
        "on",
        f"#{digest}",
        "resetchannels",
        *(f"~{key}" for key in writes),
        f"%W~{redis_keys.failed(account or strategy)}",
        *(f"%R~{key}" for key in reads),
        "-@all",
        *(f"+{command}" for command in COMMANDS),
    ]


def is_plain(part: object) -> bool:
    """Whether a part of a key is a text that stands for itself alone."""
    return isinstance(part, str) and _PLAIN.fullmatch(part) is not None


def fingerprint(rules: list[str]) -> str:
    """A short mark of a user's rights."""
    return hashlib.sha256(" ".join(rules).encode()).hexdigest()[:16]

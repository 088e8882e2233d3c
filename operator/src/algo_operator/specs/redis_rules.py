"""What Redis users may do. A runner's: its own keys, its account's, and to read its prices. A
feed's, on redis-ticks alone: to write its prices, and its account's order book and quotes.
"""

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

FEED_COMMANDS: Final = (
    "auth",
    "hello",
    "ping",
    "quit",
    "client|setname",
    "time",
    "exists",
    "get",
    "set",
    "del",
    "expire",
    "pexpire",
    "hget",
    "hmget",
    "hgetall",
    "hset",
    "hdel",
    "hkeys",
    "hlen",
    "smembers",
    "sadd",
    "srem",
    "xadd",
    "xdel",
    "xlen",
    "xtrim",
    "xread",
    "xrange",
    "xrevrange",
    "multi",
    "exec",
    "discard",
)

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


def feed_rules(*, account: str, feed: str, password: str) -> list[str]:
    """The arguments of ACL SETUSER for the feed of an account, after the name.

    Args:
        account: its id.
        feed: where it writes prices: the same id, or `shared` for the platform's own account.
        password: goes in as its hash.

    Raises:
        ValueError: a part of a key is a pattern.
    """
    if not (is_plain(account) and is_plain(feed)):
        raise ValueError(f"not a plain part of a key: {account[:40]!r}, {feed[:40]!r}")
    writes = [
        "ticks:{*" if feed == redis_keys.SHARED_FEED else f"ticks:{feed}:*",
        redis_keys.feed_clock(feed),
        redis_keys.feed_heartbeat(feed),
        redis_keys.feed_unknown(feed),
        redis_keys.feed_facts(feed),
        redis_keys.feed_ended(feed),
        redis_keys.account(account, "orders"),
        redis_keys.account(account, "quotes"),
    ]
    return [
        "reset",
        "on",
        f"#{hashlib.sha256(password.encode()).hexdigest()}",
        "resetchannels",
        *(f"~{key}" for key in writes),
        f"%R~{redis_keys.feed_instruments(feed)}",
        "-@all",
        *(f"+{command}" for command in FEED_COMMANDS),
    ]


def is_plain(part: object) -> bool:
    """Whether a part of a key is a text that stands for itself alone."""
    return isinstance(part, str) and _PLAIN.fullmatch(part) is not None


def fingerprint(rules: list[str]) -> str:
    """A short mark of a user's rights."""
    return hashlib.sha256(" ".join(rules).encode()).hexdigest()[:16]

"""Redis keys and stream fields (fixed). Braces are literal: they are Redis Cluster hash tags.

Money in paise, times in microseconds since the epoch.
"""

from typing import Final

SHARED_FEED: Final = "shared"
"""Stands where an account's id does, for the platform's shared feed."""

TICK_PRICE: Final = "p"
TICK_QUANTITY: Final = "q"
TICK_VOLUME: Final = "v"
TICK_TIME: Final = "t"
TICK_RECEIVED: Final = "r"

PLATFORM_HALT: Final = "platform:halt"


def ticks(feed: str, exchange: str, symbol: str) -> str:
    """The stream of one instrument's ticks; `feed` is `shared` or an account's id. redis-ticks."""
    prefix = "ticks" if feed == SHARED_FEED else f"ticks:{feed}"
    return f"{prefix}:{{{exchange}:{symbol}}}"


def strategy(strategy_id: str, part: str) -> str:
    """A key of one strategy. Parts: state journal events commands fence paper (redis-state);
    live (redis-ticks).
    """
    return f"strategy:{{{strategy_id}}}:{part}"


def account(account_id: str, part: str) -> str:
    """A key of one account. Parts: budget breaker pnl halt claims (redis-state);
    orders quotes (redis-ticks).
    """
    return f"account:{{{account_id}}}:{part}"


def user_halt(user_id: str) -> str:
    """A user's kill switch. redis-state."""
    return f"user:{{{user_id}}}:halt"


def failed(owner_id: str) -> str:
    """Failed orders of an account, or of a paper strategy without one. redis-state."""
    return f"failed:{{{owner_id}}}"


def feed_instruments(feed: str) -> str:
    """Set of EXCHANGE:SYMBOL that strategies want from a feed; the operator writes. redis-ticks."""
    return f"feed:{feed}:instruments"


def feed_unknown(feed: str) -> str:
    """Set of wanted EXCHANGE:SYMBOL that the feed does not have; the feed writes. redis-ticks."""
    return f"feed:{feed}:unknown"


def feed_facts(feed: str) -> str:
    """Hash EXCHANGE:SYMBOL → facts of a wanted instrument from the broker's master, as
    `assignment.instrument_json`; the feed writes. redis-ticks.
    """
    return f"feed:{feed}:facts"


def feed_clock(feed: str) -> str:
    """A feed's exchange time, as text. redis-ticks."""
    return f"feed:{feed}:clock"


def feed_heartbeat(feed: str) -> str:
    """Wall-clock time at which a feed last showed life, as text. redis-ticks."""
    return f"feed:{feed}:heartbeat"


def feed_ended(feed: str) -> str:
    """`issued_us` of the session that the broker takes no more, as text; the feed writes it for as
    long as that is the one in force, and it lapses by itself. redis-ticks.
    """
    return f"feed:{feed}:ended"


def feed_name(namespace_name: str) -> str:
    """The id of the account NAMESPACE/NAME, as text; the operator writes, `algo-feed publish`
    reads. redis-ticks.
    """
    return f"feed:names:{{{namespace_name}}}"

"""The machine's clock, and times as Kubernetes writes them."""

import datetime as dt
import time


def now_us() -> int:
    """Wall clock, microseconds since the epoch."""
    return time.time_ns() // 1000


def timestamp(time_us: int) -> str:
    """Microseconds since the epoch as RFC 3339 in UTC, to the second."""
    return dt.datetime.fromtimestamp(time_us // 1_000_000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_timestamp(text: str) -> int:
    """An RFC 3339 time in microseconds since the epoch.

    Raises:
        ValueError: it is none, or has no zone.
    """
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return round(moment.timestamp() * 1_000_000)

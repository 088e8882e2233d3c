"""The only place that reads a clock; everything else is handed one."""

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for people and schedules, monotonic time for durations."""

    def now_us(self) -> int:
        """Wall clock, microseconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """Wall clock, microseconds since the epoch."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()


def timestamp(time_us: int, *, micro: bool = False) -> str:
    """Microseconds since the epoch as Kubernetes writes times (RFC 3339, UTC)."""
    moment = dt.datetime.fromtimestamp(time_us // 1_000_000, dt.UTC)
    if micro:
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time_us % 1_000_000:06d}Z"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def from_timestamp(text: str) -> int:
    """A Kubernetes time in microseconds since the epoch.

    Raises:
        ValueError: it is none, or has no zone.
    """
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return round(moment.timestamp() * 1_000_000)

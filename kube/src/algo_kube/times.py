"""Kubernetes' times (RFC 3339, UTC) and ours (µs since the epoch)."""

import datetime as dt


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

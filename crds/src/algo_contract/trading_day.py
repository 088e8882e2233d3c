"""Exchange time, and what a runner knows of its trading day. Loads nothing large."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

IST: Final = dt.timezone(dt.timedelta(hours=5, minutes=30), "IST")
"""Asia/Kolkata has no daylight saving time and has not changed since 1945."""

EXIT_MARGIN_US: Final = 120 * 1_000_000
"""How long before the broker's square-off or the closing auction a strategy must be out."""

TOKEN_MARGIN_US: Final = 15 * 60 * 1_000_000
"""How far past the broker's square-off a session must live: exits may take that long."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class TradingSession:
    """One trading day's session; times in microseconds since the epoch."""

    trading_day: str
    midnight_us: int
    pre_open_us: int
    open_us: int
    close_us: int
    last_exit_us: int
    """The latest sell time a strategy may have on this day."""


@dataclass(frozen=True, slots=True)
class TickBand:
    """Shares priced under `below` paise move in steps of `tick` paise; below 0 has no limit."""

    below: int
    tick: int


def microseconds(moment: dt.datetime) -> int:
    """An aware datetime in microseconds since the epoch, exactly."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def ist_datetime(time_us: int) -> dt.datetime:
    """Microseconds since the epoch as a datetime in exchange time."""
    return (_EPOCH + dt.timedelta(microseconds=time_us)).astimezone(IST)


def clock_text(time_us: int) -> str:
    """Microseconds since the epoch as HH:MM:SS in exchange time."""
    return ist_datetime(time_us).strftime("%H:%M:%S")


def seconds_of_day(clock: str) -> int:
    """HH:MM or HH:MM:SS in seconds since midnight."""
    hours, minutes, *seconds = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds[0] if seconds else 0)


def tick_size(bands: tuple[TickBand, ...], price: int) -> int:
    """The step in paise of a share at `price` paise."""
    for band in bands:
        if price < band.below or band.below == 0:
            return band.tick
    return bands[-1].tick

"""A tick file's days: checked from end to end before anything is published, then read again."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from algo_contract import calendar
from algo_engine.tick_file import FileTick, TickFileError, read_ticks

from algo_feed.errors import BadInput

Instrument = tuple[str, str]
"""Exchange and symbol."""

OPENING_CLOCK_US: Final = 9 * 3600 * 1_000_000
"""What the clock shows before a recorded day's ticks, after midnight: 09:00."""
_AFTER_CLOSE_US: Final = 1_000_000
_DAY_US: Final = 24 * 3600 * 1_000_000
_EPOCH_DAY: Final = dt.date(1970, 1, 1).toordinal()
_IST_US: Final = int(calendar.IST.utcoffset(None).total_seconds()) * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDay:
    """One trading day of a file; times in microseconds since the epoch."""

    date: dt.date
    opening_us: int
    closing_us: int
    """A second after the session's close."""

    ticks: dict[Instrument, int]
    """How many ticks each instrument has."""


def recorded_days(path: Path) -> list[RecordedDay]:
    """The days in the file's order, every line checked.

    Raises:
        BadInput: a broken line (named), no ticks, days out of order, or a day no rule is known for.
    """
    days: list[RecordedDay] = []
    try:
        for number, ticks in _by_day(path):
            counts = Counter((tick[0], tick[1]) for tick in ticks)
            day = _day(dt.date.fromordinal(_EPOCH_DAY + number), dict(counts))
            if days and day.date <= days[-1].date:
                raise BadInput(
                    f"{path}: ticks of {day.date} come after ticks of {days[-1].date}: "
                    "sort the file by day"
                )
            days.append(day)
    except TickFileError as error:
        raise BadInput(f"{error}. Nothing was published") from error
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from error
    if not days:
        raise BadInput(f"{path} holds no ticks")
    return days


def ticks_by_day(path: Path) -> Iterator[Iterator[FileTick]]:
    """The ticks of each day in turn; a day's must be taken before the next day's.

    Raises:
        BadInput, TickFileError: the file changed since it was checked.
    """
    for _, ticks in _by_day(path):
        yield ticks
    raise changed(path)


def changed(path: Path) -> BadInput:
    """What to say when a file is not what it was when it was checked."""
    return BadInput(f"{path} changed while it was read; its streams are incomplete")


def _by_day(path: Path) -> Iterator[tuple[int, Iterator[FileTick]]]:
    return groupby(read_ticks(path), key=lambda tick: (tick[2] + _IST_US) // _DAY_US)


def _day(date: dt.date, ticks: dict[Instrument, int]) -> RecordedDay:
    session = calendar.session(date, broker="paper", has_closing_auction=False)
    return RecordedDay(
        date=date,
        opening_us=session.midnight_us + OPENING_CLOCK_US,
        closing_us=session.close_us + _AFTER_CLOSE_US,
        ticks=ticks,
    )

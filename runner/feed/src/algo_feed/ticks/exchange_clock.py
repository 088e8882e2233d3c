"""Exchange time as the stamps of ticks tell it, and which stamps to believe."""

from typing import Final, Literal

from algo_brokers.streaming import MarketTick
from algo_contract.trading_day import IST

FUTURE_US: Final = 2_000_000
"""Under the wall clock a stamp further ahead than this is wrong; runners decide nothing on it."""

_LEAP_US: Final = 30 * 60 * 1_000_000
_CONFIRM_US: Final = 1_000_000
_MINUTE_US: Final = 60 * 1_000_000
_DAY_US: Final = 24 * 60 * _MINUTE_US
_IST_US: Final = int(IST.utcoffset(None).total_seconds()) * 1_000_000
_FIRST_US: Final = 9 * 60 * _MINUTE_US
_FIRST_MINUTES_US: Final = 20 * _MINUTE_US
"""A recorded day's clock begins at 09:00, its ticks at 09:15."""


class ExchangeClock:
    """The newest stamp that may be believed; it never goes back but for a new recording."""

    def __init__(self, follows: Literal["Wall", "Feed"], *, newest_us: int = 0) -> None:
        """`newest_us`: what an earlier process has shown."""
        self.newest_us = newest_us
        self.futures = 0
        """Stamps that were not believed."""

        self.begins_anew = False
        """A recording has begun: what was told of an earlier one is void. Whoever clears that
        away takes the mark off."""

        self.is_wall: Final = follows == "Wall"
        self._has_connected = False
        self._ahead_us = self._ahead_since_us = 0

    def connected(self) -> None:
        """A market socket was opened: only then may a recording begin."""
        self._has_connected = True

    def see(self, stamp_us: int, *, received_us: int, is_trades: bool = False) -> None:
        """Takes a tick's stamp into account; `is_trades` where stamps are those of last trades."""
        if self.is_wall:
            if stamp_us > received_us + FUTURE_US:
                self.futures += 1
            elif stamp_us > self.newest_us:
                self.newest_us = stamp_us
            return
        if self._has_connected:
            self._has_connected = False
            if self._is_begun_anew(stamp_us, is_trades=is_trades):
                self._set(stamp_us)
                self.begins_anew = True
                return
        self._see_recorded(stamp_us, received_us)

    def _see_recorded(self, stamp_us: int, received_us: int) -> None:
        """Recorded time leaps from one day to the next, and garbled stamps leap too: a leap counts
        when it leads to a day's first minutes, or all stamps of a second of ours are beyond it.
        """
        is_leap = self.newest_us > 0 and stamp_us - self.newest_us > _LEAP_US
        is_next = is_leap and _day(stamp_us) > _day(self.newest_us)
        if is_next and _FIRST_US <= _time(stamp_us) < _FIRST_US + _FIRST_MINUTES_US:
            self.begins_anew = True
            self._set(stamp_us)
        elif not is_leap:
            self._ahead_us = 0
            if stamp_us > self.newest_us:
                self._set(stamp_us)
        elif not self._ahead_us:
            self.futures += 1
            self._ahead_us, self._ahead_since_us = stamp_us, received_us
        elif received_us - self._ahead_since_us >= _CONFIRM_US:
            self.begins_anew = is_next
            self._set(stamp_us)
        else:
            self.futures += 1

    def _is_begun_anew(self, stamp_us: int, *, is_trades: bool) -> bool:
        """Whether a first stamp tells of another recording than the clock: an earlier day, or the
        day's first minutes again. A last trade may be of any earlier day, but never of those
        minutes: NSE's pre-open session takes orders from 09:00 and matches none before 09:07.
        """
        if not self.newest_us or not stamp_us:
            return False
        if _day(stamp_us) < _day(self.newest_us) and not is_trades:
            return True
        is_first = _FIRST_US <= _time(stamp_us) < _FIRST_US + 7 * _MINUTE_US
        return is_first and self.newest_us - stamp_us > _MINUTE_US

    def _set(self, stamp_us: int) -> None:
        self.newest_us = stamp_us
        self._ahead_us = 0


def restamped(
    ticks: list[MarketTick], *, received_us: int, last: dict[int, int], stamps_trades: bool = True
) -> list[MarketTick]:
    """The ticks that may be published under the wall clock, with the stamps to publish.

    - A share without volume was not traded today: its price is an earlier day's, and passed over.
    - Where stamps are those of last trades (`stamps_trades`), a packet with a new trade keeps its
      time. One without (the order book moved) says that the price stands now, so it is stamped
      with its receipt; if the trade is of an earlier day it keeps that time.
    - A packet without a time, as Zerodha's before the mode is set, tells of now only where a
      packet has shown a time of today for its share.

    `last` is each share's newest stamp, kept from call to call.
    """
    stamped: list[MarketTick] = []
    today = _day(received_us)
    for tick in ticks:
        key, price, quantity, volume, time_us = tick
        if volume <= 0:
            continue
        before_us = last.get(key, 0)
        if not time_us:
            tells_of_now = _day(before_us) == today
            if not tells_of_now:
                continue
        else:
            last[key] = time_us
            tells_of_now = (
                stamps_trades
                and before_us == time_us <= received_us + FUTURE_US
                and _day(time_us) == today
            )
        stamped.append(
            MarketTick(key, price, quantity, volume, received_us) if tells_of_now else tick
        )
    return stamped


def _day(time_us: int) -> int:
    return (time_us + _IST_US) // _DAY_US


def _time(time_us: int) -> int:
    return (time_us + _IST_US) % _DAY_US

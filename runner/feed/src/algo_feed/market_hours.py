"""When the market is open for an account's feed: by the wall clock, or by a recording's."""

import datetime as dt
from typing import Final

from algo_contract import calendar
from algo_contract.trading_day import TradingSession, ist_datetime
from algo_service.clock import now_us as wall_us

from algo_feed.ticks.exchange_clock import ExchangeClock

MORNING: Final = dt.time(8, 30)
"""From then on a broker's instrument master is today's: they are made again before the open."""

_BEFORE_US: Final = 15 * 60 * 1_000_000
"""Before the open, orders may be placed and refused; after the close the last ones end."""


class MarketHours:
    """Asks the calendar once a day."""

    def __init__(self, clock: ExchangeClock, *, broker: str) -> None:
        """Follows the wall clock or the exchange's, as the feed does."""
        self._clock: Final = clock
        self._broker: Final = broker
        self._day: tuple[dt.date, TradingSession | None] | None = None

    def is_open(self) -> bool:
        """Whether the exchange trades continuously."""
        session = self._session()
        return session is not None and session.open_us <= self._now_us() < session.close_us

    def orders_change(self) -> bool:
        """Whether the order book is worth reading often. In a recording, always."""
        if not self._clock.is_wall:
            return True
        session, now_us = self._session(), self._now_us()
        return session is not None and (
            session.open_us - _BEFORE_US <= now_us < session.close_us + _BEFORE_US
        )

    def master_day(self) -> dt.date | None:
        """The day whose instrument master is in force; None while a recording's is not known."""
        if not self._now_us():
            return None
        now = ist_datetime(self._now_us())
        return now.date() if now.time() >= MORNING else now.date() - dt.timedelta(days=1)

    def _now_us(self) -> int:
        return wall_us() if self._clock.is_wall else self._clock.newest_us

    def _session(self) -> TradingSession | None:
        day = ist_datetime(self._now_us()).date()
        if self._day is None or self._day[0] != day:
            is_session = not self._clock.is_wall or calendar.is_trading_day(day)
            self._day = (day, self._of(day) if is_session else None)
        return self._day[1]

    def _of(self, day: dt.date) -> TradingSession | None:
        try:
            return calendar.session(day, broker=self._broker, has_closing_auction=False)
        except ValueError:
            return None

"""Which orders a reading of the book must show: brokers have answered well with half a book."""

from collections.abc import Sequence
from typing import Final

from algo_contract.trading_day import ist_datetime
from algo_engine.orders import OrderReport
from algo_service.logging import get_logger

log = get_logger(__name__)

LAG_US: Final = 5_000_000
"""A book may lag so much behind what was pushed."""

BELIEVED_US: Final = 60_000_000
"""An order that no reading has shown for so long is gone from the book."""


class BookCompleteness:
    """The account's orders of one day, by the broker's order id. Times in wall clock µs."""

    def __init__(self) -> None:
        """None was seen."""
        self._due_us: Final = dict[str, int]()
        """What is begun to be read later shows the order."""
        self._day = ""
        self._short_since_us = 0

    def pushed(self, broker_id: str, *, now_us: int) -> None:
        """The broker pushed a row of this order."""
        self._turn_to_day(now_us)
        if broker_id:
            _ = self._due_us.setdefault(broker_id, now_us + LAG_US)

    def is_whole(self, book: Sequence[OrderReport], *, started_us: int) -> bool:
        """Whether a book shows all orders seen earlier the same day; if so, those in it are seen.

        One that lacks some counts as not read, until that has lasted for a minute.
        """
        self._turn_to_day(started_us)
        shown = {row.broker_id for row in book if row.broker_id}
        missing = {i for i, due_us in self._due_us.items() if due_us < started_us} - shown
        if missing:
            if not self._short_since_us:
                self._short_since_us = started_us
                log.info("book_short", orders=len(book), missing=len(missing))
            if abs(started_us - self._short_since_us) < BELIEVED_US:
                return False
            log.info("book_short_believed", orders=len(book), missing=len(missing))
            for broker_id in missing:
                del self._due_us[broker_id]
        self._short_since_us = 0
        for broker_id in shown:
            self._due_us[broker_id] = min(self._due_us.get(broker_id, started_us), started_us)
        return True

    def _turn_to_day(self, now_us: int) -> None:
        if self._day != (day := ist_datetime(now_us).date().isoformat()):
            self.forget()
            self._day = day

    def forget(self) -> None:
        """Another day, or another recording: its book begins empty."""
        self._due_us.clear()
        self._short_since_us = 0

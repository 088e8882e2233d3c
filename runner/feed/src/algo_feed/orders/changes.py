"""Which rows of the account's order book were told already, so that only news is told again."""

from collections.abc import Sequence

from algo_engine.orders import OrderReport


class ChangeTracker:
    """What the stream's readers know, by the broker's order id. Times in wall clock µs."""

    def __init__(self) -> None:
        """Nothing was told."""
        self._rows: dict[str, OrderReport] = {}
        self._pushed_us: dict[str, int] = {}

    def pushed(self, row: OrderReport, *, now_us: int) -> None:
        """A row came by the socket; it is told whatever it says."""
        self._rows[row.broker_id] = row
        self._pushed_us[row.broker_id] = now_us

    def news(self, book: Sequence[OrderReport], *, started_us: int) -> list[OrderReport]:
        """The rows of a book that differ from what was told.

        A row that was pushed after the book's reading was begun may be newer than the book's: it
        is left to the next book.
        """
        news: list[OrderReport] = []
        rows: dict[str, OrderReport] = {}
        later = {key: at for key, at in self._pushed_us.items() if at >= started_us}
        for row in book:
            key, told = row.broker_id, self._rows.get(row.broker_id)
            if key in later and told is not None:
                rows[key] = told
                continue
            rows[key] = row
            if row != told:
                news.append(row)
        for key in later:
            rows.setdefault(key, self._rows[key])
        self._rows, self._pushed_us = rows, later
        return news

    def forget(self) -> None:
        """What was told is gone: Redis may have come back empty."""
        self._rows.clear()
        self._pushed_us.clear()

"""A broker's instrument master: streamed in, held in little room, looked up both ways."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A share as one broker knows it."""

    exchange: str
    """NSE or BSE."""

    symbol: str
    """As traders write it: RELIANCE, M&M."""

    token: int
    """The broker's number for it: on the feed, and in orders where orders name numbers."""

    tick_size: int
    """Paise."""

    lot_size: int = 1
    freeze_quantity: int | None = None
    """The largest quantity of one order; None where the master does not say."""


_ABSENT: Final = 0
MAX_NUMBER: Final = 2**32 - 1
"""What a column holds; brokers' numbers are 32-bit on their feeds."""


class InstrumentMaster:
    """Every share of one broker in columns: 24 bytes a row and its name, no object a row."""

    def __init__(self, rows: Iterable[Instrument]) -> None:
        """Takes rows as they are parsed; of two with one exchange and symbol the first counts, and
        one with a number that no 32 bits hold is passed over.
        """
        self._keys = bytearray()
        self._ends = array("I")
        self._tokens = array("I")
        self._ticks = array("I")
        self._lots = array("I")
        self._freezes = array("I")
        for row in rows:
            self._append(row)
        self._sort()
        by_token = sorted(range(len(self)), key=self._tokens.__getitem__)
        self._by_token: Final = array("I", by_token)

    def __len__(self) -> int:
        """How many shares it holds."""
        return len(self._tokens)

    def by_symbol(self, exchange: str, symbol: str) -> Instrument | None:
        """The share that traders write so."""
        key = f"{exchange}:{symbol}"
        row = bisect_left(range(len(self)), key.encode(), key=self._key)
        return self._row(row) if row < len(self) and self._key(row) == key.encode() else None

    def by_token(self, token: int, *, exchange: str | None = None) -> Instrument | None:
        """The share with the broker's number; `exchange` where numbers repeat across exchanges."""
        place = bisect_left(self._by_token, token, key=lambda row: self._tokens[row])
        while place < len(self) and self._tokens[self._by_token[place]] == token:
            found = self._row(self._by_token[place])
            if exchange in (None, found.exchange):
                return found
            place += 1
        return None

    def _append(self, row: Instrument) -> None:
        numbers = (row.token, row.tick_size, row.lot_size, row.freeze_quantity or _ABSENT)
        if min(numbers) < 0 or max(numbers) > MAX_NUMBER:
            return
        self._keys += f"{row.exchange}:{row.symbol}".encode()
        self._ends.append(len(self._keys))
        for column, number in zip(self._columns(), numbers, strict=True):
            column.append(number)

    def _sort(self) -> None:
        """Into the order of the keys, each once: of two the first, as sorting is stable."""
        order = array("I")
        keys = bytearray()
        ends = array("I")
        last = None
        for row in sorted(range(len(self)), key=self._key):
            key = self._key(row)
            if key != last:
                order.append(row)
                keys += key
                ends.append(len(keys))
                last = key
        self._tokens, self._ticks, self._lots, self._freezes = (
            array("I", map(column.__getitem__, order)) for column in self._columns()
        )
        self._keys, self._ends = keys, ends

    def _columns(self) -> tuple["array[int]", ...]:
        return self._tokens, self._ticks, self._lots, self._freezes

    def _key(self, row: int) -> bytes:
        return bytes(self._keys[self._ends[row - 1] if row else 0 : self._ends[row]])

    def _row(self, row: int) -> Instrument:
        exchange, _, symbol = self._key(row).decode().partition(":")
        return Instrument(
            exchange=exchange,
            symbol=symbol,
            token=self._tokens[row],
            tick_size=self._ticks[row],
            lot_size=self._lots[row],
            freeze_quantity=self._freezes[row] or None,
        )

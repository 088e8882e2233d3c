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


class InstrumentMaster:
    """Every share of one broker: sorted columns, about 30 bytes a row instead of an object each."""

    def __init__(self, rows: Iterable[Instrument]) -> None:
        """Takes rows as they are parsed; of two with one exchange and symbol the first counts."""
        unique: dict[str, tuple[int, int, int, int]] = {}
        for row in rows:
            key = f"{row.exchange}:{row.symbol}"
            facts = (row.token, row.tick_size, row.lot_size, row.freeze_quantity or _ABSENT)
            unique.setdefault(key, facts)
        keys = sorted(unique)
        self._keys: Final = "\n".join(keys).encode()
        self._ends: Final = array("I")
        end = -1
        for key in keys:
            end += len(key.encode()) + 1
            self._ends.append(end)
        columns = [unique[key] for key in keys]
        self._tokens: Final = array("Q", (facts[0] for facts in columns))
        self._ticks: Final = array("I", (facts[1] for facts in columns))
        self._lots: Final = array("I", (facts[2] for facts in columns))
        self._freezes: Final = array("Q", (facts[3] for facts in columns))
        by_token = sorted(range(len(keys)), key=lambda row: self._tokens[row])
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

    def _key(self, row: int) -> bytes:
        start = self._ends[row - 1] + 1 if row else 0
        return self._keys[start : self._ends[row]]

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

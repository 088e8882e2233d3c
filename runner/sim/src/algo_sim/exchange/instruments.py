"""The shares that the simulated exchange lists: those of the tick file, and filler rows."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

KNOWN: Final = {
    ("NSE", "YESBANK"): 11915,
    ("NSE", "INFY"): 1594,
    ("NSE", "RELIANCE"): 2885,
    ("NSE", "HDFCBANK"): 1333,
    ("NSE", "SBIN"): 3045,
    ("NSE", "TCS"): 11536,
}
"""The exchange's own numbers of a few shares; others get one made from their name."""

FREEZE_QUANTITY: Final = 100_000
"""The most shares in one order, unless the settings say otherwise."""

_COUNTRY: Final = "IN"
_FIRST_FILLER: Final = 30_000
_NUMBERS: Final = 25_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A share as the exchange lists it. Prices in paise."""

    exchange: str
    symbol: str
    token: int
    """The exchange's number, the same at every broker; unique on its exchange."""

    tick_size: int
    previous_close: int
    freeze_quantity: int = FREEZE_QUANTITY
    band_percent: int = 20
    has_closing_auction: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Exchange and symbol."""
        return self.exchange, self.symbol

    @property
    def isin(self) -> str:
        """An identifier that looks like one: country, issuer, a digit that is no check."""
        return f"{_COUNTRY}E{self.token:06d}01{self.token % 10}"


class Instruments:
    """All shares by name and by number."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        """Later rows of the same name win."""
        self._by_key: Final = {instrument.key: instrument for instrument in instruments}
        self._by_token: Final = {(x.exchange, x.token): x for x in self._by_key.values()}

    def __iter__(self) -> Iterator[Instrument]:
        """In their order."""
        return iter(self._by_key.values())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._by_key)

    def by_symbol(self, exchange: str, symbol: str) -> Instrument | None:
        """The share of that name."""
        return self._by_key.get((exchange, symbol))

    def by_token(self, exchange: str, token: int) -> Instrument | None:
        """The share with that number."""
        return self._by_token.get((exchange, token))


def share_number(exchange: str, symbol: str, *, taken: set[int]) -> int:
    """A stable number for a share that is not among `taken`."""
    number = KNOWN.get((exchange, symbol))
    if number is None:
        number = 1 + zlib.crc32(f"{exchange}:{symbol}".encode()) % _NUMBERS
        number += 500_000 if exchange == "BSE" else 0
    while number in taken:
        number += 1
    return number


def fillers(count: int) -> Iterator[Instrument]:
    """Shares that never trade, so that an instrument master is as long as a real one."""
    for number in range(count):
        exchange = "BSE" if number % 3 == 2 else "NSE"
        price = 1_000 + number * 37 % 400_000
        yield Instrument(
            exchange=exchange,
            symbol=f"FILLER{number:05d}",
            token=_FIRST_FILLER + number,
            tick_size=5,
            previous_close=price // 5 * 5,
        )

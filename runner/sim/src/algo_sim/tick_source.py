"""The tick file as a stream of days: read twice, held never."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from algo_contract import calendar
from algo_contract.trading_day import ist_datetime
from algo_engine.tick_file import FileTick, TickFileError, read_ticks

from algo_sim.exchange.instruments import (
    FREEZE_QUANTITY,
    Instrument,
    Instruments,
    fillers,
    share_number,
)

_DAY_US: Final = 86_400_000_000
_IST_US: Final = 19_800_000_000
_BEGINS_US: Final = 9 * 3_600_000_000
_MOST_FILLERS: Final = 4000
"""Shares that trade on one real exchange or the other; the rest of a master is derivatives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What a tick file holds."""

    first_prices: dict[tuple[str, str], int]
    first_us: int


def day_begins_us(time_us: int) -> int:
    """09:00 IST of a moment's day, µs since the epoch."""
    return (time_us + _IST_US) // _DAY_US * _DAY_US - _IST_US + _BEGINS_US


def overview(path: Path) -> Overview:
    """Reads the whole file once.

    Raises:
        TickFileError: it cannot be read, holds no tick, or its days are not in order.
    """
    first: dict[tuple[str, str], int] = {}
    first_us = day = 0
    for exchange, symbol, time_us, price, _, _ in read_ticks(path):
        _ = first.setdefault((exchange, symbol), price)
        first_us = first_us or time_us
        if time_us < day:
            raise TickFileError(f"{path}: its days are not in order")
        day = day_begins_us(time_us) - _BEGINS_US if time_us >= day + _DAY_US else day
    if not first:
        raise TickFileError(f"{path}: it holds no tick")
    return Overview(first_prices=first, first_us=first_us)


def instruments(found: Overview, *, instruments: int) -> Instruments:
    """The file's shares and filler shares, up to `instruments` in all.

    The close of the day before is not in a tick file: the first price stands for it.
    """
    bands = calendar.tick_bands(ist_datetime(found.first_us).date())
    taken: dict[str, set[int]] = {}
    rows: list[Instrument] = []
    for (exchange, symbol), price in found.first_prices.items():
        numbers = taken.setdefault(exchange, set())
        number = share_number(exchange, symbol, taken=numbers)
        numbers.add(number)
        in_auction = calendar.has_closing_auction(exchange, symbol)
        rows.append(
            Instrument(
                exchange=exchange,
                symbol=symbol,
                token=number,
                tick_size=calendar.tick_size(bands, price),
                previous_close=price,
                freeze_quantity=FREEZE_QUANTITY,
                band_percent=10 if in_auction else 20,
                has_closing_auction=in_auction,
            )
        )
    extra = min(max(instruments - len(rows), 0), _MOST_FILLERS)
    return Instruments([*rows, *fillers(extra)])


class TickSource:
    """The file's ticks in its order, one in hand."""

    def __init__(self, path: Path) -> None:
        """Opens the file at its first tick."""
        self._ticks: Final[Iterator[FileTick]] = read_ticks(path)
        self.next: FileTick | None = next(self._ticks, None)

    def take(self) -> FileTick:
        """The tick in hand.

        Raises:
            EOFError: there is none left.
        """
        tick = self.next
        if tick is None:
            raise EOFError("the tick file is at its end")
        self.next = next(self._ticks, None)
        return tick

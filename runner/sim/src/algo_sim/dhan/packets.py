"""Binary packets of the live feed: little-endian, an 8-byte header, prices as 32-bit floats of
rupees (DhanHQ v2 "Live Market Feed"). One packet a WebSocket message: the vendor's SDK reads only
the first of a message.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TICKER: Final = 2
QUOTE: Final = 4
OPEN_INTEREST: Final = 5
PREVIOUS_CLOSE: Final = 6
STATUS: Final = 7
FULL: Final = 8
DISCONNECT: Final = 50

_TICKER: Final = struct.Struct("<BHBIfI")
_QUOTE: Final = struct.Struct("<BHBIfHIfIIIffff")
_FULL: Final = struct.Struct("<BHBIfHIfIIIIIIffff")
_LEVEL: Final = struct.Struct("<IIHHff")
_OPEN_INTEREST: Final = struct.Struct("<BHBII")
_STATUS: Final = struct.Struct("<BHBI")
_DISCONNECT: Final = struct.Struct("<BHBIH")
_LEVELS: Final = 5
_U16: Final = (1 << 16) - 1
_U32: Final = (1 << 32) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One row of the book, both sides. Prices in paise."""

    bid_quantity: int
    ask_quantity: int
    bid_orders: int
    ask_orders: int
    bid: int
    ask: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All that a full packet says of one instrument. Prices in paise, time in seconds."""

    segment: int
    security_id: int
    last: int
    last_quantity: int
    traded_at: int
    """Of the last trade, seconds since the epoch (UTC)."""

    average: int
    volume: int
    total_sell: int
    total_buy: int
    open: int
    high: int
    low: int
    close: int
    """Of the day before."""

    levels: Sequence[Level]


def ticker(of: Picture) -> bytes:
    """16 bytes."""
    return _TICKER.pack(*_header(TICKER, _TICKER.size, of), _rupees(of.last), of.traded_at)


def previous_close(of: Picture) -> bytes:
    """16 bytes; the open interest of a share is 0."""
    return _TICKER.pack(*_header(PREVIOUS_CLOSE, _TICKER.size, of), _rupees(of.close), 0)


def open_interest(of: Picture) -> bytes:
    """12 bytes; 0 for a share."""
    return _OPEN_INTEREST.pack(*_header(OPEN_INTEREST, _OPEN_INTEREST.size, of), 0)


def quote(of: Picture) -> bytes:
    """50 bytes."""
    return _QUOTE.pack(
        *_header(QUOTE, _QUOTE.size, of),
        *_traded(of),
        *(_rupees(price) for price in (of.open, of.close, of.high, of.low)),
    )


def full(of: Picture) -> bytes:
    """162 bytes: a quote with open interest and five levels."""
    start = _FULL.pack(
        *_header(FULL, _FULL.size + _LEVELS * _LEVEL.size, of),
        *_traded(of),
        *(0, 0, 0),
        *(_rupees(price) for price in (of.open, of.close, of.high, of.low)),
    )
    return start + b"".join(map(_level, of.levels[:_LEVELS]))


def status(segment: int) -> bytes:
    """8 bytes: the market of a segment opened or closed."""
    return _STATUS.pack(STATUS, _STATUS.size, segment, 0)


def disconnect(reason: int) -> bytes:
    """10 bytes: 804 too many shares, 805 too many sockets, 806 no data plan, 807 token dead, 808
    unknown client, 809 bad token.
    """
    return _DISCONNECT.pack(DISCONNECT, _DISCONNECT.size, 0, 0, reason)


def _header(code: int, size: int, of: Picture) -> tuple[int, int, int, int]:
    return code, size, of.segment, of.security_id


def _traded(of: Picture) -> tuple[float, int, int, float, int, int, int]:
    return (
        _rupees(of.last),
        min(of.last_quantity, _U16),
        of.traded_at,
        _rupees(of.average),
        min(of.volume, _U32),
        min(of.total_sell, _U32),
        min(of.total_buy, _U32),
    )


def _level(level: Level) -> bytes:
    return _LEVEL.pack(
        min(level.bid_quantity, _U32),
        min(level.ask_quantity, _U32),
        min(level.bid_orders, _U16),
        min(level.ask_orders, _U16),
        _rupees(level.bid),
        _rupees(level.ask),
    )


def _rupees(paise: int) -> float:
    return paise / 100

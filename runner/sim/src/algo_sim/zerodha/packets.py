"""Binary packets of Kite's ticker: big-endian, prices in paise, times in Unix seconds."""

import struct
from collections.abc import Sequence
from typing import Final

from algo_sim.exchange.market_state import average_price, depth
from algo_sim.protocol import PriceUpdate
from algo_sim.zerodha.serializers import instrument_token

HEARTBEAT: Final = b"\x00"
MODES: Final = frozenset({"ltp", "quote", "full"})
_LTP: Final = struct.Struct(">II")
_QUOTE: Final = struct.Struct(">11I")
_FULL: Final = struct.Struct(">16I")
_LEVEL: Final = struct.Struct(">IIHxx")
_COUNT: Final = struct.Struct(">H")
_SECOND: Final = 1_000_000
_U32: Final = 0xFFFF_FFFF


def frame(packets: Sequence[bytes]) -> bytes:
    """Several packets as one message."""
    parts = [_COUNT.pack(len(packets))]
    for packet in packets:
        parts += [_COUNT.pack(len(packet)), packet]
    return b"".join(parts)


def packet(shown: PriceUpdate, mode: str) -> bytes:
    """One share's prices: 8 bytes in mode ltp, 44 in quote, 184 in full."""
    instrument, prices, stamp_us = shown
    token = instrument_token(instrument)
    if mode == "ltp":
        return _LTP.pack(token, prices.last)
    bids, asks = depth(instrument, prices)
    quote = (
        token,
        prices.last,
        prices.quantity & _U32,
        average_price(prices),
        prices.volume & _U32,
        sum(level.quantity for level in bids),
        sum(level.quantity for level in asks),
        prices.open,
        prices.high,
        prices.low,
        instrument.previous_close,
    )
    if mode == "quote":
        return _QUOTE.pack(*quote)
    head = _FULL.pack(*quote, prices.trade_us // _SECOND, 0, 0, 0, stamp_us // _SECOND)
    rows = (_LEVEL.pack(level.quantity, level.price, level.orders) for level in (*bids, *asks))
    return head + b"".join(rows)

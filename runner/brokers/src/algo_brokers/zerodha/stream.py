"""Zerodha's WebSocket: packets of prices in binary frames, orders and words in text frames.

A binary frame is big-endian: the number of packets, then each packet's size and the packet. A
frame of one byte is the heartbeat. Times are seconds since the epoch.
"""

import json
from collections.abc import Mapping, Sequence
from struct import Struct, error
from typing import Final
from urllib.parse import urlencode

from algo_contract.messages.broker_session import BrokerSession

from algo_brokers.instruments import Instrument
from algo_brokers.streaming import MalformedFrame, MarketTick, StreamCodec, StreamMessage
from algo_brokers.urls import Endpoints
from algo_brokers.zerodha.capabilities import CAPABILITIES
from algo_brokers.zerodha.parsing import Unreadable, cleaned, fields_of, json_of, row_of, words
from algo_brokers.zerodha.urls import VERSION

COUNT: Final = Struct(">H")

FULL: Final = Struct(">HIII4xI40xI120x")
"""Size (184), token, last price, last quantity, volume, exchange time; skipped: the average, both
totals, the day's prices, the last trade's time, open interest, five bids and asks."""

FULL_SIZE: Final = 184
HEAD: Final = Struct(">HII")
"""Size, token, last price: the beginning of every packet."""

QUANTITIES: Final = Struct(">I4xI")
"""Last quantity and volume in a packet of 44, at its byte 8."""

INDEX_TIME: Final = Struct(">I")
"""In a packet of 32, at its byte 28."""

SIZES: Final = frozenset({8, 28, 32, 44, FULL_SIZE})
SECOND_US: Final = 1_000_000
FINER: Final = {3: 100_000, 6: 100, 12: 100}
"""Parts of a paisa in prices of CDS, BCD and NCO, by segment: the last byte of the token. All
others count paise."""

_tick = tuple.__new__
"""`_tick(WireTick, fields)` makes the same tuple as `WireTick(*fields)` in half the time."""


class ZerodhaStream:
    """Implements `wire.Wire`."""

    name: str = "market"
    instruments_limit: int = CAPABILITIES.limits.instruments_per_socket
    stamps_trades: bool = False

    def __init__(self, endpoints: Endpoints, session: BrokerSession) -> None:
        """Connects nothing."""
        self._endpoints: Final = endpoints
        self._session: Final = session

    def url(self) -> str:
        """With key and token: never logged."""
        session = self._session
        query = urlencode({"api_key": session.api_key, "access_token": session.access_token})
        return f"{self._endpoints.market}/?{query}"

    def headers(self) -> Mapping[str, str]:
        """For the handshake."""
        return VERSION

    def hello(self) -> Sequence[str | bytes]:
        """Nothing: the address says who we are."""
        return ()

    def subscribe(self, instruments: Sequence[Instrument]) -> Sequence[str | bytes]:
        """Subscribing gives quotes, which have no time; the mode makes them full."""
        tokens = [instrument.token for instrument in instruments]
        if not tokens:
            return ()
        return (
            _compact({"a": "subscribe", "v": tokens}),
            _compact({"a": "mode", "v": ["full", tokens]}),
        )

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Sequence[str | bytes]:
        """One frame for all."""
        tokens = [instrument.token for instrument in instruments]
        return (_compact({"a": "unsubscribe", "v": tokens}),) if tokens else ()

    def key(self, instrument: Instrument) -> int:
        """Zerodha's token, which is of one exchange only."""
        return instrument.token

    def ticks(self, frame: bytes) -> list[MarketTick]:
        """The prices of a frame. Packets without a time (all but full ones) have `time_us` 0.

        Raises:
            GarbledFrame: with the prices before, and those after a packet of unknown size.
        """
        if len(frame) < COUNT.size:
            if len(frame) == 1:
                return []
            raise MalformedFrame("an empty frame")
        (count,) = COUNT.unpack_from(frame)
        if len(frame) == COUNT.size + count * FULL.size:
            ticks = _all_full(frame)
            if ticks is not None:
                return ticks
        return _mixed(frame, count)

    def said(self, frame: bytes | str) -> StreamMessage:
        """An order, or words for the log."""
        if isinstance(frame, bytes):
            return StreamMessage()
        try:
            message = fields_of(json_of(frame))
        except Unreadable as unreadable:
            raise MalformedFrame(f"a text frame: {unreadable}") from None
        kind, data = message.get("type"), message.get("data")
        if kind == "order":
            return _order(data)
        return StreamMessage(notices=[cleaned(f"Zerodha, {words(kind)}: {words(data)}")])


def streams(endpoints: Endpoints, session: BrokerSession) -> tuple[StreamCodec, ...]:
    """One: prices and orders come on the same socket."""
    return (ZerodhaStream(endpoints, session),)


def _all_full(frame: bytes) -> list[MarketTick] | None:
    """The prices of a frame of full packets only, as ours are; None where it has others."""
    ticks = [
        _tick(MarketTick, (token, price, quantity, volume, seconds * SECOND_US))
        for size, token, price, quantity, volume, seconds in FULL.iter_unpack(
            memoryview(frame)[COUNT.size :]
        )
        if size == FULL_SIZE and token & 0xFF not in FINER
    ]
    return ticks if len(ticks) * FULL.size + COUNT.size == len(frame) else None


def _mixed(frame: bytes, count: int) -> list[MarketTick]:
    """The prices of a frame of any packets."""
    ticks: list[MarketTick] = []
    at = COUNT.size
    unknown = 0
    for _ in range(count):
        try:
            (size,) = COUNT.unpack_from(frame, at)
        except error:
            raise MalformedFrame("a frame breaks off", ticks=ticks) from None
        end = at + COUNT.size + size
        if end > len(frame):
            raise MalformedFrame("a frame breaks off", ticks=ticks)
        if size in SIZES:
            ticks.append(_packet(frame, at))
        else:
            unknown += 1
        at = end
    if unknown:
        raise MalformedFrame(f"{unknown} packets of unknown size", ticks=ticks)
    if at != len(frame):
        raise MalformedFrame("a frame goes on after its packets", ticks=ticks)
    return ticks


def _packet(frame: bytes, at: int) -> MarketTick:
    """The packet whose size stands at `at`, whole and of a known size."""
    size, token, price = HEAD.unpack_from(frame, at)
    body = at + COUNT.size
    quantity = volume = seconds = 0
    if size == FULL_SIZE:
        _, _, _, quantity, volume, seconds = FULL.unpack_from(frame, at)
    elif size == 44:
        quantity, volume = QUANTITIES.unpack_from(frame, body + 8)
    elif size == 32:
        (seconds,) = INDEX_TIME.unpack_from(frame, body + 28)
    parts = FINER.get(token & 0xFF)
    if parts is not None:
        price = (price + parts // 2) // parts
    return MarketTick(token, price, quantity, volume, seconds * SECOND_US)


def _order(data: object) -> StreamMessage:
    """A pushed order; one of others that cannot be read is a word for the log, one of ours is a row
    of which only that is known.
    """
    try:
        order = fields_of(data)
    except Unreadable:
        raise MalformedFrame("an order that is none") from None
    try:
        row = row_of(order)
    except Unreadable as unreadable:
        return StreamMessage(notices=[f"an order of others: {unreadable}"])
    return StreamMessage(orders=(row,), notices=(row.message,) if row.message else ())


def _compact(message: dict[str, object]) -> str:
    return json.dumps(message, separators=(",", ":"))

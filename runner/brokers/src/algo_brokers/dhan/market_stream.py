"""The socket of prices, "Live Market Feed" in DhanHQ v2: little-endian packets, each told by its
first byte.

A price comes as a 32-bit float of rupees. Its 24 bits tell every paisa apart below 1,31,072 rupees
(2^17: the float's error is under 2^-8 rupees, half a paisa is more), so up to there the nearest
paisa is the price itself. Above, prices lie on a grid of 5 paise or more, and the nearest 5 paise
are the price itself up to 5,24,288 rupees (2^19).
"""

import json
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from algo_contract.messages.broker_session import BrokerSession

from algo_brokers.dhan.enums import SEGMENTS
from algo_brokers.instruments import Instrument
from algo_brokers.streaming import MalformedFrame, MarketTick, StreamMessage
from algo_brokers.urls import Endpoints

SEGMENT_NUMBERS: Final = {"NSE": 1, "BSE": 4}
MAX_INSTRUMENTS: Final = 5000
A_MESSAGE: Final = 100
"""Instruments in one request."""

SUBSCRIBE_FULL: Final = 21
UNSUBSCRIBE_FULL: Final = 22

TICKER: Final = 2
QUOTE: Final = 4
OPEN_INTEREST: Final = 5
PREVIOUS_CLOSE: Final = 6
STATUS: Final = 7
FULL: Final = 8
DISCONNECT: Final = 50
_SIZES: Final = {
    TICKER: 16,
    QUOTE: 50,
    OPEN_INTEREST: 12,
    PREVIOUS_CLOSE: 16,
    STATUS: 8,
    FULL: 162,
    DISCONNECT: 10,
}
_PRICED: Final = frozenset({TICKER, QUOTE, FULL})
_REASONS: Final = {
    805: "too many sockets of this account",
    806: "the account has no data plan",
    807: "the token has expired",
    808: "Dhan does not know this login",
    809: "the token is not valid",
}
_LOGIN_REASONS: Final = frozenset({807, 808, 809})

_HEADER: Final = struct.Struct("<BHBI")
_TRADED: Final = struct.Struct("<fHIfI")
"""Of quote and full, after the header: price, quantity, time, day's average, volume."""

_LAST: Final = struct.Struct("<fI")
"""Of the ticker: price, time."""

_REASON: Final = struct.Struct("<H")

EXACT_RUPEES: Final = 1 << 17
MAX_RUPEES: Final = 1 << 19
IST_SECONDS: Final = 19_800
_AHEAD_SECONDS: Final = 3600
_SLACK_SECONDS: Final = 60


class MarketStream:
    """Implements `wire.Wire`: full packets of up to 5,000 instruments."""

    name = "market"
    instruments_limit = MAX_INSTRUMENTS
    stamps_trades = True

    def __init__(
        self,
        endpoints: Endpoints,
        session: BrokerSession,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` tells seconds since the epoch."""
        self._address: Final = endpoints.market
        self._session: Final = session
        self._clock: Final = clock

    def url(self) -> str:
        """See `wire.Wire`. Holds the token."""
        query = {
            "version": "2",
            "token": self._session.access_token,
            "clientId": self._session.client_id,
            "authType": "2",
        }
        return f"{self._address}/?{urlencode(query)}"

    def headers(self) -> Mapping[str, str]:
        """None: the address says it all."""
        return {}

    def hello(self) -> Sequence[str | bytes]:
        """None."""
        return ()

    def subscribe(self, instruments: Sequence[Instrument]) -> Sequence[str | bytes]:
        """See `wire.Wire`."""
        return _requests(SUBSCRIBE_FULL, instruments)

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Sequence[str | bytes]:
        """See `wire.Wire`."""
        return _requests(UNSUBSCRIBE_FULL, instruments)

    def key(self, instrument: Instrument) -> int:
        """Segment and security id: the id alone is unique inside its segment only."""
        return SEGMENT_NUMBERS[instrument.exchange] << 32 | instrument.token

    def ticks(self, frame: bytes) -> list[MarketTick]:
        """See `wire.Wire`. The packet's seconds are those of the last trade."""
        found: list[MarketTick] = []
        trouble = ""
        try:
            for code, key, start in _packets(frame):
                if code not in _PRICED:
                    continue
                rupees, quantity, seconds, volume = _traded(frame, code, start + _HEADER.size)
                price = float_paise(rupees)
                if price is None:
                    trouble = "a packet without a price"
                else:
                    time_us = self._time_us(seconds)
                    found.append(MarketTick(key, price, quantity, volume, time_us))
        except MalformedFrame as error:
            trouble = str(error)
        if trouble:
            raise MalformedFrame(trouble, ticks=found)
        return found

    def said(self, frame: bytes | str) -> StreamMessage:
        """See `wire.Wire`."""
        if isinstance(frame, str):
            raise MalformedFrame("text on a socket of packets")
        for code, _, start in _packets(frame):
            if code == DISCONNECT:
                reason: int = _REASON.unpack_from(frame, start + 8)[0]
                words = _REASONS.get(reason, "no reason that is known")
                return StreamMessage(
                    notices=(f"Dhan ends the socket of prices: {words} ({reason})",),
                    is_over=True,
                    needs_login=reason in _LOGIN_REASONS,
                )
        return StreamMessage()

    def _time_us(self, seconds: int) -> int:
        """Dhan does not say whether its seconds count from the epoch or are IST's wall time read
        as UTC, 5:30 h more. What lies hours ahead of our clock, but less than that, is the latter.
        """
        ahead = seconds - self._clock()
        if _AHEAD_SECONDS < ahead <= IST_SECONDS + _SLACK_SECONDS:
            seconds -= IST_SECONDS
        return seconds * 1_000_000


def float_paise(rupees: float) -> int | None:
    """A price as it came, in paise; None for no price: not a number, negative or beyond all."""
    if 0 <= rupees < EXACT_RUPEES:
        return int(rupees * 100 + 0.5)
    if EXACT_RUPEES <= rupees < MAX_RUPEES:
        return int(rupees * 20 + 0.5) * 5
    return None


def _traded(frame: bytes, code: int, start: int) -> tuple[float, int, int, int]:
    """Price, quantity, time and volume of a packet; a ticker has neither quantity nor volume."""
    if code == TICKER:
        rupees, seconds = _LAST.unpack_from(frame, start)
        return rupees, 0, seconds, 0
    rupees, quantity, seconds, _, volume = _TRADED.unpack_from(frame, start)
    return rupees, quantity, seconds, volume


def _packets(frame: bytes) -> Iterator[tuple[int, int, int]]:
    """Code, key and start of each packet: mostly one a frame, but they may be stacked.

    Raises:
        GarbledFrame: a packet is cut off, or of no known kind and length.
    """
    start, end = 0, len(frame)
    while start < end:
        if end - start < _HEADER.size:
            raise MalformedFrame("a packet shorter than its header")
        header: tuple[int, int, int, int] = _HEADER.unpack_from(frame, start)
        code, length, segment, security_id = header
        size: int = _SIZES.get(code, length)
        if size < _HEADER.size or start + size > end:
            raise MalformedFrame(f"a packet of kind {code} that does not fit its frame")
        yield code, segment << 32 | security_id, start
        start += size


def _requests(code: int, instruments: Sequence[Instrument]) -> list[str | bytes]:
    named: list[dict[str, Any]] = [
        {"ExchangeSegment": SEGMENTS[one.exchange], "SecurityId": str(one.token)}
        for one in instruments
    ]
    parts = [named[at : at + A_MESSAGE] for at in range(0, len(named), A_MESSAGE)]
    return [
        json.dumps({"RequestCode": code, "InstrumentCount": len(part), "InstrumentList": part})
        for part in parts
    ]

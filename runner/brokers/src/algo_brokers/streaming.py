"""What a broker's WebSockets say: a feed opens them as told and understands nothing itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from algo_engine.orders import OrderReport

from algo_brokers.instruments import Instrument


class MarketTick(NamedTuple):
    """One packet of prices. Paise; time in µs since the epoch."""

    key: int
    """As `Wire.key` gives it for the instrument."""

    price: int
    quantity: int
    volume: int
    time_us: int
    """The exchange's stamp: of the packet where the broker sends one, else of the last trade."""


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """What a frame that is no price said."""

    orders: Sequence[OrderReport] = ()
    notices: Sequence[str] = ()
    """Words for the log, without secrets."""

    is_over: bool = False
    """The broker ends this connection; `notices` say why."""

    needs_login: bool = False
    """Because the token is dead."""


class MalformedFrame(ValueError):
    """A frame that cannot be understood, or not wholly; counted."""

    def __init__(self, message: str, *, ticks: Sequence[MarketTick] = ()) -> None:
        """`ticks`: the prices in it that were understood; they count."""
        super().__init__(message)
        self.ticks = ticks


class StreamCodec(Protocol):
    """One WebSocket of an account. Holds no state of a connection."""

    name: str
    """`market` or `orders`; where both come on one socket, `market`."""

    instruments_limit: int
    """Instruments on one socket; 0 for a socket without prices."""

    stamps_trades: bool
    """`WireTick.time_us` is the last trade's time: it stands still while nobody trades."""

    def url(self) -> str:
        """Where to connect. Holds the token: never logged."""
        ...

    def headers(self) -> Mapping[str, str]:
        """For the handshake."""
        ...

    def hello(self) -> Sequence[str | bytes]:
        """Frames to send first."""
        ...

    def subscribe(self, instruments: Sequence[Instrument]) -> Sequence[str | bytes]:
        """Frames that ask for full prices of these instruments."""
        ...

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Sequence[str | bytes]:
        """Frames that end them."""
        ...

    def key(self, instrument: Instrument) -> int:
        """What `WireTick.key` is for an instrument."""
        ...

    def ticks(self, frame: bytes) -> list[MarketTick]:
        """The prices in a binary frame, in their order; none in a heartbeat.

        Raises:
            GarbledFrame: it is not of this protocol.
        """
        ...

    def said(self, frame: bytes | str) -> StreamMessage:
        """What a text frame, or a binary one without prices, says.

        Raises:
            GarbledFrame: it is not of this protocol.
        """
        ...

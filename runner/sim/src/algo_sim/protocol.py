"""What a broker's protocol is to the rest: its routes, its error bodies, its sockets."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol

from aiohttp import web

from algo_sim.exchange.instruments import Instrument
from algo_sim.exchange.market_state import Prices
from algo_sim.exchange.orders import Event

FaultKind = Literal[
    "rate_limit", "token_expired", "address_refused", "server_error", "refuse", "reject_modify"
]


class ApiError(Exception):
    """A call that is answered with the broker's own error body."""

    def __init__(self, kind: FaultKind, message: str = "") -> None:
        """`message` replaces the broker's usual words."""
        super().__init__(message or kind)
        self.kind: Final[FaultKind] = kind
        self.message: Final = message


class PriceUpdate(NamedTuple):
    """A share's prices as they are to be sent out."""

    instrument: Instrument
    prices: Prices
    stamp_us: int
    """The exchange's stamp of the packet, µs since the epoch."""


class BrokerProtocol(Protocol):
    """One broker's wire protocol over a `Desk`."""

    def routes(self) -> Sequence[web.RouteDef]:
        """REST and WebSocket routes; they share one port."""
        ...

    def error(self, problem: ApiError) -> web.Response:
        """The broker's own answer to a problem."""
        ...

    def wanted(self) -> set[tuple[str, int]]:
        """Exchange and number of the shares that clients subscribed to."""
        ...

    async def show(self, prices: Sequence[PriceUpdate]) -> None:
        """Sends prices to who subscribed; returns when they are on their way."""
        ...

    async def tell(self, events: Sequence[Event]) -> None:
        """Pushes order updates; returns when they are on their way."""
        ...

    async def drop_feed(self) -> None:
        """Closes the sockets that carry prices."""
        ...

    async def close_order_socket(self) -> None:
        """Closes the sockets that carry order updates."""
        ...

    def expire_tokens(self) -> None:
        """Ends every session; sockets that are open stay."""
        ...

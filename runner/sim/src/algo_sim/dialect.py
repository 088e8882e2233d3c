"""What a broker's dialect is to the rest: its routes, its error bodies, its sockets."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol

from aiohttp import web

from algo_sim.listing import Listing
from algo_sim.market import Prices
from algo_sim.orders import Event

Trouble = Literal[
    "rate_limit", "token_expired", "address_refused", "server_error", "refuse", "reject_modify"
]


class Problem(Exception):
    """A call that is answered with the broker's own error body."""

    def __init__(self, trouble: Trouble, message: str = "") -> None:
        """`message` replaces the broker's usual words."""
        super().__init__(message or trouble)
        self.trouble: Final[Trouble] = trouble
        self.message: Final = message


class Shown(NamedTuple):
    """A share's prices as they are to be sent out."""

    listing: Listing
    prices: Prices
    stamp_us: int
    """The exchange's stamp of the packet, µs since the epoch."""


class Dialect(Protocol):
    """One broker's wire protocol over a `Desk`."""

    def routes(self) -> Sequence[web.RouteDef]:
        """REST and WebSocket routes; they share one port."""
        ...

    def error(self, problem: Problem) -> web.Response:
        """The broker's own answer to a problem."""
        ...

    def wanted(self) -> set[tuple[str, int]]:
        """Exchange and number of the shares that clients subscribed to."""
        ...

    async def show(self, prices: Sequence[Shown]) -> None:
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

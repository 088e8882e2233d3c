"""The port every broker implements."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from algo_contract.messages.broker_session import BrokerSession
from algo_engine.orders import Order, OrderReport, Side, Terms

from algo_brokers.http.client import HttpClient
from algo_brokers.instruments import Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One fill, as a broker's trade book shows it. Price in paise."""

    order_id: str
    exchange: str
    symbol: str
    side: Side
    quantity: int
    price: int
    time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A broker's net position of the day in one share and product, whoever traded it."""

    exchange: str
    symbol: str
    product: str
    """Intraday or Delivery."""

    quantity: int
    """Net: bought less sold."""

    bought: int
    sold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """Paise."""

    available: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Prices in paise; a band of 0 is not known."""

    exchange: str
    symbol: str
    last_price: int
    volume: int
    time_us: int
    lower_band: int = 0
    upper_band: int = 0


class Orders(Protocol):
    """Orders at one broker. Every call raises a `BrokerError` instead of guessing; rows carry
    totals, so reading one twice is harmless. Prices in paise.
    """

    async def place(self, order: Order, *, send_by: float) -> OrderReport:
        """Sends a new order under its tag; not after `send_by` (monotonic seconds).

        Raises:
            DeniedLocally: never sent.
            Rejected: definitely refused.
            RateLimited, TokenExpired: refused, nothing was done.
            Unresolved: it may have been taken; only the book tells.
        """
        ...

    async def modify(self, order: Order, terms: Terms) -> OrderReport:
        """Changes a live order to absolute terms; repeating it is harmless. Errors as `place`."""
        ...

    async def cancel(self, order: Order) -> OrderReport:
        """Cancels a live order; repeating it is harmless. Errors as `place`."""
        ...

    async def order_by_tag(self, tag: str) -> OrderReport | None:
        """The order with a tag, None where the book does not have it."""
        ...

    async def orders(self) -> list[OrderReport]:
        """Today's order book, oldest first; orders without a tag of ours have an empty one."""
        ...


class Broker(Orders, Protocol):
    """All of an account at a real broker; reads raise the same errors."""

    async def trades(self) -> list[Trade]:
        """Today's fills, oldest first."""
        ...

    async def positions(self) -> list[Position]:
        """The day's net positions."""
        ...

    async def funds(self) -> Funds:
        """Money for trading."""
        ...

    async def quotes(self, instruments: Sequence[Instrument]) -> list[Quote]:
        """One batched call; shares the broker does not know are left out."""
        ...

    async def check(self) -> str:
        """A cheap call that shows that the session is good and keeps the connection warm; the
        account's id at the broker.
        """
        ...

    async def close(self) -> None:
        """Closes the connections."""
        ...


class Login(Protocol):
    """How an account logs in at a broker."""

    def url(self, secrets: dict[str, str]) -> str:
        """Where a person logs in; empty where the broker needs none."""
        ...

    async def login(
        self, http: HttpClient, secrets: dict[str, str], *, callback: dict[str, str], now_us: int
    ) -> BrokerSession:
        """A new session. `callback` is what the browser log-in returned, empty without one.

        Raises:
            Rejected: the secrets or the callback are not good (any more); a person must act.
            Unresolved, RateLimited: try again later.
        """
        ...

    async def renew(
        self, http: HttpClient, session: BrokerSession, *, now_us: int
    ) -> BrokerSession:
        """The session, good for longer.

        Raises:
            Rejected: this broker has no renewal; log in.
            TokenExpired: it is too late for that; log in.
            Unresolved, RateLimited: try again later.
        """
        ...

    async def observed_address(self, http: HttpClient, session: BrokerSession) -> str:
        """The address that the broker sees us come from; empty where it does not tell."""
        ...

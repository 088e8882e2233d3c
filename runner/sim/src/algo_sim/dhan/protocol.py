"""Dhan over a desk: its REST routes and its two sockets on one port."""

import time
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from algo_sim.broker import SimulatedBroker
from algo_sim.dhan.auth import AuthRoutes
from algo_sim.dhan.handlers import Handlers, error_response
from algo_sim.dhan.instruments import InstrumentRoutes
from algo_sim.dhan.market_stream import MarketStream
from algo_sim.dhan.order_stream import OrderStream
from algo_sim.dhan.routes.market import MarketRoutes
from algo_sim.dhan.routes.orders import OrderRoutes
from algo_sim.dhan.routes.portfolio import PortfolioRoutes
from algo_sim.dhan.tokens import Tokens
from algo_sim.exchange.orders import Event
from algo_sim.protocol import ApiError, PriceUpdate


class DhanProtocol:
    """Implements `protocol.BrokerProtocol`."""

    def __init__(self, broker: SimulatedBroker, account: dict[str, Any]) -> None:
        """`account`: client_id; with `void_older_tokens` one session at a time, as a renewal leaves
        it; and what `Login` and `Orders` take; an `access_token` is a session
        that is good from the start.
        """
        self._sessions = Tokens(
            account["client_id"],
            clock=time.time,
            voids_older=bool(account.get("void_older_tokens")),
        )
        if account.get("access_token"):
            self._sessions.grant(account["access_token"])
        front = Handlers(broker, self._sessions)
        self._feed = MarketStream(front)
        self._updates = OrderStream(front)
        orders = OrderRoutes(front, account)
        self._parts = (
            AuthRoutes(front, account),
            orders,
            PortfolioRoutes(front, orders),
            MarketRoutes(front),
            InstrumentRoutes(front),
        )

    def routes(self) -> Sequence[web.RouteDef]:
        """See `protocol.BrokerProtocol`."""
        rest = [route for part in self._parts for route in part.routes()]
        sockets = [
            web.get("/", self._feed.handle, allow_head=False),
            web.get("/order-updates", self._updates.handle, allow_head=False),
        ]
        return [*rest, *sockets]

    def error(self, problem: ApiError) -> web.Response:
        """See `protocol.BrokerProtocol`."""
        return error_response(problem)

    def wanted(self) -> set[tuple[str, int]]:
        """See `protocol.BrokerProtocol`."""
        return self._feed.clients.wanted()

    async def show(self, prices: Sequence[PriceUpdate]) -> None:
        """See `protocol.BrokerProtocol`."""
        await self._feed.show(prices)

    async def tell(self, events: Sequence[Event]) -> None:
        """See `protocol.BrokerProtocol`."""
        await self._updates.tell(events)

    async def drop_feed(self) -> None:
        """See `protocol.BrokerProtocol`."""
        self._feed.clients.drop()

    async def close_order_socket(self) -> None:
        """See `protocol.BrokerProtocol`."""
        await self._updates.clients.close()

    def expire_tokens(self) -> None:
        """See `protocol.BrokerProtocol`."""
        self._sessions.expire()

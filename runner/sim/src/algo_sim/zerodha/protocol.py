"""Zerodha's protocol: REST and ticker over one desk."""

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from algo_sim.broker import SimulatedBroker
from algo_sim.exchange.orders import Event
from algo_sim.protocol import ApiError, PriceUpdate
from algo_sim.zerodha.auth import Tokens
from algo_sim.zerodha.errors import error, problem_error
from algo_sim.zerodha.routes.market import MarketRoutes
from algo_sim.zerodha.routes.orders import OrderRoutes
from algo_sim.zerodha.routes.session import SessionRoutes
from algo_sim.zerodha.stream import Ticker


class KiteProtocol:
    """Implements `protocol.BrokerProtocol`."""

    def __init__(self, broker: SimulatedBroker, account: dict[str, Any]) -> None:
        """Nobody is logged in. KiteProtocol refuses stops that the last price has passed."""
        broker.account.refuses_crossed_stops = True
        self._tokens: Final = Tokens(account["api_key"], account["api_secret"])
        if account.get("access_token"):
            self._tokens.grant(account["access_token"])
        self._ticker: Final = Ticker(broker, self._tokens, user_id=account["user_id"])
        self._calls: Final = (
            SessionRoutes(broker, self._tokens, account),
            OrderRoutes(broker, self._tokens, user_id=account["user_id"]),
            MarketRoutes(broker, self._tokens),
        )

    def routes(self) -> Sequence[web.RouteDef]:
        """The ticker is at the root, where the vendor's client looks for it."""
        rest = [route for calls in self._calls for route in calls.routes()]
        unknown = web.route("*", "/{path:.*}", _unknown_route)
        return [*rest, web.get("/", self._ticker.connect), unknown]

    def error(self, problem: ApiError) -> web.Response:
        """Kite's envelope."""
        return problem_error(problem)

    def wanted(self) -> set[tuple[str, int]]:
        """What the ticker's clients subscribed to."""
        return self._ticker.clients.wanted()

    async def show(self, prices: Sequence[PriceUpdate]) -> None:
        """Binary packets."""
        await self._ticker.show(prices)

    async def tell(self, events: Sequence[Event]) -> None:
        """Text frames on the same sockets."""
        await self._ticker.tell(events)

    async def drop_feed(self) -> None:
        """Cuts all sockets."""
        self._ticker.clients.drop()

    async def close_order_socket(self) -> None:
        """The same sockets."""
        await self._ticker.clients.close()

    def expire_tokens(self) -> None:
        """Live sockets are not cut (forum answers)."""
        self._tokens.expire()


async def _unknown_route(_: web.Request) -> web.StreamResponse:
    return error("GeneralException", "Route not found", status=404)

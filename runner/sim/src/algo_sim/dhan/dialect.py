"""Dhan over a desk: its REST routes and its two sockets on one port."""

import time
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from algo_sim.desk import Desk
from algo_sim.dhan.account import Account
from algo_sim.dhan.data import Data
from algo_sim.dhan.feed import Feed
from algo_sim.dhan.front import Front, error_response
from algo_sim.dhan.login import Login
from algo_sim.dhan.master import Master
from algo_sim.dhan.orders import Orders
from algo_sim.dhan.sessions import Sessions
from algo_sim.dhan.updates import Updates
from algo_sim.dialect import Problem, Shown
from algo_sim.orders import Event


class DhanDialect:
    """Implements `dialect.Dialect`."""

    def __init__(self, desk: Desk, account: dict[str, Any]) -> None:
        """`account`: client_id; with `void_older_tokens` one session at a time, as a renewal leaves
        it; and what `Login` and `Orders` take; an `access_token` is a session
        that is good from the start.
        """
        self._sessions = Sessions(
            account["client_id"],
            clock=time.time,
            voids_older=bool(account.get("void_older_tokens")),
        )
        if account.get("access_token"):
            self._sessions.grant(account["access_token"])
        front = Front(desk, self._sessions)
        self._feed = Feed(front)
        self._updates = Updates(front)
        orders = Orders(front, account)
        self._parts = (
            Login(front, account),
            orders,
            Account(front, orders),
            Data(front),
            Master(front),
        )

    def routes(self) -> Sequence[web.RouteDef]:
        """See `dialect.Dialect`."""
        rest = [route for part in self._parts for route in part.routes()]
        sockets = [
            web.get("/", self._feed.handle, allow_head=False),
            web.get("/order-updates", self._updates.handle, allow_head=False),
        ]
        return [*rest, *sockets]

    def error(self, problem: Problem) -> web.Response:
        """See `dialect.Dialect`."""
        return error_response(problem)

    def wanted(self) -> set[tuple[str, int]]:
        """See `dialect.Dialect`."""
        return self._feed.lines.wanted()

    async def show(self, prices: Sequence[Shown]) -> None:
        """See `dialect.Dialect`."""
        await self._feed.show(prices)

    async def tell(self, events: Sequence[Event]) -> None:
        """See `dialect.Dialect`."""
        await self._updates.tell(events)

    async def drop_feed(self) -> None:
        """See `dialect.Dialect`."""
        self._feed.lines.drop()

    async def close_order_socket(self) -> None:
        """See `dialect.Dialect`."""
        await self._updates.lines.close()

    def expire_tokens(self) -> None:
        """See `dialect.Dialect`."""
        self._sessions.expire()

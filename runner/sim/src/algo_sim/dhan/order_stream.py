"""The socket of order updates: a log-in message, then silence until something happens."""

import json
from collections.abc import Sequence
from typing import Any, Final, cast

from aiohttp import WSMsgType, web

from algo_sim.dhan import serializers
from algo_sim.dhan.handlers import Handlers
from algo_sim.dhan.pings import pinged
from algo_sim.dhan.tokens import same
from algo_sim.exchange.orders import Event
from algo_sim.websockets import Client, Clients

LOGIN_SECONDS: Final = 10.0
LOGGED_IN: Final = "GET /order-updates (logged in)"
"""Counted among the requests: nothing on the wire tells a client."""

_LOGIN_CODE: Final = 42


class OrderStream:
    """All order sockets."""

    def __init__(self, front: Handlers) -> None:
        """None open yet."""
        self._front = front
        self.clients = Clients()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One client, until it goes. Nothing says that the log-in was good; a bad one ends it."""
        socket = web.WebSocketResponse(compress=False)
        _ = await socket.prepare(request)
        client = Client(socket, request.transport)
        if not await self._logs_in(socket):
            await client.close()
            return socket
        with self.clients.held(client), pinged(socket):
            self._front.broker.requests[LOGGED_IN] += 1
            async for _ in socket:
                pass
        return socket

    async def tell(self, events: Sequence[Event]) -> None:
        """Pushes what happened to all clients."""
        instruments = self._front.broker.exchange.market.instruments
        for event in events:
            instrument = instruments.by_symbol(*event.order.request.key)
            if instrument is None:
                continue
            for alert in serializers.updates(
                event, instrument, client_id=self._front.sessions.client_id
            ):
                await self.clients.send(json.dumps(alert))

    async def _logs_in(self, socket: web.WebSocketResponse) -> bool:
        try:
            message = await socket.receive(timeout=LOGIN_SECONDS)
        except TimeoutError:
            return False
        if message.type is not WSMsgType.TEXT:
            return False
        sessions = self._front.sessions
        asked = _login_request(message.data)
        is_ours = same(str(asked.get("ClientId")), sessions.client_id)
        is_login = asked.get("MsgCode") == _LOGIN_CODE
        return is_login and is_ours and sessions.is_good(str(asked.get("Token")))


def _login_request(text: str) -> dict[str, Any]:
    """The LoginReq of a message; empty for one without."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    asked = cast("dict[str, Any]", found).get("LoginReq") if isinstance(found, dict) else None
    return cast("dict[str, Any]", asked) if isinstance(asked, dict) else {}

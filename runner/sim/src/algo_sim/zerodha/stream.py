"""Kite's ticker: prices in binary frames, order updates in text frames, a heartbeat byte."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import WSMsgType, web

from algo_sim.broker import SimulatedBroker
from algo_sim.exchange.orders import Cause, Event
from algo_sim.protocol import PriceUpdate
from algo_sim.websockets import Client, Clients
from algo_sim.zerodha import packets, serializers
from algo_sim.zerodha.auth import Tokens

MOST_SOCKETS: Final = 3
MOST_INSTRUMENTS: Final = 3000
"""Sockets of one app, instruments on one socket."""

SILENT: Final = frozenset[Cause]({"accepted"})
"""Plain acceptance is not pushed: older forum answers say so, and a client must not need it."""

HEARTBEAT_SECONDS: Final = 1.0
DEFAULT_MODE: Final = "quote"
_MOST_MESSAGE: Final = 1_000_000


class Ticker:
    """All sockets of an account."""

    def __init__(self, broker: SimulatedBroker, tokens: Tokens, *, user_id: str) -> None:
        """None open."""
        self.clients: Final = Clients()
        self._broker: Final = broker
        broker.silent = SILENT
        self._tokens: Final = tokens
        self._user_id: Final = user_id

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """One client, from the handshake to its end. A bad token gets 403 in place of it."""
        query = request.query
        self._broker.requests["GET / (ticker)"] += 1
        if not self._tokens.is_good(query.get("api_key", ""), query.get("access_token", "")):
            return web.Response(status=403, text="Forbidden")
        if len(self.clients) >= MOST_SOCKETS:
            return web.Response(status=429, text="Too many requests")
        socket = web.WebSocketResponse(autoping=True, max_msg_size=_MOST_MESSAGE, compress=False)
        _ = await socket.prepare(request)
        client = Client(socket, request.transport)
        with self.clients.held(client):
            beating = asyncio.create_task(_beat(client))
            try:
                await self._converse(client)
            finally:
                _ = beating.cancel()
        return socket

    async def show(self, prices: Sequence[PriceUpdate]) -> None:
        """One frame to each client, of what it subscribed to."""
        for client in self.clients:
            wanted = [
                packets.packet(shown, mode)
                for shown in prices
                if (
                    mode := client.subscribed.get(
                        (shown.instrument.exchange, shown.instrument.token)
                    )
                )
            ]
            if wanted:
                await client.send(self._broker.frame(packets.frame(wanted)))

    async def tell(self, events: Sequence[Event]) -> None:
        """Order updates."""
        for event in events:
            instrument = self._broker.exchange.market.instruments.by_symbol(
                *event.order.request.key
            )
            if instrument is None:
                continue
            data = serializers.order_words(event.order, instrument, user_id=self._user_id)
            await self.clients.send(json.dumps({"type": "order", "data": data}))

    async def _converse(self, client: Client) -> None:
        async for message in client.socket:
            if message.type is WSMsgType.TEXT:
                await self._heard(client, message.data)

    async def _heard(self, client: Client, text: str) -> None:
        try:
            asked = json.loads(text)
            action, value = asked["a"], asked["v"]
            mode, tokens = (value[0], value[1]) if action == "mode" else (None, value)
            keys = [serializers.listing_key(int(token)) for token in tokens]
        except (ValueError, TypeError, KeyError, IndexError):
            await client.send(_error("Invalid message."))
            return
        match action:
            case "subscribe":
                await self._subscribe(client, keys)
            case "unsubscribe":
                for key in keys:
                    _ = client.subscribed.pop(key, None)
            case "mode" if mode in packets.MODES:
                await self._set_mode(client, keys, mode)
            case _:
                await client.send(_error("Invalid message."))

    async def _subscribe(self, client: Client, keys: Sequence[tuple[str, int]]) -> None:
        new = [key for key in keys if key not in client.subscribed]
        if len(client.subscribed) + len(new) > MOST_INSTRUMENTS:
            await client.send(_error("Maximum number of instruments is 3000."))
            return
        client.subscribed.update(dict.fromkeys(new, DEFAULT_MODE))
        await self._show_now(client, new)

    async def _set_mode(self, client: Client, keys: Sequence[tuple[str, int]], mode: str) -> None:
        known = [key for key in keys if key in client.subscribed]
        client.subscribed.update(dict.fromkeys(known, mode))
        await self._show_now(client, known)

    async def _show_now(self, client: Client, keys: Sequence[tuple[str, int]]) -> None:
        """What the broker sends at once: the last prices, stamped with the clock."""
        market = self._broker.exchange.market
        found = [market.instruments.by_token(*key) for key in keys]
        shown = self._broker.shown(
            [PriceUpdate(x, market.prices_of(x), market.now_us) for x in found if x is not None]
        )
        if shown:
            modes: dict[tuple[str, int], str] = client.subscribed
            body = [
                packets.packet(s, modes[s.instrument.exchange, s.instrument.token]) for s in shown
            ]
            await client.send(packets.frame(body))


async def _beat(client: Client) -> None:
    while True:
        await client.send(packets.HEARTBEAT)
        await asyncio.sleep(HEARTBEAT_SECONDS)


def _error(text: str) -> str:
    data: dict[str, Any] = {"type": "error", "data": text}
    return json.dumps(data)

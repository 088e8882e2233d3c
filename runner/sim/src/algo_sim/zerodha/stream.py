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

    def __init__(self, desk: SimulatedBroker, tokens: Tokens, *, user_id: str) -> None:
        """None open."""
        self.lines: Final = Clients()
        self._desk: Final = desk
        desk.silent = SILENT
        self._tokens: Final = tokens
        self._user_id: Final = user_id

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """One client, from the handshake to its end. A bad token gets 403 in place of it."""
        query = request.query
        self._desk.requests["GET / (ticker)"] += 1
        if not self._tokens.is_good(query.get("api_key", ""), query.get("access_token", "")):
            return web.Response(status=403, text="Forbidden")
        if len(self.lines) >= MOST_SOCKETS:
            return web.Response(status=429, text="Too many requests")
        socket = web.WebSocketResponse(autoping=True, max_msg_size=_MOST_MESSAGE, compress=False)
        _ = await socket.prepare(request)
        line = Client(socket, request.transport)
        with self.lines.held(line):
            beating = asyncio.create_task(_beat(line))
            try:
                await self._converse(line)
            finally:
                _ = beating.cancel()
        return socket

    async def show(self, prices: Sequence[PriceUpdate]) -> None:
        """One frame to each client, of what it subscribed to."""
        for line in self.lines:
            wanted = [
                packets.packet(shown, mode)
                for shown in prices
                if (mode := line.subscribed.get((shown.listing.exchange, shown.listing.token)))
            ]
            if wanted:
                await line.send(self._desk.frame(packets.frame(wanted)))

    async def tell(self, events: Sequence[Event]) -> None:
        """Order updates."""
        for event in events:
            listing = self._desk.exchange.floor.listings.by_symbol(*event.order.ask.key)
            if listing is None:
                continue
            data = serializers.order_words(event.order, listing, user_id=self._user_id)
            await self.lines.send(json.dumps({"type": "order", "data": data}))

    async def _converse(self, line: Client) -> None:
        async for message in line.socket:
            if message.type is WSMsgType.TEXT:
                await self._heard(line, message.data)

    async def _heard(self, line: Client, text: str) -> None:
        try:
            asked = json.loads(text)
            action, value = asked["a"], asked["v"]
            mode, tokens = (value[0], value[1]) if action == "mode" else (None, value)
            keys = [serializers.listing_key(int(token)) for token in tokens]
        except (ValueError, TypeError, KeyError, IndexError):
            await line.send(_error("Invalid message."))
            return
        match action:
            case "subscribe":
                await self._subscribe(line, keys)
            case "unsubscribe":
                for key in keys:
                    _ = line.subscribed.pop(key, None)
            case "mode" if mode in packets.MODES:
                await self._set_mode(line, keys, mode)
            case _:
                await line.send(_error("Invalid message."))

    async def _subscribe(self, line: Client, keys: Sequence[tuple[str, int]]) -> None:
        new = [key for key in keys if key not in line.subscribed]
        if len(line.subscribed) + len(new) > MOST_INSTRUMENTS:
            await line.send(_error("Maximum number of instruments is 3000."))
            return
        line.subscribed.update(dict.fromkeys(new, DEFAULT_MODE))
        await self._show_now(line, new)

    async def _set_mode(self, line: Client, keys: Sequence[tuple[str, int]], mode: str) -> None:
        known = [key for key in keys if key in line.subscribed]
        line.subscribed.update(dict.fromkeys(known, mode))
        await self._show_now(line, known)

    async def _show_now(self, line: Client, keys: Sequence[tuple[str, int]]) -> None:
        """What the broker sends at once: the last prices, stamped with the clock."""
        floor = self._desk.exchange.floor
        found = [floor.listings.by_token(*key) for key in keys]
        shown = self._desk.shown(
            [PriceUpdate(x, floor.prices_of(x), floor.now_us) for x in found if x is not None]
        )
        if shown:
            modes: dict[tuple[str, int], str] = line.subscribed
            body = [packets.packet(s, modes[s.listing.exchange, s.listing.token]) for s in shown]
            await line.send(packets.frame(body))


async def _beat(line: Client) -> None:
    while True:
        await line.send(packets.HEARTBEAT)
        await asyncio.sleep(HEARTBEAT_SECONDS)


def _error(text: str) -> str:
    data: dict[str, Any] = {"type": "error", "data": text}
    return json.dumps(data)

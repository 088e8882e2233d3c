"""A bare client of the simulated Kite, for the simulator's own tests: it hides nothing."""

import asyncio
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from support.servers.sim_server import Simulator

LIMIT = {
    "exchange": "NSE",
    "tradingsymbol": "YESBANK",
    "transaction_type": "BUY",
    "quantity": "10",
    "product": "MIS",
    "order_type": "LIMIT",
    "price": "95",
    "validity": "DAY",
    "tag": "t1",
}
MARKET = {**LIMIT, "order_type": "MARKET", "market_protection": "-1", "price": ""}
STOP = {
    **LIMIT,
    "transaction_type": "SELL",
    "order_type": "SL",
    "trigger_price": "93",
    "price": "90",
    "tag": "s1",
}
STOP_MARKET = {**STOP, "order_type": "SL-M", "price": "", "market_protection": "5"}
TOKEN = 11915 * 256 + 1
"""YESBANK's instrument token."""

FULL = struct.Struct(">16I")


@dataclass
class Kite:
    """Status and body of every call."""

    sim: Simulator
    token: str
    streams: "list[Stream]" = field(default_factory=list)

    async def __call__(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        headers = {"X-Kite-Version": "3", "Authorization": f"token simkey:{self.token}"}
        url = self.sim.base_url("zerodha") + path
        async with self.sim.http.request(method, url, headers=headers, **options) as response:
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.text())

    async def data(self, method: str, path: str, **options: Any) -> Any:
        """The data of a good answer."""
        status, body = await self(method, path, **options)
        assert (status, body["status"]) == (200, "success"), body
        return body["data"]

    async def refused(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        """Status and error_type of a bad one."""
        status, body = await self(method, path, **options)
        assert body["status"] == "error", body
        assert body["data"] is None
        assert body["message"]
        return status, body["error_type"]

    async def place(self, form: dict[str, str]) -> str:
        return (await self.data("POST", "/orders/regular", data=form))["order_id"]

    async def order(self, order_id: str) -> dict[str, Any]:
        return (await self.data("GET", f"/orders/{order_id}"))[-1]

    async def connect(self) -> "Stream":
        url = self.sim.feed_url("zerodha") + f"/?api_key=simkey&access_token={self.token}"
        stream = Stream(await self.sim.http.ws_connect(url))
        self.streams.append(stream)
        return stream

    async def close(self) -> None:
        for stream in self.streams:
            await stream.socket.close()


@dataclass
class Stream:
    """One ticker connection."""

    socket: aiohttp.ClientWebSocketResponse

    async def ask(self, action: str, value: Any) -> None:
        await self.socket.send_str(json.dumps({"a": action, "v": value}))

    async def watch(self, mode: str = "full", tokens: Sequence[int] = (TOKEN,)) -> None:
        """Subscribes, and waits for what comes at once in that mode."""
        await self.ask("subscribe", list(tokens))
        await self.ask("mode", [mode, list(tokens)])
        while len((await self.packets())[0]) != {"ltp": 8, "quote": 44, "full": 184}[mode]:
            pass

    async def frame(self, kind: type) -> Any:
        """The next frame of a kind, heartbeats left out."""
        async with asyncio.timeout(10):
            while True:
                message = await self.socket.receive()
                assert message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}, message
                if isinstance(message.data, kind) and message.data != b"\x00":
                    return message.data

    async def packets(self) -> list[bytes]:
        """The next frame with prices, cut into its packets."""
        frame = await self.frame(bytes)
        (count,), at, found = struct.unpack_from(">H", frame), 2, []
        for _ in range(count):
            (length,) = struct.unpack_from(">H", frame, at)
            found.append(frame[at + 2 : at + 2 + length])
            at += 2 + length
        assert at == len(frame)
        return found

    async def full(self) -> tuple[int, ...]:
        """Numbers of the next single full packet, depth left out."""
        (packet,) = await self.packets()
        return FULL.unpack(packet[:64])

    async def order(self) -> dict[str, Any]:
        """The next order update."""
        message = json.loads(await self.frame(str))
        assert message["type"] == "order", message
        return message["data"]

"""A bare client of the simulated Dhan, for the simulator's own tests: it hides nothing."""

import asyncio
import json
import struct
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from algo_sim.dhan.totp import password
from algo_sim.dhan.order_stream import LOGGED_IN
from support.servers.sim_server import Simulator

CLIENT, PIN, SEED = "1100000001", "123456", "JBSWY3DPEHPK3PXP"
YESBANK = 11915
"""Its security id at NSE."""

LIMIT = {
    "dhanClientId": CLIENT,
    "correlationId": "t1",
    "transactionType": "BUY",
    "exchangeSegment": "NSE_EQ",
    "productType": "INTRADAY",
    "orderType": "LIMIT",
    "validity": "DAY",
    "securityId": str(YESBANK),
    "quantity": 10,
    "price": 95.0,
}
MARKET = {**LIMIT, "orderType": "MARKET", "price": 0}
STOP = {
    **LIMIT,
    "correlationId": "s1",
    "transactionType": "SELL",
    "orderType": "STOP_LOSS",
    "price": 90.0,
    "triggerPrice": 93.0,
}
TICKER = struct.Struct("<BHBIfI")
QUOTE = struct.Struct("<BHBIfHIfIIIffff")
FULL = struct.Struct("<BHBIfHIfIIIIIIffff")


@dataclass
class Dhan:
    """Status and body of every call."""

    sim: Simulator
    token: str = ""
    sockets: "list[aiohttp.ClientWebSocketResponse]" = field(default_factory=list)

    async def __call__(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[int, Any]:
        headers = {"access-token": self.token, "client-id": CLIENT, "dhanClientId": CLIENT}
        url = self.sim.base_url("dhan") + path
        async with self.sim.http.request(
            method, url, headers=headers, json=body, **options
        ) as response:
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.text())

    async def log_in(self, **wrong: str) -> Any:
        """The auth host's answer; keeps the token of a good one."""
        query = {"dhanClientId": CLIENT, "pin": PIN, "totp": password(SEED, at=time.time())}
        status, answer = await self("POST", "/app/generateAccessToken", params={**query, **wrong})
        assert status == 200
        self.token = answer.get("accessToken", self.token)
        return answer

    async def get(self, path: str) -> Any:
        status, answer = await self("GET", f"/v2{path}")
        assert status == 200, answer
        return answer

    async def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Status and code of a bad answer."""
        status, answer = await self(method, f"/v2{path}", body)
        assert answer.keys() == {"errorType", "errorCode", "errorMessage"}, answer
        return status, answer["errorCode"]

    async def place(self, body: dict[str, Any]) -> str:
        status, answer = await self("POST", "/v2/orders", body)
        assert (status, answer.get("orderStatus")) == (200, "TRANSIT"), answer
        return answer["orderId"]

    async def order(self, order_id: str) -> dict[str, Any]:
        return await self.get(f"/orders/{order_id}")

    async def feed(self, token: str | None = None) -> "Stream":
        query = f"version=2&token={self.token if token is None else token}&clientId={CLIENT}"
        return Stream(await self._connect(f"/?{query}&authType=2"))

    async def updates(self) -> "Stream":
        """An order socket that was let in."""
        before = (await self.sim.requests("dhan")).get(LOGGED_IN, 0)
        stream = Stream(await self._connect("/order-updates"))
        login = {"MsgCode": 42, "ClientId": CLIENT, "Token": self.token}
        await stream.say({"LoginReq": login, "UserType": "SELF"})
        async with asyncio.timeout(10):
            # Nothing on the wire says that the log-in was good.
            while (await self.sim.requests("dhan")).get(LOGGED_IN, 0) == before:  # noqa: ASYNC110
                await asyncio.sleep(0)
        return stream

    async def close(self) -> None:
        for socket in self.sockets:
            await socket.close()

    async def _connect(self, path: str) -> aiohttp.ClientWebSocketResponse:
        socket = await self.sim.http.ws_connect(self.sim.feed_url("dhan") + path)
        self.sockets.append(socket)
        return socket


@dataclass
class Stream:
    """One socket."""

    socket: aiohttp.ClientWebSocketResponse

    async def say(self, message: Any) -> None:
        await self.socket.send_str(json.dumps(message))

    async def subscribe(self, code: int, *securities: tuple[str, int]) -> None:
        rows = [{"ExchangeSegment": s, "SecurityId": str(number)} for s, number in securities]
        message = {"RequestCode": code, "InstrumentCount": len(rows), "InstrumentList": rows}
        await self.say(message)

    async def frame(self) -> Any:
        """The next frame; None when the server ends it."""
        async with asyncio.timeout(10):
            message = await self.socket.receive()
        is_data = message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}
        return message.data if is_data else None

    async def told(self) -> tuple[str, str, int]:
        """Correlation id, status and traded quantity of the next order update."""
        data = json.loads(await self.frame())["Data"]
        return data["correlationId"], data["status"], data["tradedQty"]

    async def full(self) -> tuple[Any, ...]:
        """Numbers of the next frame, which is a full packet; levels left out."""
        frame = await self.frame()
        assert (len(frame), frame[0]) == (162, 8)
        return FULL.unpack(frame[:62])

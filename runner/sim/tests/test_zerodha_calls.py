"""Kite's REST calls against a real simulator process."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from sim_server import Simulator, simulator

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
    "order_type": "SL-M",
    "trigger_price": "93",
    "price": "",
    "market_protection": "5",
    "tag": "s1",
}


@dataclass
class Kite:
    """A bare client: status and body of every call."""

    sim: Simulator
    token: str

    async def __call__(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        headers = {"X-Kite-Version": "3", "Authorization": f"token simkey:{self.token}"}
        url = self.sim.base_url("zerodha") + path
        async with self.sim.http.request(method, url, headers=headers, **options) as response:
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.text())

    async def data(self, method: str, path: str, **options: Any) -> Any:
        status, body = await self(method, path, **options)
        assert (status, body["status"]) == (200, "success"), body
        return body["data"]

    async def place(self, form: dict[str, str]) -> str:
        return (await self.data("POST", "/orders/regular", data=form))["order_id"]

    async def order(self, order_id: str) -> dict[str, Any]:
        return (await self.data("GET", f"/orders/{order_id}"))[-1]


@pytest.fixture(name="kite")
async def _kite() -> AsyncIterator[Kite]:
    async with simulator() as sim:
        yield Kite(sim, await sim.zerodha_access_token())


async def test_a_trade__from_entry_to_stop(kite: Kite) -> None:
    await kite.sim.advance("09:20:00")
    entry = await kite.order(await kite.place(MARKET))
    assert entry["status"] == "COMPLETE"
    assert entry["average_price"] == 94.6
    stop_id = await kite.place(STOP)
    assert (await kite.order(stop_id))["status"] == "TRIGGER PENDING"
    await kite.sim.advance("15:00:00")
    stop = await kite.order(stop_id)
    assert (stop["status"], stop["average_price"], stop["tags"]) == ("COMPLETE", 92.8, ["s1"])
    positions = await kite.data("GET", "/portfolio/positions")
    assert positions["net"][0]["quantity"] == 0
    assert positions["net"][0]["realised"] == -18.0
    states = await kite.data("GET", f"/orders/{stop_id}")
    assert [row["status"] for row in states] == [
        "PUT ORDER REQ RECEIVED",
        "VALIDATION PENDING",
        "OPEN PENDING",
        "TRIGGER PENDING",
        "OPEN",
        "COMPLETE",
    ]
    trades = await kite.data("GET", "/trades")
    assert [trade["transaction_type"] for trade in trades] == ["BUY", "SELL"]


async def test_a_request_token__is_good_once(kite: Kite) -> None:
    token = await kite.sim.zerodha_request_token()
    checksum = hashlib.sha256(f"simkey{token}simsecret".encode()).hexdigest()
    form = {"api_key": "simkey", "request_token": token, "checksum": checksum}
    data = await kite.data("POST", "/session/token", data=form)
    assert len(data["login_time"]) == 19
    status, body = await kite("POST", "/session/token", data=form)
    assert (status, body["error_type"]) == (403, "TokenException")

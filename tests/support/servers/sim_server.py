"""A real `algo-sim` process for tests: free ports, exchange time moved by hand.

async with simulator(ticks=PATH, brokers=("zerodha",)) as sim:
    sim.base_url("zerodha"), sim.feed_url("zerodha")
    await sim.fault("zerodha", "answer_late", on="place", seconds=2)
    await sim.advance("09:20:00")
    await sim.orders("zerodha")     # the exchange's own truth
"""

import asyncio
import contextlib
import hashlib
import json
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

TICKS = Path(__file__).resolve().parents[3] / "crds/samples/ticks/YESBANK-20190709.csv"
START_SECONDS = 20
IST_SECONDS = 19_800
DAY_SECONDS = 86_400
FLUSHED_AT = 6 * 3600
LONGEST_TEST_SECONDS = 120


def step_begin_us() -> int:
    """The begin of this half minute, µs: a log-in at that moment waits for no other code. The
    simulator takes a code up to a minute later.
    """
    return time.time_ns() // 30_000_000_000 * 30_000_000


def seconds_to_wait(now: float) -> float:
    """How long a test with a Zerodha session should wait before it begins, from a moment in seconds
    since the epoch: its tokens die at 06:00 IST, and no test is to cross that.
    """
    to_six = (FLUSHED_AT - IST_SECONDS - now) % DAY_SECONDS
    return to_six + 1 if to_six < LONGEST_TEST_SECONDS else 0.0


@dataclass
class Simulator:
    """One running simulator."""

    addresses: dict[str, str]
    http: aiohttp.ClientSession
    process: asyncio.subprocess.Process | None = None

    def base_url(self, broker: str) -> str:
        """An account's baseUrl."""
        return self.addresses[broker]

    def feed_url(self, broker: str) -> str:
        """An account's feedUrl."""
        return self.addresses[broker].replace("http", "ws", 1)

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the admin API; its JSON."""
        url = self.addresses["admin"] + path
        async with self.http.request(method, url, json=body) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def advance(self, to: str | None = None, *, ticks: int | None = None) -> Any:
        """Plays the ticks up to HH:MM:SS, or so many; their fills and pushes are on their way."""
        body = {"to": to} if ticks is None else {"ticks": ticks}
        return await self.admin("POST", "/admin/advance", body)

    async def fault(self, broker: str, fault: str, **fields: Any) -> None:
        """Arms a fault: on, times, seconds, rows."""
        await self.admin("POST", "/admin/faults", {"broker": broker, "fault": fault, **fields})

    async def clear_faults(self) -> None:
        """Disarms all."""
        await self.admin("DELETE", "/admin/faults")

    async def orders(self, broker: str) -> list[dict[str, Any]]:
        """Every order at the exchange, oldest first; prices in paise."""
        return await self.admin("GET", f"/admin/orders?broker={broker}")

    async def requests(self, broker: str) -> dict[str, int]:
        """Calls so far by method and route."""
        return await self.admin("GET", f"/admin/requests?broker={broker}")

    async def settings(self, broker: str, **fields: Any) -> None:
        """registered_ip, available_paise, fill, square_off, closing_auction, packets,
        last_trade.
        """
        await self.admin("POST", "/admin/settings", {"broker": broker, **fields})

    async def trade(self, broker: str, side: str, quantity: int, *, symbol: str = "YESBANK") -> Any:
        """A trade by hand in the account."""
        body = {"broker": broker, "exchange": "NSE", "symbol": symbol}
        return await self.admin(
            "POST", "/admin/trade", {**body, "side": side, "quantity": quantity}
        )

    async def zerodha_request_token(self) -> str:
        """What the browser log-in returns."""
        form = {"api_key": "simkey", "user_id": "SIM001"}
        url = self.addresses["zerodha"] + "/connect/login"
        async with self.http.post(url, data=form, allow_redirects=False) as response:
            return parse_qs(urlsplit(response.headers["Location"]).query)["request_token"][0]

    async def until_subscribed(self, broker: str, instrument: str) -> None:
        """Waits until a client gets the prices of EXCHANGE:SYMBOL: before, nobody hears them."""
        async with asyncio.timeout(START_SECONDS):
            while instrument not in (await self.admin("GET", "/admin/state"))["subscribed"][broker]:  # noqa: ASYNC110 - another process is asked
                await asyncio.sleep(0.02)

    async def zerodha_access_token(self) -> str:
        """A token from a whole log-in."""
        token = await self.zerodha_request_token()
        checksum = hashlib.sha256(f"simkey{token}simsecret".encode()).hexdigest()
        form = {"api_key": "simkey", "request_token": token, "checksum": checksum}
        url = self.addresses["zerodha"] + "/session/token"
        async with self.http.post(url, data=form) as response:
            return (await response.json())["data"]["access_token"]


@contextlib.asynccontextmanager
async def simulator(
    *,
    ticks: Path = TICKS,
    brokers: Sequence[str] = ("zerodha",),
    speed: str = "manual",
    options: Sequence[str] = (),
) -> AsyncGenerator[Simulator]:
    """A simulator for the time inside; `options` are further words of its command line."""
    if "zerodha" in brokers:
        await asyncio.sleep(seconds_to_wait(time.time()))
    words = ["--ticks", str(ticks), "--speed", speed, *options]
    for broker in brokers:
        words += ["--broker", broker]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "algo_sim", *words, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
        assert line, f"algo-sim did not start (exit status {await process.wait()})"
        # The handle is no client whose trust is tested.
        connector = aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(connector=connector) as http:
            yield Simulator(addresses=json.loads(line), http=http, process=process)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(5):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        process._transport.close()

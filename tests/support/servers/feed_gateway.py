"""A feed gateway in the test's own event loop, against a real simulator and a real Redis.

async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
    await feed.want("NSE:YESBANK")
    await sim.advance("09:20:00")
    await feed.until(lambda: len(feed.ticks()) > 3)
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from algo_brokers.order_reports import read_report
from algo_contract import redis_keys, stream_fields
from algo_contract.messages.redis_server import RedisServer, redis_json
from algo_contract.messages.broker_session import BrokerSession, session_json
from algo_contract.messages.feed_assignment import FeedAssignment, feed_json
from algo_engine.orders import OrderReport
from algo_feed.settings import Intervals
from algo_feed.process import run
from hiredis import Reader
from support.servers.redis_server import RedisProcess
from support.servers.sim_server import Simulator

ACCOUNT = "brk_feed"
YESBANK = "NSE:YESBANK"
UNTIL_SECONDS = 30.0
QUICK = Intervals(
    book=0.2,
    idle_book=0.2,
    quotes=1.05,
    wanted=0.05,
    unwanted=0.5,
    clock=0.05,
    heartbeat=0.1,
    trim=0.2,
    session_file=0.05,
    refused=30.0,
    refused_once=0.2,
    refused_twice=0.3,
    first_retry=0.05,
    longest_retry=0.2,
)


@dataclass
class Feed:
    """A running gateway, and what it has written."""

    folder: Path
    port: int
    redis: RedisProcess
    account: str = ACCOUNT
    name: str = ACCOUNT
    running: "asyncio.Task[None] | None" = None
    """The gateway itself, where it runs in the test's own loop."""

    def ask(self, *words: str | int) -> Any:
        """Redis' reply to a command."""
        reader = Reader(encoding="utf-8")
        reader.feed(self.redis.run(*words).encode())
        return reader.gets()

    async def want(self, *names: str) -> None:
        """Wishes EXCHANGE:SYMBOL, and waits for each one's first packet or its refusal."""
        self.ask("SADD", redis_keys.feed_instruments(self.name), *names)
        await self.until(lambda: set(names) <= set(self.facts()) | set(self.unknown()))
        streams = {redis_keys.ticks(self.name, *name.split(":")) for name in self.facts()}
        await self.until(lambda: streams <= set(self.ask("KEYS", "ticks:*")), what="first packets")

    def facts(self) -> dict[str, Any]:
        """Facts of instruments, by name."""
        flat = self.ask("HGETALL", redis_keys.feed_facts(self.name))
        return {k: json.loads(v) for k, v in zip(flat[::2], flat[1::2], strict=True)}

    def unknown(self) -> list[str]:
        """Names that the feed does not have."""
        return sorted(self.ask("SMEMBERS", redis_keys.feed_unknown(self.name)))

    def ticks(self, name: str = YESBANK) -> list[dict[str, int]]:
        """An instrument's stream: p q v t r."""
        stream = redis_keys.ticks(self.name, *name.split(":"))
        return [
            {k: int(v) for k, v in zip(flat[::2], flat[1::2], strict=True)}
            for _, flat in self.ask("XRANGE", stream, "-", "+")
        ]

    def trades(self, name: str = YESBANK) -> list[tuple[int, int, int]]:
        """Time, price and volume of each tick that tells of a trade not told before."""
        found: list[tuple[int, int, int]] = []
        for tick in self.ticks(name):
            if tick["v"] > (found[-1][2] if found else 0):
                found.append((tick["t"], tick["p"], tick["v"]))
        return found

    def clock_us(self) -> int:
        """What the feed's clock shows."""
        return int(self.ask("GET", redis_keys.feed_clock(self.name)) or 0)

    def heartbeat_us(self) -> int:
        """When the feed last showed life."""
        return int(self.ask("GET", redis_keys.feed_heartbeat(self.name)) or 0)

    def quotes(self) -> dict[str, Any]:
        """The account's quotes, by name."""
        flat = self.ask("HGETALL", redis_keys.account(self.account, "quotes"))
        return {k: json.loads(v) for k, v in zip(flat[::2], flat[1::2], strict=True)}

    def orders(self) -> list[dict[str, str]]:
        """The account's order stream."""
        stream = redis_keys.account(self.account, "orders")
        return [
            dict(zip(flat[::2], flat[1::2], strict=True))
            for _, flat in self.ask("XRANGE", stream, "-", "+")
        ]

    def rows(self) -> list[OrderReport]:
        """Its rows in their order."""
        return [
            read_report(entry[stream_fields.ORDERS_ROW])
            for entry in self.orders()
            if entry[stream_fields.ORDERS_KIND] == "row"
        ]

    def books(self) -> list[dict[str, str]]:
        """Its books."""
        return [entry for entry in self.orders() if entry[stream_fields.ORDERS_KIND] == "book"]

    async def until(self, holds: Callable[[], object], *, what: str = "") -> None:
        """Waits until something holds."""
        try:
            async with asyncio.timeout(UNTIL_SECONDS):
                while not holds():  # noqa: ASYNC110 - what is looked at is in Redis
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"it did not come true: {what or holds}") from None

    async def page(self, path: str) -> tuple[int, str]:
        """Status and body of one of the gateway's own pages."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: feed\r\n\r\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        head, _, body = answer.partition("\r\n\r\n")
        return int(head.split(" ")[1]), body

    async def count(self, name: str) -> float:
        """One figure of /metrics; the sum over its labels."""
        _, body = await self.page("/metrics")
        lines = [line for line in body.splitlines() if line.startswith(f"algo_feed_{name}")]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    async def until_count(self, name: str, wanted: float) -> None:
        """Waits until a figure has reached a number."""
        async with asyncio.timeout(UNTIL_SECONDS):
            while await self.count(name) < wanted:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)

    async def until_ready(self) -> None:
        """Waits until /readyz says yes."""
        async with asyncio.timeout(UNTIL_SECONDS):
            while (await self.page("/readyz"))[0] != 200:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)

    def write_session(self, session: BrokerSession) -> None:
        """Puts a new session where the kubelet would."""
        path = self.folder / "session.json.new"
        path.write_text(session_json(session))
        path.replace(self.folder / "session.json")


async def zerodha_session(sim: Simulator) -> BrokerSession:
    """From a whole log-in."""
    return BrokerSession(
        broker="zerodha",
        client_id="SIM001",
        api_key="simkey",
        access_token=await sim.zerodha_access_token(),
        issued_us=0,
        expires_us=2**60,
    )


async def write_secret(
    folder: Path,
    sim: Simulator,
    redis: RedisProcess,
    *,
    session: Callable[[Simulator], Awaitable[BrokerSession]] = zerodha_session,
    user: tuple[str, str] | None = None,
    **changes: Any,
) -> None:
    """What the operator would put into the feed's Secret."""
    name, password = user or (redis.username, redis.password)
    server = RedisServer(host=redis.host, port=redis.port, username=name, password=password)
    own = await session(sim)
    assignment = FeedAssignment(
        account_id=ACCOUNT,
        feed=ACCOUNT,
        broker=own.broker,
        clock="Feed",
        base_url=sim.base_url(own.broker),
        feed_url=sim.feed_url(own.broker),
    )
    (folder / "feed.json").write_text(feed_json(replace(assignment, **changes)))
    (folder / "redis.json").write_text(redis_json(state=server, ticks=server))
    (folder / "session.json").write_text(session_json(own))


@contextlib.asynccontextmanager
async def feed_gateway(
    folder: Path,
    sim: Simulator,
    redis: RedisProcess,
    *,
    session: Callable[[Simulator], Awaitable[BrokerSession]] = zerodha_session,
    user: tuple[str, str] | None = None,
    intervals: Intervals = QUICK,
    **changes: Any,
) -> AsyncGenerator[Feed]:
    """A gateway for the time inside; `user` is its Redis user and password, the admin without;
    `changes` are of its assignment.
    """
    await write_secret(folder, sim, redis, session=session, user=user, **changes)
    listener = socket.create_server(("127.0.0.1", 0))
    feed = Feed(folder, listener.getsockname()[1], redis, name=changes.get("feed", ACCOUNT))
    feed.running = running = asyncio.create_task(run(folder, listener, intervals=intervals))
    try:
        yield feed
        if running.done():
            running.result()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        listener.close()

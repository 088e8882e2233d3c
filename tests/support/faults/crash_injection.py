"""Runs a session in this process on a real Redis, dying at a chosen step and starting again.

`crash_at` counts calls to redis-state. Dying before a call loses it; dying after it means that it
was carried out and nobody heard the answer.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from algo_contract.messages.assignment import Assignment
from algo_contract.messages.redis_server import RedisServer
from algo_contract.redis_keys import strategy as strategy_key
from algo_engine.events import SessionEnd
from algo_engine.state import State
from algo_engine.tick_file import FileTick
from algo_redis.connection import connect
from algo_redis.client import RedisClient
from algo_redis.connection import entry_fields
from algo_runner.tick_loop import TickLoop, take
from algo_runner.recovery.startup import first_tick_id, open_session
from algo_runner.session import stream_place
from support.servers.redis_server import RedisProcess

Moment = Literal["before", "after"]


class Crash(BaseException):
    """The process dies here; nothing may catch it."""


@dataclass
class CrashingRedis(RedisClient):
    """A connection that dies with the process at a chosen call, and checks the book at each."""

    server: RedisServer
    crash_at: set[tuple[int, Moment]]
    calls: int = 0
    inner: RedisClient = field(init=False)

    def __post_init__(self) -> None:
        self.inner = RedisClient(self.server, name="test")

    async def ready(self) -> Any:
        return await self.inner.ready()

    async def call(self, *command: Any) -> Any:
        return await self._dying(self.inner.call(*command))

    async def run(self, script: Any, *, keys: Any, args: Any) -> Any:
        return await self._dying(self.inner.run(script, keys=keys, args=args))

    async def closed(self) -> None:
        self.inner.close()
        await asyncio.sleep(0)

    async def _dying(self, call: Any) -> Any:
        self.calls += 1
        if (self.calls, "before") in self.crash_at:
            call.close()
            raise Crash
        reply = await call
        if (self.calls, "after") in self.crash_at:
            raise Crash
        return reply


@dataclass
class Outcome:
    """How a day with crashes ended."""

    state: State
    calls: int
    crashes: int


def server_of(redis: RedisProcess) -> RedisServer:
    return RedisServer(
        host=redis.host, port=redis.port, username=redis.username, password=redis.password
    )


async def run_with_crashes(
    day: Assignment,
    ticks: Sequence[FileTick],
    redis: RedisProcess,
    crash_at: set[tuple[int, Moment]],
) -> Outcome:
    """Runs the day; after each crash a new process starts with a raised epoch."""
    entries = [
        (f"{n}-1".encode(), price, quantity, volume, time_us, time_us)
        for n, (_, _, time_us, price, quantity, volume) in enumerate(ticks, 1)
    ]
    connection = CrashingRedis(server_of(redis), set(crash_at))
    crashes = 0
    while True:
        try:
            session = await open_session(day, connection)
            after = stream_place(first_tick_id(session, now_ms=0))
            for entry in entries:
                if stream_place(entry[0].decode()) > after:
                    await take(session, TickLoop(), [entry])
            await session.handle(SessionEnd(), kind="session_end")
            await connection.closed()
            await check_promises(day, redis)
            return Outcome(session.state, connection.calls, crashes)
        except Crash:
            crashes += 1
            await connection.closed()
            await check_promises(day, redis)
            day = replace(day, epoch=day.epoch + 1)
            connection = CrashingRedis(server_of(redis), set(crash_at), calls=connection.calls)


async def check_promises(day: Assignment, redis: RedisProcess) -> None:
    """What must hold in journal and book at every instant, crash or not."""
    connection = await connect(server_of(redis), name="check")
    strategy = day.strategy.id
    book = await connection.call("HGETALL", strategy_key(strategy, "paper"))
    journal = await connection.call("XRANGE", strategy_key(strategy, "journal"), "-", "+")
    connection.close()
    await asyncio.sleep(0)
    orders = [json.loads(text) for tag, text in book.items() if tag != "last_tick"]
    intents = {
        intent["tag"]
        for _, fields in journal
        for intent in json.loads(entry_fields(fields)["data"])
        if intent["op"] == "place"
    }
    bought = sum(o["filled"] for o in orders if o["side"] == "BUY")
    sold = sum(o["filled"] for o in orders if o["side"] == "SELL")
    live = [o for o in orders if o["status"] in ("OPEN", "TRIGGER_PENDING", "PENDING")]
    assert {o["tag"] for o in orders} <= intents, "an order without a journalled intent"
    assert len([o for o in orders if o["side"] == "BUY"]) <= 1, "two entries"
    assert sold <= bought <= day.strategy.quantity, "sold more than was bought"
    assert len([o for o in live if o["side"] == "SELL"]) <= 1, "two live exits"
    could_sell = sum(o["terms"]["quantity"] - o["filled"] for o in live if o["side"] == "SELL")
    assert sold + could_sell <= bought, "the live exit is larger than the position"

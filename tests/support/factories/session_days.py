"""A session in this process on a real Redis, and ticks for it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from algo_contract.messages.assignment import Assignment
from algo_redis.client import RedisClient
from algo_runner.tick_loop import TickLoop, take
from algo_runner.recovery.startup import open_session
from algo_runner.session import StrategySession
from support.faults.crash_injection import server_of
from support.factories.days import a_day, a_strategy, ticks_at
from support.servers.redis_server import RedisProcess

SECOND = 1_000_000


@asynccontextmanager
async def opened(
    day: Assignment, redis: RedisProcess, *, connection: RedisClient | None = None
) -> AsyncIterator[StrategySession]:
    held = connection or RedisClient(server_of(redis), name="test")
    try:
        yield await open_session(day, held)
    finally:
        held.close()
        await asyncio.sleep(0)


async def feed(
    session: StrategySession, prices: list[int], *, start: str = "09:20", first: int = 1
) -> None:
    for number, (_, _, time_us, price, quantity, volume) in enumerate(
        ticks_at(prices, start=start), first
    ):
        entry = (f"{number}-1".encode(), price, quantity, volume, time_us, time_us)
        await take(session, TickLoop(), [entry])


def now_day(**fields: Any) -> tuple[Assignment, int]:
    """A wall-clock day whose buy time was ten seconds ago, and the time now."""
    now_us = time.time_ns() // 1000
    recorded = a_day(a_strategy(**fields), clock="Wall")
    midnight_us = now_us - (recorded.strategy.buy_time + 10) * SECOND
    session = replace(
        recorded.session,
        midnight_us=midnight_us,
        pre_open_us=midnight_us + 9 * 3600 * SECOND,
        open_us=midnight_us + (9 * 3600 + 900) * SECOND,
        close_us=midnight_us + (15 * 3600 + 1800) * SECOND,
    )
    return replace(recorded, session=session), now_us

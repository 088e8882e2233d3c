"""A session in this process on a real Redis, and ticks for it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from algo_contract.assignment import Assignment
from algo_redis.held import HeldConnection
from algo_runner.market import Market, take
from algo_runner.opening import open_session
from algo_runner.session import Session
from crashes import server_of
from days import a_day, a_strategy, ticks_at
from redis_server import RedisProcess

SECOND = 1_000_000


@asynccontextmanager
async def opened(
    day: Assignment, redis: RedisProcess, *, connection: HeldConnection | None = None
) -> AsyncIterator[Session]:
    held = connection or HeldConnection(server_of(redis), name="test")
    try:
        yield await open_session(day, held)
    finally:
        held.close()
        await asyncio.sleep(0)


async def feed(
    session: Session, prices: list[int], *, start: str = "09:20", first: int = 1
) -> None:
    for number, (_, _, time_us, price, quantity, volume) in enumerate(
        ticks_at(prices, start=start), first
    ):
        entry = (f"{number}-1".encode(), price, quantity, volume, time_us, time_us)
        await take(session, Market(), [entry])


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

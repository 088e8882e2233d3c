"""What a live runner does beside the tick loop: sends orders, hears of them, keeps its session."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from algo_redis.client import RedisClient

from algo_runner.live.execution_client import ExecutionClient
from algo_runner.live.order_sender import send_orders
from algo_runner.live.order_updates import follow_orders, watch_book
from algo_runner.live.session_keeper import keep_session
from algo_runner.live.stale_feed import guard_by_quotes
from algo_runner.session import StrategySession


@dataclass(frozen=True, slots=True)
class RedisClients:
    """To redis-ticks. A blocking read holds up whatever comes after it on its connection."""

    orders: RedisClient
    quotes: RedisClient


async def trade_live(
    session: StrategySession, client: ExecutionClient, folder: Path, redis: RedisClients
) -> None:
    """Runs until it is cancelled.

    Raises:
        Fenced: a newer runner has taken over.
    """
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send_orders(session, client))
        tasks.create_task(follow_orders(session, client, redis.orders))
        tasks.create_task(watch_book(session, client))
        tasks.create_task(keep_session(session, client, folder))
        tasks.create_task(guard_by_quotes(session, redis.quotes))

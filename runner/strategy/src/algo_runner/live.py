"""What a live runner does beside the tick loop: sends orders, hears of them, keeps its session."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from algo_redis.held import HeldConnection

from algo_runner.broker_session import keep_session
from algo_runner.delivery import deliver
from algo_runner.desk import LiveDesk
from algo_runner.order_news import follow_orders, watch_book
from algo_runner.session import Session
from algo_runner.stale_feed import guard_by_quotes


@dataclass(frozen=True, slots=True)
class Links:
    """To redis-ticks. A blocking read holds up whatever comes after it on its connection."""

    orders: HeldConnection
    quotes: HeldConnection


async def trade_live(session: Session, desk: LiveDesk, folder: Path, links: Links) -> None:
    """Runs until it is cancelled.

    Raises:
        Fenced: a newer runner has taken over.
    """
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(deliver(session, desk))
        tasks.create_task(follow_orders(session, desk, links.orders))
        tasks.create_task(watch_book(session, desk))
        tasks.create_task(keep_session(session, desk, folder))
        tasks.create_task(guard_by_quotes(session, links.quotes))

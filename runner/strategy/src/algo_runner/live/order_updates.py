"""What an account's order book shows, for a live session: told by the account's feed, and read by
the runner itself only while that is silent.
"""

import asyncio
import json
import time
from typing import Any, Final

from algo_brokers.errors import BrokerError
from algo_brokers.order_reports import read_report
from algo_contract import redis_keys, stream_fields
from algo_engine.events import OrderReported
from algo_engine.orders import OrderReport
from algo_engine.state import State, all_orders, entry_is_live, is_watched, live_exit
from algo_redis.client import RedisClient
from algo_redis.connection import entry_fields
from algo_redis.errors import RedisUnavailable
from algo_service.backoff import jittered
from algo_service.clock import now_us as wall_us
from algo_service.logging import get_logger

from algo_runner.live.execution_client import ExecutionClient
from algo_runner.session import StrategySession

log = get_logger(__name__)

BLOCK_MS: Final = 1000
SILENT_US: Final = 6_000_000
"""A feed that has told of no reading of the book for so long is silent: it reads every 2 s."""

OWN_READ_SECONDS: Final = 2.0
MAX_OWN_READ_SECONDS: Final = 16.0
"""A reading that fails is tried again after a pause that doubles: where the limit is reached, every
runner of the account would keep it closed."""

WATCH_READ_US: Final = 60_000_000
"""How often the book is read for an order that was given up as absent."""


async def follow_orders(
    session: StrategySession, client: ExecutionClient, redis: RedisClient
) -> None:
    """Takes over what the account's feed tells, for as long as the session runs.

    Raises:
        Fenced: a newer runner has taken over.
    """
    key = redis_keys.account(session.day.account_id or "", "orders")
    after = f"{time.time_ns() // 1_000_000 - SILENT_US // 1000}-0"
    while True:
        try:
            reply = await redis.call(
                "XREAD", "COUNT", 500, "BLOCK", BLOCK_MS, "STREAMS", key, after
            )
        except RedisUnavailable:
            continue
        for entry_id, words in next(iter(reply.values())) if reply else []:
            after = entry_id
            try:
                await _take(session, client, entry_fields(words))
            except ValueError as error:
                log.warning("order_news_unreadable", id=entry_id, error=str(error))


async def watch_book(session: StrategySession, client: ExecutionClient) -> None:
    """Reads the book where the feed does not, and ends the search for orders it never shows.

    Raises:
        Fenced: a newer runner has taken over.
    """
    pause = OWN_READ_SECONDS
    while True:
        await asyncio.sleep(jittered(pause * 1.25, spread=0.2))
        silent_us = wall_us() - client.book_us
        if silent_us > (SILENT_US if _waits(session.state) else WATCH_READ_US) and _cares(session):
            is_read = await _read_book(session, client)
            pause = OWN_READ_SECONDS if is_read else min(2 * pause, MAX_OWN_READ_SECONDS)
        await _show_again(session, client)
        for answer in list(client.inflight.absent_orders(session.state, lag_us=client.lag_us)):
            session.count("place", "absent")
            await session.handle(answer, kind="absent")


async def _take(session: StrategySession, client: ExecutionClient, fields: dict[str, str]) -> None:
    if fields.get(stream_fields.ORDERS_KIND) == "row":
        await _show(session, client, read_report(fields.get(stream_fields.ORDERS_ROW, "")))
        return
    started = fields.get(stream_fields.ORDERS_STARTED, "")
    tags: Any = json.loads(fields.get(stream_fields.ORDERS_TAGS, ""))
    if not started.isdigit() or not isinstance(tags, list):
        raise ValueError("not the reading of an order book")
    client.book_us = max(client.book_us, int(started))
    known = frozenset(map(str, tags))
    is_up = fields.get(stream_fields.ORDERS_SOCKET) == "1"
    if any(order.tag in known - client.shown.keys() for order in all_orders(session.state)):
        await _read_book(session, client)  # its row was told before this process listened
    client.inflight.note_book(known, started_us=int(started), is_up=is_up)


async def _read_book(session: StrategySession, client: ExecutionClient) -> bool:
    started_us = wall_us()
    try:
        rows = await client.broker.orders()
    except BrokerError as error:
        log.warning("order_book_unread", error=str(error))
        return False
    client.book_us = max(client.book_us, started_us)
    for row in rows:
        await _show(session, client, row)
    tags = {row.tag for row in rows}
    client.inflight.note_book(tags, started_us=started_us, is_up=False)
    return True


async def _show(session: StrategySession, client: ExecutionClient, row: OrderReport) -> None:
    if row.tag and any(order.tag == row.tag for order in all_orders(session.state)):
        client.show([row])
        await session.handle(OrderReported(row), kind="book")


async def _show_again(session: StrategySession, client: ExecutionClient) -> None:
    """Hands the engine once more the rows that do not show a change which was confirmed before the
    newest reading of the book: a broker that answered and did nothing.
    """
    for order in all_orders(session.state):
        row = client.shown.get(order.tag)
        if row is None or not order.is_live or row.terms == order.terms:
            continue
        if client.changed_us.get(order.tag, 0) < client.book_us:
            await session.handle(OrderReported(row), kind="book")


def _cares(session: StrategySession) -> bool:
    return _waits(session.state) or is_watched(session.state)


def _waits(state: State) -> bool:
    """Something may happen to an order of ours at any moment."""
    return entry_is_live(state) or live_exit(state) is not None

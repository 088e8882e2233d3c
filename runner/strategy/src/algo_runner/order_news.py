"""What an account's order book shows, for a live session: told by the account's feed, and read by
the runner itself only while that is silent.
"""

import asyncio
import json
import random
import time
from typing import Any, Final

from algo_brokers.errors import BrokerError
from algo_brokers.rows import read_row
from algo_contract import redis_keys, streams
from algo_engine.events import Seen
from algo_engine.orders import OrderRow
from algo_engine.state import State, all_orders, entry_is_live, is_watched, live_exit
from algo_redis.errors import RedisUnavailable
from algo_redis.held import HeldConnection
from algo_redis.streams import entry_fields

from algo_runner.desk import LiveDesk
from algo_runner.log import log
from algo_runner.session import Session

BLOCK_MS: Final = 1000
SILENT_US: Final = 6_000_000
"""A feed that has told of no reading of the book for so long is silent: it reads every 2 s."""

OWN_READ_SECONDS: Final = 2.0
MAX_OWN_READ_SECONDS: Final = 16.0
"""A reading that fails is tried again after a pause that doubles: where the limit is reached, every
runner of the account would keep it closed."""

WATCH_READ_US: Final = 60_000_000
"""How often the book is read for an order that was given up as absent."""


async def follow_orders(session: Session, desk: LiveDesk, redis: HeldConnection) -> None:
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
                await _take(session, desk, entry_fields(words))
            except ValueError as error:
                log("order_news_unreadable", id=entry_id, error=str(error))


async def watch_book(session: Session, desk: LiveDesk) -> None:
    """Reads the book where the feed does not, and ends the search for orders it never shows.

    Raises:
        Fenced: a newer runner has taken over.
    """
    pause = OWN_READ_SECONDS
    while True:
        await asyncio.sleep(pause * random.uniform(1, 1.5))  # noqa: S311 - apart from other runners
        silent_us = time.time_ns() // 1000 - desk.book_us
        if silent_us > (SILENT_US if _waits(session.state) else WATCH_READ_US) and _cares(session):
            is_read = await _read_book(session, desk)
            pause = OWN_READ_SECONDS if is_read else min(2 * pause, MAX_OWN_READ_SECONDS)
        await _show_again(session, desk)
        for answer in list(desk.evidence.verdicts(session.state, lag_us=desk.lag_us)):
            session.count("place", "absent")
            await session.handle(answer, kind="absent")


async def _take(session: Session, desk: LiveDesk, fields: dict[str, str]) -> None:
    if fields.get(streams.ORDERS_KIND) == "row":
        await _show(session, desk, read_row(fields.get(streams.ORDERS_ROW, "")))
        return
    started = fields.get(streams.ORDERS_STARTED, "")
    tags: Any = json.loads(fields.get(streams.ORDERS_TAGS, ""))
    if not started.isdigit() or not isinstance(tags, list):
        raise ValueError("not the reading of an order book")
    desk.book_us = max(desk.book_us, int(started))
    known = frozenset(map(str, tags))
    is_up = fields.get(streams.ORDERS_SOCKET) == "1"
    if any(order.tag in known - desk.shown.keys() for order in all_orders(session.state)):
        await _read_book(session, desk)  # its row was told before this process listened
    desk.evidence.note_book(known, started_us=int(started), is_up=is_up)


async def _read_book(session: Session, desk: LiveDesk) -> bool:
    started_us = time.time_ns() // 1000
    try:
        rows = await desk.broker.orders()
    except BrokerError as error:
        log("order_book_unread", error=str(error))
        return False
    desk.book_us = max(desk.book_us, started_us)
    for row in rows:
        await _show(session, desk, row)
    tags = {row.tag for row in rows}
    desk.evidence.note_book(tags, started_us=started_us, is_up=False)
    return True


async def _show(session: Session, desk: LiveDesk, row: OrderRow) -> None:
    if row.tag and any(order.tag == row.tag for order in all_orders(session.state)):
        desk.show([row])
        await session.handle(Seen(row), kind="book")


async def _show_again(session: Session, desk: LiveDesk) -> None:
    """Hands the engine once more the rows that do not show a change which was confirmed before the
    newest reading of the book: a broker that answered and did nothing.
    """
    for order in all_orders(session.state):
        row = desk.shown.get(order.tag)
        if row is None or not order.is_live or row.terms == order.terms:
            continue
        if desk.changed_us.get(order.tag, 0) < desk.book_us:
            await session.handle(Seen(row), kind="book")


def _cares(session: Session) -> bool:
    return _waits(session.state) or is_watched(session.state)


def _waits(state: State) -> bool:
    """Something may happen to an order of ours at any moment."""
    return entry_is_live(state) or live_exit(state) is not None

"""The account's one reader of orders: what is pushed and what the book shows, told to all of its
runners in `account:{id}:orders`. The book mends what a push lost, doubled or brought too late.
"""

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from algo_brokers.order_reports import write_report
from algo_brokers.port import Broker
from algo_contract import redis_keys, stream_fields
from algo_contract.ids import TAG_LENGTH
from algo_engine.orders import OrderReport
from algo_redis.client import RedisClient
from algo_redis.connection import Command, Connection
from algo_redis.errors import RedisError
from algo_service.clock import now_us as wall_us
from algo_service.logging import get_logger

from algo_feed.broker.client import BrokerClient
from algo_feed.metrics import Metrics
from algo_feed.orders.changes import ChangeTracker
from algo_feed.orders.completeness import BookCompleteness
from algo_feed.settings import Intervals

log = get_logger(__name__)

_KEPT_MS: Final = 60_000
"""How much the stream holds: its readers begin a few seconds back."""
_OURS: Final = re.compile(rf"[A-Z0-9]{{{TAG_LENGTH}}}")
"""Tags as `ids.order_tag` makes them; what others wrote into theirs is nobody's business."""
_MOST_PUSHED: Final = 1_000
_TELL_SECONDS: Final = 2.0


class OrderPublisher:
    """One account's order stream."""

    def __init__(
        self,
        redis: RedisClient,
        client: BrokerClient[Broker],
        *,
        account_id: str,
        metrics: Metrics,
        intervals: Intervals,
        least_seconds: float,
        socket: Callable[[], int],
        changes: Callable[[], bool],
    ) -> None:
        """Reads nothing yet.

        Args:
            redis: to redis-ticks.
            client: where to ask for the book.
            account_id: whose stream.
            metrics: where to count.
            intervals: how often to read.
            least_seconds: between two reads, however urgent: the broker's limit.
            socket: which connection order updates come by just now, counted; 0 for none.
            changes: whether orders can change at this hour.
        """
        self.first_read: Final = asyncio.Event()
        self._redis: Final = redis
        self._client: Final = client
        self._stream: Final = redis_keys.account(account_id, "orders")
        self._metrics: Final = metrics
        self._intervals: Final = intervals
        self._least: Final = least_seconds
        self._socket: Final = socket
        self._socket_told = 0
        """What it was at the newest book that was told, 0 where a push may be lost since."""
        self._changes: Final = changes
        self._told: Final = ChangeTracker()
        self._seen: Final = BookCompleteness()
        self._pushed: Final = deque[tuple[OrderReport, int]](maxlen=_MOST_PUSHED)
        self._has_pushed: Final = asyncio.Event()
        self._urgent: Final = asyncio.Event()
        self._telling: Final = asyncio.Lock()
        self._connection: Connection | None = None
        """The one over which was told what was told: another one's server may be empty."""

    def pushed(self, rows: Sequence[OrderReport]) -> None:
        """Takes rows from the socket; returns at once."""
        now_us = wall_us()
        for row in rows:
            self._seen.pushed(row.broker_id, now_us=now_us)
            self._pushed.append((row, now_us))
        self._has_pushed.set()

    def hurry(self) -> None:
        """The socket of order updates was opened again: what came meanwhile is in the book only."""
        self._urgent.set()

    def start_over(self) -> None:
        """What was told is gone."""
        self._forget()
        self._seen.forget()
        self._urgent.set()

    async def publish_pushed(self) -> None:
        """Hands on what is pushed, forever."""
        while True:
            _ = await self._has_pushed.wait()
            self._has_pushed.clear()
            await self._tell()

    async def read_forever(self) -> None:
        """Reads the book again and again."""
        while True:
            self._urgent.clear()
            began = time.monotonic()
            await self._read()
            pause = self._intervals.book if self._changes() else self._intervals.idle_book
            try:
                async with asyncio.timeout(max(0.0, began + pause - time.monotonic())):
                    _ = await self._urgent.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(max(0.0, began + self._least - time.monotonic()))

    async def _read(self) -> None:
        started: list[int] = []

        async def orders(broker: Broker) -> list[OrderReport]:
            started.append(wall_us())
            return await broker.orders()

        socket = self._socket()
        book = await self._client.ask(orders)
        if book is None or not self._seen.is_whole(book, started_us=started[-1]):
            self._metrics.book_failures += 1
            return
        self._metrics.book_reads += 1
        self.first_read.set()
        await self._tell(_Reading(book, started_us=started[-1], read_us=wall_us(), socket=socket))

    async def _tell(self, reading: "_Reading | None" = None) -> None:
        """Appends what was pushed and what a reading has of news, then that it was read well.

        What cannot be told in time is left to the next book, which then tells everything, and
        whose mark says that pushes may be missing.
        """
        async with self._telling:
            try:
                async with asyncio.timeout(_TELL_SECONDS):
                    connection = await self._redis.ready()
                    if connection is not self._connection:
                        self._connection = connection
                        self._forget()
                    rows = self._take_pushed() + (self._news(reading) if reading else [])
                    _ = await connection.execute(*rows)
                    if reading is not None:
                        await self._mark(connection, reading)
            except (TimeoutError, RedisError) as error:
                log.info("orders_untold", error=type(error).__name__)
                self._forget()

    def _forget(self) -> None:
        """What was told may be gone."""
        self._told.forget()
        self._socket_told = 0

    def _news(self, reading: "_Reading") -> list[Command]:
        news = self._told.news(reading.book, started_us=reading.started_us)
        return [self._row(row, reading.read_us) for row in news]

    async def _mark(self, connection: Connection, reading: "_Reading") -> None:
        """Tells of a reading; never before its rows are in."""
        socket = self._socket()
        is_up = 0 < reading.socket == socket == self._socket_told
        tags = [row.tag for row in reading.book if _OURS.fullmatch(row.tag)]
        _ = await connection.execute(
            self._entry(
                (stream_fields.ORDERS_KIND, "book"),
                (stream_fields.ORDERS_TAGS, json.dumps(tags, separators=(",", ":"))),
                (stream_fields.ORDERS_STARTED, reading.started_us),
                (stream_fields.ORDERS_RECEIVED, reading.read_us),
                (stream_fields.ORDERS_SOCKET, int(is_up)),
            )
        )
        self._socket_told = socket

    def _take_pushed(self) -> list[Command]:
        commands: list[Command] = []
        while self._pushed:
            row, now_us = self._pushed.popleft()
            self._told.pushed(row, now_us=now_us)
            commands.append(self._row(row, now_us))
        return commands

    def _row(self, row: OrderReport, received_us: int) -> Command:
        self._metrics.rows += 1
        return self._entry(
            (stream_fields.ORDERS_KIND, "row"),
            (stream_fields.ORDERS_ROW, write_report(row)),
            (stream_fields.ORDERS_RECEIVED, received_us),
        )

    def _entry(self, *fields: tuple[str, str | int]) -> Command:
        words = [word for field in fields for word in field]
        oldest_ms = time.time_ns() // 1_000_000 - _KEPT_MS
        return ("XADD", self._stream, "MINID", "~", oldest_ms, "*", *words)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One reading of the book. Times in wall clock µs."""

    book: Sequence[OrderReport] = field(kw_only=False)
    started_us: int
    read_us: int
    socket: int
    """Which connection of order updates was up when it was begun."""

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

from algo_brokers.port import Broker
from algo_brokers.rows import row_json
from algo_contract import redis_keys, streams
from algo_contract.ids import TAG_LENGTH
from algo_engine.orders import OrderRow
from algo_redis.connection import Command, Connection
from algo_redis.errors import RedisError
from algo_redis.held import HeldConnection

from algo_feed.broker_desk import BrokerDesk
from algo_feed.figures import Figures
from algo_feed.log import log
from algo_feed.orders_seen import OrdersSeen
from algo_feed.rhythm import Rhythm
from algo_feed.rows_told import RowsTold

_KEPT_MS: Final = 60_000
"""How much the stream holds: its readers begin a few seconds back."""
_OURS: Final = re.compile(rf"[A-Z0-9]{{{TAG_LENGTH}}}")
"""Tags as `ids.order_tag` makes them; what others wrote into theirs is nobody's business."""
_MOST_PUSHED: Final = 1_000
_TELL_SECONDS: Final = 2.0


class OrderBook:
    """One account's order stream."""

    def __init__(
        self,
        redis: HeldConnection,
        desk: BrokerDesk[Broker],
        *,
        account_id: str,
        figures: Figures,
        rhythm: Rhythm,
        least_seconds: float,
        socket: Callable[[], int],
        changes: Callable[[], bool],
    ) -> None:
        """Reads nothing yet.

        Args:
            redis: to redis-ticks.
            desk: where to ask for the book.
            account_id: whose stream.
            figures: where to count.
            rhythm: how often to read.
            least_seconds: between two reads, however urgent: the broker's limit.
            socket: which connection order updates come by just now, counted; 0 for none.
            changes: whether orders can change at this hour.
        """
        self.first_read: Final = asyncio.Event()
        self._redis: Final = redis
        self._desk: Final = desk
        self._stream: Final = redis_keys.account(account_id, "orders")
        self._figures: Final = figures
        self._rhythm: Final = rhythm
        self._least: Final = least_seconds
        self._socket: Final = socket
        self._socket_told = 0
        """What it was at the newest book that was told, 0 where a push may be lost since."""
        self._changes: Final = changes
        self._told: Final = RowsTold()
        self._seen: Final = OrdersSeen()
        self._pushed: Final = deque[tuple[OrderRow, int]](maxlen=_MOST_PUSHED)
        self._has_pushed: Final = asyncio.Event()
        self._urgent: Final = asyncio.Event()
        self._telling: Final = asyncio.Lock()
        self._connection: Connection | None = None
        """The one over which was told what was told: another one's server may be empty."""

    def pushed(self, rows: Sequence[OrderRow]) -> None:
        """Takes rows from the socket; returns at once."""
        now_us = time.time_ns() // 1000
        for row in rows:
            self._seen.pushed(row.broker_id, now_us=now_us)
            self._pushed.append((row, now_us))
        self._has_pushed.set()

    def hurry(self) -> None:
        """The socket of order updates was opened anew: what came meanwhile is in the book only."""
        self._urgent.set()

    def begin_anew(self) -> None:
        """What was told is gone."""
        self._forget()
        self._seen.forget()
        self._urgent.set()

    async def tell_pushed(self) -> None:
        """Hands on what is pushed, for ever."""
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
            pause = self._rhythm.book if self._changes() else self._rhythm.idle_book
            try:
                async with asyncio.timeout(max(0.0, began + pause - time.monotonic())):
                    _ = await self._urgent.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(max(0.0, began + self._least - time.monotonic()))

    async def _read(self) -> None:
        started: list[int] = []

        async def orders(broker: Broker) -> list[OrderRow]:
            started.append(time.time_ns() // 1000)
            return await broker.orders()

        socket = self._socket()
        book = await self._desk.ask(orders)
        if book is None or not self._seen.is_whole(book, started_us=started[-1]):
            self._figures.book_failures += 1
            return
        self._figures.book_reads += 1
        self.first_read.set()
        await self._tell(
            _Reading(book, started_us=started[-1], read_us=time.time_ns() // 1000, socket=socket)
        )

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
                log("orders_untold", error=type(error).__name__)
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
                (streams.ORDERS_KIND, "book"),
                (streams.ORDERS_TAGS, json.dumps(tags, separators=(",", ":"))),
                (streams.ORDERS_STARTED, reading.started_us),
                (streams.ORDERS_RECEIVED, reading.read_us),
                (streams.ORDERS_SOCKET, int(is_up)),
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

    def _row(self, row: OrderRow, received_us: int) -> Command:
        self._figures.rows += 1
        return self._entry(
            (streams.ORDERS_KIND, "row"),
            (streams.ORDERS_ROW, row_json(row)),
            (streams.ORDERS_RECEIVED, received_us),
        )

    def _entry(self, *fields: tuple[str, str | int]) -> Command:
        words = [word for field in fields for word in field]
        oldest_ms = time.time_ns() // 1_000_000 - _KEPT_MS
        return ("XADD", self._stream, "MINID", "~", oldest_ms, "*", *words)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One reading of the book. Times in wall clock µs."""

    book: Sequence[OrderRow] = field(kw_only=False)
    started_us: int
    read_us: int
    socket: int
    """Which connection of order updates was up when it was begun."""

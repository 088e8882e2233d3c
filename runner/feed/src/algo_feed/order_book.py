"""The account's one reader of orders: what is pushed and what the book shows, told to all of its
runners in `account:{id}:orders`. The book mends what a push lost, doubled or brought too late.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from algo_brokers.port import Broker
from algo_brokers.rows import row_json
from algo_contract import redis_keys, streams
from algo_engine.orders import OrderRow
from algo_redis.connection import Command, Connection
from algo_redis.errors import RedisError
from algo_redis.held import HeldConnection

from algo_feed.broker_desk import BrokerDesk
from algo_feed.figures import Figures
from algo_feed.log import log
from algo_feed.rhythm import Rhythm
from algo_feed.rows_told import RowsTold

_ENTRIES: Final = 5_000
"""Kept in the stream: a busy account's day has some hundred rows and 12,000 books."""
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
        """What it was at the newest book that was told."""
        self._changes: Final = changes
        self._told: Final = RowsTold()
        self._pushed: Final = deque[tuple[OrderRow, int]](maxlen=_MOST_PUSHED)
        self._has_pushed: Final = asyncio.Event()
        self._urgent: Final = asyncio.Event()
        self._telling: Final = asyncio.Lock()
        self._connection: Connection | None = None
        """The one over which was told what was told: another one's server may be empty."""

    def pushed(self, rows: Sequence[OrderRow]) -> None:
        """Takes rows from the socket; returns at once."""
        now_us = time.time_ns() // 1000
        self._pushed.extend((row, now_us) for row in rows)
        self._has_pushed.set()

    def hurry(self) -> None:
        """The socket of order updates was opened anew: what came meanwhile is in the book only."""
        self._urgent.set()

    def begin_anew(self) -> None:
        """What was told is gone."""
        self._told.forget()
        self._urgent.set()

    async def tell_pushed(self) -> None:
        """Hands on what is pushed, for ever."""
        while True:
            _ = await self._has_pushed.wait()
            self._has_pushed.clear()
            await self._tell(list)

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
        if book is None:
            self._figures.book_failures += 1
            return
        self._figures.book_reads += 1
        self.first_read.set()
        read_us = time.time_ns() // 1000
        is_up = 0 < socket == self._socket() == self._socket_told
        self._socket_told = self._socket()

        def entries() -> list[Command]:
            news = self._told.news(book, started_us=started[-1])
            tags = json.dumps([row.tag for row in book if row.tag], separators=(",", ":"))
            read = self._entry(
                (streams.ORDERS_KIND, "book"),
                (streams.ORDERS_TAGS, tags),
                (streams.ORDERS_STARTED, started[-1]),
                (streams.ORDERS_RECEIVED, read_us),
                (streams.ORDERS_SOCKET, int(is_up)),
            )
            return [*(self._row(row, read_us) for row in news), read]

        await self._tell(entries)

    async def _tell(self, entries: Callable[[], list[Command]]) -> None:
        """Appends what was pushed, then these entries, made when Redis is there.

        What cannot be told in time is left to the next book, which then tells everything.
        """
        async with self._telling:
            try:
                async with asyncio.timeout(_TELL_SECONDS):
                    connection = await self._redis.ready()
                    if connection is not self._connection:
                        self._connection = connection
                        self._told.forget()
                    commands = self._take_pushed() + entries()
                    _ = await connection.execute(*commands)
            except (TimeoutError, RedisError) as error:
                log("orders_untold", error=type(error).__name__)
                self._told.forget()

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
        return ("XADD", self._stream, "MAXLEN", "~", _ENTRIES, "*", *words)

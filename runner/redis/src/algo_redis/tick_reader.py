"""Reading one instrument's ticks from its stream, through restarts of the server.

    reader = TickReader(server, redis_keys.ticks(feed, exchange, symbol), name="str_7k2m-ticks")
    while True:
        for _, price, quantity, volume, time_us, received_us in await reader.read():
            ...

A tick is read once, in the stream's order; after a lost connection reading goes on behind the
last id. The cost of a tick is its share of one XREAD reply, the decode and nothing else.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Final

from algo_contract import redis_keys
from algo_contract.messages.redis_server import RedisServer

from algo_redis.connecting import OnRetry, connect_forever, retry_pauses
from algo_redis.connection import DEADLINE_SECONDS, Command, Connection
from algo_redis.errors import RedisRefused, RedisUnavailable

Tick = tuple[bytes, int, int, int, int, int]
"""id, price (paise), quantity, day volume, exchange time and receive time (µs since the epoch)."""

Entry = tuple[bytes, list[bytes]]
"""A stream entry as the server sends it: its id, and field names and values in turn."""

START: Final = b"0-0"
COUNT: Final = 1000

_UNWATCHED_SECONDS: Final = 0.5
"""A pause between two reads in which no stream is trimmed from end to end: caps hold minutes."""
_LAST_SEQUENCE: Final = 2**64 - 1
_PRICE, _QUANTITY, _VOLUME, _TIME, _RECEIVED = (
    name.encode()
    for name in (
        redis_keys.TICK_PRICE,
        redis_keys.TICK_QUANTITY,
        redis_keys.TICK_VOLUME,
        redis_keys.TICK_TIME,
        redis_keys.TICK_RECEIVED,
    )
)


class TickReader:
    """A place in one tick stream, and its own connection. For one task.

    Counters, all since the start: `ticks` handed out; `garbled` entries passed over; `gaps`, how
    often the stream no longer held the entry read last (trimmed past it, deleted for a new
    recorded day, or a server that came back empty: ticks may be missing); `reconnects`. Gaps are
    looked for from the first entry read on.
    """

    def __init__(
        self,
        server: RedisServer,
        stream: str,
        *,
        name: str,
        after: bytes = START,
        count: int = COUNT,
        on_retry: OnRetry | None = None,
    ) -> None:
        """Reads nothing yet.

        Args:
            server: the redis-ticks server and user.
            stream: the stream's key.
            name: the connection's name in CLIENT LIST.
            after: the id behind which to start; `b"<milliseconds>-0"` starts at a wall-clock time.
            count: the most entries fetched at once.
            on_retry: told of each failure and the seconds until the next attempt.
        """
        self.last_id = after
        self.ticks = 0
        self.garbled = 0
        self.gaps = 0
        self.reconnects = 0
        self.has_more = False
        """The last read was as large as one can be: more may be waiting."""

        self._server: Final = server
        self._stream: Final = stream
        self._name: Final = name
        self._count: Final = count
        self._on_retry: Final = on_retry
        self._connection: Connection | None = None
        self._connected_before = False
        self._has_read = False
        """`last_id` was read from this stream, so the stream ought to hold it."""
        self._watched_until = 0.0
        """Monotonic seconds at which reading had last caught up; 0 calls for a check."""

    async def read(self, *, block_ms: int = 1000) -> list[Tick]:
        """The next ticks, at most `count`; empty when none came within `block_ms` milliseconds.

        While the server is away it keeps trying and tells `on_retry`. Cancelling loses no tick.

        Raises:
            RedisRefused: the server does not let this user read the stream, or the key is none.
        """
        delays = retry_pauses()
        while True:
            connection = self._connection or await self._connect()
            try:
                return await self._fetch(connection, block_ms)
            except (RedisUnavailable, RedisRefused) as error:
                self._watched_until = 0.0
                if isinstance(error, RedisUnavailable):
                    self.close()
                elif not error.is_transient:
                    raise
                delay = next(delays)
                if self._on_retry is not None:
                    self._on_retry(error, delay)
            await asyncio.sleep(delay)

    def close(self) -> None:
        """Closes the connection; a later read opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _connect(self) -> Connection:
        connection = await connect_forever(
            self._server, name=self._name, decode=False, on_retry=self._on_retry
        )
        self.reconnects += self._connected_before
        self._connected_before = True
        self._watched_until = 0.0
        self._connection = connection
        return connection

    async def _fetch(self, connection: Connection, block_ms: int) -> list[Tick]:
        if self._has_read and time.monotonic() - self._watched_until > _UNWATCHED_SECONDS:
            entries = await self._fetch_checked(connection)
            if entries:
                return self._take(entries, may_have_missed=len(entries) + 1 >= self._count)
        blocking = ("XREAD", "COUNT", self._count, "BLOCK", block_ms)
        entries = await self._xread(connection, blocking, self.last_id, block_ms / 1000)
        return self._take(entries, may_have_missed=len(entries) in {0, self._count})

    async def _fetch_checked(self, connection: Connection) -> list[Entry]:
        """The entries behind `last_id`, without blocking, checked to join on to it.

        Asked for from one id earlier, the reply starts with the entry read last, unless the
        stream has lost it. Nothing at or above that id: deleted, or begun again by a server whose
        clock is behind, so reading starts over.
        """
        counted = ("XREAD", "COUNT", max(self._count, 2))
        entries = await self._xread(connection, counted, _before(self.last_id), 0.0)
        if entries and entries[0][0] == self.last_id:
            return entries[1:]
        self.gaps += 1
        if not entries:
            self.last_id = START
            self._has_read = False
        return entries

    async def _xread(
        self, connection: Connection, command: Command, after: bytes, blocked_seconds: float
    ) -> list[Entry]:
        deadline = DEADLINE_SECONDS + blocked_seconds
        reply = await connection.call(*command, "STREAMS", self._stream, after, deadline=deadline)
        return next(iter(reply.values())) if reply else []

    def _take(self, entries: list[Entry], *, may_have_missed: bool) -> list[Tick]:
        ticks, garbled = decode(entries)
        if entries:
            self.last_id = entries[-1][0]
            self._has_read = True
        self.has_more = may_have_missed and bool(entries)
        self.ticks += len(ticks)
        self.garbled += garbled
        self._watched_until = 0.0 if may_have_missed else time.monotonic()
        return ticks


def decode(entries: Iterable[Entry]) -> tuple[list[Tick], int]:
    """The ticks in XREAD's entries, and how many entries were none.

    An entry has exactly the contract's five fields in the contract's order, or is read by name;
    one that lacks a field or holds something other than an integer is no tick.
    """
    ticks: list[Tick] = []
    garbled = 0
    for entry_id, fields in entries:
        try:
            p, price, q, quantity, v, volume, t, time_us, r, received = fields
            if p == _PRICE and q == _QUANTITY and v == _VOLUME and t == _TIME and r == _RECEIVED:
                ticks.append(
                    (entry_id, int(price), int(quantity), int(volume), int(time_us), int(received))
                )
                continue
        except (TypeError, ValueError):
            pass
        tick = _by_name(entry_id, fields)
        if tick is None:
            garbled += 1
        else:
            ticks.append(tick)
    return ticks, garbled


def _by_name(entry_id: bytes, fields: list[bytes]) -> Tick | None:
    try:
        value = dict(zip(fields[::2], fields[1::2], strict=True))
        return (
            entry_id,
            int(value[_PRICE]),
            int(value[_QUANTITY]),
            int(value[_VOLUME]),
            int(value[_TIME]),
            int(value[_RECEIVED]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _before(entry_id: bytes) -> bytes:
    milliseconds, _, sequence = entry_id.partition(b"-")
    if int(sequence or 0) > 0:
        return b"%s-%d" % (milliseconds, int(sequence) - 1)
    return b"%d-%d" % (int(milliseconds) - 1, _LAST_SEQUENCE)

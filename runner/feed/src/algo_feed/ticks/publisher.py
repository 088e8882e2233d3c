"""Ticks on their way into Redis: whatever Redis does, the sockets' readers never wait for it.

Frames wait in memory while a batch is under way. Where too many wait, or the connection was lost,
only the newest tick of each instrument is kept: old prices are worth nothing. A batch without an
answer is not repeated (it may be in), but each of its instruments' newest ticks is.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from algo_brokers.streaming import MarketTick
from algo_contract import redis_keys
from algo_contract.messages.redis_server import RedisServer
from algo_contract.trading_day import ist_datetime
from algo_redis.client import RETRY_SECONDS
from algo_redis.connecting import OnRetry, connect_forever
from algo_redis.connection import Connection, Reply
from algo_redis.errors import RedisError, RedisRefused
from algo_redis.tick_reader import Entry, decode
from algo_service.clock import now_us as wall_us
from algo_service.logging import get_logger

from algo_feed.metrics import Metrics
from algo_feed.settings import Intervals
from algo_feed.ticks.encoder import TickEncoder, bulk
from algo_feed.ticks.exchange_clock import ExchangeClock

log = get_logger(__name__)

MOST_WAITING: Final = 20_000
"""Ticks kept in full; about 5 MB."""

_BATCH: Final = 2_000
_DEADLINE_SECONDS: Final = 2.0
_WALL_MILLISECONDS: Final = 15 * 60 * 1000
"""How much a stream of a wall-clock feed holds: architecture, Time."""
_SAME_STAMP_SECONDS: Final = 1.0
"""Brokers stamp in whole seconds: for so long more ticks of a stamp may come."""
_RECORDED_ENTRIES: Final = 500_000
"""More than any share's recorded day."""

Frame = tuple[int, list[MarketTick]]
"""Receive time, wall clock µs, and its ticks."""


class TickPublisher:
    """One feed's streams, clock and heartbeat in redis-ticks."""

    def __init__(
        self,
        server: RedisServer,
        *,
        on_retry: OnRetry,
        feed: str,
        account_id: str,
        clock: ExchangeClock,
        encoder: TickEncoder,
        metrics: Metrics,
        intervals: Intervals,
        is_alive: Callable[[], bool],
        cleared: Callable[[], None],
    ) -> None:
        """Connects nothing yet.

        `on_retry`: told of each attempt to connect that failed. `is_alive`: whether ticks may
        flow, for the heartbeat. `cleared`: called when all that was told of an earlier recording
        has been taken away.
        """
        self._server: Final = server
        self._on_retry: Final = on_retry
        self._feed: Final = feed
        self._account_id: Final = account_id
        self._clock: Final = clock
        self._encoder: Final = encoder
        self._metrics: Final = metrics
        self._intervals: Final = intervals
        self._is_alive: Final = is_alive
        self._cleared: Final = cleared
        self._waiting: list[Frame] = []
        self._count = 0
        self._wake: Final = asyncio.Event()
        self._own = set[str]()
        """Streams that hold ticks of this recording only."""
        self._shown_us = 0
        """What the clock shows; never ahead of the ticks that are in."""
        self._sent_us = 0
        """The newest stamp that was sent."""

    def offer(self, ticks: list[MarketTick], *, received_us: int) -> None:
        """Takes a frame's ticks; returns at once."""
        self._waiting.append((received_us, ticks))
        self._count += len(ticks)
        if self._count > MOST_WAITING:
            self._metrics.gaps += 1
            self._waiting = self._newest(self._waiting)
            self._count = sum(len(ticks) for _, ticks in self._waiting)
        self._wake.set()

    async def run(self) -> None:
        """Publishes forever."""
        while True:
            connection = await connect_forever(
                self._server,
                name=f"feed-{self._feed}",
                decode=False,
                deadline=_DEADLINE_SECONDS,
                on_retry=self._report,
            )
            try:
                async with asyncio.TaskGroup() as tasks:
                    await self._take_over(connection)
                    _ = tasks.create_task(self._show_signs(connection))
                    _ = tasks.create_task(self._trim(connection))
                    await self._publish(connection)
            except* RedisError as errors:
                log.warning("redis_lost", error=str(errors.exceptions[0]))
                self._metrics.gaps += 1
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                connection.close()

    async def _take_over(self, connection: Connection) -> None:
        """Goes on from the clock that is shown, with the newest ticks of those that wait."""
        shown = await connection.call("GET", redis_keys.feed_clock(self._feed))
        self._shown_us = int(shown) if shown is not None and shown.isdigit() else 0
        if not self._clock.newest_us:
            self._clock.newest_us = self._shown_us
        self._waiting = self._newest(self._waiting)
        if self._waiting:
            self._wake.set()
        self._count = sum(len(ticks) for _, ticks in self._waiting)

    async def _publish(self, connection: Connection) -> None:
        while True:
            _ = await self._wake.wait()
            batch = self._next_batch()
            commands: list[str] = []
            for received_us, ticks in batch:
                self._encoder.render(ticks, received_us=received_us, out=commands)
            is_in = False
            try:
                if not self._clock.is_wall:
                    await self._make_room(connection)
                await self._send(connection, commands)
                is_in = True
            finally:
                if not is_in:
                    self._waiting = batch + self._waiting
            self._sent_us = self._clock.newest_us
            if commands:
                self._metrics.published(len(commands), received_us=batch[0][0])

    def _next_batch(self) -> list[Frame]:
        taken = size = 0
        for _, ticks in self._waiting:
            taken, size = taken + 1, size + len(ticks)
            if size >= _BATCH:
                break
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._count -= size
        if not self._waiting:
            self._wake.clear()
        return batch

    async def _send(self, connection: Connection, commands: list[str]) -> None:
        if commands:
            payload = "".join(commands).encode()
            self._note(await connection.attempt_packed(payload, len(commands)))

    def _note(self, replies: Iterable[Reply]) -> None:
        refused = [reply for reply in replies if type(reply) is RedisRefused]
        if refused:
            if not self._metrics.refused:
                log.warning("redis_refused", error=str(refused[0]))
            self._metrics.refused += len(refused)

    async def _make_room(self, connection: Connection) -> None:
        """In a recording: takes away what was told of an earlier one."""
        streams = set(self._encoder.streams.values())
        if self._clock.begins_anew:
            log.info("recording_begun", clock_us=self._clock.newest_us)
            self._clock.begins_anew = False
            parts = [redis_keys.account(self._account_id, part) for part in ("orders", "quotes")]
            _ = await connection.call("DEL", *parts, *streams)
            self._shown_us = self._sent_us = 0
            self._cleared()
        elif strange := sorted(streams - self._own):
            asked = (("XREVRANGE", stream, "+", "-", "COUNT", 1) for stream in strange)
            newest = await connection.execute(*asked)
            doomed = [s for s, last in zip(strange, newest, strict=True) if self._is_old(last)]
            if doomed:
                _ = await connection.call("DEL", *doomed)
        self._own = streams

    def _is_old(self, entries: list[Entry]) -> bool:
        """Whether a stream's newest entry is of another day, or ahead of the clock."""
        ticks, _ = decode(entries)
        return any(
            tick[4] > self._clock.newest_us
            or ist_datetime(tick[4]).date() != ist_datetime(self._clock.newest_us).date()
            for tick in ticks
        )

    async def _show_signs(self, connection: Connection) -> None:
        """The clock, a moment behind while more ticks of one stamp may come; and the heartbeat."""
        clock, heartbeat = redis_keys.feed_clock(self._feed), redis_keys.feed_heartbeat(self._feed)
        beat_at = moved_at = 0.0
        sent_us = 0
        while True:
            now = time.monotonic()
            if self._sent_us != sent_us:
                sent_us, moved_at = self._sent_us, now
            shown_us = sent_us if now - moved_at >= _SAME_STAMP_SECONDS else sent_us - 1
            if sent_us and shown_us != self._shown_us:
                self._shown_us = shown_us
                self._note(await connection.attempt(("SET", clock, shown_us)))
            if now >= beat_at and self._is_alive():
                beat_at = now + self._intervals.heartbeat
                self._note(await connection.attempt(("SET", heartbeat, wall_us())))
            await asyncio.sleep(self._intervals.clock)

    async def _trim(self, connection: Connection) -> None:
        """Caps the streams. Apart from the ticks: a tick's command need not carry it."""
        while True:
            await asyncio.sleep(self._intervals.trim)
            if self._clock.is_wall:
                cap = ("MINID", "~", time.time_ns() // 1_000_000 - _WALL_MILLISECONDS)
            else:
                cap = ("MAXLEN", "~", _RECORDED_ENTRIES)
            words = "".join(bulk(word) for word in cap)
            streams = list(self._encoder.streams.values())
            for start in range(0, len(streams), _BATCH):
                some = streams[start : start + _BATCH]
                commands = [f"*5\r\n{bulk('XTRIM')}{bulk(stream)}{words}" for stream in some]
                await self._send(connection, commands)

    def _newest(self, frames: list[Frame]) -> list[Frame]:
        """The newest tick of each instrument, in the order of their receipt."""
        newest: dict[int, tuple[int, MarketTick]] = {}
        count = 0
        for received_us, ticks in frames:
            for tick in ticks:
                count += 1
                _ = newest.pop(tick.key, None)
                newest[tick.key] = (received_us, tick)
        self._metrics.dropped += count - len(newest)
        return [(received_us, [tick]) for received_us, tick in newest.values()]

    def _report(self, error: RedisError, delay: float) -> None:
        log.info("redis_away", error=str(error))
        self._on_retry(error, delay)

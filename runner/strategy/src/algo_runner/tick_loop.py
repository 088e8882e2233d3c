"""The tick loop: reads the strategy's stream and hands over the ticks that can change something."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from algo_contract import redis_keys
from algo_contract.messages.assignment import Assignment
from algo_engine.events import SessionEnd, Tick
from algo_engine.triggers import NEVER
from algo_redis.client import RedisClient
from algo_redis.errors import RedisError
from algo_redis.tick_reader import Tick as StreamTick
from algo_redis.tick_reader import TickReader

from algo_runner.session import StrategySession

BLOCK_MS: Final = 1000
CATCH_UP_SECONDS: Final = 5.0
"""How long ticks that wait hold up a timer, an edit or a command."""

STAMP_TOLERANCE_US: Final = 2_000_000
"""Under the wall clock a tick stamped this far from its receive time decides nothing."""


@dataclass(slots=True)
class TickLoop:
    """How the reading goes."""

    misstamped: int = 0
    ended: bool = False
    taking: bool = False
    more_until: float = 0.0
    """Monotonic seconds until which ticks count as waiting, after a read that was full."""

    caught_up: asyncio.Event = field(default_factory=asyncio.Event)
    """The stream was read to its end once."""

    @property
    def is_behind(self) -> bool:
        """Ticks wait that came before now: what a timer would do is theirs to decide first."""
        return self.taking or time.monotonic() < self.more_until

    def note_read(self, reader: TickReader) -> None:
        """Takes over whether more ticks are waiting behind those read."""
        self.more_until = time.monotonic() + CATCH_UP_SECONDS if reader.has_more else 0.0
        if not reader.has_more:
            self.caught_up.set()


async def follow(
    session: StrategySession, reader: TickReader, tick_loop: TickLoop, feed: RedisClient
) -> None:
    """Reads ticks until the session has ended. Never raises on what a tick holds.

    Raises:
        Fenced: a newer runner has taken over.
        RedisRefused: this runner's Redis user may not read its ticks.
    """
    while not tick_loop.ended:
        closed = await _feed_has_closed(session.day, feed)
        ticks = await reader.read(block_ms=50 if closed else BLOCK_MS)
        if ticks:
            tick_loop.taking = True
            await take(session, tick_loop, ticks)
            tick_loop.taking = False
        tick_loop.note_read(reader)
        if closed and not ticks:
            tick_loop.ended = True
            await session.handle(SessionEnd(), kind="session_end")


async def take(session: StrategySession, tick_loop: TickLoop, ticks: Sequence[StreamTick]) -> None:
    """One batch. The loop body is the hot path: a few comparisons for almost every tick."""
    is_wall = session.day.clock == "Wall"
    tolerance_us = STAMP_TOLERANCE_US if is_wall else NEVER
    open_us = session.day.session.open_us
    last = session.last
    wanted = session.watch()
    low, high, at_us = wanted.low, wanted.high, wanted.at_us
    for entry_id, price, _, _, time_us, received_us in ticks:
        is_well_stamped = -tolerance_us <= time_us - received_us <= tolerance_us
        if low < price < high and open_us <= time_us < at_us and is_well_stamped:
            last.price, last.time_us, last.received_us = price, time_us, received_us
            continue
        if not is_well_stamped:
            tick_loop.misstamped += 1
            continue
        if await session.tick(Tick(price, time_us, entry_id.decode()), received_us=received_us):
            last.price, last.time_us, last.received_us = price, time_us, received_us
        wanted = session.watch()
        low, high, at_us = wanted.low, wanted.high, wanted.at_us
    last.cursor = ticks[-1][0].decode()


async def _feed_has_closed(day: Assignment, feed: RedisClient) -> bool:
    """Whether a recorded day is over: read before the ticks, so that all of them are in by then.
    Under the wall clock the timer ends the session.
    """
    if day.clock == "Wall":
        return False
    try:
        clock = await feed.call("GET", redis_keys.feed_clock(day.feed))
    except RedisError:
        return False
    return clock is not None and clock.isdigit() and int(clock) >= day.session.close_us

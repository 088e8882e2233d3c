"""What a feed shows besides ticks: its clock, its heartbeat, and the instruments it has not got."""

import asyncio
import time
from collections.abc import Iterable
from typing import Final

from algo_contract import redis_keys
from algo_redis.connection import Command
from algo_service.clock import now_us as wall_us

from algo_feed.errors import AlreadyPublishing
from algo_feed.replay.recording import Instrument
from algo_feed.replay.redis_client import PublisherRedis, say

SHOW_SECONDS: Final = 0.2
"""Between two showings of the clock: at most 0.25 s may pass."""
_HEARTBEAT_SECONDS: Final = 0.5
_UNKNOWN_SECONDS: Final = 1.0
_SILENT_SECONDS: Final = 2.0


class FeedHeartbeat:
    """One feed's signs of life on one recorded day."""

    def __init__(
        self, link: PublisherRedis, *, feed: str, instruments: Iterable[Instrument], clock_us: int
    ) -> None:
        """Shows nothing yet; the clock starts at `clock_us` (µs since the epoch)."""
        self._link: Final = link
        self._feed: Final = feed
        self._known: Final = {f"{exchange}:{symbol}" for exchange, symbol in instruments}
        self._unknown: set[str] | None = None
        self._clock_us = clock_us
        self._clock_shown = self._heartbeat_shown = self._unknown_shown = float("-inf")

    async def show(self, clock_us: int | None = None, *, at_once: bool = False) -> None:
        """Moves the clock (never back) and shows whatever is due, or everything `at_once`."""
        self._clock_us = max(self._clock_us, clock_us or 0)
        now = time.monotonic()
        commands: list[Command] = []
        if at_once or now - self._clock_shown >= SHOW_SECONDS:
            commands.append(("SET", redis_keys.feed_clock(self._feed), self._clock_us))
            self._clock_shown = now
        if at_once or now - self._heartbeat_shown >= _HEARTBEAT_SECONDS:
            heartbeat = redis_keys.feed_heartbeat(self._feed)
            commands.append(("SET", heartbeat, wall_us()))
            self._heartbeat_shown = now
        if commands:
            await self._link.settle(*commands)
        if at_once or now - self._unknown_shown >= _UNKNOWN_SECONDS:
            await self._show_unknown()
            self._unknown_shown = now

    async def _show_unknown(self) -> None:
        wanted = (await self._link.settle(("SMEMBERS", redis_keys.feed_instruments(self._feed))))[0]
        unknown = set(wanted) - self._known
        if unknown == self._unknown:
            return
        key = redis_keys.feed_unknown(self._feed)
        add: list[Command] = [("SADD", key, *sorted(unknown))] if unknown else []
        await self._link.settle(("MULTI",), ("DEL", key), *add, ("EXEC",))
        if unknown:
            say(f"wanted but not in the file: {', '.join(sorted(unknown))}")
        self._unknown = unknown


async def check_exclusive(link: PublisherRedis, feed: str) -> None:
    """Makes sure that no other process publishes the feed.

    Raises:
        NotAlone: its heartbeat moves.
    """
    key = redis_keys.feed_heartbeat(feed)
    (before,) = await link.settle(("GET", key))
    age_us = wall_us() - int(before) if (before or "").isdigit() else None
    if age_us is None or age_us > _SILENT_SECONDS * 1_000_000:
        return
    await asyncio.sleep(_SILENT_SECONDS)
    (after,) = await link.settle(("GET", key))
    if after != before:
        raise AlreadyPublishing(f"another process publishes the feed {feed}: its heartbeat moves")

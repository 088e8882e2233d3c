"""Waiting until runners can act on a recorded day."""

import asyncio
import time
from typing import Final

from algo_contract import redis_keys, stream_fields
from algo_redis.connection import Reply

from algo_feed.errors import NotReady
from algo_feed.replay.heartbeat import FeedHeartbeat
from algo_feed.replay.redis_client import PublisherRedis, say

_LOOK_SECONDS: Final = 0.25
_PROGRESS_SECONDS: Final = 3.0


async def wait_ready(
    link: PublisherRedis, signs: FeedHeartbeat, *, feed: str, day: str, wanted: int, seconds: float
) -> None:
    """Waits for `wanted` runners of a feed to be ready for a day (ISO), showing signs of life.

    Raises:
        NotReady: there were fewer after `seconds`.
    """
    started = told = time.monotonic()
    while (ready := await count_ready(link, feed=feed, day=day)) < wanted:
        now = time.monotonic()
        if now - started >= seconds:
            raise NotReady(
                f"{ready} of {wanted} runners were ready for {day} on the feed {feed} after "
                f"{seconds:g} s; none of that day's ticks was published"
            )
        if now - told >= _PROGRESS_SECONDS:
            told = now
            say(f"{day}: {ready} of {wanted} runners are ready")
        await signs.show()
        await asyncio.sleep(_LOOK_SECONDS)
    say(f"{day}: {ready} runners are ready")


async def count_ready(link: PublisherRedis, *, feed: str, day: str) -> int:
    """How many runners of a feed are ready for a day (ISO)."""
    keys = await _live_keys(link)
    if not keys:
        return 0
    fields = (stream_fields.LIVE_READY, stream_fields.LIVE_FEED)
    replies = await link.settle(*(("HMGET", key, *fields) for key in sorted(keys)))
    return sum(reply == [day, feed] for reply in replies)


async def _live_keys(link: PublisherRedis) -> set[str]:
    keys: set[str] = set()
    cursor: Reply = "0"
    pattern = redis_keys.strategy("*", "live")
    while True:
        ((cursor, found),) = await link.settle(("SCAN", cursor, "MATCH", pattern, "COUNT", 1000))
        keys.update(found)
        if cursor == "0":
            return keys

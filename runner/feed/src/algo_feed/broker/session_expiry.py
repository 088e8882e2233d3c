"""Says which session the broker has ended early, so that the operator has another made."""

import asyncio
from collections.abc import Callable
from typing import Final

from algo_contract import redis_keys
from algo_redis.client import RedisClient
from algo_redis.errors import RedisError
from algo_service.logging import get_logger

from algo_feed.broker.session_file import SessionFile
from algo_feed.settings import Intervals

log = get_logger(__name__)

KEPT_SECONDS: Final = 10
"""The word lapses so long after it was last said: nobody acts on one of a feed that is gone."""


async def report_session_expired(
    redis: RedisClient,
    sessions: SessionFile,
    *,
    feed: str,
    intervals: Intervals,
    matters: Callable[[], bool],
) -> None:
    """For ever, and again and again while the session in force is an ended one and orders can
    change: brokers end sessions at night, and the morning's log-in makes the next.
    """
    key, said = redis_keys.feed_ended(feed), ""
    while True:
        await asyncio.sleep(intervals.session_file)
        session = sessions.ended(after=intervals.refused_twice) if matters() else None
        if session is None:
            said = ""
            continue
        try:
            _ = await redis.call("SET", key, session.issued_us, "EX", KEPT_SECONDS)
            outcome = "session_ended"
        except RedisError:
            outcome = "session_end_untold"
        if outcome != said:
            said = outcome
            log.info(said, issued_us=session.issued_us)

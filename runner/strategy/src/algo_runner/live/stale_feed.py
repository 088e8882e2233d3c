"""When ticks stay away: a warning, and the account's quotes instead, which may trigger a stop and
nothing else. A socket's heartbeat proves nothing: what counts is the age of the newest tick.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

from algo_contract import redis_keys
from algo_engine.events import Notice, Tick
from algo_engine.state import position
from algo_redis.client import RedisClient
from algo_redis.errors import RedisError
from algo_service.clock import now_us as wall_us
from algo_service.logging import get_logger

from algo_runner.session import StrategySession

log = get_logger(__name__)

LOOK_SECONDS: Final = 1.0


@dataclass(slots=True)
class Staleness:
    """How it stands with the ticks."""

    is_told: bool = False
    started_us: int = 0
    """When the position was first seen without ticks newer than that."""


async def guard_by_quotes(session: StrategySession, redis: RedisClient) -> None:
    """Looks once a second, in position, whether ticks are stale.

    Raises:
        Fenced: a newer runner has taken over.
    """
    stale = Staleness()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        now_us = wall_us()
        if position(session.state) <= 0:
            stale.started_us = now_us
            continue
        newest_us = max(session.last.received_us, stale.started_us)
        if now_us - newest_us <= session.day.feed_stale_seconds * 1_000_000:
            await _tell_fresh(session, stale)
            continue
        await _tell_stale(session, stale, now_us - newest_us)
        quote = await _quote(session, redis)
        if quote is not None and quote[1] > newest_us:
            price, received_us = quote
            session_us = max(session.state.time_us, session.last.time_us)
            time_us = received_us if session.day.clock == "Wall" else session_us
            await session.tick(
                Tick(price, time_us, session.state.cursor, is_late=True), received_us=0
            )


async def _quote(session: StrategySession, redis: RedisClient) -> tuple[int, int] | None:
    """(last price in paise, when the feed had it in µs) of the strategy's share."""
    strategy = session.day.strategy
    key = redis_keys.account(session.day.account_id or "", "quotes")
    try:
        text = await redis.call("HGET", key, f"{strategy.exchange}:{strategy.symbol}")
        if text is None:
            return None
        fields: dict[str, Any] = json.loads(text)
        return int(fields["price"]), int(fields["r"])
    except (RedisError, ValueError, KeyError, TypeError) as error:
        log.warning("quote_unread", kind=type(error).__name__)
        return None


async def _tell_stale(session: StrategySession, stale: Staleness, age_us: int) -> None:
    if stale.is_told:
        return
    stale.is_told = True
    words = (
        f"No price for {age_us // 1_000_000} s: the stop is checked against quotes, and rests at "
        "the broker where that takes one. Look at the account's feed."
    )
    await session.handle(Notice("FeedStale", words, is_warning=True), kind="feed_stale")


async def _tell_fresh(session: StrategySession, stale: Staleness) -> None:
    if stale.is_told:
        stale.is_told = False
        await session.handle(Notice("FeedFresh", "Prices are back."), kind="feed_fresh")

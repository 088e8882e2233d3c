"""Poll the runners in session: states by their version, events, heartbeats; in batches."""

import time
from typing import Any, Final

import structlog
from algo_contract import redis_keys, streams

from algo_operator import metrics
from algo_operator.context import Context
from algo_operator.events import Subject
from algo_operator.kube.resources import STRATEGIES
from algo_operator.mirror.live import Followed
from algo_operator.mirror.story import Entries, last_told, tell_entries
from algo_operator.redis_links import redis_errors
from algo_operator.work_queue import Priority

log: Any = structlog.get_logger(__name__)

BATCH: Final = 500
PRICE_SECONDS: Final = 60.0
SILENT_US: Final = 10_000_000
_EVENTS_A_POLL: Final = 20


async def poll_states(context: Context) -> None:
    """Wake a pass for each strategy whose state has a new version."""
    followed = list(context.live.followed.items())
    for start in range(0, len(followed), BATCH):
        batch = followed[start : start + BATCH]
        pipe = context.links.state.pipeline(transaction=False)
        for strategy_id, _ in batch:
            pipe.hget(redis_keys.strategy(strategy_id, "state"), "version")
        with redis_errors("state"):
            versions: list[str | None] = await pipe.execute()
        for (_, one), version in zip(batch, versions, strict=True):
            if version is not None and version != one.version:
                one.version = version
                context.queue.add(one.key, priority=Priority.STATE)


async def poll_events(context: Context) -> None:
    """Tell what runners have said since the last time."""
    for strategy_id, one in list(context.live.followed.items()):
        if one.events_from is None:
            one.events_from = await last_told(context, strategy_id)
    known = {
        redis_keys.strategy(strategy_id, "events"): (strategy_id, one)
        for strategy_id, one in context.live.followed.items()
    }
    keys = list(known)
    for start in range(0, len(keys), BATCH):
        wanted = {key: known[key][1].events_from or "0" for key in keys[start : start + BATCH]}
        with redis_errors("state"):
            answer: list[tuple[str, Entries]] = (
                await context.links.state.xread(wanted, count=_EVENTS_A_POLL) or []
            )
        for key, entries in answer:
            strategy_id, one = known[key]
            told = await tell_entries(context, strategy_id, _subject(one), entries)
            one.events_from = told or one.events_from


async def poll_live(context: Context) -> None:
    """Heartbeats for the alarm, and prices for people (at most once a minute)."""
    followed = list(context.live.followed.items())
    for start in range(0, len(followed), BATCH):
        batch = followed[start : start + BATCH]
        pipe = context.links.ticks.pipeline(transaction=False)
        for strategy_id, _ in batch:
            key = redis_keys.strategy(strategy_id, "live")
            pipe.hmget(key, [streams.LIVE_HEARTBEAT, streams.LIVE_LAST_PRICE])
        with redis_errors("ticks"):
            rows: list[list[str | None]] = await pipe.execute()
        for (_, one), (heartbeat, price) in zip(batch, rows, strict=True):
            _take_live(context, one, heartbeat, price)
    _measure(context)


def _take_live(context: Context, one: Followed, heartbeat: str | None, price: str | None) -> None:
    now, now_us = time.monotonic(), context.clock.now_us()
    if heartbeat is not None and heartbeat.isdigit():
        one.heartbeat_us = int(heartbeat)
    silent = one.at_risk and (one.heartbeat_us is None or now_us - one.heartbeat_us > SILENT_US)
    if silent != one.silent:
        one.silent = silent
        log.warning("runner_silence_changed", silent=silent, name=one.key.name)
        context.queue.add(one.key, priority=Priority.STATE)
    if price is not None and price.isdigit() and now - one.price_at >= PRICE_SECONDS:
        one.price_at = now
        if one.last_price != int(price):
            one.last_price = int(price)
            context.queue.add(one.key, priority=Priority.BACKGROUND)


def _measure(context: Context) -> None:
    now_us = context.clock.now_us()
    risky = [one for one in context.live.followed.values() if one.at_risk]
    metrics.IN_POSITION.set(len(context.live.holding))
    metrics.UNPROTECTED.set(sum(one.unprotected for one in risky))
    ages = [(now_us - one.heartbeat_us) / 1e6 for one in risky if one.heartbeat_us is not None]
    metrics.HEARTBEAT_AGE.set(max(ages, default=0.0))


def _subject(one: Followed) -> Subject:
    return Subject(resource=STRATEGIES, namespace=one.key.namespace, name=one.key.name, uid=one.uid)

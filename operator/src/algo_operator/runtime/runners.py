"""Poll the runners in session: states by their version, events, heartbeats; in batches.

A runner may write anything into its own keys: what cannot be read is noted for that strategy
alone, and the others are read all the same.
"""

import time
from typing import Final

from algo_contract import redis_keys, stream_fields
from algo_kube.events import Subject
from algo_kube.resources import STRATEGIES
from algo_kube.work_queue import Priority
from algo_service.logging import get_logger

from algo_operator import metrics
from algo_operator.context import Context
from algo_operator.errors import RedisUnavailable, Unreadable
from algo_operator.model.untrusted import number
from algo_operator.redis.clients import answers, redis_errors
from algo_operator.runtime.events import Entries, last_published, publish_entries
from algo_operator.runtime.state import FollowedStrategy

log = get_logger(__name__)

BATCH: Final = 500
PRICE_SECONDS: Final = 60.0
SILENT_US: Final = 10_000_000
_EVENTS_A_POLL: Final = 20
_NO_VERSION: Final = "unreadable"


async def poll_states(context: Context) -> None:
    """Wake a pass for each strategy whose state has a new version, or cannot be read any more."""
    followed = list(context.runtime.followed.items())
    for start in range(0, len(followed), BATCH):
        batch = followed[start : start + BATCH]
        pipe = context.redis.state.pipeline(transaction=False)
        for strategy_id, _ in batch:
            pipe.hget(redis_keys.strategy(strategy_id, "state"), "version")
        versions: list[str | Unreadable | None] = await answers(pipe, "state")
        for (_, one), answer in zip(batch, versions, strict=True):
            version = _NO_VERSION if isinstance(answer, Unreadable) else answer
            if version is not None and version != one.version:
                one.version = version
                context.queue.add(one.key, priority=Priority.STATE)


async def poll_events(context: Context) -> None:
    """Tell what runners have said since the last time."""
    for strategy_id, one in list(context.runtime.followed.items()):
        if one.events_from is None:
            one.events_from = await last_published(context, strategy_id)
    known = {
        redis_keys.strategy(strategy_id, "events"): (strategy_id, one)
        for strategy_id, one in context.runtime.followed.items()
    }
    keys = list(known)
    for start in range(0, len(keys), BATCH):
        wanted = {key: known[key][1].events_from or "0" for key in keys[start : start + BATCH]}
        for key, entries in (await _read_streams(context, wanted, known)).items():
            strategy_id, one = known[key]
            await _tell(context, strategy_id, one, entries)


async def _read_streams(
    context: Context, wanted: dict[str, str], known: dict[str, tuple[str, FollowedStrategy]]
) -> dict[str, Entries]:
    """New entries by key; where one key spoils the batch, each is read by itself."""
    try:
        found = await _xread(context, wanted)
    except Unreadable:
        found = dict[str, Entries]()
        for key, since in wanted.items():
            try:
                found |= await _xread(context, {key: since})
            except Unreadable:
                note_readable(context, known[key][1], "events", readable=False)
            else:
                note_readable(context, known[key][1], "events", readable=True)
    else:
        for key in wanted:
            note_readable(context, known[key][1], "events", readable=True)
    return found


async def _xread(context: Context, wanted: dict[str, str]) -> dict[str, Entries]:
    with redis_errors("state"):
        return dict(await context.redis.state.xread(wanted, count=_EVENTS_A_POLL) or [])


async def _tell(
    context: Context, strategy_id: str, one: FollowedStrategy, entries: Entries
) -> None:
    try:
        told = await publish_entries(context, strategy_id, _subject(one), entries)
    except RedisUnavailable:
        raise
    except Exception:  # one strategy's words must not silence the others
        metrics.MIRROR_FAILURES.labels("tell_entries").inc()
        log.exception("story_failed", strategy=strategy_id)
        told = entries[-1][0]
    one.events_from = told or one.events_from


async def poll_live(context: Context) -> None:
    """Heartbeats for the alarm, and prices for people (at most once a minute)."""
    followed = list(context.runtime.followed.items())
    for start in range(0, len(followed), BATCH):
        batch = followed[start : start + BATCH]
        pipe = context.redis.ticks.pipeline(transaction=False)
        for strategy_id, _ in batch:
            key = redis_keys.strategy(strategy_id, "live")
            pipe.hmget(key, [stream_fields.LIVE_HEARTBEAT, stream_fields.LIVE_LAST_PRICE])
        rows: list[list[str | None] | Unreadable] = await answers(pipe, "ticks")
        for (_, one), row in zip(batch, rows, strict=True):
            unreadable = isinstance(row, Unreadable)
            note_readable(context, one, "live", readable=not unreadable)
            heartbeat, price = (None, None) if isinstance(row, Unreadable) else row
            _take_live(context, one, number(heartbeat), number(price))
    _measure(context)


def note_readable(context: Context, one: FollowedStrategy, part: str, *, readable: bool) -> None:
    """Note whether a part of a strategy's keys can be read; a change is looked at."""
    if readable == (part not in one.unreadable):
        return
    (one.unreadable.discard if readable else one.unreadable.add)(part)
    log.warning("runner_keys_changed", part=part, readable=readable, name=one.key.name)
    context.queue.add(one.key, priority=Priority.STATE)


def _take_live(
    context: Context, one: FollowedStrategy, heartbeat: int | None, price: int | None
) -> None:
    now, now_us = time.monotonic(), context.clock.now_us()
    if heartbeat is not None:
        one.heartbeat_us = heartbeat
    silent = one.at_risk and (one.heartbeat_us is None or now_us - one.heartbeat_us > SILENT_US)
    if silent != one.silent:
        one.silent = silent
        log.warning("runner_silence_changed", silent=silent, name=one.key.name)
        context.queue.add(one.key, priority=Priority.STATE)
    if price is not None and now - one.price_at >= PRICE_SECONDS:
        one.price_at = now
        if one.last_price != price:
            one.last_price = price
            context.queue.add(one.key, priority=Priority.BACKGROUND)


def _measure(context: Context) -> None:
    now_us = context.clock.now_us()
    risky = [one for one in context.runtime.followed.values() if one.at_risk]
    metrics.IN_POSITION.set(len(context.runtime.holding))
    metrics.UNPROTECTED.set(sum(one.unprotected for one in risky))
    ages = [(now_us - one.heartbeat_us) / 1e6 for one in risky if one.heartbeat_us is not None]
    metrics.HEARTBEAT_AGE.set(max(ages, default=0.0))


def _subject(one: FollowedStrategy) -> Subject:
    return Subject(resource=STRATEGIES, namespace=one.key.namespace, name=one.key.name, uid=one.uid)

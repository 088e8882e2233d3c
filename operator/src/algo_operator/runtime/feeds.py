"""Feeds: their clocks and heartbeats, what they do not know, and what strategies want of them."""

from typing import Final

from algo_contract import redis_keys
from algo_contract.calendar import ist_datetime
from algo_contract.messages.instrument import InstrumentFacts
from algo_kube.cache import name_of
from algo_kube.work_queue import Priority
from algo_service.logging import get_logger

from algo_operator.context import Context, account_key
from algo_operator.errors import Unreadable
from algo_operator.model.parsing import parse_account
from algo_operator.model.untrusted import instrument, number
from algo_operator.redis.clients import answers, redis_errors
from algo_operator.runtime.state import FollowedFeed
from algo_operator.status.strategy_conditions import FEED_SILENT_US

log = get_logger(__name__)

_NOTHING: Final = ""
"""Asked for where nothing is wanted: a command with no field is refused."""


def _feeds(context: Context) -> list[str]:
    wanted = {feed for feed, _ in context.runtime.wants.values()}
    return sorted({redis_keys.SHARED_FEED, *context.runtime.follows_feed.values(), *wanted})


async def poll_feeds(context: Context) -> None:
    """Read all feeds' clocks; a new day, a silence, unknown symbols or an ended session
    wake their strategies and account.
    """
    feeds, wanted = _feeds(context), _wanted(context)
    pipe = context.redis.ticks.pipeline(transaction=False)
    for feed in feeds:
        pipe.mget(
            redis_keys.feed_clock(feed),
            redis_keys.feed_heartbeat(feed),
            redis_keys.feed_ended(feed),
        )
        pipe.smembers(redis_keys.feed_unknown(feed))
        pipe.hmget(redis_keys.feed_facts(feed), wanted.get(feed) or [_NOTHING])
    said = await answers(pipe, "ticks")
    for gone in context.runtime.feeds.keys() - set(feeds):
        del context.runtime.feeds[gone]
    for position, name in enumerate(feeds):
        (clock, heartbeat, ended), unknown, facts = said[3 * position : 3 * position + 3]
        feed = context.runtime.feeds.setdefault(name, FollowedFeed())
        before = _significant_state(feed)
        feed.clock_us, feed.heartbeat_us = number(clock), number(heartbeat)
        feed.ended_us = number(ended)
        feed.unknown = frozenset() if isinstance(unknown, Unreadable) else frozenset(unknown)
        feed.facts = _facts(wanted.get(name, []), facts)
        now_us = context.clock.now_us()
        feed.silent = feed.heartbeat_us is None or now_us - feed.heartbeat_us > FEED_SILENT_US
        if _significant_state(feed) != before:
            log.info("feed_changed", feed=name, silent=feed.silent, unknown=len(feed.unknown))
            _wake(context, name)


def _wanted(context: Context) -> dict[str, list[str]]:
    """What strategies want of each feed."""
    wanted: dict[str, set[str]] = {}
    for feed, share in context.runtime.wants.values():
        wanted.setdefault(feed, set()).add(share)
    return {feed: sorted(shares) for feed, shares in wanted.items()}


def _facts(shares: list[str], said: list[str | None] | Unreadable) -> dict[str, InstrumentFacts]:
    if isinstance(said, Unreadable):
        return {}
    read = {share: instrument(text) for share, text in zip(shares, said, strict=False)}
    return {share: facts for share, facts in read.items() if facts is not None}


def _significant_state(feed: FollowedFeed) -> tuple[object, ...]:
    """What a change of matters to strategies: the date, not each second of the clock."""
    day = ist_datetime(feed.clock_us).date() if feed.clock_us is not None else None
    return day, feed.silent, feed.unknown, feed.ended_us, frozenset(feed.facts.items())


def _wake(context: Context, feed: str) -> None:
    owner = context.account_of_feed(feed)
    if owner is not None:
        context.queue.add(account_key(*name_of(owner)), priority=Priority.NORMAL)
    for key, follows in list(context.runtime.follows_feed.items()):
        if follows == feed:
            context.queue.add(key, priority=Priority.NORMAL)


async def sync_names(context: Context) -> None:
    """Keep the keys that lead from an account's NAMESPACE/NAME to its feed: written when an account
    changed, and when one is missing, for then all are: redis-ticks came back empty.
    """
    if not context.runtime.names_due and await _has_names(context):
        return
    context.runtime.names_due = False
    try:
        await _write_names(context)
    except Exception:
        context.runtime.names_due = True
        raise


async def _has_names(context: Context) -> bool:
    one = next(iter(context.runtime.names), None)
    with redis_errors("ticks"):
        return one is None or bool(await context.redis.ticks.exists(one))


async def _write_names(context: Context) -> None:
    allowed = context.settings.broker_url_allowlist
    feeds = {
        redis_keys.feed_name(f"{name.namespace}/{name.name}"): parse_account(body, allowed).feed
        for name in context.accounts
        if (body := context.accounts.get(name)) is not None
    }
    gone = context.runtime.names - feeds.keys()
    with redis_errors("ticks"):
        if feeds:
            await context.redis.ticks.mset(feeds)
        if gone:
            await context.redis.ticks.delete(*gone)
    context.runtime.names = set(feeds)


async def sync_wants(context: Context) -> None:
    """Keep `feed:<feed>:instruments` as strategies want it; writes only what differs.

    Nothing is taken out before it is known what every strategy wants.
    """
    wanted: dict[str, set[str]] = {feed: set() for feed in _feeds(context)}
    for feed, share in list(context.runtime.wants.values()):
        wanted.setdefault(feed, set()).add(share)
    for feed, instruments in wanted.items():
        key = redis_keys.feed_instruments(feed)
        with redis_errors("ticks"):
            present: set[str] = await context.redis.ticks.smembers(key)
            if missing := instruments - present:
                await context.redis.ticks.sadd(key, *missing)
            surplus = present - instruments
            if surplus and not context.runtime.unplanned:
                await context.redis.ticks.srem(key, *surplus)

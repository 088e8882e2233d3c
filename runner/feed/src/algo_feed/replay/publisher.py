"""`algo-feed publish`: a recorded tick file into redis-ticks, day after day."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from algo_contract import redis_keys
from algo_contract.ids import account_id
from algo_contract.trading_day import clock_text
from algo_engine.tick_file import FileTick

from algo_feed.errors import BadInput
from algo_feed.replay.heartbeat import SHOW_SECONDS, FeedHeartbeat, check_exclusive
from algo_feed.replay.readiness import wait_ready
from algo_feed.replay.recording import Instrument, RecordedDay, changed, recorded_days, ticks_by_day
from algo_feed.replay.redis_client import PublisherRedis, say
from algo_feed.replay.replay_clock import ReplayClock
from algo_feed.replay.settings import PublishSettings
from algo_feed.replay.tick_writer import TickWriter

_BATCH: Final = 256


@dataclass(slots=True)
class Published:
    """What a run has done so far, for the closing line."""

    ticks: int = 0
    days: int = 0


def checked_days(path: Path) -> list[RecordedDay]:
    """The file's days, every line checked, and a line that says so.

    Raises:
        BadInput: with the broken line's number.
    """
    days = recorded_days(path)
    count = sum(sum(day.ticks.values()) for day in days)
    names = ", ".join(":".join(instrument) for instrument in _instruments(days))
    say(f"checked {path}: {count} ticks of {names} on {', '.join(str(d.date) for d in days)}")
    return days


async def publish(
    settings: PublishSettings, days: Sequence[RecordedDay], published: Published
) -> None:
    """Publishes the file's days, keeping count in `published`.

    Raises:
        FeedError: with a sentence for the person who ran it.
        RedisRefused: the server refuses a command, for a reason that stays.
        TickFileError: the file changed since it was checked.
    """
    link = PublisherRedis(settings.redis, name="algo-feed-publish")
    try:
        await link.check()
        feed = await _feed(link, settings)
        await check_exclusive(link, feed)
        streams = [redis_keys.ticks(feed, *instrument) for instrument in _instruments(days)]
        recorded = ticks_by_day(settings.ticks)
        for day in days:
            await link.settle(*(("DEL", stream) for stream in streams))
            await _publish_day(
                link, feed, day, next(recorded), settings=settings, published=published
            )
    finally:
        link.close()


async def _publish_day(
    link: PublisherRedis,
    feed: str,
    day: RecordedDay,
    ticks: Iterator[FileTick],
    *,
    settings: PublishSettings,
    published: Published,
) -> None:
    signs = FeedHeartbeat(link, feed=feed, instruments=day.ticks, clock_us=day.opening_us)
    await signs.show(at_once=True)
    say(f"{day.date}: the clock of the feed {feed} shows {clock_text(day.opening_us)}")
    if settings.wait_ready:
        await wait_ready(
            link,
            signs,
            feed=feed,
            day=day.date.isoformat(),
            wanted=settings.wait_ready,
            seconds=settings.wait_timeout,
        )
    writer = TickWriter(link, feed=feed, ticks=day.ticks)
    started, before = time.monotonic(), published.ticks
    tick: FileTick | None = next(ticks)
    pace = ReplayClock(settings.speed, start_us=tick[2])
    while tick is not None:
        away = link.away_seconds
        tick = await _step(tick, ticks, pace=pace, writer=writer, signs=signs)
        pace.postpone(link.away_seconds - away)
        published.ticks = before + writer.written
    if writer.written != sum(day.ticks.values()):
        raise changed(settings.ticks)
    await signs.show(day.closing_us, at_once=True)
    published.days += 1
    say(
        f"{day.date}: {writer.written} ticks published in {time.monotonic() - started:.1f} s, "
        f"the clock shows {clock_text(day.closing_us)}"
    )


async def _step(
    tick: FileTick,
    ticks: Iterator[FileTick],
    *,
    pace: ReplayClock,
    writer: TickWriter,
    signs: FeedHeartbeat,
) -> FileTick | None:
    """Waits a little for the next tick, or adds all that are due; returns the next tick."""
    seconds = pace.seconds_until(tick[2])
    if seconds > 0:
        await asyncio.sleep(min(seconds, SHOW_SECONDS))
        await signs.show(min(pace.reached_us() or 0, tick[2] - 1))
        return tick
    batch = [tick]
    following = next(ticks, None)
    while following is not None and len(batch) < _BATCH and pace.seconds_until(following[2]) <= 0:
        batch.append(following)
        following = next(ticks, None)
    await writer.append(batch)
    latest = max(added[2] for added in batch)
    await signs.show(latest if following is None else min(latest, following[2] - 1))
    return following


async def _feed(link: PublisherRedis, settings: PublishSettings) -> str:
    """The feed's id in keys: `shared`, or the account's."""
    if settings.account_uid is not None:
        return account_id(settings.account_uid)
    if settings.account is None:
        return redis_keys.SHARED_FEED
    key = redis_keys.feed_name(settings.account)
    (found,) = await link.settle(("GET", key))
    if not found:
        raise BadInput(
            f"no BrokerAccount {settings.account} is known to redis-ticks (no key {key}): is the "
            "name right and the operator running? Or give --account-uid"
        )
    return found


def _instruments(days: Iterable[RecordedDay]) -> list[Instrument]:
    return sorted({instrument for day in days for instrument in day.ticks})

"""What runners tell in `strategy:{id}:events` becomes Kubernetes Events, each once.

The Event's name is made from the stream's id, so telling it again changes nothing; the last id
told is kept in Redis, so that a restarted operator goes on where the old one was.
"""

from typing import Final

from algo_contract import redis_keys, stream_fields
from algo_kube.errors import ControllerError, Misconfigured
from algo_kube.events import Subject, post_event
from algo_service.logging import get_logger

from algo_operator.context import Context
from algo_operator.errors import Unreadable
from algo_operator.model.untrusted import moment_us, stream_id
from algo_operator.redis.clients import redis_errors

log = get_logger(__name__)

SEEN: Final = "events-seen"
_BATCH: Final = 100

Entries = list[tuple[str, dict[str, str]]]


async def last_published(context: Context, strategy_id: str) -> str:
    """The id of the last event told; 0 when none was, or what is there is no id."""
    try:
        with redis_errors("state"):
            return stream_id(await context.redis.state.get(redis_keys.strategy(strategy_id, SEEN)))
    except Unreadable:
        return "0"


async def publish_entries(
    context: Context, strategy_id: str, subject: Subject, entries: Entries
) -> str | None:
    """Publish entries in order; the id of the last one that went through."""
    told: str | None = None
    for entry_id, fields in entries:
        try:
            await post_event(
                context.kube,
                subject,
                kind=fields.get(stream_fields.EVENT_TYPE, "Normal"),
                reason=fields.get(stream_fields.EVENT_REASON, "Runner"),
                message=fields.get(stream_fields.EVENT_MESSAGE, ""),
                time_us=moment_us(entry_id, now_us=context.clock.now_us()),
                once=entry_id,
            )
        except ControllerError as error:
            log.warning("story_interrupted", strategy=strategy_id, error=str(error))
            break
        told = entry_id
    if told is not None:
        with redis_errors("state"):
            await context.redis.state.set(redis_keys.strategy(strategy_id, SEEN), told)
    return told


async def publish_events(context: Context, strategy_id: str, subject: Subject) -> None:
    """Tell everything a runner has said so far: before its user and pod are forgotten."""
    since = await last_published(context, strategy_id)
    while True:
        try:
            entries = await _after(context, strategy_id, since)
        except (Unreadable, Misconfigured) as error:
            log.warning("story_unreadable", strategy=strategy_id, error=str(error))
            return
        told = await publish_entries(context, strategy_id, subject, entries)
        followed = context.runtime.followed.get(strategy_id)
        if followed is not None and told is not None:
            followed.events_from = told
        if told is None or len(entries) < _BATCH:
            return
        since = told


async def _after(context: Context, strategy_id: str, since: str) -> Entries:
    with redis_errors("state"):
        return await context.redis.state.xrange(
            redis_keys.strategy(strategy_id, "events"), min=f"({since}", count=_BATCH
        )

"""The mirror's endless loops; each survives any outage of Redis and says so once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Never

import structlog

from algo_operator import metrics
from algo_operator.context import Context
from algo_operator.errors import OperatorError
from algo_operator.mirror.feeds import poll_feeds, sync_names, sync_wants
from algo_operator.mirror.states import poll_events, poll_live, poll_states
from algo_operator.work_queue import Priority

log: Any = structlog.get_logger(__name__)

_DOWN_AFTER_SECONDS: Final = 3.0
_FEED_SECONDS: Final = 0.5
_LIVE_SECONDS: Final = 1.0
_WANTS_SECONDS: Final = 1.0
_RESTART_SECONDS: Final = 3.0

Step = Callable[[Context], Awaitable[None]]


def loops(context: Context) -> dict[str, Callable[[], Awaitable[Never]]]:
    """All loops by name."""
    poll = context.settings.poll_milliseconds / 1000
    return {
        "mirror states": lambda: _states(context, poll),
        "mirror events": lambda: _repeat(context, poll, poll_events),
        "mirror live": lambda: _repeat(context, _LIVE_SECONDS, poll_live),
        "mirror feeds": lambda: _repeat(context, _FEED_SECONDS, poll_feeds),
        "feed wants": lambda: _repeat(context, _WANTS_SECONDS, sync_wants),
        "feed names": lambda: _repeat(context, _WANTS_SECONDS, sync_names),
        "redis restarts": lambda: _repeat(context, _RESTART_SECONDS, _restarts),
    }


async def _repeat(context: Context, seconds: float, step: Step) -> Never:
    complained = False
    while True:
        try:
            context.leadership.check()
            await step(context)
            complained = False
        except OperatorError as error:
            if not complained:
                log.warning("mirror_interrupted", step=step.__name__, error=str(error))
            complained = True
        await asyncio.sleep(seconds)


async def _states(context: Context, seconds: float) -> Never:
    """The states' poll also tells whether redis-state is there at all."""
    failing_since: float | None = None
    while True:
        started = time.monotonic()
        try:
            await poll_states(context)
            await context.links.state.ping() if not context.live.followed else None
            failing_since = None
        except Exception as error:  # noqa: BLE001 - any failure here means the same
            failing_since = failing_since or started
            log.debug("states_not_polled", error=type(error).__name__)
        metrics.MIRROR_SECONDS.observe(time.monotonic() - started)
        down = failing_since is not None and time.monotonic() - failing_since > _DOWN_AFTER_SECONDS
        metrics.REDIS_UP.labels("state").set(not down)
        if down != context.live.redis_down:
            context.live.redis_down = down
            log.warning("redis_state_availability_changed", down=down)
            _wake_all(context)
        await asyncio.sleep(seconds)


async def _restarts(context: Context) -> None:
    if await context.users.restarted():
        _wake_all(context)


def _wake_all(context: Context) -> None:
    """Look at everything that has a runner, or had one that must be accounted for."""
    for one in list(context.live.followed.values()):
        context.queue.add(one.key, priority=Priority.STATE)

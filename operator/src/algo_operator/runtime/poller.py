"""The mirror's endless loops; each survives any outage of Redis and says so once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Never

from algo_kube.errors import ControllerError
from algo_kube.work_queue import Priority
from algo_service.logging import get_logger

from algo_operator import metrics
from algo_operator.context import Context, pod_key
from algo_operator.errors import RedisBusy
from algo_operator.model.naming import is_feed
from algo_operator.redis.clients import redis_errors
from algo_operator.runtime.feeds import poll_feeds, sync_names, sync_wants
from algo_operator.runtime.runners import poll_events, poll_live, poll_states

log = get_logger(__name__)

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
        except RedisBusy as error:
            await context.redis.end_script(error.server)
        except ControllerError as error:
            if not complained:
                log.warning("mirror_interrupted", step=step.__name__, error=str(error))
            complained = True
        except Exception:  # a fault in one step must not end them all
            metrics.MIRROR_FAILURES.labels(step.__name__).inc()
            if not complained:
                log.exception("mirror_failed", step=step.__name__)
            complained = True
        await asyncio.sleep(seconds)


async def _states(context: Context, seconds: float) -> Never:
    """The states' poll also tells whether redis-state is there at all."""
    failing_since: float | None = None
    while True:
        started = time.monotonic()
        try:
            await poll_states(context)
            if not context.runtime.followed:
                await _ping(context)
            failing_since = None
        except ControllerError as error:
            failing_since = failing_since or started
            log.debug("states_not_polled", error=type(error).__name__)
            if isinstance(error, RedisBusy):
                await context.redis.end_script(error.server)
        except Exception:  # a fault of ours says nothing about Redis
            metrics.MIRROR_FAILURES.labels("poll_states").inc()
            log.exception("mirror_failed", step="poll_states")
        metrics.MIRROR_SECONDS.observe(time.monotonic() - started)
        down = failing_since is not None and time.monotonic() - failing_since > _DOWN_AFTER_SECONDS
        metrics.REDIS_UP.labels("state").set(not down)
        if down != context.runtime.redis_down:
            context.runtime.redis_down = down
            log.warning("redis_state_availability_changed", down=down)
            _wake_all(context)
        await asyncio.sleep(seconds)


async def _ping(context: Context) -> None:
    with redis_errors("state"):
        await context.redis.state.ping()


async def _restarts(context: Context) -> None:
    if await context.users.restarted():
        context.runtime.names_due = True
        _wake_all(context)


def _wake_all(context: Context) -> None:
    """Look at everything that has a runner, or had one that must be accounted for, and at feeds."""
    for one in list(context.runtime.followed.values()):
        context.queue.add(one.key, priority=Priority.STATE)
    for pod in context.pods.values():
        if is_feed(pod):
            context.queue.add(pod_key(context, pod), priority=Priority.STATE)

"""Whether a controller may be trusted to see and act; the reasons it gives are for people."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Never

from algo_service.logging import get_logger

from algo_kube import metrics

log = get_logger(__name__)

LAG_LIMIT_SECONDS: Final = 5.0
_LAG_EVERY: Final = 0.25

Check = Callable[[], str]
"""The reason for being unwell, or nothing."""


@dataclass(slots=True)
class Health:
    """Checks by name: `alive` decides over the process, `ready` over traffic and people's trust."""

    alive: dict[str, Check] = field(default_factory=dict[str, Check])
    ready: dict[str, Check] = field(default_factory=dict[str, Check])
    lag: float = 0.0

    def problems(self, checks: dict[str, Check]) -> dict[str, str]:
        """What is wrong now, by check."""
        return {name: reason for name, check in checks.items() if (reason := check())}


async def measure_lag(health: Health) -> Never:
    """How late the event loop runs its timers: a blocking call stops every strategy."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(_LAG_EVERY)
        health.lag = max(0.0, time.monotonic() - before - _LAG_EVERY)
        metrics.LOOP_LAG.set(health.lag)


async def die_when_unwell(
    health: Health, *, after_seconds: float, die: Callable[[str], None]
) -> Never:
    """End the process when it has been unwell for that long: a new one sees afresh."""
    since: float | None = None
    while True:
        problems = health.problems(health.alive)
        since = (since or time.monotonic()) if problems else None
        if since is not None and time.monotonic() - since >= after_seconds:
            log.error("process_unwell", **problems)
            die("; ".join(problems.values()))
        await asyncio.sleep(1.0)

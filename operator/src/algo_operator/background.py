"""Loops over everything: the spread-out resync, and gauges of the whole."""

import asyncio
from collections import Counter
from typing import Final, Never

from algo_operator import metrics
from algo_operator.context import Context, account_key, strategy_key, tenant_key
from algo_operator.kube.fields import section
from algo_operator.work_queue import Key, Priority

_MEASURE_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 5.0


async def resync(context: Context) -> Never:
    """Look at every object once in `resync_seconds`, at a steady rate, never all at once."""
    while True:
        keys: list[Key] = [
            *(tenant_key(name.name) for name in context.namespaces),
            *(account_key(name.namespace, name.name) for name in context.accounts),
            *(strategy_key(name) for name in context.strategies),
        ]
        pause = context.settings.resync_seconds / len(keys) if keys else _IDLE_SECONDS
        for key in keys:
            await asyncio.sleep(pause)
            context.queue.add(key, priority=Priority.BACKGROUND)
        if not keys:
            await asyncio.sleep(pause)


async def measure_cluster(context: Context) -> Never:
    """Refresh the gauges that count."""
    while True:
        await asyncio.sleep(_MEASURE_SECONDS)
        metrics.QUEUE_DEPTH.set(context.queue.depth())
        metrics.QUEUE_OLDEST.set(context.queue.oldest())
        phases = Counter(
            str(section(body, "status").get("phase")) for body in context.strategies.values()
        )
        for phase in ("ACTIVE", "RUNNING", "STOPPED"):
            metrics.STRATEGIES.labels(phase).set(phases[phase])
        states = Counter(
            str(section(body, "status").get("phase")) for body in context.pods.values()
        )
        for state in ("Pending", "Running", "Failed", "Succeeded", "Unknown"):
            metrics.PODS.labels(state).set(states[state])

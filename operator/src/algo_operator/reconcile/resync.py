"""Loops over everything: the spread-out resync, and gauges of the whole."""

import asyncio
from collections import Counter
from typing import Final, Never

from algo_contract.ids import account_id, strategy_id
from algo_kube import metrics as kube_metrics
from algo_kube.errors import ControllerError
from algo_kube.fields import section
from algo_kube.resources import Json
from algo_kube.work_queue import Key, Priority
from algo_service.logging import get_logger
from prometheus_client import Gauge

from algo_operator import metrics
from algo_operator.context import Context, account_key, pod_key, strategy_key, tenant_key
from algo_operator.model.naming import is_feed

log = get_logger(__name__)

_MEASURE_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 5.0
_NODES_SECONDS: Final = 5.0


async def revoke_orphans(context: Context) -> None:
    """Remove users of strategies and accounts that are gone, as after a finalizer was taken off."""
    try:
        users = await context.users.users()
        # Only now: whoever was granted by then is known by now.
        known = {strategy_id(body["metadata"]["uid"]) for body in context.strategies.values()}
        known |= {account_id(body["metadata"]["uid"]) for body in context.accounts.values()}
        for user in users - known:
            context.leadership.check()
            await context.users.revoke(user)
            log.warning("orphaned_redis_user_revoked", user=user)
    except ControllerError as error:
        log.warning("orphans_not_revoked", error=str(error))


async def resync(context: Context) -> Never:
    """Look at every object once in `resync_seconds`, at a steady rate, never all at once."""
    while True:
        await revoke_orphans(context)
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


async def watch_nodes(context: Context) -> Never:
    """Look at the runners of lost nodes for as long as there are any: no news comes from there,
    and what was known of them before a restart is forgotten.
    """
    while True:
        check_nodes(context)
        await asyncio.sleep(_NODES_SECONDS)


def check_nodes(context: Context) -> None:
    """Queue the strategies and accounts whose pods are on lost nodes."""
    placed = [(pod, node) for pod in context.pods.values() if (node := _node_of(pod))]
    context.nodes.note_used(node for _, node in placed)
    after = context.settings.node_lost_seconds
    for pod, node in placed:
        if context.nodes.is_lost(node, after_seconds=after):
            context.queue.add(pod_key(context, pod), priority=Priority.STATE)


def _node_of(pod: Json) -> str:
    return str(section(pod, "spec").get("nodeName") or "")


async def measure_cluster(context: Context) -> Never:
    """Refresh the gauges that count."""
    while True:
        await asyncio.sleep(_MEASURE_SECONDS)
        kube_metrics.QUEUE_DEPTH.set(context.queue.depth())
        kube_metrics.QUEUE_OLDEST.set(context.queue.oldest())
        phases = Counter(
            str(section(body, "status").get("phase")) for body in context.strategies.values()
        )
        for phase in ("ACTIVE", "RUNNING", "STOPPED"):
            metrics.STRATEGIES.labels(phase).set(phases[phase])
        _count_pods(context, metrics.PODS, feeds=False)
        _count_pods(context, metrics.FEED_PODS, feeds=True)


def _count_pods(context: Context, gauge: Gauge, *, feeds: bool) -> None:
    states = Counter(
        str(section(body, "status").get("phase"))
        for body in context.pods.values()
        if is_feed(body) is feeds
    )
    for state in ("Pending", "Running", "Failed", "Succeeded", "Unknown"):
        gauge.labels(state).set(states[state])

"""One pass over one tenant namespace: quota, limits, networks, pod security, and its marks."""

from typing import Any, Final

from algo_contract import names
from algo_kube.cache import ObjectName
from algo_kube.fields import annotations, labels
from algo_kube.resources import LIMIT_RANGES, NAMESPACES, NETWORK_POLICIES, QUOTAS, Json
from algo_kube.work_queue import Key

from algo_operator.context import Context
from algo_operator.reconcile.ensure import ensure
from algo_operator.reconcile.warmup import is_deletion_safe
from algo_operator.specs import tenant

_RECHECK_SECONDS: Final = 1.0


async def reconcile_tenant(context: Context, key: Key) -> None:
    """Give a tenant namespace what it must have; anything else in it is left alone."""
    body = context.namespaces.get(ObjectName("", key.name))
    if body is None or "deletionTimestamp" in body["metadata"]:
        return
    limit = tenant.strategy_limit(annotations(body), context.settings.strategy_limit)
    quota = await ensure(context, QUOTAS, tenant.quota(key.name, limit))
    await ensure(context, LIMIT_RANGES, tenant.limit_range(key.name))
    await ensure(context, NETWORK_POLICIES, tenant.deny_all(key.name))
    await ensure(context, NETWORK_POLICIES, tenant.runner_network(key.name, context.settings))
    ready = tenant.counts(quota, limit)
    await _fingerprint(context, body, ready=ready)
    if not ready:
        context.queue.add(key, delay=_RECHECK_SECONDS)


async def _fingerprint(context: Context, body: Json, *, ready: bool) -> None:
    """Set the namespace's labels and annotations where they differ; ready once is ready."""
    meta: dict[str, Any] = body["metadata"]
    present, notes = labels(body), annotations(body)
    held = any(key.namespace == meta["name"] for key in context.runtime.holding)
    wanted: dict[str, str | None] = {}
    if held or is_deletion_safe(context, meta["name"]):
        wanted[names.IN_POSITION_ANNOTATION] = "true" if held else None
    if ready:
        wanted[names.READY_ANNOTATION] = "true"
    new_labels = {
        name: value for name, value in tenant.POD_SECURITY.items() if present.get(name) != value
    }
    new_notes = {name: value for name, value in wanted.items() if notes.get(name) != value}
    if not new_labels and not new_notes:
        return
    patch = {"metadata": {"labels": new_labels, "annotations": new_notes}}
    context.namespaces.put(await context.kube.patch(NAMESPACES, None, meta["name"], patch))

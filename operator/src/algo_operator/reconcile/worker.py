"""One pass over one object: by its kind, with a deadline, and what is said when it fails."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from algo_contract import names
from algo_kube.errors import (
    AlreadyExists,
    Conflict,
    ControllerError,
    KubeUnavailable,
    LeadershipLost,
    NotFound,
)
from algo_kube.work_queue import Key
from algo_service.logging import get_logger

from algo_operator import metrics
from algo_operator.context import Context
from algo_operator.errors import judge
from algo_operator.model.observed import PodFailure
from algo_operator.reconcile.account.reconciler import reconcile_account
from algo_operator.reconcile.strategy.reconciler import reconcile_strategy
from algo_operator.reconcile.tenant import reconcile_tenant

log = get_logger(__name__)

PASSES: Final[dict[str, Callable[[Context, Key], Awaitable[None]]]] = {
    names.STRATEGY_KIND: reconcile_strategy,
    names.ACCOUNT_KIND: reconcile_account,
    "Namespace": reconcile_tenant,
}
_PASS_SECONDS: Final = 60
_NORMAL: Final = (Conflict, NotFound, AlreadyExists)
"""Answers that belong to any day: tried again, nothing to tell anybody."""


async def one_pass(context: Context, key: Key) -> float | None:
    """One pass; the delay before the next attempt if it failed."""
    started, result, retry = time.monotonic(), "ok", None
    try:
        async with asyncio.timeout(_PASS_SECONDS):
            context.leadership.check()
            await PASSES[key.kind](context, key)
        context.runtime.errors.pop(key, None)
    except LeadershipLost:
        result, retry = "LeadershipLost", 5.0
    except Exception as error:  # noqa: BLE001 - one broken object must never stop the others
        result, retry = judge(error)
        _note(context, key, error, result)
        if isinstance(error, KubeUnavailable) and error.retry_after:
            retry = max(retry, error.retry_after)
    metrics.RECONCILE_SECONDS.labels(key.kind).observe(time.monotonic() - started)
    metrics.RECONCILE_RESULTS.labels(key.kind, result).inc()
    return retry


def _note(context: Context, key: Key, error: Exception, reason: str) -> None:
    if isinstance(error, _NORMAL):
        log.info(
            "pass_repeated", kind=key.kind, namespace=key.namespace, name=key.name, reason=reason
        )
        return
    if isinstance(error, ControllerError):
        log.warning(
            "pass_failed", kind=key.kind, namespace=key.namespace, name=key.name, error=str(error)
        )
        message = str(error)
    else:
        log.error(
            "pass_crashed",
            kind=key.kind,
            namespace=key.namespace,
            name=key.name,
            exc_info=error,
        )
        message = f"The operator failed on this object ({type(error).__name__}); see its log."
    context.runtime.errors[key] = PodFailure(reason=reason, message=message)

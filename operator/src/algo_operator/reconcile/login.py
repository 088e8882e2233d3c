"""Part of an account's pass: asks the log-in worker for another session when the broker has ended
the one in use before its time.
"""

from typing import Any, Final

import structlog
from algo_contract import names

from algo_operator import metrics
from algo_operator.clock import timestamp
from algo_operator.context import Context
from algo_operator.events import Subject, tell
from algo_operator.kube.resources import ACCOUNTS
from algo_operator.model.feeds import FeedSeen
from algo_operator.reconcile.login_plan import request_due_us
from algo_operator.watch.objects import Name
from algo_operator.work_queue import Key

log: Any = structlog.get_logger(__name__)

_SAID: Final = (
    "{} has ended the session before its time; orders resting there stay. Another session is asked "
    "for: the condition LoggedIn says what becomes of it."
)


async def request_login(context: Context, key: Key, seen: FeedSeen, *, generation: int) -> None:
    """Ask once, or come back when it is time to.

    Only the account as it was seen is written to, by its generation and version: a session that
    came meanwhile is not replaced.
    """
    due_us = request_due_us(seen)
    body = context.accounts.get(Name(key.namespace, key.name))
    if due_us is None or body is None or body["metadata"]["generation"] != generation:
        return
    if due_us > seen.wall_us:
        context.queue.add(key, delay=(due_us - seen.wall_us) / 1e6)
        return
    context.leadership.check()
    meta = {
        "resourceVersion": body["metadata"]["resourceVersion"],
        "annotations": {names.LOGIN_REQUESTED_ANNOTATION: timestamp(seen.wall_us, micro=True)},
    }
    answer = await context.kube.patch(ACCOUNTS, key.namespace, key.name, {"metadata": meta})
    context.accounts.put(answer)
    metrics.ACTIONS.labels("RequestLogin").inc()
    log.warning("login_requested", account=seen.account.id, name=key.name)
    account = seen.account
    await tell(
        context.kube,
        Subject(resource=ACCOUNTS, namespace=key.namespace, name=account.name, uid=account.uid),
        kind="Warning",
        reason="SessionEnded",
        message=_SAID.format(account.broker),
        time_us=seen.wall_us,
    )

"""Part of an account's pass: asks the log-in worker for another session when the broker has ended
the one in use before its time.
"""

from typing import Final

from algo_contract import names
from algo_kube.cache import ObjectName
from algo_kube.events import Subject, emit_event
from algo_kube.resources import ACCOUNTS
from algo_kube.times import from_timestamp, timestamp
from algo_kube.work_queue import Key
from algo_service.logging import get_logger

from algo_operator import metrics
from algo_operator.context import Context
from algo_operator.model.feed import ObservedFeed
from algo_operator.model.schedule import SECOND

log = get_logger(__name__)

_SAID: Final = (
    "{} has ended the session before its time; orders resting there stay. Another session is asked "
    "for: the condition LoggedIn says what becomes of it."
)


async def request_login(
    context: Context, key: Key, observed: ObservedFeed, *, generation: int
) -> None:
    """Ask once, or come back when it is time to.

    Only the account as it was seen is written to, by its generation and version: a session that
    came meanwhile is not replaced.
    """
    due_us = request_due_us(observed)
    body = context.accounts.get(ObjectName(key.namespace, key.name))
    if due_us is None or body is None or body["metadata"]["generation"] != generation:
        return
    if due_us > observed.wall_us:
        context.queue.add(key, delay=(due_us - observed.wall_us) / 1e6)
        return
    context.leadership.check()
    meta = {
        "resourceVersion": body["metadata"]["resourceVersion"],
        "annotations": {names.LOGIN_REQUESTED_ANNOTATION: timestamp(observed.wall_us, micro=True)},
    }
    answer = await context.kube.patch(ACCOUNTS, key.namespace, key.name, {"metadata": meta})
    context.accounts.put(answer)
    metrics.ACTIONS.labels("RequestLogin").inc()
    log.warning("login_requested", account=observed.account.id, name=key.name)
    account = observed.account
    await emit_event(
        context.kube,
        Subject(resource=ACCOUNTS, namespace=key.namespace, name=account.name, uid=account.uid),
        kind="Warning",
        reason="SessionEnded",
        message=_SAID.format(account.broker),
        time_us=observed.wall_us,
    )


DISTANCE_US: Final = 30 * 60 * SECOND
"""Between two requests for an account, whatever its feed says: brokers count log-ins, and somebody
who logs in elsewhere ends ours each time."""

SKEW_US: Final = 60 * SECOND
"""How far the worker's clock may be from this one. A request further in the future is none: the
worker does not hear it either."""


def request_due_us(observed: ObservedFeed) -> int | None:
    """The moment from which on another session is to be asked for; None: nothing is to be asked.

    Once for a session: a request made after it was issued stands until another one is there. One
    of about the time when it was issued is the request that it answers. The worker replaces one
    whose known end has come by itself.
    """
    session, now_us = observed.session, observed.wall_us
    is_over = session.expires_us <= now_us
    if not observed.session_ended or is_over or observed.deleting or observed.account.problem:
        return None
    asked = observed.login_asked_us if observed.login_asked_us <= now_us + SKEW_US else 0
    if asked > session.issued_us + SKEW_US:
        return None
    return max(asked + DISTANCE_US, session.issued_us + SECOND)


def asked_us(annotation: str) -> int:
    """The time in the annotation, which anybody may have written; 0 where it holds none."""
    try:
        return from_timestamp(annotation)
    except ValueError:
        return 0

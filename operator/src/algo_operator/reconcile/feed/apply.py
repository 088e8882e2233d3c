"""Carry a plan for an account's feed out, action by action; part of the account's pass."""

import secrets
from dataclasses import dataclass, field, replace

from algo_kube.cache import ObjectName
from algo_kube.events import Subject
from algo_kube.resources import ACCOUNTS
from algo_kube.work_queue import Key
from algo_service.logging import get_logger

from algo_operator import metrics
from algo_operator.context import Context
from algo_operator.model import feed as act
from algo_operator.model.actions import AnnotatePod, DeletePod
from algo_operator.model.feed import ObservedFeed
from algo_operator.model.naming import feed_name, is_feed
from algo_operator.reconcile.feed.plan import plan_feed, session_for
from algo_operator.reconcile.managed_pod import (
    ManagedPod,
    annotate_pod,
    check_name_free,
    create_pod,
    delete_pod,
    delete_secret,
    emit,
    write_secret,
)
from algo_operator.reconcile.strategy.plan import KEPT_CRASHING
from algo_operator.specs.feed import feed_assignment, feed_secret
from algo_operator.specs.pod import feed_pod
from algo_operator.specs.redis_rules import feed_rules
from algo_operator.specs.secret import redis_file

log = get_logger(__name__)

_SERVER = "ticks"
"""The one server that a feed may write to."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass over one feed, while it is carried out."""

    observed: ObservedFeed
    password: str = field(repr=False)
    """Of the feed's Redis user: what is granted in this pass is what is written down."""

    managed: ManagedPod

    @property
    def owned(self) -> bool:
        """What is made for an account under deletion must not be collected with it."""
        return not self.observed.deleting


async def reconcile_feed(context: Context, key: Key, observed: ObservedFeed) -> None:
    """Bring the feed closer to what it should be."""
    decided = plan_feed(observed, context.settings)
    password = _known_password(observed) or secrets.token_urlsafe(32)
    work = _Pass(observed, password, _managed(context, key, observed))
    for action in decided.actions:
        context.leadership.check()
        await _one(work, action)
        kind = type(action).__name__
        metrics.ACTIONS.labels(kind).inc()
        log.info("action_done", action=kind, account=observed.account.id, name=key.name)
    if decided.wake_us is not None:
        context.queue.add(key, delay=max((decided.wake_us - observed.wall_us) / 1e6, 0.01))


async def _one(work: _Pass, action: act.FeedAction) -> None:
    match action:
        case act.StartFeed():
            await _start(work)
        case act.GrantFeed():
            await _grant(work)
        case act.WriteFeedSecret():
            await _write_secret(work)
        case AnnotatePod(fingerprint):
            await annotate_pod(work.managed, fingerprint)
        case DeletePod():
            await _delete(work, action)
        case act.CleanFeed():
            await _clean(work)


def _managed(context: Context, key: Key, observed: ObservedFeed) -> ManagedPod:
    account = observed.account
    return ManagedPod(
        context=context,
        key=key,
        place=ObjectName(key.namespace, feed_name(account.name, account.uid)),
        user=account.id,
        is_ours=is_feed,
        subject=Subject(
            resource=ACCOUNTS, namespace=key.namespace, name=account.name, uid=account.uid
        ),
    )


def _known_password(observed: ObservedFeed) -> str | None:
    """The one that its pod has read, where the Secret still tells it."""
    return observed.secret.password if observed.secret is not None else None


async def _start(work: _Pass) -> None:
    managed, observed = work.managed, work.observed
    await check_name_free(managed)
    again = replace(work, password=secrets.token_urlsafe(32))
    await managed.context.users.revoke(managed.user)
    await _grant(again)
    await _write_secret(again)
    body = feed_pod(
        feed_assignment(observed.account),
        observed.account,
        managed.context.settings,
        namespace=managed.place.namespace,
        owned=work.owned,
        session=session_for(observed),
    )
    await create_pod(managed, body)
    message = f"Started a feed pod for {observed.account.broker}."
    await emit(managed, "Normal", "FeedCreated", message)


async def _grant(work: _Pass) -> None:
    account = work.observed.account
    rules = feed_rules(account=account.id, feed=account.feed, password=work.password)
    await work.managed.context.users.grant(account.id, rules, only=_SERVER)


async def _write_secret(work: _Pass) -> None:
    context, account, session = work.managed.context, work.observed.account, work.observed.session
    is_open = session.state == "open"
    body = feed_secret(
        account,
        redis_file(context.settings, account.id, work.password),
        context.sessions.text(account.uid, session.fingerprint) if is_open else "",
        namespace=work.managed.place.namespace,
        owned=work.owned,
    )
    known = work.observed.secret
    await write_secret(work.managed, body, version=None if known is None else known.version)


async def _delete(work: _Pass, action: DeletePod) -> None:
    context = work.managed.context
    if action.why == KEPT_CRASHING:
        replaced = context.runtime.replaced.setdefault(work.managed.key, [])
        replaced.append(context.clock.monotonic())
    pod = work.observed.pod
    await delete_pod(work.managed, action, pod, reason="FeedRemoved", what="feed")


async def _clean(work: _Pass) -> None:
    secret = work.observed.secret
    await work.managed.context.users.revoke(work.managed.user)
    if secret is not None:
        await delete_secret(work.managed, secret.uid)

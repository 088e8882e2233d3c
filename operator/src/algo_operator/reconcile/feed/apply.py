"""One pass over an account's feed pod: observe, plan, apply; part of the account's pass."""

import secrets
from dataclasses import dataclass, field, replace

from algo_contract import names
from algo_kube.cache import ObjectName
from algo_kube.errors import Conflict
from algo_kube.events import Subject, emit_event
from algo_kube.fields import annotations, labels, section
from algo_kube.resources import ACCOUNTS, PODS, SECRETS, Json
from algo_kube.work_queue import Key
from algo_service.logging import get_logger

from algo_operator import metrics
from algo_operator.context import Context
from algo_operator.model import feed as act
from algo_operator.model.feed import FeedSecret, ObservedFeed
from algo_operator.model.naming import FEED_SETTINGS_ANNOTATION, feed_name, is_feed
from algo_operator.model.observed import Account, PodState, SessionState
from algo_operator.model.pod_state import read_feed_pod
from algo_operator.reconcile.account.login_request import asked_us
from algo_operator.reconcile.feed.plan import plan_feed, session_for
from algo_operator.reconcile.strategy.plan import KEPT_CRASHING
from algo_operator.reconcile.warmup import is_deletion_safe
from algo_operator.specs.feed import feed_assignment, feed_secret, read_feed_secret
from algo_operator.specs.pod import feed_pod
from algo_operator.specs.redis_rules import feed_rules
from algo_operator.specs.secret import redis_file

log = get_logger(__name__)

_SERVER = "ticks"
"""The one server that a feed may write to."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass over one feed, while it is carried out."""

    context: Context
    key: Key
    observed: ObservedFeed
    password: str = field(repr=False)
    """Of the feed's Redis user: what is granted in this pass is what is written down."""

    @property
    def child(self) -> str:
        return feed_name(self.observed.account.name, self.observed.account.uid)

    @property
    def owned(self) -> bool:
        """What is made for an account under deletion must not be collected with it."""
        return not self.observed.deleting


async def observe_feed(
    context: Context, key: Key, body: Json, account: Account, session: SessionState
) -> ObservedFeed:
    """The facts of an account's feed."""
    pod, fingerprint = await _pod(context, key, account)
    secret = await _secret(context, key, account)
    serves = _serves(context, body, account)
    needs = [
        since
        for strategy, since in context.runtime.feed_needs.items()
        if context.runtime.follows_feed.get(strategy) == account.feed
    ]
    return ObservedFeed(
        account=account,
        deleting="deletionTimestamp" in body["metadata"],
        session=session,
        wall_us=context.clock.now_us(),
        needed_us=min(needs, default=None) if serves else None,
        sure=not context.runtime.unplanned and is_deletion_safe(context, key.namespace),
        in_position=_in_position(context, account),
        pod=pod,
        settings_hash=fingerprint,
        session_ended=serves and _is_ended(context, account, session),
        login_asked_us=asked_us(annotations(body).get(names.LOGIN_REQUESTED_ANNOTATION, "")),
        left_over=_is_left_over(context, key, account),
        secret=secret,
        acl_current=_acl_current(context, account, secret),
        replaced=context.runtime.replaced_lately(key, context.clock.monotonic()),
    )


async def reconcile_feed(context: Context, key: Key, observed: ObservedFeed) -> None:
    """Bring the feed closer to what it should be."""
    decided = plan_feed(observed, context.settings)
    work = _Pass(context, key, observed, _known_password(observed) or secrets.token_urlsafe(32))
    for action in decided.actions:
        context.leadership.check()
        await _one(work, action)
        kind = type(action).__name__
        metrics.ACTIONS.labels(kind).inc()
        log.info("action_done", action=kind, account=observed.account.id, name=key.name)
    if decided.wake_us is not None:
        context.queue.add(key, delay=max((decided.wake_us - observed.wall_us) / 1e6, 0.01))


def _serves(context: Context, body: Json, account: Account) -> bool:
    """Whether it has a feed of its own, or is the one account whose feed is shared."""
    if account.feed == account.id:
        return True
    shared = context.shared_account()
    return shared is not None and shared["metadata"]["uid"] == body["metadata"]["uid"]


def _is_ended(context: Context, account: Account, session: SessionState) -> bool:
    """Whether its feed says so of the very session that is on the account now."""
    known = context.runtime.feeds.get(account.feed)
    ended_us = known.ended_us if known is not None else None
    return session.state == "open" and session.issued_us == ended_us


def _in_position(context: Context, account: Account) -> bool:
    follows = context.runtime.follows_feed
    return any(follows.get(strategy) == account.feed for strategy in context.runtime.holding)


async def _pod(context: Context, key: Key, account: Account) -> tuple[PodState | None, str]:
    name = feed_name(account.name, account.uid)
    body = context.pods.get(ObjectName(key.namespace, name))
    if body is None and key in context.runtime.taken:
        body = await context.kube.find(PODS, key.namespace, name)
        if body is None or is_feed(body):
            context.runtime.taken.discard(key)
            body = None
    if body is None:
        return None, ""
    node = str(section(body, "spec").get("nodeName") or "")
    lost = context.nodes.is_lost(node, after_seconds=context.settings.node_lost_seconds)
    fingerprint = annotations(body).get(FEED_SETTINGS_ANNOTATION, "")
    return read_feed_pod(body, account.id, node_lost=lost), fingerprint


def _is_left_over(context: Context, key: Key, account: Account) -> bool:
    """Whether the pod of its name is a feed of an account that is gone."""
    body = context.pods.get(ObjectName(key.namespace, feed_name(account.name, account.uid)))
    if body is None or not is_feed(body):
        return False
    owner = labels(body).get(names.ACCOUNT_ID_LABEL, "")
    return owner != account.id and context.account_of_feed(owner) is None


async def _secret(context: Context, key: Key, account: Account) -> FeedSecret | None:
    if not account.is_live:
        return None
    name = feed_name(account.name, account.uid)
    body = await context.kube.find(SECRETS, key.namespace, name)
    return None if body is None else read_feed_secret(body, account, context.settings)


def _acl_current(context: Context, account: Account, secret: FeedSecret | None) -> bool:
    if secret is None or secret.password is None:
        return False
    rules = feed_rules(account=account.id, feed=account.feed, password=secret.password)
    return context.users.is_current(account.id, rules)


async def _one(work: _Pass, action: act.FeedAction) -> None:
    match action:
        case act.StartFeed():
            await _start(work)
        case act.GrantFeed():
            await _grant(work)
        case act.WriteFeedSecret():
            await _write_secret(work)
        case act.AnnotateFeed(fingerprint):
            patch = {"metadata": {"annotations": {names.ASSIGNMENT_ANNOTATION: fingerprint}}}
            work.context.pods.put(
                await work.context.kube.patch(PODS, work.key.namespace, work.child, patch)
            )
        case act.DeleteFeed():
            await _delete(work, action)
        case act.CleanFeed():
            await _clean(work)


def _known_password(observed: ObservedFeed) -> str | None:
    """The one that its pod has read, where the Secret still tells it."""
    return observed.secret.password if observed.secret is not None else None


async def _start(work: _Pass) -> None:
    context, namespace, observed = work.context, work.key.namespace, work.observed
    there = await context.kube.find(PODS, namespace, work.child)
    if there is not None:
        if is_feed(there):
            context.pods.put(there)
        else:
            context.runtime.taken.add(work.key)
        raise Conflict(f"a pod named {work.child} exists already")
    again = replace(work, password=secrets.token_urlsafe(32))
    await context.users.revoke(observed.account.id)
    await _grant(again)
    await _write_secret(again)
    body = feed_pod(
        feed_assignment(observed.account),
        observed.account,
        context.settings,
        namespace=namespace,
        owned=work.owned,
        session=session_for(observed),
    )
    context.pods.put(await context.kube.create(PODS, namespace, body))
    await _tell(work, "FeedCreated", f"Started a feed pod for {observed.account.broker}.")


async def _grant(work: _Pass) -> None:
    account = work.observed.account
    rules = feed_rules(account=account.id, feed=account.feed, password=work.password)
    await work.context.users.grant(account.id, rules, only=_SERVER)


async def _write_secret(work: _Pass) -> None:
    context, observed, namespace = work.context, work.observed, work.key.namespace
    session = observed.session
    body = feed_secret(
        observed.account,
        redis_file(context.settings, observed.account.id, work.password),
        context.sessions.text(observed.account.uid, session.fingerprint)
        if session.state == "open"
        else "",
        namespace=namespace,
        owned=work.owned,
    )
    if observed.secret is None:
        await context.kube.create(SECRETS, namespace, body)
        return
    meta = {
        "ownerReferences": body["metadata"].get("ownerReferences"),
        "labels": body["metadata"]["labels"],
        "resourceVersion": observed.secret.version,
    }
    patch = {"metadata": meta, "data": body["data"]}
    await context.kube.patch(SECRETS, namespace, work.child, patch)


async def _delete(work: _Pass, action: act.DeleteFeed) -> None:
    context, pod = work.context, work.observed.pod
    if action.why == KEPT_CRASHING:
        context.runtime.replaced.setdefault(work.key, []).append(context.clock.monotonic())
    await context.kube.delete(
        PODS, work.key.namespace, work.child, uid=action.uid, grace_seconds=action.grace_seconds
    )
    if pod is not None and not pod.leaving:
        await _tell(work, "FeedRemoved", f"Removed the feed pod: {action.why}.")


async def _clean(work: _Pass) -> None:
    secret = work.observed.secret
    await work.context.users.revoke(work.observed.account.id)
    if secret is not None:
        await work.context.kube.delete(SECRETS, work.key.namespace, work.child, uid=secret.uid)


async def _tell(work: _Pass, reason: str, message: str) -> None:
    account = work.observed.account
    subject = Subject(
        resource=ACCOUNTS, namespace=work.key.namespace, name=account.name, uid=account.uid
    )
    await emit_event(
        work.context.kube,
        subject,
        kind="Normal",
        reason=reason,
        message=message,
        time_us=work.context.clock.now_us(),
    )

"""What one pass over an account's feed decides on."""

from algo_contract import names
from algo_kube.cache import ObjectName
from algo_kube.fields import annotations, labels
from algo_kube.resources import SECRETS, Json
from algo_kube.work_queue import Key

from algo_operator.context import Context
from algo_operator.model.feed import FeedSecret, ObservedFeed
from algo_operator.model.naming import FEED_SETTINGS_ANNOTATION, feed_name, is_feed
from algo_operator.model.observed import Account, PodState, SessionState
from algo_operator.model.pod_state import read_feed_pod
from algo_operator.reconcile.account.login_request import asked_us
from algo_operator.reconcile.managed_pod import find_pod
from algo_operator.reconcile.warmup import is_deletion_safe
from algo_operator.specs.feed import read_feed_secret
from algo_operator.specs.redis_rules import feed_rules


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
    place = ObjectName(key.namespace, feed_name(account.name, account.uid))
    body, lost = await find_pod(context, key, place, is_feed)
    if body is None:
        return None, ""
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

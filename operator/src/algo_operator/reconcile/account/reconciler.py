"""One pass over one BrokerAccount: its id and conditions, its feed, the way to its broker, and the
finalizer while it is in use.
"""

from typing import Any

from algo_contract import names
from algo_kube.cache import FOR_GOOD, ObjectName, name_of
from algo_kube.conditions import merge_conditions
from algo_kube.errors import Conflict, NotFound
from algo_kube.fields import section
from algo_kube.resources import ACCOUNTS, NAMESPACES, NETWORK_POLICIES, Json
from algo_kube.work_queue import Key

from algo_operator.context import Context, account_key, strategy_key
from algo_operator.model.feed import ObservedFeed
from algo_operator.model.observed import NO_SESSION, Account, SessionState
from algo_operator.model.parsing import parse_account
from algo_operator.reconcile.account.login_request import request_login
from algo_operator.reconcile.ensure import ensure
from algo_operator.reconcile.feed.apply import reconcile_feed
from algo_operator.reconcile.feed.observe import observe_feed
from algo_operator.reconcile.feed.orphans import forget_feed
from algo_operator.reconcile.warmup import is_deletion_safe
from algo_operator.specs.network_policy import account_network
from algo_operator.status.account import account_conditions, feed_status, phase
from algo_operator.status.strategy import status_changes


async def reconcile_account(context: Context, key: Key) -> None:
    """Report on an account, run its feed, and hold it while a strategy of it is in position."""
    body = context.accounts.get(ObjectName(key.namespace, key.name))
    if body is None:
        await forget_feed(context, key)
        context.queue.forget(key)
        return
    account = parse_account(body, context.settings.broker_url_allowlist)
    in_use = account_key(key.namespace, key.name) in context.runtime.holding.values()
    session = await _session(context, body, account)
    _note_session(context, key, session)
    feed = await observe_feed(context, key, body, account, session)
    try:
        await _write_status(context, key, body, feed, in_use=in_use)
        await _set_finalizer(context, key, in_use=in_use)
    except (NotFound, Conflict):
        await _look_again(context, key)
        raise
    if account.is_live and not account.problem:
        await ensure(context, NETWORK_POLICIES, account_network(account, key.namespace))
    await reconcile_feed(context, key, feed)
    try:
        await request_login(context, key, feed, generation=body["metadata"]["generation"])
    except (NotFound, Conflict):
        await _look_again(context, key)
        raise


async def _session(context: Context, body: Json, account: Account) -> SessionState:
    """The account's session; its namespace's UID comes from the API server, never from a spec."""
    if not account.is_live:
        return NO_SESSION
    namespace = body["metadata"]["namespace"]
    uid = context.namespace_uid(namespace)
    if not uid:
        found = await context.kube.find(NAMESPACES, None, namespace)
        uid = "" if found is None else str(found["metadata"]["uid"])
    return context.sessions.look(body, uid)


def _note_session(context: Context, key: Key, session: SessionState) -> None:
    """A session that came, went or ended is news to the strategies that trade with it."""
    ended = session.state == "open" and session.expires_us <= context.clock.now_us()
    now = (session, ended)
    if context.runtime.sessions.get(key) == now:
        return
    context.runtime.sessions[key] = now
    for strategy in context.strategies.values():
        name, spec = name_of(strategy), section(strategy, "spec")
        if name.namespace == key.namespace and spec.get("brokerAccount") == key.name:
            context.queue.add(strategy_key(name))


async def _write_status(
    context: Context, key: Key, body: Json, feed: ObservedFeed, *, in_use: bool
) -> None:
    """Write what differs; the log-in worker writes this status too, so only onto what was seen."""
    status: dict[str, Any] = body.get("status") or {}
    meta = body["metadata"]
    generation = int(meta.get("generation", 1))
    known = context.runtime.feeds.get(feed.account.feed)
    conditions = account_conditions(
        feed,
        heartbeat_us=known.heartbeat_us if known is not None else None,
        deleting=in_use and "deletionTimestamp" in meta,
    )
    fields = {
        "id": feed.account.id,
        "phase": phase(conditions),
        "observedGeneration": generation,
        "conditions": merge_conditions(
            status.get("conditions"), conditions, generation, context.clock.now_us()
        ),
        **feed_status(conditions),
    }
    shown = {"healthy": None, "message": None} | section(status, "feed")
    changes = status_changes(status | {"feed": shown}, fields)
    if changes:
        patch = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "status": changes}
        answer = await context.kube.patch(ACCOUNTS, key.namespace, key.name, patch, sub="status")
        context.accounts.put(answer)


async def _set_finalizer(context: Context, key: Key, *, in_use: bool) -> None:
    body = context.accounts.get(ObjectName(key.namespace, key.name))
    if body is None:
        return
    meta = body["metadata"]
    current: list[str] = meta.get("finalizers") or []
    if (names.ACCOUNT_FINALIZER in current) is in_use or (in_use and "deletionTimestamp" in meta):
        return
    if not in_use and not is_deletion_safe(context, key.namespace):
        return
    others = [finalizer for finalizer in current if finalizer != names.ACCOUNT_FINALIZER]
    wanted = [*others, names.ACCOUNT_FINALIZER] if in_use else others
    patch = {"metadata": {"finalizers": wanted, "resourceVersion": meta["resourceVersion"]}}
    context.accounts.put(await context.kube.patch(ACCOUNTS, key.namespace, key.name, patch))


async def _look_again(context: Context, key: Key) -> None:
    name = ObjectName(key.namespace, key.name)
    body, old = (
        await context.kube.find(ACCOUNTS, key.namespace, key.name),
        context.accounts.get(name),
    )
    if body is not None:
        context.accounts.put(body)
    elif old is not None:
        context.accounts.remove(old, at=FOR_GOOD)

"""One pass over one strategy, and what the operator remembers of it afterwards."""

import hashlib
from typing import Final

from algo_kube.cache import FOR_GOOD, ObjectName, name_of
from algo_kube.errors import NotFound
from algo_kube.resources import STRATEGIES
from algo_kube.work_queue import Key, Priority

from algo_operator import metrics
from algo_operator.context import Context, account_key, tenant_key
from algo_operator.model.actions import DeletePod
from algo_operator.model.observed import ObservedStrategy
from algo_operator.model.schedule import SECOND, feed_from
from algo_operator.reconcile.strategy.apply import apply
from algo_operator.reconcile.strategy.conflicts import wake_conflicting
from algo_operator.reconcile.strategy.observe import observe
from algo_operator.reconcile.strategy.plan import KEPT_CRASHING, Plan, failed_unresolved, plan
from algo_operator.reconcile.warmup import note_planned
from algo_operator.runtime.state import FollowedStrategy

_SPREAD_SHARE: Final = 6
"""Pods due at the same second are made over the first sixth of their lead time."""


async def reconcile_strategy(context: Context, key: Key) -> None:
    """Bring one strategy closer to what it should be."""
    name = ObjectName(key.namespace, key.name)
    observed = await observe(context, name)
    if observed is None:
        forget_strategy(context, key)
        return
    decided = plan(observed, context.settings)
    if decided.makes_pod and not observed.strategy.epoch:
        observed = await observe(context, name, thoroughly=True) or observed
        decided = plan(observed, context.settings)
    remember(context, key, observed, decided)
    try:
        await apply(context, observed, decided.actions)
    except NotFound:
        # The strategy or its pod went meanwhile: read it again before anything else.
        await _look_again(context, name)
        raise
    _schedule(context, key, observed, decided)


async def _look_again(context: Context, name: ObjectName) -> None:
    body = await context.kube.find(STRATEGIES, name.namespace, name.name)
    old = context.strategies.get(name)
    if body is not None:
        context.strategies.put(body)
    elif old is not None:
        context.strategies.remove(old, at=FOR_GOOD)


def forget_strategy(context: Context, key: Key) -> None:
    """Drop what is remembered of a strategy that is gone."""
    for strategy_id, followed in list(context.runtime.followed.items()):
        if followed.key == key:
            context.runtime.followed.pop(strategy_id)
    feed = context.runtime.follows_feed.get(key)
    held = context.runtime.holding.pop(key, None)
    context.runtime.forget(key, "")
    context.queue.forget(key)
    note_planned(context, key, sure=True)
    _wake_neighbours(context, key, held)
    _wake_feed(context, feed)


def remember(context: Context, key: Key, observed: ObservedStrategy, decided: Plan) -> None:
    """Keep what the mirror, the feeds and the neighbours need to know."""
    live, strategy = context.runtime, observed.strategy
    in_session = (
        observed.pod is not None
        or decided.wanted
        or observed.at_risk
        or observed.secret is not None
        or not observed.runner_known
    )
    if in_session:
        followed = live.followed.setdefault(
            strategy.id, FollowedStrategy(key=key, uid=strategy.uid)
        )
        followed.at_risk = observed.at_risk
        followed.ready = observed.pod is not None and observed.pod.ready
        followed.unprotected = (
            observed.at_risk
            and observed.runner is not None
            and observed.runner.protection == "none"
        )
    else:
        live.followed.pop(strategy.id, None)
    _note_feed(context, key, observed, decided)
    _note_claim(context, key, observed, decided)
    wants = decided.wanted or (
        not _is_hindered(decided) and strategy.desired != "Stopped" and not observed.deleting
    )
    if (
        wants
        and strategy.spec is not None
        and (decided.wanted or observed.clock == "Feed" or decided.day.next_run_us)
    ):
        live.wants[key] = (observed.feed_id, f"{strategy.spec.exchange}:{strategy.spec.symbol}")
    else:
        live.wants.pop(key, None)
    _note_holding(context, key, observed)
    note_planned(context, key, sure=observed.runner_known)
    if any(isinstance(step, DeletePod) and step.why == KEPT_CRASHING for step in decided.actions):
        live.replaced.setdefault(key, []).append(context.clock.monotonic())
    late = (
        observed.wall_us - (strategy.deleted_us or observed.wall_us)
        > context.settings.stuck_deletion_seconds * SECOND
    )
    (live.stuck.add if late else live.stuck.discard)(key)
    metrics.STUCK_DELETIONS.set(len(live.stuck))


def _is_hindered(decided: Plan) -> bool:
    return decided.problem is not None and not decided.problem.keeps_feed


def _note_feed(context: Context, key: Key, observed: ObservedStrategy, decided: Plan) -> None:
    """Note from when the feed is needed, and tell the account that runs it of a change."""
    live = context.runtime
    before = live.follows_feed.get(key), live.feed_needs.get(key)
    needed = feed_from(
        observed,
        decided.day,
        at_work=decided.wanted or observed.at_risk or observed.pod is not None,
        hindered=_is_hindered(decided) or failed_unresolved(observed),
        lead_seconds=context.settings.feed_lead_seconds,
    )
    live.follows_feed[key] = observed.feed_id
    if needed is None:
        live.feed_needs.pop(key, None)
    else:
        live.feed_needs[key] = needed
    if (observed.feed_id, needed) != before:
        for feed in {observed.feed_id, before[0]}:
            _wake_feed(context, feed)


def _wake_feed(context: Context, feed: str | None) -> None:
    owner = context.account_of_feed(feed) if feed is not None else None
    if owner is not None:
        context.queue.add(account_key(*name_of(owner)))


def _note_claim(context: Context, key: Key, observed: ObservedStrategy, decided: Plan) -> None:
    """In session it claims its share; when done, those that wait for it are told."""
    claims = context.runtime.claims
    if observed.live and (decided.wanted or observed.at_risk or observed.pod is not None):
        claims.add(key)
    elif key in claims:
        claims.discard(key)
        wake_conflicting(context, observed.strategy)


def _note_holding(context: Context, key: Key, observed: ObservedStrategy) -> None:
    live = context.runtime
    held_before = key in live.holding
    if observed.at_risk and not held_before:
        asked = observed.strategy.account
        live.holding[key] = account_key(key.namespace, asked) if asked else None
        _wake_neighbours(context, key, live.holding[key])
    elif held_before and not observed.at_risk and (observed.runner_known or observed.abandoned):
        _wake_neighbours(context, key, live.holding.pop(key))


def _wake_neighbours(context: Context, key: Key, account: Key | None) -> None:
    context.queue.add(tenant_key(key.namespace))
    if account is not None:
        context.queue.add(account)


def _schedule(context: Context, key: Key, observed: ObservedStrategy, decided: Plan) -> None:
    if decided.wake_us is None:
        return
    share = int(hashlib.sha256(observed.strategy.uid.encode()).hexdigest()[:4], 16) / 0xFFFF
    spread = (
        share * context.settings.pod_lead_seconds / _SPREAD_SHARE if not observed.deleting else 0.0
    )
    delay = (decided.wake_us - observed.wall_us) / SECOND + (
        spread if decided.wake_us == decided.day.next_run_us else 0
    )
    context.queue.add(key, priority=Priority.NORMAL, delay=max(delay, 0.01))

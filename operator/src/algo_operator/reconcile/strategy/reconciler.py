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
    seen = await observe(context, name)
    if seen is None:
        forget_strategy(context, key)
        return
    decided = plan(seen, context.settings)
    if decided.makes_pod and not seen.wish.epoch:
        seen = await observe(context, name, thoroughly=True) or seen
        decided = plan(seen, context.settings)
    remember(context, key, seen, decided)
    try:
        await apply(context, seen, decided.actions)
    except NotFound:
        # The strategy or its pod went meanwhile: read it again before anything else.
        await _look_again(context, name)
        raise
    _schedule(context, key, seen, decided)


async def _look_again(context: Context, name: ObjectName) -> None:
    body = await context.kube.find(STRATEGIES, name.namespace, name.name)
    old = context.strategies.get(name)
    if body is not None:
        context.strategies.put(body)
    elif old is not None:
        context.strategies.remove(old, at=FOR_GOOD)


def forget_strategy(context: Context, key: Key) -> None:
    """Drop what is remembered of a strategy that is gone."""
    for strategy_id, followed in list(context.live.followed.items()):
        if followed.key == key:
            context.live.followed.pop(strategy_id)
    feed = context.live.follows_feed.get(key)
    held = context.live.holding.pop(key, None)
    context.live.forget(key, "")
    context.queue.forget(key)
    note_planned(context, key, sure=True)
    _wake_neighbours(context, key, held)
    _wake_feed(context, feed)


def remember(context: Context, key: Key, seen: ObservedStrategy, decided: Plan) -> None:
    """Keep what the mirror, the feeds and the neighbours need to know."""
    live, wish = context.live, seen.wish
    in_session = (
        seen.pod is not None
        or decided.wanted
        or seen.at_risk
        or seen.secret is not None
        or not seen.runner_known
    )
    if in_session:
        followed = live.followed.setdefault(wish.id, FollowedStrategy(key=key, uid=wish.uid))
        followed.at_risk = seen.at_risk
        followed.ready = seen.pod is not None and seen.pod.ready
        followed.unprotected = (
            seen.at_risk and seen.runner is not None and seen.runner.protection == "none"
        )
    else:
        live.followed.pop(wish.id, None)
    _note_feed(context, key, seen, decided)
    _note_claim(context, key, seen, decided)
    wants = decided.wanted or (
        not _is_hindered(decided) and wish.desired != "Stopped" and not seen.deleting
    )
    if (
        wants
        and wish.spec is not None
        and (decided.wanted or seen.clock == "Feed" or decided.day.next_run_us)
    ):
        live.wants[key] = (seen.feed_id, f"{wish.spec.exchange}:{wish.spec.symbol}")
    else:
        live.wants.pop(key, None)
    _note_holding(context, key, seen)
    note_planned(context, key, sure=seen.runner_known)
    if any(isinstance(step, DeletePod) and step.why == KEPT_CRASHING for step in decided.actions):
        live.replaced.setdefault(key, []).append(context.clock.monotonic())
    late = (
        seen.wall_us - (wish.deleted_us or seen.wall_us)
        > context.settings.stuck_deletion_seconds * SECOND
    )
    (live.stuck.add if late else live.stuck.discard)(key)
    metrics.STUCK_DELETIONS.set(len(live.stuck))


def _is_hindered(decided: Plan) -> bool:
    return decided.problem is not None and not decided.problem.keeps_feed


def _note_feed(context: Context, key: Key, seen: ObservedStrategy, decided: Plan) -> None:
    """Note from when the feed is needed, and tell the account that runs it of a change."""
    live = context.live
    before = live.follows_feed.get(key), live.feed_needs.get(key)
    needed = feed_from(
        seen,
        decided.day,
        at_work=decided.wanted or seen.at_risk or seen.pod is not None,
        hindered=_is_hindered(decided) or failed_unresolved(seen),
        lead_seconds=context.settings.feed_lead_seconds,
    )
    live.follows_feed[key] = seen.feed_id
    if needed is None:
        live.feed_needs.pop(key, None)
    else:
        live.feed_needs[key] = needed
    if (seen.feed_id, needed) != before:
        for feed in {seen.feed_id, before[0]}:
            _wake_feed(context, feed)


def _wake_feed(context: Context, feed: str | None) -> None:
    owner = context.account_of_feed(feed) if feed is not None else None
    if owner is not None:
        context.queue.add(account_key(*name_of(owner)))


def _note_claim(context: Context, key: Key, seen: ObservedStrategy, decided: Plan) -> None:
    """In session it claims its share; when done, those that wait for it are told."""
    claims = context.live.claims
    if seen.live and (decided.wanted or seen.at_risk or seen.pod is not None):
        claims.add(key)
    elif key in claims:
        claims.discard(key)
        wake_conflicting(context, seen.wish)


def _note_holding(context: Context, key: Key, seen: ObservedStrategy) -> None:
    live = context.live
    held_before = key in live.holding
    if seen.at_risk and not held_before:
        asked = seen.wish.account
        live.holding[key] = account_key(key.namespace, asked) if asked else None
        _wake_neighbours(context, key, live.holding[key])
    elif held_before and not seen.at_risk and (seen.runner_known or seen.abandoned):
        _wake_neighbours(context, key, live.holding.pop(key))


def _wake_neighbours(context: Context, key: Key, account: Key | None) -> None:
    context.queue.add(tenant_key(key.namespace))
    if account is not None:
        context.queue.add(account)


def _schedule(context: Context, key: Key, seen: ObservedStrategy, decided: Plan) -> None:
    if decided.wake_us is None:
        return
    share = int(hashlib.sha256(seen.wish.uid.encode()).hexdigest()[:4], 16) / 0xFFFF
    spread = share * context.settings.pod_lead_seconds / _SPREAD_SHARE if not seen.deleting else 0.0
    delay = (decided.wake_us - seen.wall_us) / SECOND + (
        spread if decided.wake_us == decided.day.next_run_us else 0
    )
    context.queue.add(key, priority=Priority.NORMAL, delay=max(delay, 0.01))

"""Carry a plan out, action by action, in order; the first failure ends the pass."""

import secrets
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from algo_contract import names, redis_keys, stream_fields
from algo_kube.cache import ObjectName
from algo_kube.errors import Conflict, NotFound
from algo_kube.events import Subject
from algo_kube.fields import finalizers
from algo_kube.resources import STRATEGIES, Json
from algo_service.logging import get_logger

from algo_operator import metrics
from algo_operator.context import Context, strategy_key
from algo_operator.errors import RedisUnavailable
from algo_operator.model import actions as act
from algo_operator.model.naming import is_runner, runner_name
from algo_operator.model.observed import ObservedStrategy
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
from algo_operator.redis.clients import redis_errors
from algo_operator.runtime.events import publish_events
from algo_operator.specs.pod import runner_pod
from algo_operator.specs.redis_rules import runner_rules
from algo_operator.specs.secret import password_in, redis_file, runner_secret

log = get_logger(__name__)

COMMAND_LIFE_US = 5 * 60 * 1_000_000
_COMMANDS_KEPT = 1000
_COMMANDS_SEARCHED = 200


@dataclass(slots=True)
class Pass:
    """One pass over one strategy, while it is carried out."""

    context: Context
    observed: ObservedStrategy
    password: str = field(repr=False)
    managed: ManagedPod


async def apply(
    context: Context, observed: ObservedStrategy, actions: tuple[act.Action, ...]
) -> None:
    """Carry the actions out."""
    known = password_in(observed.secret.redis) if observed.secret is not None else None
    work = Pass(context, observed, known or secrets.token_urlsafe(32), _managed(context, observed))
    for action in actions:
        context.leadership.check()
        await _one(work, action)
        kind = type(action).__name__
        metrics.ACTIONS.labels(kind).inc()
        if not isinstance(action, act.WriteStatus):
            log.info(
                "action_done",
                action=kind,
                strategy=observed.strategy.id,
                name=observed.strategy.name.name,
            )


async def _one(work: Pass, action: act.Action) -> None:  # noqa: C901, PLR0912 - one case per action
    match action:
        case act.AddFinalizer():
            await _set_finalizer(work, present=True)
        case act.RemoveFinalizer():
            await _set_finalizer(work, present=False)
        case act.WriteStatus(fields, guarded):
            await _write_status(work, fields, guarded=guarded)
        case act.GrantRedis():
            await _grant(work, action)
        case act.WriteSecret():
            await _write_secret(work, action)
        case act.CreatePod(assignment, owned, session):
            pod = runner_pod(assignment, work.context.settings, owned=owned, session=session)
            await create_pod(work.managed, pod)
        case act.DeletePod():
            pod = work.observed.pod
            await delete_pod(work.managed, action, pod, reason="RunnerRemoved", what="runner")
        case act.AnnotatePod(fingerprint):
            await annotate_pod(work.managed, fingerprint)
        case act.SendCommand():
            await _send(work, action)
        case act.DeleteSecret():
            await _delete_secret(work)
        case act.RevokeRedis():
            await _unless_abandoned(work, _revoke(work))
        case act.DeleteState():
            await _unless_abandoned(work, _forget(work))
        case act.EmitEvent(kind, reason, message):
            await emit(work.managed, kind, reason, message)


def subject_of(observed: ObservedStrategy) -> Subject:
    """The strategy, as the object of Events."""
    name = observed.strategy.name
    return Subject(
        resource=STRATEGIES, namespace=name.namespace, name=name.name, uid=observed.strategy.uid
    )


def _managed(context: Context, observed: ObservedStrategy) -> ManagedPod:
    strategy = observed.strategy
    child = runner_name(strategy.name.name, strategy.uid)
    return ManagedPod(
        context=context,
        key=strategy_key(strategy.name),
        place=ObjectName(strategy.name.namespace, child),
        user=strategy.id,
        is_ours=is_runner,
        subject=subject_of(observed),
    )


async def _refresh(work: Pass) -> Json:
    """Read the strategy again after a conflict; the next pass sees it."""
    name = work.observed.strategy.name
    body = await work.context.kube.get(STRATEGIES, name.namespace, name.name)
    work.context.strategies.put(body)
    return body


def _current(work: Pass) -> Json:
    body = work.context.strategies.get(work.observed.strategy.name)
    if body is None or body["metadata"]["uid"] != work.observed.strategy.uid:
        raise NotFound("the strategy is gone")
    return body


async def _set_finalizer(work: Pass, *, present: bool) -> None:
    body = _current(work)
    others = [name for name in finalizers(body) if name != names.FINALIZER]
    wanted = [*others, names.FINALIZER] if present else others
    meta = {"finalizers": wanted, "resourceVersion": body["metadata"]["resourceVersion"]}
    name = work.observed.strategy.name
    try:
        answer = await work.context.kube.patch(
            STRATEGIES, name.namespace, name.name, {"metadata": meta}
        )
    except Conflict:
        await _refresh(work)
        raise
    work.context.strategies.put(answer)


async def _write_status(work: Pass, fields: dict[str, Any], *, guarded: bool) -> None:
    """Write the status; before a new epoch only if nothing changed and no pod is there."""
    name, patch = work.observed.strategy.name, {"status": fields}
    if guarded:
        body = _current(work)
        if body["metadata"].get("generation") != work.observed.strategy.generation:
            raise Conflict("the spec changed meanwhile")
        await check_name_free(work.managed)
        patch["metadata"] = {"resourceVersion": body["metadata"]["resourceVersion"]}
    try:
        answer = await work.context.kube.patch(
            STRATEGIES, name.namespace, name.name, patch, sub="status"
        )
    except Conflict:
        await _refresh(work)
        raise
    work.context.strategies.put(answer)


async def _grant(work: Pass, action: act.GrantRedis) -> None:
    user = work.observed.strategy.id
    rules = runner_rules(
        strategy=user,
        instrument=action.symbol,
        feed=action.feed,
        account=action.account,
        tenant=action.tenant,
        password=work.password,
    )
    await work.context.users.grant(user, rules)


async def _write_secret(work: Pass, action: act.WriteSecret) -> None:
    redis = redis_file(work.context.settings, work.observed.strategy.id, work.password)
    session = _session(work, action.session)
    body = runner_secret(action.assignment, redis, owned=action.owned, session=session)
    known = work.observed.secret
    await write_secret(work.managed, body, version=None if known is None else known.version)


def _session(work: Pass, fingerprint: str) -> str:
    """The session's JSON; nothing where the Secret keeps the one it has."""
    account, known = work.observed.account, work.observed.secret
    kept = (
        known is not None
        and known.session == fingerprint
        and work.observed.session.fingerprint != fingerprint
    )
    if not fingerprint or account is None or kept:
        return ""
    return work.context.sessions.text(account.uid, fingerprint)


async def _delete_secret(work: Pass) -> None:
    secret = work.observed.secret
    if secret is not None and not secret.foreign:
        await delete_secret(work.managed, secret.uid)


async def _send(work: Pass, command: act.SendCommand) -> None:
    """Append a command unless the same id is there already."""
    key, state = (
        redis_keys.strategy(work.observed.strategy.id, "commands"),
        work.context.redis.state,
    )
    with redis_errors("state"):
        entries = await state.xrevrange(key, count=_COMMANDS_SEARCHED)
        if any(fields.get(stream_fields.COMMAND_ID) == command.id for _, fields in entries):
            return
        fields = {
            stream_fields.COMMAND_ID: command.id,
            stream_fields.COMMAND_DAY: command.day,
            stream_fields.COMMAND_EXPIRY: str(work.context.clock.now_us() + COMMAND_LIFE_US),
            stream_fields.COMMAND_KIND: command.kind,
        }
        await state.xadd(key, fields, maxlen=_COMMANDS_KEPT, approximate=True)


async def _unless_abandoned(work: Pass, step: Awaitable[None]) -> None:
    """What a strategy leaves in Redis holds up its end, unless a person wants it gone."""
    try:
        await step
    except RedisUnavailable as error:
        if not work.observed.abandoned:
            raise
        log.warning("left_in_redis", strategy=work.observed.strategy.id, error=str(error))


async def _revoke(work: Pass) -> None:
    await publish_events(work.context, work.observed.strategy.id, subject_of(work.observed))
    await work.context.users.revoke(work.observed.strategy.id)


async def _forget(work: Pass) -> None:
    strategy = work.observed.strategy.id
    with redis_errors("state"):
        parts = ("state", "commands", "fence", "paper", "events-seen")
        await work.context.redis.state.delete(
            *(redis_keys.strategy(strategy, part) for part in parts)
        )
    with redis_errors("ticks"):
        await work.context.redis.ticks.delete(redis_keys.strategy(strategy, "live"))

"""Gather what one pass over a strategy decides on."""

from dataclasses import replace

from algo_contract import redis_keys
from algo_contract.messages.runner_state import RunnerState
from algo_kube.cache import ObjectName
from algo_kube.fields import section
from algo_kube.resources import PODS, SECRETS
from algo_service.logging import get_logger

from algo_operator.context import Context, strategy_key
from algo_operator.errors import RedisUnavailable, Unreadable
from algo_operator.model.naming import is_runner, runner_name
from algo_operator.model.observed import (
    NO_SESSION,
    PAPER,
    STATE,
    Account,
    FeedState,
    ObservedStrategy,
    PodState,
    SecretState,
    SessionState,
    StrategyResource,
)
from algo_operator.model.parsing import parse_account, parse_strategy
from algo_operator.model.pod_state import read_pod
from algo_operator.model.untrusted import runner_state
from algo_operator.reconcile.strategy.conflicts import conflicts_of
from algo_operator.redis.clients import redis_errors
from algo_operator.specs.redis_rules import runner_rules
from algo_operator.specs.secret import password_in, read_secret

log = get_logger(__name__)


async def observe(
    context: Context, name: ObjectName, *, thoroughly: bool = False
) -> ObservedStrategy | None:
    """The facts of a strategy; None when it is gone.

    Args:
        context: where to look.
        name: the strategy's.
        thoroughly: look for a Secret and a state even where none can be: before a first epoch.
    """
    body = context.strategies.get(name)
    if body is None:
        return None
    wish = parse_strategy(body)
    account, missing = account_of(context, wish)
    tenant = context.tenant_of(name.namespace)
    pod = _pod(context, wish) or await _foreign_pod(context, wish)
    began = bool(wish.epoch) or pod is not None or thoroughly
    secret = await _secret(context, wish) if began else None
    runner, known, unreadable = None, True, tuple[str, ...]()
    if began:
        runner, known, unreadable = await _runner(context, wish)
    followed = context.live.followed.get(wish.id)
    if followed is not None:
        unreadable += tuple(sorted(followed.unreadable))
    instrument = f"{wish.spec.exchange}:{wish.spec.symbol}" if wish.spec is not None else ""
    return ObservedStrategy(
        wish=wish,
        tenant=tenant,
        account=account,
        account_missing=missing,
        wall_us=context.clock.now_us(),
        feed=_feed(context, account, instrument),
        pod=pod,
        secret=secret,
        runner=runner,
        runner_known=known,
        unreadable=unreadable,
        acl_current=_acl_current(context, wish, secret, tenant or ""),
        last_error=context.live.errors.get(strategy_key(name)),
        replaced=context.live.replaced_lately(strategy_key(name), context.clock.monotonic()),
        last_price=followed.last_price if followed is not None else None,
        silent=followed.silent if followed is not None else False,
        session=_session(context, wish),
        rivals=conflicts_of(context, wish),
    )


def _feed(context: Context, account: Account | None, instrument: str) -> FeedState:
    """What is known of the feed, and whose it is."""
    feed = account.feed if account is not None else redis_keys.SHARED_FEED
    facts = context.live.feed_facts(feed, instrument)
    if account is not None and account.feed == account.id:
        return replace(facts, broker=account.broker)
    owner = context.shared_account()
    broker = section(owner, "spec").get("broker") if owner is not None else None
    return replace(facts, broker=str(broker or PAPER))


def _session(context: Context, wish: StrategyResource) -> SessionState:
    """The session a live strategy trades with."""
    if wish.mode != "Live":
        return NO_SESSION
    body = context.accounts.get(ObjectName(wish.name.namespace, wish.account))
    if body is None:
        return NO_SESSION
    return context.sessions.look(body, context.namespace_uid(wish.name.namespace))


def account_of(context: Context, wish: StrategyResource) -> tuple[Account | None, bool]:
    """The account whose clock and feed count, and whether one that was asked for is missing.

    One that is gone is known by what it last was, so that a position stays guarded by its prices.
    """
    key, before = strategy_key(wish.name), context.live.accounts
    body = (
        context.accounts.get(ObjectName(wish.name.namespace, wish.account))
        if wish.account
        else context.shared_account()
    )
    if body is not None:
        account = parse_account(body, context.settings.broker_url_allowlist)
        if wish.account:
            before[key] = account
        return account, False
    last = before.get(key)
    known = last if last is not None and last.name == wish.account else None
    return known, bool(wish.account)


def _pod(context: Context, wish: StrategyResource) -> PodState | None:
    body = context.pods.get(ObjectName(wish.name.namespace, runner_name(wish.name.name, wish.uid)))
    if body is None:
        return None
    node = str(section(body, "spec").get("nodeName") or "")
    lost = context.nodes.is_lost(node, after_seconds=context.settings.node_lost_seconds)
    return read_pod(body, wish.uid, node_lost=lost)


async def _foreign_pod(context: Context, wish: StrategyResource) -> PodState | None:
    """What had the pod's name when last looked; no watch of ours follows it."""
    key = strategy_key(wish.name)
    if key not in context.live.taken:
        return None
    name = runner_name(wish.name.name, wish.uid)
    body = await context.kube.find(PODS, wish.name.namespace, name)
    if body is None or is_runner(body):
        context.live.taken.discard(key)
        return None
    return read_pod(body, wish.uid, node_lost=False)


async def _secret(context: Context, wish: StrategyResource) -> SecretState | None:
    name = runner_name(wish.name.name, wish.uid)
    body = await context.kube.find(SECRETS, wish.name.namespace, name)
    return None if body is None else read_secret(body, wish.uid, context.settings)


async def _runner(
    context: Context, wish: StrategyResource
) -> tuple[RunnerState | None, bool, tuple[str, ...]]:
    """The runner's state, whether the answer can be relied on, and what cannot be read."""
    if context.live.redis_down:
        return None, False, ()
    try:
        with redis_errors("state"):
            fields = await context.links.state.hgetall(redis_keys.strategy(wish.id, STATE))
        return runner_state(fields), True, ()
    except RedisUnavailable as error:
        log.warning("runner_state_unavailable", strategy=wish.id, error=str(error))
    except (Unreadable, ValueError) as error:
        log.warning("runner_state_unreadable", strategy=wish.id, error=str(error))
        return None, False, (STATE,)
    return None, False, ()


def _acl_current(
    context: Context, wish: StrategyResource, secret: SecretState | None, tenant: str
) -> bool:
    password = password_in(secret.redis) if secret is not None else None
    if secret is None or secret.assignment is None or password is None:
        return False
    assignment = secret.assignment
    try:
        rules = runner_rules(
            strategy=wish.id,
            instrument=(assignment.strategy.exchange, assignment.strategy.symbol),
            feed=assignment.feed,
            account=assignment.account_id,
            tenant=tenant,
            password=password,
        )
    except (ValueError, TypeError):
        return False
    return context.users.is_current(wish.id, rules)

"""Gather what one pass over a strategy decides on."""

from dataclasses import replace

from algo_contract import redis_keys
from algo_contract.messages.runner_state import RunnerState
from algo_kube.cache import ObjectName
from algo_kube.fields import section
from algo_kube.resources import SECRETS
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
from algo_operator.reconcile.managed_pod import find_pod
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
    strategy = parse_strategy(body)
    account, missing = account_of(context, strategy)
    tenant = context.tenant_of(name.namespace)
    pod = await _pod(context, strategy)
    began = bool(strategy.epoch) or pod is not None or thoroughly
    secret = await _secret(context, strategy) if began else None
    runner, known, unreadable = None, True, tuple[str, ...]()
    if began:
        runner, known, unreadable = await _runner(context, strategy)
    followed = context.runtime.followed.get(strategy.id)
    if followed is not None:
        unreadable += tuple(sorted(followed.unreadable))
    spec = strategy.spec
    instrument = f"{spec.exchange}:{spec.symbol}" if spec is not None else ""
    return ObservedStrategy(
        strategy=strategy,
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
        acl_current=_acl_current(context, strategy, secret, tenant or ""),
        last_error=context.runtime.errors.get(strategy_key(name)),
        replaced=context.runtime.replaced_lately(strategy_key(name), context.clock.monotonic()),
        last_price=followed.last_price if followed is not None else None,
        silent=followed.silent if followed is not None else False,
        session=_session(context, strategy),
        conflicts=conflicts_of(context, strategy),
    )


def _feed(context: Context, account: Account | None, instrument: str) -> FeedState:
    """What is known of the feed, and whose it is."""
    feed = account.feed if account is not None else redis_keys.SHARED_FEED
    facts = context.runtime.feed_facts(feed, instrument)
    if account is not None and account.feed == account.id:
        return replace(facts, broker=account.broker)
    owner = context.shared_account()
    broker = section(owner, "spec").get("broker") if owner is not None else None
    return replace(facts, broker=str(broker or PAPER))


def _session(context: Context, strategy: StrategyResource) -> SessionState:
    """The session a live strategy trades with."""
    if strategy.mode != "Live":
        return NO_SESSION
    body = context.accounts.get(ObjectName(strategy.name.namespace, strategy.account))
    if body is None:
        return NO_SESSION
    return context.sessions.look(body, context.namespace_uid(strategy.name.namespace))


def account_of(context: Context, strategy: StrategyResource) -> tuple[Account | None, bool]:
    """The account whose clock and feed count, and whether one that was asked for is missing.

    One that is gone is known by what it last was, so that a position stays guarded by its prices.
    """
    key, before = strategy_key(strategy.name), context.runtime.accounts
    body = (
        context.accounts.get(ObjectName(strategy.name.namespace, strategy.account))
        if strategy.account
        else context.shared_account()
    )
    if body is not None:
        account = parse_account(body, context.settings.broker_url_allowlist)
        if strategy.account:
            before[key] = account
        return account, False
    last = before.get(key)
    known = last if last is not None and last.name == strategy.account else None
    return known, bool(strategy.account)


async def _pod(context: Context, strategy: StrategyResource) -> PodState | None:
    place = ObjectName(strategy.name.namespace, runner_name(strategy.name.name, strategy.uid))
    body, lost = await find_pod(context, strategy_key(strategy.name), place, is_runner)
    return None if body is None else read_pod(body, strategy.uid, node_lost=lost)


async def _secret(context: Context, strategy: StrategyResource) -> SecretState | None:
    name = runner_name(strategy.name.name, strategy.uid)
    body = await context.kube.find(SECRETS, strategy.name.namespace, name)
    return None if body is None else read_secret(body, strategy.uid, context.settings)


async def _runner(
    context: Context, strategy: StrategyResource
) -> tuple[RunnerState | None, bool, tuple[str, ...]]:
    """The runner's state, whether the answer can be relied on, and what cannot be read."""
    if context.runtime.redis_down:
        return None, False, ()
    try:
        with redis_errors("state"):
            fields = await context.redis.state.hgetall(redis_keys.strategy(strategy.id, STATE))
        return runner_state(fields), True, ()
    except RedisUnavailable as error:
        log.warning("runner_state_unavailable", strategy=strategy.id, error=str(error))
    except (Unreadable, ValueError) as error:
        log.warning("runner_state_unreadable", strategy=strategy.id, error=str(error))
        return None, False, (STATE,)
    return None, False, ()


def _acl_current(
    context: Context, strategy: StrategyResource, secret: SecretState | None, tenant: str
) -> bool:
    password = password_in(secret.redis) if secret is not None else None
    if secret is None or secret.assignment is None or password is None:
        return False
    assignment = secret.assignment
    try:
        rules = runner_rules(
            strategy=strategy.id,
            instrument=(assignment.strategy.exchange, assignment.strategy.symbol),
            feed=assignment.feed,
            account=assignment.account_id,
            tenant=tenant,
            password=password,
        )
    except (ValueError, TypeError):
        return False
    return context.users.is_current(strategy.id, rules)

"""What must be known before the first pass, and what may not be let go until all had one."""

from algo_contract.redis_keys import SHARED_FEED
from algo_kube.cache import name_of
from algo_kube.resources import Json
from algo_kube.work_queue import Key

from algo_operator.context import Context, account_key, strategy_key, tenant_key
from algo_operator.model.parsing import parse_strategy
from algo_operator.reconcile.strategy.observe import account_of


def warm_up(context: Context) -> None:
    """Note whose feed each strategy follows, and that none has been looked at yet."""
    for body in context.strategies.values():
        key = strategy_key(name_of(body))
        context.runtime.unplanned.add(key)
        context.runtime.unsure.setdefault(key.namespace, set()).add(key)
        context.runtime.follows_feed[key] = _feed_of(context, body)


def _feed_of(context: Context, body: Json) -> str:
    account, _ = account_of(context, parse_strategy(body))
    return account.feed if account is not None else SHARED_FEED


def note_planned(context: Context, key: Key, *, sure: bool) -> None:
    """A strategy has had a pass; `sure` when it is known what its runner holds.

    The last one of a namespace lets its accounts and the namespace itself be looked at again.
    """
    context.runtime.unplanned.discard(key)
    waiting = context.runtime.unsure.get(key.namespace)
    if not sure or waiting is None:
        return
    waiting.discard(key)
    if waiting:
        return
    del context.runtime.unsure[key.namespace]
    context.queue.add(tenant_key(key.namespace))
    for name in context.accounts:
        if name.namespace == key.namespace:
            context.queue.add(account_key(*name))


def is_deletion_safe(context: Context, namespace: str) -> bool:
    """Whether it is known of every strategy of a namespace what it holds."""
    return namespace not in context.runtime.unsure

"""Whether a strategy may trade at all, and why not. It never ends the guarding of a position."""

from dataclasses import dataclass
from typing import Final

from algo_operator.model.broker_conditions import credentials
from algo_operator.model.naming import runner_name
from algo_operator.model.observed import (
    LIVE_BROKERS,
    Account,
    ConflictingStrategy,
    ObservedStrategy,
)
from algo_operator.model.schedule import Day

_AVAILABLE: Final = " or ".join(sorted(LIVE_BROKERS))


@dataclass(frozen=True, slots=True)
class Blocker:
    """A condition's reason and its sentence."""

    reason: str
    sentence: str
    keeps_feed: bool = False
    """What the feed tells may end it, or it will end soon: the feed is kept."""

    keeps_runner: bool = False
    """It comes and goes by itself: a runner that is there goes on by its last good assignment."""


def blocker_of(observed: ObservedStrategy, day: Day) -> Blocker | None:
    """What keeps the strategy from trading, the most basic thing first."""
    strategy = observed.strategy
    if observed.tenant is None:
        return Blocker(
            "NotATenant",
            f"The namespace {strategy.name.namespace} is not a tenant: it lacks the label "
            "algotrading.io/tenant. Make the strategy in a tenant namespace.",
        )
    if strategy.spec is None:
        return Blocker("InvalidSpec", strategy.spec_problem)
    if observed.secret is not None and observed.secret.foreign:
        child = runner_name(strategy.name.name, strategy.uid)
        return Blocker(
            "SecretNameTaken",
            f"A Secret named {child} exists that belongs to something else. Delete or rename it, "
            "or give the strategy another name.",
        )
    if observed.account_missing:
        return Blocker(
            "AccountMissing",
            f"There is no BrokerAccount {strategy.account} in namespace "
            f"{strategy.name.namespace}. Make it, or make a new strategy without brokerAccount "
            "to trade on paper.",
        )
    return (
        _account_problem(observed)
        or (Blocker("InvalidTimes", day.problem) if day.problem else None)
        or _rival_problem(observed, day)
        or _share_problem(observed, day)
        or _session_problem(observed, day)
    )


def _account_problem(observed: ObservedStrategy) -> Blocker | None:
    account = observed.account
    if account is None:
        return None
    if account.problem:
        return Blocker("AccountNotReady", account.problem)
    if not observed.live:
        return None
    if not account.is_live:
        return Blocker(
            "LiveNeedsBroker",
            f"The account {account.name} is a {account.broker} account, which sends no real "
            f"orders. For mode Live make a new strategy on an account at {_AVAILABLE}.",
        )
    return _own_feed_problem(account)


def _own_feed_problem(account: Account) -> Blocker | None:
    if account.feed == account.id:
        return None
    return Blocker(
        "FeedNotOwn",
        f"The account {account.name} follows the shared feed, but real orders need the prices, "
        f"instruments and order updates of {account.broker} itself. Set spec.feed.enabled to true "
        "and spec.feed.shared to false on the BrokerAccount.",
    )


def _rival_problem(observed: ObservedStrategy, day: Day) -> Blocker | None:
    """One position at the broker is one strategy's: its orders could not be told apart."""
    spec = observed.strategy.spec
    is_near = (
        day.due or observed.pod is not None or (observed.started_today and not observed.done_today)
    )
    if not observed.live or observed.at_risk or spec is None or not is_near:
        return None
    first = next(
        (conflicting for conflicting in observed.conflicts if _comes_first(conflicting, observed)),
        None,
    )
    if first is None:
        return None
    return Blocker(
        "SymbolInUse",
        f"The strategy {first.name} trades {spec.exchange}:{spec.symbol} ({spec.product}) on the "
        f"account {observed.strategy.account} now, and a broker keeps one position for both. "
        "Wait until it is done, or make a new strategy on another account.",
        keeps_feed=True,
    )


def _comes_first(conflicting: ConflictingStrategy, observed: ObservedStrategy) -> bool:
    """In position, then in session, then the older one."""
    older = (conflicting.created_us, conflicting.uid) < (
        observed.strategy.created_us,
        observed.strategy.uid,
    )
    if conflicting.at_risk:
        return True
    if conflicting.in_session:
        return observed.pod is None or older
    return conflicting.due and older and observed.pod is None


def _share_problem(observed: ObservedStrategy, day: Day) -> Blocker | None:
    spec, facts = observed.strategy.spec, observed.feed.instrument
    if not observed.needs_facts or spec is None:
        return None
    share = f"{spec.exchange}:{spec.symbol}"
    if not observed.feed.knows_symbol:
        return Blocker(
            "InstrumentUnknown",
            f"{observed.feed.broker} has no share {share} in its list of instruments. "
            "Check symbol and exchange, and make a new strategy with the right ones.",
            keeps_feed=True,
            keeps_runner=True,
        )
    if facts is not None and facts.freeze_quantity and spec.quantity > facts.freeze_quantity:
        return Blocker(
            "QuantityAboveFreeze",
            f"quantity {spec.quantity} is above the most that the exchange takes in one order of "
            f"{share}, {facts.freeze_quantity} (its freeze quantity). Lower the quantity.",
            keeps_feed=True,
        )
    if facts is None and day.due:
        return Blocker(
            "WaitingForFeed",
            f"The price feed ({observed.feed_id}) has not told yet in which steps {share} moves. "
            "Its conditions FeedHealthy and CredentialsReady on the BrokerAccount say why; nothing "
            "is bought before.",
            keeps_feed=True,
            keeps_runner=True,
        )
    return None


def _session_problem(observed: ObservedStrategy, day: Day) -> Blocker | None:
    if not observed.live or observed.account is None or not day.due:
        return None
    condition = credentials(observed.account, observed.session, now_us=observed.wall_us)
    if condition.status == "True":
        return None
    return Blocker(condition.reason, condition.message, keeps_feed=True, keeps_runner=True)

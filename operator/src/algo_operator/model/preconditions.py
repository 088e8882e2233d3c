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


def blocker_of(seen: ObservedStrategy, day: Day) -> Blocker | None:
    """What keeps the strategy from trading, the most basic thing first."""
    wish = seen.wish
    if seen.tenant is None:
        return Blocker(
            "NotATenant",
            f"The namespace {wish.name.namespace} is not a tenant: it lacks the label "
            "algotrading.io/tenant. Make the strategy in a tenant namespace.",
        )
    if wish.spec is None:
        return Blocker("InvalidSpec", wish.spec_problem)
    if seen.secret is not None and seen.secret.foreign:
        child = runner_name(wish.name.name, wish.uid)
        return Blocker(
            "SecretNameTaken",
            f"A Secret named {child} exists that belongs to something else. Delete or rename it, "
            "or give the strategy another name.",
        )
    if seen.account_missing:
        return Blocker(
            "AccountMissing",
            f"There is no BrokerAccount {wish.account} in namespace "
            f"{wish.name.namespace}. Make it, or make a new strategy without brokerAccount "
            "to trade on paper.",
        )
    return (
        _account_problem(seen)
        or (Blocker("InvalidTimes", day.problem) if day.problem else None)
        or _rival_problem(seen, day)
        or _share_problem(seen, day)
        or _session_problem(seen, day)
    )


def _account_problem(seen: ObservedStrategy) -> Blocker | None:
    account = seen.account
    if account is None:
        return None
    if account.problem:
        return Blocker("AccountNotReady", account.problem)
    if not seen.live:
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


def _rival_problem(seen: ObservedStrategy, day: Day) -> Blocker | None:
    """One position at the broker is one strategy's: its orders could not be told apart."""
    spec = seen.wish.spec
    is_near = day.due or seen.pod is not None or (seen.started_today and not seen.done_today)
    if not seen.live or seen.at_risk or spec is None or not is_near:
        return None
    first = next((rival for rival in seen.rivals if _comes_first(rival, seen)), None)
    if first is None:
        return None
    return Blocker(
        "SymbolInUse",
        f"The strategy {first.name} trades {spec.exchange}:{spec.symbol} ({spec.product}) on the "
        f"account {seen.wish.account} now, and a broker keeps one position for both. Wait until it "
        "is done, or make a new strategy on another account.",
        keeps_feed=True,
    )


def _comes_first(rival: ConflictingStrategy, seen: ObservedStrategy) -> bool:
    """In position, then in session, then the older one."""
    older = (rival.created_us, rival.uid) < (seen.wish.created_us, seen.wish.uid)
    if rival.at_risk:
        return True
    if rival.in_session:
        return seen.pod is None or older
    return rival.due and older and seen.pod is None


def _share_problem(seen: ObservedStrategy, day: Day) -> Blocker | None:
    spec, facts = seen.wish.spec, seen.feed.instrument
    if not seen.needs_facts or spec is None:
        return None
    share = f"{spec.exchange}:{spec.symbol}"
    if not seen.feed.knows_symbol:
        return Blocker(
            "InstrumentUnknown",
            f"{seen.feed.broker} has no share {share} in its list of instruments. Check symbol and "
            "exchange, and make a new strategy with the right ones.",
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
            f"The price feed ({seen.feed_id}) has not told the steps in which {share} moves yet. "
            "Its conditions FeedHealthy and CredentialsReady on the BrokerAccount say why; nothing "
            "is bought before.",
            keeps_feed=True,
            keeps_runner=True,
        )
    return None


def _session_problem(seen: ObservedStrategy, day: Day) -> Blocker | None:
    if not seen.live or seen.account is None or not day.due:
        return None
    verdict = credentials(seen.account, seen.session, now_us=seen.wall_us)
    if verdict.status == "True":
        return None
    return Blocker(verdict.reason, verdict.message, keeps_feed=True, keeps_runner=True)

"""Whether a strategy may trade at all, and why not. It never ends the guarding of a position."""

from dataclasses import dataclass

from algo_operator.model.facts import Observed
from algo_operator.model.schedule import Day
from algo_operator.specs.naming import runner_name


@dataclass(frozen=True, slots=True)
class Problem:
    """A condition's reason and its sentence."""

    reason: str
    sentence: str


def problem_of(seen: Observed, day: Day) -> Problem | None:
    """What keeps the strategy from trading, the most basic thing first."""
    wish = seen.wish
    if seen.tenant is None:
        return Problem(
            "NotATenant",
            f"The namespace {wish.name.namespace} is not a tenant: it lacks the label "
            "algotrading.io/tenant. Make the strategy in a tenant namespace.",
        )
    if wish.spec is None:
        return Problem("InvalidSpec", wish.spec_problem)
    if wish.spec.mode == "Live":
        return Problem(
            "LiveNotAvailable",
            "Live trading is not available in this release: no order will be sent. Use mode Paper.",
        )
    if seen.secret is not None and seen.secret.foreign:
        child = runner_name(wish.name.name, wish.uid)
        return Problem(
            "SecretNameTaken",
            f"A Secret named {child} exists that belongs to something else. Delete or rename it, "
            "or give the strategy another name.",
        )
    if seen.account_missing:
        return Problem(
            "AccountMissing",
            f"There is no BrokerAccount {wish.account} in namespace "
            f"{wish.name.namespace}. Make it, or make a new strategy without brokerAccount "
            "to trade on paper.",
        )
    return _account_problem(seen) or _time_problem(day)


def _account_problem(seen: Observed) -> Problem | None:
    account = seen.account
    if account is None:
        return None
    if account.problem:
        return Problem("AccountNotReady", account.problem)
    if account.broker != "paper":
        return Problem(
            "FeedNotAvailable",
            f"The account {account.name} is a {account.broker} account, whose price feed is not "
            "available in this release. Use an account whose broker is paper, or none.",
        )
    return None


def _time_problem(day: Day) -> Problem | None:
    return Problem("InvalidTimes", day.problem) if day.problem else None

"""What a BrokerAccount's status should say. Pure."""

from typing import Any

from algo_kube.conditions import Condition

from algo_operator.model.broker_conditions import (
    NOT_JUDGED,
    PAPER_CREDENTIALS,
    PAPER_EGRESS,
    credentials,
    egress,
)
from algo_operator.model.feed import ObservedFeed, wants_feed
from algo_operator.model.naming import feed_name
from algo_operator.model.observed import Account
from algo_operator.status.strategy_conditions import FEED_SILENT_US


def account_conditions(
    feed: ObservedFeed, *, heartbeat_us: int | None, deleting: bool
) -> dict[str, Condition]:
    """The conditions of an account.

    Args:
        feed: what is seen of the account and its feed.
        heartbeat_us: when the feed last showed life, wall clock.
        deleting: it is to go, and a strategy of it is in position.
    """
    account = feed.account
    live = account.is_live and not account.problem
    session = _credentials(feed)
    conditions = {
        "Ready": _ready(account, session, deleting=deleting),
        "CredentialsReady": session if live else _paper_only(account, PAPER_CREDENTIALS),
        "EgressReady": egress(account) if live else _paper_only(account, PAPER_EGRESS),
    }
    if live:
        conditions["FeedHealthy"] = _feed_healthy(feed, heartbeat_us)
    return conditions


def phase(conditions: dict[str, Condition]) -> str:
    """READY, LOGIN_NEEDED or FAILED."""
    ready = conditions["Ready"]
    if ready.status == "True":
        return "READY"
    return "LOGIN_NEEDED" if ready.reason == "LoginNeeded" else "FAILED"


def feed_status(conditions: dict[str, Condition]) -> dict[str, Any]:
    """The status field `feed`: the same word in short; None stands for a field not to be there."""
    condition = conditions.get("FeedHealthy")
    if condition is None:
        return {}
    healthy = None if condition.status == "Unknown" else condition.status == "True"
    return {"feed": {"healthy": healthy, "message": condition.message[:256]}}


def _ready(account: Account, session: Condition, *, deleting: bool) -> Condition:
    if account.problem:
        return Condition("False", "InvalidSpec", account.problem)
    if deleting:
        return Condition(
            "False",
            "InUse",
            "A strategy of this account is in position: it stays until that is sold.",
        )
    if not account.is_live:
        return Condition(
            "True",
            "PaperAccount",
            f"Paper trading on the {account.clock.lower()} clock, feed {account.feed}.",
        )
    if session.status != "True":
        return Condition("False", "LoginNeeded", session.message)
    return Condition("True", "Connected", session.message)


def _credentials(feed: ObservedFeed) -> Condition:
    """As for strategies, but for a session that the broker has ended and nobody else knows of."""
    condition = credentials(feed.account, feed.session, now_us=feed.wall_us)
    if condition.status != "True" or not feed.session_ended:
        return condition
    return Condition(
        "False",
        "SessionEnded",
        f"{feed.account.broker} has ended the session before its time: nothing can be sent until "
        "there is another; orders resting at the broker stay. It is asked for by itself: the "
        "condition LoggedIn says what the log-in worker does or waits for.",
    )


def _paper_only(account: Account, condition: Condition) -> Condition:
    if not account.problem:
        return condition
    return NOT_JUDGED


def _feed_healthy(feed: ObservedFeed, heartbeat_us: int | None) -> Condition:
    pod, name = feed.pod, feed_name(feed.account.name, feed.account.uid)
    taken = feed.secret is not None and feed.secret.foreign
    if taken or (pod is not None and not pod.ours):
        return Condition(
            "False",
            "FeedNameTaken",
            f"A {'Secret' if taken else 'pod'} named {name} exists that belongs to something else. "
            "Delete or rename it.",
        )
    if pod is None:
        return _without_pod(feed)
    if pod.failure is not None:
        return Condition("False", pod.failure.reason, pod.failure.message)
    if not pod.ready:
        return Condition("False", "FeedStarting", f"The feed pod {name} is starting.")
    if heartbeat_us is None:
        return Condition("False", "NoFeed", f"The feed pod {name} has not reported yet.")
    if feed.wall_us - heartbeat_us > FEED_SILENT_US:
        return Condition(
            "False",
            "FeedSilent",
            f"The feed pod {name} has stopped reporting: see kubectl logs {name}.",
        )
    return Condition("True", "FeedReports", f"The feed pod {name} reports prices.")


def _without_pod(feed: ObservedFeed) -> Condition:
    needed = feed.needed_us is not None and feed.needed_us <= feed.wall_us
    if wants_feed(feed):
        return Condition("False", "FeedStarting", "The feed pod is being created.")
    if needed:
        return Condition(
            "False",
            "WaitingForSession",
            "Strategies wait for prices, but nobody is logged in: see CredentialsReady.",
        )
    return Condition("Unknown", "NotInSession", "Prices are read only while a strategy needs them.")

"""The conditions of a strategy: a reason and a sentence that a stranger understands. Pure."""

from typing import Any, Final

from algo_contract import names, redis_keys
from algo_contract.calendar import ist_datetime
from algo_contract.messages.runner_state import Protection
from algo_contract.states import sentence
from algo_kube.conditions import Condition, merge_conditions

from algo_operator.model.broker_conditions import (
    NOT_JUDGED,
    PAPER_CREDENTIALS,
    PAPER_EGRESS,
    credentials,
    egress,
    has_session,
)
from algo_operator.model.entry_checks import ends_early
from algo_operator.model.observed import STATE, ObservedStrategy
from algo_operator.model.preconditions import Blocker
from algo_operator.model.schedule import SECOND, Day
from algo_operator.settings import Settings

FEED_SILENT_US: Final = 15 * SECOND


def conditions(
    observed: ObservedStrategy,
    day: Day,
    problem: Blocker | None,
    *,
    settings: Settings,
    wanted: bool,
    failed: bool,
) -> list[dict[str, Any]]:
    """All conditions; a transition time changes only when the status flips."""
    conditions = {
        "Ready": _ready(observed, day, problem, settings=settings, wanted=wanted, failed=failed),
        "CredentialsReady": _credentials(observed, day),
        "EgressReady": _egress(observed),
        "FeedHealthy": _feed(observed),
        "Protected": _protected(observed),
    }
    return merge_conditions(
        observed.strategy.status.get("conditions"),
        conditions,
        observed.strategy.generation,
        observed.wall_us,
    )


def _ready(
    observed: ObservedStrategy,
    day: Day,
    problem: Blocker | None,
    *,
    settings: Settings,
    wanted: bool,
    failed: bool,
) -> Condition:
    if not observed.runner_known and not observed.abandoned:
        return _unknown(observed)
    if observed.deleting:
        return _deleting(observed, settings)
    if observed.state_lost:
        return _lost(observed)
    if problem is not None:
        return Condition("False", problem.reason, problem.sentence)
    if failed:
        return _failed(observed)
    if observed.pod is not None:
        return _pod(observed)
    if wanted and observed.last_error is not None:
        return Condition("False", observed.last_error.reason, observed.last_error.message)
    if wanted:
        return Condition("False", "PodPending", "The runner pod is being created.")
    return _idle(observed, day)


def _unknown(observed: ObservedStrategy) -> Condition:
    way_out = (
        f" To let the strategy go all the same, set the annotation {names.ABANDON_ANNOTATION} to "
        "your name or a ticket."
        if observed.deleting
        else ""
    )
    if STATE in observed.unreadable:
        return Condition(
            "False",
            "StateUnreadable",
            f"Redis answers, but {_state_key(observed)} holds something else than "
            "a runner's state, so what the runner did is not known. A person must look: "
            "until it can be read nothing is started, removed or let go." + way_out,
        )
    return Condition(
        "False",
        "RedisUnavailable",
        "Redis does not answer, so what the runner did is not known. Nothing is started, "
        "removed or let go until it answers; orders resting at the broker stay." + way_out,
    )


def _lost(observed: ObservedStrategy) -> Condition:
    held, day = (
        observed.strategy.status.get("position", 0),
        observed.strategy.status.get("tradingDay"),
    )
    return Condition(
        "False",
        "StateLost",
        f"Redis has lost {_state_key(observed)}, and {held} shares were held when last read. "
        "The runner pod stays. A person must look at the account; then set "
        f"the annotation {names.RESOLVED_ANNOTATION} to {day} to let the strategy go on.",
    )


def _deleting(observed: ObservedStrategy, settings: Settings) -> Condition:
    if not observed.at_risk:
        return Condition("False", "Deleting", "The strategy is being deleted; it holds nothing.")
    held = (
        observed.runner.position
        if observed.runner is not None
        else observed.strategy.status.get("position", 0)
    )
    waited = observed.wall_us - (observed.strategy.deleted_us or observed.wall_us)
    if waited > settings.stuck_deletion_seconds * SECOND:
        return Condition(
            "False",
            "DeletionStuck",
            f"The strategy is being deleted, but {held} shares could not be sold yet. It stays "
            "until they are. To let it go all the same and leave orders and shares as they are, "
            "set the annotation algotrading.io/abandon-position to your name or a ticket.",
        )
    return Condition(
        "False", "Flattening", f"The strategy is being deleted: {held} shares are sold first."
    )


def _failed(observed: ObservedStrategy) -> Condition:
    reason = (
        observed.runner.reason
        if observed.runner is not None
        else str(observed.strategy.status.get("reason") or "")
    )
    day = (
        observed.runner.trading_day
        if observed.runner is not None
        else observed.strategy.status.get("tradingDay")
    )
    return Condition(
        "False",
        "Failed",
        f"{sentence(reason) or 'The trade failed.'} A person must look at it; then set the "
        f"annotation algotrading.io/resolved to {day} to let the strategy trade again.",
    )


def _pod(observed: ObservedStrategy) -> Condition:
    pod = observed.pod
    if pod is None:
        raise AssertionError
    if not pod.ours:
        return Condition(
            "False",
            "PodNameTaken",
            f"A pod named {pod.name} exists that belongs to something else. Delete it, or give the "
            "strategy another name.",
        )
    if pod.failure is not None:
        return Condition("False", pod.failure.reason, pod.failure.message)
    if pod.leaving:
        return Condition("False", "PodPending", f"The runner pod {pod.name} is ending.")
    if not pod.ready:
        return Condition("False", "PodPending", f"The runner pod {pod.name} is starting.")
    if observed.unreadable:
        keys = ", ".join(
            redis_keys.strategy(observed.strategy.id, part) for part in observed.unreadable
        )
        return Condition(
            "False",
            "RunnerKeysUnreadable",
            f"The runner pod {pod.name} is at work, but it has written something else than it "
            f"should into Redis: {keys} cannot be read. A person must look at the runner.",
        )
    return Condition("True", "Running", f"The runner pod {pod.name} is at work.")


def _idle(observed: ObservedStrategy, day: Day) -> Condition:
    if observed.strategy.desired == "Stopped":
        return Condition(
            "False",
            "Stopped",
            "The owner stopped the strategy. Set desiredState to Active to trade.",
        )
    runner = observed.runner
    if runner is not None and observed.done_today:
        return Condition(
            "True",
            "DoneForToday",
            f"Done for {runner.trading_day}. {sentence(runner.reason)}".strip(),
        )
    if observed.now_us is None:
        return Condition(
            "False" if observed.live else "True",
            "WaitingForFeed",
            "Waits for the feed's recorded day to begin.",
        )
    if day.next_run_us is None:
        if observed.clock == "Feed":
            return Condition("True", "NotToday", "The strategy does not trade on the feed's day.")
        return Condition("False", "Finished", "No trading day is left: endDate has passed.")
    when = ist_datetime(day.next_run_us).strftime("%a %d %b %Y at %H:%M:%S")
    missed = f"{sentence('missed')} " if day.missed else ""
    return Condition("True", "Scheduled", f"{missed}The runner pod is due on {when} (IST).")


def _credentials(observed: ObservedStrategy, day: Day) -> Condition:
    if not observed.live:
        return PAPER_CREDENTIALS
    if observed.account is None or not observed.account.is_live or observed.account.problem:
        return NOT_JUDGED
    condition = credentials(observed.account, observed.session, now_us=observed.wall_us)
    session = day.session
    if condition.status == "True" and session is not None and ends_early(observed, session):
        return Condition("False", "SessionEndsEarly", ends_early(observed, session))
    return condition


def _egress(observed: ObservedStrategy) -> Condition:
    if not observed.live:
        return PAPER_EGRESS
    if observed.account is None or not observed.account.is_live or observed.account.problem:
        return NOT_JUDGED
    return egress(observed.account)


def _feed(observed: ObservedStrategy) -> Condition:
    spec, feed = observed.strategy.spec, observed.feed
    if spec is not None and not feed.knows_symbol:
        return Condition(
            "False",
            "SymbolUnknown",
            f"The price feed ({observed.feed_id}) has no {spec.exchange}:{spec.symbol}. "
            "Check symbol and exchange.",
        )
    if observed.pod is None:
        return Condition(
            "Unknown", "NotInSession", "Prices are watched only while a runner pod exists."
        )
    if feed.heartbeat_us is None:
        return Condition(
            "False", "NoFeed", f"The price feed ({observed.feed_id}) has not reported yet."
        )
    if observed.wall_us - feed.heartbeat_us > FEED_SILENT_US:
        return Condition(
            "False", "FeedSilent", f"The price feed ({observed.feed_id}) has stopped reporting."
        )
    return Condition("True", "FeedReports", f"The price feed ({observed.feed_id}) reports.")


def _protected(observed: ObservedStrategy) -> Condition:
    if not observed.at_risk:
        return Condition("True", "NoPosition", "There is no position to protect.")
    if observed.runner is None:
        return Condition("Unknown", "StateUnknown", "The runner's state cannot be read.")
    ended = observed.session.state == "open" and not has_session(
        observed.session, now_us=observed.wall_us
    )
    if observed.live and ended:
        return _without_session(observed.runner.protection)
    match observed.runner.protection:
        case "resting":
            return Condition("True", "RestingStop", "A stop-loss order rests at the broker.")
        case "exiting":
            return Condition("True", "Exiting", "An exit order is at work.")
        case "runner" if observed.silent or observed.pod is None:
            return Condition(
                "False", "RunnerSilent", "Only the runner guards the stop, and it does not report."
            )
        case "runner":
            return Condition("True", "RunnerStop", "The runner guards the stop on every tick.")
        case "none" if observed.runner.position == 0:
            return Condition("True", "NoPosition", "Nothing is held yet: an order is on its way.")
        case "none":
            return Condition("False", "Unprotected", "Shares are held and nothing guards them now.")


def _without_session(protection: Protection) -> Condition:
    """In position, and the broker takes no order of ours."""
    if protection == "resting":
        return Condition(
            "True",
            "RestingStop",
            "A stop-loss order rests at the broker, but the session has ended: it can neither be "
            "changed nor another order sent. Log in again.",
        )
    return Condition(
        "False",
        "SessionEnded",
        "The session at the broker has ended, so nothing can be sold. Log in again at once, or "
        "sell by hand at the broker.",
    )


def _state_key(observed: ObservedStrategy) -> str:
    return redis_keys.strategy(observed.strategy.id, STATE)

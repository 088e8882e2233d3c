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
    seen: ObservedStrategy,
    day: Day,
    problem: Blocker | None,
    *,
    settings: Settings,
    wanted: bool,
    failed: bool,
) -> list[dict[str, Any]]:
    """All conditions; a transition time changes only when the status flips."""
    verdicts = {
        "Ready": _ready(seen, day, problem, settings=settings, wanted=wanted, failed=failed),
        "CredentialsReady": _credentials(seen, day),
        "EgressReady": _egress(seen),
        "FeedHealthy": _feed(seen),
        "Protected": _protected(seen),
    }
    return merge_conditions(
        seen.wish.status.get("conditions"), verdicts, seen.wish.generation, seen.wall_us
    )


def _ready(
    seen: ObservedStrategy,
    day: Day,
    problem: Blocker | None,
    *,
    settings: Settings,
    wanted: bool,
    failed: bool,
) -> Condition:
    if not seen.runner_known and not seen.abandoned:
        return _unknown(seen)
    if seen.deleting:
        return _deleting(seen, settings)
    if seen.state_lost:
        return _lost(seen)
    if problem is not None:
        return Condition("False", problem.reason, problem.sentence)
    if failed:
        return _failed(seen)
    if seen.pod is not None:
        return _pod(seen)
    if wanted and seen.last_error is not None:
        return Condition("False", seen.last_error.reason, seen.last_error.message)
    if wanted:
        return Condition("False", "PodPending", "The runner pod is being created.")
    return _idle(seen, day)


def _unknown(seen: ObservedStrategy) -> Condition:
    way_out = (
        f" To let the strategy go all the same, set the annotation {names.ABANDON_ANNOTATION} to "
        "your name or a ticket."
        if seen.deleting
        else ""
    )
    if STATE in seen.unreadable:
        return Condition(
            "False",
            "StateUnreadable",
            f"Redis answers, but {redis_keys.strategy(seen.wish.id, STATE)} holds something else "
            "than a runner's state, so what the runner did is not known. A person must look: until "
            "it can be read nothing is started, removed or let go." + way_out,
        )
    return Condition(
        "False",
        "RedisUnavailable",
        "Redis does not answer, so what the runner did is not known. Nothing is started, "
        "removed or let go until it answers; orders resting at the broker stay." + way_out,
    )


def _lost(seen: ObservedStrategy) -> Condition:
    held, day = seen.wish.status.get("position", 0), seen.wish.status.get("tradingDay")
    return Condition(
        "False",
        "StateLost",
        f"Redis has lost {redis_keys.strategy(seen.wish.id, STATE)}, and {held} shares were held "
        "when it was last read. The runner pod stays. A person must look at the account; then set "
        f"the annotation {names.RESOLVED_ANNOTATION} to {day} to let the strategy go on.",
    )


def _deleting(seen: ObservedStrategy, settings: Settings) -> Condition:
    if not seen.at_risk:
        return Condition("False", "Deleting", "The strategy is being deleted; it holds nothing.")
    held = seen.runner.position if seen.runner is not None else seen.wish.status.get("position", 0)
    waited = seen.wall_us - (seen.wish.deleted_us or seen.wall_us)
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


def _failed(seen: ObservedStrategy) -> Condition:
    reason = (
        seen.runner.reason if seen.runner is not None else str(seen.wish.status.get("reason") or "")
    )
    day = seen.runner.trading_day if seen.runner is not None else seen.wish.status.get("tradingDay")
    return Condition(
        "False",
        "Failed",
        f"{sentence(reason) or 'The trade failed.'} A person must look at it; then set the "
        f"annotation algotrading.io/resolved to {day} to let the strategy trade again.",
    )


def _pod(seen: ObservedStrategy) -> Condition:
    pod = seen.pod
    if pod is None:
        raise AssertionError
    if not pod.ours:
        return Condition(
            "False",
            "PodNameTaken",
            f"A pod named {pod.name} exists that belongs to something else. Delete it, or give the "
            "strategy another name.",
        )
    if pod.trouble is not None:
        return Condition("False", pod.trouble.reason, pod.trouble.message)
    if pod.leaving:
        return Condition("False", "PodPending", f"The runner pod {pod.name} is ending.")
    if not pod.ready:
        return Condition("False", "PodPending", f"The runner pod {pod.name} is starting.")
    if seen.unreadable:
        keys = ", ".join(redis_keys.strategy(seen.wish.id, part) for part in seen.unreadable)
        return Condition(
            "False",
            "RunnerKeysUnreadable",
            f"The runner pod {pod.name} is at work, but it has written something else than it "
            f"should into Redis: {keys} cannot be read. A person must look at the runner.",
        )
    return Condition("True", "Running", f"The runner pod {pod.name} is at work.")


def _idle(seen: ObservedStrategy, day: Day) -> Condition:
    if seen.wish.desired == "Stopped":
        return Condition(
            "False",
            "Stopped",
            "The owner stopped the strategy. Set desiredState to Active to trade.",
        )
    runner = seen.runner
    if runner is not None and seen.done_today:
        return Condition(
            "True",
            "DoneForToday",
            f"Done for {runner.trading_day}. {sentence(runner.reason)}".strip(),
        )
    if seen.now_us is None:
        return Condition(
            "False" if seen.live else "True",
            "WaitingForFeed",
            "Waits for the feed's recorded day to begin.",
        )
    if day.next_run_us is None:
        if seen.clock == "Feed":
            return Condition("True", "NotToday", "The strategy does not trade on the feed's day.")
        return Condition("False", "Finished", "No trading day is left: endDate has passed.")
    when = ist_datetime(day.next_run_us).strftime("%a %d %b %Y at %H:%M:%S")
    missed = f"{sentence('missed')} " if day.missed else ""
    return Condition("True", "Scheduled", f"{missed}The runner pod is due on {when} (IST).")


def _credentials(seen: ObservedStrategy, day: Day) -> Condition:
    if not seen.live:
        return PAPER_CREDENTIALS
    if seen.account is None or not seen.account.is_live or seen.account.problem:
        return NOT_JUDGED
    verdict = credentials(seen.account, seen.session, now_us=seen.wall_us)
    session = day.session
    if verdict.status == "True" and session is not None and ends_early(seen, session):
        return Condition("False", "SessionEndsEarly", ends_early(seen, session))
    return verdict


def _egress(seen: ObservedStrategy) -> Condition:
    if not seen.live:
        return PAPER_EGRESS
    if seen.account is None or not seen.account.is_live or seen.account.problem:
        return NOT_JUDGED
    return egress(seen.account)


def _feed(seen: ObservedStrategy) -> Condition:
    spec, feed = seen.wish.spec, seen.feed
    if spec is not None and not feed.knows_symbol:
        return Condition(
            "False",
            "SymbolUnknown",
            f"The price feed ({seen.feed_id}) has no {spec.exchange}:{spec.symbol}. "
            "Check symbol and exchange.",
        )
    if seen.pod is None:
        return Condition(
            "Unknown", "NotInSession", "Prices are watched only while a runner pod exists."
        )
    if feed.heartbeat_us is None:
        return Condition(
            "False", "NoFeed", f"The price feed ({seen.feed_id}) has not reported yet."
        )
    if seen.wall_us - feed.heartbeat_us > FEED_SILENT_US:
        return Condition(
            "False", "FeedSilent", f"The price feed ({seen.feed_id}) has stopped reporting."
        )
    return Condition("True", "FeedReports", f"The price feed ({seen.feed_id}) reports.")


def _protected(seen: ObservedStrategy) -> Condition:
    if not seen.at_risk:
        return Condition("True", "NoPosition", "There is no position to protect.")
    if seen.runner is None:
        return Condition("Unknown", "StateUnknown", "The runner's state cannot be read.")
    ended = seen.session.state == "open" and not has_session(seen.session, now_us=seen.wall_us)
    if seen.live and ended:
        return _without_session(seen.runner.protection)
    match seen.runner.protection:
        case "resting":
            return Condition("True", "RestingStop", "A stop-loss order rests at the broker.")
        case "exiting":
            return Condition("True", "Exiting", "An exit order is at work.")
        case "runner" if seen.silent or seen.pod is None:
            return Condition(
                "False", "RunnerSilent", "Only the runner guards the stop, and it does not report."
            )
        case "runner":
            return Condition("True", "RunnerStop", "The runner guards the stop on every tick.")
        case "none" if seen.runner.position == 0:
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

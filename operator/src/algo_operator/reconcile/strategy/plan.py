"""From what is seen to what is to be done. Pure: the same facts give the same plan."""

from dataclasses import dataclass
from typing import Final

from algo_contract.messages.assignment import Assignment

from algo_operator.model import actions as act
from algo_operator.model.observed import STATE, ObservedStrategy, PodState
from algo_operator.model.preconditions import Blocker, blocker_of
from algo_operator.model.schedule import SECOND, Day, day_of
from algo_operator.settings import Settings
from algo_operator.specs.assignment import assignment_for, assignment_hash
from algo_operator.status.events import notices
from algo_operator.status.strategy import desired_status, status_changes

_REPLACE_AT_RISK: Final = (2 * SECOND, 30 * SECOND)
_AT_ONCE: Final = 20
"""So many crashing runners in position are made anew at once, before the waits begin."""
_REPLACE_FLAT: Final = (10 * SECOND, 300 * SECOND)
"""A pod that backs off is re-created once it is this old, twice as old after each time lately, up
to the second figure: a position is not left to the kubelet's back-off, nor re-created for ever."""
KEPT_CRASHING: Final = "it kept crashing"
_WIND_DOWN: Final = 15 * SECOND
"""A runner that holds nothing has this long to say so before a deletion goes on without it."""
_QUIET_BEFORE_ENTRY: Final = 60 * SECOND
_ASK_AGAIN: Final = SECOND
"""While it is not known what a runner did, and a pod or an end depends on it."""
_TAKEN: Final = 5 * SECOND
"""A name that something else has is asked for again after this long."""
_LOOK_AGAIN: Final = 30 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do, in order, and when to look again."""

    actions: tuple[act.Action, ...]
    day: Day
    problem: Blocker | None
    wanted: bool
    """A runner pod should exist."""

    makes_pod: bool
    wake_us: int | None


def plan(seen: ObservedStrategy, settings: Settings) -> Plan:
    """Decide on one strategy."""
    day = day_of(seen, lead_seconds=settings.pod_lead_seconds)
    problem = blocker_of(seen, day)
    wanted = wants_pod(seen, day, problem)
    epoch = _next_epoch(seen) if wanted and seen.pod is None else seen.wish.epoch
    steps = _pod_steps(seen, day, problem, settings, wanted=wanted, epoch=epoch)
    makes_pod = any(isinstance(step, act.CreatePod) for step in steps)
    fields = desired_status(
        seen,
        day,
        problem,
        settings=settings,
        wanted=wanted,
        epoch=epoch if makes_pod else seen.wish.epoch,
    )
    changes = status_changes(seen.wish.status, fields)
    before: list[act.Action] = []
    if not seen.deleting and not seen.wish.has_finalizer and seen.tenant is not None:
        before.append(act.AddFinalizer())
    if changes:
        before.append(act.WriteStatus(changes, guarded=makes_pod))
    told = notices(seen.wish.status, fields, seen)
    release = _release(seen, wanted=wanted) if seen.deleting else []
    return Plan(
        actions=(*before, *told, *steps, *release),
        day=day,
        problem=problem,
        wanted=wanted,
        makes_pod=makes_pod,
        wake_us=_wake(seen, day, settings),
    )


def wants_pod(seen: ObservedStrategy, day: Day, problem: Blocker | None) -> bool:
    """Whether a runner pod should exist. An open position comes before everything else.

    While the feed's clock is not known, a pod that is there stays.
    """
    if seen.at_risk:
        return True
    if seen.abandoned:
        return False
    if not seen.runner_known:
        return seen.pod is not None
    winding_down = seen.started_today and not seen.done_today
    if seen.deleting and _waited(seen) > _WIND_DOWN:
        return False
    if seen.deleting or seen.wish.desired == "Stopped":
        return winding_down and seen.pod is not None and seen.pod.ready
    if problem is not None and not _may_go_on(seen, problem, winding_down=winding_down):
        return False
    if seen.now_us is None:
        return seen.pod is not None and not (seen.runner is not None and seen.runner.done)
    if seen.started_today:
        return winding_down
    return day.due and not failed_unresolved(seen)


def _may_go_on(seen: ObservedStrategy, problem: Blocker, *, winding_down: bool) -> bool:
    if problem.keeps_runner:
        return winding_down or seen.pod is not None
    return problem.reason == "InvalidTimes" and winding_down


def _waited(seen: ObservedStrategy) -> int:
    """How long ago the deletion was asked for."""
    return 0 if seen.wish.deleted_us is None else seen.wall_us - seen.wish.deleted_us


def failed_unresolved(seen: ObservedStrategy) -> bool:
    """A failure that a person has not called resolved."""
    if seen.runner is not None:
        return (
            seen.runner.execution == "FAILED" and seen.wish.resolved_day != seen.runner.trading_day
        )
    status = seen.wish.status
    return status.get("execution") == "FAILED" and seen.wish.resolved_day != status.get(
        "tradingDay"
    )


def _next_epoch(seen: ObservedStrategy) -> int:
    """Above every epoch that was ever seen, even when the status was lost."""
    known = [seen.wish.epoch]
    if seen.runner is not None:
        known.append(seen.runner.epoch)
    if seen.secret is not None and seen.secret.assignment is not None:
        known.append(seen.secret.assignment.epoch)
    return max(known) + 1


def _pod_steps(
    seen: ObservedStrategy,
    day: Day,
    problem: Blocker | None,
    settings: Settings,
    *,
    wanted: bool,
    epoch: int,
) -> list[act.Action]:
    pod = seen.pod
    if pod is None:
        return _start(seen, day, problem, epoch=epoch) if wanted else _clean_up(seen)
    if not pod.ours:
        return [] if wanted else _clean_up(seen)
    if pod.leaving:
        return _hasten(seen, pod, wanted=wanted)
    if not wanted:
        return [act.DeletePod(pod.uid, _why_not(seen, problem))]
    if pod.node_lost:
        return [act.DeletePod(pod.uid, "its node is lost", 0)]
    why = _replacement(seen, day, pod, settings)
    if why:
        return [act.DeletePod(pod.uid, why, 0 if seen.at_risk else None)]
    return _keep(seen, assignment_for(seen, day, problem, epoch=pod.epoch), pod)


def _hasten(seen: ObservedStrategy, pod: PodState, *, wanted: bool) -> list[act.Action]:
    """A pod on its way out keeps its name: with a position open its successor does not wait for
    the kubelet to report the end. The fence keeps the old runner from acting meanwhile.
    """
    if pod.node_lost:
        return [act.DeletePod(pod.uid, "its node is lost", 0)]
    if wanted and seen.at_risk:
        return [act.DeletePod(pod.uid, "a position is open and it is leaving", 0)]
    return []


def _start(
    seen: ObservedStrategy, day: Day, problem: Blocker | None, *, epoch: int
) -> list[act.Action]:
    assignment = assignment_for(seen, day, problem, epoch=epoch)
    if assignment is None or (seen.secret is None and not seen.runner_known):
        return []
    if seen.secret is not None and seen.secret.foreign:
        return []
    owned, session = not seen.deleting, _session_mark(seen)
    return [
        *_grant(seen, assignment),
        act.WriteSecret(assignment, owned, session),
        act.CreatePod(assignment, owned, session),
        act.EmitEvent(
            "Normal", "RunnerCreated", f"Started a runner pod for {assignment.session.trading_day}."
        ),
    ]


def _keep(seen: ObservedStrategy, assignment: Assignment | None, pod: PodState) -> list[act.Action]:
    if assignment is None or (seen.secret is not None and seen.secret.foreign):
        return []
    steps = _grant(seen, assignment)
    owned, session = not seen.deleting, _session_mark(seen)
    secret = seen.secret
    stale = (
        secret is None
        or secret.assignment != assignment
        or not secret.redis_current
        or secret.session != session
    )
    if stale or (secret is not None and secret.owned and not owned):
        steps.append(act.WriteSecret(assignment, owned, session))
    if pod.mark != (mark := assignment_hash(assignment, session)):
        steps += [act.AnnotatePod(mark), *_commands(assignment, mark)]
    return steps


def _session_mark(seen: ObservedStrategy) -> str:
    """The session that the Secret should hold: the newest, for as long as one can be read."""
    if not seen.live:
        return ""
    if seen.session.state == "open":
        return seen.session.mark
    return seen.secret.session if seen.secret is not None else ""


def _commands(assignment: Assignment, mark: str) -> list[act.Action]:
    strategy, day = assignment.strategy, assignment.session.trading_day
    steps: list[act.Action] = [act.SendCommand("reload", f"reload-{mark}", day)]
    if strategy.desired_state == "Stopped":
        steps.append(act.SendCommand("stop", f"stop-{day}-{strategy.generation}", day))
    if strategy.exit_requested:
        steps.append(act.SendCommand("exit", f"exit-{day}", day))
    return steps


def _grant(seen: ObservedStrategy, assignment: Assignment) -> list[act.Action]:
    if not seen.runner_known or (seen.acl_current and seen.secret is not None):
        return []
    strategy = assignment.strategy
    instrument = (strategy.exchange, strategy.symbol)
    return [act.GrantRedis(instrument, assignment.feed, assignment.account_id, seen.tenant or "")]


def _clean_up(seen: ObservedStrategy) -> list[act.Action]:
    if seen.secret is None or seen.secret.foreign:
        return []
    if not (seen.runner_known or seen.abandoned):
        return []
    return [*([act.RevokeRedis()] if seen.redis_answers else []), act.DeleteSecret()]


def _release(seen: ObservedStrategy, *, wanted: bool) -> list[act.Action]:
    ours = seen.pod is not None and seen.pod.ours
    if not seen.wish.has_finalizer or wanted or ours:
        return []
    if not seen.wish.epoch:
        return [act.RemoveFinalizer()]
    if not (seen.runner_known or seen.abandoned):
        return []
    left_user = seen.secret is not None and seen.secret.foreign and seen.redis_answers
    return [
        *([_abandonment(seen)] if seen.abandoned else []),
        *([act.RevokeRedis()] if left_user else []),
        *([act.DeleteState()] if seen.redis_answers else []),
        act.RemoveFinalizer(),
    ]


def _abandonment(seen: ObservedStrategy) -> act.EmitEvent:
    held = seen.runner.position if seen.runner is not None else seen.wish.status.get("position", 0)
    known = "" if seen.runner_known else " as last known"
    return act.EmitEvent(
        "Warning",
        "PositionAbandoned",
        f"Let go with {held} shares{known}: abandon-position is {seen.wish.abandon}. "
        "Orders resting at the broker were left in place.",
    )


def _replacement(seen: ObservedStrategy, day: Day, pod: PodState, settings: Settings) -> str:
    """Why a pod that should exist must be made anew, or nothing."""
    age = seen.wall_us - pod.created_us
    if pod.ended:
        return "it was evicted or ended"
    if pod.backing_off and age > _patience(seen):
        return KEPT_CRASHING
    if pod.image != settings.runner_image and _may_pause(seen, day):
        return "there is a new runner image"
    return ""


def _patience(seen: ObservedStrategy) -> int:
    return patience(at_risk=seen.at_risk, replaced=seen.replaced)


def patience(*, at_risk: bool, replaced: int) -> int:
    """How old a pod that backs off must be before it is made anew, in µs."""
    if at_risk and replaced < _AT_ONCE:
        return 0
    first, most = _REPLACE_AT_RISK if at_risk else _REPLACE_FLAT
    return min(first * 2 ** min(replaced, 10), most)


def _may_pause(seen: ObservedStrategy, day: Day) -> bool:
    """Flat, and either not begun or with time to spare before the entry."""
    if seen.at_risk or seen.deleting or not seen.runner_known or seen.now_us is None:
        return False
    if not seen.started_today:
        return True
    if seen.clock == "Feed" or day.session is None or seen.wish.spec is None:
        return False
    hours, minutes, seconds = (int(part) for part in seen.wish.spec.buyTime.split(":"))
    buy = day.session.midnight_us + (hours * 3600 + minutes * 60 + seconds) * SECOND
    return seen.wall_us < buy - _QUIET_BEFORE_ENTRY


def _why_not(seen: ObservedStrategy, problem: Blocker | None) -> str:
    if seen.deleting:
        return "the strategy is being deleted"
    if seen.done_today:
        return "the day's trade is done"
    if seen.wish.desired == "Stopped":
        return "the strategy is stopped"
    return problem.sentence if problem is not None else "there is nothing to do today"


def _wake(seen: ObservedStrategy, day: Day, settings: Settings) -> int | None:
    now, pod = seen.wall_us, seen.pod
    moments = [day.wake_us]
    if not seen.runner_known:
        moments.append(now + (_ASK_AGAIN if _pressing(seen, day) else _LOOK_AGAIN))
    if pod is not None and pod.backing_off:
        moments.append(pod.created_us + _patience(seen) + SECOND)
    secret = seen.secret
    if (pod is not None and not pod.ours) or (secret is not None and secret.foreign):
        moments.append(now + _TAKEN)
    if seen.wish.deleted_us is not None:
        moments.append(seen.wish.deleted_us + _WIND_DOWN + SECOND)
        moments.append(seen.wish.deleted_us + round((settings.stuck_deletion_seconds + 1) * SECOND))
    return min((m for m in moments if m is not None and m > now), default=None)


def _pressing(seen: ObservedStrategy, day: Day) -> bool:
    """Whether something waits for Redis to answer; what cannot be read will not change so soon."""
    return STATE not in seen.unreadable and (
        day.due or seen.deleting or seen.at_risk or seen.pod is not None
    )

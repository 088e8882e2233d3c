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
"""So many crashing runners in position are made again at once, before the waits begin."""
_REPLACE_FLAT: Final = (10 * SECOND, 300 * SECOND)
"""A pod that backs off is re-created once it is this old, twice as old after each time lately, up
to the second figure: a position is not left to the kubelet's back-off, nor re-created forever."""
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


def plan(observed: ObservedStrategy, settings: Settings) -> Plan:
    """Decide on one strategy."""
    day = day_of(observed, lead_seconds=settings.pod_lead_seconds)
    problem = blocker_of(observed, day)
    wanted = wants_pod(observed, day, problem)
    epoch = _next_epoch(observed) if wanted and observed.pod is None else observed.strategy.epoch
    steps = _pod_steps(observed, day, problem, settings, wanted=wanted, epoch=epoch)
    makes_pod = any(isinstance(step, act.CreatePod) for step in steps)
    fields = desired_status(
        observed,
        day,
        problem,
        settings=settings,
        wanted=wanted,
        epoch=epoch if makes_pod else observed.strategy.epoch,
    )
    changes = status_changes(observed.strategy.status, fields)
    before: list[act.Action] = []
    if (
        not observed.deleting
        and not observed.strategy.has_finalizer
        and observed.tenant is not None
    ):
        before.append(act.AddFinalizer())
    if changes:
        before.append(act.WriteStatus(changes, guarded=makes_pod))
    told = notices(observed.strategy.status, fields, observed)
    release = _release(observed, wanted=wanted) if observed.deleting else []
    return Plan(
        actions=(*before, *told, *steps, *release),
        day=day,
        problem=problem,
        wanted=wanted,
        makes_pod=makes_pod,
        wake_us=_wake(observed, day, settings),
    )


def wants_pod(observed: ObservedStrategy, day: Day, problem: Blocker | None) -> bool:
    """Whether a runner pod should exist. An open position comes before everything else.

    While the feed's clock is not known, a pod that is there stays.
    """
    if observed.at_risk:
        return True
    if observed.abandoned:
        return False
    if not observed.runner_known:
        return observed.pod is not None
    winding_down = observed.started_today and not observed.done_today
    if observed.deleting and _waited(observed) > _WIND_DOWN:
        return False
    if observed.deleting or observed.strategy.desired == "Stopped":
        return winding_down and observed.pod is not None and observed.pod.ready
    if problem is not None and not _may_go_on(observed, problem, winding_down=winding_down):
        return False
    if observed.now_us is None:
        return observed.pod is not None and not (
            observed.runner is not None and observed.runner.done
        )
    if observed.started_today:
        return winding_down
    return day.due and not failed_unresolved(observed)


def _may_go_on(observed: ObservedStrategy, problem: Blocker, *, winding_down: bool) -> bool:
    if problem.keeps_runner:
        return winding_down or observed.pod is not None
    return problem.reason == "InvalidTimes" and winding_down


def _waited(observed: ObservedStrategy) -> int:
    """How long ago the deletion was asked for."""
    return (
        0
        if observed.strategy.deleted_us is None
        else observed.wall_us - observed.strategy.deleted_us
    )


def failed_unresolved(observed: ObservedStrategy) -> bool:
    """A failure that a person has not called resolved."""
    if observed.runner is not None:
        return (
            observed.runner.execution == "FAILED"
            and observed.strategy.resolved_day != observed.runner.trading_day
        )
    status = observed.strategy.status
    return status.get("execution") == "FAILED" and observed.strategy.resolved_day != status.get(
        "tradingDay"
    )


def _next_epoch(observed: ObservedStrategy) -> int:
    """Above every epoch that was ever seen, even when the status was lost."""
    known = [observed.strategy.epoch]
    if observed.runner is not None:
        known.append(observed.runner.epoch)
    if observed.secret is not None and observed.secret.assignment is not None:
        known.append(observed.secret.assignment.epoch)
    return max(known) + 1


def _pod_steps(
    observed: ObservedStrategy,
    day: Day,
    problem: Blocker | None,
    settings: Settings,
    *,
    wanted: bool,
    epoch: int,
) -> list[act.Action]:
    pod = observed.pod
    if pod is None:
        return _start(observed, day, problem, epoch=epoch) if wanted else _clean_up(observed)
    if not pod.ours:
        return [] if wanted else _clean_up(observed)
    if pod.leaving:
        return _hasten(observed, pod, wanted=wanted)
    if not wanted:
        return [act.DeletePod(pod.uid, _why_not(observed, problem))]
    if pod.node_lost:
        return [act.DeletePod(pod.uid, "its node is lost", 0)]
    why = _replacement(observed, day, pod, settings)
    if why:
        return [act.DeletePod(pod.uid, why, 0 if observed.at_risk else None)]
    return _keep(observed, assignment_for(observed, day, problem, epoch=pod.epoch), pod)


def _hasten(observed: ObservedStrategy, pod: PodState, *, wanted: bool) -> list[act.Action]:
    """A pod on its way out keeps its name: with a position open its successor does not wait for
    the kubelet to report the end. The fence keeps the old runner from acting meanwhile.
    """
    if pod.node_lost:
        return [act.DeletePod(pod.uid, "its node is lost", 0)]
    if wanted and observed.at_risk:
        return [act.DeletePod(pod.uid, "a position is open and it is leaving", 0)]
    return []


def _start(
    observed: ObservedStrategy, day: Day, problem: Blocker | None, *, epoch: int
) -> list[act.Action]:
    assignment = assignment_for(observed, day, problem, epoch=epoch)
    if assignment is None or (observed.secret is None and not observed.runner_known):
        return []
    if observed.secret is not None and observed.secret.foreign:
        return []
    owned, session = not observed.deleting, _session_mark(observed)
    return [
        *_grant(observed, assignment),
        act.WriteSecret(assignment, owned, session),
        act.CreatePod(assignment, owned, session),
        act.EmitEvent(
            "Normal", "RunnerCreated", f"Started a runner pod for {assignment.session.trading_day}."
        ),
    ]


def _keep(
    observed: ObservedStrategy, assignment: Assignment | None, pod: PodState
) -> list[act.Action]:
    if assignment is None or (observed.secret is not None and observed.secret.foreign):
        return []
    steps = _grant(observed, assignment)
    owned, session = not observed.deleting, _session_mark(observed)
    secret = observed.secret
    stale = (
        secret is None
        or secret.assignment != assignment
        or not secret.redis_current
        or secret.session != session
    )
    if stale or (secret is not None and secret.owned and not owned):
        steps.append(act.WriteSecret(assignment, owned, session))
    if pod.fingerprint != (fingerprint := assignment_hash(assignment, session)):
        steps += [act.AnnotatePod(fingerprint), *_commands(assignment, fingerprint)]
    return steps


def _session_mark(observed: ObservedStrategy) -> str:
    """The session that the Secret should hold: the newest, for as long as one can be read."""
    if not observed.live:
        return ""
    if observed.session.state == "open":
        return observed.session.fingerprint
    return observed.secret.session if observed.secret is not None else ""


def _commands(assignment: Assignment, fingerprint: str) -> list[act.Action]:
    strategy, day = assignment.strategy, assignment.session.trading_day
    steps: list[act.Action] = [act.SendCommand("reload", f"reload-{fingerprint}", day)]
    if strategy.desired_state == "Stopped":
        steps.append(act.SendCommand("stop", f"stop-{day}-{strategy.generation}", day))
    if strategy.exit_requested:
        steps.append(act.SendCommand("exit", f"exit-{day}", day))
    return steps


def _grant(observed: ObservedStrategy, assignment: Assignment) -> list[act.Action]:
    if not observed.runner_known or (observed.acl_current and observed.secret is not None):
        return []
    strategy = assignment.strategy
    instrument = (strategy.exchange, strategy.symbol)
    return [
        act.GrantRedis(instrument, assignment.feed, assignment.account_id, observed.tenant or "")
    ]


def _clean_up(observed: ObservedStrategy) -> list[act.Action]:
    if observed.secret is None or observed.secret.foreign:
        return []
    if not (observed.runner_known or observed.abandoned):
        return []
    return [*([act.RevokeRedis()] if observed.redis_answers else []), act.DeleteSecret()]


def _release(observed: ObservedStrategy, *, wanted: bool) -> list[act.Action]:
    ours = observed.pod is not None and observed.pod.ours
    if not observed.strategy.has_finalizer or wanted or ours:
        return []
    if not observed.strategy.epoch:
        return [act.RemoveFinalizer()]
    if not (observed.runner_known or observed.abandoned):
        return []
    left_user = observed.secret is not None and observed.secret.foreign and observed.redis_answers
    return [
        *([_abandonment(observed)] if observed.abandoned else []),
        *([act.RevokeRedis()] if left_user else []),
        *([act.DeleteState()] if observed.redis_answers else []),
        act.RemoveFinalizer(),
    ]


def _abandonment(observed: ObservedStrategy) -> act.EmitEvent:
    held = (
        observed.runner.position
        if observed.runner is not None
        else observed.strategy.status.get("position", 0)
    )
    known = "" if observed.runner_known else " as last known"
    return act.EmitEvent(
        "Warning",
        "PositionAbandoned",
        f"Let go with {held} shares{known}: abandon-position is {observed.strategy.abandon}. "
        "Orders resting at the broker were left in place.",
    )


def _replacement(observed: ObservedStrategy, day: Day, pod: PodState, settings: Settings) -> str:
    """Why a pod that should exist must be made again, or nothing."""
    age = observed.wall_us - pod.created_us
    if pod.ended:
        return "it was evicted or ended"
    if pod.backing_off and age > _patience(observed):
        return KEPT_CRASHING
    if pod.image != settings.runner_image and _may_pause(observed, day):
        return "there is a new runner image"
    return ""


def _patience(observed: ObservedStrategy) -> int:
    return patience(at_risk=observed.at_risk, replaced=observed.replaced)


def patience(*, at_risk: bool, replaced: int) -> int:
    """How old a pod that backs off must be before it is made again, in µs."""
    if at_risk and replaced < _AT_ONCE:
        return 0
    first, most = _REPLACE_AT_RISK if at_risk else _REPLACE_FLAT
    return min(first * 2 ** min(replaced, 10), most)


def _may_pause(observed: ObservedStrategy, day: Day) -> bool:
    """Flat, and either not begun or with time to spare before the entry."""
    if (
        observed.at_risk
        or observed.deleting
        or not observed.runner_known
        or observed.now_us is None
    ):
        return False
    if not observed.started_today:
        return True
    if observed.clock == "Feed" or day.session is None or observed.strategy.spec is None:
        return False
    hours, minutes, seconds = (int(part) for part in observed.strategy.spec.buyTime.split(":"))
    buy = day.session.midnight_us + (hours * 3600 + minutes * 60 + seconds) * SECOND
    return observed.wall_us < buy - _QUIET_BEFORE_ENTRY


def _why_not(observed: ObservedStrategy, problem: Blocker | None) -> str:
    if observed.deleting:
        return "the strategy is being deleted"
    if observed.done_today:
        return "the day's trade is done"
    if observed.strategy.desired == "Stopped":
        return "the strategy is stopped"
    return problem.sentence if problem is not None else "there is nothing to do today"


def _wake(observed: ObservedStrategy, day: Day, settings: Settings) -> int | None:
    now, pod = observed.wall_us, observed.pod
    moments = [day.wake_us]
    if not observed.runner_known:
        moments.append(now + (_ASK_AGAIN if _pressing(observed, day) else _LOOK_AGAIN))
    if pod is not None and pod.backing_off:
        moments.append(pod.created_us + _patience(observed) + SECOND)
    secret = observed.secret
    if (pod is not None and not pod.ours) or (secret is not None and secret.foreign):
        moments.append(now + _TAKEN)
    if observed.strategy.deleted_us is not None:
        moments.append(observed.strategy.deleted_us + _WIND_DOWN + SECOND)
        moments.append(
            observed.strategy.deleted_us + round((settings.stuck_deletion_seconds + 1) * SECOND)
        )
    return min((m for m in moments if m is not None and m > now), default=None)


def _pressing(observed: ObservedStrategy, day: Day) -> bool:
    """Whether something waits for Redis to answer; what cannot be read will not change so soon."""
    return STATE not in observed.unreadable and (
        day.due or observed.deleting or observed.at_risk or observed.pod is not None
    )

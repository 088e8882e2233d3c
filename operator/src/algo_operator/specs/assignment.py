"""What the runner is told: the strategy as last found good, its day and its epoch."""

import datetime as dt
import hashlib
from dataclasses import replace
from typing import Literal

from algo_contract import sessions
from algo_contract.assignment import Assignment, assignment_json
from algo_contract.sessions import Session
from algo_contract.v1alpha1.conversion import engine_strategy

from algo_operator.model.facts import Observed
from algo_operator.model.problems import Problem
from algo_operator.model.schedule import Day, session_on


def mark_of(assignment: Assignment) -> str:
    """A short fingerprint: the pod's annotation, so that a change is seen."""
    return hashlib.sha256(assignment_json(assignment).encode()).hexdigest()[:16]


def assignment_for(
    seen: Observed, day: Day, problem: Problem | None, *, epoch: int
) -> Assignment | None:
    """The assignment the runner should have; None when nothing good is known.

    A spec that has become wrong never replaces the last good one: a position stays guarded by
    it, and only the wishes to leave are passed on.
    """
    last = seen.secret.assignment if seen.secret is not None else None
    session = _session(seen, day)
    spec = seen.wish.spec
    if spec is None or session is None or (problem is not None and last is not None):
        return None if last is None else _kept(seen, last, epoch=epoch)
    wish = seen.wish
    strategy = engine_strategy(
        spec,
        uid=wish.uid,
        namespace=wish.name.namespace,
        name=wish.name.name,
        generation=wish.generation,
        exit_requested=wish.exit_day == session.trading_day,
    )
    return Assignment(
        strategy=replace(strategy, desired_state=_desired(seen)),
        session=session,
        tick_bands=sessions.tick_bands(dt.date.fromisoformat(session.trading_day)),
        feed=seen.feed_id,
        clock=seen.clock,
        account_id=_account_id(seen),
        broker="paper",
        epoch=epoch,
    )


def _kept(seen: Observed, last: Assignment, *, epoch: int) -> Assignment:
    """The last good one. Its tenant may have written into the Secret since: whose keys and prices
    the runner may use is taken from what the operator itself knows.
    """
    wish = seen.wish
    strategy = replace(
        last.strategy,
        id=wish.id,
        namespace=wish.name.namespace,
        name=wish.name.name,
        desired_state=_desired(seen),
        exit_requested=wish.exit_day == last.session.trading_day,
    )
    return replace(
        last,
        strategy=strategy,
        feed=seen.feed_id,
        clock=seen.clock,
        account_id=_account_id(seen),
        broker="paper",
        epoch=epoch,
    )


def _account_id(seen: Observed) -> str | None:
    return seen.account.id if seen.account is not None and seen.wish.account else None


def _session(seen: Observed, day: Day) -> Session | None:
    """The day of an open position as long as there is one, else the strategy's date."""
    if seen.at_risk and seen.runner is not None and seen.wish.spec is not None:
        broker = seen.account.broker if seen.account is not None else "paper"
        return session_on(seen.wish.spec, dt.date.fromisoformat(seen.runner.trading_day), broker)
    return day.session


def _desired(seen: Observed) -> Literal["Active", "Paused", "Stopped"]:
    return "Stopped" if seen.deleting else seen.wish.desired

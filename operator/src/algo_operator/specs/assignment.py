"""What the runner is told: the strategy as last found good, its day and its epoch."""

import datetime as dt
import hashlib
from dataclasses import replace
from typing import Literal

from algo_contract import calendar
from algo_contract.calendar import TickBand, TradingSession
from algo_contract.messages.assignment import Assignment, Live, assignment_json
from algo_contract.messages.instrument import InstrumentFacts
from algo_contract.v1alpha1.conversion import engine_strategy

from algo_operator.model.entry_checks import no_entry
from algo_operator.model.observed import Account, ObservedStrategy
from algo_operator.model.preconditions import Blocker
from algo_operator.model.schedule import Day, session_on


def assignment_hash(assignment: Assignment, session: str = "") -> str:
    """A short fingerprint of what the Secret holds: the pod's annotation, so that a change is seen.

    Args:
        assignment: what the runner is told.
        session: the fingerprint of the broker session beside it.
    """
    return hashlib.sha256((assignment_json(assignment) + session).encode()).hexdigest()[:16]


def assignment_for(
    observed: ObservedStrategy, day: Day, problem: Blocker | None, *, epoch: int
) -> Assignment | None:
    """The assignment the runner should have; None when nothing good is known.

    A spec that has become wrong never replaces the last good one: a position stays guarded by
    it, and only the wishes to leave are passed on.
    """
    last = _last(observed)
    if observed.live and not _is_reachable(observed.account, last):
        return None
    session = _session(observed, day)
    spec = observed.strategy.spec
    if spec is None or session is None or (problem is not None and last is not None):
        return None if last is None else _kept(observed, last, epoch=epoch)
    facts = observed.feed.instrument if observed.needs_facts else None
    if observed.needs_facts and facts is None:
        return None if last is None else _kept(observed, last, epoch=epoch)
    strategy = observed.strategy
    strategy = engine_strategy(
        spec,
        uid=strategy.uid,
        namespace=strategy.name.namespace,
        name=strategy.name.name,
        generation=strategy.generation,
        exit_requested=strategy.exit_day == session.trading_day,
    )
    return Assignment(
        strategy=replace(strategy, desired_state=_desired(observed)),
        session=session,
        tick_bands=calendar.tick_bands(dt.date.fromisoformat(session.trading_day))
        if facts is None
        else (TickBand(below=0, tick=facts.tick_size),),
        feed=observed.feed_id,
        clock=observed.clock,
        account_id=_account_id(observed),
        broker=observed.broker,
        epoch=epoch,
        freeze_quantity=facts.freeze_quantity if facts is not None else None,
        live=_live(observed, session, facts),
    )


def _is_reachable(account: Account | None, last: Assignment | None) -> bool:
    """Whether it is known how its broker is reached: not from a spec that has become wrong."""
    return account is not None and not (account.problem and last is None)


def _last(observed: ObservedStrategy) -> Assignment | None:
    """The last one; of the other mode it was tampered with, for a mode cannot change."""
    last = observed.secret.assignment if observed.secret is not None else None
    return last if last is not None and (last.live is not None) == observed.live else None


def _live(
    observed: ObservedStrategy, session: TradingSession, facts: InstrumentFacts | None
) -> Live | None:
    """How to reach the broker, and whether an entry may be made."""
    account = observed.account
    if not observed.live or account is None or facts is None:
        return None
    sentence, reason = no_entry(observed, session)
    return Live(
        instrument=facts,
        base_url=account.base_url,
        egress_proxy=account.egress_proxy,
        orders_per_second=account.orders_per_second,
        no_entry=sentence,
        no_entry_reason=reason,
    )


def _kept(observed: ObservedStrategy, last: Assignment, *, epoch: int) -> Assignment:
    """The last good one. Its tenant may have written into the Secret since: whose keys and prices
    the runner may use is taken from what the operator itself knows.
    """
    strategy = observed.strategy
    strategy = replace(
        last.strategy,
        id=strategy.id,
        namespace=strategy.name.namespace,
        name=strategy.name.name,
        desired_state=_desired(observed),
        exit_requested=strategy.exit_day == last.session.trading_day,
    )
    return replace(
        last,
        strategy=strategy,
        feed=observed.feed_id,
        clock=observed.clock,
        account_id=_account_id(observed),
        broker=last.broker if last.live is not None else observed.broker,
        epoch=epoch,
        live=_kept_live(observed, last),
    )


def _kept_live(observed: ObservedStrategy, last: Assignment) -> Live | None:
    """An account whose spec became wrong is reached as before: it may name any host by now."""
    if last.live is None or observed.account is None:
        return None
    if observed.account.problem:
        return replace(last.live, no_entry=observed.account.problem, no_entry_reason="refused")
    return _live(observed, last.session, observed.feed.instrument or last.live.instrument)


def _account_id(observed: ObservedStrategy) -> str | None:
    return (
        observed.account.id if observed.account is not None and observed.strategy.account else None
    )


def _session(observed: ObservedStrategy, day: Day) -> TradingSession | None:
    """The day of an open position as long as there is one, else the strategy's date."""
    if observed.at_risk and observed.runner is not None and observed.strategy.spec is not None:
        day_held = dt.date.fromisoformat(observed.runner.trading_day)
        return session_on(observed.strategy.spec, day_held, observed.broker)
    return day.session


def _desired(observed: ObservedStrategy) -> Literal["Active", "Paused", "Stopped"]:
    return "Stopped" if observed.deleting else observed.strategy.desired

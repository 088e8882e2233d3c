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
    seen: ObservedStrategy, day: Day, problem: Blocker | None, *, epoch: int
) -> Assignment | None:
    """The assignment the runner should have; None when nothing good is known.

    A spec that has become wrong never replaces the last good one: a position stays guarded by
    it, and only the wishes to leave are passed on.
    """
    last = _last(seen)
    if seen.live and not _is_reachable(seen.account, last):
        return None
    session = _session(seen, day)
    spec = seen.wish.spec
    if spec is None or session is None or (problem is not None and last is not None):
        return None if last is None else _kept(seen, last, epoch=epoch)
    facts = seen.feed.instrument if seen.needs_facts else None
    if seen.needs_facts and facts is None:
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
        tick_bands=calendar.tick_bands(dt.date.fromisoformat(session.trading_day))
        if facts is None
        else (TickBand(below=0, tick=facts.tick_size),),
        feed=seen.feed_id,
        clock=seen.clock,
        account_id=_account_id(seen),
        broker=seen.broker,
        epoch=epoch,
        freeze_quantity=facts.freeze_quantity if facts is not None else None,
        live=_live(seen, session, facts),
    )


def _is_reachable(account: Account | None, last: Assignment | None) -> bool:
    """Whether it is known how its broker is reached: not from a spec that has become wrong."""
    return account is not None and not (account.problem and last is None)


def _last(seen: ObservedStrategy) -> Assignment | None:
    """The last one; of the other mode it was tampered with, for a mode cannot change."""
    last = seen.secret.assignment if seen.secret is not None else None
    return last if last is not None and (last.live is not None) == seen.live else None


def _live(
    seen: ObservedStrategy, session: TradingSession, facts: InstrumentFacts | None
) -> Live | None:
    """How to reach the broker, and whether an entry may be made."""
    account = seen.account
    if not seen.live or account is None or facts is None:
        return None
    sentence, reason = no_entry(seen, session)
    return Live(
        instrument=facts,
        base_url=account.base_url,
        egress_proxy=account.egress_proxy,
        orders_per_second=account.orders_per_second,
        no_entry=sentence,
        no_entry_reason=reason,
    )


def _kept(seen: ObservedStrategy, last: Assignment, *, epoch: int) -> Assignment:
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
        broker=last.broker if last.live is not None else seen.broker,
        epoch=epoch,
        live=_kept_live(seen, last),
    )


def _kept_live(seen: ObservedStrategy, last: Assignment) -> Live | None:
    """An account whose spec became wrong is reached as before: it may name any host by now."""
    if last.live is None or seen.account is None:
        return None
    if seen.account.problem:
        return replace(last.live, no_entry=seen.account.problem, no_entry_reason="refused")
    return _live(seen, last.session, seen.feed.instrument or last.live.instrument)


def _account_id(seen: ObservedStrategy) -> str | None:
    return seen.account.id if seen.account is not None and seen.wish.account else None


def _session(seen: ObservedStrategy, day: Day) -> TradingSession | None:
    """The day of an open position as long as there is one, else the strategy's date."""
    if seen.at_risk and seen.runner is not None and seen.wish.spec is not None:
        day_held = dt.date.fromisoformat(seen.runner.trading_day)
        return session_on(seen.wish.spec, day_held, seen.broker)
    return day.session


def _desired(seen: ObservedStrategy) -> Literal["Active", "Paused", "Stopped"]:
    return "Stopped" if seen.deleting else seen.wish.desired

"""When a strategy has something to do: pure arithmetic on its clock and the exchange's calendar."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from algo_contract import calendar
from algo_contract.calendar import TradingSession
from algo_contract.v1alpha1 import TradingStrategySpec
from algo_contract.v1alpha1.conversion import session_problem, trades_on

from algo_operator.model.observed import ObservedStrategy

SECOND: Final = 1_000_000
_HORIZON_DAYS: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The strategy's day, as its clock stands."""

    session: TradingSession | None
    """Of the strategy's date, if it trades then."""

    due: bool
    """A pod that has not begun yet should exist now."""

    late: bool
    """The entry's time has gone by."""

    missed: bool
    """And the strategy was there in time to take it."""

    opened: bool
    """The day's pre-open has come: yesterday's outcome is history."""

    problem: str
    """Why the strategy's times do not fit the day it trades next, in a sentence."""

    next_run_us: int | None
    wake_us: int | None
    """When the wall clock next changes any of this."""


NO_DAY: Final = Day(
    session=None,
    due=False,
    late=False,
    missed=False,
    opened=False,
    problem="",
    next_run_us=None,
    wake_us=None,
)


def day_of(observed: ObservedStrategy, *, lead_seconds: int) -> Day:
    """The day of a strategy whose spec can be read."""
    spec, today = observed.strategy.spec, observed.today
    if spec is None:
        return NO_DAY
    broker = observed.broker
    if today is None or observed.now_us is None:
        return NO_DAY
    session = _session(spec, today, broker) if _trades(spec, today) else None
    if observed.clock == "Feed":
        problem = session_problem(spec, session) if session else None
        return Day(
            session=session,
            due=session is not None,
            late=False,
            missed=False,
            opened=session is not None,
            problem=problem or "",
            next_run_us=None,
            wake_us=None,
        )
    return _wall_day(observed, spec, session, broker, lead_seconds=lead_seconds)


def _wall_day(
    observed: ObservedStrategy,
    spec: TradingStrategySpec,
    session: TradingSession | None,
    broker: str,
    *,
    lead_seconds: int,
) -> Day:
    now, lead = observed.wall_us, lead_seconds * SECOND
    buy = session.midnight_us + calendar.seconds_of_day(spec.buyTime) * SECOND if session else 0
    late = buy + spec.entryGraceSeconds * SECOND
    over = session is None or now > late or observed.started_today
    upcoming = _next_session(spec, observed, broker) if over else session
    next_buy = (
        upcoming.midnight_us + calendar.seconds_of_day(spec.buyTime) * SECOND
        if upcoming is not None
        else None
    )
    next_run = None if next_buy is None else next_buy - lead
    moments = [
        next_run,
        upcoming.pre_open_us if upcoming else None,
        late + SECOND if session else None,
    ]
    problem = session_problem(spec, upcoming) if upcoming is not None else None
    return Day(
        session=session,
        due=session is not None and buy - lead <= now <= late,
        late=session is not None and now > late,
        missed=session is not None and now > late >= observed.strategy.created_us,
        opened=session is not None and now >= session.pre_open_us,
        problem=problem or "",
        next_run_us=next_run,
        wake_us=min((m for m in moments if m is not None and m > now), default=None),
    )


def feed_from(
    observed: ObservedStrategy, day: Day, *, at_work: bool, hindered: bool, lead_seconds: int
) -> int | None:
    """From when, wall clock in µs, the strategy needs its feed; 0: now, None: not at all.

    Args:
        observed: the strategy.
        day: its day.
        at_work: a runner is there or should be, or a position is open.
        hindered: it may not trade as it is, which does not end by itself.
        lead_seconds: how long before a runner a feed is made.
    """
    if at_work:
        return 0
    over = (
        observed.strategy.desired == "Stopped"
        or observed.deleting
        or observed.strategy.spec is None
    )
    if over or hindered:
        return None
    if observed.clock == "Feed":
        return None if _has_ended(observed) else 0
    return None if day.next_run_us is None else day.next_run_us - lead_seconds * SECOND


def _has_ended(observed: ObservedStrategy) -> bool:
    """Its last day is over by the feed's clock, which is what would show another."""
    spec, today = observed.strategy.spec, observed.today
    if spec is None or spec.endDate is None or today is None:
        return False
    day = today.isoformat()
    return day > spec.endDate or (day == spec.endDate and observed.done_today)


def at_clock(day: dt.date, clock: str) -> int:
    """A time of day in exchange time, in µs since the epoch."""
    seconds = calendar.seconds_of_day(clock)
    midnight = dt.datetime.combine(day, dt.time(), calendar.IST)
    return calendar.microseconds(midnight + dt.timedelta(seconds=seconds))


def _trades(spec: TradingStrategySpec, day: dt.date) -> bool:
    return calendar.is_trading_day(day) and trades_on(spec, day)


def _session(spec: TradingStrategySpec, day: dt.date, broker: str) -> TradingSession:
    auction = calendar.has_closing_auction(spec.exchange, spec.symbol)
    return calendar.session(day, broker=broker, has_closing_auction=auction)


def session_on(spec: TradingStrategySpec, day: dt.date, broker: str) -> TradingSession:
    """The session of a given date for a strategy."""
    return _session(spec, day, broker)


def _next_session(
    spec: TradingStrategySpec, observed: ObservedStrategy, broker: str
) -> TradingSession | None:
    day = calendar.ist_datetime(observed.wall_us).date()
    if spec.startDate is not None:
        day = max(day, dt.date.fromisoformat(spec.startDate) - dt.timedelta(days=1))
    for _ in range(_HORIZON_DAYS):
        day += dt.timedelta(days=1)
        if spec.endDate is not None and day.isoformat() > spec.endDate:
            return None
        if _trades(spec, day):
            return _session(spec, day, broker)
    return None

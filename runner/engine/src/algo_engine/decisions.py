"""What to do about the market: enter, skip, leave. Decides; sends nothing."""

from dataclasses import dataclass, replace

from algo_contract.messages.assignment import Assignment
from algo_contract.states import Reason

from algo_engine.events import SessionEnd, Tick, Timer
from algo_engine.pricing import base_stop, stop_in_force, target_price, trailing_stop
from algo_engine.state import (
    State,
    entry_is_final,
    entry_is_live,
    is_exiting,
    position,
)

SECOND_US = 1_000_000

GIVEN_UP = frozenset[Reason]({"unresolved", "refused", "token_dead"})
"""Why there was to be no entry: one that was bought after all is sold at once."""

Moment = Tick | Timer | SessionEnd


@dataclass(frozen=True, slots=True)
class Enter:
    """Send the entry now."""


@dataclass(frozen=True, slots=True)
class Skip:
    """No entry today."""

    reason: Reason
    detail: str = ""
    """More than the reason's sentence says."""


@dataclass(frozen=True, slots=True)
class Exit:
    """Sell everything; final."""

    reason: Reason


Decision = Enter | Skip | Exit | None


def buy_us(state: State, day: Assignment) -> int:
    """The buy time of the day."""
    return day.session.midnight_us + state.strategy.buy_time * SECOND_US


def sell_us(state: State, day: Assignment) -> int:
    """The sell time of the day."""
    return day.session.midnight_us + state.strategy.sell_time * SECOND_US


def grace_end_us(state: State, day: Assignment) -> int:
    """The last moment at which an entry may still be made."""
    return buy_us(state, day) + state.strategy.entry_grace * SECOND_US


def entry_ends_us(state: State, day: Assignment) -> int:
    """From when on a resting entry is cancelled: its grace is over, or the sell time has come."""
    return min(grace_end_us(state, day) + 1, sell_us(state, day))


def ends_entry(state: State, day: Assignment, time_us: int) -> bool:
    """Whether a resting entry had ended when a tick at `time_us` came: where ticks are the clock,
    it is cancelled before that tick can fill it.
    """
    return entry_is_live(state) and time_us >= entry_ends_us(state, day)


def decide(state: State, day: Assignment, moment: Moment) -> Decision:
    """The decision that this moment calls for, if any."""
    if is_exiting(state):
        return None
    if state.strategy.desired_state == "Stopped":
        return Exit("stopped")
    if state.strategy.exit_requested:
        return Exit("exited")
    if position(state) > 0:
        return _leave(state, day, moment)
    if entry_is_live(state):
        return _give_up(state, day, moment)
    if entry_is_final(state):
        return None
    return _enter(state, day, moment)


def grow_high(state: State, day: Assignment, price: int) -> State:
    """The state with a new highest price, and the trailing stop that follows from it."""
    if state.strategy.trailing_bps is None or position(state) <= 0 or price <= state.high:
        return state
    grown = replace(state, high=price)
    return replace(grown, trail=max(state.trail, trailing_stop(grown, day.tick_bands)))


def stop_reason(state: State, day: Assignment) -> Reason:
    """Which stop is in force."""
    return "trailing_stop" if state.trail > base_stop(state, day.tick_bands) else "stop_loss"


def _leave(state: State, day: Assignment, moment: Moment) -> Decision:
    if state.skip_reason in GIVEN_UP:
        return Exit("unresolved")
    if isinstance(moment, SessionEnd):
        return Exit("sell_time")
    if isinstance(moment, Tick):
        if moment.price <= stop_in_force(state, day.tick_bands):
            return Exit(stop_reason(state, day))
        target = target_price(state)
        if target is not None and moment.price >= target and not moment.is_late:
            return Exit("target")
    return Exit("sell_time") if moment.time_us >= sell_us(state, day) else None


def _give_up(state: State, day: Assignment, moment: Moment) -> Decision:
    """Whether an entry that rests unfilled has rested long enough."""
    is_over = isinstance(moment, SessionEnd) or moment.time_us >= entry_ends_us(state, day)
    return Skip("limit_not_reached") if is_over and state.skip_reason is None else None


def _enter(state: State, day: Assignment, moment: Moment) -> Decision:
    if isinstance(moment, SessionEnd):
        return Skip("missed")
    if moment.time_us < buy_us(state, day):
        return None
    if moment.time_us > grace_end_us(state, day) or moment.time_us >= sell_us(state, day):
        return Skip("missed")
    if not isinstance(moment, Tick) or moment.is_late or state.strategy.desired_state != "Active":
        return None
    stop = state.strategy.stop_loss
    if stop is not None and moment.price <= stop:
        return Skip("price_below_stop")
    if day.live is not None and day.live.no_entry:
        return Skip(day.live.no_entry_reason, day.live.no_entry)
    if day.freeze_quantity is not None and state.strategy.quantity > day.freeze_quantity:
        return Skip("refused")
    return Enter()

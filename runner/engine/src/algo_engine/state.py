"""The engine's whole memory of one strategy's trading day, and what follows from it."""

from dataclasses import dataclass

from algo_contract.ids import Leg, order_tag
from algo_contract.messages.assignment import Strategy
from algo_contract.messages.runner_state import Protection
from algo_contract.states import OWNER_REASONS, Execution, Reason

from algo_engine.orders import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Facts only; positions, protection and the execution state are derived below."""

    strategy: Strategy
    """The terms in force: an edit made while in position may not have reached all of them."""

    trading_day: str
    entry: Order | None = None
    exits: tuple[Order, ...] = ()
    exit_reason: Reason | None = None
    """The decision to leave, once made never taken back."""

    skip_reason: Reason | None = None
    """Why there is no entry today; final for the day."""

    refusal: str = ""
    """What a broker or a check said, in words."""

    failed: bool = False
    is_closed: bool = False
    """The day's session is over: an order that has not appeared by now never will."""

    high: int = 0
    """Highest price in paise since the first fill, for a trailing stop."""

    trail: int = 0
    """The trailing stop in paise; it never falls."""

    stop_changes: int = 0
    """Changes made to resting stops today, out of the few that brokers allow."""

    stop_changed_us: int = 0
    resting_refused: bool = False
    """The broker takes no resting stop: the runner guards alone."""

    exit_failures: int = 0
    """Exit attempts in a row that were refused or never sent."""

    exit_retry_us: int = 0
    """Not before this exchange time goes another exit out after a refused one."""

    last_price: int = 0
    time_us: int = 0
    cursor: str = "0"
    """Id in the tick stream of the last tick that this state knows."""

    last_command: str = ""
    last_action: str = ""


def all_orders(state: State) -> tuple[Order, ...]:
    """Today's orders: the entry, then the exits as they were made."""
    return (state.entry, *state.exits) if state.entry else state.exits


def bought(state: State) -> int:
    """Shares bought today."""
    return state.entry.filled if state.entry else 0


def sold(state: State) -> int:
    """Shares sold today."""
    return sum(order.filled for order in state.exits)


def position(state: State) -> int:
    """Shares held."""
    return bought(state) - sold(state)


def live_exit(state: State) -> Order | None:
    """The one exit order that may still fill: a resting stop or a working exit. Of two (one was
    given up as absent and appeared after all) it is the newer; the other is surplus.
    """
    return next((order for order in reversed(state.exits) if order.is_live), None)


def surplus_exits(state: State) -> list[Order]:
    """Live exits beside the one."""
    kept = live_exit(state)
    return [order for order in state.exits if order.is_live and order is not kept]


def entry_is_live(state: State) -> bool:
    """Whether the entry may still fill."""
    return state.entry is not None and state.entry.is_live


def average_price(state: State) -> int:
    """Average buying price in paise, rounded to the nearest paisa; 0 before the first fill."""
    if state.entry is None or state.entry.filled == 0:
        return 0
    return (2 * state.entry.value + state.entry.filled) // (2 * state.entry.filled)


def realized_pnl(state: State) -> int:
    """Paise made on what is sold: exact when flat, else against the average cost, rounded down."""
    quantity = sold(state)
    if state.entry is None or quantity == 0:
        return 0
    received = sum(order.value for order in state.exits)
    return received - -(-state.entry.value * quantity // state.entry.filled)


def is_exiting(state: State) -> bool:
    """The decision to leave is made."""
    return state.exit_reason is not None


def is_flat(state: State) -> bool:
    """No shares, and nothing that could still buy or sell any."""
    return position(state) == 0 and not entry_is_live(state) and live_exit(state) is None


def entry_is_final(state: State) -> bool:
    """No (further) entry can be made today. One that was never sent is none."""
    is_made = state.entry is not None and state.entry.status != "DENIED"
    return state.skip_reason is not None or is_made or is_exiting(state)


def is_watched(state: State) -> bool:
    """An order was given up as absent: should it appear before the close, it must be dealt with."""
    return not state.is_closed and any(order.status == "ABSENT" for order in all_orders(state))


def is_done(state: State) -> bool:
    """Flat, and nothing more to do today."""
    return is_flat(state) and entry_is_final(state) and not is_watched(state)


def execution(state: State) -> Execution:
    """Where the trade stands, in the users' words."""
    reason = reason_of(state)
    if state.failed:
        return "FAILED"
    if is_exiting(state) and not is_flat(state):
        return "SELLING"
    if position(state) > 0:
        return "BUYING" if entry_is_live(state) else "BOUGHT"
    if entry_is_live(state):
        return "BUYING"
    if reason in OWNER_REASONS:
        return "STOPPED"
    return "SOLD" if bought(state) > 0 and is_flat(state) else "WAITING"


def reason_of(state: State) -> Reason | None:
    """Why execution is what it is; None while there is nothing to explain."""
    return state.exit_reason or (state.skip_reason if bought(state) == 0 else None)


def protection(state: State) -> Protection:
    """What guards the position right now."""
    if position(state) == 0:
        return "none"
    live = live_exit(state)
    if live is None:
        return "runner"
    if is_exiting(state):
        return "exiting"
    is_whole = live.terms.quantity - live.filled >= position(state)
    return "resting" if live.status == "TRIGGER_PENDING" and is_whole else "runner"


def next_attempt(state: State, leg: Leg) -> tuple[str, int]:
    """The tag and the number of a leg's next attempt."""
    made = state.exits if leg == "exit" else ([state.entry] if state.entry else [])
    attempt = max((order.attempt for order in made), default=0) + 1
    return order_tag(state.strategy.uid, state.trading_day, leg, attempt), attempt

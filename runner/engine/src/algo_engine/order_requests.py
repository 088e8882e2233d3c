"""What must be asked of the broker now, given the facts and the decision. Level-triggered: asked
again after every event, it names only what is still missing, so a crash loses nothing.

The rules it keeps: never more than one live exit order; the resting stop is turned into the exit
by a modify; sell what filled, never what was asked for; one operation at a time on an order.
"""

from dataclasses import replace

from algo_contract.messages.assignment import Assignment

from algo_engine.decisions import SECOND_US, entry_ends_us
from algo_engine.events import Cancel, Modify, Place, Request
from algo_engine.orders import Order, Terms
from algo_engine.pricing import resting_terms
from algo_engine.state import (
    State,
    all_orders,
    entry_is_live,
    is_exiting,
    live_exit,
    next_attempt,
    position,
    sold,
    surplus_exits,
)

MAX_STOP_CHANGES = 12
"""Of the about 25 modifications that brokers allow an order; the rest is kept for the exit."""

STOP_CHANGE_SPACING_US = SECOND_US
TRAIL_STEPS = 8
"""The first move of a trailing stop at the broker takes an eighth of its distance."""

MAX_CONVERSIONS = 3
CONVERTS_IN_VAIN_US = 35 * SECOND_US
"""A resting stop whose changes into the exit are confirmed and undone is cancelled instead after so
many of them and so long: books lag by up to half a minute."""

REPRICE_US = 3 * SECOND_US
"""A market exit is a limit order at its protected price (NSE/CMTR/69295): one that rests unfilled
for so long, with trades under its price, is asked for again."""

MAX_MODIFIES = 24
"""Of the 25 that Zerodha and Dhan take an order."""

MAX_GROWTH = 20
"""After so many the resting stop grows no more: the rest is the exit's."""

MAX_RESTING_STOPS = 3
"""How often a resting stop that vanished by itself is placed again."""


def required_requests(state: State, day: Assignment) -> list[Request]:
    """The requests to send now, in order."""
    requests: list[Request] = []
    if state.is_closed and day.live is not None:
        return requests
    if state.entry is not None and _must_cancel_entry(state, day) and _is_free(state, state.entry):
        requests.append(Cancel(state.entry.tag))
    requests += [Cancel(order.tag) for order in surplus_exits(state) if _is_free(state, order)]
    exit_request = _exit_request(state) if is_exiting(state) else _guard_request(state, day)
    if exit_request is not None:
        requests.append(exit_request)
    return requests


def wants_resting_stop(state: State, day: Assignment) -> bool:
    """Shares are held and no stop rests, though the broker would take one."""
    lost = sum(order.status != "DENIED" for order in state.exits)
    return (
        position(state) > 0
        and live_exit(state) is None
        and not is_exiting(state)
        and not state.resting_refused
        and day.resting_stop is not None
        and lost < MAX_RESTING_STOPS
    )


def mark_in_flight(state: State, request: Request) -> State:
    """The state once a request is journalled: the order has an operation in flight."""
    match request:
        case Place(order):
            if order.leg == "entry":
                return replace(state, entry=order)
            return replace(state, exits=(*state.exits, order))
        case Modify(tag, terms):
            order = order_of(state, tag)
            changed = with_order(state, replace(order, working="modify", wanted=terms))
            return replace(changed, stop_changed_us=state.time_us) if terms.is_stop else changed
        case Cancel(tag):
            return with_order(state, replace(order_of(state, tag), working="cancel"))


def order_of(state: State, tag: str) -> Order:
    """The order with a tag.

    Raises:
        KeyError: no order of this strategy has it.
    """
    for order in all_orders(state):
        if order.tag == tag:
            return order
    raise KeyError(tag)


def with_order(state: State, order: Order) -> State:
    """The state with an order in place of the one with its tag."""
    if state.entry is not None and state.entry.tag == order.tag:
        return replace(state, entry=order)
    exits = tuple(order if old.tag == order.tag else old for old in state.exits)
    return replace(state, exits=exits)


def _must_cancel_entry(state: State, day: Assignment) -> bool:
    """Any decision to leave cancels the rest of the entry at once; so does the end of its grace."""
    if not entry_is_live(state):
        return False
    return (
        is_exiting(state)
        or state.skip_reason is not None
        or state.time_us >= entry_ends_us(state, day)
    )


def _exit_request(state: State) -> Request | None:
    working, held = live_exit(state), position(state)
    if working is None:
        return _new_exit(state, Terms(type="MARKET", quantity=held)) if held > 0 else None
    if not _is_free(state, working):
        return None
    if held <= 0:
        return Cancel(working.tag)
    wanted = Terms(type="MARKET", quantity=working.filled + held)
    # A broker may show the protected limit that it made of a market order.
    is_right = not working.is_stop and working.terms.quantity == wanted.quantity
    if is_right and not _must_reprice(state, working):
        return None
    if working.modify_refused or _changes_in_vain(state, working):
        return Cancel(working.tag)
    return Modify(working.tag, wanted)


def _changes_in_vain(state: State, order: Order) -> bool:
    """Whether no further change of it will do what those before have not."""
    is_undone = order.is_stop and order.conversions >= MAX_CONVERSIONS
    has_settled = state.time_us >= order.converted_us + CONVERTS_IN_VAIN_US
    return order.modifies >= MAX_MODIFIES or (is_undone and has_settled)


def _must_reprice(state: State, exit_order: Order) -> bool:
    """Whether the price has run away from a protected exit. One that trades have not passed stays:
    in a locked circuit there is nobody to sell to, whatever the price.
    """
    since = max(exit_order.changed_us, exit_order.time_us)
    is_passed = 0 < state.last_price < exit_order.terms.price
    return is_passed and state.time_us >= since + REPRICE_US


def _guard_request(state: State, day: Assignment) -> Request | None:
    """Rests a stop at the broker for what is held, or moves it."""
    held, resting = position(state), live_exit(state)
    if held <= 0:
        return Cancel(resting.tag) if resting is not None and _is_free(state, resting) else None
    if resting is not None:
        change = _guard_change(state, day, resting)
        return change if state.time_us >= _next_change_us(state, resting) else None
    if not wants_resting_stop(state, day):
        return None
    return _new_exit(state, resting_terms(state, day, held))


def guard_due_us(state: State, day: Assignment) -> int | None:
    """From when on the stop at the broker can be put right; None where it is right, or its last
    change is not answered yet.
    """
    resting = live_exit(state)
    if resting is None:
        return state.exit_retry_us if wants_resting_stop(state, day) else None
    if is_exiting(state) or position(state) <= 0 or _guard_change(state, day, resting) is None:
        return None
    return _next_change_us(state, resting)


def _guard_change(state: State, day: Assignment, resting: Order) -> Modify | None:
    """What the resting stop lacks, whenever that may be asked for."""
    wanted = resting_terms(state, day, resting.filled + position(state))
    now = resting.terms
    if resting.working is not None or not resting.is_stop:
        return None
    if now.quantity != wanted.quantity:
        return Modify(resting.tag, wanted) if resting.modifies < MAX_GROWTH else None
    moves = now.trigger_price != wanted.trigger_price and state.stop_changes < MAX_STOP_CHANGES
    is_due = moves and _is_worth_moving(state, resting, wanted.trigger_price)
    return Modify(resting.tag, wanted) if is_due else None


def _next_change_us(state: State, resting: Order) -> int:
    return max(state.stop_changed_us + STOP_CHANGE_SPACING_US, resting.again_us)


def _is_free(state: State, order: Order) -> bool:
    """Nothing is in flight for it, and it may be asked again."""
    return order.working is None and state.time_us >= order.again_us


def _is_worth_moving(state: State, resting: Order, trigger: int) -> bool:
    """Whether a resting stop is moved to a new trigger. A typed stop always is, and any that was
    lowered: left where it is, it would sell where nobody wants to. A trailing one is moved up by
    steps that widen with each change, so that few changes cover a long rise. In between the
    runner's own stop, which follows every tick, is the tighter one.
    """
    if trigger > state.trail or trigger < resting.terms.trigger_price:
        return True
    step = (state.high - state.trail) * (1 + state.stop_changes) // TRAIL_STEPS
    return trigger - resting.terms.trigger_price >= step


def _new_exit(state: State, terms: Terms) -> Place | None:
    if state.time_us < state.exit_retry_us:
        return None
    tag, attempt = next_attempt(state, "exit")
    assert sold(state) + terms.quantity <= (state.entry.filled if state.entry else 0)
    return Place(
        Order(tag=tag, leg="exit", attempt=attempt, side="SELL", terms=terms, time_us=state.time_us)
    )

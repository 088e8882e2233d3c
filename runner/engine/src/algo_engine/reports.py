"""What brokers report: orders seen in the book, answers to requests. Facts into the state, and
the story's lines about them.
"""

from dataclasses import replace

from algo_contract.assignment import Assignment
from algo_contract.money import rupee_text
from algo_contract.states import Reason, sentence

from algo_engine.decisions import SECOND_US, grow_high, stop_reason
from algo_engine.events import Action, Answered, Tell
from algo_engine.orders import Order, OrderRow, seen_in_book
from algo_engine.pricing import stop_in_force
from algo_engine.state import (
    State,
    average_price,
    bought,
    is_exiting,
    is_flat,
    position,
    realized_pnl,
)
from algo_engine.work import order_of, with_order

EXIT_RETRY_US = SECOND_US
CHANGE_RETRY_US = SECOND_US // 4
CANCEL_SETTLING_US = SECOND_US
"""How long a confirmed cancel is given to show in the book before it is asked for again."""

MAX_PROMPT_EXITS = 5
"""Exit attempts that, never having been sent, are followed by the next at once."""

MAX_ENTRIES = 5
"""Entry attempts that may fail to be sent before the day is given up."""

Report = tuple[State, list[Action]]


def seen(state: State, day: Assignment, row: OrderRow) -> Report:
    """An order as its broker's book shows it; what is known already changes nothing."""
    try:
        order = order_of(state, row.tag)
    except KeyError:
        return state, []
    now = seen_in_book(order, row, time_us=state.time_us)
    if now == order:
        return state, []
    if now.filled > order.filled:
        now = replace(now, filled_us=state.time_us)
    state = with_order(state, now)
    if order.leg == "entry":
        return _entry_seen(state, day, order, now, row.message)
    return _exit_seen(state, day, order, now, row.message)


def answered(state: State, answer: Answered) -> Report:
    """The answer to a request. An unresolved place leaves the operation open: only the book ends
    it. An unresolved modify or cancel may be repeated: its terms are absolute. An answer to what
    is not in flight (any more) says nothing: the book has told by then.
    """
    try:
        order = order_of(state, answer.tag)
    except KeyError:
        return state, []
    if order.working != answer.operation:
        return state, []
    match answer.outcome:
        case "confirmed":
            return with_order(state, _settled(order, state.time_us)), []
        case "unresolved":
            note = Tell("OrderUnresolved", _about(order, answer.message), is_warning=True)
            if answer.operation == "place":
                return state, [note]
            # Its row was read before this was told: unchanged, it is repeated at once.
            return with_order(state, replace(order, working=None, wanted=None)), [note]
        case "absent":
            return _absent(state, order, answer)
        case "rejected" | "denied" if answer.operation == "place":
            status = "REJECTED" if answer.outcome == "rejected" else "DENIED"
            ended = replace(order, status=status, working=None)
            return _refused(with_order(state, ended), ended, answer.message, answer.reason)
        case "rejected" | "denied":
            return with_order(state, _unchanged(order, answer, state.time_us)), []


def _unchanged(order: Order, answer: Answered, time_us: int) -> Order:
    """A refused modify is followed by a cancel at once. A refused cancel mostly means that the
    order has ended, which its row will tell: neither it nor what was never sent is repeated in
    the same breath.
    """
    if answer.operation == "modify" and answer.outcome == "rejected":
        return replace(order, working=None, wanted=None, modify_refused=True)
    return replace(order, working=None, wanted=None, again_us=time_us + CHANGE_RETRY_US)


def _settled(order: Order, time_us: int) -> Order:
    """An order whose request was confirmed: received, not more. A new one stays PENDING until its
    row shows it, a changed one has the terms that were asked for, a cancelled one is live until its
    row tells how much of it had filled.
    """
    if order.working == "cancel":
        return replace(order, working=None, again_us=time_us + CANCEL_SETTLING_US)
    if order.wanted is None or not order.is_live:
        return replace(order, working=None, wanted=None)
    is_stop = order.wanted.type in ("STOP_MARKET", "STOP_LIMIT")
    return replace(
        order,
        working=None,
        wanted=None,
        terms=order.wanted,
        status="TRIGGER_PENDING" if is_stop else "OPEN",
        changed_us=time_us,
    )


def _absent(state: State, order: Order, answer: Answered) -> Report:
    """The end of an unresolved place that the book never showed. An entry is given up for the day;
    an exit is followed by the next attempt.
    """
    state = with_order(state, replace(order, status="ABSENT", working=None))
    if order.leg == "entry":
        return _not_bought(state, "unresolved", answer.message)
    return state, [Tell("OrderAbsent", _about(order, answer.message), is_warning=True)]


def _entry_seen(state: State, day: Assignment, before: Order, now: Order, message: str) -> Report:
    if now.filled > before.filled:
        state = grow_high(state, day, state.last_price)
        stop = stop_in_force(state, day.tick_bands)
        action = (
            f"Bought {now.filled} {state.strategy.symbol} at {rupee_text(average_price(state))}, "
            f"stop {rupee_text(stop)}."
        )
        return replace(state, last_action=action), [Tell("Bought", action)]
    if now.is_live or now.filled > 0:
        return state, []
    if now.status == "CANCELLED" and not is_exiting(state) and state.skip_reason is None:
        return _not_bought(state, "limit_not_reached", message)
    return _refused(state, now, message) if now.status == "REJECTED" else (state, [])


def _exit_seen(state: State, day: Assignment, before: Order, now: Order, message: str) -> Report:
    told: list[Action] = []
    if now.filled > before.filled:
        if not is_exiting(state):
            state = replace(state, exit_reason=stop_reason(state, day))
        if position(state) < 0:
            return _oversold(state)
        return _sold(state, now)
    if before.status == "PENDING" and now.status == "TRIGGER_PENDING":
        at = rupee_text(now.terms.trigger_price)
        told.append(Tell("StopResting", f"A stop rests for {now.terms.quantity} at {at}."))
    elif before.terms.trigger_price != now.terms.trigger_price and now.is_stop:
        at = rupee_text(now.terms.trigger_price)
        told.append(Tell("StopMoved", f"The resting stop moved to {at}."))
    if now.status == "REJECTED":
        return _refused(state, now, message)
    if now.status == "CANCELLED" and before.working != "cancel":
        note = _about(now, message or "cancelled by the broker or the exchange")
        told.append(Tell("StopLost", note, is_warning=True))
    return state, told


def _oversold(state: State) -> Report:
    """An exit that was given up as absent has filled beside the one that followed it."""
    action = (
        f"Sold {-position(state)} {state.strategy.symbol} more than were bought: an order that the "
        "broker did not show for long appeared after all. Buy them back by hand, then resolve."
    )
    return replace(state, failed=True, last_action=action), [Tell("Oversold", action, True)]


def _sold(state: State, order: Order) -> Report:
    price = rupee_text(order.value // order.filled)
    if not is_flat(state):
        action = f"Sold {order.filled} of {bought(state)} at {price}; {position(state)} left."
        return replace(state, last_action=action), [Tell("SoldPart", action)]
    pnl = realized_pnl(state)
    outcome = "profit" if pnl >= 0 else "loss"
    why = (state.exit_reason or "").replace("_", " ")
    action = (
        f"Sold {bought(state)} {state.strategy.symbol} at {price} ({why}): "
        f"{outcome} {rupee_text(abs(pnl))}."
    )
    return replace(state, last_action=action), [Tell("Sold", action)]


def _refused(state: State, order: Order, message: str, reason: Reason | None = None) -> Report:
    """A refused entry is final for the day, one that was never sent may be tried again; a refused
    resting stop leaves the runner to guard alone; a refused exit is tried again.
    """
    if order.leg == "entry" and (order.status == "REJECTED" or order.attempt >= MAX_ENTRIES):
        return _not_bought(state, reason or "refused", message)
    note = Tell("OrderRefused", _about(order, message), is_warning=True)
    if order.leg == "entry":
        return state, [note]
    if order.is_stop and order.status == "REJECTED" and not is_exiting(state):
        return replace(state, resting_refused=True, refusal=message), [note]
    at_once = order.status == "DENIED" and order.attempt <= MAX_PROMPT_EXITS
    retry_us = state.time_us + (0 if at_once else EXIT_RETRY_US)
    return replace(state, refusal=message, exit_retry_us=retry_us), [note]


def _not_bought(state: State, reason: Reason, message: str) -> Report:
    action = sentence(reason) + (f" {message}" if message else "")
    state = replace(state, skip_reason=reason, refusal=message, last_action=action)
    return state, [Tell("NotBought", action, is_warning=True)]


def _about(order: Order, message: str) -> str:
    return (
        f"{order.side} {order.terms.quantity} {order.terms.type} (tag {order.tag}): "
        f"{(message or 'no reason given').removesuffix('.')}."
    )

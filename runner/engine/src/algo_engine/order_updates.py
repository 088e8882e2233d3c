"""What brokers report: orders seen in the book, answers to requests. Facts into the state, and
the story's lines about them.
"""

from dataclasses import replace

from algo_contract.messages.assignment import Assignment
from algo_contract.money import rupee_text
from algo_contract.states import Reason, sentence

from algo_engine.decisions import SECOND_US, grow_high, stop_reason
from algo_engine.events import Action, Notice, RequestResult
from algo_engine.order_requests import order_of, with_order
from algo_engine.orders import Order, OrderReport, OrderStatus, Terms, seen_in_book
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

EXIT_RETRY_US = SECOND_US
MAX_EXIT_RETRY_US = 30 * SECOND_US
CHANGE_RETRY_US = SECOND_US // 4
MAX_CHANGE_RETRY_US = 5 * SECOND_US
"""The first pause after a failure, and the longest; each doubles the one before."""

MAX_ENDED_EXITS = 12
"""Exit attempts without a fill that are remembered: the newest."""

CANCEL_SETTLING_US = SECOND_US
"""How long a confirmed cancel is given to show in the book before it is asked for again."""

MAX_PROMPT_EXITS = 5
"""Exit attempts that, never having been sent, are followed by the next at once."""

MAX_ENTRIES = 5
"""Entry attempts that may fail to be sent before the day is given up."""

ENDED_UNFILLED = frozenset[OrderStatus]({"REJECTED", "DENIED"})

Report = tuple[State, list[Action]]


def apply_report(state: State, day: Assignment, row: OrderReport) -> Report:
    """An order as its broker's book shows it; what is known already changes nothing."""
    try:
        order = order_of(state, row.tag)
    except KeyError:
        return state, []
    now = seen_in_book(order, row, time_us=state.time_us, price=state.last_price)
    if now == order:
        return state, []
    if now.filled > order.filled:
        now = replace(now, filled_us=state.time_us)
    state = with_order(state, now)
    if order.leg == "entry":
        return _entry_seen(state, day, order, now, row.message)
    return _exit_seen(state, day, order, now, row.message)


def apply_result(state: State, answer: RequestResult) -> Report:
    """The answer to a request. An unresolved place leaves the operation open: only the book ends
    it. An unresolved modify or cancel may be repeated: its terms are absolute. An answer to what
    is not in flight (any more) says nothing: the book has told by then.
    """
    try:
        order = order_of(state, answer.tag)
    except KeyError:
        return state, []
    if answer.outcome == "absent":
        return _absent(state, order, answer) if order.status == "PENDING" else (state, [])
    if order.working != answer.operation:
        return state, []
    if answer.operation == "place":
        return _place_answered(state, order, answer)
    state = _counted(state, order, answer)
    if answer.outcome == "confirmed":
        return with_order(state, _settled(order, state.time_us)), []
    return with_order(state, _unchanged(order, answer, state.time_us)), _told_once(order, answer)


def _place_answered(state: State, order: Order, answer: RequestResult) -> Report:
    if answer.outcome == "confirmed":
        return with_order(state, replace(order, working=None)), []
    if answer.outcome == "unresolved":
        return state, [Notice("OrderUnresolved", _about(order, answer.message), is_warning=True)]
    status = "REJECTED" if answer.outcome == "rejected" else "DENIED"
    ended = replace(order, status=status, working=None, is_presumed=True)
    return _refused(with_order(state, ended), ended, answer.message, answer.reason)


def _told_once(order: Order, answer: RequestResult) -> list[Action]:
    """Of changes that fail in a row the first is told."""
    if order.failures:
        return []
    reason = "OrderUnresolved" if answer.outcome == "unresolved" else "ChangeRefused"
    words = f"{answer.operation} of {_about(order, answer.message)}"
    return [Notice(reason, words, is_warning=True)]


def _counted(state: State, order: Order, answer: RequestResult) -> State:
    """Moves of the resting stop that may have been made."""
    is_move = answer.operation == "modify" and order.wanted is not None and order.wanted.is_stop
    if not is_move or answer.outcome not in ("confirmed", "unresolved"):
        return state
    return replace(state, stop_changes=state.stop_changes + 1)


def _unchanged(order: Order, answer: RequestResult, time_us: int) -> Order:
    """An order whose change failed. Not answered, it is repeated at once (its terms are absolute,
    and its row was read before this was told); else, and when it fails again, after a pause that
    doubles. A refused change into the exit, or of the exit, is followed by a cancel at once; a
    refused cancel mostly means that the order has ended, which its row will tell.
    """
    is_modify = answer.operation == "modify"
    is_refused_exit = is_modify and answer.outcome == "rejected" and not _is_guard(order.wanted)
    failures = 0 if is_refused_exit else order.failures + 1
    is_at_once = is_refused_exit or (answer.outcome == "unresolved" and failures == 1)
    pause = min(CHANGE_RETRY_US << min(max(failures - 1, 0), 10), MAX_CHANGE_RETRY_US)
    return replace(
        order,
        working=None,
        wanted=None,
        failures=failures,
        modifies=order.modifies + (is_modify and answer.outcome != "denied"),
        modify_refused=order.modify_refused or is_refused_exit,
        again_us=order.again_us if is_at_once else time_us + pause,
    )


def _is_guard(wanted: Terms | None) -> bool:
    return wanted is not None and wanted.is_stop


def _settled(order: Order, time_us: int) -> Order:
    """An order whose change was confirmed: it has the terms that were asked for; a cancelled one is
    live until its row tells how much of it had filled.
    """
    settled = replace(order, working=None, wanted=None, failures=0)
    if order.wanted is None:
        return replace(settled, again_us=time_us + CANCEL_SETTLING_US)
    if not order.is_live:
        return settled
    is_conversion = order.is_stop and not order.wanted.is_stop
    return replace(
        settled,
        terms=order.wanted,
        status="TRIGGER_PENDING" if order.wanted.is_stop else "OPEN",
        modifies=order.modifies + 1,
        conversions=order.conversions + is_conversion,
        converted_us=order.converted_us or (time_us if is_conversion else 0),
        changed_us=time_us,
    )


def _absent(state: State, order: Order, answer: RequestResult) -> Report:
    """The end of a place that no book ever showed. An entry is given up for the day; an exit is
    followed by the next attempt.
    """
    absent = replace(order, status="ABSENT", working=None, is_presumed=True)
    state = with_order(state, absent)
    if order.leg == "entry":
        return _not_bought(state, "unresolved", answer.message)
    return state, [Notice("OrderAbsent", _about(order, answer.message), is_warning=True)]


def apply_close(state: State, day: Assignment) -> Report:
    """The day's session is over. What a real broker has not sold by now, nobody will today."""
    state = replace(state, is_closed=True)
    if day.live is None or position(state) == 0:
        return state, []
    action = (
        f"{position(state)} {state.strategy.symbol} could not be sold by the close: a person must "
        "look at them at the broker, then resolve."
    )
    return replace(state, failed=True, last_action=action), [Notice("NotSold", action, True)]


def apply_renewal(state: State) -> State:
    """Ends all pauses after refusals."""

    def ready(order: Order) -> Order:
        return replace(order, again_us=0, failures=0)

    return replace(
        state,
        entry=ready(state.entry) if state.entry else None,
        exits=tuple(ready(order) for order in state.exits),
        exit_retry_us=0,
        exit_failures=0,
    )


def _entry_seen(state: State, day: Assignment, before: Order, now: Order, message: str) -> Report:
    if now.filled > before.filled:
        state = grow_high(state, day, state.last_price)
        stop = stop_in_force(state, day.tick_bands)
        action = (
            f"Bought {now.filled} {state.strategy.symbol} at {rupee_text(average_price(state))}, "
            f"stop {rupee_text(stop)}."
        )
        return replace(state, last_action=action), [Notice("Bought", action)]
    if now.is_live or now.filled > 0:
        return state, []
    if now.status == "CANCELLED" and not is_exiting(state) and state.skip_reason is None:
        is_limit = state.strategy.order_type == "Limit"
        return _not_bought(state, "limit_not_reached" if is_limit else "refused", message)
    return _refused(state, now, message) if now.status == "REJECTED" else (state, [])


def _exit_seen(state: State, day: Assignment, before: Order, now: Order, message: str) -> Report:
    told: list[Action] = []
    if now.status != "PENDING" and now.status not in ENDED_UNFILLED:
        state = replace(state, exit_failures=0)
    has_triggered = now.is_live and now.status == "OPEN" and not now.is_stop
    if (now.filled > before.filled or has_triggered) and not is_exiting(state):
        state = replace(state, exit_reason=stop_reason(state, day))
    if now.filled > before.filled:
        if position(state) < 0:
            return _oversold(state)
        return _sold(state, now)
    if before.status == "PENDING" and now.status == "TRIGGER_PENDING":
        at = rupee_text(now.terms.trigger_price)
        told.append(Notice("StopResting", f"A stop rests for {now.terms.quantity} at {at}."))
    elif before.terms.trigger_price != now.terms.trigger_price and now.is_stop:
        at = rupee_text(now.terms.trigger_price)
        told.append(Notice("StopMoved", f"The resting stop moved to {at}."))
    if now.status == "REJECTED":
        return _refused(state, now, message)
    if now.status == "CANCELLED" and before.working != "cancel":
        note = _about(now, message or "cancelled by the broker or the exchange")
        told.append(Notice("StopLost", note, is_warning=True))
    return state, told


def _oversold(state: State) -> Report:
    """An exit that was given up as absent has filled beside the one that followed it."""
    action = (
        f"Sold {-position(state)} {state.strategy.symbol} more than were bought: an order that the "
        "broker did not show for long appeared after all. Buy them back by hand, then resolve."
    )
    return replace(state, failed=True, last_action=action), [Notice("Oversold", action, True)]


def _sold(state: State, order: Order) -> Report:
    price = rupee_text(order.value // order.filled)
    if not is_flat(state):
        action = f"Sold {order.filled} of {bought(state)} at {price}; {position(state)} left."
        return replace(state, last_action=action), [Notice("SoldPart", action)]
    pnl = realized_pnl(state)
    outcome = "profit" if pnl >= 0 else "loss"
    why = (state.exit_reason or "").replace("_", " ")
    action = (
        f"Sold {bought(state)} {state.strategy.symbol} at {price} ({why}): "
        f"{outcome} {rupee_text(abs(pnl))}."
    )
    return replace(state, last_action=action), [Notice("Sold", action)]


def _refused(state: State, order: Order, message: str, reason: Reason | None = None) -> Report:
    """A refused entry is final for the day, one that was never sent may be tried again; a refused
    resting stop leaves the runner to guard alone; a refused exit is tried again.
    """
    if order.leg == "entry" and (order.status == "REJECTED" or order.attempt >= MAX_ENTRIES):
        return _not_bought(state, reason or "refused", message)
    note = Notice("OrderRefused", _about(order, message), is_warning=True)
    if order.leg == "entry":
        return state, [note]
    if order.is_stop and order.status == "REJECTED" and not is_exiting(state):
        return replace(state, resting_refused=True, refusal=message), [note]
    failures = state.exit_failures + 1
    prompt = MAX_PROMPT_EXITS if order.status == "DENIED" else 0
    doublings = min(failures - prompt - 1, 10)
    pause = 0 if doublings < 0 else min(EXIT_RETRY_US << doublings, MAX_EXIT_RETRY_US)
    return replace(
        state,
        exits=_remembered(state.exits),
        refusal=message,
        exit_failures=failures,
        exit_retry_us=state.time_us + pause,
    ), [note]


def _remembered(exits: tuple[Order, ...]) -> tuple[Order, ...]:
    """The exits without the oldest of those that ended without a fill."""
    ended = [order.tag for order in exits if order.status in ENDED_UNFILLED and not order.filled]
    forgotten = frozenset(ended[:-MAX_ENDED_EXITS])
    return tuple(order for order in exits if order.tag not in forgotten)


def _not_bought(state: State, reason: Reason, message: str) -> Report:
    action = sentence(reason) + (f" {message}" if message else "")
    state = replace(state, skip_reason=reason, refusal=message, last_action=action)
    return state, [Notice("NotBought", action, is_warning=True)]


def _about(order: Order, message: str) -> str:
    return (
        f"{order.side} {order.terms.quantity} {order.terms.type} (tag {order.tag}): "
        f"{(message or 'no reason given').removesuffix('.')}."
    )

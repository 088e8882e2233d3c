"""The state a process starts from: the journal's newest snapshot, or, with that lost, the broker's
book searched by our tags.
"""

from dataclasses import replace

from algo_contract.ids import Leg, order_tag
from algo_contract.messages.assignment import Assignment
from algo_engine.order_updates import MAX_ENTRIES
from algo_engine.orders import Order, OrderReport, Side
from algo_engine.state import State, is_flat

from algo_runner.journal_entry import read_snapshot

MAX_ATTEMPTS = 1000
"""Exit attempts looked for in the book: a day of refusals, one each half a minute."""


def recovered_state(day: Assignment, journalled: str | None, rows: list[OrderReport]) -> State:
    """Where the strategy stands today.

    Args:
        day: the assignment.
        journalled: the newest snapshot of the journal, if there is one.
        rows: the broker's book.

    Raises:
        ValueError: the snapshot is unreadable.
    """
    fresh = State(strategy=day.strategy, trading_day=day.session.trading_day)
    last = read_snapshot(journalled) if journalled else None
    if last is not None and last.trading_day == fresh.trading_day:
        return _with_unknown_rows(last, rows)
    if last is not None and not is_flat(last):
        note = f"the position of {last.trading_day} was not closed that day: a person must look"
        return replace(fresh, failed=True, skip_reason="unresolved", refusal=note, last_action=note)
    return _with_unknown_rows(fresh, rows)


def _with_unknown_rows(state: State, rows: list[OrderReport]) -> State:
    """Adds the orders that the book has under our tags and the state does not know."""
    known = {row.tag: row for row in rows}
    if state.entry is None:
        attempts = range(1, MAX_ENTRIES + 1)
        found = (_found(state, known, leg="entry", attempt=n, side="BUY") for n in attempts)
        state = replace(state, entry=next((order for order in found if order), None))
    have = {order.attempt for order in state.exits}
    exits = [
        order
        for attempt in range(1, MAX_ATTEMPTS + 1)
        if attempt not in have
        and (order := _found(state, known, leg="exit", attempt=attempt, side="SELL")) is not None
    ]
    if not exits:
        return state
    has_left = any(not order.is_stop for order in exits)
    reason = state.exit_reason or ("exited" if has_left else None)
    every = sorted((*state.exits, *exits), key=lambda order: order.attempt)
    return replace(state, exits=tuple(every), exit_reason=reason, trail=_trail(state, exits))


def _trail(state: State, exits: list[Order]) -> int:
    """A trailing stop never falls: not under where the book has it resting."""
    if state.strategy.trailing_bps is None:
        return state.trail
    return max(state.trail, *(order.terms.trigger_price for order in exits))


def _found(
    state: State, known: dict[str, OrderReport], *, leg: Leg, attempt: int, side: Side
) -> Order | None:
    """The order as the state would have journalled it; what the book knows of it follows as
    news, so that its fills are told and acted on like any others.
    """
    tag = order_tag(state.strategy.uid, state.trading_day, leg, attempt)
    row = known.get(tag)
    if row is None:
        return None
    return Order(tag=tag, leg=leg, attempt=attempt, side=side, terms=row.terms)

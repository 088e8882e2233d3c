"""When a tick matters. Almost none does: the hot loops of runner and replay compare each tick with
these three numbers and hand over only those that can change something.
"""

from dataclasses import dataclass
from typing import Final

from algo_contract.messages.assignment import Assignment

from algo_engine.decisions import buy_us, entry_ends_us, sell_us
from algo_engine.order_requests import guard_due_us
from algo_engine.paper_book import PaperBook, touched_at
from algo_engine.pricing import stop_in_force, target_price
from algo_engine.state import (
    State,
    entry_is_final,
    entry_is_live,
    is_done,
    is_exiting,
    position,
    surplus_exits,
)

NEVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Triggers:
    """A tick matters if its price is at or under `low`, at or over `high`, or its time at or
    after `at_us`. Paise, and microseconds since the epoch in exchange time.
    """

    low: int
    high: int
    at_us: int


EVERY_TICK: Final = Triggers(NEVER, 0, 0)
NO_TICK: Final = Triggers(0, NEVER, NEVER)


def triggers(state: State, day: Assignment, book: PaperBook | None) -> Triggers:
    """What to wait for, given the state and, on paper, the book that fills on the same ticks."""
    if is_done(state):
        return NO_TICK
    if is_exiting(state):
        return EVERY_TICK
    low, high, at_us = 0, NEVER, NEVER
    if position(state) > 0:
        low = stop_in_force(state, day.tick_bands)
        high = target_price(state) or NEVER
        at_us = sell_us(state, day)
        if state.strategy.trailing_bps is not None:
            high = min(high, state.high + 1)
        guard_us = guard_due_us(state, day)
        if guard_us is not None:
            at_us = min(at_us, guard_us)
    for surplus in surplus_exits(state):
        at_us = min(at_us, surplus.again_us)
    if entry_is_live(state):
        at_us = min(at_us, entry_ends_us(state, day))
    elif not entry_is_final(state):
        at_us = buy_us(state, day)
    if book is not None:
        book_low, book_high = touched_at(book)
        low, high = max(low, book_low), min(high, book_high)
    return Triggers(low, high, at_us)

"""Replay: the engine on recorded ticks, with the ticks' own clock. No cluster, no Redis."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from algo_contract.messages.assignment import Assignment

from algo_engine import paper_book
from algo_engine.decisions import ends_entry
from algo_engine.events import (
    Cancel,
    Event,
    Modify,
    Notice,
    OrderReported,
    Place,
    RequestResult,
    SessionEnd,
    Tick,
    Timer,
)
from algo_engine.paper_book import PaperBook
from algo_engine.state import State
from algo_engine.step import step
from algo_engine.tick_file import FileTick
from algo_engine.triggers import triggers

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DayResult:
    """How one trading day ended."""

    day: Assignment
    state: State
    story: tuple[Notice, ...]
    ticks: int
    elapsed_seconds: float


def replay_day(day: Assignment, ticks: Iterable[FileTick]) -> DayResult:
    """Runs one strategy over one trading day's ticks of its instrument."""
    started = time.perf_counter()
    open_us, close_us = day.session.open_us, day.session.close_us
    run = _Run(day)
    low, high, at_us = run.wake()
    count = last_price = last_us = 0
    for _, _, time_us, price, _, _ in ticks:
        count += 1
        if low < price < high and open_us <= time_us < at_us:
            last_price, last_us = price, time_us
            continue
        if price <= 0 or not open_us <= time_us <= close_us:
            continue
        last_price, last_us = price, time_us
        run.tick(price, time_us)
        low, high, at_us = run.wake()
    run.end(last_price, last_us)
    return DayResult(
        day=day,
        state=run.state,
        story=tuple(run.story),
        ticks=count,
        elapsed_seconds=time.perf_counter() - started,
    )


def split_days(
    ticks: Iterable[FileTick], *, midnight_us: int
) -> Iterator[tuple[int, Iterator[FileTick]]]:
    """Groups ticks by exchange day: (day's midnight in µs, its ticks), in the file's order.

    `midnight_us` is any midnight in exchange time. Each group must be used up before the next.
    """
    pending: list[FileTick] = []
    source = iter(ticks)

    def group(start: int) -> Iterator[FileTick]:
        end = start + DAY_US
        yield pending.pop()
        for tick in source:
            if not start <= tick[2] < end:
                pending.append(tick)
                return
            yield tick

    for first in source:
        pending.append(first)
        while pending:
            start = midnight_us + (pending[0][2] - midnight_us) // DAY_US * DAY_US
            yield start, group(start)


class _Run:
    """One day under way: the state, the paper book and the story so far."""

    def __init__(self, day: Assignment) -> None:
        self.day = day
        self.state = State(strategy=day.strategy, trading_day=day.session.trading_day)
        self.book = PaperBook(slippage_bps=day.slippage_bps)
        self.story: list[Notice] = []

    def wake(self) -> tuple[int, int, int]:
        """The watch as three numbers; from the close on every tick is looked at (and passed)."""
        wanted = triggers(self.state, self.day, self.book)
        return wanted.low, wanted.high, min(wanted.at_us, self.day.session.close_us + 1)

    def tick(self, price: int, time_us: int) -> None:
        """The book fills first, as an exchange does; then the engine decides."""
        if ends_entry(self.state, self.day, time_us):
            self._feed(Timer(time_us), price)
        rows = paper_book.changed_rows(self.book, book := paper_book.trade(self.book, price))
        self.book = book
        for row in rows:
            self._stand_at(price, time_us)
            self._feed(OrderReported(row), price)
        self._feed(Tick(price, time_us), price)

    def end(self, price: int, time_us: int) -> None:
        """The day's last tick has been seen: what is still held goes at its price."""
        if time_us:
            self._stand_at(price, time_us)
        self._feed(SessionEnd(), price)

    def _stand_at(self, price: int, time_us: int) -> None:
        now_us = max(time_us, self.state.time_us)
        self.state = replace(self.state, last_price=price, time_us=now_us)

    def _feed(self, event: Event, price: int) -> None:
        queue = [event]
        while queue:
            self.state, actions = step(self.state, self.day, queue.pop(0))
            for action in actions:
                if isinstance(action, Notice):
                    self.story.append(action)
                else:
                    queue += self._send(action, price or self.state.last_price)

    def _send(self, request: Place | Modify | Cancel, price: int) -> list[Event]:
        before = self.book
        match request:
            case Place(order):
                tag = order.tag
                self.book = paper_book.place(before, tag, order.side, order.terms, price=price)
                operation = "place"
            case Modify(tag, terms):
                self.book = paper_book.modify(before, tag, terms, price=price)
                operation = "modify"
            case Cancel(tag):
                self.book = paper_book.cancel(before, tag)
                operation = "cancel"
        rows = paper_book.changed_rows(before, self.book)
        return [*(OrderReported(row) for row in rows), RequestResult(tag, operation, "confirmed")]

"""One strategy's session: feeds events to the engine, makes each step durable, sends what it asks.

The order is the safety: step → commit (fence, journal, state, story in one script) → send. What a
lost answer leaves open is settled by the broker's book, never by guessing. The paper book answers
at once; what goes to a real broker is put into `outbox`, and its answers come back as events.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from algo_brokers.errors import BrokerError, DeniedLocally
from algo_brokers.paper import PaperBroker, TickMark
from algo_contract.messages.assignment import Assignment
from algo_engine.decisions import ends_entry
from algo_engine.events import (
    Action,
    Cancel,
    Event,
    Modify,
    Notice,
    OrderReported,
    Outcome,
    Place,
    ProcessResumed,
    Request,
    RequestResult,
    StrategyEdited,
    Tick,
    Timer,
)
from algo_engine.order_requests import order_of
from algo_engine.orders import Operation, OrderReport
from algo_engine.pricing import stop_in_force
from algo_engine.state import State, entry_is_final, is_flat
from algo_engine.step import step
from algo_engine.triggers import Triggers, triggers
from algo_redis.errors import RedisRefused, RedisUnavailable
from algo_service.clock import now_us as wall_us

from algo_runner.errors import StateFull
from algo_runner.journal import Journal, fenced
from algo_runner.recovery.reconciliation import lost_row

SEND_BY_SECONDS: Final = 1.0
"""An intent that could not be sent within this time of being journalled is not sent any more."""

LATE_US: Final = 2_000_000
"""Under the wall clock a tick read this long after it was received triggers stops only."""


@dataclass(slots=True)
class LastTick:
    """The newest tick read, touched or not; prices in paise, times in µs since the epoch."""

    price: int = 0
    time_us: int = 0
    received_us: int = 0
    cursor: str = "0-0"
    """Everything up to this id has been looked at."""


@dataclass(slots=True)
class Counters:
    """What /metrics shows of orders."""

    requests: dict[tuple[Operation, Outcome], int] = field(
        default_factory=dict[tuple[Operation, Outcome], int]
    )
    commits: int = 0
    commit_retries: int = 0
    ignored_ticks: int = 0


@dataclass(slots=True)
class StrategySession:
    """The one owner of the state; `lock` is held while a step is under way."""

    day: Assignment
    journal: Journal
    paper: PaperBroker | None
    """None: a real broker, through `outbox`."""

    state: State
    last: LastTick = field(default_factory=LastTick)
    counters: Counters = field(default_factory=Counters)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    now: TickMark = field(default_factory=lambda: TickMark("", 0, 0))
    """The tick in hand."""

    outbox: asyncio.Queue[tuple[Request, float]] = field(
        default_factory=asyncio.Queue[tuple[Request, float]]
    )
    """Requests to a real broker, durable already, each with the moment (monotonic seconds) after
    which an entry is not sent any more.
    """

    def watch(self) -> Triggers:
        """The ticks that matter now; those outside the session always come up to be passed."""
        wanted = triggers(self.state, self.day, self.paper.book if self.paper else None)
        return replace(wanted, at_us=min(wanted.at_us, self.day.session.close_us + 1))

    async def resume(self, left_open: Sequence[Event], *, kind: str) -> None:
        """Settles with the book whatever an earlier process left open, takes over what was edited
        meanwhile, then carries on.
        """
        async with self.lock:
            mark, state = self.paper.last_tick if self.paper else None, self.state
            is_undecided = mark is not None and self._is_undecided(mark)
            if mark is None or not is_undecided:
                mark = TickMark(state.cursor, state.last_price, state.time_us)
            # Its time counts when the engine thinks it over, not before: the fills come first.
            self._hold(mark)
            self.state = replace(state, last_price=mark.price)
            for left in left_open:
                await self._handle(left, kind=kind)
            if is_flat(self.state) and self._is_edited():
                await self._handle(StrategyEdited(self.day.strategy), kind="edited")
            is_due = is_undecided or self._waits_with_its_entry()
            event = self._last_tick() if is_due else ProcessResumed()
            await self._handle(event, kind=kind, is_durable=True)

    async def apply_pending_edit(self) -> None:
        """The ticks missed are read: what was edited meanwhile, with a position open, is taken
        over now, at the price of now.
        """
        if self._is_edited():
            await self.handle(StrategyEdited(self.day.strategy), kind="edited")

    async def apply_exit_requests(self) -> None:
        """Takes over a request to leave, whatever the price; other edits wait for ticks."""
        mine, wished = self.state.strategy, self.day.strategy
        if self._is_edited():
            request = replace(
                mine, desired_state=wished.desired_state, exit_requested=wished.exit_requested
            )
            await self.handle(StrategyEdited(request), kind="edited")

    def _is_edited(self) -> bool:
        """Whether the resource says something new. What a command has changed since stays."""
        mine, wished = self.state.strategy, self.day.strategy
        is_asked = wished.exit_requested and not mine.exit_requested
        return wished.generation != mine.generation or is_asked

    def _is_undecided(self, mark: TickMark) -> bool:
        """Whether the book was changed by a tick of today that the journal has not got to."""
        is_later = stream_place(mark.cursor) > stream_place(self.state.cursor)
        return is_later and mark.time_us >= self.day.session.midnight_us

    def _waits_with_its_entry(self) -> bool:
        """Recorded ticks do not age: an entry that died on its way is made at the same price."""
        is_recorded = self.day.clock == "Feed" and self.state.last_price > 0
        return is_recorded and not entry_is_final(self.state)

    def _last_tick(self) -> Tick:
        """The newest tick once more. Under the wall clock it may still trigger the stop, and
        nothing else.
        """
        now, is_late = self.now, self.day.clock == "Wall"
        return Tick(now.price, now.time_us, now.cursor, is_late=is_late)

    async def tick(self, tick: Tick, *, received_us: int) -> bool:
        """A tick that may matter: the book fills first, as an exchange does, then the engine.
        `received_us` is when the feed had it (µs since the epoch): its age is judged when its
        turn has come.

        False for one that decides nothing: no price, or stamped outside the day's session.
        """
        session = self.day.session
        if tick.price <= 0 or not session.open_us <= tick.time_us <= session.close_us:
            self.counters.ignored_ticks += 1
            return False
        async with self.lock:
            if ends_entry(self.state, self.day, tick.time_us):
                await self._handle(Timer(tick.time_us), kind="entry_ended")
            mark = TickMark(tick.cursor, tick.price, tick.time_us)
            for row in await self._traded(mark):
                self._stand_at(mark)
                await self._handle(OrderReported(row), kind="filled")
            is_old = self.day.clock == "Wall" and _now_us() - received_us > LATE_US
            await self._handle(replace(tick, is_late=tick.is_late or is_old), kind="tick")
        return True

    async def _traded(self, mark: TickMark) -> list[OrderReport]:
        self.now = mark
        if self.paper is None:
            return []
        try:
            return await self.paper.trade(mark)
        except RedisRefused as error:
            raise fenced(error) from error

    async def handle(
        self, event: Event, *, kind: str, unless: Callable[[], bool] = lambda: False
    ) -> None:
        """Any other event, at the newest tick's price; `unless` is asked when its turn has come."""
        async with self.lock:
            if not unless():
                self._catch_up()
                await self._handle(event, kind=kind)

    async def mark(self) -> None:
        """Makes durable how far the ticks were read, for a successor to go on from there."""
        async with self.lock:
            self._catch_up()
            await self._handle(ProcessResumed(), kind="mark", is_durable=True)

    def _catch_up(self) -> None:
        """Takes over the newest tick where the engine did not need to see it."""
        if self.last.price == 0 or stream_place(self.last.cursor) <= stream_place(
            self.state.cursor
        ):
            return
        self._stand_at(TickMark(self.last.cursor, self.last.price, self.last.time_us))
        self.state = replace(self.state, cursor=self.last.cursor)

    def _stand_at(self, mark: TickMark) -> None:
        """Takes over a tick's price and time. Its place is the engine's to take, when it has
        decided: until then a successor thinks the tick over.
        """
        self._hold(mark)
        now_us = max(mark.time_us, self.state.time_us)
        self.state = replace(self.state, last_price=mark.price, time_us=now_us)

    def _hold(self, mark: TickMark) -> None:
        self.now = mark
        if self.paper is not None:
            self.paper.now = mark

    async def _handle(self, event: Event, *, kind: str, is_durable: bool = False) -> None:
        queue: list[Event] = [event]
        while queue:
            event = queue.pop(0)
            state, actions = step(self.state, self.day, event)
            send_by = time.monotonic() + SEND_BY_SECONDS
            if is_durable or actions or _facts(state) != _facts(self.state):
                state, actions, send_by = await self._durable(state, actions, event, kind=kind)
            self.state = state
            for action in actions:
                if isinstance(action, Notice):
                    continue
                if self.paper is None:
                    self.outbox.put_nowait((action, send_by))
                else:
                    queue += await self._send(self.paper, action, send_by=send_by)
            if not self.outbox.empty():
                await asyncio.sleep(0)  # Sent before anything else is looked at.
            if (
                kind == "answer"
                and _never_sent_entry(state, event)
                and self._waits_with_its_entry()
            ):
                queue.append(self._last_tick())
            kind = "answer"

    async def _durable(
        self, state: State, actions: list[Action], event: Event, *, kind: str
    ) -> tuple[State, list[Action], float]:
        """Commits a step; what to send, and until when (monotonic seconds). When Redis was away
        meanwhile the step is thought over again: an entry that waited is decided on the tick's
        age, and only what is then decided is written.
        """
        while True:
            send_by = time.monotonic() + SEND_BY_SECONDS
            try:
                await self._commit(state, actions, kind=kind)
                return state, actions, send_by
            except StateFull as error:
                assert state.entry is not None, "only an entry is refused for want of room"
                given_up = RequestResult(state.entry.tag, "place", "rejected", str(error))
                state, told = step(state, self.day, given_up)
                actions = [*(a for a in actions if isinstance(a, Notice)), *told]
            except RedisUnavailable:
                self.counters.commit_retries += 1
                self._leave_without_journal(actions)
                if await self.journal.has_taken_last():
                    return state, actions, send_by
                if isinstance(event, Tick) and self.day.clock == "Wall":
                    event = replace(event, is_late=True)
                state, actions = step(self.state, self.day, event)

    def _leave_without_journal(self, actions: Sequence[Action]) -> None:
        """While redis-state is away an exit begins all the same: turning the resting stop into it
        is harmless to repeat, and this process held the fence when Redis vanished.
        """
        for action in actions:
            if self.paper is None and isinstance(action, Modify) and not action.terms.is_stop:
                self.outbox.put_nowait((action, time.monotonic() + SEND_BY_SECONDS))

    async def _commit(self, state: State, actions: Sequence[Action], *, kind: str) -> None:
        stop = stop_in_force(state, self.day.tick_bands)
        await self.journal.commit(state, actions, kind=kind, stop=stop)
        self.counters.commits += 1

    async def _send(self, paper: PaperBroker, request: Request, *, send_by: float) -> list[Event]:
        """Sends a request to the paper book and returns what it led to, as events."""
        match request:
            case Place(order):
                tag, operation = order.tag, "place"
                # An exit is not held back: fence, tag and book keep a late one single.
                exit_by = time.monotonic() + SEND_BY_SECONDS
                call = paper.place(order, send_by=send_by if order.leg == "entry" else exit_by)
            case Modify(tag, terms):
                operation = "modify"
                call = paper.modify(order_of(self.state, tag), terms)
            case Cancel(tag):
                operation = "cancel"
                call = paper.cancel(order_of(self.state, tag))
        try:
            row = await call
        except BrokerError as error:
            outcome: Outcome = "denied" if isinstance(error, DeniedLocally) else "rejected"
            self.count(operation, outcome)
            answered = RequestResult(tag, operation, outcome, str(error))
            if operation == "place" or tag in paper.book.orders:
                return [answered]
            return [OrderReported(lost_row(order_of(self.state, tag))), answered]
        except RedisRefused as error:
            raise fenced(error) from error
        self.count(operation, "confirmed")
        return [OrderReported(row), RequestResult(tag, operation, "confirmed")]

    def count(self, operation: Operation, outcome: Outcome) -> None:
        """For /metrics: how a request ended."""
        key = (operation, outcome)
        self.counters.requests[key] = self.counters.requests.get(key, 0) + 1


def _never_sent_entry(state: State, event: Event) -> bool:
    """Whether an entry was just found not to have been sent: recorded ticks wait for it."""
    return (
        isinstance(event, RequestResult)
        and event.outcome == "denied"
        and state.entry is not None
        and state.entry.tag == event.tag
        and not entry_is_final(state)
    )


def _now_us() -> int:
    return wall_us()


def stream_place(cursor: str) -> tuple[int, int]:
    """A stream id as numbers that sort; an empty one comes first."""
    milliseconds, _, sequence = (cursor or "0-0").partition("-")
    return int(milliseconds), int(sequence or 0)


def _facts(state: State) -> State:
    """The state without what every tick changes: the ticks themselves bring that back."""
    return replace(state, last_price=0, time_us=0, cursor="", high=0, trail=0)

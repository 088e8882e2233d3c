"""A broker at its worst for the engine: late, lost, doubled and reordered answers, fills in parts
and after a cancel, refusals, stops that the exchange cancels. It keeps the truth and checks the
engine's promises against it after every step.

It is honest in one thing, which the engine may rely on: an order it has called ended as an exit
does not fill later (engine.md, invariant 5, last brackets).
"""

import random
from collections import Counter
from dataclasses import dataclass, field, replace

from algo_contract.messages.assignment import Assignment
from algo_engine.events import (
    Action,
    RequestResult,
    Cancel,
    Command,
    StrategyEdited,
    Event,
    Modify,
    Outcome,
    Place,
    Request,
    ProcessResumed,
    OrderReported,
    SessionEnd,
    Notice,
    Tick,
    Timer,
)
from algo_engine.orders import TERMINAL, Operation, OrderReport
from algo_engine.state import State, bought, is_flat, position
from algo_engine.step import step

SECOND = 1_000_000
MOST_REQUESTS_A_STEP = 3
MOST_REQUESTS = 400


@dataclass
class Storm:
    """One day of one strategy at that broker. `seed` decides everything."""

    day: Assignment
    seed: int
    is_calm: bool = False
    """A calm broker accepts and fills at once."""

    state: State = field(init=False)
    rows: dict[str, OrderReport] = field(default_factory=dict)
    sides: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    inbox: list[Event] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Tags of places that never arrived and were answered with nothing."""

    asked: Counter[str] = field(default_factory=Counter)
    story: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.state = State(strategy=self.day.strategy, trading_day=self.day.session.trading_day)
        self.now_us = self.day.session.midnight_us + self.day.strategy.buy_time * SECOND
        self.hear(Tick(9500, self.now_us))

    # --- what the strategy hears ---------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """One step of the engine, its promises checked."""
        before = self.state
        self.state, actions = step(before, self.day, event)
        self._check_step(before, actions)
        self.requests += [action for action in actions if not isinstance(action, Notice)]
        self.story += [action for action in actions if isinstance(action, Notice)]

    def blow(self) -> None:
        """One random thing happens."""
        what = self.random.choices(
            ("tick", "timer", "deliver", "hear", "fill", "lose_stop", "person", "resolve"),
            (5, 1, 8, 9, 4, 0.3, 0.1, 2),
        )[0]
        match what:
            case "tick":
                self.now_us += self.random.choice((0, 200_000, SECOND, 5 * SECOND))
                prices = (9500, 9500, 9520, 9400, 9420, 9600, 9305, 9295, 8000)
                price = self.random.choices(prices, (9, 9, 9, 9, 9, 2, 2, 1, 1))[0]
                is_late = self.random.random() < 0.1
                self.hear(Tick(price, self.now_us, is_late=is_late))
            case "timer":
                self.now_us += self.random.choice((0, 250_000, 2 * SECOND))
                self.hear(Timer(self.now_us))
            case "deliver" if self.requests:
                self._deliver(self.requests.pop(0))
            case "hear" if self.inbox:
                event = self.inbox.pop(self.random.randrange(len(self.inbox)))
                if isinstance(event, OrderReported) and self.random.random() < 0.2:
                    self.inbox.append(event)
                self.hear(event)
            case "fill":
                self._fill_something()
            case "lose_stop":
                self._cancel_resting_stop()
            case "person":
                self._person()
            case "resolve" if self.lost:
                self._resolve(self.lost.pop(0))
            case _:
                pass
        self._check_truth()

    def calm_down(self) -> None:
        """From here the broker is at its best, and the sell time comes."""
        self.is_calm = True
        session = self.day.session
        self.now_us = max(self.now_us, session.last_exit_us) + SECOND
        self.hear(Tick(9500, self.now_us))
        for _ in range(300):
            self.now_us += SECOND // 4
            if self.requests:
                self._deliver(self.requests.pop(0))
            elif self.inbox:
                self.hear(self.inbox.pop(0))
            elif self.lost:
                self._resolve(self.lost.pop(0))
            elif not self._fill_something():
                if is_flat(self.state):
                    break
                self._show_book()
                self.hear(Timer(self.now_us))
            self._check_truth()
        self.hear(SessionEnd())

    # --- what the broker does --------------------------------------------------------------------

    def _deliver(self, request: Request) -> None:
        tag = request.order.tag if isinstance(request, Place) else request.tag
        operation = _operation(request)
        outcomes = ("confirmed", "rejected", "denied", "taken and lost", "lost")
        weights = (1, 0, 0, 0, 0) if self.is_calm else (6, 1, 1, 1, 1)
        outcome = self.random.choices(outcomes, weights)[0]
        row = self.rows.get(tag)
        if operation != "place" and (row is None or row.status in TERMINAL):
            outcome = "rejected"
        if outcome in ("confirmed", "taken and lost"):
            self._carry_out(request)
        if outcome in ("lost", "taken and lost"):
            if operation == "place" and outcome == "lost":
                self.lost.append(tag)
            self.inbox.append(RequestResult(tag, operation, "unresolved", "no answer"))
            return
        answer: Outcome = (
            "confirmed"
            if outcome == "confirmed"
            else "denied"
            if outcome == "denied"
            else "rejected"
        )
        self.inbox.append(RequestResult(tag, operation, answer, "says the broker"))

    def _carry_out(self, request: Request) -> None:
        match request:
            case Place(order):
                assert order.tag not in self.rows, "one tag sent twice"
                self.sides[order.tag] = order.side
                status = "TRIGGER_PENDING" if order.is_stop else "OPEN"
                row = OrderReport(tag=order.tag, status=status, terms=order.terms, broker_id="b")
                self._show(row)
            case Modify(tag, terms):
                row = self.rows[tag]
                assert terms.quantity >= row.filled, "less than what has filled already"
                is_stop = terms.type in ("STOP_MARKET", "STOP_LIMIT")
                status = "TRIGGER_PENDING" if is_stop else "OPEN"
                if terms.quantity == row.filled:
                    status = "FILLED"
                self._show(replace(row, terms=terms, status=status))
            case Cancel(tag):
                row = self.rows[tag]
                ended = replace(row, status="CANCELLED")
                self._show(ended)
                rest = row.terms.quantity - row.filled
                if self.sides[tag] == "BUY" and not self.is_calm and self.random.random() < 0.4:
                    self._show(_filled(ended, self.random.randint(1, rest), 9500, "CANCELLED"))

    def _show(self, row: OrderReport) -> None:
        self.rows[row.tag] = row
        self.inbox.append(OrderReported(row))

    def _show_book(self) -> None:
        self.inbox += [OrderReported(row) for row in self.rows.values()]

    def _fill_something(self) -> bool:
        live = [row for row in self.rows.values() if row.status == "OPEN"]
        if not self.is_calm and self.random.random() < 0.1:
            live += [row for row in self.rows.values() if row.status == "TRIGGER_PENDING"]
        if not live:
            return False
        row = self.random.choice(live)
        rest = row.terms.quantity - row.filled
        count = rest if self.is_calm else self.random.choice((rest, self.random.randint(1, rest)))
        price = self.random.choice((9500, 9495, 9290))
        status = "FILLED" if count == rest else "OPEN"
        self._show(_filled(row, count, price, status))
        return True

    def _cancel_resting_stop(self) -> None:
        for row in self.rows.values():
            if row.status == "TRIGGER_PENDING":
                self._show(replace(row, status="CANCELLED", message="by the exchange"))
                return

    def _resolve(self, tag: str) -> None:
        """Good reads of the book showed no such order: it was never taken."""
        self.hear(RequestResult(tag, "place", "absent", "not in the book"))

    def _person(self) -> None:
        strategy = self.state.strategy
        edits = (
            replace(strategy, stop_loss=strategy.stop_loss and strategy.stop_loss - 50),
            replace(strategy, trailing_bps=300),
            replace(strategy, quantity=999),
            replace(strategy, desired_state="Paused"),
            replace(strategy, desired_state="Stopped"),
        )
        events: tuple[Event, ...] = (
            *(StrategyEdited(e) for e in edits),
            Command("1-1", "exit"),
            ProcessResumed(),
        )
        self.hear(self.random.choice(events))

    # --- what must hold --------------------------------------------------------------------------

    def _check_step(self, before: State, actions: list[Action]) -> None:
        requests = [action for action in actions if not isinstance(action, Notice)]
        assert len(requests) <= MOST_REQUESTS_A_STEP, requests
        for request in requests:
            tag = request.order.tag if isinstance(request, Place) else request.tag
            self.asked[tag] += 1
            pending = [r for r in self.requests if not isinstance(r, Place) and r.tag == tag]
            answers = [e for e in self.inbox if isinstance(e, RequestResult) and e.tag == tag]
            # A place that the book shows already is over, whatever its answer will say.
            unanswered = [*pending, *(a for a in answers if a.operation != "place")]
            assert not unanswered, f"{request} while {unanswered} is under way"
        assert sum(self.asked.values()) <= MOST_REQUESTS, "requests without end"
        if before.exit_reason is not None:
            assert self.state.exit_reason == before.exit_reason, "the decision to leave was undone"
        assert bought(self.state) >= bought(before), "a fill was forgotten"
        exits = [order for order in self.state.exits if order.is_live]
        assert len(exits) <= 1, "two live exits"

    def _check_truth(self) -> None:
        buys = [row for tag, row in self.rows.items() if self.sides[tag] == "BUY"]
        sells = [row for tag, row in self.rows.items() if self.sides[tag] == "SELL"]
        assert len(buys) <= 1, "two entries at the broker"
        truly_bought = sum(row.filled for row in buys)
        truly_sold = sum(row.filled for row in sells)
        assert truly_bought <= sum(row.terms.quantity for row in buys)
        live = [row for row in sells if row.status not in TERMINAL]
        assert len(live) <= 1, "two live exits at the broker"
        could_sell = sum(row.terms.quantity - row.filled for row in live)
        assert truly_sold + could_sell <= truly_bought, "more to sell than was bought"

    def truth(self) -> int:
        """Shares held, as the broker knows."""
        signs = {"BUY": 1, "SELL": -1}
        return sum(signs[self.sides[tag]] * row.filled for tag, row in self.rows.items())

    def check_end(self) -> None:
        assert self.truth() == 0, "shares are left at the broker"
        assert position(self.state) == 0
        assert is_flat(self.state)
        sold = sum(row.value for tag, row in self.rows.items() if self.sides[tag] == "SELL")
        paid = sum(row.value for tag, row in self.rows.items() if self.sides[tag] == "BUY")
        entry = self.state.entry
        assert (entry.value if entry else 0) == paid, "a fill heard twice or not at all"
        assert sum(order.value for order in self.state.exits) == sold


def _filled(row: OrderReport, count: int, price: int, status: str) -> OrderReport:
    return replace(
        row,
        status=status,
        filled=row.filled + count,
        value=row.value + count * price,
    )


def _operation(request: Request) -> Operation:
    match request:
        case Place():
            return "place"
        case Modify():
            return "modify"
        case Cancel():
            return "cancel"

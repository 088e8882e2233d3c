"""The engine driven by hand: one event after the other, with the requests of each in view."""

from dataclasses import dataclass, field, replace
from typing import Any

from algo_contract.messages.assignment import Assignment
from algo_engine.events import (
    RequestResult,
    Event,
    Modify,
    Place,
    Request,
    OrderReported,
    Notice,
    Tick,
    Timer,
)
from algo_engine.orders import OrderReport
from algo_engine.state import State, live_exit
from algo_engine.step import step

from support.factories.days import a_day

SECOND = 1_000_000


@dataclass
class ByHand:
    """A strategy at a broker whose every word is given by the test. Starts at its buy time."""

    day: Assignment = field(default_factory=lambda: a_day(clock="Wall"))
    told: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = State(strategy=self.day.strategy, trading_day=self.day.session.trading_day)
        self.now_us = self.day.session.midnight_us + self.day.strategy.buy_time * SECOND

    def hear(self, event: Event) -> list[Request]:
        self.state, actions = step(self.state, self.day, event)
        self.told += [action for action in actions if isinstance(action, Notice)]
        return [action for action in actions if not isinstance(action, Notice)]

    def tick(self, price: int, *, after: float = 0, is_late: bool = False) -> list[Request]:
        self.now_us += int(after * SECOND)
        return self.hear(Tick(price, self.now_us, is_late=is_late))

    def wait(self, seconds: float) -> list[Request]:
        self.now_us += int(seconds * SECOND)
        return self.hear(Timer(self.now_us))

    def answer(self, tag: str, operation: Any, outcome: Any = "confirmed") -> list[Request]:
        return self.hear(RequestResult(tag, operation, outcome, "says the broker"))

    def show(self, tag: str, status: Any, **fields: Any) -> list[Request]:
        """The order's row; what is not given is as the engine knows it. `price` gives the value."""
        orders = [*([self.state.entry] if self.state.entry else []), *self.state.exits]
        order = next(order for order in orders if order.tag == tag)
        filled = fields.pop("filled", order.filled)
        value = fields.pop("price", 9500) * filled
        terms = replace(order.terms, **fields)
        return self.hear(
            OrderReported(
                OrderReport(tag=tag, status=status, terms=terms, filled=filled, value=value)
            )
        )

    def buy(self, *, filled: int | None = None) -> list[Request]:
        """Enters at ₹95.00; the requests that the fill led to."""
        (request,) = self.tick(9500)
        assert isinstance(request, Place)
        tag, wanted = request.order.tag, request.order.terms.quantity
        count = wanted if filled is None else filled
        self.answer(tag, "place")
        return self.show(tag, "FILLED" if count == wanted else "OPEN", filled=count)

    def hold(self) -> str:
        """Buys, and the stop rests; its tag."""
        (request,) = self.buy()
        assert isinstance(request, Place)
        self.answer(request.order.tag, "place")
        self.show(request.order.tag, "TRIGGER_PENDING")
        return request.order.tag

    @property
    def entry_tag(self) -> str:
        assert self.state.entry is not None
        return self.state.entry.tag

    @property
    def exit_tag(self) -> str:
        order = live_exit(self.state)
        assert order is not None
        return order.tag


def modified(requests: list[Request]) -> tuple[str, int, int]:
    """Type, quantity and trigger of the one modify asked for."""
    (request,) = requests
    assert isinstance(request, Modify), request
    return request.terms.type, request.terms.quantity, request.terms.trigger_price


def placed(requests: list[Request]) -> tuple[str, str, int, int]:
    """Side, type, quantity and trigger of the one order asked for."""
    (request,) = requests
    assert isinstance(request, Place), request
    terms = request.order.terms
    return request.order.side, terms.type, terms.quantity, terms.trigger_price

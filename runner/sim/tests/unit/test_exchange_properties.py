"""What holds at the exchange whatever is asked of it: random days."""

import datetime as dt
from collections import Counter
from typing import Any

from algo_contract import calendar
from hypothesis import given, settings
from hypothesis import strategies as st

from algo_sim.exchange.account import AccountSettings, Refused
from algo_sim.exchange.exchange import Exchange
from algo_sim.exchange.instruments import Instrument, Instruments
from algo_sim.exchange.orders import ENDED, OrderRequest, Event
import contextlib

OPEN_US = calendar.microseconds(dt.datetime(2019, 7, 9, 9, 15, tzinfo=calendar.IST))
SECOND = 1_000_000
PRICES = st.integers(90, 110).map(lambda n: n * 100)
Step = tuple[str, Any]


@st.composite
def asks(draw: st.DrawFn) -> OrderRequest:
    kind = draw(st.sampled_from(("MARKET", "LIMIT", "STOP_LIMIT", "STOP_MARKET")))
    side = draw(st.sampled_from(("BUY", "SELL")))
    price, distance = draw(PRICES), draw(st.integers(0, 3)) * 100
    trigger = price - distance if side == "BUY" else price + distance
    return OrderRequest(
        exchange="NSE",
        symbol="YESBANK",
        side=side,
        type=kind,
        quantity=draw(st.integers(1, 60)),
        price=price if kind in {"LIMIT", "STOP_LIMIT"} else 0,
        trigger_price=trigger if kind in {"STOP_LIMIT", "STOP_MARKET"} else 0,
        protection=draw(st.sampled_from((-1, 100, 500)))
        if kind in {"MARKET", "STOP_MARKET"}
        else 0,
        product=draw(st.sampled_from(("INTRADAY", "DELIVERY"))),
        validity=draw(st.sampled_from(("DAY", "DAY", "IOC"))) if kind == "LIMIT" else "DAY",
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.tuples(PRICES, st.integers(1, 50))),
        st.tuples(st.just("place"), asks()),
        st.tuples(st.just("modify"), st.tuples(st.integers(0, 9), asks())),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.integers(1, 9_000)),
    ),
    min_size=1,
    max_size=40,
)


class Day:
    """Plays steps and keeps what happened, with the offer of the tick it happened at."""

    def __init__(self, fill: Any) -> None:
        instrument = Instrument(
            exchange="NSE",
            symbol="YESBANK",
            token=1,
            tick_size=5,
            previous_close=10_000,
            has_closing_auction=True,
        )
        self.exchange = Exchange(Instruments([instrument]), start_us=OPEN_US, fill=fill)
        self.book = self.exchange.open_account(
            AccountSettings(name="zerodha", order_id=str, cash=50_000_000)
        )
        self.events: list[Event] = []
        self.by_tick: Counter[int] = Counter()
        self.offers: list[int] = [0]

    def play(self, steps: list[Step]) -> None:
        for name, value in steps:
            with contextlib.suppress(Refused):
                getattr(self, name)(value)
            for event in self.exchange.take_events():
                self.events.append(event)
                if event.fill:
                    self.by_tick[len(self.offers) - 1] += event.fill.quantity

    def tick(self, value: tuple[int, int]) -> None:
        price, quantity = value
        self.offers.append(quantity)
        time_us = self.exchange.market.now_us + SECOND
        self.exchange.tick(("NSE", "YESBANK", time_us, price, quantity, quantity))

    def place(self, ask: OrderRequest) -> None:
        self.book.place(ask)

    def modify(self, value: tuple[int, OrderRequest]) -> None:
        number, ask = value
        order = list(self.book.orders.values())[number % max(len(self.book.orders), 1)]
        self.book.modify(order.order_id, ask)

    def cancel(self, number: int) -> None:
        self.book.cancel(str(number))

    def wait(self, seconds: int) -> None:
        self.exchange.move_to(self.exchange.market.now_us + seconds * SECOND)


def played(steps: list[Step], fill: str) -> Day:
    day = Day(fill)
    for step in steps:
        if step[0] == "modify" and not day.book.orders:
            continue
        day.play([step])
    return day


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from(("whole", "volume")))
def test_fills__never_exceed_the_order_and_are_the_position(steps: list[Step], fill: str) -> None:
    day = played(steps, fill)
    for order in day.book.orders.values():
        fills = [f for f in day.book.fills if f.order.order_id == order.order_id]
        assert sum(f.quantity for f in fills) == order.filled <= order.request.quantity
        assert sum(f.quantity * f.price for f in fills) == order.value
        assert (order.status == "FILLED") == (order.filled == order.request.quantity)
    for (_, _, product), position in day.book.positions.items():
        fills = [f for f in day.book.fills if f.order.request.product == product]
        net = sum(f.quantity * (1 if f.order.request.side == "BUY" else -1) for f in fills)
        assert position.net == net
        assert product == "INTRADAY" or net >= 0


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from(("whole", "volume")))
def test_no_fill__is_worse_than_the_limit_or_before_the_trigger(
    steps: list[Step], fill: str
) -> None:
    day = played(steps, fill)
    for event in day.events:
        if event.fill is None:
            continue
        order, price = event.fill.order, event.fill.price
        assert order.limit > 0
        assert price <= order.limit if order.request.side == "BUY" else price >= order.limit
        assert not order.request.is_stop or order.has_triggered


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_by_volume__no_tick_fills_more_than_it_traded(steps: list[Step]) -> None:
    day = played(steps, "volume")
    for number, offered in enumerate(day.offers):
        assert day.by_tick[number] <= offered


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from(("whole", "volume")))
def test_an_order_that_ended__never_changes_again(steps: list[Step], fill: str) -> None:
    day = played(steps, fill)
    for order_id, states in day.book.history.items():
        assert all(order.status not in ENDED for _, order in states[:-1])
        assert states[-1][1] == day.book.orders[order_id]
        totals = [order.filled for _, order in states]
        assert totals == sorted(totals)
    assert [order.status in ENDED for order in day.book.live()].count(True) == 0


@settings(max_examples=30, deadline=None)
@given(STEPS, st.sampled_from(("whole", "volume")))
def test_the_same_day_twice__is_the_same(steps: list[Step], fill: str) -> None:
    assert played(steps, fill).events == played(steps, fill).events


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_after_the_close__nothing_is_live(steps: list[Step]) -> None:
    day = played([*steps, ("wait", 30_000), ("tick", (10_000, 50))], "whole")
    assert day.book.live() == []

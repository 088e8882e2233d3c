"""The exchange beside the paper book: two implementations of how recorded ticks fill orders.

They differ on purpose in what protection does to market orders: none of that is here, and neither
are short sales and buying stops, which the paper book does not have.
"""

import datetime as dt
from typing import Any

from algo_contract import calendar
from algo_engine import paper_book
from algo_engine.orders import Terms
from algo_engine.paper_book import PaperBook
from hypothesis import given, settings
from hypothesis import strategies as st

from algo_sim.exchange.account import AccountSettings
from algo_sim.exchange.exchange import Exchange
from algo_sim.exchange.instruments import Instrument, Instruments
from algo_sim.exchange.orders import OrderRequest

OPEN_US = calendar.microseconds(dt.datetime(2019, 7, 9, 9, 15, tzinfo=calendar.IST))
PRICES = st.integers(90, 110).map(lambda n: n * 100)


@st.composite
def terms(draw: st.DrawFn) -> tuple[str, Terms]:
    price = draw(PRICES)
    if draw(st.booleans()):
        side = draw(st.sampled_from(("BUY", "SELL")))
        return side, Terms(type="LIMIT", quantity=10, price=price)
    trigger = price + draw(st.integers(0, 3)) * 100
    return "SELL", Terms(type="STOP_LIMIT", quantity=10, price=price, trigger_price=trigger)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), PRICES),
        st.tuples(st.just("place"), terms()),
        st.tuples(st.just("modify"), st.tuples(st.integers(0, 5), PRICES)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
    ),
    min_size=1,
    max_size=30,
)


def asked(side: Any, wanted: Terms) -> OrderRequest:
    return OrderRequest(
        exchange="NSE",
        symbol="X",
        side=side,
        type=wanted.type,
        quantity=wanted.quantity,
        price=wanted.price,
        trigger_price=wanted.trigger_price,
    )


@settings(max_examples=80, deadline=None)
@given(PRICES, STEPS)
def test_orders__come_to_the_same_end_at_the_same_price(
    first: int, steps: list[tuple[str, Any]]
) -> None:
    instrument = Instrument(
        exchange="NSE", symbol="X", token=1, tick_size=100, previous_close=10_000
    )
    exchange = Exchange(Instruments([instrument]), start_us=OPEN_US)
    book = exchange.open_account(AccountSettings(name="zerodha", order_id=str, cash=1 << 40))
    mirror = PaperBook()
    last = 0
    for name, value in [("tick", first), *steps]:
        live = [int(order.order_id) for order in book.live()]
        if name == "tick":
            last = value
            time_us = exchange.market.now_us + 1_000_000
            exchange.tick(("NSE", "X", time_us, value, 100, 100))
            mirror = paper_book.trade(mirror, value)
        elif name == "place":
            order = book.place(asked(*value))
            mirror = paper_book.place(mirror, order.order_id, value[0], value[1], price=last)
        elif name == "cancel" and value in live:
            book.cancel(str(value))
            mirror = paper_book.cancel(mirror, str(value))
        elif name == "modify" and value[0] in live:
            number, price = str(value[0]), value[1]
            side = book.orders[number].request.side
            changed = Terms(type="LIMIT", quantity=10, price=price)
            book.modify(number, asked(side, changed))
            mirror = paper_book.modify(mirror, number, changed, price=last)
    for number, order in book.orders.items():
        row = mirror.orders[number].row
        assert (order.status, order.filled, order.value) == (row.status, row.filled, row.value)

"""The matching core: orders against ticks, and the day's rules. Pure: no server, no clock."""

import datetime as dt
from typing import Any

import pytest
from algo_contract import calendar

from algo_sim.exchange.account import AccountSettings, ExchangeAccount, Refused
from algo_sim.exchange.exchange import Exchange
from algo_sim.exchange.instruments import Instrument, Instruments
from algo_sim.exchange.orders import OrderRequest, FillRule
from algo_sim.tick_source import day_begins_us

DAY = dt.datetime(2019, 7, 9, tzinfo=calendar.IST)
SECOND = 1_000_000
SHARE = ("NSE", "YESBANK")


def at(clock: str, *, day: dt.datetime = DAY) -> int:
    return calendar.microseconds(day) + calendar.seconds_of_day(clock) * SECOND


def exchange(*, fill: FillRule = "whole", day: dt.datetime = DAY, cash: int = 100_000_000) -> Any:
    instrument = Instrument(
        exchange="NSE",
        symbol="YESBANK",
        token=11915,
        tick_size=5,
        previous_close=10_000,
        has_closing_auction=True,
    )
    found = Exchange(Instruments([instrument]), start_us=at("09:00", day=day), fill=fill)
    book = found.open_account(AccountSettings(name="zerodha", order_id=str, cash=cash))
    return found, book


def tick(found: Exchange, price: int, clock: str = "09:15", quantity: int = 100) -> None:
    time_us = max(found.at(clock), found.market.now_us)
    found.tick((*SHARE, time_us, price, quantity, quantity))


def ask(**fields: Any) -> OrderRequest:
    base = {"exchange": "NSE", "symbol": "YESBANK", "side": "BUY", "type": "LIMIT"}
    return OrderRequest(**{**base, "quantity": 10, "price": 10_000, **fields})


def stop(**fields: Any) -> OrderRequest:
    base = {"side": "SELL", "type": "STOP_LIMIT", "trigger_price": 9_800, "price": 9_700}
    return ask(**{**base, **fields})


def market(**fields: Any) -> OrderRequest:
    return ask(**{"type": "MARKET", "price": 0, "protection": -1, **fields})


def state(account: ExchangeAccount, order_id: str) -> tuple[str, int, int]:
    order = account.orders[order_id]
    return order.status, order.filled, order.value


def test_an_arriving_limit__fills_at_the_ticks_price() -> None:
    found, book = exchange()
    tick(found, 9_900)
    order = book.place(ask())
    assert state(book, order.order_id) == ("FILLED", 10, 99_000)


def test_a_resting_limit__fills_at_its_own_price() -> None:
    found, book = exchange()
    tick(found, 10_100)
    order = book.place(ask())
    assert order.status == "OPEN"
    tick(found, 9_900)
    assert state(book, order.order_id) == ("FILLED", 10, 100_000)


def test_before_the_first_trade__nothing_fills() -> None:
    found, book = exchange()
    order = book.place(market())
    assert (order.status, order.limit) == ("OPEN", 10_100)
    tick(found, 9_950)
    assert state(book, order.order_id) == ("FILLED", 10, 101_000)


def test_a_market_order__is_a_limit_at_its_protected_price_and_may_rest() -> None:
    found, book = exchange(fill="none")
    tick(found, 10_000)
    order = book.place(market(side="SELL", protection=200))
    assert (order.status, order.limit) == ("OPEN", 9_800)
    found.market.fill = "whole"
    tick(found, 9_795)
    assert state(book, order.order_id)[0] == "OPEN"
    tick(found, 9_805)
    assert state(book, order.order_id) == ("FILLED", 10, 98_000)


@pytest.mark.parametrize(
    ("side", "reference", "limit"),
    [
        ("BUY", 5_000, 5_100),
        ("SELL", 5_000, 4_900),
        ("BUY", 10_000, 10_100),
        ("SELL", 10_005, 9_905),
        ("BUY", 10_005, 10_105),
    ],
)
def test_automatic_protection__goes_by_the_slabs(side: str, reference: int, limit: int) -> None:
    found, book = exchange(fill="none")
    found.market.instruments = Instruments(
        [
            Instrument(
                exchange="NSE", symbol="YESBANK", token=1, tick_size=5, previous_close=reference
            )
        ]
    )
    tick(found, reference)
    assert book.place(market(side=side)).limit == limit


def test_a_stop__waits_for_a_trade_at_its_trigger() -> None:
    found, book = exchange()
    tick(found, 10_000)
    order = book.place(stop())
    tick(found, 9_805)
    assert state(book, order.order_id)[0] == "TRIGGER_PENDING"
    tick(found, 9_790)
    assert state(book, order.order_id) == ("FILLED", 10, 97_900)


def test_a_stop_that_gaps_past_its_limit__rests_unfilled() -> None:
    found, book = exchange()
    tick(found, 10_000)
    order = book.place(stop())
    tick(found, 9_500)
    assert state(book, order.order_id) == ("OPEN", 0, 0)
    assert book.orders[order.order_id].has_triggered
    tick(found, 9_700)
    assert state(book, order.order_id) == ("FILLED", 10, 97_000)


def test_a_stop_market__is_protected_from_its_trigger() -> None:
    found, book = exchange()
    tick(found, 10_000)
    order = book.place(stop(type="STOP_MARKET", price=0, protection=100))
    tick(found, 9_600)
    assert (state(book, order.order_id)[0], book.orders[order.order_id].limit) == ("OPEN", 9_705)


def test_a_buy_stop__triggers_upwards() -> None:
    found, book = exchange()
    tick(found, 10_000)
    order = book.place(stop(side="BUY", trigger_price=10_100, price=10_200))
    tick(found, 10_150)
    assert state(book, order.order_id) == ("FILLED", 10, 101_500)


def test_by_volume__a_tick_fills_at_most_what_it_traded_oldest_first() -> None:
    found, book = exchange(fill="volume")
    tick(found, 10_100, quantity=50)
    first, second = book.place(ask(quantity=20)), book.place(ask(quantity=20))
    tick(found, 9_995, quantity=30)
    assert state(book, first.order_id) == ("FILLED", 20, 200_000)
    assert state(book, second.order_id) == ("OPEN", 10, 100_000)
    book.cancel(second.order_id)
    assert state(book, second.order_id) == ("CANCELLED", 10, 100_000)


def test_the_rest_of_an_ioc_order__is_cancelled_at_once() -> None:
    found, book = exchange(fill="volume")
    tick(found, 9_900, quantity=4)
    order = book.place(ask(validity="IOC"))
    assert (order.status, order.filled) == ("CANCELLED", 4)


def test_a_change__takes_absolute_terms_and_counts_what_is_filled() -> None:
    found, book = exchange(fill="volume")
    tick(found, 10_100, quantity=50)
    order = book.place(ask())
    tick(found, 9_995, quantity=6)
    with pytest.raises(Refused):
        book.modify(order.order_id, ask(quantity=6))
    book.modify(order.order_id, ask(quantity=7))
    tick(found, 9_995, quantity=6)
    assert state(book, order.order_id) == ("FILLED", 7, 70_000)


def test_a_stop_turned_into_a_market_order__fills() -> None:
    found, book = exchange()
    tick(found, 10_000)
    book.place(market())
    order = book.place(stop())
    book.modify(order.order_id, market(side="SELL"))
    assert state(book, order.order_id) == ("FILLED", 10, 100_000)
    assert book.positions["NSE", "YESBANK", "INTRADAY"].net == 0


def test_a_refused_change__leaves_the_order() -> None:
    found, book = exchange()
    tick(found, 10_000)
    order = book.place(stop())
    for bad in (stop(price=9_703), stop(trigger_price=9_600), stop(quantity=200_000)):
        with pytest.raises(Refused):
            book.modify(order.order_id, bad)
    assert book.orders[order.order_id].request == stop()


def test_at_the_close__live_orders_expire_and_nothing_fills_any_more() -> None:
    found, book = exchange()
    tick(found, 10_100)
    order = book.place(ask(product="DELIVERY"))
    found.move_to(at("15:30"))
    ended = book.orders[order.order_id]
    assert (ended.status, ended.expired) == ("CANCELLED", True)
    assert ended.changed_us == at("15:30")
    found_late = book.place(ask())
    assert found_late.status == "REJECTED"


def test_the_closing_auction__is_held_by_the_dated_rule() -> None:
    day = dt.datetime(2026, 11, 23, tzinfo=calendar.IST)
    found, book = exchange(day=day)
    tick(found, 10_000)
    order = book.place(stop())
    iceberg = book.place(ask(price=9_900, disclosed_quantity=5))
    plain = book.place(ask(price=9_900))
    found.move_to(at("15:14:59", day=day))
    assert book.orders[order.order_id].status == "TRIGGER_PENDING"
    found.move_to(at("15:15", day=day))
    states = [book.orders[o.order_id].status for o in (order, iceberg, plain)]
    assert states == ["CANCELLED", "CANCELLED", "OPEN"]
    assert book.place(stop()).status == "REJECTED"


def test_a_share_without_an_auction__keeps_its_stops() -> None:
    day = dt.datetime(2026, 11, 23, tzinfo=calendar.IST)
    found, book = exchange(day=day)
    found.market.instruments = Instruments(
        [Instrument(exchange="NSE", symbol="YESBANK", token=1, tick_size=5, previous_close=10_000)]
    )
    tick(found, 10_000)
    order = book.place(stop())
    found.move_to(at("15:16", day=day))
    assert book.orders[order.order_id].status == "TRIGGER_PENDING"


def test_a_tick_past_a_rules_time__finds_the_rule_applied() -> None:
    found, book = exchange()
    tick(found, 10_000)
    book.place(market())
    order = book.place(stop())
    tick(found, 9_700, "15:25")
    assert book.orders[order.order_id].status == "CANCELLED"
    squared = list(book.orders.values())[-1]
    assert (squared.origin, squared.request.side, squared.status) == ("broker", "SELL", "FILLED")
    assert squared.value == 100_000


def test_a_new_day__begins_with_an_empty_book_and_the_last_price_as_close() -> None:
    found, book = exchange()
    tick(found, 10_000)
    book.place(market())
    tick(found, 10_050)
    book.place(market(side="SELL"))
    cash = book.available()
    found.move_to(at("15:30"))
    found.next_day(day_begins_us(at("09:00") + 86_400 * SECOND))
    assert (book.orders, book.positions, book.available()) == ({}, {}, cash)
    instrument = found.market.instruments.by_symbol(*SHARE)
    assert instrument.previous_close == 10_050
    assert book.hours.opens_us == at("09:00") + 86_400 * SECOND
    order = book.place(market())
    assert order.status == "OPEN"
    tick(found, 10_060, "09:15")
    assert book.orders[order.order_id].status == "FILLED"


def test_selling_what_is_held__needs_no_funds_and_selling_it_twice_does() -> None:
    found, book = exchange(cash=25_000)
    tick(found, 10_000)
    book.place(market())
    assert book.available() == 5_000
    assert book.place(stop()).status == "TRIGGER_PENDING"
    assert book.available() == 5_000
    second = book.place(ask(side="SELL", price=10_100))
    assert second.status == "REJECTED"
    assert "Insufficient funds" in second.message


def test_delivery__sells_what_is_there_once() -> None:
    found, book = exchange()
    tick(found, 10_000)
    assert book.place(market(side="SELL", product="DELIVERY")).status == "REJECTED"
    book.place(market(product="DELIVERY"))
    order = book.place(stop(product="DELIVERY"))
    assert order.status == "TRIGGER_PENDING"
    assert book.place(market(side="SELL", product="DELIVERY")).status == "REJECTED"
    book.modify(order.order_id, market(side="SELL", product="DELIVERY"))
    assert book.positions["NSE", "YESBANK", "DELIVERY"].net == 0


def test_a_band_that_trades_have_reached__flexes() -> None:
    found, book = exchange()
    tick(found, 10_000)
    assert book.place(ask(price=7_900)).status == "REJECTED"
    tick(found, 8_000)
    assert book.place(ask(price=7_900)).status == "OPEN"

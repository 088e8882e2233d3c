"""The paper book: who fills when, at what price."""

import pytest
from algo_engine import paper_book
from algo_engine.orders import OrderReport, Side, Terms
from algo_engine.paper_book import NEVER, PaperBook
from hypothesis import given
from hypothesis import strategies as st

MARKET = Terms(type="MARKET", quantity=10)
STOP = Terms(type="STOP_MARKET", quantity=10, trigger_price=9300)
STOP_LIMIT = Terms(type="STOP_LIMIT", quantity=10, trigger_price=9300, price=9290)
LIMIT = Terms(type="LIMIT", quantity=10, price=9400)


def book(side: Side, terms: Terms, *, price: int, slippage_bps: int = 0) -> PaperBook:
    return paper_book.place(PaperBook(slippage_bps=slippage_bps), "A", side, terms, price=price)


def row(book: PaperBook) -> OrderReport:
    return book.orders["A"].row


def test_a_market_order__fills_at_the_tick_in_hand() -> None:
    filled = row(book("BUY", MARKET, price=9500))

    assert (filled.status, filled.filled, filled.value) == ("FILLED", 10, 95_000)


def test_a_market_order_before_any_tick__waits_for_the_first() -> None:
    waiting = book("BUY", MARKET, price=0)

    assert row(waiting).status == "OPEN"
    assert row(paper_book.trade(waiting, 9500)).value == 95_000


@pytest.mark.parametrize("price", [9300, 9299, 5000, 1])
def test_a_resting_stop__fills_at_the_first_tick_at_or_under_it(price: int) -> None:
    resting = book("SELL", STOP, price=9500)

    assert paper_book.trade(resting, 9301) is resting
    assert row(paper_book.trade(resting, price)).value == price * 10


def test_a_stop_limit__triggers_and_then_keeps_its_limit() -> None:
    resting = book("SELL", STOP_LIMIT, price=9500)

    gapped = paper_book.trade(resting, 9000)
    assert (row(gapped).status, row(gapped).filled) == ("OPEN", 0)
    assert row(paper_book.trade(gapped, 9295)).value == 92_900
    assert row(paper_book.trade(resting, 9295)).value == 92_950


@pytest.mark.parametrize(("side", "misses", "meets"), [("BUY", 9401, 9400), ("SELL", 9399, 9400)])
def test_a_limit__rests_and_fills_at_its_own_price(side: Side, misses: int, meets: int) -> None:
    resting = book(side, LIMIT, price=misses)

    assert paper_book.trade(resting, misses) is resting
    assert row(paper_book.trade(resting, meets)).value == 94_000


def test_a_limit_met_on_arrival__fills_at_the_better_tick() -> None:
    assert row(book("BUY", LIMIT, price=9100)).value == 91_000


@pytest.mark.parametrize("price", [0, -5])
def test_no_price__fills_nothing(price: int) -> None:
    resting = book("SELL", STOP, price=9500)

    assert paper_book.trade(resting, price) is resting


def test_a_known_tag__is_not_taken_again() -> None:
    first = book("BUY", MARKET, price=9500)

    assert paper_book.place(first, "A", "BUY", MARKET, price=9000) is first


def test_an_ended_order__is_neither_changed_nor_cancelled() -> None:
    ended = book("BUY", MARKET, price=9500)

    assert paper_book.modify(ended, "A", LIMIT, price=9000) is ended
    assert paper_book.cancel(ended, "A") is ended


def test_a_stop_turned_into_a_market_order__fills_at_once() -> None:
    resting = book("SELL", STOP, price=9500)

    changed = row(paper_book.modify(resting, "A", MARKET, price=9450))

    assert (changed.status, changed.value) == ("FILLED", 94_500)


@given(st.integers(1, 10**6), st.integers(0, 9999), st.sampled_from(["BUY", "SELL"]))
def test_slippage__is_never_in_the_traders_favour(price: int, bps: int, side: Side) -> None:
    value = row(book(side, MARKET, price=price, slippage_bps=bps)).value

    exact = price * (10_000 + (bps if side == "BUY" else -bps)) * 10
    assert value * 10_000 >= exact if side == "BUY" else value * 10_000 <= exact
    assert abs(value * 10_000 - exact) < 10 * 10_000


def test_what_touches__covers_every_live_order() -> None:
    both = paper_book.place(book("SELL", STOP, price=9500), "B", "SELL", LIMIT, price=9350)

    assert paper_book.touched_at(both) == (9300, 9400)
    assert paper_book.touched_at(PaperBook()) == (0, NEVER)


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=6), st.sampled_from([STOP, LIMIT]))
def test_a_price_between__touches_nothing(prices: list[int], terms: Terms) -> None:
    resting = book("SELL", terms, price=9350)
    low, high = paper_book.touched_at(resting)
    for price in prices:
        assert (paper_book.trade(resting, price) is resting) == (low < price < high)

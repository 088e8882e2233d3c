"""When an order that nobody has seen counts as never taken: engine.md, invariant 3."""

from dataclasses import replace

import pytest
from algo_engine.orders import Order, Terms
from algo_engine.state import State
from algo_runner.live.inflight import InflightOrders

from support.factories.days import a_strategy

SECOND = 1_000_000
LAG = 5 * SECOND
SENT = 1_000 * SECOND


def state_with(leg: str) -> State:
    side = "BUY" if leg == "entry" else "SELL"
    order = Order(tag="T", leg=leg, attempt=1, side=side, terms=Terms(type="MARKET", quantity=10))
    state = State(strategy=a_strategy(), trading_day="2019-07-09")
    return replace(state, entry=order) if leg == "entry" else replace(state, exits=(order,))


def absent(
    leg: str, read_at: list[float], *, is_up: bool = True, tags: tuple[str, ...] = ()
) -> bool:
    """Whether books begun at `read_at` seconds after the order was sent end the search for it."""
    inflight = InflightOrders()
    inflight.begin("T", SENT)
    for second in read_at:
        inflight.note_book(tags, started_us=SENT + int(second * SECOND), is_up=is_up)
    return bool(list(inflight.absent_orders(state_with(leg), lag_us=LAG)))


def test_an_entry__needs_three_reads_over_thirty_seconds() -> None:
    assert not absent("entry", [1, 31])
    assert not absent("entry", [1, 2, 29])
    assert absent("entry", [1, 2, 30])


def test_an_exit__needs_three_reads_over_the_broker_s_lag_with_the_socket_up() -> None:
    assert not absent("exit", [1, 2, 4.9])
    assert absent("exit", [1, 2, 5])


def test_an_exit_of_which_pushes_may_have_been_lost__takes_as_long_as_an_entry() -> None:
    assert not absent("exit", [1, 2, 29], is_up=False)
    assert absent("exit", [1, 2, 30], is_up=False)


def test_a_book_whose_reading_began_before_the_order_was_sent__says_nothing() -> None:
    assert not absent("exit", [-1, -0.5, 40, 41])


@pytest.mark.parametrize("leg", ["entry", "exit"])
def test_an_order_that_a_book_has_shown__is_not_searched_any_more(leg: str) -> None:
    assert not absent(leg, [1, 2, 40], tags=("T",))


def test_an_order_that_was_seen_otherwise__is_never_called_absent() -> None:
    inflight = InflightOrders()
    inflight.begin("T", SENT)
    for second in (1, 2, 40):
        inflight.note_book((), started_us=SENT + second * SECOND, is_up=True)
    state = state_with("exit")
    shown = replace(state, exits=(replace(state.exits[0], status="OPEN"),))

    assert not list(inflight.absent_orders(shown, lag_us=LAG))

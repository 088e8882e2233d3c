"""Stops and targets in exact paise."""

from fractions import Fraction

import pytest
from algo_contract.trading_day import TickBand
from algo_engine.orders import Order, Terms
from algo_engine.pricing import (
    base_stop,
    resting_trigger,
    stop_in_force,
    target_price,
    trailing_stop,
)
from algo_engine.state import State, average_price, realized_pnl
from hypothesis import given
from hypothesis import strategies as st

from support.factories.days import a_strategy

FIVE = (TickBand(0, 5),)
BANDS_2025 = (TickBand(25_000, 1), TickBand(100_000, 5), TickBand(500_000, 10), TickBand(0, 50))


def held(value: int, quantity: int, **fields: object) -> State:
    terms = Terms(type="MARKET", quantity=quantity)
    entry = Order(
        tag="T", leg="entry", attempt=1, side="BUY", terms=terms, status="FILLED",
        filled=quantity, value=value,
    )  # fmt: skip
    high = fields.pop("high", 0)
    return State(
        strategy=a_strategy(**fields),
        trading_day="2019-07-09",
        entry=entry,
        high=high,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("price", "bps", "bands", "stop"),
    [
        (9500, 150, FIVE, 9360),  # 9357.5 rounded up
        (9400, 500, FIVE, 8930),  # on the grid already
        (9500, 1, FIVE, 9500),  # less than a tick away: the price itself
        (24_999, 100, BANDS_2025, 24_750),
        (100_000, 100, BANDS_2025, 99_000),
        (333_335, 77, BANDS_2025, 330_770),
    ],
)
def test_a_percent_stop__is_rounded_up_to_the_tick(
    price: int, bps: int, bands: tuple[TickBand, ...], stop: int
) -> None:
    assert base_stop(held(price * 3, 3, stop_loss_bps=bps), bands) == stop


def test_a_percent_stop__starts_from_the_exact_average_of_the_fills() -> None:
    # 9500 and 9501 in the ratio 1:2 average 9500.666..., 1 % under that is 9405.66.
    assert base_stop(held(28_502, 3, stop_loss_bps=100), (TickBand(0, 1),)) == 9406


@given(st.integers(1, 10**8), st.integers(1, 10**6), st.integers(1, 9999), st.sampled_from([1, 5]))
def test_a_percent_stop__is_the_lowest_tick_not_under_the_exact_one(
    price: int, quantity: int, bps: int, step: int
) -> None:
    stop = base_stop(held(price * quantity, quantity, stop_loss_bps=bps), (TickBand(0, step),))

    exact = Fraction(price * (10_000 - bps), 10_000)
    assert stop % step == 0
    assert exact <= stop < exact + step


def test_a_typed_stop__is_compared_as_typed_and_rests_on_the_grid() -> None:
    state = held(95_000, 10, stop_loss=9302)

    assert stop_in_force(state, FIVE) == 9302
    assert resting_trigger(state, FIVE) == 9300


@given(st.integers(1, 99_999_999))
def test_a_resting_trigger__is_on_the_grid_above_zero_and_less_than_a_tick_under(stop: int) -> None:
    trigger = resting_trigger(held(95_000, 10, stop_loss=stop), FIVE)

    assert trigger > 0
    assert trigger % 5 == 0
    assert trigger == 5 or 0 <= stop - trigger < 5


def test_the_higher_of_both_stops_is_in_force() -> None:
    state = held(95_000, 10, stop_loss=9300, trailing_bps=100, high=9800)

    assert trailing_stop(state, FIVE) == 9705
    assert stop_in_force(state, FIVE) == 9300  # the trail counts once a tick has set it


def test_a_percent_target__is_the_lowest_paisa_that_reaches_it() -> None:
    assert target_price(held(95_010, 10, target_bps=33)) == 9533  # 9532.35...


def test_without_a_fill__there_is_no_percent_stop_and_no_percent_target() -> None:
    state = State(strategy=a_strategy(stop_loss_bps=100, target_bps=100), trading_day="2019-07-09")

    assert (base_stop(state, FIVE), target_price(state), average_price(state)) == (0, None, 0)


@pytest.mark.parametrize(("value", "quantity", "average"), [(5, 2, 3), (4, 3, 1), (7, 5, 1)])
def test_the_average__is_rounded_to_the_nearest_paisa(
    value: int, quantity: int, average: int
) -> None:
    assert average_price(held(value, quantity)) == average


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 10_000)), min_size=1, max_size=5))
def test_the_profit_of_a_flat_day__is_exact(sales: list[tuple[int, int]]) -> None:
    quantity = sum(count for count, _ in sales)
    state = held(9333 * quantity + 1, quantity)
    exits = tuple(
        Order(
            tag=str(n),
            leg="exit",
            attempt=n,
            side="SELL",
            terms=Terms(type="MARKET", quantity=count),
            status="FILLED",
            filled=count,
            value=count * price,
        )
        for n, (count, price) in enumerate(sales, 1)
    )
    state = State(strategy=state.strategy, trading_day="x", entry=state.entry, exits=exits)

    received = sum(count * price for count, price in sales)
    assert realized_pnl(state) == received - (9333 * quantity + 1)

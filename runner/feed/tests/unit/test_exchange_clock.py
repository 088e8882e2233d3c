"""Which stamps are believed."""

import random

import pytest
from algo_brokers.streaming import MarketTick
from algo_feed.ticks.exchange_clock import ExchangeClock, restamped

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
NINE = 1_562_643_000 * SECOND
"""09:00 IST on 9 July 2019."""

NOW = 1_790_000_000 * SECOND


def clock_at(time_us: int) -> ExchangeClock:
    return ExchangeClock("Feed", newest_us=time_us)


def test_wall__future_stamp__counted_and_not_believed() -> None:
    clock = ExchangeClock("Wall")
    clock.see(NOW - SECOND, received_us=NOW)
    clock.see(NOW + 3 * SECOND, received_us=NOW)
    clock.see(NOW - 2 * SECOND, received_us=NOW)

    assert (clock.newest_us, clock.futures) == (NOW - SECOND, 1)


def test_recorded__any_order__never_back() -> None:
    clock = clock_at(NINE)
    shuffled = random.Random(1)
    newest = NINE
    for _ in range(1000):
        stamp = newest + shuffled.randrange(-600, 600) * SECOND
        clock.see(stamp, received_us=NOW)
        newest = max(newest, stamp)
        assert clock.newest_us == newest
    assert not clock.begins_anew


def test_recorded__leap_alone__not_believed() -> None:
    clock = clock_at(NINE)
    clock.see(NINE + 2 * HOUR, received_us=NOW)
    clock.see(NINE + SECOND, received_us=NOW + 2 * SECOND)
    clock.see(NINE + 2 * HOUR, received_us=NOW + 2 * SECOND)

    assert (clock.newest_us, clock.futures) == (NINE + SECOND, 2)


def test_recorded__next_morning__begins_anew_at_once() -> None:
    clock = clock_at(NINE + 6 * HOUR)
    clock.see(NINE + DAY + 15 * 60 * SECOND, received_us=NOW)

    assert clock.newest_us == NINE + DAY + 15 * 60 * SECOND
    assert clock.begins_anew


def test_recorded__later_on_another_day__believed_after_a_second() -> None:
    clock = clock_at(NINE + 6 * HOUR)
    clock.see(NINE + DAY + HOUR, received_us=NOW)
    clock.see(NINE + DAY + HOUR, received_us=NOW + SECOND // 2)
    assert clock.newest_us == NINE + 6 * HOUR
    clock.see(NINE + DAY + HOUR, received_us=NOW + SECOND)

    assert clock.newest_us == NINE + DAY + HOUR
    assert clock.begins_anew


def test_recorded__earlier_day_after_connecting__begins_anew() -> None:
    clock = clock_at(NINE + DAY)
    clock.connected()
    clock.see(NINE + 3 * HOUR, received_us=NOW)

    assert clock.newest_us == NINE + 3 * HOUR
    assert clock.begins_anew


def test_recorded__earlier_day_of_a_last_trade__is_no_recording() -> None:
    clock = clock_at(NINE + DAY)
    clock.connected()
    clock.see(NINE + 3 * HOUR, received_us=NOW, is_trades=True)

    assert clock.newest_us == NINE + DAY
    assert not clock.begins_anew


def test_recorded__same_day_from_nine__begins_anew_only_after_connecting() -> None:
    clock = clock_at(NINE + 6 * HOUR)
    clock.see(NINE, received_us=NOW)
    assert not clock.begins_anew

    clock.connected()
    clock.see(NINE, received_us=NOW, is_trades=True)
    assert (clock.newest_us, clock.begins_anew) == (NINE, True)


def test_recorded__connected_anew_in_the_day__goes_on() -> None:
    clock = clock_at(NINE + HOUR)
    clock.connected()
    clock.see(NINE + HOUR // 2, received_us=NOW)
    clock.see(NINE + HOUR + SECOND, received_us=NOW)

    assert (clock.newest_us, clock.begins_anew) == (NINE + HOUR + SECOND, False)


def stamps(
    *ticks: MarketTick, last: dict[int, int], stamps_trades: bool = True, now_us: int = NOW
) -> list[int]:
    found = restamped(list(ticks), received_us=now_us, last=last, stamps_trades=stamps_trades)
    return [tick.time_us for tick in found]


def test_restamped__unchanged_trade_time__receive_time() -> None:
    last: dict[int, int] = {}
    first = MarketTick(1, 100, 1, 10, NOW - 60 * SECOND)

    assert stamps(first, last=last) == [NOW - 60 * SECOND]
    assert stamps(first, last=last) == [NOW]
    traded = first._replace(time_us=NOW - SECOND, price=101)
    assert stamps(traded, last=last) == [NOW - SECOND]
    future = first._replace(time_us=NOW + HOUR)
    assert stamps(future, future, last=last) == [NOW + HOUR, NOW + HOUR]


@pytest.mark.parametrize("stamps_trades", [True, False])
def test_restamped__no_trade_today__never_published(*, stamps_trades: bool) -> None:
    last: dict[int, int] = {}
    untraded = MarketTick(1, 10_000, 7, 0, NOW - 3 * DAY)

    for _ in range(3):
        assert stamps(untraded, last=last, stamps_trades=stamps_trades) == []


def test_restamped__last_trade_of_an_earlier_day__keeps_its_time() -> None:
    last: dict[int, int] = {}
    earlier = MarketTick(1, 10_000, 7, 50, NOW - 3 * DAY)

    for _ in range(3):
        assert stamps(earlier, last=last) == [NOW - 3 * DAY]


@pytest.mark.parametrize("stamps_trades", [True, False])
def test_restamped__no_time__only_after_a_stamp_of_today(*, stamps_trades: bool) -> None:
    last: dict[int, int] = {}
    bare = MarketTick(1, 10_000, 7, 50, 0)

    assert stamps(bare, bare, last=last, stamps_trades=stamps_trades) == []
    stamped = bare._replace(time_us=NOW - SECOND)
    assert stamps(stamped, bare, last=last, stamps_trades=stamps_trades) == [NOW - SECOND, NOW]
    assert stamps(bare._replace(key=2), last=last, stamps_trades=stamps_trades) == []
    tomorrow_us = NOW + DAY
    assert stamps(bare, last=last, stamps_trades=stamps_trades, now_us=tomorrow_us) == []


def test_restamped__stamps_of_packets__stay() -> None:
    last: dict[int, int] = {}
    packet = MarketTick(1, 100, 1, 10, NOW - SECOND)

    assert stamps(packet, packet, last=last, stamps_trades=False) == [NOW - SECOND] * 2

"""The dated calendar: hours, last exits, holidays, special sessions, price steps."""

import datetime as dt

import pytest
from algo_contract import calendar
from algo_contract.calendar import clock_text, session, tick_bands, tick_size

D = dt.date
HOLIDAYS_2026 = [
    "01-15", "01-26", "03-03", "03-26", "03-31", "04-03", "04-14", "05-01",
    "05-28", "06-26", "09-14", "10-02", "10-20", "11-10", "11-24", "12-25",
]  # fmt: skip


def hours(day: D, *, auction: bool) -> tuple[str, str, str, str]:
    found = session(day, broker="paper", has_closing_auction=auction)
    return (
        clock_text(found.pre_open_us),
        clock_text(found.open_us),
        clock_text(found.close_us),
        clock_text(found.last_exit_us),
    )


@pytest.mark.parametrize(
    ("day", "auction", "last_exit"),
    [
        (D(2019, 7, 9), True, "15:18:00"),
        (D(2026, 7, 31), True, "15:18:00"),  # the last day before the closing auction
        (D(2026, 8, 3), True, "15:13:00"),
        (D(2026, 8, 3), False, "15:18:00"),
        (D(2026, 9, 7), True, "15:13:00"),
        (D(2026, 12, 4), True, "15:13:00"),
        (
            D(2026, 12, 7),
            True,
            "15:18:00",
        ),  # the auction moves to 15:30; paper squares off at 15:20
        (D(2026, 12, 7), False, "15:18:00"),
    ],
)
def test_the_last_exit(day: D, *, auction: bool, last_exit: str) -> None:
    assert hours(day, auction=auction) == ("09:00:00", "09:15:00", "15:30:00", last_exit)


@pytest.mark.parametrize("broker", ["zerodha", "dhan"])
@pytest.mark.parametrize(
    ("day", "auction", "last_exit"),
    [
        (D(2019, 7, 9), True, "15:18:00"),
        (D(2026, 8, 3), False, "15:18:00"),
        (D(2026, 8, 3), True, "14:58:00"),  # the earliest that was reported
        (D(2026, 12, 7), True, "14:58:00"),
    ],
)
def test_last_exit__real_broker__is_before_its_square_off(
    broker: str, day: D, *, auction: bool, last_exit: str
) -> None:
    found = session(day, broker=broker, has_closing_auction=auction)

    assert clock_text(found.last_exit_us) == last_exit
    assert clock_text(calendar.square_off_us(day, broker=broker)) == "15:20:00"


@pytest.mark.parametrize(
    ("day", "opens"),
    [(D(2009, 12, 31), "09:55:00"), (D(2010, 1, 4), "09:00:00"), (D(2010, 10, 18), "09:15:00")],
)
def test_older_hours(day: D, opens: str) -> None:
    assert hours(day, auction=False)[1] == opens


def test_before_the_exchange_began__there_is_no_session() -> None:
    with pytest.raises(ValueError, match="1990-01-01"):
        session(D(1990, 1, 1), broker="paper", has_closing_auction=False)


@pytest.mark.parametrize("month_day", HOLIDAYS_2026)
def test_a_holiday_of_2026(month_day: str) -> None:
    assert not calendar.is_trading_day(D.fromisoformat(f"2026-{month_day}"))


def test_2026__has_no_other_weekday_holiday() -> None:
    days = [D(2026, 1, 1) + dt.timedelta(days=n) for n in range(365)]
    closed = {f"{d:%m-%d}" for d in days if d.weekday() < 5 and not calendar.is_trading_day(d)}

    assert closed == set(HOLIDAYS_2026)
    assert sum(map(calendar.is_trading_day, days)) == 261 - len(HOLIDAYS_2026) + 1


@pytest.mark.parametrize(
    "day", [D(2026, 2, 1), D(2025, 2, 1), D(2024, 1, 20), D(2020, 2, 1), D(2015, 2, 28)]
)
def test_a_full_session_at_a_weekend(day: D) -> None:
    assert day.weekday() >= 5
    assert calendar.is_trading_day(day)


@pytest.mark.parametrize(
    "day",
    [
        D(2026, 11, 8),  # Muhurat trading, an hour in the evening
        D(2026, 11, 21),
        D(2026, 11, 22),
        D(2019, 8, 15),
        D(2024, 11, 20),
        D(2025, 10, 21),
    ],
)
def test_no_full_session(day: D) -> None:
    assert not calendar.is_trading_day(day)


def test_days_that_trade_and_do_not_settle__trade() -> None:
    for day in (D(2026, 2, 19), D(2026, 3, 19), D(2026, 4, 1), D(2026, 8, 26)):
        assert calendar.is_trading_day(day)


def test_the_next_trading_day__steps_over_a_holiday_and_a_weekend() -> None:
    assert calendar.next_trading_day(D(2026, 11, 20)) == D(2026, 11, 23)
    assert calendar.next_trading_day(D(2026, 11, 23)) == D(2026, 11, 25)
    assert calendar.next_trading_day(D(2026, 1, 30)) == D(2026, 2, 1)


def test_the_calendar_says_how_far_it_reaches() -> None:
    assert calendar.published_until() == D(2026, 12, 31)


@pytest.mark.parametrize(
    ("day", "price", "tick"),
    [
        (D(2024, 6, 7), 10_000, 5),
        (D(2024, 6, 10), 24_999, 1),
        (D(2024, 6, 10), 25_000, 5),
        (D(2025, 4, 14), 600_000, 5),
        (D(2025, 4, 15), 24_999, 1),
        (D(2025, 4, 15), 25_000, 5),
        (D(2025, 4, 15), 99_999, 5),
        (D(2025, 4, 15), 100_000, 10),
        (D(2025, 4, 15), 500_000, 50),
        (D(2025, 4, 15), 1_000_000, 100),
        (D(2025, 4, 15), 2_000_000, 500),
        (D(2025, 4, 15), 99_999_999, 500),
    ],
)
def test_the_price_step(day: D, price: int, tick: int) -> None:
    assert tick_size(tick_bands(day), price) == tick


def test_who_closes_by_auction() -> None:
    assert calendar.has_closing_auction("NSE", "RELIANCE")
    assert calendar.has_closing_auction("BSE", "RELIANCE")
    assert not calendar.has_closing_auction("NSE", "NOSUCHSHARE")
    assert not calendar.has_closing_auction("MCX", "RELIANCE")


def test_exchange_time_has_no_surprises() -> None:
    midnight = session(D(2026, 11, 23), broker="paper", has_closing_auction=False).midnight_us

    assert midnight == 1_795_372_200 * 1_000_000
    assert clock_text(midnight) == "00:00:00"
    assert calendar.seconds_of_day("15:18") == calendar.seconds_of_day("15:18:00") == 55_080


def test_the_closing_auction__is_dated() -> None:
    assert calendar.closing_auction_us(D(2019, 7, 9)) is None
    start = calendar.closing_auction_us(D(2026, 11, 23))
    assert start is not None
    assert calendar.clock_text(start) == "15:15:00"


def test_the_square_off_of_a_broker_without_a_row__is_papers() -> None:
    time_us = calendar.square_off_us(D(2019, 7, 9), broker="nobody")
    assert calendar.clock_text(time_us) == "15:20:00"

"""What Zerodha takes, where it is, when its sessions end, and what loading it brings along."""

import datetime as dt
import subprocess
import sys

import pytest
from algo_brokers.errors import DeniedLocally
from algo_brokers.adapters import adapter
from algo_brokers.zerodha.auth import expiry
from algo_contract.ids import TAG_LENGTH
from algo_contract.trading_day import IST, microseconds
from algo_engine.orders import OrderType, Terms

KIND = adapter("zerodha")


def at(text: str) -> int:
    return microseconds(dt.datetime.fromisoformat(text).replace(tzinfo=IST))


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-23 08:45:00", "2026-11-24 06:00:00"),
        ("2026-11-23 05:59:59", "2026-11-23 06:00:00"),
        ("2026-11-23 06:00:00", "2026-11-24 06:00:00"),
        ("2026-12-31 23:59:59", "2027-01-01 06:00:00"),
    ],
)
def test_a_session__ends_at_the_next_six_in_the_morning(now: str, end: str) -> None:
    assert expiry(at(now)) == at(end)


@pytest.mark.parametrize(
    ("exchange", "day", "order_type", "is_legal"),
    [
        ("NSE", "2026-11-23", "MARKET", True),
        ("NSE", "2026-11-23", "STOP_MARKET", True),
        ("NSE", "2019-07-09", "STOP_LIMIT", True),
        ("BSE", "2023-10-06", "STOP_MARKET", True),
        ("BSE", "2023-10-09", "STOP_MARKET", False),
        ("BSE", "2026-11-23", "STOP_LIMIT", True),
        ("BSE", "2026-11-23", "MARKET", True),
        ("MCX", "2026-11-23", "LIMIT", False),
    ],
)
def test_an_order__is_legal_by_exchange_and_day(
    exchange: str, day: str, order_type: OrderType, is_legal
) -> None:
    terms = Terms(type=order_type, quantity=1)
    date = dt.date.fromisoformat(day)
    if is_legal:
        KIND.capabilities.check(terms, exchange=exchange, day=date)
        assert KIND.capabilities.on(exchange, date).resting_stop == "STOP_LIMIT"
        return
    with pytest.raises(DeniedLocally, match="zerodha takes no"):
        KIND.capabilities.check(terms, exchange=exchange, day=date)


def test_the_table__fits_the_product() -> None:
    capabilities = KIND.capabilities
    assert capabilities.tag_length >= TAG_LENGTH
    assert capabilities.order_book_lag_seconds >= 5
    assert all(row.source for row in capabilities.rows)
    for row in capabilities.rows:
        assert row.resting_stop in row.order_types
        for change in (("STOP_LIMIT", "MARKET"), ("STOP_LIMIT", "LIMIT")):
            assert change in capabilities.confirmed_modifies


def test_addresses__are_zerodhas_or_the_accounts_own() -> None:
    own = KIND.endpoints(None, None)
    assert (own.rest, own.master) == (
        "https://api.kite.trade",
        "https://api.kite.trade/instruments",
    )
    assert own.login == "https://kite.zerodha.com/connect/login"
    assert (own.market, own.orders) == ("wss://ws.kite.trade", "")
    other = KIND.endpoints("http://127.0.0.1:1/", "ws://127.0.0.1:1")
    assert (other.rest, other.login) == ("http://127.0.0.1:1", "http://127.0.0.1:1/connect/login")


def test_loading_it__brings_nothing_large() -> None:
    program = (
        "import sys; from algo_brokers.adapters import adapter; adapter('zerodha');"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    large = {"requests", "pydantic", "aiohttp", "websockets", "yaml", "algo_redis"}
    assert large.isdisjoint(done.stdout.split())

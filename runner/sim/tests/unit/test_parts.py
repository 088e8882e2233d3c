"""The small parts: rate limits, the table of faults, tokens, bars, options."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from algo_engine.tick_file import TickFileError
from support.servers.sim_server import TICKS

from algo_sim.exchange.candles import Candles
from algo_sim.faults import Fault, FaultError, Faults, read_fault
from algo_sim.rate_limits import RateLimits
from algo_sim.tick_source import instruments, overview
from algo_sim.settings import SettingsError, read_settings
from algo_sim.zerodha.auth import LoginRefused, Tokens, flushed_at, redirect_address

MINUTE = 60_000_000
WORDS = ["--ticks", str(TICKS)]


def test_a_limit__counts_the_calendar_second_and_minute() -> None:
    limits = RateLimits({"order": {1: 2, 60: 3}})
    assert [limits.allow("order", now=n) for n in (60.0, 60.5, 60.9)] == [True, True, False]
    assert [limits.allow("order", now=n) for n in (61.0, 61.1)] == [True, False]
    assert limits.allow("order", now=120.0)
    assert all(limits.allow("other", now=60.0) for _ in range(99))


def test_a_fault__strikes_as_often_as_it_was_armed_and_only_where() -> None:
    faults = Faults(lambda: 0.0)
    faults.arm(Fault(name="reject", on="place", times=2))
    assert faults.strike("reject", on="cancel") is None
    assert faults.strike("reject", "refuse", on="place") is not None
    assert faults.strike("reject", on="place") is not None
    assert faults.strike("reject", on="place") is None


def test_a_fault_with_an_end__is_over_then() -> None:
    now = [0.0]
    faults = Faults(lambda: now[0])
    faults.arm(read_fault({"fault": "freeze_feed", "seconds": 2}, monotonic=0.0))
    assert faults.is_armed("freeze_feed")
    now[0] = 2.5
    assert not faults.is_armed("freeze_feed")


@pytest.mark.parametrize(
    "fields",
    [{}, {"fault": "x"}, {"fault": "reject", "times": True}, {"fault": "short_book", "rows": 0}],
)
def test_a_fault_that_makes_no_sense__is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(FaultError):
        read_fault(fields, monotonic=0.0)


def tokens(now: list[float]) -> Tokens:
    return Tokens("key", "secret", now=lambda: now[0])


def checksum(token: str) -> str:
    return hashlib.sha256(f"key{token}secret".encode()).hexdigest()


def test_a_request_token__is_good_for_minutes() -> None:
    now = [1_000_000.0]
    found = tokens(now)
    token = found.request_token("key")
    now[0] += 301
    with pytest.raises(LoginRefused):
        found.session(api_key="key", request_token=token, checksum=checksum(token))
    with pytest.raises(LoginRefused):
        found.request_token("other")


def test_an_access_token__dies_at_six_in_the_morning() -> None:
    now = [1_562_643_000.0]  # 9 July 2019, 09:00 IST
    found = tokens(now)
    token = found.request_token("key")
    access = found.session(api_key="key", request_token=token, checksum=checksum(token))
    now[0] += 20 * 3600
    assert found.is_good("key", access)
    assert not found.is_good("other", access)
    now[0] += 3600
    assert not found.is_good("key", access)
    assert flushed_at(1_562_643_000.0) == 1_562_643_000 + 21 * 3600


def test_tokens_and_secrets__are_in_no_repr() -> None:
    found = tokens([0.0])
    token = found.request_token("key")
    assert "secret" not in repr(found)
    assert token not in repr(found)


def test_the_redirect__keeps_what_the_address_had() -> None:
    address = redirect_address("https://app.example/cb?a=1", "tok", "b=2")
    assert address.startswith("https://app.example/cb?a=1&b=2&")
    assert "request_token=tok" in address


def test_longer_bars__are_counted_from_the_anchor() -> None:
    candles = Candles()
    for minute, price in enumerate((10, 12, 9, 11, 20)):
        candles.add(("NSE", "X"), price=price, quantity=1, time_us=minute * MINUTE)
    bars = candles.bars(("NSE", "X"), minutes=3, from_us=0, to_us=10 * MINUTE, anchor_us=0)
    assert [(b.open, b.high, b.low, b.close, b.volume) for b in bars] == [
        (10, 12, 9, 9, 3),
        (11, 20, 11, 20, 2),
    ]


def test_numbers_of_shares__are_unique_and_stable() -> None:
    found = instruments(overview(TICKS), instruments=5000)
    keys = {(instrument.exchange, instrument.token) for instrument in found}
    assert len(keys) == len(found) == 4001
    yesbank = found.by_symbol("NSE", "YESBANK")
    assert yesbank is not None
    assert (yesbank.token, yesbank.tick_size, yesbank.previous_close) == (11915, 5, 9500)


def test_a_file_without_ticks_or_with_days_out_of_order__is_refused(tmp_path: Path) -> None:
    header = "time,exchange,symbol,price,quantity,volume\n"
    empty = tmp_path / "empty.csv"
    empty.write_text(header)
    with pytest.raises(TickFileError, match="no tick"):
        overview(empty)
    rows = [f"2019-07-{day:02d}T09:15:00+05:30,NSE,X,1.00,1,1\n" for day in (10, 9)]
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(header + "".join(rows))
    with pytest.raises(TickFileError, match="order"):
        overview(wrong)


def test_options__have_defaults() -> None:
    settings = read_settings(WORDS)
    assert settings.brokers == ("zerodha", "dhan")
    assert settings.speed is None
    assert settings.accounts["zerodha"]["api_key"] == "simkey"
    assert read_settings([*WORDS, "--speed", "max"]).speed == math.inf


def test_an_account_file__changes_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    own = {"zerodha": {"api_key": "mine", "limits": {"quote": {"1": 5}}}}
    file.write_text(json.dumps(own))
    account = read_settings([*WORDS, "--account", str(file)]).accounts["zerodha"]
    assert (account["api_key"], account["user_id"]) == ("mine", "SIM001")
    assert account["limits"] == {"quote": {1: 5}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("--account", "[]"),
        ("--account", '{"nobody": {}}'),
        ("--account", '{"zerodha": 1}'),
        ("--account", '{"zerodha": {"limits": {"quote": 1}}}'),
        ("--account", '{"zerodha": {"packets": "never"}}'),
        ("--account", '{"dhan": {"packets": ["clock"]}}'),
        ("--account", '{"dhan": {"last_trade": 1}}'),
        ("--account", '{"dhan": {"strict_totp": "yes"}}'),
        ("--account", "{"),
        ("--scenario", "{}"),
        ("--scenario", "[1]"),
    ],
)
def test_a_file_that_is_not_good__is_named(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(SettingsError, match=name):
        read_settings([*WORDS, name, str(file)])


@pytest.mark.parametrize("words", [["--speed", "0"], ["--speed", "fast"], ["--tls-cert", "x"]])
def test_an_option_that_makes_no_sense__is_refused(words: list[str]) -> None:
    with pytest.raises(SettingsError):
        read_settings([*WORDS, *words])


def test_a_scenario__may_be_yaml(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text('- {at: "09:20:00", broker: zerodha, fault: reject}\n')
    settings = read_settings([*WORDS, "--scenario", str(file)])
    assert settings.scenario == ({"at": "09:20:00", "broker": "zerodha", "fault": "reject"},)
    file.write_text("[")
    with pytest.raises(SettingsError, match="--scenario"):
        read_settings([*WORDS, "--scenario", str(file)])

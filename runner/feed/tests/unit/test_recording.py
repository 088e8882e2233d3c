"""A tick file's days, checked before anything is published."""

import datetime as dt
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from algo_contract.trading_day import clock_text
from algo_feed.errors import BadInput
from algo_feed.replay.recording import recorded_days, ticks_by_day

TickFile = Callable[..., Path]


def test_recorded_days__two_days__counts_and_clock(tick_file: TickFile) -> None:
    first, second = recorded_days(tick_file(("2019-07-09", 9), ("2019-07-10", 2)))

    assert (first.date, second.date) == (dt.date(2019, 7, 9), dt.date(2019, 7, 10))
    assert first.ticks == {("NSE", "RELIANCE"): 6, ("NSE", "INFY"): 3}
    assert second.ticks == {("NSE", "RELIANCE"): 2}
    assert clock_text(first.opening_us) == "09:00:00"
    assert clock_text(first.closing_us) == "15:30:01"


def test_recorded_days__gzip__same(tick_file: TickFile, tmp_path: Path) -> None:
    plain = tick_file(("2019-07-09", 9))
    packed = tmp_path / "ticks.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    assert recorded_days(packed) == recorded_days(plain)


def test_recorded_days__broken_line__named(tick_file: TickFile) -> None:
    path = tick_file(("2019-07-09", 9))
    lines = path.read_text().splitlines()
    lines[6] = lines[6].replace("100.05", "a lot").replace("101.05", "a lot")
    path.write_text("\n".join(lines))

    with pytest.raises(BadInput, match=rf"{path}, line 7: .*Nothing was published"):
        recorded_days(path)


def test_recorded_days__days_out_of_order__refused(tick_file: TickFile) -> None:
    with pytest.raises(BadInput, match="ticks of 2019-07-09 come after ticks of 2019-07-10"):
        recorded_days(tick_file(("2019-07-10", 1), ("2019-07-09", 1)))


def test_recorded_days__only_a_header__refused(tick_file: TickFile) -> None:
    with pytest.raises(BadInput, match="ticks"):
        recorded_days(tick_file())


def test_recorded_days__no_rules_for_the_day__refused(tick_file: TickFile) -> None:
    with pytest.raises(BadInput, match="1985-07-09"):
        recorded_days(tick_file(("1985-07-09", 1)))


def test_ticks_by_day__file_ends_early__says_it_changed(tick_file: TickFile) -> None:
    days = ticks_by_day(tick_file(("2019-07-09", 1)))

    assert len(list(next(days))) == 1
    with pytest.raises(BadInput, match="changed while it was read"):
        next(days)

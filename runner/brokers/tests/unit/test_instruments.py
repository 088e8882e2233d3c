"""The instrument master: looked up both ways, small while it is built and after."""

import tracemalloc
from collections.abc import Iterator

import pytest
from algo_brokers.instruments import Instrument, InstrumentMaster
from hypothesis import given
from hypothesis import strategies as st

RELIANCE = Instrument(exchange="NSE", symbol="RELIANCE", token=738561, tick_size=10)
RELIANCE_BSE = Instrument(exchange="BSE", symbol="RELIANCE", token=128083204, tick_size=5)
MM = Instrument(exchange="NSE", symbol="M&M", token=519937, tick_size=10, freeze_quantity=50_000)
ROWS = 100_000


def many() -> Iterator[Instrument]:
    """As many shares as masters have rows, in no order."""
    for number in range(ROWS):
        mixed = number * 7919 % ROWS
        yield Instrument(
            exchange="NSE" if mixed % 2 else "BSE",
            symbol=f"SHARE{mixed}",
            token=mixed * 256 + 1,
            tick_size=5,
        )


@pytest.fixture(scope="module")
def large() -> tuple[InstrumentMaster, int, int]:
    """A large master, and the bytes that it holds, and held at most while it was built."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    master = InstrumentMaster(many())
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return master, held - before, peak - before


def test_symbol_and_token__both_find_the_share() -> None:
    master = InstrumentMaster([RELIANCE, RELIANCE_BSE, MM])
    assert len(master) == 3
    for share in (RELIANCE, RELIANCE_BSE, MM):
        assert master.by_symbol(share.exchange, share.symbol) == share
        assert master.by_token(share.token) == share


@pytest.mark.parametrize("symbol", ["", "RELIANC", "RELIANCEX", "reliance", "\x00", "~"])
def test_an_unknown_symbol__is_none(symbol: str) -> None:
    assert InstrumentMaster([RELIANCE, MM]).by_symbol("NSE", symbol) is None


@pytest.mark.parametrize("token", [-1, 0, 738560, 2**32 - 1, 2**70])
def test_an_unknown_token__is_none(token: int) -> None:
    assert InstrumentMaster([RELIANCE, MM]).by_token(token) is None


def test_an_empty_master__knows_nothing() -> None:
    master = InstrumentMaster([])
    assert (len(master), master.by_symbol("NSE", "X"), master.by_token(1)) == (0, None, None)


def test_two_rows_of_one_share__the_first_counts() -> None:
    again = Instrument(exchange="NSE", symbol="RELIANCE", token=1, tick_size=5)
    master = InstrumentMaster([RELIANCE, again])
    assert (len(master), master.by_symbol("NSE", "RELIANCE")) == (1, RELIANCE)
    assert master.by_token(1) is None


def test_a_number_that_two_exchanges_use__is_told_apart_by_exchange() -> None:
    nse = Instrument(exchange="NSE", symbol="A", token=500, tick_size=5)
    bse = Instrument(exchange="BSE", symbol="B", token=500, tick_size=5)
    master = InstrumentMaster([nse, bse])
    assert master.by_token(500, exchange="NSE") == nse
    assert master.by_token(500, exchange="BSE") == bse
    assert master.by_token(500, exchange="MCX") is None


@pytest.mark.parametrize("token", [-1, 2**32])
def test_a_number_that_does_not_fit__is_passed_over(token: int) -> None:
    odd = Instrument(exchange="NSE", symbol="ODD", token=token, tick_size=5)
    assert len(InstrumentMaster([odd, RELIANCE])) == 1


@given(
    st.lists(
        st.builds(
            Instrument,
            exchange=st.sampled_from(["NSE", "BSE"]),
            symbol=st.text(min_size=1, max_size=6),
            token=st.integers(0, 50),
            tick_size=st.integers(1, 500),
            lot_size=st.integers(1, 9),
            freeze_quantity=st.none() | st.integers(1, 10**9),
        ),
        max_size=30,
    )
)
def test_any_rows__each_share_is_found_as_it_came(rows: list[Instrument]) -> None:
    master = InstrumentMaster(iter(rows))
    first: dict[tuple[str, str], Instrument] = {}
    for row in rows:
        first.setdefault((row.exchange, row.symbol), row)
    assert len(master) == len(first)
    for (exchange, symbol), row in first.items():
        assert master.by_symbol(exchange, symbol) == row
        found = master.by_token(row.token, exchange=exchange)
        assert found in first.values()
        assert found.token == row.token


def test_a_hundred_thousand_rows__are_all_found(large) -> None:
    master, _, _ = large
    assert len(master) == ROWS
    for number in range(0, ROWS, 997):
        exchange = "NSE" if number % 2 else "BSE"
        found = master.by_symbol(exchange, f"SHARE{number}")
        assert found is not None
        assert found.token == number * 256 + 1
        assert master.by_token(found.token) == found


def test_a_hundred_thousand_rows__take_little_room(large) -> None:
    """24 bytes a row in columns, 13 of its name, and what growing arrays keep free."""
    _, held, peak = large
    assert held / ROWS < 45
    assert peak / ROWS < 180

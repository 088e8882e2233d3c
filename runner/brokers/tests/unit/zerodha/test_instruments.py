"""The instrument master: only shares are kept, and nothing odd stops the reading."""

import tracemalloc
from collections.abc import Iterator

import pytest
from algo_brokers.instruments import Instrument, InstrumentMaster
from algo_brokers.zerodha.instruments import parse_instruments
from hypothesis import given
from hypothesis import strategies as st

HEAD = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,"
    "lot_size,instrument_type,segment,exchange\n"
)
INFY = "408065,1594,INFY,INFOSYS,0,,0,0.1,1,EQ,NSE,NSE\n"
INFY_SHARE = Instrument(exchange="NSE", symbol="INFY", token=408065, tick_size=10)


def parsed(*rows: str, head: str = HEAD) -> list[Instrument]:
    return list(parse_instruments(iter([head, *rows])))


def test_shares_of_both_exchanges__are_kept() -> None:
    rows = (
        INFY,
        "128053508,500209,INFY,INFOSYS,0.0,,0.0,0.05,1,EQ,BSE,BSE\n",
        '519937,2031,M&M,"MAHINDRA & MAHINDRA, LTD",0,,0,0.10,1,EQ,NSE,NSE\r\n',
        "1,1,PENNY-BE,PENNY,0,,0,0.01,1,EQ,NSE,NSE\n",
    )
    assert [(i.exchange, i.symbol, i.token, i.tick_size) for i in parsed(*rows)] == [
        ("NSE", "INFY", 408065, 10),
        ("BSE", "INFY", 128053508, 5),
        ("NSE", "M&M", 519937, 10),
        ("NSE", "PENNY-BE", 1, 1),
    ]


@pytest.mark.parametrize(
    "row",
    [
        "256265,1001,NIFTY 50,NIFTY 50,0,,0,0.05,1,EQ,INDICES,NSE\n",
        "1,1,INFY26NOVFUT,INFY,0,2026-11-26,0,0.1,400,FUT,NFO-FUT,NFO\n",
        "1,1,INFY26NOV1500CE,INFY,0,2026-11-26,1500,0.05,400,CE,NFO-OPT,NFO\n",
        "1,1,GOLD,GOLD,0,,0,1,1,EQ,MCX,MCX\n",
        "x,1,BAD,BAD,0,,0,0.05,1,EQ,NSE,NSE\n",
        "-1,1,BAD,BAD,0,,0,0.05,1,EQ,NSE,NSE\n",
        "1,1,BAD,BAD,0,,0,0,1,EQ,NSE,NSE\n",
        "1,1,BAD,BAD,0,,0,0.0025,1,EQ,NSE,NSE\n",
        "1,1,BAD,BAD,0,,0,NaN,1,EQ,NSE,NSE\n",
        "1,1,BAD,BAD,0,,0,1e999999,1,EQ,NSE,NSE\n",
        "1,1,BAD,BAD,0,,0,,1,EQ,NSE,NSE\n",
        "1,1,BAD,BAD,0,,0,0.05,,EQ,NSE,NSE\n",
        "1,1,,BAD,0,,0,0.05,1,EQ,NSE,NSE\n",
        "1,1,BAD,BAD,0,,0,0.05,1,EQ,NSE\n",
        "99999999999999999999999,1,BAD,BAD,0,,0,0.05,1,EQ,NSE,NSE\n",
        "²,1,BAD,BAD,0,,0,0.05,1,EQ,NSE,NSE\n",
        "\n",
        "\x00\n",
        "x" * 200_000 + "\n",
    ],
)
def test_another_row__is_passed_over(row: str) -> None:
    assert parsed(row, INFY) == [INFY_SHARE]


def test_columns_in_another_order_and_more__are_found_by_name() -> None:
    head = (
        "segment,new,exchange,tradingsymbol,instrument_type,lot_size,tick_size,instrument_token\n"
    )
    assert parsed("NSE,?,NSE,INFY,EQ,1,0.1,408065\n", head=head) == [INFY_SHARE]


@pytest.mark.parametrize("head", ["", "<html>\n", HEAD.replace("tick_size", "tick"), "\x00\n"])
def test_a_file_that_is_no_master__has_no_shares(head: str) -> None:
    assert parsed(INFY, head=head) == []


@given(st.lists(st.text(max_size=80), max_size=10))
def test_any_lines__stop_nothing(lines: list[str]) -> None:
    assert parsed(*lines, INFY)[-1] == INFY_SHARE


def test_a_stray_quote__costs_its_own_row() -> None:
    rows = [f"{n},{n},S{n},NAME,0,,0,0.05,1,EQ,NSE,NSE\n" for n in range(1, 1001)]
    rows[99] = rows[99].replace("NAME", '"NAME')

    assert [i.symbol for i in parsed(*rows)] == [f"S{n}" for n in range(1, 1001) if n != 100]


def test_a_hundred_thousand_rows__are_read_in_little_room() -> None:
    def lines() -> Iterator[str]:
        yield HEAD
        for n in range(100_000):
            if n % 5:
                yield f"{n},{n},OPT{n}CE,OPT,0,2026-11-26,{n},0.05,50,CE,NFO-OPT,NFO\n"
            else:
                yield f"{n + 1},{n},SHARE{n},A SHARE,0,,0,0.05,1,EQ,NSE,NSE\n"

    tracemalloc.start()
    master = InstrumentMaster(parse_instruments(lines()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(master) == 20_000
    assert peak < 8_000_000

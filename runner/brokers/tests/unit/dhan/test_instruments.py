import pytest

from algo_brokers.dhan.instruments import parse_instruments
from algo_brokers.instruments import Instrument, InstrumentMaster

HEADER = (
    "SEM_EXM_EXCH_ID,SEM_SEGMENT,SEM_SMST_SECURITY_ID,SEM_INSTRUMENT_NAME,SEM_EXPIRY_CODE,"
    "SEM_TRADING_SYMBOL,SEM_LOT_UNITS,SEM_CUSTOM_SYMBOL,SEM_EXPIRY_DATE,SEM_STRIKE_PRICE,"
    "SEM_OPTION_TYPE,SEM_TICK_SIZE,SEM_EXPIRY_FLAG,SEM_EXCH_INSTRUMENT_TYPE,SEM_SERIES,"
    "SM_SYMBOL_NAME"
)


def line(exchange="NSE", segment="E", token="2885", kind="EQUITY", symbol="RELIANCE", **more):
    tick, series, lot = (
        more.get("tick", "10.0000"),
        more.get("series", "EQ"),
        more.get("lot", "1.0"),
    )
    return (
        f'{exchange},{segment},{token},{kind},0,{symbol},{lot},"A, B",,,XX,{tick},,ES,{series},NAME'
    )


def parsed(*lines):
    return list(parse_instruments(iter([HEADER, *lines])))


def test_parse_master__share__has_its_id_and_its_tick_in_paise():
    assert parsed(line()) == [
        Instrument(exchange="NSE", symbol="RELIANCE", token=2885, tick_size=10)
    ]


def test_parse_master__same_id_in_both_exchanges__are_two_shares():
    master = InstrumentMaster(
        parsed(line(token="500"), line(exchange="BSE", token="500", symbol="M&M", series="A"))
    )
    assert master.by_token(500, exchange="NSE").symbol == "RELIANCE"
    assert master.by_token(500, exchange="BSE").symbol == "M&M"


@pytest.mark.parametrize(
    "row",
    [
        line(segment="D", kind="FUTSTK"),
        line(kind="INDEX"),
        line(exchange="MCX"),
        line(series="BL"),
        line(symbol=""),
        line(token="x"),
        line(tick="0.0000"),
        line(tick="0.5"),
        line(tick="-"),
        line(tick="1e999999"),
        line(tick="1e99999999999999999999"),
        line(lot="NaN"),
        line(lot="1e999999"),
        line(symbol="x" * 200_000),
        "NSE,E,1",
        "",
    ],
)
def test_parse_master__anything_else_or_unreadable__is_passed_over(row):
    assert [share.token for share in parsed(row, line())] == [2885]


def test_parse_master__column_missing__is_said():
    with pytest.raises(ValueError, match="SEM_TICK_SIZE"):
        list(parse_instruments(iter([HEADER.replace("SEM_TICK_SIZE", "TICK")])))
    with pytest.raises(ValueError, match="no column"):
        list(parse_instruments(iter([])))

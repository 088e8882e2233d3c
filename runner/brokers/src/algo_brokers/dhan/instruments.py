"""Dhan's instrument master: the compact CSV, as it streams in."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Final

from algo_contract.messages.broker_session import BrokerSession

from algo_brokers.dhan.responses import refusal
from algo_brokers.http.client import HttpClient
from algo_brokers.instruments import MAX_NUMBER, Instrument
from algo_brokers.parsing import csv_rows
from algo_brokers.urls import Endpoints

NSE_SERIES: Final = frozenset({"EQ", "BE", "BZ", "SM", "ST"})
"""Series in which shares trade day by day; the same symbols stand there for block deals too."""

_COLUMNS: Final = (
    "SEM_EXM_EXCH_ID",
    "SEM_SEGMENT",
    "SEM_INSTRUMENT_NAME",
    "SEM_SMST_SECURITY_ID",
    "SEM_TRADING_SYMBOL",
    "SEM_TICK_SIZE",
    "SEM_LOT_UNITS",
    "SEM_SERIES",
)


def download_instruments(
    http: HttpClient, endpoints: Endpoints, session: BrokerSession
) -> AsyncIterator[bytes]:
    """The file in pieces. It is public: no token is sent."""
    del session
    return http.download(endpoints.master, headers={"Accept": "text/csv"}, refusal=refusal)


def parse_instruments(lines: Iterator[str]) -> Iterator[Instrument]:
    """Shares of NSE and BSE. The token is Dhan's security id, unique inside an exchange only;
    the compact file has no freeze quantities.

    Raises:
        ValueError: the file lacks a column that is needed.
    """
    reader = csv_rows(lines)
    header = next(reader, [])
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise ValueError(f"Dhan's instrument master has no column {missing[0]}")
    places = [header.index(name) for name in _COLUMNS]
    for row in reader:
        if len(row) > max(places) and (instrument := _share([row[place] for place in places])):
            yield instrument


def _share(cells: list[str]) -> Instrument | None:
    exchange, segment, kind, token, symbol, tick, lot, series = cells
    if segment != "E" or kind != "EQUITY" or exchange not in {"NSE", "BSE"} or not symbol:
        return None
    if exchange == "NSE" and series not in NSE_SERIES:
        return None
    try:
        tick_size, lot_size = _whole(tick), _whole(lot)
        number = int(token)
    except (ArithmeticError, ValueError):
        return None
    return Instrument(
        exchange=exchange, symbol=symbol, token=number, tick_size=tick_size, lot_size=lot_size
    )


def _whole(text: str) -> int:
    """A whole number above 0, written with or without decimals: tick sizes come as 5.0000 paise.

    Raises:
        ArithmeticError, ValueError: it is none.
    """
    number = Decimal(text)
    if not 0 < number <= MAX_NUMBER or number != number.to_integral_value():
        raise ValueError(text)
    return int(number)

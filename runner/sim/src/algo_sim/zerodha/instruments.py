"""The instrument master as CSV: the exchange's shares, and option rows that nobody trades here."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final

from algo_sim.exchange.instruments import Instrument
from algo_sim.zerodha.serializers import instrument_token

HEADER: Final = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,"
    "lot_size,instrument_type,segment,exchange"
)
_NFO: Final = 2
_FIRST_OPTION: Final = 40_000
_STRIKES: Final = 100


def share_rows(instruments: Iterable[Instrument]) -> Iterator[str]:
    """A row for each share."""
    for instrument in instruments:
        step, symbol = f"{instrument.tick_size / 100:g}", instrument.symbol
        yield (
            f"{instrument_token(instrument)},{instrument.token},{symbol},{symbol} LTD,"
            f"0,,0,{step},1,EQ,{instrument.exchange},{instrument.exchange}"
        )


def index_rows() -> Iterator[str]:
    """Indices are quoted and cannot be traded; segment 9 is theirs."""
    for number, name in ((1001, "NIFTY 50"), (1035, "NIFTY BANK")):
        yield f"{number * 256 + 9},{number},{name},{name},0,,0,0,0,EQ,INDICES,NSE"


def option_rows(count: int, *, day: dt.date) -> Iterator[str]:
    """Options, as most of a real master is."""
    for number in range(count):
        expiry = day + dt.timedelta(days=7 * (1 + number // (2 * _STRIKES) % 8))
        strike = 10_000 + 50 * (number // 2)
        kind = "CE" if number % 2 == 0 else "PE"
        token = _FIRST_OPTION + number
        name = f"NIFTY{expiry:%y%b}".upper()
        yield (
            f"{token * 256 + _NFO},{token},{name}{strike}{kind},NIFTY,0,{expiry.isoformat()},"
            f"{strike},0.05,65,{kind},NFO-OPT,NFO"
        )


def master(rows: Iterable[str], *, exchange: str = "") -> bytes:
    """The CSV, or an exchange's part of it."""
    end = f",{exchange}"
    chosen = (row for row in rows if not exchange or row.endswith(end))
    return ("\n".join([HEADER, *chosen]) + "\n").encode()

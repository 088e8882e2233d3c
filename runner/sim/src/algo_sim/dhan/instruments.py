"""The compact instrument file: CSV in pieces, shares among rows of other kinds."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

from aiohttp import web

from algo_sim.dhan.handlers import Call, Handlers
from algo_sim.exchange.instruments import Instrument

HEADER: Final = (
    "SEM_EXM_EXCH_ID,SEM_SEGMENT,SEM_SMST_SECURITY_ID,SEM_INSTRUMENT_NAME,SEM_EXPIRY_CODE,"
    "SEM_TRADING_SYMBOL,SEM_LOT_UNITS,SEM_CUSTOM_SYMBOL,SEM_EXPIRY_DATE,SEM_STRIKE_PRICE,"
    "SEM_OPTION_TYPE,SEM_TICK_SIZE,SEM_EXPIRY_FLAG,SEM_EXCH_INSTRUMENT_TYPE,SEM_SERIES,"
    "SM_SYMBOL_NAME"
)
_INDICES: Final = ((13, "NIFTY", "Nifty 50"), (25, "BANKNIFTY", "Bank Nifty"))
_PIECE_ROWS: Final = 500


class InstrumentRoutes:
    """The public file; it takes no token."""

    def __init__(self, front: Handlers) -> None:
        """Of the floor's shares."""
        self._front = front

    def routes(self) -> list[web.RouteDef]:
        """One."""
        return [
            web.get(
                "/api-data/api-scrip-master.csv",
                self._front.handler(self._file, limit="master", is_public=True),
            )
        ]

    def _file(self, _: Call) -> web.Response:
        found = rows(self._front.broker.exchange.market.instruments)
        return web.Response(body=_pieces(found), content_type="text/csv", charset="utf-8")


def rows(instruments: Iterable[Instrument]) -> Iterator[str]:
    """Lines of the file. A security id is unique inside its segment only: each share has a future
    with the share's own number.
    """
    yield HEADER
    for number, symbol, name in _INDICES:
        yield f"NSE,I,{number},INDEX,0,{symbol},1.0,{name},,,,5.0000,NA,INDEX,X,{name}"
    for instrument in instruments:
        yield _share(instrument)
        if instrument.exchange == "NSE":
            yield _future(instrument)


def _share(instrument: Instrument) -> str:
    symbol, series = instrument.symbol, "EQ" if instrument.exchange == "NSE" else "A"
    tick = f"{instrument.tick_size:.4f}"
    return (
        f"{instrument.exchange},E,{instrument.token},EQUITY,0,{symbol},1.0,{symbol.title()},,,,"
        f"{tick},NA,ES,{series},{symbol} LTD"
    )


def _future(instrument: Instrument) -> str:
    symbol = instrument.symbol
    return (
        f"NSE,D,{instrument.token},FUTSTK,0,{symbol}-Dec2026-FUT,500.0,{symbol} DEC FUT,"
        "2026-12-29 14:30:00,-0.01000,XX,5.0000,M,FUT,,"
    )


async def _pieces(lines: Iterator[str]) -> AsyncIterator[bytes]:
    piece: list[str] = []
    for line in lines:
        piece.append(line)
        if len(piece) == _PIECE_ROWS:
            yield ("\n".join(piece) + "\n").encode()
            piece.clear()
    yield ("\n".join(piece) + "\n").encode() if piece else b""

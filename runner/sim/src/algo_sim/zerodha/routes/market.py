"""Quotes, bars and the instrument master."""

import datetime as dt
import gzip
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from aiohttp import web
from algo_contract.money import rupees
from algo_contract.trading_day import IST, ist_datetime, microseconds

from algo_sim.broker import SimulatedBroker
from algo_sim.exchange.instruments import Instrument
from algo_sim.exchange.market_state import Prices
from algo_sim.zerodha import serializers
from algo_sim.zerodha.auth import Tokens
from algo_sim.zerodha.errors import envelope
from algo_sim.zerodha.handlers import Handlers
from algo_sim.zerodha.instruments import index_rows, master, option_rows, share_rows
from algo_sim.zerodha.order_requests import InputError

MOST_QUOTES: Final = 500
MOST_PRICES: Final = 1000
"""Keys in one call of /quote, and of /quote/ohlc and /quote/ltp."""

MINUTES: Final = {
    "minute": 1,
    "3minute": 3,
    "5minute": 5,
    "10minute": 10,
    "15minute": 15,
    "30minute": 30,
    "60minute": 60,
    "day": 1440,
}
_MARKET_OPENS: Final = "09:15"
Words = Callable[[Instrument, Prices], dict[str, Any]]


class MarketRoutes(Handlers):
    """What the market does."""

    def __init__(self, broker: SimulatedBroker, tokens: Tokens) -> None:
        """Over one account."""
        super().__init__(broker, tokens)
        self._master: Final = cache(self._build_master)

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.get("/quote", self._quote),
            web.get("/quote/ohlc", self._ohlc),
            web.get("/quote/ltp", self._ltp),
            web.get("/instruments", self._instruments),
            web.get("/instruments/{exchange}", self._instruments),
            web.get("/instruments/historical/{token}/{interval}", self._historical),
        ]

    async def _quote(self, request: web.Request) -> web.StreamResponse:
        now_us = self.broker.exchange.market.now_us
        return await self._prices(
            request,
            MOST_QUOTES,
            lambda x, prices: serializers.quote_words(x, prices, now_us=now_us),
        )

    async def _ohlc(self, request: web.Request) -> web.StreamResponse:
        return await self._prices(request, MOST_PRICES, serializers.ohlc_words)

    async def _ltp(self, request: web.Request) -> web.StreamResponse:
        return await self._prices(request, MOST_PRICES, serializers.ltp_words)

    async def _prices(self, request: web.Request, most: int, in_words: Words) -> web.StreamResponse:
        def work() -> web.Response:
            keys = request.query.getall("i", [])
            if not keys:
                raise InputError("Missing `i`.")
            if len(keys) > most:
                raise InputError(f"No more than {most} instruments can be asked for at once.")
            market = self.broker.exchange.market
            found = {key: market.instruments.by_symbol(*_split(key)) for key in keys}
            return envelope(
                {
                    key: in_words(instrument, market.prices_of(instrument))
                    for key, instrument in found.items()
                    if instrument is not None
                }
            )

        return await self.answer(request, "quotes", work, limit="quote")

    async def _historical(self, request: web.Request) -> web.StreamResponse:
        return await self.answer(
            request, "historical", lambda: self._candles(request), limit="historical"
        )

    def _candles(self, request: web.Request) -> web.Response:
        exchange = self.broker.exchange
        interval = request.match_info["interval"]
        token = request.match_info["token"]
        instrument = exchange.market.instruments.by_token(
            *serializers.listing_key(int(token) if token.isdigit() else 0)
        )
        if instrument is None:
            raise InputError("invalid token")
        if interval not in MINUTES:
            raise InputError("invalid interval")
        bars = exchange.candles.bars(
            instrument.key,
            minutes=MINUTES[interval],
            from_us=_moment(request.query.get("from", ""), "from"),
            to_us=_moment(request.query.get("to", ""), "to"),
            anchor_us=exchange.at("00:00" if interval == "day" else _MARKET_OPENS),
        )
        with_oi = [0] if request.query.get("oi") == "1" else []
        rows = [
            [
                ist_datetime(bar.start_us).strftime("%Y-%m-%dT%H:%M:%S+0530"),
                rupees(bar.open),
                rupees(bar.high),
                rupees(bar.low),
                rupees(bar.close),
                bar.volume,
                *with_oi,
            ]
            for bar in bars
        ]
        return envelope({"candles": rows})

    async def _instruments(self, request: web.Request) -> web.StreamResponse:
        exchange = request.match_info.get("exchange", "").upper()
        packs = "gzip" in request.headers.get("Accept-Encoding", "")

        def work() -> web.Response:
            headers = {"Content-Encoding": "gzip"} if packs else {}
            return web.Response(
                body=self._master(exchange, packs), content_type="text/csv", headers=headers
            )

        return await self.answer_anybody(request, "instruments", work)

    def _build_master(self, exchange: str, packs: bool) -> bytes:  # noqa: FBT001 - a cache's key
        listed = self.broker.exchange.market.instruments
        extra = max(self.broker.master_rows - len(listed), 0)
        rows = [
            *share_rows(listed),
            *index_rows(),
            *option_rows(extra, day=self.broker.exchange.day),
        ]
        body = master(rows, exchange=exchange)
        return gzip.compress(body, 1) if packs else body


def _split(key: str) -> tuple[str, str]:
    exchange, _, symbol = key.partition(":")
    return exchange, symbol


def _moment(text: str, name: str) -> int:
    try:
        return microseconds(dt.datetime.fromisoformat(text).replace(tzinfo=IST))
    except ValueError as error:
        raise InputError(f"invalid {name} date") from error

"""Market data over REST: prices of many shares at once, and bars."""

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from aiohttp import web
from algo_contract.money import rupees
from algo_contract.trading_day import IST, microseconds

from algo_sim.dhan import enums, errors, order_requests
from algo_sim.dhan.errors import Refused
from algo_sim.dhan.handlers import Call, Handlers, data_error_response
from algo_sim.exchange.candles import Bar
from algo_sim.exchange.instruments import Instrument
from algo_sim.exchange.market_state import Level, Prices, average_price, band, depth

MOST_SHARES: Final = 1000
"""In one call."""

INTERVALS: Final = (1, 5, 15, 25, 60)
_DAY_MINUTES: Final = 1440
_OPENS: Final = dt.timedelta(hours=9, minutes=15)
_MOST_DAYS: Final = dt.timedelta(days=90)

Quote = Callable[[Instrument, Prices], dict[str, Any]]


class MarketRoutes:
    """Handlers over the floor's prices and the exchange's bars."""

    def __init__(self, front: Handlers) -> None:
        """Reads only."""
        self._front = front
        self._exchange = front.broker.exchange

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        handler = partial(self._front.handler, error=data_error_response)
        quoting = {"ltp": last_price, "ohlc": ohlc, "quote": quote}
        return [
            *(
                web.post(f"/v2/marketfeed/{name}", handler(self._quotes(show), limit="quotes"))
                for name, show in quoting.items()
            ),
            web.post("/v2/charts/intraday", handler(self._intraday, limit="data")),
            web.post("/v2/charts/historical", handler(self._daily, limit="data")),
        ]

    def _quotes(self, show: Quote) -> Callable[[Call], Any]:
        def work(call: Call) -> Any:
            if "client-id" not in call.request.headers:
                return _data_failure("810", "Client ID is invalid")
            fields = call.fields()
            fields.pop("dhanClientId", None)
            if sum(len(ids) for ids in fields.values() if isinstance(ids, list)) > MOST_SHARES:
                return _data_failure("804", "Requested number of instruments exceeds limit")
            data = {segment: self._segment(segment, ids, show) for segment, ids in fields.items()}
            return {"data": data, "status": "success"}

        return work

    def _segment(self, segment: str, ids: Any, show: Quote) -> dict[str, Any]:
        """Shares that are not known are left out."""
        found: dict[str, Any] = {}
        exchange = enums.SEGMENTS.get(segment)
        if exchange is None or not isinstance(ids, list):
            return found
        market = self._exchange.market
        for number in cast("list[object]", ids):
            instrument = market.instruments.by_token(exchange, enums.share_number(number))
            if instrument is not None:
                found[str(instrument.token)] = show(instrument, market.prices_of(instrument))
        return found

    def _intraday(self, call: Call) -> Any:
        fields = call.fields()
        minutes = next((x for x in INTERVALS if str(x) == str(fields.get("interval", 1))), 0)
        if not minutes:
            raise Refused(errors.INPUT, "Bad value for parameter interval")
        since, until = _moment(fields, "fromDate"), _moment(fields, "toDate")
        if until - since > _MOST_DAYS:
            raise Refused(errors.DATA, "At most 90 days in one call")
        return self._bars(fields, since, until, minutes=minutes)

    def _daily(self, call: Call) -> Any:
        """Bars of whole days; toDate is exclusive."""
        fields = call.fields()
        since, until = _moment(fields, "fromDate"), _moment(fields, "toDate")
        return self._bars(fields, since, until - dt.timedelta(microseconds=1), minutes=_DAY_MINUTES)

    def _bars(
        self, fields: dict[str, Any], since: dt.datetime, until: dt.datetime, *, minutes: int
    ) -> dict[str, list[float]]:
        instrument = order_requests.security(fields, self._exchange.market.instruments)
        anchor = since.replace(hour=0, minute=0, second=0, microsecond=0)
        bars = self._exchange.candles.bars(
            instrument.key,
            minutes=minutes,
            from_us=microseconds(since),
            to_us=microseconds(until),
            anchor_us=microseconds(anchor if minutes == _DAY_MINUTES else anchor + _OPENS),
        )
        if not bars:
            raise Refused(errors.DATA, "No data for this period")
        return _columns(bars)


def last_price(_: Instrument, prices: Prices) -> dict[str, Any]:
    """As /marketfeed/ltp shows a share."""
    return {"last_price": rupees(prices.last)}


def ohlc(instrument: Instrument, prices: Prices) -> dict[str, Any]:
    """As /marketfeed/ohlc shows a share; `close` is the previous day's."""
    return {
        **last_price(instrument, prices),
        "ohlc": {
            "open": rupees(prices.open),
            "close": rupees(instrument.previous_close),
            "high": rupees(prices.high),
            "low": rupees(prices.low),
        },
    }


def quote(instrument: Instrument, prices: Prices) -> dict[str, Any]:
    """As /marketfeed/quote shows a share."""
    bids, offers = depth(instrument, prices)
    lower, upper = band(instrument, prices)
    return {
        **ohlc(instrument, prices),
        "average_price": rupees(average_price(prices)),
        "buy_quantity": sum(level.quantity for level in bids),
        "sell_quantity": sum(level.quantity for level in offers),
        "depth": {"buy": [_level(x) for x in bids], "sell": [_level(x) for x in offers]},
        "last_quantity": prices.quantity,
        "last_trade_time": _trade_time(prices.trade_us),
        "lower_circuit_limit": rupees(lower),
        "upper_circuit_limit": rupees(upper),
        "net_change": rupees(prices.last - instrument.previous_close),
        "volume": prices.volume,
        "oi": 0,
        "oi_day_high": 0,
        "oi_day_low": 0,
    }


def _level(level: Level) -> dict[str, Any]:
    return {
        "quantity": level.quantity,
        "orders": level.orders,
        "price": rupees(level.price),
    }


def _trade_time(time_us: int) -> str:
    """Day first, unlike all other times of this API."""
    if not time_us:
        return "01/01/1980 00:00:00"
    return enums.ist_from_seconds(time_us / 1_000_000).strftime("%d/%m/%Y %H:%M:%S")


def _columns(bars: list[Bar]) -> dict[str, list[float]]:
    return {
        "open": [rupees(bar.open) for bar in bars],
        "high": [rupees(bar.high) for bar in bars],
        "low": [rupees(bar.low) for bar in bars],
        "close": [rupees(bar.close) for bar in bars],
        "volume": [bar.volume for bar in bars],
        "timestamp": [bar.start_us // 1_000_000 for bar in bars],
        "open_interest": [0 for _ in bars],
    }


def _moment(fields: dict[str, Any], name: str) -> dt.datetime:
    """YYYY-MM-DD, with or without HH:MM:SS, in IST."""
    try:
        return dt.datetime.fromisoformat(str(fields.get(name))).replace(tzinfo=IST)
    except ValueError as error:
        raise Refused(errors.INPUT, f"Bad value for parameter {name}") from error


def _data_failure(code: str, text: str) -> web.Response:
    return web.json_response({"data": {code: text}, "status": "failed"}, status=400)

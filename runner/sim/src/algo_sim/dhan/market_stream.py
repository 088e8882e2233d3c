"""The live market feed: one WebSocket of binary packets (DhanHQ v2 "Live Market Feed")."""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from aiohttp import WSMsgType, web
from algo_contract import calendar
from algo_contract.trading_day import IST, microseconds

from algo_sim.dhan import enums, packets
from algo_sim.dhan.handlers import Handlers
from algo_sim.dhan.packets import Level, Picture
from algo_sim.dhan.pings import pinged
from algo_sim.exchange.instruments import Instrument
from algo_sim.exchange.market_state import average_price, depth
from algo_sim.protocol import PriceUpdate
from algo_sim.websockets import Client, Clients

MOST_SOCKETS: Final = 5
MOST_SHARES: Final = 5000
MOST_IN_MESSAGE: Final = 100
_LAST_TRADE: Final = dt.time(15, 29, 50)

_ON: Final = {15: "ticker", 17: "quote", 21: "full"}
_OFF: Final = {code + 1: mode for code, mode in _ON.items()}
_DISCONNECT: Final = 12
_PACKETS: Final[dict[str, Callable[[Picture], bytes]]] = {
    "ticker": packets.ticker,
    "quote": packets.quote,
    "full": packets.full,
}


class MarketStream:
    """All market sockets."""

    def __init__(self, front: Handlers) -> None:
        """None open yet."""
        self._front = front
        self._desk = front.desk
        self.lines = Clients()
        self._order: list[Client] = []
        self._was_trading = True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One client, until it goes. A bad token is told in a packet, not in the handshake."""
        self._desk.requests["GET / (feed)"] += 1
        socket = web.WebSocketResponse(compress=False)
        _ = await socket.prepare(request)
        line = Client(socket, request.transport)
        reason = self._objection(request)
        if reason:
            await self._end(line, reason)
            return socket
        with self.lines.held(line), pinged(socket):
            self._order.append(line)
            if len(self._order) > MOST_SOCKETS:
                await self._end(self._order[0], 805)
            try:
                await self._listen(line)
            finally:
                self._order.remove(line)
        return socket

    async def show(self, prices: Sequence[PriceUpdate]) -> None:
        """Sends each line what it subscribed to."""
        await self._tell_close()
        for shown in prices:
            key = (shown.listing.exchange, shown.listing.token)
            modes = {line: line.subscribed[key] for line in self.lines if key in line.subscribed}
            if not modes:
                continue
            of = self._picture(shown)
            for line, mode in modes.items():
                await line.send(self._desk.frame(_PACKETS[mode](of)))

    async def _listen(self, line: Client) -> None:
        async for message in line.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            request = _request(message.data)
            code = request.get("RequestCode")
            if code == _DISCONNECT:
                await line.close()
                return
            listings = self._listings(request.get("InstrumentList"))
            if len(listings) > MOST_IN_MESSAGE:
                await self._end(line, 804)
                return
            if code in _ON:
                await self._subscribe(line, listings, _ON[code])
            elif code in _OFF:
                for listing in listings:
                    _ = line.subscribed.pop((listing.exchange, listing.token), None)

    async def _subscribe(self, line: Client, listings: Sequence[Instrument], mode: str) -> None:
        """The previous close comes first, then the price as it is."""
        for listing in listings:
            line.subscribed[listing.exchange, listing.token] = mode
        if len(line.subscribed) > MOST_SHARES:
            await self._end(line, 804)
            return
        floor = self._desk.exchange.floor
        found = [PriceUpdate(x, floor.prices_of(x), floor.now_us) for x in listings]
        for shown in self._desk.shown(found):
            of = self._picture(shown)
            await line.send(packets.previous_close(of))
            if mode == "quote":
                await line.send(packets.open_interest(of))
            await line.send(self._desk.frame(_PACKETS[mode](of)))

    async def _tell_close(self) -> None:
        """The market status packet, when the market has closed."""
        is_trading = self._desk.exchange.floor.is_trading
        if self._was_trading and not is_trading:
            await self.lines.send(packets.status(enums.SEGMENT_NUMBERS["NSE"]))
        self._was_trading = is_trading

    def _objection(self, request: web.Request) -> int:
        """Why a client is not let in, as a disconnect reason; 0: it is."""
        query, sessions = request.query, self._front.sessions
        token = query.get("token", "")
        if query.get("clientId") != sessions.client_id:
            return 808
        if sessions.is_good(token):
            return 0
        return 807 if sessions.was_given(token) else 809

    async def _end(self, line: Client, reason: int) -> None:
        await line.send(packets.disconnect(reason))
        await line.close()

    def _listings(self, rows: Any) -> list[Instrument]:
        """The shares of a message; ids that are not known are passed over."""
        found: list[Instrument] = []
        for row in cast("list[object]", rows) if isinstance(rows, list) else []:
            if not isinstance(row, dict):
                continue
            fields = cast("dict[str, object]", row)
            exchange = enums.SEGMENTS.get(str(fields.get("ExchangeSegment")))
            number = enums.share_number(fields.get("SecurityId"))
            listing = exchange and self._desk.exchange.floor.listings.by_token(exchange, number)
            if listing:
                found.append(listing)
        return found

    def _picture(self, shown: PriceUpdate) -> Picture:
        """What a full packet says."""
        listing, prices = shown.listing, shown.prices
        bids, offers = depth(listing, prices)
        return Picture(
            segment=enums.SEGMENT_NUMBERS[listing.exchange],
            security_id=listing.token,
            last=prices.last,
            last_quantity=prices.quantity,
            traded_at=self._trade_us(shown) // 1_000_000,
            average=average_price(prices),
            volume=prices.volume,
            total_sell=sum(level.quantity for level in offers),
            total_buy=sum(level.quantity for level in bids),
            open=prices.open,
            high=prices.high,
            low=prices.low,
            close=listing.previous_close,
            levels=[
                Level(
                    bid_quantity=bid.quantity,
                    ask_quantity=ask.quantity,
                    bid_orders=bid.orders,
                    ask_orders=ask.orders,
                    bid=bid.price,
                    ask=ask.price,
                )
                for bid, ask in zip(bids, offers, strict=True)
            ],
        )

    def _trade_us(self, shown: PriceUpdate) -> int:
        """The last trade's time. Before the first one and after the close it is the exchange's
        clock, so that whoever follows it sees the day begin and end; or, as at the real broker,
        the last trade there was, be it of the day before.
        """
        trade_us = shown.prices.trade_us
        if self._desk.last_trade == "previous_day":
            return trade_us or _last_trade_before(self._desk.exchange.day)
        return trade_us if trade_us and self._desk.exchange.floor.is_trading else shown.stamp_us


def _last_trade_before(day: dt.date) -> int:
    """Shortly before the close of the trading day before, µs since the epoch."""
    before = day - dt.timedelta(days=1)
    while not calendar.is_trading_day(before):
        before -= dt.timedelta(days=1)
    return microseconds(dt.datetime.combine(before, _LAST_TRADE, IST))


def _request(text: str) -> dict[str, Any]:
    """A client's message; empty for one that cannot be read."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

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
        self._broker = front.broker
        self.clients = Clients()
        self._order: list[Client] = []
        self._was_trading = True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One client, until it goes. A bad token is told in a packet, not in the handshake."""
        self._broker.requests["GET / (feed)"] += 1
        socket = web.WebSocketResponse(compress=False)
        _ = await socket.prepare(request)
        client = Client(socket, request.transport)
        reason = self._rejection(request)
        if reason:
            # The SDK subscribes before it reads: on a closed socket it would never see the reason.
            await client.send(packets.disconnect(reason))
            await client.has_spoken()
            await client.close()
            return socket
        with self.clients.held(client), pinged(socket):
            self._order.append(client)
            if len(self._order) > MOST_SOCKETS:
                await self._end(self._order[0], 805)
            try:
                await self._listen(client)
            finally:
                self._order.remove(client)
        return socket

    async def show(self, prices: Sequence[PriceUpdate]) -> None:
        """Sends each line what it subscribed to."""
        await self._tell_close()
        for shown in prices:
            key = (shown.instrument.exchange, shown.instrument.token)
            modes = {
                client: client.subscribed[key]
                for client in self.clients
                if key in client.subscribed
            }
            if not modes:
                continue
            of = self._picture(shown)
            for client, mode in modes.items():
                await client.send(self._broker.frame(_PACKETS[mode](of)))

    async def _listen(self, client: Client) -> None:
        async for message in client.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            request = _request(message.data)
            code = request.get("RequestCode")
            if code == _DISCONNECT:
                await client.close()
                return
            instruments = self._instruments(request.get("InstrumentList"))
            if len(instruments) > MOST_IN_MESSAGE:
                await self._end(client, 804)
                return
            if code in _ON:
                await self._subscribe(client, instruments, _ON[code])
            elif code in _OFF:
                for instrument in instruments:
                    _ = client.subscribed.pop((instrument.exchange, instrument.token), None)

    async def _subscribe(
        self, client: Client, instruments: Sequence[Instrument], mode: str
    ) -> None:
        """The previous close comes first, then the price as it is."""
        for instrument in instruments:
            client.subscribed[instrument.exchange, instrument.token] = mode
        if len(client.subscribed) > MOST_SHARES:
            await self._end(client, 804)
            return
        market = self._broker.exchange.market
        found = [PriceUpdate(x, market.prices_of(x), market.now_us) for x in instruments]
        for shown in self._broker.shown(found):
            of = self._picture(shown)
            await client.send(packets.previous_close(of))
            if mode == "quote":
                await client.send(packets.open_interest(of))
            await client.send(self._broker.frame(_PACKETS[mode](of)))

    async def _tell_close(self) -> None:
        """The market status packet, when the market has closed."""
        is_trading = self._broker.exchange.market.is_trading
        if self._was_trading and not is_trading:
            await self.clients.send(packets.status(enums.SEGMENT_NUMBERS["NSE"]))
        self._was_trading = is_trading

    def _rejection(self, request: web.Request) -> int:
        """Why a client is not let in, as a disconnect reason; 0: it is."""
        query, sessions = request.query, self._front.sessions
        token = query.get("token", "")
        if query.get("clientId") != sessions.client_id:
            return 808
        if sessions.is_good(token):
            return 0
        return 807 if sessions.was_given(token) else 809

    async def _end(self, client: Client, reason: int) -> None:
        await client.send(packets.disconnect(reason))
        await client.close()

    def _instruments(self, rows: Any) -> list[Instrument]:
        """The shares of a message; ids that are not known are passed over."""
        found: list[Instrument] = []
        for row in cast("list[object]", rows) if isinstance(rows, list) else []:
            if not isinstance(row, dict):
                continue
            fields = cast("dict[str, object]", row)
            exchange = enums.SEGMENTS.get(str(fields.get("ExchangeSegment")))
            number = enums.share_number(fields.get("SecurityId"))
            instrument = exchange and self._broker.exchange.market.instruments.by_token(
                exchange, number
            )
            if instrument:
                found.append(instrument)
        return found

    def _picture(self, shown: PriceUpdate) -> Picture:
        """What a full packet says."""
        instrument, prices = shown.instrument, shown.prices
        bids, offers = depth(instrument, prices)
        return Picture(
            segment=enums.SEGMENT_NUMBERS[instrument.exchange],
            security_id=instrument.token,
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
            close=instrument.previous_close,
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
        if self._broker.last_trade == "previous_day":
            return trade_us or _last_trade_before(self._broker.exchange.day)
        return trade_us if trade_us and self._broker.exchange.market.is_trading else shown.stamp_us


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

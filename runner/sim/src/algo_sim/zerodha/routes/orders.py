"""Orders, trades and the portfolio."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from algo_sim.broker import SimulatedBroker
from algo_sim.exchange import positions
from algo_sim.exchange.account import Refused
from algo_sim.exchange.instruments import Instrument
from algo_sim.exchange.matching import working
from algo_sim.exchange.order_checks import Rejection
from algo_sim.exchange.orders import Order, OrderRequest
from algo_sim.zerodha import serializers
from algo_sim.zerodha.auth import Tokens
from algo_sim.zerodha.errors import TAKEN_THEN_REJECTED, envelope
from algo_sim.zerodha.handlers import Handlers
from algo_sim.zerodha.order_requests import InputError, changed_order, new_order

Form = Mapping[str, str]


class OrderRoutes(Handlers):
    """Everything about an account's orders."""

    def __init__(self, broker: SimulatedBroker, tokens: Tokens, *, user_id: str) -> None:
        """Over one account."""
        super().__init__(broker, tokens)
        self._user_id: Final = user_id

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.post("/orders/{variety}", self._place),
            web.put("/orders/{variety}/{order_id}", self._modify),
            web.delete("/orders/{variety}/{order_id}", self._cancel),
            web.get("/orders", self._orders),
            web.get("/orders/{order_id}", self._history),
            web.get("/orders/{order_id}/trades", self._order_trades),
            web.get("/trades", self._trades),
            web.get("/portfolio/positions", self._positions),
            web.put("/portfolio/positions", self._convert),
            web.get("/portfolio/holdings", self._holdings),
            web.post("/margins/orders", self._order_margins),
        ]

    async def _place(self, request: web.Request) -> web.StreamResponse:
        form = await _form(request)

        def work() -> web.Response:
            wanted = new_order(form, variety=request.match_info["variety"])
            found = self.broker.account.rejection(wanted)
            if found is not None and found.reason not in TAKEN_THEN_REJECTED:
                raise Refused(found)
            return envelope({"order_id": self.broker.place(wanted).order_id})

        return await self.answer(request, "place", work, limit="order")

    async def _modify(self, request: web.Request) -> web.StreamResponse:
        form = await _form(request)

        def work() -> web.Response:
            order = self._order(request)
            return self._done(self.broker.modify(order.order_id, changed_order(form, order)))

        return await self.answer(request, "modify", work)

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        return await self.answer(
            request,
            "cancel",
            lambda: self._done(self.broker.account.cancel(self._order(request).order_id)),
        )

    async def _orders(self, request: web.Request) -> web.StreamResponse:
        return await self.answer(
            request,
            "orders",
            lambda: envelope([self._words(order) for order in self.broker.whole_book()]),
        )

    async def _history(self, request: web.Request) -> web.StreamResponse:
        def work() -> web.Response:
            order = self._visible_order(request)
            if self.broker.is_unvalidated(order.order_id):
                return envelope([self._words(order)])
            states = self.broker.account.history[order.order_id]
            instrument = self._instrument(order.request)
            return envelope(serializers.history_words(states, instrument, user_id=self._user_id))

        return await self.answer(request, "orders", work)

    async def _order_trades(self, request: web.Request) -> web.StreamResponse:
        def work() -> web.Response:
            order_id = self._visible_order(request).order_id
            return envelope(self._trade_rows(lambda found: found == order_id))

        return await self.answer(request, "trades", work)

    async def _trades(self, request: web.Request) -> web.StreamResponse:
        return await self.answer(
            request, "trades", lambda: envelope(self._trade_rows(self.broker.shows))
        )

    async def _positions(self, request: web.Request) -> web.StreamResponse:
        def work() -> web.Response:
            market = self.broker.exchange.market
            rows: list[dict[str, Any]] = []
            for position in self.broker.account.positions.values():
                instrument = market.instruments.by_symbol(position.exchange, position.symbol)
                if instrument is not None:
                    prices = market.prices_of(instrument)
                    rows.append(serializers.position_words(position, instrument, prices))
            return envelope({"net": rows, "day": rows})

        return await self.answer(request, "positions", work)

    async def _convert(self, request: web.Request) -> web.StreamResponse:
        def work() -> web.Response:
            raise InputError("Converting positions is not simulated.")

        return await self.answer(request, "convert", work)

    async def _holdings(self, request: web.Request) -> web.StreamResponse:
        return await self.answer(request, "holdings", lambda: envelope([]))

    async def _order_margins(self, request: web.Request) -> web.StreamResponse:
        try:
            rows = await request.json()
        except ValueError:
            rows = None

        def work() -> web.Response:
            if not isinstance(rows, list):
                raise InputError("Invalid JSON in the request body.")
            return envelope([self._margin(row) for row in rows])

        return await self.answer(request, "margins", work)

    def _margin(self, row: Any) -> dict[str, Any]:
        if not isinstance(row, dict):
            raise InputError("Invalid order in the request body.")
        fields = {key: _text(value) for key, value in row.items() if value is not None}
        fields.setdefault("market_protection", "-1")
        wanted = new_order(fields, variety=fields.get("variety", "regular"))
        instrument = self._instrument(wanted)
        last = self.broker.exchange.market.prices_of(instrument).last
        trial = Order(number=0, order_id="", exchange_order_id="", request=wanted, status="OPEN")
        trial = working(trial, last=last, step=instrument.tick_size)
        return serializers.margin_words(
            wanted, positions.margin(wanted.product, wanted.quantity * positions.order_price(trial))
        )

    def _trade_rows(self, is_wanted: Callable[[str], bool]) -> list[dict[str, Any]]:
        return [
            serializers.trade_words(fill, self._instrument(fill.order.request))
            for fill in self.broker.account.fills
            if is_wanted(fill.order.order_id)
        ]

    def _done(self, order: Order) -> web.Response:
        return envelope({"order_id": order.order_id})

    def _words(self, order: Order) -> dict[str, Any]:
        late = self.broker.is_unvalidated(order.order_id)
        in_words = serializers.unvalidated_words if late else serializers.order_words
        return in_words(order, self._instrument(order.request), user_id=self._user_id)

    def _order(self, request: web.Request) -> Order:
        """The order named in the address, whether calls show it yet or not."""
        order = self.broker.account.orders.get(request.match_info["order_id"])
        if order is None:
            raise Refused(Rejection("unknown_order", "Couldn't find that `order_id`."))
        return order

    def _visible_order(self, request: web.Request) -> Order:
        order = self._order(request)
        if not self.broker.shows(order.order_id):
            raise Refused(Rejection("unknown_order", "Couldn't find that `order_id`."))
        return order

    def _instrument(self, wanted: OrderRequest) -> Instrument:
        instrument = self.broker.exchange.market.instruments.by_symbol(
            wanted.exchange, wanted.symbol
        )
        if instrument is None:
            raise InputError(
                "The instrument you are placing an order for has either expired or does not exist."
            )
        return instrument


def _text(value: object) -> str:
    """A JSON value as a form would have it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


async def _form(request: web.Request) -> Form:
    return {key: value for key, value in (await request.post()).items() if isinstance(value, str)}

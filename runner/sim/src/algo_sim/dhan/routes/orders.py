"""The order routes: place, slice, change, cancel, and the books."""

from dataclasses import replace
from functools import partial
from typing import Any, Final

from aiohttp import web

from algo_sim.dhan import errors, serializers
from algo_sim.dhan.errors import Refused
from algo_sim.dhan.handlers import Call, Handlers
from algo_sim.dhan.order_requests import changed_order, new_order
from algo_sim.exchange.instruments import Instrument
from algo_sim.exchange.orders import Order, OrderRequest

_NOT_FOUND: Final = 404
_ACCEPTED: Final = 202


class OrderRoutes:
    """Handlers over the desk's book."""

    def __init__(self, front: Handlers, account: dict[str, Any]) -> None:
        """`account`: `empty_cancel` answers a cancel with an empty body, as is seen too."""
        self._front = front
        self._broker = front.broker
        self._client_id: str = front.sessions.client_id
        self._empty_cancel = bool(account.get("empty_cancel"))
        self.is_killed = False
        """The kill switch: no new orders today."""

    def routes(self) -> list[web.RouteDef]:
        """All of them. The SDK asks for all trades with a slash at the end."""
        handler = self._front.handler
        writing = partial(handler, limit="orders")
        reading = partial(handler, operation="orders")
        return [
            web.post("/v2/orders", writing(self._place, operation="place")),
            web.post("/v2/orders/slicing", writing(self._place_sliced, operation="place")),
            web.put("/v2/orders/{order_id}", writing(self._modify, operation="modify")),
            web.delete("/v2/orders/{order_id}", writing(self._cancel, operation="cancel")),
            web.get("/v2/orders", reading(self._book)),
            web.get("/v2/orders/{order_id}", reading(self._one)),
            web.get("/v2/orders/external/{tag}", reading(self._by_tag)),
            web.get("/v2/trades", handler(self._trades)),
            web.get("/v2/trades/", handler(self._trades)),
            web.get("/v2/trades/{order_id}", handler(self._trades_of)),
        ]

    def _place(self, call: Call) -> Any:
        return _taken(self._take(self._asked(call)))

    def _place_sliced(self, call: Call) -> Any:
        """OrderRoutes of the freeze quantity at most."""
        request = self._asked(call)
        most = self._instrument(request).freeze_quantity or request.quantity
        whole, rest = divmod(request.quantity, most)
        parts = [most] * whole + [rest] * (rest > 0)
        return [_taken(self._take(replace(request, quantity=quantity))) for quantity in parts]

    def _asked(self, call: Call) -> OrderRequest:
        fields = call.fields()
        if str(fields.get("dhanClientId", "")) != self._client_id:
            raise Refused(errors.INPUT, "Missing required field, or bad value: dhanClientId")
        if self.is_killed:
            raise Refused(errors.ORDER, "Kill switch is activated: no orders are taken today")
        return new_order(fields, self._broker.exchange.market.instruments)

    def _take(self, request: OrderRequest) -> Order:
        """An order that the risk checks do not like is taken, and is REJECTED in the book."""
        rejection = self._broker.account.rejection(request)
        if rejection is not None and rejection.reason not in errors.LATER:
            raise errors.of_objection(rejection)
        return self._broker.place(request)

    def _modify(self, call: Call) -> Any:
        order = self._found(call)
        fields = call.fields()
        if str(fields.get("orderId") or order.order_id) != order.order_id:
            raise Refused(errors.INPUT, "orderId of the path and of the body differ")
        _ = self._broker.modify(order.order_id, changed_order(order.request, fields))
        return {"orderId": order.order_id, "orderStatus": "TRANSIT"}

    def _cancel(self, call: Call) -> Any:
        order = self._broker.account.cancel(self._found(call).order_id)
        if self._empty_cancel:
            return web.Response(status=_ACCEPTED)
        told = {"orderId": order.order_id, "orderStatus": "CANCELLED"}
        return web.json_response(told, status=_ACCEPTED)

    def _book(self, _: Call) -> Any:
        return [self._row(order) for order in self._broker.whole_book()]

    def _one(self, call: Call) -> Any:
        order_id = call.word("order_id")
        return self._only([x for x in self._broker.visible() if x.order_id == order_id])

    def _by_tag(self, call: Call) -> Any:
        """The newest of that correlation id: whether doubles are refused is not documented."""
        tag = call.word("tag")
        return self._only([order for order in self._broker.visible() if order.request.tag == tag])

    def _trades(self, _: Call) -> Any:
        return [
            serializers.trade_row(
                fill, self._instrument(fill.order.request), client_id=self._client_id
            )
            for fill in self._broker.account.fills
            if self._broker.shows(fill.order.order_id)
        ]

    def _trades_of(self, call: Call) -> Any:
        order_id = call.word("order_id")
        return [row for row in self._trades(call) if row["orderId"] == order_id]

    def _found(self, call: Call) -> Order:
        order = self._broker.account.orders.get(call.word("order_id"))
        if order is None:
            raise Refused(errors.ORDER, "No such order; it cannot be processed")
        return order

    def _only(self, found: list[Order]) -> Any:
        if not found:
            refused = Refused(errors.ORDER, "No such order")
            return web.json_response(refused.body(), status=_NOT_FOUND)
        return self._row(found[-1])

    def _row(self, order: Order) -> dict[str, Any]:
        is_late = self._broker.is_unvalidated(order.order_id)
        in_words = serializers.received_row if is_late else serializers.order_row
        return in_words(order, self._instrument(order.request), client_id=self._client_id)

    def _instrument(self, request: OrderRequest) -> Instrument:
        instrument = self._broker.exchange.market.instruments.by_symbol(*request.key)
        if instrument is None:
            raise Refused(errors.INPUT, "Unknown security")
        return instrument


def _taken(order: Order) -> dict[str, str]:
    """The answer to a place call says only that it came."""
    return {"orderId": order.order_id, "orderStatus": "TRANSIT"}

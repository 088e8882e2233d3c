"""The broker port over DhanHQ v2's REST routes."""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote

from algo_contract.messages.broker_session import BrokerSession
from algo_contract.money import rupees
from algo_engine.orders import Order, OrderReport, Terms

from algo_brokers.adapters import TradingContext
from algo_brokers.dhan.capabilities import CAPABILITIES
from algo_brokers.dhan.enums import EXCHANGES, ORDER_TYPES, PRODUCT_NAMES, PRODUCTS, SEGMENTS
from algo_brokers.dhan.parsing import (
    book_row,
    book_rows,
    ended,
    funds_of,
    position_of,
    quote_request,
    quotes_of,
    text_of,
    trade_of,
)
from algo_brokers.dhan.responses import is_not_found, read_answer
from algo_brokers.errors import BrokerError, DeniedLocally, Rejected, Unresolved
from algo_brokers.http.client import HttpClient
from algo_brokers.instruments import Instrument
from algo_brokers.order_reports import readable_id, row_with_tag
from algo_brokers.port import Funds, Position, Quote, Trade
from algo_brokers.urls import Endpoints

F = TypeVar("F")
T = TypeVar("T")


class DhanBroker:
    """Implements `port.Broker`."""

    def __init__(
        self,
        http: HttpClient,
        endpoints: Endpoints,
        session: BrokerSession,
        context: TradingContext | None,
    ) -> None:
        """Connects nothing yet. Without a desk it only reads."""
        self._http: Final = http
        self._root: Final = endpoints.rest
        self._client_id: Final = session.client_id
        self._context: Final = context
        self._headers: Final = {
            "access-token": session.access_token,
            "client-id": session.client_id,
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    async def place(self, order: Order, *, send_by: float) -> OrderReport:
        """Sends a new order. See `port.Orders`.

        Dhan's answer means "received": the row is pending until the book shows it.
        """
        context = self._checked(order.terms)
        body = {
            "correlationId": order.tag,
            "transactionType": order.side,
            "exchangeSegment": SEGMENTS[context.instrument.exchange],
            "productType": PRODUCTS[context.product],
            "securityId": str(context.instrument.token),
            "afterMarketOrder": False,
            **_terms_fields(order.terms),
        }
        reply = await self._write("POST", "/orders", body, send_by=send_by)
        order_id = readable_id(reply.get("orderId")) if isinstance(reply, dict) else ""
        if not order_id:
            raise Unresolved("Dhan took an order without telling its id")
        is_refused = ended(reply.get("orderStatus")) == "REJECTED"
        return OrderReport(
            tag=order.tag,
            status="REJECTED" if is_refused else "PENDING",
            terms=order.terms,
            broker_id=order_id,
        )

    async def modify(self, order: Order, terms: Terms) -> OrderReport:
        """Changes a live order. See `port.Orders`. The quantity sent is the order's new total."""
        self._checked(terms)
        broker_id = await self._broker_id(order)
        body = {"orderId": broker_id, **_terms_fields(terms)}
        reply = _about(await self._write("PUT", _path(broker_id), body), broker_id)
        end = ended(reply.get("orderStatus"))
        if end == "REJECTED":
            raise Rejected(f"Dhan refused to change order {broker_id}")
        if end is not None:
            raise Unresolved(f"order {broker_id} has ended; its book tells how")
        return _live_row(order, terms, broker_id)

    async def cancel(self, order: Order) -> OrderReport:
        """Cancels a live order. See `port.Orders`.

        The answer does not tell what had filled by then: the order counts as live until book or
        push tell.
        """
        broker_id = await self._broker_id(order)
        reply = await self._write("DELETE", _path(broker_id), None)
        if reply is not None:
            _about(reply, broker_id)
        return _live_row(order, order.terms, broker_id)

    async def order_by_tag(self, tag: str) -> OrderReport | None:
        """The order with a tag. See `port.Orders`.

        How Dhan says that it knows no such correlation id is not documented: None is only told
        when the whole book has been read and does not have it either.
        """
        try:
            row = _readable(book_row, _single(await self._read(f"/orders/external/{tag}")))
        except BrokerError as error:
            if not is_not_found(error):
                raise
            return row_with_tag(await self.orders(), tag)
        if row.tag != tag:
            raise Unresolved("Dhan answered with another order than the one asked for")
        return row

    async def orders(self) -> list[OrderReport]:
        """Today's order book. See `port.Orders`."""
        book = _listed(await self._read("/orders"), "order book")
        book.sort(key=_age)
        return _readable(book_rows, book)

    async def trades(self) -> list[Trade]:
        """Today's fills in NSE and BSE shares, oldest first."""
        book = [_ for _ in _listed(await self._read("/trades"), "trade book") if _is_share(_)]
        return sorted(
            (_readable(trade_of, fields) for fields in book), key=lambda trade: trade.time_us
        )

    async def positions(self) -> list[Position]:
        """The day's net positions in NSE and BSE shares, in products that we trade in."""
        rows = [_ for _ in _listed(await self._read("/positions"), "positions") if _is_share(_)]
        ours = [_ for _ in rows if text_of(_.get("productType")) in PRODUCT_NAMES]
        return [_readable(position_of, fields) for fields in ours]

    async def funds(self) -> Funds:
        """Money for trading."""
        return _readable(funds_of, _single(await self._read("/fundlimit")))

    async def quotes(self, instruments: Sequence[Instrument]) -> list[Quote]:
        """One call for up to 1,000 shares. See `port.Broker`."""
        if not instruments:
            return []
        body = json.dumps(quote_request(instruments)).encode()
        response = await self._http.read(
            "POST", f"{self._root}/marketfeed/quote", headers=self._headers, body=body
        )
        reply = _single(read_answer(response, is_write=False))
        return _readable(lambda fields: quotes_of(fields, instruments), reply)

    async def check(self) -> str:
        """The client id, from the profile."""
        profile = _single(await self._read("/profile"))
        client_id = readable_id(profile.get("dhanClientId"))
        if not client_id:
            raise Unresolved("Dhan's profile has no client id")
        return client_id

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    def _checked(self, terms: Terms) -> TradingContext:
        context = self._context
        if context is None:
            raise DeniedLocally("this connection to Dhan only reads")
        exchange, most = context.instrument.exchange, context.instrument.freeze_quantity
        CAPABILITIES.check(terms, exchange=exchange, day=dt.date.fromisoformat(context.trading_day))
        if most is not None and terms.quantity > most:
            raise DeniedLocally(f"{terms.quantity} shares are over the freeze quantity of {most}")
        return context

    async def _broker_id(self, order: Order) -> str:
        if order.broker_id:
            return order.broker_id
        row = await self.order_by_tag(order.tag)
        if row is None or not row.broker_id:
            raise DeniedLocally(f"Dhan's book does not show order {order.tag} (yet)")
        return row.broker_id

    async def _read(self, path: str) -> Any:
        response = await self._http.read("GET", self._root + path, headers=self._headers)
        return read_answer(response, is_write=False)

    async def _write(
        self, method: str, path: str, body: dict[str, Any] | None, *, send_by: float | None = None
    ) -> Any:
        fields = (
            b"" if body is None else json.dumps({"dhanClientId": self._client_id, **body}).encode()
        )
        response = await self._http.write(
            method, self._root + path, headers=self._headers, body=fields, send_by=send_by
        )
        return read_answer(response, is_write=True)


def _live_row(order: Order, terms: Terms, broker_id: str) -> OrderReport:
    """An order after a request that was taken, with the fills that are known."""
    is_stop = terms.type in ("STOP_LIMIT", "STOP_MARKET")
    return OrderReport(
        tag=order.tag,
        status="TRIGGER_PENDING" if is_stop else "OPEN",
        terms=terms,
        filled=order.filled,
        value=order.value,
        broker_id=broker_id,
    )


def _terms_fields(terms: Terms) -> dict[str, Any]:
    return {
        "orderType": ORDER_TYPES[terms.type],
        "validity": "DAY",
        "quantity": terms.quantity,
        "disclosedQuantity": 0,
        "price": rupees(terms.price),
        "triggerPrice": rupees(terms.trigger_price),
    }


def _path(broker_id: str) -> str:
    return f"/orders/{quote(broker_id, safe='')}"


def _about(reply: Any, broker_id: str) -> dict[str, Any]:
    """The answer to a change, which must be of the order that was to be changed."""
    if not isinstance(reply, dict) or readable_id(reply.get("orderId")) != broker_id:
        raise Unresolved(f"Dhan's answer does not tell of order {broker_id}")
    return reply


def _age(fields: dict[str, Any]) -> tuple[str, str]:
    """By this an order book is sorted."""
    return text_of(fields.get("createTime")), text_of(fields.get("orderId"))


def _single(reply: Any) -> dict[str, Any]:
    """The one object of an answer, which some routes wrap in an array."""
    match reply:
        case dict() | [dict()]:
            return reply if isinstance(reply, dict) else reply[0]
        case _:
            raise Unresolved("Dhan answered without the object asked for")


def _listed(reply: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(reply, list) or not all(isinstance(fields, dict) for fields in reply):
        raise Unresolved(f"Dhan answered without a readable {what}")
    return reply


def _is_share(fields: dict[str, Any]) -> bool:
    return text_of(fields.get("exchangeSegment")) in EXCHANGES


def _readable(read: Callable[[F], T], told: F) -> T:
    try:
        return read(told)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unresolved(f"unreadable answer from Dhan: {type(error).__name__}") from None

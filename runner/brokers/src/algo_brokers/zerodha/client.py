"""Orders and books over HTTP: implements `port.Broker`."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote as quoted
from urllib.parse import urlencode

from algo_contract.messages.broker_session import BrokerSession
from algo_engine.orders import Order, OrderReport, Terms

from algo_brokers.adapters import TradingContext
from algo_brokers.errors import DeniedLocally, Unresolved
from algo_brokers.http.client import HttpClient
from algo_brokers.instruments import Instrument
from algo_brokers.order_reports import readable_id, row_with_tag
from algo_brokers.port import Funds, Position, Quote, Trade
from algo_brokers.urls import Endpoints
from algo_brokers.zerodha import parsing
from algo_brokers.zerodha.capabilities import CAPABILITIES
from algo_brokers.zerodha.enums import ORDER_TYPES, PRODUCTS
from algo_brokers.zerodha.parsing import Fields, Unreadable, fields_of, rows_of
from algo_brokers.zerodha.responses import data_of
from algo_brokers.zerodha.urls import FORM, headers

MAX_QUOTES: Final = 500
"""Shares in one call: Kite Connect 3, quotes."""

AUTOMATIC: Final = "-1"
"""`market_protection`: Zerodha chooses the band. Without it MARKET and SL-M are refused since
1 April 2026 (Kite Connect forum 15912)."""

Read = TypeVar("Read")


class ZerodhaBroker:
    """One account at Zerodha."""

    def __init__(
        self,
        http: HttpClient,
        endpoints: Endpoints,
        session: BrokerSession,
        context: TradingContext | None,
    ) -> None:
        """`desk` is None for one that only reads. `close` closes `http`."""
        self._http: Final = http
        self._root: Final = endpoints.rest
        self._headers: Final = headers(session)
        self._context: Final = context

    async def place(self, order: Order, *, send_by: float) -> OrderReport:
        """Sends a new order. The answer says that it was received, no more: the row is PENDING
        until book or push tell. See `port.Orders`.
        """
        context = self._allowed(order.terms)
        form = {
            "exchange": context.instrument.exchange,
            "tradingsymbol": context.instrument.symbol,
            "transaction_type": order.side,
            "product": PRODUCTS[context.product],
            "tag": order.tag,
        } | _form(order.terms)
        data = await self._write("POST", "/orders/regular", form, send_by=send_by)
        return _received(order.tag, order.terms, _order_id(data))

    async def modify(self, order: Order, terms: Terms) -> OrderReport:
        """Asks for other terms. See `port.Orders`."""
        self._allowed(terms)
        order_id = await self._id_of(order)
        data = await self._write("PUT", _path(order_id), _form(terms))
        return _received(order.tag, terms, _same_id(data, order_id))

    async def cancel(self, order: Order) -> OrderReport:
        """Asks for the end of an order. See `port.Orders`."""
        order_id = await self._id_of(order)
        data = await self._write("DELETE", _path(order_id), {})
        return _received(order.tag, order.terms, _same_id(data, order_id))

    async def order_by_tag(self, tag: str) -> OrderReport | None:
        """Looks through the book: Zerodha finds nothing by tag. See `port.Orders`."""
        return row_with_tag(await self.orders(), tag)

    async def orders(self) -> list[OrderReport]:
        """Today's order book. See `port.Orders`."""
        return await self._read("/orders", lambda data: parsing.order_rows(rows_of(data)))

    async def trades(self) -> list[Trade]:
        """Today's fills in shares. See `port.Broker`."""
        return await self._read("/trades", lambda data: parsing.trades(rows_of(data)))

    async def positions(self) -> list[Position]:
        """The net positions in shares. See `port.Broker`."""
        return await self._read("/portfolio/positions", parsing.positions)

    async def funds(self) -> Funds:
        """Money of the equity segment. See `port.Broker`."""
        return await self._read("/user/margins/equity", parsing.funds)

    async def quotes(self, instruments: Sequence[Instrument]) -> list[Quote]:
        """Quotes of 500 shares at most. See `port.Broker`."""
        if len(instruments) > MAX_QUOTES:
            raise DeniedLocally(f"Zerodha quotes {MAX_QUOTES} shares in one call at most")
        if not instruments:
            return []
        keys = [f"{share.exchange}:{share.symbol}" for share in instruments]
        path = f"/quote?{urlencode([('i', key) for key in keys])}"
        return await self._read(path, lambda data: parsing.quotes(data, keys))

    async def check(self) -> str:
        """Reads the profile; the account's id. See `port.Broker`."""
        return await self._read("/user/profile", _user_id)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    def _allowed(self, terms: Terms) -> TradingContext:
        if self._context is None:
            raise DeniedLocally("this connection to Zerodha only reads")
        day = dt.date.fromisoformat(self._context.trading_day)
        CAPABILITIES.check(terms, exchange=self._context.instrument.exchange, day=day)
        return self._context

    async def _id_of(self, order: Order) -> str:
        """Zerodha's id of an order; from the book where its place was never answered."""
        if order.broker_id:
            return order.broker_id
        row = await self.order_by_tag(order.tag)
        if row is None or not row.broker_id:
            raise DeniedLocally(f"Zerodha's order book does not show {order.tag} (yet)")
        return row.broker_id

    async def _read(self, path: str, convert: Callable[[Any], Read]) -> Read:
        response = await self._http.read("GET", self._root + path, headers=self._headers)
        data = data_of(response)
        try:
            return convert(data)
        except Unreadable as error:
            message = f"unreadable answer from Zerodha to {path.partition('?')[0]}: {error}"
        raise Unresolved(message)

    async def _write(
        self, method: str, path: str, form: Mapping[str, str], *, send_by: float | None = None
    ) -> Any:
        response = await self._http.write(
            method,
            self._root + path,
            headers=self._headers | FORM if form else self._headers,
            body=urlencode(form).encode(),
            send_by=send_by,
        )
        return data_of(response)


def _form(terms: Terms) -> dict[str, str]:
    """The fields of new terms and of changed ones: what a type has, and nothing else."""
    form = {
        "order_type": ORDER_TYPES[terms.type],
        "quantity": str(terms.quantity),
        "validity": "DAY",
    }
    if terms.type in ("LIMIT", "STOP_LIMIT"):
        form["price"] = _rupees(terms.price)
    if terms.type in ("STOP_LIMIT", "STOP_MARKET"):
        form["trigger_price"] = _rupees(terms.trigger_price)
    if terms.type in ("MARKET", "STOP_MARKET"):
        form["market_protection"] = AUTOMATIC
    return form


def _rupees(paise: int) -> str:
    return f"{paise // 100}.{paise % 100:02d}"


def _path(order_id: str) -> str:
    return f"/orders/regular/{quoted(order_id, safe='')}"


def _received(tag: str, terms: Terms, order_id: str) -> OrderReport:
    return OrderReport(tag=tag, status="PENDING", terms=terms, broker_id=order_id)


def _order_id(data: object) -> str:
    """The id in the answer to a write; without one nobody knows what became of it."""
    order_id = readable_id(cast("Fields", data).get("order_id")) if isinstance(data, dict) else ""
    if not order_id:
        raise Unresolved("Zerodha's answer has no order id")
    return order_id


def _same_id(data: object, order_id: str) -> str:
    """The id in the answer to a change, which must be of the order that was to be changed."""
    if _order_id(data) != order_id:
        raise Unresolved(f"Zerodha's answer is about another order than {order_id}")
    return order_id


def _user_id(data: object) -> str:
    user_id = readable_id(fields_of(data).get("user_id"))
    if not user_id:
        raise Unreadable("user_id is none")
    return user_id

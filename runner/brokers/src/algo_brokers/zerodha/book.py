"""Rows of Zerodha's order book, trade book, positions, funds and quotes as ours."""

import re
from contextlib import suppress
from typing import Final, cast

from algo_engine.orders import OrderRow, Side, Terms

from algo_brokers.port import Funds, Position, Quote, Trade
from algo_brokers.zerodha.reading import (
    Fields,
    Unreadable,
    cleaned,
    fields_of,
    paise,
    text,
    time_us,
    whole,
)
from algo_brokers.zerodha.words import EXCHANGES, OUR_PRODUCTS, status_of, type_of

OUR_TAG: Final = re.compile(r"[A-Z0-9]{20}")
SIDES: Final = frozenset({"BUY", "SELL"})


def order_row(order: Fields) -> OrderRow:
    """An order of the book or of a push. A status that nobody documents is an open order's, and
    the row's message says so.

    Raises:
        Unreadable: no order.
    """
    word = text(order, "status")
    status = status_of(word)
    notes = [cleaned(text(order, "status_message"))]
    if status is None:
        notes.append(f"Zerodha calls its status {cleaned(word)!r}, which is taken as open")
    filled = whole(order, "filled_quantity")
    return OrderRow(
        tag=our_tag(order),
        status=status or "OPEN",
        terms=_terms(order),
        filled=filled,
        value=paise(order, "average_price", times=filled) if filled else 0,
        broker_id=_order_id(order),
        message="; ".join(filter(None, notes)),
    )


def order_rows(orders: list[Fields]) -> list[OrderRow]:
    """The order book. A row of others that cannot be read is passed over: it must not hide ours.

    Raises:
        Unreadable: a row of ours.
    """
    rows: list[OrderRow] = []
    for order in orders:
        try:
            rows.append(order_row(order))
        except Unreadable:
            if our_tag(order):
                raise
    return rows


def our_tag(order: Fields) -> str:
    """The tag of ours that an order has; empty without one."""
    tags = order.get("tags")
    several = cast("list[object]", tags) if isinstance(tags, list) else []
    for tag in (order.get("tag"), *several):
        if isinstance(tag, str) and OUR_TAG.fullmatch(tag):
            return tag
    return ""


def trades(rows: list[Fields]) -> list[Trade]:
    """The fills in shares, oldest first.

    Raises:
        Unreadable: one cannot be read.
    """
    found = [_trade(row) for row in rows if row.get("exchange") in EXCHANGES]
    return sorted(found, key=lambda trade: trade.time_us)


def positions(data: object) -> list[Position]:
    """The net positions in shares, in products that we trade in.

    Raises:
        Unreadable: one cannot be read.
    """
    net = cast("list[object]", fields_of(data).get("net"))
    if not isinstance(net, list):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise Unreadable("net is no list")
    rows = [fields_of(row) for row in net]
    return [
        Position(
            exchange=text(row, "exchange"),
            symbol=text(row, "tradingsymbol"),
            product=OUR_PRODUCTS[text(row, "product")],
            quantity=whole(row, "quantity"),
            bought=whole(row, "buy_quantity"),
            sold=whole(row, "sell_quantity"),
        )
        for row in rows
        if row.get("exchange") in EXCHANGES and text(row, "product") in OUR_PRODUCTS
    ]


def funds(data: object) -> Funds:
    """Money of the equity segment.

    Raises:
        Unreadable: there is none.
    """
    equity = fields_of(data)
    used = fields_of(equity.get("utilised"))
    return Funds(available=paise(equity, "net"), used=paise(used, "debits"))


def quotes(data: object, keys: list[str]) -> list[Quote]:
    """The quotes by the EXCHANGE:SYMBOL that was asked for. One that is missing or cannot be read
    is left out: it must not hide the others.

    Raises:
        Unreadable: there are none at all.
    """
    answers = fields_of(data)
    found: list[Quote] = []
    for key in keys:
        with suppress(Unreadable):
            found.append(_quote(key, answers.get(key)))
    return found


def _quote(key: str, data: object) -> Quote:
    fields = fields_of(data)
    exchange, _, symbol = key.partition(":")
    return Quote(
        exchange=exchange,
        symbol=symbol,
        last_price=paise(fields, "last_price"),
        volume=whole(fields, "volume"),
        time_us=time_us(fields, "timestamp"),
        lower_band=paise(fields, "lower_circuit_limit") if "lower_circuit_limit" in fields else 0,
        upper_band=paise(fields, "upper_circuit_limit") if "upper_circuit_limit" in fields else 0,
    )


def _terms(order: Fields) -> Terms:
    order_type = type_of(text(order, "order_type"))
    if order_type is None:
        raise Unreadable("order_type is unknown")
    return Terms(
        type=order_type,
        quantity=whole(order, "quantity"),
        price=paise(order, "price") if order_type in ("LIMIT", "STOP_LIMIT") else 0,
        trigger_price=paise(order, "trigger_price") if order_type.startswith("STOP") else 0,
    )


def _order_id(order: Fields) -> str:
    order_id = text(order, "order_id")
    if not order_id:
        raise Unreadable("order_id is empty")
    return order_id


def _trade(row: Fields) -> Trade:
    side = text(row, "transaction_type")
    if side not in SIDES:
        raise Unreadable("transaction_type is unknown")
    return Trade(
        order_id=_order_id(row),
        exchange=text(row, "exchange"),
        symbol=text(row, "tradingsymbol"),
        side=cast("Side", side),
        quantity=whole(row, "quantity"),
        price=paise(row, "average_price"),
        time_us=time_us(row, "fill_timestamp"),
    )

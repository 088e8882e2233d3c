"""Zerodha's JSON as exact values: rupees become paise without a float, odd values an error."""

import datetime as dt
import re
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, cast

from algo_contract.trading_day import IST, microseconds
from algo_engine.orders import TERMINAL, OrderReport, Side, Terms

from algo_brokers.order_reports import is_possible, readable_id, unreadable_row
from algo_brokers.parsing import MAX_NUMBER, exact_json
from algo_brokers.port import Funds, Position, Quote, Trade
from algo_brokers.zerodha.enums import EXCHANGES, OUR_PRODUCTS, status_of, type_of

MAX_TEXT: Final = 300
"""Characters of a broker's message that are kept."""


class Unreadable(ValueError):
    """Not what Kite Connect documents. The message holds names of fields, never their values."""


Fields = dict[str, Any]


def json_of(body: bytes | str) -> Any:
    """A JSON text, as `exact_json`.

    Raises:
        Unreadable: it is none.
    """
    try:
        return exact_json(body)
    except ValueError:
        pass
    raise Unreadable("no JSON")


def fields_of(value: object) -> Fields:
    """A JSON object.

    Raises:
        Unreadable: it is none.
    """
    if not isinstance(value, dict):
        raise Unreadable("no JSON object")
    return cast("Fields", value)


def rows_of(value: object) -> list[Fields]:
    """A JSON list of objects.

    Raises:
        Unreadable: it is none.
    """
    if not isinstance(value, list):
        raise Unreadable("no JSON list")
    return [fields_of(row) for row in cast("list[object]", value)]


def text(fields: Fields, name: str) -> str:
    """A text; empty where it is absent or null.

    Raises:
        Unreadable: something else.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable(f"{name} is no text")
    return value


def words(value: object) -> str:
    """A text that is only shown; empty for anything else."""
    return value if isinstance(value, str) else ""


def whole(fields: Fields, name: str, *, may_be_negative: bool = False) -> int:
    """A whole number.

    Raises:
        Unreadable: absent, or something else.
    """
    value = number(fields, name, may_be_negative=may_be_negative)
    if value != int(value):
        raise Unreadable(f"{name} is no whole number")
    return int(value)


def number(fields: Fields, name: str, *, may_be_negative: bool = False) -> Decimal:
    """A number.

    Raises:
        Unreadable: absent, or something else, or out of all proportion.
    """
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unreadable(f"{name} is no number")
    if not (-MAX_NUMBER if may_be_negative else 0) <= value <= MAX_NUMBER:
        raise Unreadable(f"{name} is out of proportion")
    return Decimal(value)


def paise(fields: Fields, name: str, *, times: int = 1, may_be_negative: bool = False) -> int:
    """An amount in rupees, `times` as much, in paise: rounded once, at the end, half to even. An
    average price has more digits than paise have.

    Raises:
        Unreadable: no amount.
    """
    return round(number(fields, name, may_be_negative=may_be_negative) * times * 100)


def time_us(fields: Fields, name: str) -> int:
    """A moment, `YYYY-MM-DD HH:MM:SS` in exchange time, in µs since the epoch; 0 where absent.

    Raises:
        Unreadable: no moment.
    """
    value = text(fields, name)
    if not value:
        return 0
    try:
        return microseconds(dt.datetime.fromisoformat(value).replace(tzinfo=IST))
    except (OverflowError, ValueError):
        pass
    raise Unreadable(f"{name} is no time")


def cleaned(message: str) -> str:
    """A broker's words on one line, without control characters, not too long."""
    printable = "".join(c if c.isprintable() else " " for c in message[: 4 * MAX_TEXT])
    return " ".join(printable.split())[:MAX_TEXT]


OUR_TAG: Final = re.compile(r"[A-Z0-9]{20}")
SIDES: Final = frozenset({"BUY", "SELL"})


def order_row(order: Fields) -> OrderReport:
    """An order of the book or of a push. A status that nobody documents is an open order's, and
    the row's message says so.

    Raises:
        Unreadable: no order.
    """
    word, terms, filled = text(order, "status"), _terms(order), whole(order, "filled_quantity")
    status = status_of(word)
    notes = [cleaned(text(order, "status_message"))]
    if status is None:
        notes.append(f"Zerodha calls its status {cleaned(word)[:40]!r}, which is taken as open")
    if status == "FILLED" and filled < terms.quantity:
        notes.append(f"Zerodha calls it complete with {filled} of {terms.quantity} filled")
        status = None
    is_live = status not in TERMINAL
    if not is_possible(quantity=terms.quantity, filled=filled, is_live=is_live):
        raise Unreadable("quantity and filled_quantity contradict each other")
    return OrderReport(
        tag=our_tag(order),
        status=status or "OPEN",
        terms=terms,
        filled=filled,
        value=_value(order, filled),
        broker_id=_order_id(order),
        message="; ".join(filter(None, notes)),
    )


def row_of(order: Fields) -> OrderReport:
    """As `order_row`; an order of ours that cannot be read is a row that says no more than that.

    Raises:
        Unreadable: an order of others.
    """
    try:
        return order_row(order)
    except Unreadable as unreadable:
        tag, reason = our_tag(order), str(unreadable)
        if not tag:
            raise
    return unreadable_row(tag, order_id=order.get("order_id"), reason=reason)


def order_rows(orders: list[Fields]) -> list[OrderReport]:
    """The order book. No row that cannot be read hides another; those of others are left out."""
    rows: list[OrderReport] = []
    for order in orders:
        with suppress(Unreadable):
            rows.append(row_of(order))
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
    found = [_trade(row) for row in rows if _is_share(row)]
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
            quantity=whole(row, "quantity", may_be_negative=True),
            bought=whole(row, "buy_quantity"),
            sold=whole(row, "sell_quantity"),
        )
        for row in rows
        if _is_share(row) and words(row.get("product")) in OUR_PRODUCTS
    ]


def funds(data: object) -> Funds:
    """Money of the equity segment.

    Raises:
        Unreadable: there is none.
    """
    equity = fields_of(data)
    used = fields_of(equity.get("utilised"))
    return Funds(
        available=paise(equity, "net", may_be_negative=True),
        used=paise(used, "debits", may_be_negative=True),
    )


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
        lower_band=_band(fields, "lower_circuit_limit"),
        upper_band=_band(fields, "upper_circuit_limit"),
    )


def _band(fields: Fields, name: str) -> int:
    return 0 if fields.get(name) is None else paise(fields, name)


def _is_share(row: Fields) -> bool:
    return words(row.get("exchange")) in EXCHANGES


def _value(order: Fields, filled: int) -> int:
    """Paise of the fills; 0 where Zerodha does not tell their average (yet): Kite Connect's own
    types promise it for complete orders only.
    """
    if not filled or order.get("average_price") is None:
        return 0
    return paise(order, "average_price", times=filled)


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
    order_id = readable_id(order.get("order_id"))
    if not order_id:
        raise Unreadable("order_id is none")
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

"""Dhan's JSON as orders, trades, positions, funds and quotes; its rupees and times as paise and µs.

An order report shows what Dhan's book shows. From 21-Mar-2026 a MARKET order stands there as the
LIMIT at a protected price that Dhan made of it, and nothing says what it was: its report is a LIMIT
with that price. A live exit that is no stop is the exit, whatever its type. A stop that has fired
looks like one that rests: Dhan has no word of its own for either.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from algo_contract.trading_day import IST, microseconds
from algo_engine.orders import TERMINAL, OrderReport, OrderStatus, Side, Terms

from algo_brokers.dhan.enums import EXCHANGES, PRODUCT_NAMES, SEGMENTS, STATUSES, TYPES
from algo_brokers.errors import DeniedLocally
from algo_brokers.instruments import Instrument
from algo_brokers.order_reports import is_possible, readable_id, unreadable_row
from algo_brokers.parsing import MAX_DIGITS, MAX_NUMBER
from algo_brokers.port import Funds, Position, Quote, Trade

_NO_REASON: Final = frozenset({"CONFIRMED", "NR", "NA"})
"""Where an order update has nothing to say."""

_OURS: Final = re.compile(r"[A-Z2-7]{20}")
"""A tag as `algo_contract.ids.order_tag` makes it."""


MAX_MESSAGE: Final = 200
"""Characters of a broker's words that are kept."""

UNREADABLE: Final = (ArithmeticError, LookupError, TypeError, ValueError)
"""What reading a row of something else raises."""


def text_of(value: Any) -> str:
    """A JSON text, or a whole number as one; empty for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def nearest_paise(rupees: Any, *, may_be_negative: bool = False) -> int:
    """Rupees of a JSON number or text as paise, to the nearest; nothing is 0.

    Raises:
        ArithmeticError, TypeError, ValueError: not a number, or out of proportion.
    """
    return int((_number(rupees, may_be_negative=may_be_negative) * 100).to_integral_value())


def whole(number: Any, *, may_be_negative: bool = False) -> int:
    """A whole number of a JSON number or text; nothing is 0.

    Raises:
        ArithmeticError, TypeError, ValueError: it is none, or out of proportion.
    """
    value = _number(number, may_be_negative=may_be_negative)
    if value != value.to_integral_value():
        raise ValueError("no whole number")
    return int(value)


def worth(average_rupees: Any, quantity: int) -> int:
    """Paise for a quantity at an average price, to the nearest. Dhan tells no other total: where
    it has rounded the average, the product is off by at most that rounding times the quantity.

    Raises:
        ArithmeticError, TypeError, ValueError: not a number, or out of proportion.
    """
    return int((_number(average_rupees) * quantity * 100).to_integral_value())


def _number(value: Any, *, may_be_negative: bool = False) -> Decimal:
    if value is None or value == "":
        return Decimal(0)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise TypeError("no number")
    digits = value if isinstance(value, str) else str(value)
    if len(digits) > MAX_DIGITS:
        raise ValueError("no number of this world")
    number = Decimal(digits)
    if not (-MAX_NUMBER if may_be_negative else 0) <= number <= MAX_NUMBER:
        raise ValueError("a number out of proportion")
    return number


def ist_us(text: str) -> int:
    """An exchange time in µs since the epoch: ISO, or DD/MM/YYYY HH:MM:SS as in quotes. One without
    a zone is IST.

    Raises:
        ValueError: in none of Dhan's formats.
    """
    if text[2:3] == "/" and text[5:6] == "/":
        text = f"{text[6:10]}-{text[3:5]}-{text[:2]}{text[10:]}"
    moment = dt.datetime.fromisoformat(text)
    return microseconds(moment if moment.tzinfo else moment.replace(tzinfo=IST))


def cleaned(message: Any) -> str:
    """A broker's words on one line, without control characters, not too long."""
    text = text_of(message)[: 4 * MAX_MESSAGE]
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_MESSAGE]


def our_tag(correlation_id: Any) -> str:
    """The correlation id if it is a tag of ours, else empty."""
    text = text_of(correlation_id)
    return text if _OURS.fullmatch(text) else ""


def ended(word: Any) -> OrderStatus | None:
    """How an order has ended by Dhan's word; None while it has not."""
    status = STATUSES.get(_name(word))
    return status if status in TERMINAL else None


def order_status(word: Any, *, terms: Terms, filled: int) -> tuple[OrderStatus, str]:
    """The status, and words about a state that is not known. Such an order counts as open: it is
    asked for again until its state is known.
    """
    name = _name(word)
    status = STATUSES.get(name)
    if status is None:
        return "OPEN", f"Dhan shows an order in an unknown state, {name[:40]!r}"
    if status == "FILLED" and filled < terms.quantity:
        return "OPEN", f"Dhan calls an order traded with {filled} of {terms.quantity} filled"
    if status == "OPEN" and terms.type in ("STOP_LIMIT", "STOP_MARKET") and filled == 0:
        return ("TRIGGER_PENDING" if name == "PENDING" else "OPEN"), ""
    return status, ""


def book_row(fields: Mapping[str, Any]) -> OrderReport:
    """A row of the order book. One of ours that cannot be read says no more than that.

    Raises:
        UNREADABLE: a row of others cannot be read.
    """
    tag = our_tag(fields.get("correlationId"))
    try:
        return _book_row(fields)
    except UNREADABLE as error:
        if not tag:
            raise
        reason = _reason(error)
    return unreadable_row(tag, order_id=fields.get("orderId"), reason=reason)


def _book_row(fields: Mapping[str, Any]) -> OrderReport:
    return _row(
        fields,
        broker_id=fields["orderId"],
        word=fields["orderStatus"],
        filled=fields.get("filledQty"),
        average=fields.get("averageTradedPrice"),
        message=fields.get("omsErrorDescription"),
    )


def book_rows(book: Sequence[Mapping[str, Any]]) -> list[OrderReport]:
    """The order book. No row that cannot be read hides another; those of others are left out."""
    rows: list[OrderReport] = []
    for fields in book:
        with suppress(*UNREADABLE):
            rows.append(book_row(fields))
    return rows


def pushed_row(fields: Mapping[str, Any]) -> OrderReport:
    """The `Data` of an order update. Its names come in PascalCase in the documents and in
    camelCase on the wire. One without an average counts at the price of its newest fill: the book
    puts that right. One of ours that cannot be read says no more than that.

    Raises:
        UNREADABLE: one of others cannot be read.
    """
    lower = {name.lower(): value for name, value in fields.items()}
    tag = our_tag(lower.get("correlationid"))
    try:
        return _pushed_row(lower)
    except UNREADABLE as error:
        if not tag:
            raise
        reason = _reason(error)
    return unreadable_row(tag, order_id=lower.get("orderno"), reason=reason)


def _pushed_row(lower: Mapping[str, Any]) -> OrderReport:
    reason = text_of(lower.get("reasondescription"))
    named = {name: lower.get(name.lower()) for name in ("correlationId", "price", "triggerPrice")}
    return _row(
        {**named, "orderType": lower["ordertype"], "quantity": lower["quantity"]},
        broker_id=lower["orderno"],
        word=lower["status"],
        filled=lower.get("tradedqty"),
        average=lower.get("avgtradedprice") or lower.get("tradedprice"),
        message="" if reason.upper() in _NO_REASON else reason,
    )


def _name(word: Any) -> str:
    """Title case and spaces, as order updates have them, in the book's spelling."""
    return text_of(word).strip().upper().replace(" ", "_").replace("-", "_")


def _reason(error: Exception) -> str:
    """Which field is absent, or what is wrong with one."""
    return f"no {error.args[0]}" if isinstance(error, LookupError) else cleaned(str(error))


def _row(
    fields: Mapping[str, Any], *, broker_id: Any, word: Any, filled: Any, average: Any, message: Any
) -> OrderReport:
    type_name = _name(fields["orderType"])
    kind = TYPES.get(type_name, "LIMIT")
    terms = Terms(
        type=kind,
        quantity=whole(fields["quantity"]),
        price=nearest_paise(fields.get("price")) if kind in ("LIMIT", "STOP_LIMIT") else 0,
        trigger_price=nearest_paise(fields.get("triggerPrice")) if kind.startswith("STOP") else 0,
    )
    done, order_id = whole(filled), readable_id(broker_id)
    status, unknown = order_status(word, terms=terms, filled=done)
    if not is_possible(quantity=terms.quantity, filled=done, is_live=status not in TERMINAL):
        raise ValueError("the quantity and what is filled of it contradict each other")
    if not order_id:
        raise ValueError("no order id")
    if type_name not in TYPES and not unknown:
        unknown = f"Dhan shows an order of an unknown type, {type_name[:40]!r}"
    reason = cleaned(message) if status in ("REJECTED", "CANCELLED") else ""
    return OrderReport(
        tag=our_tag(fields.get("correlationId")),
        status=status,
        terms=terms,
        filled=done,
        value=worth(average, done),
        broker_id=order_id,
        message=unknown or reason,
    )


MAX_QUOTES: Final = 1000
"""Ids in one call. (DhanHQ v2 market quote.)"""

_SIDES: Final[dict[str, Side]] = {"BUY": "BUY", "SELL": "SELL"}


def trade_of(fields: Mapping[str, Any]) -> Trade:
    """A row of the trade book."""
    return Trade(
        order_id=readable_id(fields["orderId"]),
        exchange=EXCHANGES[fields["exchangeSegment"]],
        symbol=text_of(fields["tradingSymbol"]),
        side=_SIDES[fields["transactionType"]],
        quantity=whole(fields["tradedQuantity"]),
        price=nearest_paise(fields["tradedPrice"]),
        time_us=ist_us(text_of(fields["exchangeTime"])),
    )


def position_of(fields: Mapping[str, Any]) -> Position:
    """A row of the positions, in a product that we trade in."""
    return Position(
        exchange=EXCHANGES[fields["exchangeSegment"]],
        symbol=text_of(fields["tradingSymbol"]),
        product=PRODUCT_NAMES[fields["productType"]],
        quantity=whole(fields["netQty"], may_be_negative=True),
        bought=whole(fields["buyQty"]),
        sold=whole(fields["sellQty"]),
    )


def funds_of(fields: Mapping[str, Any]) -> Funds:
    """The fund limit; `availabelBalance` is Dhan's own spelling."""
    return Funds(
        available=nearest_paise(fields["availabelBalance"], may_be_negative=True),
        used=nearest_paise(fields["utilizedAmount"], may_be_negative=True),
    )


def quote_request(instruments: Sequence[Instrument]) -> dict[str, list[int]]:
    """Ids by segment.

    Raises:
        DeniedLocally: more than one call takes.
    """
    if len(instruments) > MAX_QUOTES:
        raise DeniedLocally(f"Dhan quotes {MAX_QUOTES} shares at once, not {len(instruments)}")
    ids: dict[str, list[int]] = {}
    for instrument in instruments:
        ids.setdefault(SEGMENTS[instrument.exchange], []).append(instrument.token)
    return ids


def quotes_of(reply: Mapping[str, Any], instruments: Sequence[Instrument]) -> list[Quote]:
    """The quotes of those shares that the answer has. One that is missing or cannot be read is left
    out: it must not hide the others.
    """
    segments: Mapping[str, Any] = reply["data"]
    found: list[Quote] = []
    for instrument in instruments:
        with suppress(*UNREADABLE):
            shares = segments[SEGMENTS[instrument.exchange]]
            found.append(_quote(instrument, shares[str(instrument.token)]))
    return found


def _quote(instrument: Instrument, fields: Mapping[str, Any]) -> Quote:
    traded = text_of(fields.get("last_trade_time"))
    return Quote(
        exchange=instrument.exchange,
        symbol=instrument.symbol,
        last_price=nearest_paise(fields["last_price"]),
        volume=whole(fields.get("volume")),
        time_us=ist_us(traded) if traded else 0,
        lower_band=nearest_paise(fields.get("lower_circuit_limit")),
        upper_band=nearest_paise(fields.get("upper_circuit_limit")),
    )

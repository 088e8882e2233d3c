"""The book, trades and quotes in Kite's words. Rupees; times `YYYY-MM-DD HH:MM:SS` IST."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from algo_contract.money import average_rupees, rupees
from algo_contract.trading_day import ist_datetime

from algo_sim.exchange.instruments import Instrument
from algo_sim.exchange.market_state import Level, Prices, average_price, band, depth
from algo_sim.exchange.orders import (
    AUTOMATIC,
    Cause,
    Fill,
    Order,
    OrderRequest,
    OrderType,
    Product,
    Status,
)
from algo_sim.exchange.positions import Position

SEGMENTS: Final = {"NSE": 1, "BSE": 4}
"""The low byte of an instrument token."""

ORDER_TYPES: Final[dict[str, OrderType]] = {
    "MARKET": "MARKET",
    "LIMIT": "LIMIT",
    "SL": "STOP_LIMIT",
    "SL-M": "STOP_MARKET",
}
PRODUCTS: Final[dict[str, Product]] = {"MIS": "INTRADAY", "CNC": "DELIVERY"}
STATUSES: Final[dict[Status, str]] = {
    "OPEN": "OPEN",
    "TRIGGER_PENDING": "TRIGGER PENDING",
    "FILLED": "COMPLETE",
    "CANCELLED": "CANCELLED",
    "REJECTED": "REJECTED",
}
BEFORE: Final[Mapping[Cause, Sequence[str]]] = {
    "accepted": ("PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING"),
    "rejected": ("PUT ORDER REQ RECEIVED", "VALIDATION PENDING"),
    "modified": ("MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED"),
    "not_modified": ("MODIFY VALIDATION PENDING", "MODIFY PENDING", "NOT MODIFIED"),
    "cancelled": ("CANCEL PENDING",),
    "triggered": (),
    "filled": (),
}
"""States that an order's history shows on the way to the one it came to."""

_TYPE_WORDS: Final = {value: key for key, value in ORDER_TYPES.items()}
_PRODUCT_WORDS: Final = {value: key for key, value in PRODUCTS.items()}


def instrument_token(instrument: Instrument) -> int:
    """The exchange's number times 256 + the segment."""
    return instrument.token * 256 + SEGMENTS[instrument.exchange]


def listing_key(token: int) -> tuple[str, int]:
    """Exchange and number of an instrument token; the exchange is empty where unknown."""
    exchange = next((name for name, code in SEGMENTS.items() if code == token & 0xFF), "")
    return exchange, token >> 8


def moment(time_us: int) -> str:
    """As Kite writes times."""
    return ist_datetime(time_us).strftime("%Y-%m-%d %H:%M:%S")


def order_words(order: Order, instrument: Instrument, *, user_id: str) -> dict[str, Any]:
    """A row of the order book; also what is pushed."""
    request = order.request
    at_exchange = moment(order.changed_us) if order.exchange_order_id else None
    ended = order.status in {"CANCELLED", "REJECTED"}
    return {
        "account_id": user_id,
        "placed_by": "ADMINSQF" if order.origin == "broker" else user_id,
        "order_id": order.order_id,
        "exchange_order_id": order.exchange_order_id or None,
        "parent_order_id": None,
        "status": STATUSES[order.status],
        "status_message": order.message or None,
        "status_message_raw": order.message or None,
        "order_timestamp": moment(order.taken_us),
        "exchange_update_timestamp": at_exchange,
        "exchange_timestamp": at_exchange,
        "variety": "regular",
        "modified": order.modifications > 0,
        "exchange": request.exchange,
        "tradingsymbol": request.symbol,
        "instrument_token": instrument_token(instrument),
        "order_type": _type_words(order),
        "transaction_type": request.side,
        "validity": request.validity,
        "validity_ttl": 0,
        "product": _PRODUCT_WORDS[request.product],
        "quantity": request.quantity,
        "disclosed_quantity": request.disclosed_quantity,
        "price": rupees(order.limit if request.type == "MARKET" else request.price),
        "trigger_price": rupees(request.trigger_price),
        "average_price": average_rupees(order.value, order.filled),
        "filled_quantity": order.filled,
        "pending_quantity": 0 if ended else order.rest,
        "cancelled_quantity": order.rest if order.status == "CANCELLED" else 0,
        "auction_number": None,
        "market_protection": _protection_words(request),
        "meta": {},
        "tag": request.tag or None,
        "tags": [request.tag] if request.tag else [],
        "guid": f"{order.number:05d}X{order.order_id[-10:]}",
    }


def unvalidated_words(order: Order, instrument: Instrument, *, user_id: str) -> dict[str, Any]:
    """A row of the order book for an order that was received and no more."""
    row = order_words(order, instrument, user_id=user_id)
    unknown = dict.fromkeys(("exchange_order_id", "exchange_timestamp", "status_message"))
    return {
        **row,
        **unknown,
        "status_message_raw": None,
        "status": "VALIDATION PENDING",
        "average_price": 0.0,
        "filled_quantity": 0,
        "pending_quantity": order.request.quantity,
        "cancelled_quantity": 0,
    }


def _type_words(order: Order) -> str:
    """A market order is echoed as the limit order it became (kite.trade forum: the echoed type is
    not reliable).
    """
    became_limit = order.request.type == "MARKET" and order.exchange_order_id
    return "LIMIT" if became_limit else _TYPE_WORDS[order.request.type]


def _protection_words(request: OrderRequest) -> float:
    return request.protection if request.protection == AUTOMATIC else request.protection / 100


def history_words(
    states: Sequence[tuple[Cause, Order]], instrument: Instrument, *, user_id: str
) -> list[dict[str, Any]]:
    """All states of an order, oldest first."""
    rows: list[dict[str, Any]] = []
    for cause, order in states:
        row = order_words(order, instrument, user_id=user_id)
        before = {**row, "status_message": None, "status_message_raw": None}
        if cause in {"accepted", "rejected"}:
            before["exchange_order_id"] = None
        rows += [{**before, "status": status} for status in BEFORE[cause]]
        rows.append(row)
    return rows


def trade_words(fill: Fill, instrument: Instrument) -> dict[str, Any]:
    """A row of the trade book; it has no tag."""
    order = fill.order
    return {
        "trade_id": fill.trade_id,
        "order_id": order.order_id,
        "exchange_order_id": order.exchange_order_id,
        "exchange": order.request.exchange,
        "tradingsymbol": order.request.symbol,
        "instrument_token": instrument_token(instrument),
        "product": _PRODUCT_WORDS[order.request.product],
        "transaction_type": order.request.side,
        "quantity": fill.quantity,
        "average_price": rupees(fill.price),
        "fill_timestamp": moment(fill.time_us),
        "order_timestamp": moment(order.taken_us)[11:],
        "exchange_timestamp": moment(fill.time_us),
    }


def position_words(position: Position, instrument: Instrument, prices: Prices) -> dict[str, Any]:
    """A row of the positions, net or day: they are the same where nothing was held overnight."""
    bought, sold = rupees(position.bought_value), rupees(position.sold_value)
    value = rupees(position.sold_value - position.bought_value)
    pnl = rupees(position.sold_value - position.bought_value + position.net * prices.last)
    realised = rupees(position.realised)
    buy_price = average_rupees(position.bought_value, position.bought)
    sell_price = average_rupees(position.sold_value, position.sold)
    average = buy_price if position.net > 0 else sell_price if position.net < 0 else 0.0
    return {
        "tradingsymbol": position.symbol,
        "exchange": position.exchange,
        "instrument_token": instrument_token(instrument),
        "product": _PRODUCT_WORDS[position.product],
        "quantity": position.net,
        "overnight_quantity": 0,
        "multiplier": 1,
        "average_price": average,
        "close_price": rupees(instrument.previous_close),
        "last_price": rupees(prices.last),
        "value": value,
        "pnl": pnl,
        "m2m": pnl,
        "unrealised": round(pnl - realised, 2),
        "realised": realised,
        "buy_quantity": position.bought,
        "buy_price": buy_price,
        "buy_value": bought,
        "buy_m2m": bought,
        "sell_quantity": position.sold,
        "sell_price": sell_price,
        "sell_value": sold,
        "sell_m2m": sold,
        "day_buy_quantity": position.bought,
        "day_buy_price": buy_price,
        "day_buy_value": bought,
        "day_sell_quantity": position.sold,
        "day_sell_price": sell_price,
        "day_sell_value": sold,
    }


def ltp_words(instrument: Instrument, prices: Prices) -> dict[str, Any]:
    """GET /quote/ltp."""
    return {"instrument_token": instrument_token(instrument), "last_price": rupees(prices.last)}


def ohlc_words(instrument: Instrument, prices: Prices) -> dict[str, Any]:
    """GET /quote/ohlc; `close` is the previous day's."""
    ohlc = {
        "open": rupees(prices.open),
        "high": rupees(prices.high),
        "low": rupees(prices.low),
        "close": rupees(instrument.previous_close),
    }
    return {**ltp_words(instrument, prices), "ohlc": ohlc}


def quote_words(instrument: Instrument, prices: Prices, *, now_us: int) -> dict[str, Any]:
    """GET /quote."""
    bids, asks = depth(instrument, prices)
    lower, upper = band(instrument, prices)
    return {
        **ohlc_words(instrument, prices),
        "timestamp": moment(now_us),
        "last_trade_time": moment(prices.trade_us) if prices.trade_us else None,
        "last_quantity": prices.quantity,
        "buy_quantity": sum(level.quantity for level in bids),
        "sell_quantity": sum(level.quantity for level in asks),
        "volume": prices.volume,
        "average_price": rupees(average_price(prices)),
        "net_change": rupees(prices.last - instrument.previous_close),
        "oi": 0,
        "oi_day_high": 0,
        "oi_day_low": 0,
        "lower_circuit_limit": rupees(lower),
        "upper_circuit_limit": rupees(upper),
        "depth": {"buy": _levels(bids), "sell": _levels(asks)},
    }


def margin_words(request: OrderRequest, required: int) -> dict[str, Any]:
    """One order of POST /margins/orders; all of its margin is VaR."""
    amount = rupees(required)
    return {
        "type": "equity",
        "tradingsymbol": request.symbol,
        "exchange": request.exchange,
        "span": 0,
        "exposure": 0,
        "option_premium": 0,
        "additional": 0,
        "bo": 0,
        "cash": 0,
        "var": amount,
        "pnl": {"realised": 0, "unrealised": 0},
        "leverage": 5 if request.product == "INTRADAY" else 1,
        "charges": {
            "transaction_tax": 0,
            "transaction_tax_type": "stt",
            "exchange_turnover_charge": 0,
            "sebi_turnover_charge": 0,
            "brokerage": 0,
            "stamp_duty": 0,
            "gst": {"igst": 0, "cgst": 0, "sgst": 0, "total": 0},
            "total": 0,
        },
        "total": amount,
    }


def _levels(levels: Sequence[Level]) -> list[dict[str, Any]]:
    return [
        {"price": rupees(level.price), "quantity": level.quantity, "orders": level.orders}
        for level in levels
    ]

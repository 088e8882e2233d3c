"""Rows of the order book and of the trade book as Dhan shows them, and its order updates."""

from typing import Any, Final

from algo_contract.money import average_rupees, rupees

from algo_sim.dhan import enums
from algo_sim.exchange.instruments import Instrument
from algo_sim.exchange.orders import Event, Fill, Order

ALGO_ID: Final = "700000000001"
"""Every order through the API carries one (NSE/INVG/67858)."""

_PUSHED_TYPES: Final = {"LIMIT": "LMT", "STOP_LOSS": "SL", "STOP_LOSS_MARKET": "SLM"}
_NO_DATE: Final = "0001-01-01 00:00:00"


def order_row(order: Order, listing: Instrument, *, client_id: str) -> dict[str, Any]:
    """One order of the book."""
    ask = order.ask
    is_rejected = order.status == "REJECTED"
    return {
        **_named(order, listing, client_id=client_id),
        "correlationId": ask.tag or None,
        "orderStatus": enums.status(order),
        "validity": ask.validity,
        "quantity": ask.quantity,
        "disclosedQuantity": ask.disclosed_quantity,
        "price": rupees(enums.price(order)),
        "triggerPrice": rupees(ask.trigger_price),
        "afterMarketOrder": False,
        "boProfitValue": 0.0,
        "boStopLossValue": 0.0,
        "legName": None,
        "createTime": enums.ist(order.taken_us),
        "updateTime": enums.ist(order.changed_us),
        "exchangeTime": enums.ist(order.changed_us) if order.exchange_order_id else None,
        "omsErrorCode": "RMS" if is_rejected else None,
        "omsErrorDescription": order.message or None,
        "algoId": ALGO_ID,
        "remainingQuantity": order.rest,
        "averageTradedPrice": average_rupees(order.value, order.filled),
        "filledQty": order.filled,
    }


def received_row(order: Order, listing: Instrument, *, client_id: str) -> dict[str, Any]:
    """One order of the book that was received and no more."""
    return {
        **order_row(order, listing, client_id=client_id),
        "exchangeOrderId": None,
        "orderStatus": "TRANSIT",
        "exchangeTime": None,
        "omsErrorCode": None,
        "omsErrorDescription": None,
        "remainingQuantity": order.ask.quantity,
        "averageTradedPrice": 0.0,
        "filledQty": 0,
    }


def trade_row(fill: Fill, listing: Instrument, *, client_id: str) -> dict[str, Any]:
    """One fill; the trade book has no correlation ids."""
    return {
        **_named(fill.order, listing, client_id=client_id),
        "exchangeTradeId": fill.trade_id,
        "customSymbol": listing.symbol.title(),
        "tradedQuantity": fill.quantity,
        "tradedPrice": rupees(fill.price),
        "createTime": enums.ist(fill.order.taken_us),
        "updateTime": enums.ist(fill.time_us),
        "exchangeTime": enums.ist(fill.time_us),
    }


def updates(event: Event, listing: Instrument, *, client_id: str) -> list[dict[str, Any]]:
    """What the order socket says of an event: a new order is told twice, on its way and there."""
    told = enums.status(event.order)
    statuses = ("TRANSIT", told) if event.cause == "accepted" else (told,)
    return [_alert(event, listing, status=status, client_id=client_id) for status in statuses]


def _alert(event: Event, listing: Instrument, *, status: str, client_id: str) -> dict[str, Any]:
    """Names in camelCase and statuses in title case, as on the wire; the documents have the names
    in PascalCase.
    """
    order, fill = event.order, event.fill
    ask = order.ask
    return {
        "Type": "order_alert",
        "Data": {
            "exchange": ask.exchange,
            "segment": "E",
            "source": "P",
            "securityId": str(listing.token),
            "clientId": client_id,
            "exchOrderNo": "" if status == "TRANSIT" else order.exchange_order_id,
            "orderNo": order.order_id,
            "product": "I" if ask.product == "INTRADAY" else "C",
            "productName": enums.PRODUCT_OF[ask.product],
            "txnType": ask.side[0],
            "orderType": _PUSHED_TYPES[enums.order_type(order)],
            "validity": ask.validity,
            "discQuantity": ask.disclosed_quantity,
            "discQtyRem": ask.disclosed_quantity,
            "remainingQuantity": order.rest,
            "quantity": ask.quantity,
            "tradedQty": order.filled,
            "price": rupees(enums.price(order)),
            "triggerPrice": rupees(ask.trigger_price),
            "tradedPrice": rupees(fill.price) if fill else 0.0,
            "avgTradedPrice": average_rupees(order.value, order.filled),
            "offMktFlag": "0",
            "orderDateTime": enums.ist(order.taken_us),
            "exchOrderTime": enums.ist(order.changed_us),
            "lastUpdatedTime": enums.ist(order.changed_us),
            "remarks": "NR",
            "mktType": "NL",
            "reasonDescription": order.message or "CONFIRMED",
            "legNo": 1,
            "instrument": "EQUITY",
            "symbol": ask.symbol,
            "displayName": listing.symbol.title(),
            "isin": listing.isin,
            "series": "EQ",
            "status": status.title(),
            "lotSize": 1,
            "strikePrice": 0.0,
            "expiryDate": _NO_DATE,
            "optType": "XX",
            "refLtp": 0.0,
            "tickSize": rupees(listing.tick_size),
            "algoId": ALGO_ID,
            "multiplier": 1,
            "correlationId": ask.tag,
        },
    }


def _named(order: Order, listing: Instrument, *, client_id: str) -> dict[str, Any]:
    """What the rows of both books begin with."""
    ask = order.ask
    return {
        "dhanClientId": client_id,
        "orderId": order.order_id,
        "exchangeOrderId": order.exchange_order_id or None,
        "transactionType": ask.side,
        "exchangeSegment": enums.SEGMENT_OF[ask.exchange],
        "productType": enums.PRODUCT_OF[ask.product],
        "orderType": enums.order_type(order),
        "tradingSymbol": ask.symbol,
        "securityId": str(listing.token),
        "drvExpiryDate": None,
        "drvOptionType": None,
        "drvStrikePrice": 0.0,
    }

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


def order_row(order: Order, instrument: Instrument, *, client_id: str) -> dict[str, Any]:
    """One order of the book."""
    request = order.request
    is_rejected = order.status == "REJECTED"
    return {
        **_named(order, instrument, client_id=client_id),
        "correlationId": request.tag or None,
        "orderStatus": enums.status(order),
        "validity": request.validity,
        "quantity": request.quantity,
        "disclosedQuantity": request.disclosed_quantity,
        "price": rupees(enums.price(order)),
        "triggerPrice": rupees(request.trigger_price),
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


def received_row(order: Order, instrument: Instrument, *, client_id: str) -> dict[str, Any]:
    """One order of the book that was received and no more."""
    return {
        **order_row(order, instrument, client_id=client_id),
        "exchangeOrderId": None,
        "orderStatus": "TRANSIT",
        "exchangeTime": None,
        "omsErrorCode": None,
        "omsErrorDescription": None,
        "remainingQuantity": order.request.quantity,
        "averageTradedPrice": 0.0,
        "filledQty": 0,
    }


def trade_row(fill: Fill, instrument: Instrument, *, client_id: str) -> dict[str, Any]:
    """One fill; the trade book has no correlation ids."""
    return {
        **_named(fill.order, instrument, client_id=client_id),
        "exchangeTradeId": fill.trade_id,
        "customSymbol": instrument.symbol.title(),
        "tradedQuantity": fill.quantity,
        "tradedPrice": rupees(fill.price),
        "createTime": enums.ist(fill.order.taken_us),
        "updateTime": enums.ist(fill.time_us),
        "exchangeTime": enums.ist(fill.time_us),
    }


def updates(event: Event, instrument: Instrument, *, client_id: str) -> list[dict[str, Any]]:
    """What the order socket says of an event: a new order is told twice, on its way and there."""
    told = enums.status(event.order)
    statuses = ("TRANSIT", told) if event.cause == "accepted" else (told,)
    return [_alert(event, instrument, status=status, client_id=client_id) for status in statuses]


def _alert(event: Event, instrument: Instrument, *, status: str, client_id: str) -> dict[str, Any]:
    """Names in camelCase and statuses in title case, as on the wire; the documents have the names
    in PascalCase.
    """
    order, fill = event.order, event.fill
    request = order.request
    return {
        "Type": "order_alert",
        "Data": {
            "exchange": request.exchange,
            "segment": "E",
            "source": "P",
            "securityId": str(instrument.token),
            "clientId": client_id,
            "exchOrderNo": "" if status == "TRANSIT" else order.exchange_order_id,
            "orderNo": order.order_id,
            "product": "I" if request.product == "INTRADAY" else "C",
            "productName": enums.PRODUCT_OF[request.product],
            "txnType": request.side[0],
            "orderType": _PUSHED_TYPES[enums.order_type(order)],
            "validity": request.validity,
            "discQuantity": request.disclosed_quantity,
            "discQtyRem": request.disclosed_quantity,
            "remainingQuantity": order.rest,
            "quantity": request.quantity,
            "tradedQty": order.filled,
            "price": rupees(enums.price(order)),
            "triggerPrice": rupees(request.trigger_price),
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
            "symbol": request.symbol,
            "displayName": instrument.symbol.title(),
            "isin": instrument.isin,
            "series": "EQ",
            "status": status.title(),
            "lotSize": 1,
            "strikePrice": 0.0,
            "expiryDate": _NO_DATE,
            "optType": "XX",
            "refLtp": 0.0,
            "tickSize": rupees(instrument.tick_size),
            "algoId": ALGO_ID,
            "multiplier": 1,
            "correlationId": request.tag,
        },
    }


def _named(order: Order, instrument: Instrument, *, client_id: str) -> dict[str, Any]:
    """What the rows of both books begin with."""
    request = order.request
    return {
        "dhanClientId": client_id,
        "orderId": order.order_id,
        "exchangeOrderId": order.exchange_order_id or None,
        "transactionType": request.side,
        "exchangeSegment": enums.SEGMENT_OF[request.exchange],
        "productType": enums.PRODUCT_OF[request.product],
        "orderType": enums.order_type(order),
        "tradingSymbol": request.symbol,
        "securityId": str(instrument.token),
        "drvExpiryDate": None,
        "drvOptionType": None,
        "drvStrikePrice": 0.0,
    }

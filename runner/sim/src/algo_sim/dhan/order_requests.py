"""The bodies of order calls, read strictly: what an order of the exchange they ask for."""

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, TypeVar

from algo_sim.dhan import enums, errors
from algo_sim.dhan.errors import Refused
from algo_sim.exchange.instruments import Instrument, Instruments
from algo_sim.exchange.orders import AUTOMATIC, OrderRequest, OrderType

_TAG: Final = re.compile(r"[A-Za-z0-9 _-]{0,30}", re.ASCII)
_DISCLOSED_PERCENT: Final = 30
"""Least part of the quantity that may be shown, where one is given."""

_T = TypeVar("_T")


def new_order(fields: Mapping[str, Any], instruments: Instruments) -> OrderRequest:
    """What a place call asks for.

    Raises:
        Refused: a field is missing or bad.
    """
    if fields.get("afterMarketOrder"):
        raise Refused(errors.ORDER, "After market orders are not taken while the market is open")
    instrument = security(fields, instruments)
    tag = fields.get("correlationId") or ""
    if not isinstance(tag, str) or not _TAG.fullmatch(tag):
        raise _bad("correlationId")
    return _with_terms(
        OrderRequest(
            exchange=instrument.exchange,
            symbol=instrument.symbol,
            side=_word(fields, "transactionType", enums.SIDES),
            type=_order_type(fields.get("orderType")),
            quantity=_whole(fields, "quantity"),
            validity=_word(fields, "validity", enums.VALIDITIES),
            product=_word(fields, "productType", enums.PRODUCTS),
            tag=tag,
        ),
        fields,
    )


def changed_order(request: OrderRequest, fields: Mapping[str, Any]) -> OrderRequest:
    """What a modify call makes of an order; the quantity is its new total.

    Raises:
        Refused: a field is bad.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    kind = _order_type(given["orderType"]) if "orderType" in given else request.type
    quantity = _whole(given, "quantity") if "quantity" in given else request.quantity
    validity = (
        _word(given, "validity", enums.VALIDITIES) if "validity" in given else request.validity
    )
    kept = {
        "price": Decimal(request.price) / 100,
        "triggerPrice": Decimal(request.trigger_price) / 100,
        "disclosedQuantity": request.disclosed_quantity,
    }
    changed = replace(request, type=kind, quantity=quantity, validity=validity)
    return _with_terms(changed, {**kept, **given})


def security(fields: Mapping[str, Any], instruments: Instruments) -> Instrument:
    """The share that exchangeSegment and securityId name; the id comes as text or number.

    Raises:
        Refused: there is none.
    """
    exchange = _word(fields, "exchangeSegment", enums.SEGMENTS)
    instrument = instruments.by_token(exchange, enums.share_number(fields.get("securityId")))
    if instrument is None:
        raise _bad("securityId")
    return instrument


def paise(value: Any, *, name: str) -> int:
    """Rupees of the body in paise.

    Raises:
        Refused: not a price.
    """
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _bad(name)
    exact = Decimal(value) * 100
    if not exact.is_finite() or not 0 <= exact < 10**12 or exact != exact.to_integral_value():
        raise _bad(name)
    return int(exact)


def _with_terms(request: OrderRequest, fields: Mapping[str, Any]) -> OrderRequest:
    price = paise(fields.get("price"), name="price")
    trigger_price = paise(fields.get("triggerPrice"), name="triggerPrice")
    disclosed = _whole(fields, "disclosedQuantity") if fields.get("disclosedQuantity") else 0
    if disclosed and disclosed * 100 < request.quantity * _DISCLOSED_PERCENT:
        raise _bad("disclosedQuantity")
    is_market, is_stop = request.type == "MARKET", request.type == "STOP_LIMIT"
    return replace(
        request,
        price=0 if is_market else price,
        trigger_price=trigger_price if is_stop else 0,
        protection=AUTOMATIC if is_market else 0,
        disclosed_quantity=disclosed,
    )


def _order_type(value: Any) -> OrderType:
    if value == "STOP_LOSS_MARKET":
        raise Refused(errors.ORDER, "STOP_LOSS_MARKET orders are not processed; use STOP_LOSS")
    return _word({"orderType": value}, "orderType", enums.ORDER_TYPES)


def _word(fields: Mapping[str, Any], name: str, known: Mapping[str, _T]) -> _T:
    value = fields.get(name)
    if not isinstance(value, str) or value not in known:
        raise _bad(name)
    return known[value]


def _whole(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**9:
        raise _bad(name)
    return value


def _bad(name: str) -> Refused:
    return Refused(errors.INPUT, f"Missing required field, or bad value for parameter {name}")

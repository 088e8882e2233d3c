"""Order forms: Kite's fields to what is asked of the exchange."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

from algo_contract.money import basis_points, paise

from algo_sim.exchange.orders import AUTOMATIC, Order, OrderRequest, Side, Validity
from algo_sim.zerodha.serializers import ORDER_TYPES, PRODUCTS

VARIETIES: Final = frozenset({"regular", "amo", "co", "iceberg", "auction"})
_TAG: Final = re.compile(r"[A-Za-z0-9]{0,20}")
_PROTECTED: Final = frozenset({"MARKET", "STOP_MARKET"})
Form = Mapping[str, str]


class InputError(ValueError):
    """A field is missing or not good."""


def new_order(form: Form, *, variety: str) -> OrderRequest:
    """The order of a place call.

    Raises:
        InputError: with the broker's words.
    """
    if variety not in VARIETIES:
        raise InputError("Invalid `variety`.")
    if variety != "regular":
        raise InputError(f"Orders of variety {variety} are not simulated.")
    exchange = _one_of(form, "exchange", ("NSE", "BSE"))
    side = _one_of(form, "transaction_type", ("BUY", "SELL"))
    kind = _one_of(form, "order_type", tuple(ORDER_TYPES))
    product = _one_of(form, "product", tuple(PRODUCTS))
    validity = _one_of(form, "validity", ("DAY", "IOC"), default="DAY")
    if not form.get("tradingsymbol"):
        raise InputError("Missing `tradingsymbol`.")
    tag = form.get("tag", "")
    if not _TAG.fullmatch(tag):
        raise InputError("Invalid `tag`. It should be alphanumeric, 20 characters at most.")
    wanted = OrderRequest(
        exchange=exchange,
        symbol=form["tradingsymbol"],
        side=cast("Side", side),
        type=ORDER_TYPES[kind],
        quantity=_whole(form, "quantity"),
        price=_price(form, "price"),
        trigger_price=_price(form, "trigger_price"),
        validity=cast("Validity", validity),
        product=PRODUCTS[product],
        protection=_protection(form, 0),
        disclosed_quantity=_whole(form, "disclosed_quantity", default=0),
        tag=tag,
    )
    return _checked(wanted)


def changed_order(form: Form, order: Order) -> OrderRequest:
    """The new terms of a modify call; what it leaves out stays.

    Raises:
        InputError: with the broker's words.
    """
    wanted = order.request
    words = {kind: word for word, kind in ORDER_TYPES.items()}
    kind = _one_of(form, "order_type", tuple(ORDER_TYPES), default=words[wanted.type])
    validity = _one_of(form, "validity", ("DAY", "IOC"), default=wanted.validity)
    changed = replace(
        wanted,
        type=ORDER_TYPES[kind],
        quantity=_whole(form, "quantity", default=wanted.quantity),
        price=_price(form, "price", default=wanted.price),
        trigger_price=_price(form, "trigger_price", default=wanted.trigger_price),
        validity=cast("Validity", validity),
        protection=_protection(form, wanted.protection),
        disclosed_quantity=_whole(form, "disclosed_quantity", default=wanted.disclosed_quantity),
    )
    return _checked(changed)


def _checked(wanted: OrderRequest) -> OrderRequest:
    """Prices that the type has no use for are dropped; protection is demanded where it is due
    (from 1 April 2026; developer forum, discussion 15912).
    """
    if wanted.type == "STOP_MARKET" and wanted.exchange == "BSE":
        raise InputError("SL-M orders are blocked on BSE. Use SL orders instead.")
    if wanted.type in _PROTECTED and wanted.protection == 0:
        raise InputError(
            "Market orders without market protection are not allowed via API. Set "
            "market_protection, or use a limit order."
        )
    return replace(
        wanted,
        price=wanted.price if wanted.type in {"LIMIT", "STOP_LIMIT"} else 0,
        trigger_price=wanted.trigger_price if wanted.is_stop else 0,
    )


def _protection(form: Form, default: int) -> int:
    """Percent as the form has it, in hundredths of a percent; -1 is the broker's own choice."""
    text = form.get("market_protection", "")
    if text == "":
        return default
    try:
        value = basis_points(text)
    except ValueError as error:
        raise InputError(
            f"Invalid request (failed to decode market_protection, got: {text} (expected decimal))"
        ) from error
    if value == AUTOMATIC * 100:
        return AUTOMATIC
    if not 0 <= value <= 10_000:
        raise InputError("Invalid `market_protection`.")
    return value


def _one_of(form: Form, name: str, values: tuple[str, ...], *, default: str = "") -> str:
    value = form.get(name) or default
    if not value:
        raise InputError(f"Missing `{name}`.")
    if value not in values:
        raise InputError(f"Invalid `{name}`.")
    return value


def _whole(form: Form, name: str, *, default: int | None = None) -> int:
    text = form.get(name, "")
    if text == "" and default is not None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise InputError(f"Invalid `{name}`.")
    return int(text)


def _price(form: Form, name: str, *, default: int = 0) -> int:
    text = form.get(name, "")
    if text == "":
        return default
    try:
        value = paise(text)
    except ValueError as error:
        raise InputError(f"Invalid `{name}`.") from error
    if value < 0:
        raise InputError(f"Invalid `{name}`.")
    return value

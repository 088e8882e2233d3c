"""What the exchange and the brokers' risk checks refuse: pure checks with words.

Which of these a broker answers at once and which it takes and then rejects is its protocol's
business.
"""

from dataclasses import dataclass
from typing import Literal

from algo_contract.money import rupee_text

from algo_sim.exchange.instruments import Instrument
from algo_sim.exchange.market_state import Prices, band
from algo_sim.exchange.orders import OrderRequest

Reason = Literal[
    "input",
    "tick_size",
    "trigger",
    "freeze",
    "band",
    "closed",
    "intraday_closed",
    "auction",
    "holding",
    "funds",
    "state",
    "modifications",
    "unknown_order",
]


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an order is refused."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The day's times for one account. µs."""

    opens_us: int
    closes_us: int
    square_off_us: int
    auction_us: int | None
    """When the closing auction begins in the shares that have one; None: there is none."""


def rejection_of(
    request: OrderRequest, *, instrument: Instrument, prices: Prices, hours: Hours, now_us: int
) -> Rejection | None:
    """The first thing wrong with an order, funds and holdings left out; None: nothing."""
    return (
        _wrong_terms(request)
        or _off_the_grid(request, instrument)
        or _too_many(request, instrument)
        or _outside_hours(request, instrument, hours, now_us)
        or _outside_the_band(request, instrument, prices)
    )


def crossed(request: OrderRequest, prices: Prices) -> Rejection | None:
    """What is wrong with a stop whose trigger the last price has reached already."""
    if not request.is_stop:
        return None
    if request.side == "SELL" and request.trigger_price >= prices.last:
        side = "Trigger price for stoploss sell orders should be lower"
    elif request.side == "BUY" and request.trigger_price <= prices.last:
        side = "Trigger price for stoploss buy orders should be higher"
    else:
        return None
    return Rejection("trigger", f"{side} than the last traded price.")


def _wrong_terms(request: OrderRequest) -> Rejection | None:
    if request.quantity <= 0:
        return Rejection("input", "Invalid quantity.")
    if request.type in {"LIMIT", "STOP_LIMIT"} and request.price <= 0:
        return Rejection("input", "Invalid price.")
    if request.is_stop and request.trigger_price <= 0:
        return Rejection("input", "Invalid trigger price.")
    if not 0 <= request.disclosed_quantity <= request.quantity:
        return Rejection("input", "Invalid disclosed quantity.")
    if request.type == "STOP_LIMIT":
        is_buy = request.side == "BUY"
        if is_buy and request.trigger_price > request.price:
            return Rejection("trigger", "Trigger price cannot be above the price of a buy order.")
        if not is_buy and request.trigger_price < request.price:
            return Rejection("trigger", "Trigger price cannot be below the price of a sell order.")
    if request.is_stop and request.validity == "IOC":
        return Rejection("input", "Stop orders take validity DAY only.")
    return None


def _off_the_grid(request: OrderRequest, instrument: Instrument) -> Rejection | None:
    step = instrument.tick_size
    if request.price % step or request.trigger_price % step:
        size = rupee_text(step).removeprefix("₹")
        return Rejection(
            "tick_size",
            f"Tick size for this script is {size}. Kindly enter price in the multiple of tick "
            "size for this script",
        )
    return None


def _too_many(request: OrderRequest, instrument: Instrument) -> Rejection | None:
    most = instrument.freeze_quantity
    if most and request.quantity > most:
        return Rejection("freeze", f"Quantity is above the freeze quantity of {most} shares.")
    return None


def _outside_hours(
    request: OrderRequest, instrument: Instrument, hours: Hours, now_us: int
) -> Rejection | None:
    if not hours.opens_us <= now_us < hours.closes_us:
        return Rejection("closed", "Markets are closed right now.")
    if request.product == "INTRADAY" and now_us >= hours.square_off_us:
        return Rejection("intraday_closed", "Intraday orders are not taken after the square-off.")
    in_auction = (
        hours.auction_us is not None
        and instrument.has_closing_auction
        and now_us >= hours.auction_us
    )
    if in_auction and (request.is_stop or request.disclosed_quantity or request.validity == "IOC"):
        return Rejection("auction", "The closing auction takes no stop-loss and no IOC orders.")
    return None


def _outside_the_band(
    request: OrderRequest, instrument: Instrument, prices: Prices
) -> Rejection | None:
    lower, upper = band(instrument, prices)
    limits = f"{rupee_text(lower)} to {rupee_text(upper)}".replace("₹", "")
    if request.trigger_price and not lower <= request.trigger_price <= upper:
        return Rejection("trigger", f"Trigger price is outside the circuit limits of {limits}.")
    if request.price and not lower <= request.price <= upper:
        return Rejection("band", f"The price is outside the circuit limits of {limits}.")
    return None

"""What the exchange and the brokers' risk checks refuse: pure checks with words.

Which of these a broker answers at once and which it takes and then rejects is its dialect's
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
    ask: OrderRequest, *, listing: Instrument, prices: Prices, hours: Hours, now_us: int
) -> Rejection | None:
    """The first thing wrong with an order, funds and holdings left out; None: nothing."""
    return (
        _wrong_terms(ask)
        or _off_the_grid(ask, listing)
        or _too_many(ask, listing)
        or _outside_hours(ask, listing, hours, now_us)
        or _outside_the_band(ask, listing, prices)
    )


def crossed(ask: OrderRequest, prices: Prices) -> Rejection | None:
    """What is wrong with a stop whose trigger the last price has reached already."""
    if not ask.is_stop:
        return None
    if ask.side == "SELL" and ask.trigger_price >= prices.last:
        side = "Trigger price for stoploss sell orders should be lower"
    elif ask.side == "BUY" and ask.trigger_price <= prices.last:
        side = "Trigger price for stoploss buy orders should be higher"
    else:
        return None
    return Rejection("trigger", f"{side} than the last traded price.")


def _wrong_terms(ask: OrderRequest) -> Rejection | None:
    if ask.quantity <= 0:
        return Rejection("input", "Invalid quantity.")
    if ask.type in {"LIMIT", "STOP_LIMIT"} and ask.price <= 0:
        return Rejection("input", "Invalid price.")
    if ask.is_stop and ask.trigger_price <= 0:
        return Rejection("input", "Invalid trigger price.")
    if not 0 <= ask.disclosed_quantity <= ask.quantity:
        return Rejection("input", "Invalid disclosed quantity.")
    if ask.type == "STOP_LIMIT":
        is_buy = ask.side == "BUY"
        if is_buy and ask.trigger_price > ask.price:
            return Rejection("trigger", "Trigger price cannot be above the price of a buy order.")
        if not is_buy and ask.trigger_price < ask.price:
            return Rejection("trigger", "Trigger price cannot be below the price of a sell order.")
    if ask.is_stop and ask.validity == "IOC":
        return Rejection("input", "Stop orders take validity DAY only.")
    return None


def _off_the_grid(ask: OrderRequest, listing: Instrument) -> Rejection | None:
    step = listing.tick_size
    if ask.price % step or ask.trigger_price % step:
        size = rupee_text(step).removeprefix("₹")
        return Rejection(
            "tick_size",
            f"Tick size for this script is {size}. Kindly enter price in the multiple of tick "
            "size for this script",
        )
    return None


def _too_many(ask: OrderRequest, listing: Instrument) -> Rejection | None:
    most = listing.freeze_quantity
    if most and ask.quantity > most:
        return Rejection("freeze", f"Quantity is above the freeze quantity of {most} shares.")
    return None


def _outside_hours(
    ask: OrderRequest, listing: Instrument, hours: Hours, now_us: int
) -> Rejection | None:
    if not hours.opens_us <= now_us < hours.closes_us:
        return Rejection("closed", "Markets are closed right now.")
    if ask.product == "INTRADAY" and now_us >= hours.square_off_us:
        return Rejection("intraday_closed", "Intraday orders are not taken after the square-off.")
    in_auction = (
        hours.auction_us is not None and listing.has_closing_auction and now_us >= hours.auction_us
    )
    if in_auction and (ask.is_stop or ask.disclosed_quantity or ask.validity == "IOC"):
        return Rejection("auction", "The closing auction takes no stop-loss and no IOC orders.")
    return None


def _outside_the_band(ask: OrderRequest, listing: Instrument, prices: Prices) -> Rejection | None:
    lower, upper = band(listing, prices)
    limits = f"{rupee_text(lower)} to {rupee_text(upper)}".replace("₹", "")
    if ask.trigger_price and not lower <= ask.trigger_price <= upper:
        return Rejection("trigger", f"Trigger price is outside the circuit limits of {limits}.")
    if ask.price and not lower <= ask.price <= upper:
        return Rejection("band", f"The price is outside the circuit limits of {limits}.")
    return None

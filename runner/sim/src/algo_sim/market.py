"""Prices of one share and what follows from them: averages, bands, a made-up book."""

from dataclasses import dataclass, replace
from typing import Final

from algo_sim.listing import Listing

LEVELS: Final = 5
_FLEX_PERCENT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The day so far. Paise; times in µs."""

    last: int
    """The previous close before the first trade."""

    quantity: int = 0
    """Of the last trade; 0 before the first."""

    volume: int = 0
    turnover: int = 0
    traded: int = 0
    """Shares in `turnover`: a tick file's day volume may hold trades it has no ticks of."""

    open: int = 0
    high: int = 0
    low: int = 0
    trade_us: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """One row of the book's depth."""

    price: int
    quantity: int
    orders: int


def traded(prices: Prices, *, price: int, quantity: int, volume: int, time_us: int) -> Prices:
    """After one more trade."""
    is_first = prices.trade_us == 0
    return replace(
        prices,
        last=price,
        quantity=quantity,
        volume=volume,
        turnover=prices.turnover + price * quantity,
        traded=prices.traded + quantity,
        open=price if is_first else prices.open,
        high=price if is_first else max(prices.high, price),
        low=price if is_first else min(prices.low, price),
        trade_us=time_us,
    )


def average_price(prices: Prices) -> int:
    """Volume-weighted, in paise; 0 before the first trade."""
    return prices.turnover // prices.traded if prices.traded else 0


def band(listing: Listing, prices: Prices) -> tuple[int, int]:
    """The lowest and highest price at which orders are taken, on the price grid.

    A band that recorded trades have reached was widened in truth: it flexes by 5 % steps, as the
    operating bands of shares with derivatives do (NSE/CMTR/64994).
    """
    close, step = listing.previous_close, listing.tick_size
    up = down = listing.band_percent
    while prices.high >= close * (100 + up) // 100:
        up += _FLEX_PERCENT
    while prices.low and prices.low <= close * (100 - down) // 100:
        down += _FLEX_PERCENT
    lower = -(-close * max(100 - down, 0) // 100 // step) * step
    upper = close * (100 + up) // 100 // step * step
    return max(lower, step), upper


def depth(listing: Listing, prices: Prices) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    """Five bids and five offers around the last price, best first: plausible, not recorded."""
    lower, upper = band(listing, prices)
    step = listing.tick_size
    bids: list[Level] = []
    asks: list[Level] = []
    for level in range(1, LEVELS + 1):
        size = 100 * level + prices.last // step * 7 % 400
        bid, ask = prices.last - level * step, prices.last + level * step
        bids.append(Level(bid, size, level) if bid >= lower else Level(0, 0, 0))
        asks.append(Level(ask, size + 50, level + 1) if ask <= upper else Level(0, 0, 0))
    return tuple(bids), tuple(asks)

"""What all accounts share at the exchange: the clock, the shares, their prices, the offer."""

from dataclasses import dataclass, field, replace
from typing import Final

from algo_sim.exchange.instruments import Instrument, Instruments
from algo_sim.exchange.orders import FillRule

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


def band(instrument: Instrument, prices: Prices) -> tuple[int, int]:
    """The lowest and highest price at which orders are taken, on the price grid.

    A band that recorded trades have reached was widened in truth: it flexes by 5 % steps, as the
    operating bands of shares with derivatives do (NSE/CMTR/64994).
    """
    close, step = instrument.previous_close, instrument.tick_size
    up = down = instrument.band_percent
    while prices.high >= close * (100 + up) // 100:
        up += _FLEX_PERCENT
    while prices.low and prices.low <= close * (100 - down) // 100:
        down += _FLEX_PERCENT
    lower = -(-close * max(100 - down, 0) // 100 // step) * step
    upper = close * (100 + up) // 100 // step * step
    return max(lower, step), upper


def depth(instrument: Instrument, prices: Prices) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    """Five bids and five offers around the last price, best first: plausible, not recorded."""
    lower, upper = band(instrument, prices)
    step = instrument.tick_size
    bids: list[Level] = []
    asks: list[Level] = []
    for level in range(1, LEVELS + 1):
        size = 100 * level + prices.last // step * 7 % 400
        bid, ask = prices.last - level * step, prices.last + level * step
        bids.append(Level(bid, size, level) if bid >= lower else Level(0, 0, 0))
        asks.append(Level(ask, size + 50, level + 1) if ask <= upper else Level(0, 0, 0))
    return tuple(bids), tuple(asks)


Key = tuple[str, str]


@dataclass(slots=True)
class MarketState:
    """Moved by the exchange alone."""

    instruments: Instruments
    now_us: int
    """Exchange time, µs since the epoch."""

    fill: FillRule = "whole"
    """`whole`: a price that meets an order fills all of it. `volume`: at most what that tick
    traded. `none`: nothing fills, as in a share locked at its circuit."""

    is_trading: bool = True
    """False after the close."""

    prices: dict[Key, Prices] = field(default_factory=dict[Key, Prices])
    offered: dict[Key, int] = field(default_factory=dict[Key, int])
    """Shares of the newest tick that no order got yet."""

    fills: int = 0
    """All fills so far, of all accounts: their numbers."""

    def prices_of(self, instrument: Instrument) -> Prices:
        """The share's prices; the previous close before its first trade."""
        return self.prices.get(instrument.key) or Prices(last=instrument.previous_close)

    def on_offer(self, key: Key, wanted: int) -> int:
        """How many of the wanted shares can trade now."""
        if not self.is_trading or self.fill == "none" or key not in self.offered:
            return 0
        return wanted if self.fill == "whole" else min(wanted, self.offered[key])

    def take(self, key: Key, quantity: int) -> int:
        """Takes shares from the offer; the fill's number."""
        self.offered[key] = max(self.offered[key] - quantity, 0)
        self.fills += 1
        return self.fills

"""What all accounts share at the exchange: the clock, the shares, their prices, the offer."""

from dataclasses import dataclass, field

from algo_sim.listing import Listing, Listings
from algo_sim.market import Prices
from algo_sim.orders import FillRule

Key = tuple[str, str]


@dataclass(slots=True)
class Floor:
    """Moved by the exchange alone."""

    listings: Listings
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

    def prices_of(self, listing: Listing) -> Prices:
        """The share's prices; the previous close before its first trade."""
        return self.prices.get(listing.key) or Prices(last=listing.previous_close)

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

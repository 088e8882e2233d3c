"""What the gateway counts about itself: plain numbers, for it counts on the way of every tick."""

import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

LAG_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Upper bounds of the histogram from a frame's receipt to Redis' answer."""


@dataclass(slots=True)
class Metrics:
    """Totals since the start."""

    frames: int = 0
    ticks: int = 0
    """Published: Redis has answered."""

    garbled: int = 0
    """Frames that could not be understood."""

    dropped: int = 0
    """Ticks not published because newer ones of the instrument were waiting, or Redis was away."""

    gaps: int = 0
    """Times at which ticks may have been lost on the way to Redis."""

    refused: int = 0
    """Commands that Redis refused."""

    stale: int = 0
    """Sockets given up because no tick came while the market was open."""

    reconnects: Counter[str] = field(default_factory=Counter[str])
    """By socket."""

    book_reads: int = 0
    book_failures: int = 0
    rows: int = 0
    """Order rows told."""

    quote_reads: int = 0
    newest_tick_us: int = 0
    """Receive time of the newest tick, wall clock."""

    subscribed: int = 0
    unknown: int = 0
    lag_counts: list[int] = field(default_factory=lambda: [0] * (len(LAG_SECONDS) + 1))
    lag_sum: float = 0.0

    def published(self, count: int, *, received_us: int) -> None:
        """Counts ticks as published now."""
        seconds = time.time() - received_us / 1e6
        self.ticks += count
        self.lag_sum += seconds * count
        self.lag_counts[bisect_left(LAG_SECONDS, seconds)] += count

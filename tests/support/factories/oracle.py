"""What a day must come to, by the words of contract.md and engine.md: slow, plain and apart from
the engine. It shares the strategy's fields with it and no code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from algo_contract.messages.assignment import Strategy
from algo_contract.trading_day import TradingSession

SECOND = 1_000_000


@dataclass(frozen=True)
class Outcome:
    """How the day ends; prices in paise, `bought_at` and `sold_at` None without a trade."""

    execution: str
    reason: str
    bought_at: int | None = None
    sold_at: int | None = None
    bought_us: int = 0
    sold_us: int = 0

    def pnl(self, quantity: int) -> int:
        if self.bought_at is None or self.sold_at is None:
            return 0
        return (self.sold_at - self.bought_at) * quantity


Pair = tuple[int, int]
"""Exchange time in µs, price in paise."""


def expected(
    strategy: Strategy,
    session: TradingSession,
    ticks: Sequence[Pair],
    *,
    step: int,
    slippage_bps: int = 0,
) -> Outcome:
    """`ticks` in the stream's order; `step` is the share's tick in paise."""
    inside = [(t, p) for t, p in ticks if p > 0 and session.open_us <= t <= session.close_us]
    buy_us = session.midnight_us + strategy.buy_time * SECOND
    sell_us = session.midnight_us + strategy.sell_time * SECOND
    grace_us = buy_us + strategy.entry_grace * SECOND

    first = next((n for n, (t, _) in enumerate(inside) if t >= buy_us), None)
    if first is None or inside[first][0] > grace_us or inside[first][0] >= sell_us:
        return Outcome("WAITING", "missed")
    if strategy.stop_loss is not None and inside[first][1] <= strategy.stop_loss:
        return Outcome("WAITING", "price_below_stop")

    if strategy.limit_price is None:
        at, bought_at = first, _up(inside[first][1] * (10_000 + slippage_bps), 10_000)
    elif inside[first][1] <= strategy.limit_price:
        at, bought_at = first, inside[first][1]
    else:
        bought_at = strategy.limit_price
        met = (n for n in range(first, len(inside)) if inside[n][1] <= bought_at)
        at = next(met, len(inside))
        if at == len(inside) or inside[at][0] > grace_us or inside[at][0] >= sell_us:
            return Outcome("WAITING", "limit_not_reached")

    # A limit order that rested fills at its own price, while the tick that met it may lie lower:
    # that tick is the first that can touch the stop. Otherwise the first later one is.
    rested = strategy.limit_price is not None and at > first
    watched = inside[at:] if rested else inside[at + 1 :]
    reason, sold_us, price = _exit(strategy, bought_at, inside[at], watched, sell_us, step)
    return Outcome(
        "SOLD",
        reason,
        bought_at=bought_at,
        sold_at=price * (10_000 - slippage_bps) // 10_000,
        bought_us=inside[at][0],
        sold_us=sold_us,
    )


def _exit(
    strategy: Strategy, bought_at: int, entry: Pair, later: Sequence[Pair], sell_us: int, step: int
) -> tuple[str, int, int]:
    base = strategy.stop_loss
    if base is None:
        assert strategy.stop_loss_bps is not None
        base = _up(bought_at * (10_000 - strategy.stop_loss_bps), 10_000 * step) * step
    target = strategy.target
    if strategy.target_bps is not None:
        target = _up(bought_at * (10_000 + strategy.target_bps), 10_000)
    trail = _trail(strategy, entry[1], step)
    last = entry
    for time_us, price in later:
        last = (time_us, price)
        if price <= max(base, trail):
            return "trailing_stop" if trail > base else "stop_loss", time_us, price
        if target is not None and price >= target:
            return "target", time_us, price
        if time_us >= sell_us:
            return "sell_time", time_us, price
        trail = max(trail, _trail(strategy, price, step))
    return "sell_time", *last


def _trail(strategy: Strategy, high: int, step: int) -> int:
    if strategy.trailing_bps is None:
        return 0
    return _up(high * (10_000 - strategy.trailing_bps), 10_000 * step) * step


def _up(numerator: int, denominator: int) -> int:
    exact = Fraction(numerator, denominator)
    return exact.numerator // exact.denominator + (exact.denominator != 1)

"""The live table: one line a strategy, from the resources' status and the runners' live figures."""

from dataclasses import dataclass
from typing import Any, Protocol

from algo_contract import redis_keys
from algo_contract.calendar import clock_text
from algo_contract.money import rupee_text

HEADING = f"{'time':9}{'strategy':15}{'price':>9} {'state':9}{'stop':>9}{'P&L':>11}  last action"


class Hashes(Protocol):
    """What the board asks of Redis."""

    def hgetall(self, name: str) -> Any:
        """A hash."""
        ...

    def get(self, name: str) -> Any:
        """A string."""
        ...


@dataclass(frozen=True)
class Row:
    """One strategy now; prices in paise."""

    name: str
    state: str
    reason: str
    stop: float
    pnl: float | None
    price: int
    open_pnl: int
    action: str

    def line(self, clock: str) -> str:
        """As text."""
        pnl = rupee_text(self.open_pnl) if self.state == "BOUGHT" else _rupees(self.pnl)
        price = rupee_text(self.price) if self.price else "-"
        stop = f"₹{self.stop:.2f}" if self.stop else "-"
        return (
            f"{clock:9}{self.name:15}{price:>9} {self.state:9}{stop:>9}{pnl:>11}  "
            f"{self.reason or self.action}"
        )


def row(strategy: dict[str, Any], redis: Hashes) -> Row:
    """A strategy's line from its resource and its runner's live hash."""
    status = strategy.get("status", {})
    live: dict[str, str] = {}
    if status.get("id"):
        live = redis.hgetall(redis_keys.strategy(status["id"], "live"))
    return Row(
        name=strategy["metadata"]["name"],
        state=status.get("execution") or "-",
        reason=status.get("reason") or "",
        stop=status.get("stopPrice") or 0.0,
        pnl=status.get("realizedPnl"),
        price=int(live.get("last_price", 0)),
        open_pnl=int(live.get("open_pnl", 0)),
        action=status.get("lastAction") or "",
    )


def feed_time(redis: Hashes, feed: str = redis_keys.SHARED_FEED) -> str:
    """A feed's exchange time, HH:MM:SS."""
    clock = redis.get(redis_keys.feed_clock(feed))
    return clock_text(int(clock)) if clock else "--:--:--"


def _rupees(amount: float | None) -> str:
    return "-" if amount is None else f"{'-' if amount < 0 else ''}₹{abs(amount):.2f}"

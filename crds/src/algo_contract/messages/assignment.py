"""What the operator hands a runner: one JSON file in the runner's Secret, loaded without Pydantic.

Money in paise, percentages in hundredths of a percent (basis points), clock times in seconds
since midnight exchange time, other times in microseconds since the epoch.
"""

from dataclasses import dataclass
from typing import Final, Literal

from algo_contract.messages.codec import Codec
from algo_contract.messages.instrument import InstrumentFacts
from algo_contract.trading_day import TickBand, TradingSession

ASSIGNMENT_FILE: Final = "assignment.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A validated TradingStrategy, as the engine uses it."""

    uid: str
    id: str
    namespace: str
    name: str
    exchange: str
    symbol: str
    buy_time: int
    sell_time: int
    quantity: int
    stop_loss: int | None = None
    stop_loss_bps: int | None = None
    product: Literal["Intraday", "Delivery"] = "Intraday"
    order_type: Literal["Market", "Limit"] = "Market"
    limit_price: int | None = None
    target: int | None = None
    target_bps: int | None = None
    trailing_bps: int | None = None
    entry_grace: int = 60
    desired_state: Literal["Active", "Paused", "Stopped"] = "Active"
    exit_requested: bool = False
    """The exit annotation names the assignment's trading day."""

    generation: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a strategy needs to trade at a real broker, or at a simulator of one."""

    instrument: InstrumentFacts
    base_url: str | None = None
    """Instead of the broker's own REST address: a simulator's."""

    egress_proxy: str | None = None
    orders_per_second: int = 8
    no_entry: str = ""
    """Why no entry may be made now, in a sentence (address, session); exits go on."""

    no_entry_reason: Literal["refused", "token_dead"] = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A strategy's day: everything a runner may know."""

    strategy: Strategy
    session: TradingSession
    tick_bands: tuple[TickBand, ...]
    feed: str
    """`shared` or the account's id: whose tick streams and clock to follow."""

    clock: Literal["Wall", "Feed"]
    account_id: str | None
    broker: str
    epoch: int
    """The first half of the fencing token."""

    freeze_quantity: int | None = None
    feed_stale_seconds: int = 5
    slippage_bps: int = 0
    resting_stop: Literal["STOP_MARKET", "STOP_LIMIT"] | None = "STOP_MARKET"
    """The kind of stop left at the broker; None: it takes none. A live runner sets it from its
    broker's capability table."""

    live: Live | None = None
    """None: paper."""


_CODEC: Final = Codec(Assignment, name="assignment")


def assignment_json(assignment: Assignment) -> str:
    """The assignment as compact JSON."""
    return _CODEC.write(assignment)


def read_assignment(text: str) -> Assignment:
    """The assignment from JSON.

    Raises:
        ValueError: not an assignment of this release, with the field that does not fit.
    """
    return _CODEC.read(text)

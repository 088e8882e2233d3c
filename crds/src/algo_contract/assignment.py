"""What the operator hands a runner: one JSON file in the runner's Secret, loaded without Pydantic.

Money in paise, percentages in hundredths of a percent (basis points), clock times in seconds
since midnight exchange time, other times in microseconds since the epoch.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

from algo_contract.states import Execution
from algo_contract.trading_day import Session, TickBand

ASSIGNMENT_FILE: Final = "assignment.json"
REDIS_FILE: Final = "redis.json"


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
class InstrumentFacts:
    """What the broker's master says of the share; from the account's feed."""

    token: int
    """The broker's number for it."""

    tick_size: int
    """Paise."""

    lot_size: int = 1
    freeze_quantity: int | None = None
    """The largest quantity of one order; None where the master does not say."""


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
    session: Session
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """One Redis role and the user a process has there."""

    host: str
    port: int
    username: str
    password: str

    def __repr__(self) -> str:
        """Leaves the password out."""
        return f"RedisServer({self.username}@{self.host}:{self.port})"


def assignment_json(assignment: Assignment) -> str:
    """The assignment as compact JSON."""
    return json.dumps(asdict(assignment), separators=(",", ":"), sort_keys=True)


def read_assignment(text: str) -> Assignment:
    """The assignment from JSON.

    Raises:
        ValueError: not an assignment of this release, with the field that does not fit.
    """
    try:
        words: dict[str, Any] = json.loads(text)
        words["strategy"] = Strategy(**words["strategy"])
        words["session"] = Session(**words["session"])
        words["tick_bands"] = tuple(TickBand(**band) for band in words["tick_bands"])
        if words.get("live") is not None:
            live: dict[str, Any] = words["live"]
            live["instrument"] = InstrumentFacts(**live["instrument"])
            words["live"] = Live(**live)
        return Assignment(**words)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"unreadable assignment: {error}") from error


def instrument_json(facts: InstrumentFacts) -> str:
    """The facts as compact JSON."""
    return json.dumps(asdict(facts), separators=(",", ":"), sort_keys=True)


def read_instrument(text: str) -> InstrumentFacts:
    """The facts from JSON.

    Raises:
        ValueError: not facts of this release.
    """
    try:
        return InstrumentFacts(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise ValueError(f"unreadable instrument facts: {type(error).__name__}") from error


def redis_json(*, state: RedisServer, ticks: RedisServer) -> str:
    """Both Redis roles as compact JSON, for the Secret only."""
    return json.dumps({"state": asdict(state), "ticks": asdict(ticks)}, separators=(",", ":"))


def read_redis(text: str) -> tuple[RedisServer, RedisServer]:
    """The state and the ticks server from JSON.

    Raises:
        ValueError: a part is missing. The message never holds the text: it has passwords.
    """
    try:
        servers: dict[str, Any] = json.loads(text)
        return RedisServer(**servers["state"]), RedisServer(**servers["ticks"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"unreadable Redis settings: {type(error).__name__}") from None


Protection = Literal["none", "runner", "resting", "exiting"]
"""What guards a position: nothing (or there is none), the runner on fresh ticks, a stop resting
at the broker (and the runner), an exit at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerState:
    """The hash `strategy:{id}:state`: its runner writes it on transitions, the operator reads."""

    version: int
    epoch: int
    generation: int
    """The spec generation in force in the runner."""

    trading_day: str
    execution: Execution
    reason: str
    position: int
    average_price: int
    """Average buying price in paise, rounded to the nearest paisa."""

    stop: int
    """Paise; 0 while there is none."""

    realized_pnl: int
    protection: Protection
    done: bool
    """Flat and done for the day: the pod may go."""

    last_action: str
    updated_us: int


def state_hash(state: RunnerState) -> dict[str, str]:
    """The hash's fields as text."""
    words = {field.name: str(getattr(state, field.name)) for field in fields(state)}
    return words | {"done": "1" if state.done else "0"}


def read_state(words: dict[str, str]) -> RunnerState | None:
    """The state from a hash; None when there is no hash yet.

    Raises:
        ValueError: a field is missing or malformed.
    """
    if not words:
        return None
    numbers = (
        "version",
        "epoch",
        "generation",
        "position",
        "average_price",
        "stop",
        "realized_pnl",
    )
    try:
        values: dict[str, Any] = {name: int(words[name]) for name in (*numbers, "updated_us")}
        values |= {n: words[n] for n in ("trading_day", "execution", "reason", "protection")}
        return RunnerState(**values, done=words["done"] == "1", last_action=words["last_action"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"unreadable runner state: {error}") from error

"""What one pass over a strategy sees; frozen, so that planning cannot look anywhere else."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final, Literal

from algo_contract.brokers import LOGIN_FIELDS
from algo_contract.calendar import ist_datetime
from algo_contract.messages.assignment import Assignment
from algo_contract.messages.instrument import InstrumentFacts
from algo_contract.messages.runner_state import RunnerState
from algo_contract.v1alpha1 import TradingStrategySpec
from algo_kube.cache import ObjectName

STATE: Final = "state"
"""The part of a runner's keys that says what it holds."""
MOVING: Final = frozenset({"BUYING", "BOUGHT", "SELLING"})
LIVE_BROKERS: Final = frozenset(LOGIN_FIELDS)
"""Brokers that this release can log in to and trade with."""
PAPER: Final = "paper"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyResource:
    """A TradingStrategy, as far as it can be read."""

    name: ObjectName
    uid: str
    id: str
    generation: int
    version: str
    spec: TradingStrategySpec | None
    spec_problem: str
    desired: Literal["Active", "Paused", "Stopped"]
    """desiredState, readable even where the rest is not."""

    account: str = ""
    """brokerAccount, readable even where the rest is not."""

    mode: Literal["Paper", "Live"] = "Paper"
    """Likewise."""

    created_us: int = 0

    has_finalizer: bool
    deleted_us: int | None
    exit_day: str
    abandon: str
    resolved_day: str
    status: dict[str, Any]

    @property
    def epoch(self) -> int:
        """The last epoch handed out."""
        return int(self.status.get("runnerEpoch") or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The BrokerAccount whose clock and feed a strategy follows."""

    name: str
    id: str
    broker: str
    clock: Literal["Wall", "Feed"]
    feed: str
    problem: str = ""
    """Why the account cannot be used, in a sentence."""

    uid: str = ""
    base_url: str | None = None
    feed_url: str | None = None
    egress_proxy: str | None = None
    proxy_listed: bool = False
    """The platform allows it, so it may be on a network of its own."""

    orders_per_second: int = 8
    registered_ip: str = ""
    observed_ip: str = ""
    """As the log-in worker has seen it."""

    @property
    def is_live(self) -> bool:
        """It is an account at a broker that this release can trade with."""
        return self.broker in LIVE_BROKERS


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """An account's session at its broker, never its tokens."""

    state: Literal["none", "unreadable", "open"]
    issued_us: int = 0
    expires_us: int = 0
    fingerprint: str = ""
    """A fingerprint, so that a new one is seen."""


NO_SESSION: Final = SessionState(state="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What is known of the feed a strategy follows."""

    clock_us: int | None = None
    heartbeat_us: int | None = None
    knows_symbol: bool = True
    broker: str = PAPER
    """Whose prices it tells; paper: recorded ones."""

    instrument: InstrumentFacts | None = None
    """What the broker's master says of the strategy's share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictingStrategy:
    """Another live strategy on the same account, share and product: one position at the broker."""

    name: str
    uid: str
    created_us: int
    at_risk: bool
    in_session: bool
    due: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFailure:
    """Why a pod does not come up."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodState:
    """The runner pod."""

    name: str
    uid: str
    created_us: int
    ready: bool
    leaving: bool
    """Deleted already, but not gone."""

    ended: bool
    """Evicted or otherwise over: it will not run again."""

    backing_off: bool
    failure: PodFailure | None
    image: str
    epoch: int
    fingerprint: str
    """The assignment annotation."""

    node_lost: bool
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretState:
    """The runner's Secret."""

    assignment: Assignment | None
    """None when it cannot be read."""

    redis: str
    redis_current: bool
    """The Redis addresses in it are those of the settings."""

    owned: bool
    foreign: bool = False
    """Made by somebody else: neither read, nor written, nor deleted."""

    uid: str = ""
    version: str = ""
    session: str = ""
    """The fingerprint of the broker session in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedStrategy:
    """Everything one pass decides on."""

    strategy: StrategyResource
    tenant: str | None
    account: Account | None
    account_missing: bool
    wall_us: int
    feed: FeedState
    pod: PodState | None
    secret: SecretState | None
    runner: RunnerState | None
    runner_known: bool
    """False while Redis does not answer, or its answer cannot be read."""

    acl_current: bool
    unreadable: tuple[str, ...] = ()
    """The parts of the runner's keys that hold something else than they should."""
    last_error: PodFailure | None = None
    """What the last pass failed on, for the condition."""

    replaced: int = 0
    """How often the pod was made again lately because it kept crashing."""

    last_price: int | None = None
    silent: bool = False
    """In position, and no heartbeat for seconds."""

    session: SessionState = NO_SESSION
    """Of the account, where the strategy trades for real."""

    conflicts: tuple[ConflictingStrategy, ...] = ()

    @property
    def live(self) -> bool:
        """The strategy trades for real."""
        return self.strategy.mode == "Live"

    @property
    def broker(self) -> str:
        """Whose rules hold for its orders."""
        return self.account.broker if self.live and self.account is not None else PAPER

    @property
    def needs_facts(self) -> bool:
        """Its feed is a broker's, whose master says in which steps the share moves."""
        return self.live or self.feed.broker in LIVE_BROKERS

    @property
    def clock(self) -> Literal["Wall", "Feed"]:
        """The clock the strategy follows."""
        return self.account.clock if self.account is not None else "Wall"

    @property
    def feed_id(self) -> str:
        """Whose ticks the strategy reads."""
        return self.account.feed if self.account is not None else "shared"

    @property
    def now_us(self) -> int | None:
        """The strategy's time; None while a recorded day has not begun."""
        return self.wall_us if self.clock == "Wall" else self.feed.clock_us

    @property
    def today(self) -> dt.date | None:
        """The strategy's date."""
        return None if self.now_us is None else ist_datetime(self.now_us).date()

    @property
    def redis_answers(self) -> bool:
        """Redis is there, whatever it holds."""
        return self.runner_known or STATE in self.unreadable

    @property
    def deleting(self) -> bool:
        """The resource is being deleted."""
        return self.strategy.deleted_us is not None

    @property
    def abandoned(self) -> bool:
        """A person has said to let the strategy go, whatever it holds."""
        return self.deleting and bool(self.strategy.abandon)

    @property
    def at_risk(self) -> bool:
        """Shares are held or an order may be live: somebody must guard it, whatever else."""
        if self.abandoned:
            return False
        if self.runner is None:
            return self._was_moving and not self._resolved
        return not self.runner.done and (
            self.runner.position != 0 or self.runner.execution in MOVING
        )

    @property
    def state_lost(self) -> bool:
        """Redis answers and has no state of a runner that was last seen holding something."""
        return self.runner_known and self.runner is None and self._was_moving and not self._resolved

    @property
    def _was_moving(self) -> bool:
        status = self.strategy.status
        return bool(status.get("position")) or status.get("execution") in MOVING

    @property
    def _resolved(self) -> bool:
        """A person has looked at what was lost and has closed that day."""
        day = self.strategy.status.get("tradingDay")
        return self.runner_known and bool(day) and self.strategy.resolved_day == day

    @property
    def started_today(self) -> bool:
        """The runner has begun its trading day."""
        return (
            self.runner is not None
            and self.today is not None
            and self.runner.trading_day >= self.today.isoformat()
        )

    @property
    def done_today(self) -> bool:
        """The runner has finished its trading day."""
        return self.started_today and self.runner is not None and self.runner.done

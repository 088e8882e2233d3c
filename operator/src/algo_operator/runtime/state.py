"""What was last heard from Redis, kept in memory; passes read it, the mirror writes it."""

from dataclasses import dataclass, field
from typing import Final

from algo_contract.messages.instrument import InstrumentFacts
from algo_kube.work_queue import Key

from algo_operator.model.observed import Account, FeedState, PodFailure, SessionState

LATELY_SECONDS: Final = 600.0


@dataclass(slots=True)
class FollowedStrategy:
    """One strategy in session."""

    key: Key
    uid: str
    version: str = ""
    """Of the state hash, as last polled."""

    at_risk: bool = False
    ready: bool = False
    unprotected: bool = False
    heartbeat_us: int | None = None
    last_price: int | None = None
    """Refreshed at most once a minute, so that the status is not written oftener."""

    price_at: float = -1e9
    silent: bool = False
    events_from: str | None = None
    """The last event published; None until asked."""

    unreadable: set[str] = field(default_factory=set[str])
    """Parts of the strategy's keys that hold something else than they should."""


@dataclass(slots=True)
class FollowedFeed:
    """One feed."""

    clock_us: int | None = None
    heartbeat_us: int | None = None
    silent: bool = True
    unknown: frozenset[str] = frozenset()
    ended_us: int | None = None
    """When the session was issued that the broker has ended, as the feed says."""

    facts: dict[str, InstrumentFacts] = field(default_factory=dict[str, InstrumentFacts])
    """By EXCHANGE:SYMBOL, of what strategies want."""


@dataclass(slots=True)
class RuntimeState:
    """Everything the mirror knows."""

    followed: dict[str, FollowedStrategy] = field(default_factory=dict[str, FollowedStrategy])
    """By strategy id."""

    feeds: dict[str, FollowedFeed] = field(default_factory=dict[str, FollowedFeed])
    wants: dict[Key, tuple[str, str]] = field(default_factory=dict[Key, tuple[str, str]])
    """Feed and EXCHANGE:SYMBOL a strategy needs."""

    follows_feed: dict[Key, str] = field(default_factory=dict[Key, str])
    """Which feed's clock a strategy goes by."""

    feed_needs: dict[Key, int] = field(default_factory=dict[Key, int])
    """From when, wall clock in µs, a strategy needs the feed it follows."""

    claims: set[Key] = field(default_factory=set[Key])
    """Live strategies that are in session: no other may trade their share on their account."""

    sessions: dict[Key, tuple[SessionState, bool]] = field(
        default_factory=dict[Key, tuple[SessionState, bool]]
    )
    """By account: its session, and whether it had ended, when last looked at."""

    holding: dict[Key, Key | None] = field(default_factory=dict[Key, Key | None])
    """Strategies at risk, and the account they trade on."""

    names: set[str] = field(default_factory=set[str])
    """Keys that lead to accounts' feeds, as last written."""

    names_due: bool = True
    """An account has changed, or the server that holds the names has."""

    replaced: dict[Key, list[float]] = field(default_factory=dict[Key, list[float]])
    """When pods that kept crashing were made again, by the monotonic clock."""

    accounts: dict[Key, Account] = field(default_factory=dict[Key, Account])
    """What the account a strategy asks for was when last there."""

    unplanned: set[Key] = field(default_factory=set[Key])
    """Strategies found at the start that had no pass yet: what they want is not known."""

    unsure: dict[str, set[Key]] = field(default_factory=dict[str, set[Key]])
    """By namespace, those found at the start of which it is not known yet what they hold."""

    taken: set[Key] = field(default_factory=set[Key])
    """Strategies whose pod's name something else had when last looked."""

    errors: dict[Key, PodFailure] = field(default_factory=dict[Key, PodFailure])
    stuck: set[Key] = field(default_factory=set[Key])
    redis_down: bool = False
    """redis-state did not answer for a while."""

    def feed_facts(self, feed: str, instrument: str) -> FeedState:
        """What a pass may know of a feed."""
        known = self.feeds.get(feed)
        if known is None:
            return FeedState()
        return FeedState(
            clock_us=known.clock_us,
            heartbeat_us=known.heartbeat_us,
            knows_symbol=instrument not in known.unknown,
            instrument=known.facts.get(instrument),
        )

    def replaced_lately(self, key: Key, now: float) -> int:
        """How often a crashing pod was made again in the last minutes."""
        recent = [moment for moment in self.replaced.get(key, []) if now - moment < LATELY_SECONDS]
        if key in self.replaced:
            self.replaced[key] = recent
        return len(recent)

    def forget(self, key: Key, strategy_id: str) -> None:
        """Drop everything known of a strategy that is gone."""
        self.followed.pop(strategy_id, None)
        for memory in (
            self.wants,
            self.follows_feed,
            self.feed_needs,
            self.holding,
            self.errors,
            self.replaced,
            self.accounts,
        ):
            memory.pop(key, None)
        self.stuck.discard(key)
        self.claims.discard(key)
        self.taken.discard(key)

"""What one pass over an account's feed sees, and what it may ask for. Pure."""

from dataclasses import dataclass, field

from algo_contract.messages.feed_assignment import FeedAssignment

from algo_operator.model.actions import AnnotatePod, DeletePod
from algo_operator.model.broker_conditions import has_session
from algo_operator.model.observed import Account, PodState, SessionState


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSecret:
    """The feed's Secret."""

    assignment: FeedAssignment | None = None
    session: str = ""
    """The fingerprint of the broker session in it."""

    password: str | None = field(default=None, repr=False)
    redis_current: bool = False
    foreign: bool = False
    """Made by somebody else: neither read, nor written, nor deleted."""

    uid: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedFeed:
    """Everything one pass over a feed decides on."""

    account: Account
    deleting: bool
    session: SessionState
    wall_us: int
    needed_us: int | None
    """From when a strategy needs it; None: none does."""

    sure: bool
    """It is known of every strategy whether it does."""

    in_position: bool
    """A strategy of the account is in position, or may be."""

    pod: PodState | None
    settings_hash: str
    """Of the pod: what it has read once."""

    session_ended: bool = False
    """The broker takes the session no more, before its time: the feed says so."""

    login_asked_us: int = 0
    """When another session was last asked for; 0: never, or nobody can tell."""

    left_over: bool = False
    """The pod is a feed of another account that had this name."""

    secret: FeedSecret | None
    acl_current: bool
    replaced: int = 0


@dataclass(frozen=True, slots=True)
class StartFeed:
    """Cut off whoever has the feed's Redis user, make it again with another password, then the
    Secret and the pod: an old feed that still runs somewhere writes nothing more.
    """


@dataclass(frozen=True, slots=True)
class GrantFeed:
    """Make the feed's Redis user as it should be."""


@dataclass(frozen=True, slots=True)
class WriteFeedSecret:
    """Hand the feed its assignment and session."""


@dataclass(frozen=True, slots=True)
class CleanFeed:
    """Take its Redis user and its credentials away."""


FeedAction = StartFeed | GrantFeed | WriteFeedSecret | AnnotatePod | DeletePod | CleanFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPlan:
    """What to do, in order, and when to look again."""

    actions: tuple[FeedAction, ...]
    wanted: bool
    wake_us: int | None


def wants_feed(observed: ObservedFeed) -> bool:
    """Whether a feed pod should exist.

    One that is there stays while a position needs it, and while it is not known whether any does.
    """
    if observed.pod is not None and (observed.in_position or not observed.sure):
        return True
    if not is_usable(observed) or (observed.deleting and not observed.in_position):
        return False
    needed = observed.needed_us is not None and observed.needed_us <= observed.wall_us
    return needed and (observed.pod is not None or has_usable_session(observed))


def has_usable_session(observed: ObservedFeed) -> bool:
    """In position the one that its Secret still holds will do, whatever became of the spec's."""
    held = observed.in_position and observed.secret is not None and bool(observed.secret.session)
    return held or has_session(observed.session, now_us=observed.wall_us)


def is_usable(observed: ObservedFeed) -> bool:
    """Whether the account is one that a feed can be made for."""
    return observed.account.is_live and not observed.account.problem

"""What the operator hands an account's feed pod: one JSON file in the Secret `<account>-feed`.

Beside it: session.json (`broker_session`) and redis.json (`assignment.read_redis`). Only the ticks
server knows the feed's user; a feed uses nothing else of that file. Loaded without Pydantic.
"""

from dataclasses import dataclass
from typing import Final, Literal

from algo_contract.messages.codec import Codec

FEED_FILE: Final = "feed.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAssignment:
    """One account's feed: whose prices, from where, for whom."""

    account_id: str
    """`account:{id}:orders` and `:quotes` are this account's."""

    feed: str
    """Where prices go: the account's id, or `shared`."""

    broker: str
    clock: Literal["Wall", "Feed"]
    base_url: str | None = None
    """Instead of the broker's own REST address: a simulator's."""

    feed_url: str | None = None
    """Instead of the broker's own WebSocket address: a simulator's."""

    egress_proxy: str | None = None
    feed_stale_seconds: int = 5
    """Without a tick for so long while the market is open, a socket is made again."""


_CODEC: Final = Codec(FeedAssignment, name="feed assignment")


def feed_json(assignment: FeedAssignment) -> str:
    """The assignment as compact JSON."""
    return _CODEC.write(assignment)


def read_feed(text: str) -> FeedAssignment:
    """The assignment from JSON.

    Raises:
        ValueError: not a feed's assignment of this release.
    """
    return _CODEC.read(text)

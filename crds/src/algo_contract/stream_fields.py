"""Fields of the streams `strategy:{id}:events` and `strategy:{id}:commands`, and of `:live`."""

from typing import Final, Literal

EVENT_REASON: Final = "reason"
"""CamelCase, becomes the Kubernetes Event's reason."""
EVENT_TYPE: Final = "type"
"""Normal or Warning."""
EVENT_MESSAGE: Final = "message"
EVENT_TIME: Final = "time"
"""Exchange time, microseconds since the epoch."""

CommandKind = Literal["exit", "stop", "pause", "resume", "reload"]
COMMAND_ID: Final = "id"
COMMAND_DAY: Final = "tradingDay"
COMMAND_EXPIRY: Final = "expiry"
"""Wall clock, microseconds since the epoch; a command read later is not acted on."""
COMMAND_KIND: Final = "kind"

LIVE_HEARTBEAT: Final = "heartbeat"
"""Wall clock, microseconds since the epoch; written at most once a second."""
LIVE_LAST_PRICE: Final = "last_price"
LIVE_OPEN_PNL: Final = "open_pnl"
LIVE_TICK_TIME: Final = "tick_time"
LIVE_READY: Final = "ready"
"""The trading day for which the runner is ready to act; empty before."""
LIVE_FEED: Final = "feed"
"""Whose ticks the runner follows: `shared` or an account's id."""

ORDERS_KIND: Final = "kind"
"""`account:{id}:orders`, written by the account's feed: `row` or `book`."""
ORDERS_ROW: Final = "row"
"""Of a `row`: one order as the broker showed it, JSON; from a push, or from the book when
it differs from what was told before."""
ORDERS_TAGS: Final = "tags"
"""Of a `book`: the order book was read well; a JSON list of the tags in it. Its rows
are told before."""
ORDERS_STARTED: Final = "t"
"""Of a `book`: when its reading was begun, wall clock µs; what was accepted later is not in it."""
ORDERS_RECEIVED: Final = "r"
"""Wall clock µs at which the feed had the row or the book."""
ORDERS_SOCKET: Final = "up"
"""Of a `book`: 1 while the socket of order updates is connected, else 0."""

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

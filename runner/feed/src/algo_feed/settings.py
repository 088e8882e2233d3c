"""How often the gateway does what it does by the clock."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Seconds between two of each; tests hurry it."""

    book: float = 2.0
    """Reads of the order book while orders can change."""

    idle_book: float = 60.0
    """The same outside the session: keeps the connection and what is known of the session warm."""

    quotes: float = 2.0
    wanted: float = 1.0
    """Looks at what strategies want."""

    unwanted: float = 10.0
    """How long an instrument stays subscribed after it vanished from the wishes: redis-ticks may
    have come back empty, and the operator repeats itself within seconds."""

    clock: float = 0.2
    heartbeat: float = 0.5
    trim: float = 5.0
    session_file: float = 1.0
    refused: float = 60.0
    """Before a session that the broker refused is tried again, when no new one has come."""

    refused_once: float = 2.0
    """The same after a first refusal: of a reading, and of a socket while the account's readings
    prove the session."""

    refused_twice: float = 30.0
    """The same after a second; refused the third time, the session counts as ended. A broker's
    log-in service that is down for a moment refuses everybody, and is no good to ask then."""

    first_retry: float = 0.5
    longest_retry: float = 30.0
    """Of a WebSocket, and of the instrument master."""

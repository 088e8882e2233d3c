"""Where an account's broker is reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a broker is: its own addresses, or a simulator's."""

    rest: str
    """Root of the order calls, without a slash at the end."""

    login: str
    master: str
    """Address of the instrument master."""

    market: str
    orders: str
    """WebSocket addresses, without secrets; `orders` empty where it is the market's."""

    extra: Mapping[str, str] = field(default_factory=dict[str, str])

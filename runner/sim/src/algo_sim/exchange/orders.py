"""Orders and fills as the simulated exchange knows them. Prices in paise, times in µs."""

from dataclasses import dataclass
from typing import Final, Literal

Side = Literal["BUY", "SELL"]
OrderType = Literal["MARKET", "LIMIT", "STOP_LIMIT", "STOP_MARKET"]
Validity = Literal["DAY", "IOC"]
Product = Literal["INTRADAY", "DELIVERY"]
Status = Literal["OPEN", "TRIGGER_PENDING", "FILLED", "CANCELLED", "REJECTED"]
Cause = Literal[
    "accepted", "modified", "not_modified", "triggered", "filled", "cancelled", "rejected"
]
Origin = Literal["api", "hand", "broker"]
FillRule = Literal["whole", "volume", "none"]

ENDED: Final = frozenset[Status]({"FILLED", "CANCELLED", "REJECTED"})
STOPS: Final = frozenset[OrderType]({"STOP_LIMIT", "STOP_MARKET"})
AUTOMATIC: Final = -1
"""A protection by the broker's own slabs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What is asked of the exchange."""

    exchange: str
    symbol: str
    side: Side
    type: OrderType
    quantity: int
    price: int = 0
    trigger_price: int = 0
    validity: Validity = "DAY"
    product: Product = "INTRADAY"
    protection: int = 0
    """Hundredths of a percent, AUTOMATIC, or 0 where the type needs none."""

    disclosed_quantity: int = 0
    tag: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Exchange and symbol."""
        return self.exchange, self.symbol

    @property
    def is_stop(self) -> bool:
        """Whether it waits for a trigger."""
        return self.type in STOPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order in an account's book."""

    number: int
    """1, 2, … in the account's day."""

    order_id: str
    exchange_order_id: str
    """Empty when it never got to the exchange."""

    request: OrderRequest
    status: Status
    limit: int = 0
    """The price at which it works: asked for, or given by protection; 0 while it waits."""

    filled: int = 0
    value: int = 0
    """Paise: the sum of price times quantity."""

    message: str = ""
    taken_us: int = 0
    changed_us: int = 0
    modifications: int = 0
    has_triggered: bool = False
    origin: Origin = "api"
    expired: bool = False
    """The day ended it."""

    @property
    def is_live(self) -> bool:
        """Whether it may still fill."""
        return self.status not in ENDED

    @property
    def rest(self) -> int:
        """Shares not filled yet."""
        return self.request.quantity - self.filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One trade of an order."""

    trade_id: str
    order: Order
    """As it is after this fill."""

    quantity: int
    price: int
    time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to an order of an account."""

    account: str
    cause: Cause
    order: Order
    fill: Fill | None = None

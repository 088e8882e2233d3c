"""What can happen to a strategy (events) and what the engine asks for in return (actions).

Times in microseconds since the epoch, exchange time; prices in paise.
"""

from dataclasses import dataclass
from typing import Literal

from algo_contract.messages.assignment import Strategy
from algo_contract.states import Reason
from algo_contract.stream_fields import CommandKind

from algo_engine.orders import Operation, Order, OrderReport, Terms

Outcome = Literal["confirmed", "rejected", "denied", "unresolved", "absent"]
"""Of a request to a broker. Anything that is not an answer (time-out, lost connection, 5xx,
unreadable) is unresolved, never rejected; denied was never done; absent is an unresolved place that
good reads of the book did not find for long enough."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A trade at the exchange, inside the day's session."""

    price: int
    time_us: int
    cursor: str = ""
    is_late: bool = False
    """Read long after it was received (wall clock only): may trigger a stop, nothing else."""


@dataclass(frozen=True, slots=True)
class Timer:
    """The wall clock, for accounts that follow it."""

    time_us: int


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """The day's last tick has been seen."""


@dataclass(frozen=True, slots=True)
class OrderReported:
    """An order as the broker's book or order stream shows it."""

    row: OrderReport


@dataclass(frozen=True, slots=True)
class RequestResult:
    """The answer to a request."""

    tag: str
    operation: Operation
    outcome: Outcome
    message: str = ""
    reason: Reason | None = None
    """Why, where it is one that people know by name: the token is dead."""


@dataclass(frozen=True, slots=True)
class Command:
    """A person's wish, or the operator's, through the command stream."""

    id: str
    kind: CommandKind


@dataclass(frozen=True, slots=True)
class StrategyEdited:
    """The strategy's resource was changed."""

    strategy: Strategy


@dataclass(frozen=True, slots=True)
class ProcessResumed:
    """A new process took over: carry on with whatever is unfinished."""


@dataclass(frozen=True, slots=True)
class SessionRenewed:
    """The broker takes requests again (a new session): what waited for better times goes now."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A line of the trade's story for people; becomes a Kubernetes Event. As an event it is
    something the runner noticed, and changes nothing; as an action it is published.
    """

    reason: str
    message: str
    is_warning: bool = False


Event = (
    Tick
    | Timer
    | SessionEnd
    | OrderReported
    | RequestResult
    | Command
    | StrategyEdited
    | ProcessResumed
    | SessionRenewed
    | Notice
)


@dataclass(frozen=True, slots=True)
class Place:
    """Send a new order. Its intent is durable before it is sent."""

    order: Order


@dataclass(frozen=True, slots=True)
class Modify:
    """Change a live order to these absolute terms."""

    tag: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a live order."""

    tag: str


Request = Place | Modify | Cancel
Action = Request | Notice

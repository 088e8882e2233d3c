"""Faults on command: a table of what is armed, and how often still."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

ALWAYS: Final = 0
"""`times` of a fault that stays until it is cleared or its seconds are over."""

CALL_FAULTS: Final = frozenset(
    {
        "accept_and_never_answer",
        "answer_late",
        "server_error",
        "server_error_after_taking",
        "drop_connection_after_taking",
        "drop_connection_before_taking",
        "reject_modify",
        "ignore_modify",
        "reject",
        "refuse",
        "rate_limit",
        "token_expired",
        "address_refused",
    }
)
UPDATE_FAULTS: Final = frozenset({"duplicate_updates", "reorder_updates", "lose_updates"})
FEED_FAULTS: Final = frozenset({"freeze_feed", "future_stamps", "garbled_ticks"})
ACTS: Final = frozenset({"drop_feed", "close_order_socket"})
"""Done at once, armed never."""

OTHERS: Final = frozenset({"cancel_stop", "late_book", "late_status", "short_book"})
LASTING: Final = frozenset({"freeze_feed", "late_book", "late_status"})
"""Without `times` these hold until cleared or for their seconds; others strike once."""

NAMES: Final = CALL_FAULTS | UPDATE_FAULTS | FEED_FAULTS | ACTS | OTHERS
OPERATIONS: Final = ("place", "modify", "cancel", "orders", "any")
_ON: Final = {
    "short_book": "orders",
    "reject": "place",
    "reject_modify": "modify",
    "ignore_modify": "modify",
}
"""Where a fault strikes that was armed without saying where; else at any call."""


class FaultError(ValueError):
    """A fault that does not exist or with fields that make no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One armed fault."""

    name: str
    on: str = "any"
    times: int = 1
    seconds: float = 0.0
    rows: int = 1
    """Of the book, the newest, which `short_book` leaves out."""

    until: float = math.inf
    """Monotonic seconds at which it ends by itself."""


class Faults:
    """What is armed at one broker."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Nothing armed."""
        self._monotonic: Final = monotonic
        self._armed: list[Fault] = []

    @property
    def armed(self) -> list[Fault]:
        """Those that can still strike."""
        now = self._monotonic()
        self._armed = [fault for fault in self._armed if fault.until > now]
        return list(self._armed)

    def arm(self, fault: Fault) -> None:
        """Adds one; several strike in the order they were armed."""
        self._armed.append(fault)

    def clear(self) -> None:
        """Disarms all."""
        self._armed.clear()

    def strike(self, *names: str, on: str = "any") -> Fault | None:
        """The first armed fault of these names that fits the operation, used up once."""
        for fault in self.armed:
            if fault.name in names and fault.on in {"any", on}:
                self._use(fault)
                return fault
        return None

    def is_armed(self, name: str) -> Fault | None:
        """The fault, not used up."""
        return next((fault for fault in self.armed if fault.name == name), None)

    def _use(self, fault: Fault) -> None:
        if fault.times == ALWAYS:
            return
        place = self._armed.index(fault)
        if fault.times == 1:
            del self._armed[place]
        else:
            self._armed[place] = replace(fault, times=fault.times - 1)


def read_fault(fields: dict[str, Any], *, monotonic: float) -> Fault:
    """A fault from the admin's or a scenario's fields.

    Raises:
        FaultError: unknown name or operation, or a number that is none.
    """
    name = fields.get("fault")
    if name not in NAMES:
        raise FaultError(f"no fault {name!r}; there are {', '.join(sorted(NAMES))}")
    on = fields.get("on", _ON.get(name, "any"))
    if on not in OPERATIONS:
        raise FaultError(f"on must be one of {', '.join(OPERATIONS)}")
    times = fields.get("times", ALWAYS if name in LASTING else 1)
    seconds = fields.get("seconds", 0)
    if not isinstance(times, int) or isinstance(times, bool) or times < 0:
        raise FaultError("times must be a whole number; 0 is until cleared")
    rows = fields.get("rows", 1)
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise FaultError("rows must be a whole number, 1 or more")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
        raise FaultError("seconds must be a number, not negative")
    ends = name == "freeze_feed" and seconds > 0
    return Fault(
        name=name,
        on=on,
        times=times,
        seconds=float(seconds),
        rows=rows,
        until=monotonic + seconds if ends else math.inf,
    )

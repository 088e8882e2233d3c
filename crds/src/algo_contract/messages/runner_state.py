"""How a runner says that its trade stands: the hash `strategy:{id}:state`."""

from dataclasses import dataclass, fields
from typing import Literal

import msgspec

from algo_contract.states import Execution

Protection = Literal["none", "runner", "resting", "exiting"]
"""What guards a position: nothing (or there is none), the runner on fresh ticks, a stop resting
at the broker (and the runner), an exit at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerState:
    """The hash `strategy:{id}:state`: its runner writes it on transitions, the operator reads."""

    version: int
    epoch: int
    generation: int
    """The spec generation in force in the runner."""

    trading_day: str
    execution: Execution
    reason: str
    position: int
    average_price: int
    """Average buying price in paise, rounded to the nearest paisa."""

    stop: int
    """Paise; 0 while there is none."""

    realized_pnl: int
    protection: Protection
    done: bool
    """Flat and done for the day: the pod may go."""

    last_action: str
    updated_us: int


def state_hash(state: RunnerState) -> dict[str, str]:
    """The hash's fields as text."""
    words = {field.name: str(getattr(state, field.name)) for field in fields(state)}
    return words | {"done": "1" if state.done else "0"}


def read_state(words: dict[str, str]) -> RunnerState | None:
    """The state from a hash; None when there is no hash yet. Unknown fields are passed over.

    Raises:
        ValueError: a field is missing or malformed.
    """
    if not words:
        return None
    try:
        return msgspec.convert(words, RunnerState, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"unreadable runner state: {error}") from None

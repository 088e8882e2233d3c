"""What runners write into Redis is a stranger's word: read within bounds, or not at all. Pure."""

import datetime as dt
import re
from typing import Final, get_args

from algo_contract.assignment import Protection, RunnerState, read_state
from algo_contract.states import Execution

LARGEST: Final = 250_000_000_000_000_000
"""Above every price in paise and every time in microseconds that a calendar can show."""

_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_STREAM_ID: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")
_STREAM_MOST: Final = 2**64
_COUNTERS: Final = 2**31
_LONGEST_REASON: Final = 128
_EXECUTIONS: Final = frozenset(get_args(Execution))
_PROTECTIONS: Final = frozenset(get_args(Protection))


def number(text: str | None) -> int | None:
    """A number of plain digits and of a sane size; anything else is none."""
    if text is None or _NUMBER.fullmatch(text) is None:
        return None
    value = int(text)
    return value if value <= LARGEST else None


def stream_id(text: str | None) -> str:
    """A stream's id that Redis will take back; anything else stands for the beginning."""
    match = _STREAM_ID.fullmatch(text or "")
    good = match is not None and all(int(part) < _STREAM_MOST for part in match.groups())
    return match.group() if match is not None and good else "0"


def moment_us(entry_id: str, *, now_us: int) -> int:
    """When an entry was made, by its id; a time to come is as good as now."""
    milliseconds = number(entry_id.partition("-")[0])
    return now_us if milliseconds is None else min(milliseconds * 1000, now_us)


def runner_state(fields: dict[str, str]) -> RunnerState | None:
    """A runner's state as it can be acted on; None when there is none.

    Raises:
        ValueError: a field is missing, malformed or out of all bounds.
    """
    state = read_state(fields)
    if state is None:
        return None
    dt.date.fromisoformat(state.trading_day)
    money = (state.average_price, state.stop, abs(state.realized_pnl), state.updated_us)
    if not all(0 <= value <= LARGEST for value in money):
        raise ValueError("unreadable runner state: a figure is out of all bounds")
    counters = (state.epoch, state.generation, abs(state.position))
    if not all(0 <= value < _COUNTERS for value in counters):
        raise ValueError("unreadable runner state: a counter is out of all bounds")
    if state.execution not in _EXECUTIONS or state.protection not in _PROTECTIONS:
        raise ValueError("unreadable runner state: an unknown word")
    if len(state.reason) > _LONGEST_REASON:
        raise ValueError("unreadable runner state: the reason is too long")
    return state

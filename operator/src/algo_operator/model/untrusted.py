"""What runners and feeds write into Redis is a stranger's word: read within bounds or not. Pure."""

import datetime as dt
import re
from typing import Final, get_args

from algo_contract.messages.instrument import InstrumentFacts, read_instrument
from algo_contract.messages.runner_state import Protection, RunnerState, read_state
from algo_contract.states import Execution

LARGEST: Final = 250_000_000_000_000_000
"""Above every price in paise and every time in microseconds that a calendar can show."""

_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_STREAM_ID: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")
_STREAM_MOST: Final = 2**64
_COUNTERS: Final = 2**31
_LONGEST_REASON: Final = 128
_LONGEST_FACTS: Final = 512
_LARGEST_TICK: Final = 100_000
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


def instrument(text: str | None) -> InstrumentFacts | None:
    """What a feed says of a share, as it can be acted on; None when there is nothing such."""
    if text is None or len(text) > _LONGEST_FACTS:
        return None
    try:
        facts = read_instrument(text)
    except ValueError:
        return None
    return facts if is_sane(facts) else None


def is_sane(facts: InstrumentFacts) -> bool:
    """Whether the figures are whole numbers of a sane size."""
    bounds = (
        (facts.token, 0, LARGEST),
        (facts.tick_size, 1, _LARGEST_TICK),
        (facts.lot_size, 1, _COUNTERS),
        (1 if facts.freeze_quantity is None else facts.freeze_quantity, 1, _COUNTERS),
    )
    return all(_is_whole(value) and least <= value <= most for value, least, most in bounds)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

"""The engine's state as JSON: what a journal entry carries and a successor starts from."""

import json
from dataclasses import fields
from functools import cache
from typing import Any, Final

from algo_contract.assignment import Strategy
from algo_engine.orders import Order, Terms
from algo_engine.state import State


def snapshot(state: State) -> str:
    """Compact JSON of the whole state."""
    return compact(state)


def compact(value: Any) -> str:
    """Compact JSON of values with dataclasses in them; `asdict`, which copies everything first,
    takes ten times as long, and this is on the way of every order.
    """
    return _ENCODER.encode(value)


def fields_of(value: Any) -> dict[str, Any]:
    """A dataclass's fields by name, not copied."""
    return {name: getattr(value, name) for name in _names_of(type(value))}


@cache
def _names_of(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), default=fields_of)


def read_snapshot(text: str) -> State:
    """The state back from JSON.

    Raises:
        ValueError: not a snapshot of this release.
    """
    try:
        words: dict[str, Any] = json.loads(text)
        words["strategy"] = Strategy(**words["strategy"])
        words["entry"] = _order(words["entry"]) if words["entry"] else None
        words["exits"] = tuple(_order(order) for order in words["exits"])
        return State(**words)
    except (KeyError, TypeError) as error:
        raise ValueError(f"unreadable snapshot in the journal: {error}") from error


def _order(words: dict[str, Any]) -> Order:
    words["terms"] = Terms(**words["terms"])
    words["wanted"] = Terms(**words["wanted"]) if words["wanted"] else None
    return Order(**words)

"""The engine's state as JSON: what a journal entry carries and a successor starts from."""

import json
from dataclasses import asdict
from typing import Any

from algo_contract.assignment import Strategy
from algo_engine.orders import Order, Terms
from algo_engine.state import State


def snapshot(state: State) -> str:
    """Compact JSON of the whole state."""
    return json.dumps(asdict(state), separators=(",", ":"))


def read_snapshot(text: str) -> State:
    """The state back from JSON.

    Raises:
        ValueError: not a snapshot of this release.
    """
    try:
        fields: dict[str, Any] = json.loads(text)
        fields["strategy"] = Strategy(**fields["strategy"])
        fields["entry"] = _order(fields["entry"]) if fields["entry"] else None
        fields["exits"] = tuple(_order(order) for order in fields["exits"])
        return State(**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"unreadable snapshot in the journal: {error}") from error


def _order(fields: dict[str, Any]) -> Order:
    fields["terms"] = Terms(**fields["terms"])
    fields["wanted"] = Terms(**fields["wanted"]) if fields["wanted"] else None
    return Order(**fields)

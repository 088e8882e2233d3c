"""An order book's row as JSON: how the paper book keeps it and how a feed hands it to runners."""

import json
from dataclasses import asdict
from typing import Any

from algo_engine.orders import OrderRow, Terms


def row_json(row: OrderRow) -> str:
    """Compact JSON."""
    return json.dumps(asdict(row), separators=(",", ":"))


def read_row(text: str) -> OrderRow:
    """The row from JSON.

    Raises:
        ValueError: not a row of this release.
    """
    try:
        fields: dict[str, Any] = json.loads(text)
        fields["terms"] = Terms(**fields["terms"])
        return OrderRow(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"unreadable order row: {type(error).__name__}") from error

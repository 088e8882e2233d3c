"""Orders as a broker's book reports them: what makes one sound, and its JSON, which the account's
feed hands to runners.
"""

import re
from collections.abc import Sequence
from typing import Final

from algo_contract.messages.codec import Codec
from algo_engine.orders import TERMINAL, OrderReport, Terms

_CODEC: Final = Codec(OrderReport, name="order report")


def write_report(report: OrderReport) -> str:
    """Compact JSON."""
    return _CODEC.write(report)


def read_report(text: str) -> OrderReport:
    """The report from JSON.

    Raises:
        ValueError: not an order report of this release.
    """
    return _CODEC.read(text)


_ORDER_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""It goes into addresses. The two brokers' are digits."""

_UNKNOWN: Final = Terms(type="MARKET", quantity=0)


def readable_id(order_id: object) -> str:
    """A broker's id of an order; empty for anything that is none."""
    if isinstance(order_id, int) and not isinstance(order_id, bool):
        order_id = str(order_id)
    return order_id if isinstance(order_id, str) and _ORDER_ID.fullmatch(order_id) else ""


def unreadable_row(tag: str, *, order_id: object, reason: str) -> OrderReport:
    """A row of ours of which nothing can be read but the tag, and maybe the id: it is there, and
    must neither hide the other rows nor count as never taken. Of a PENDING row nobody believes
    anything else.
    """
    return OrderReport(
        tag=tag,
        status="PENDING",
        terms=_UNKNOWN,
        broker_id=readable_id(order_id),
        message=f"unreadable: {reason}",
    )


def row_with_tag(rows: Sequence[OrderReport], tag: str) -> OrderReport | None:
    """The row with a tag; of several, which must not be, a live one first, then the fullest."""
    found = [row for row in rows if row.tag == tag]
    return max(found, key=lambda row: (row.status not in TERMINAL, row.filled), default=None)


def is_possible(*, quantity: int, filled: int, is_live: bool) -> bool:
    """Whether an order can be so: what is wrong in numbers must not be traded on."""
    return 0 <= filled <= quantity and (quantity > 0 or not is_live)

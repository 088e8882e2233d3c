"""When an order that was sent counts as never taken: good reads of the order book without its tag,
for long enough (engine.md, invariant 3). Pure; times are the wall clock's, in µs.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from algo_engine.events import RequestResult
from algo_engine.orders import Order
from algo_engine.state import State, all_orders

SECOND_US: Final = 1_000_000
READS: Final = 3
GIVE_UP_US: Final = 30 * SECOND_US
"""An entry, and an exit of which less is known, is looked for this long."""

INHERITED_US: Final = 8 * SECOND_US
"""What a request of an earlier process may still need to arrive: 1 s until sent, 7 s at most."""


@dataclass(slots=True)
class InflightOrder:
    """One order that was sent and that no book has shown yet."""

    since_us: int
    reads: int = 0
    last_read_us: int = 0
    """When the newest of these reads was begun."""

    was_up: bool = True
    """The socket of order updates was connected at every one of these reads."""


@dataclass(slots=True)
class InflightOrders:
    """What is known of the orders that nobody has seen."""

    orders: dict[str, InflightOrder] = field(default_factory=dict[str, InflightOrder])

    def begin(self, tag: str, since_us: int) -> None:
        """The request for it has ended, in whatever way, at `since_us`."""
        self.orders.setdefault(tag, InflightOrder(since_us))

    def note_book(self, tags: Collection[str], *, started_us: int, is_up: bool) -> None:
        """A book was read well. What was sent after its reading began need not be in it."""
        for tag, search in list(self.orders.items()):
            if tag in tags:
                del self.orders[tag]
            elif started_us >= search.since_us:
                search.reads += 1
                search.last_read_us = max(search.last_read_us, started_us)
                search.was_up = search.was_up and is_up

    def absent_orders(self, state: State, *, lag_us: int) -> Iterator[RequestResult]:
        """The orders that were never taken, as far as anybody can know. What counts is how long
        after the request the newest book was read, not the time that has passed since.
        """
        for order in _unseen(state):
            search = self.orders.get(order.tag)
            if search is None or search.reads < READS:
                continue
            looked_us = search.last_read_us - search.since_us
            is_quick = order.leg == "exit" and search.was_up and looked_us >= lag_us
            if is_quick or looked_us >= GIVE_UP_US:
                del self.orders[order.tag]
                words = (
                    f"not in {search.reads} reads of the order book in {looked_us // SECOND_US} s"
                )
                yield RequestResult(order.tag, "place", "absent", words)


def _unseen(state: State) -> list[Order]:
    return [order for order in all_orders(state) if order.status == "PENDING"]

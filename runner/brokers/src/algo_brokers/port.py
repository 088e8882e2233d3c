"""The port every broker implements."""

from typing import Protocol

from algo_engine.orders import Order, OrderRow, Terms


class Broker(Protocol):
    """Orders at one broker. Every call raises a `BrokerError` instead of guessing; rows carry
    totals, so reading one twice is harmless. Prices in paise.
    """

    async def place(self, order: Order, *, send_by: float) -> OrderRow:
        """Sends a new order under its tag; not after `send_by` (monotonic seconds).

        Raises:
            DeniedLocally: never sent.
            Rejected: definitely refused.
            Unresolved: it may have been taken; only the book tells.
        """
        ...

    async def modify(self, tag: str, terms: Terms) -> OrderRow:
        """Changes a live order to absolute terms; repeating it is harmless. Errors as `place`."""
        ...

    async def cancel(self, tag: str) -> OrderRow:
        """Cancels a live order; repeating it is harmless. Errors as `place`."""
        ...

    async def order_by_tag(self, tag: str) -> OrderRow | None:
        """The order with a tag, None where the book does not have it."""
        ...

    async def orders(self) -> list[OrderRow]:
        """Today's order book, oldest first."""
        ...

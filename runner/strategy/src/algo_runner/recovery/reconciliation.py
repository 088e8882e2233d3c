"""What an earlier process left open, settled with the book: events for the engine. Pure."""

from collections.abc import Mapping

from algo_engine.events import Event, OrderReported, Outcome, RequestResult
from algo_engine.orders import Order, OrderReport
from algo_engine.state import State, all_orders


def left_open_on_paper(state: State, book: Mapping[str, OrderReport]) -> list[Event]:
    """What the paper book says of every order, and the end of every operation that was in flight.

    A place that the book does not have was never taken: the paper book's script takes no order of
    an older token once this process holds the fence.
    """
    events: list[Event] = []
    for order in all_orders(state):
        row = book.get(order.tag)
        if row is not None:
            events.append(OrderReported(row))
        if order.working == "place" and row is None:
            message = "the process stopped before it was sent"
            events.append(RequestResult(order.tag, "place", "denied", message))
        elif row is None and order.is_live:
            events.append(OrderReported(lost_row(order)))
        elif order.working is not None:
            outcome: Outcome = "confirmed" if order.working == "place" else "unresolved"
            events.append(RequestResult(order.tag, order.working, outcome))
    return events


def left_open_at_broker(state: State, rows: Mapping[str, OrderReport]) -> list[Event]:
    """What a real broker's book says. A place that it does not show may be on its way still: the
    evidence of later books ends it. A change in flight counts as unanswered: it is repeated where
    the row does not show it.
    """
    events: list[Event] = []
    for order in all_orders(state):
        row = rows.get(order.tag)
        if row is not None:
            events.append(OrderReported(row))
        if order.working in ("modify", "cancel"):
            message = "the process stopped before it was answered"
            events.append(RequestResult(order.tag, order.working, "unresolved", message))
    return events


def lost_row(order: Order) -> OrderReport:
    """An order that was placed and that the paper book has no more."""
    return OrderReport(
        tag=order.tag,
        status="CANCELLED",
        terms=order.terms,
        filled=order.filled,
        value=order.value,
        message="the paper book has lost it",
    )

"""Sends a live session's requests, each in a task of its own, so that a broker that does not answer
holds up neither ticks nor the other leg; answers come back as events. The task waits already when
its request is made: an order is on its way in one turn of the event loop.
"""

import asyncio
import time
from typing import Final

from algo_brokers.errors import (
    BrokerError,
    DeniedLocally,
    RateLimited,
    Rejected,
    TokenExpired,
)
from algo_engine.events import (
    Cancel,
    Event,
    Modify,
    OrderReported,
    Outcome,
    Place,
    Request,
    RequestResult,
)
from algo_engine.order_requests import order_of
from algo_engine.orders import Operation, Order, OrderReport
from algo_service.clock import now_us as wall_us
from algo_service.logging import get_logger

from algo_runner.live.execution_client import ExecutionClient
from algo_runner.session import SEND_BY_SECONDS, StrategySession

log = get_logger(__name__)

MAX_PAUSE_SECONDS: Final = 2.0
"""The longest that an explicit rate limit holds an answer back; an exit cannot wait for more."""

ROW_SECONDS: Final = 2.0
"""How long a change that failed waits for its order's row: an exit behind it waits too."""


async def send_orders(session: StrategySession, client: ExecutionClient) -> None:
    """Sends what the session decides, for as long as it runs.

    Raises:
        Fenced: a newer runner has taken over.
    """
    async with asyncio.TaskGroup() as calls:

        async def carry_out_next() -> None:
            request, send_by = await session.outbox.get()
            calls.create_task(carry_out_next())
            await _deliver(session, client, request, send_by)

        calls.create_task(carry_out_next())


async def _deliver(
    session: StrategySession, client: ExecutionClient, request: Request, send_by: float
) -> None:
    try:
        events = await _carried_out(session, client, request, send_by)
    finally:
        session.outbox.task_done()
    if isinstance(request, Place):
        client.inflight.begin(request.order.tag, wall_us())
    for event in events:
        await session.handle(event, kind="answer")


async def _carried_out(
    session: StrategySession, client: ExecutionClient, request: Request, send_by: float
) -> list[Event]:
    order, operation = _order_of(session, request)
    try:
        row = await _called(session, client, request, send_by)
    except BrokerError as error:
        outcome = outcome_of(error)
        session.count(operation, outcome)
        log.warning("order_request_failed", operation=operation, tag=order.tag, error=str(error))
        shown = await _row_now(client, order) if operation != "place" else None
        if isinstance(error, RateLimited):
            await asyncio.sleep(min(error.retry_after, MAX_PAUSE_SECONDS))
        reason = "token_dead" if isinstance(error, TokenExpired) else None
        answer = RequestResult(order.tag, operation, outcome, str(error), reason)
        return [*([OrderReported(shown)] if shown else []), answer]
    session.count(operation, "confirmed")
    client.changed_us[order.tag] = wall_us()
    seen = [OrderReported(row)] if operation == "place" else []
    return [*seen, RequestResult(order.tag, operation, "confirmed")]


async def _called(
    session: StrategySession, client: ExecutionClient, request: Request, send_by: float
) -> OrderReport:
    match request:
        case Place(order) if order.leg == "entry":
            return await client.broker.place(order, send_by=send_by)
        case Place(order):
            if time.monotonic() > send_by:
                # Late, an exit still goes, but not by a process that another has followed.
                await session.journal.has_taken_last()
            return await client.broker.place(order, send_by=time.monotonic() + SEND_BY_SECONDS)
        case Modify(tag, terms):
            return await client.broker.modify(order_of(session.state, tag), terms)
        case Cancel(tag):
            return await client.broker.cancel(order_of(session.state, tag))


async def _row_now(client: ExecutionClient, order: Order) -> OrderReport | None:
    """The order as it is after a change that failed or was not answered; None where that cannot be
    learned now: the change is repeated, which harms nothing.
    """
    try:
        async with asyncio.timeout(ROW_SECONDS):
            return await client.broker.order_by_tag(order.tag)
    except (BrokerError, TimeoutError) as error:
        log.warning("order_row_unread", tag=order.tag, error=str(error) or type(error).__name__)
        return None


def _order_of(session: StrategySession, request: Request) -> tuple[Order, Operation]:
    match request:
        case Place(order):
            return order, "place"
        case Modify(tag):
            return order_of(session.state, tag), "modify"
        case Cancel(tag):
            return order_of(session.state, tag), "cancel"


def outcome_of(error: BrokerError) -> Outcome:
    """What a failed request means to the engine. A token that is dead and a rate that is over were
    refused before anything was done: as if never sent.
    """
    if isinstance(error, DeniedLocally | TokenExpired | RateLimited):
        return "denied"
    return "rejected" if isinstance(error, Rejected) else "unresolved"

"""A live strategy's place at its broker: the adapter, its session, what its books have shown."""

import asyncio
import datetime as dt
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from algo_brokers import adapters
from algo_brokers.adapters import BrokerAdapter
from algo_brokers.errors import BrokerError, DeniedLocally
from algo_brokers.http.client import HttpClient
from algo_brokers.instruments import Instrument
from algo_brokers.port import Broker
from algo_brokers.urls import Endpoints
from algo_contract.messages.assignment import Assignment
from algo_contract.messages.broker_session import SESSION_FILE, BrokerSession, read_session
from algo_contract.trading_day import EXIT_MARGIN_US, TOKEN_MARGIN_US, clock_text
from algo_engine.orders import OrderReport
from algo_service.backoff import backoff
from algo_service.clock import now_us as wall_us
from algo_service.logging import get_logger
from algo_service.mounted_secret import load

from algo_runner.errors import Misconfigured
from algo_runner.live.inflight import InflightOrders

log = get_logger(__name__)

FIRST_RETRY_SECONDS: Final = 0.05
LONGEST_RETRY_SECONDS: Final = 2.0
"""Between reads of the first order book."""

FIRST_BOOK_SECONDS: Final = 5.0
"""How long a start waits for the order book where the journal knows the day already."""


@dataclass(slots=True)
class ExecutionClient:
    """Everything between one runner and its broker."""

    kind: BrokerAdapter
    http: HttpClient
    endpoints: Endpoints
    broker: Broker
    session: BrokerSession
    assigned: Assignment
    """As the Secret says it, before `at_desk`."""

    inflight: InflightOrders = field(default_factory=InflightOrders)
    shown: dict[str, OrderReport] = field(default_factory=dict[str, OrderReport])
    """The newest row of each of our orders: a feed tells a row again only when it differs."""

    changed_us: dict[str, int] = field(default_factory=dict[str, int])
    """When an order's newest change was confirmed; wall clock."""

    book_us: int = 0
    """When the newest good reading of the order book was begun, by whomever; wall clock."""

    @property
    def lag_us(self) -> int:
        """How much later than its answer the book may show an order."""
        return int(self.kind.capabilities.order_book_lag_seconds * 1_000_000)

    def renew(self, session: BrokerSession) -> Assignment:
        """Goes on with another session; connections stay. The assignment as it is with it."""
        self.session = session
        self.broker = _broker(self.kind, self.http, self.endpoints, session, self.assigned)
        return trading_context(self.assigned, self)

    def show(self, rows: Iterable[OrderReport]) -> None:
        """Keeps the newest row of each order."""
        self.shown |= {row.tag: row for row in rows if row.tag}


def open_execution_client(day: Assignment, folder: Path) -> ExecutionClient:
    """The desk of a live assignment. Connects nothing yet.

    Raises:
        SecretUnusable: the session is missing.
        Misconfigured: it is of another broker, or the broker is unknown.
    """
    assert day.live is not None
    session = load(folder, SESSION_FILE, read_session)
    if session.broker != day.broker:
        raise Misconfigured(f"the session in the Secret is {session.broker}'s, not {day.broker}'s")
    try:
        kind = adapters.adapter(day.broker)
        http = HttpClient(proxy=day.live.egress_proxy)
    except (ValueError, DeniedLocally) as error:
        raise Misconfigured(str(error)) from error
    endpoints = kind.endpoints(day.live.base_url, None)
    broker = _broker(kind, http, endpoints, session, day)
    return ExecutionClient(
        kind=kind, http=http, endpoints=endpoints, broker=broker, session=session, assigned=day
    )


def trading_context(day: Assignment, client: ExecutionClient) -> Assignment:
    """The assignment with what only the broker's table and the session can tell.

    Raises:
        Misconfigured: the broker takes no orders for that exchange.
    """
    assert day.live is not None
    try:
        row = client.kind.capabilities.on(
            day.strategy.exchange, dt.date.fromisoformat(day.session.trading_day)
        )
    except DeniedLocally as error:
        raise Misconfigured(str(error)) from error
    live, needed_us = day.live, day.session.last_exit_us + EXIT_MARGIN_US + TOKEN_MARGIN_US
    if day.clock == "Feed":
        needed_us = wall_us()
    if client.session.expires_us < needed_us and not live.no_entry:
        end = clock_text(client.session.expires_us)
        live = replace(
            live,
            no_entry=f"It ends at {end}, before this day is over.",
            no_entry_reason="token_dead",
        )
    return replace(day, live=live, resting_stop=row.resting_stop)


async def first_book(client: ExecutionClient, *, is_known: bool) -> list[OrderReport] | None:
    """The order book a start begins with. Where the journal knows the day (`is_known`) it is done
    without after some seconds, and None; else it is waited for: without journal and book nobody
    knows what was sent.
    """
    until = time.monotonic() + FIRST_BOOK_SECONDS
    for delay in backoff(first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS):
        started_us = wall_us()
        try:
            rows = await client.broker.orders()
        except BrokerError as error:
            log.warning("order_book_unread", error=str(error), retry_in_seconds=round(delay, 2))
        else:
            client.book_us = started_us
            client.show(rows)
            return rows
        if is_known and time.monotonic() > until:
            return None
        await asyncio.sleep(delay)
    raise AssertionError("backoff is endless")


def _broker(
    kind: BrokerAdapter,
    http: HttpClient,
    endpoints: Endpoints,
    session: BrokerSession,
    day: Assignment,
) -> Broker:
    assert day.live is not None
    facts, strategy = day.live.instrument, day.strategy
    instrument = Instrument(
        exchange=strategy.exchange,
        symbol=strategy.symbol,
        token=facts.token,
        tick_size=facts.tick_size,
        lot_size=facts.lot_size,
        freeze_quantity=facts.freeze_quantity,
    )
    client = adapters.TradingContext(
        instrument=instrument, product=strategy.product, trading_day=day.session.trading_day
    )
    return kind.broker(http, endpoints, session, client)

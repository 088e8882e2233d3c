"""A live strategy's place at its broker: the adapter, its session, what its books have shown."""

import asyncio
import datetime as dt
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from algo_brokers import kinds
from algo_brokers.errors import BrokerError, DeniedLocally
from algo_brokers.http import Http
from algo_brokers.instruments import Instrument
from algo_brokers.kinds import Kind
from algo_brokers.port import Broker
from algo_brokers.wire import Endpoints
from algo_contract.assignment import Assignment
from algo_contract.broker_session import BrokerSession
from algo_contract.trading_day import clock_text
from algo_engine.orders import OrderRow
from algo_redis.reconnect import backoff

from algo_runner.errors import Misconfigured
from algo_runner.evidence import Evidence
from algo_runner.log import log
from algo_runner.secret import load_session

TOKEN_MARGIN_US: Final = (15 + 2) * 60 * 1_000_000
"""No entry unless the token outlives the broker's square-off by 15 minutes; the last exit lies two
before that."""

FIRST_BOOK_SECONDS: Final = 5.0
"""How long a start waits for the order book where the journal knows the day already."""


@dataclass(slots=True)
class LiveDesk:
    """Everything between one runner and its broker."""

    kind: Kind
    http: Http
    endpoints: Endpoints
    broker: Broker
    session: BrokerSession
    assigned: Assignment
    """As the Secret says it, before `at_desk`."""

    evidence: Evidence = field(default_factory=Evidence)
    shown: dict[str, OrderRow] = field(default_factory=dict[str, OrderRow])
    """The newest row of each of our orders: a feed tells a row again only when it differs."""

    changed_us: dict[str, int] = field(default_factory=dict[str, int])
    """When an order's newest change was confirmed; wall clock."""

    book_us: int = 0
    """When the newest good reading of the order book was begun, by whomever; wall clock."""

    @property
    def lag_us(self) -> int:
        """How much later than its answer the book may show an order."""
        return int(self.kind.capabilities.lag_seconds * 1_000_000)

    def renew(self, session: BrokerSession) -> Assignment:
        """Goes on with another session; connections stay. The assignment as it is with it."""
        self.session = session
        self.broker = _broker(self.kind, self.http, self.endpoints, session, self.assigned)
        return at_desk(self.assigned, self)

    def show(self, rows: Iterable[OrderRow]) -> None:
        """Keeps the newest row of each order."""
        self.shown |= {row.tag: row for row in rows if row.tag}


def open_desk(day: Assignment, folder: Path) -> LiveDesk:
    """The desk of a live assignment. Connects nothing yet.

    Raises:
        Misconfigured: the session is missing, or of another broker, or the broker is unknown.
    """
    assert day.live is not None
    session = load_session(folder)
    if session.broker != day.broker:
        raise Misconfigured(f"the session in the Secret is {session.broker}'s, not {day.broker}'s")
    try:
        kind = kinds.kind(day.broker)
        http = Http(proxy=day.live.egress_proxy)
    except (ValueError, DeniedLocally) as error:
        raise Misconfigured(str(error)) from error
    endpoints = kind.endpoints(day.live.base_url, None)
    broker = _broker(kind, http, endpoints, session, day)
    return LiveDesk(
        kind=kind, http=http, endpoints=endpoints, broker=broker, session=session, assigned=day
    )


def at_desk(day: Assignment, desk: LiveDesk) -> Assignment:
    """The assignment with what only the broker's table and the session can tell.

    Raises:
        Misconfigured: the broker takes no orders for that exchange.
    """
    assert day.live is not None
    try:
        row = desk.kind.capabilities.on(
            day.strategy.exchange, dt.date.fromisoformat(day.session.trading_day)
        )
    except DeniedLocally as error:
        raise Misconfigured(str(error)) from error
    live, needed_us = day.live, day.session.last_exit_us + TOKEN_MARGIN_US
    if day.clock == "Feed":
        needed_us = time.time_ns() // 1000
    if desk.session.expires_us < needed_us and not live.no_entry:
        end = clock_text(desk.session.expires_us)
        live = replace(
            live,
            no_entry=f"It ends at {end}, before this day is over.",
            no_entry_reason="token_dead",
        )
    return replace(day, live=live, resting_stop=row.resting_stop)


async def first_book(desk: LiveDesk, *, is_known: bool) -> list[OrderRow] | None:
    """The order book a start begins with. Where the journal knows the day (`is_known`) it is done
    without after some seconds, and None; else it is waited for: without journal and book nobody
    knows what was sent.
    """
    until = time.monotonic() + FIRST_BOOK_SECONDS
    for delay in backoff():
        started_us = time.time_ns() // 1000
        try:
            rows = await desk.broker.orders()
        except BrokerError as error:
            log("order_book_unread", error=str(error), retry_in_seconds=round(delay, 2))
        else:
            desk.book_us = started_us
            desk.show(rows)
            return rows
        if is_known and time.monotonic() > until:
            return None
        await asyncio.sleep(delay)
    raise AssertionError("backoff is endless")


def _broker(
    kind: Kind, http: Http, endpoints: Endpoints, session: BrokerSession, day: Assignment
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
    desk = kinds.Desk(
        instrument=instrument, product=strategy.product, trading_day=day.session.trading_day
    )
    return kind.broker(http, endpoints, session, desk)

"""A live session's worst moments, at a broker that does exactly what each test says."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from algo_brokers import adapters
from algo_brokers.errors import RateLimited
from algo_brokers.http.client import HttpClient
from algo_brokers.order_reports import write_report
from algo_contract import redis_keys, stream_fields
from algo_contract.messages.assignment import Assignment, Live
from algo_contract.messages.instrument import InstrumentFacts
from algo_contract.messages.broker_session import SESSION_FILE, BrokerSession, session_json
from algo_engine.events import RequestResult, Modify, Place, Request, OrderReported, Tick, Timer
from algo_engine.orders import Order, OrderReport
from algo_engine.state import position
from algo_redis.client import RedisClient
from algo_runner.live.session_keeper import keep_session
from algo_runner.live.order_sender import send_orders
from algo_runner.live.execution_client import ExecutionClient, trading_context
from algo_runner.recovery.startup import open_session
from algo_runner.live.order_updates import follow_orders, watch_book
from algo_runner.session import StrategySession
from support.faults.crash_injection import server_of
from support.servers.redis_server import RedisProcess
from support.factories.session_days import now_day

HOUR_US = 3600 * 1_000_000
FACTS = InstrumentFacts(token=3050241, tick_size=5)
ACCOUNT = "brk_x"


@dataclass
class Told:
    """A broker that takes everything and tells what it is told to."""

    rows: list[OrderReport] = field(default_factory=list)
    is_readable: bool = True
    placed: list[str] = field(default_factory=list)

    async def place(self, order: Order, *, send_by: float) -> OrderReport:
        self.placed.append(order.tag)
        return OrderReport(tag=order.tag, status="PENDING", terms=order.terms, broker_id="1")

    async def orders(self) -> list[OrderReport]:
        if not self.is_readable:
            raise RateLimited("too many", retry_after=1)
        return self.rows

    async def check(self) -> str:
        return "SIM001"


def client_of(
    broker: Told, day: Assignment, *, expires_in_us: int = 20 * HOUR_US
) -> ExecutionClient:
    kind = adapters.adapter("zerodha")
    return ExecutionClient(
        kind=kind,
        http=HttpClient(),
        endpoints=kind.endpoints(None, None),
        broker=broker,  # type: ignore[arg-type]
        session=a_session(expires_in_us),
        assigned=day,
    )


def a_session(expires_in_us: int) -> BrokerSession:
    return BrokerSession(
        broker="zerodha",
        client_id="SIM001",
        api_key="key",
        access_token="token",
        issued_us=1,
        expires_us=time.time_ns() // 1000 + expires_in_us,
    )


def live_day(**fields: Any) -> tuple[Assignment, int]:
    day, now_us = now_day()
    live = Live(instrument=FACTS)
    known = {"broker": "zerodha", "account_id": ACCOUNT, "live": live, "resting_stop": "STOP_LIMIT"}
    return replace(day, **(known | fields)), now_us


@asynccontextmanager
async def opened(
    day: Assignment, redis: RedisProcess, broker: Told
) -> AsyncIterator[tuple[StrategySession, ExecutionClient]]:
    held = RedisClient(server_of(redis), name="test")
    client = client_of(broker, day)
    try:
        yield await open_session(day, held, client), client
    finally:
        held.close()
        await client.http.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def running(*coroutines: Any) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(c) for c in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def sent(session: StrategySession) -> list[Request]:
    """What the session has put out and nobody has taken."""
    requests: list[Request] = []
    while not session.outbox.empty():
        requests.append(session.outbox.get_nowait()[0])
        session.outbox.task_done()
    return requests


async def bought(session: StrategySession, now_us: int) -> Order:
    """The entry, filled."""
    await session.tick(Tick(9500, now_us, "1-1"), received_us=now_us)
    entry = session.state.entry
    assert entry is not None
    await session.handle(OrderReported(filled(entry)), kind="book")
    return entry


async def held(session: StrategySession, now_us: int) -> Order:
    """In position, the stop resting; that stop."""
    await bought(session, now_us)
    stop = session.state.exits[0]
    row = OrderReport(tag=stop.tag, status="TRIGGER_PENDING", terms=stop.terms, broker_id="9")
    await session.handle(OrderReported(row), kind="book")
    sent(session)
    return stop


def filled(order: Order) -> OrderReport:
    return OrderReport(tag=order.tag, status="FILLED", terms=order.terms, filled=10, value=95_000)


def book_mark(redis: RedisProcess, *tags: str) -> None:
    """What a feed tells after each good reading."""
    words = (
        *(
            stream_fields.ORDERS_KIND,
            "book",
            stream_fields.ORDERS_TAGS,
            json.dumps(tags).replace(" ", ""),
        ),
        *(stream_fields.ORDERS_STARTED, time.time_ns() // 1000, stream_fields.ORDERS_SOCKET, 1),
    )
    redis.run("XADD", redis_keys.account(ACCOUNT, "orders"), "*", *words)


async def until(done: Any, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110 - any state
            await asyncio.sleep(0.05)


async def test_a_fill_told_before_this_process_listened__is_read_from_the_book(
    redis: RedisProcess,
) -> None:
    day, now_us = live_day()
    async with opened(day, redis, Told()) as (first, _):
        await first.tick(Tick(9500, now_us, "1-1"), received_us=now_us)
        entry = first.state.entry
    assert entry is not None
    key = redis_keys.account(ACCOUNT, "orders")
    at = f"{time.time_ns() // 10**6 - 10_000}-0"
    redis.run("XADD", key, at, stream_fields.ORDERS_KIND, "row", "row", write_report(filled(entry)))

    broker = Told(is_readable=False)
    async with opened(day, redis, broker) as (session, client):
        broker.is_readable, broker.rows = True, [filled(entry)]
        news = RedisClient(server_of(redis), name="news")
        async with running(follow_orders(session, client, news)):
            book_mark(redis, entry.tag)
            await until(lambda: position(session.state) == 10)
        news.close()


async def test_a_change_that_was_confirmed_and_not_made__is_found_after_a_restart(
    redis: RedisProcess,
) -> None:
    day, now_us = live_day()
    async with opened(day, redis, Told()) as (first, _):
        stop = await held(first, now_us)
        await first.tick(Tick(9200, time.time_ns() // 1000, "2-1"), received_us=now_us)
        await first.handle(answer_to(stop), kind="answer")
        assert first.state.exits[0].terms.type == "MARKET"

    row = OrderReport(tag=stop.tag, status="TRIGGER_PENDING", terms=stop.terms, broker_id="9")
    async with opened(day, redis, Told(rows=[row])) as (session, client):
        sent(session)
        async with running(watch_book(session, client)):
            for _ in range(9):
                await asyncio.sleep(1)
                await session.handle(Timer(time.time_ns() // 1000), kind="timer")
        asked = sent(session)
    assert any(isinstance(r, Modify) and r.terms.type == "MARKET" for r in asked)


def answer_to(stop: Order) -> RequestResult:
    return RequestResult(stop.tag, "modify", "confirmed")


async def test_a_renewed_session__opens_the_entry_again(
    redis: RedisProcess, tmp_path: Path
) -> None:
    day, now_us = live_day()
    day = replace(day, session=replace(day.session, last_exit_us=now_us + 6 * HOUR_US))
    async with opened(day, redis, Told()) as (session, client):
        client.session = a_session(60 * 1_000_000)
        session.day = trading_context(day, client)
        assert session.day.live is not None
        assert session.day.live.no_entry_reason == "token_dead"
        (tmp_path / SESSION_FILE).write_text(session_json(a_session(20 * HOUR_US)))

        async with running(keep_session(session, client, tmp_path)):
            await until(lambda: not session.day.live.no_entry)


async def test_an_exit_held_up_until_another_runner_has_taken_over__is_not_sent(
    redis: RedisProcess,
) -> None:
    day, now_us = live_day(resting_stop=None)
    broker = Told()
    async with opened(day, redis, broker) as (session, client):
        await bought(session, now_us)
        sent(session)
        await session.tick(Tick(9200, time.time_ns() // 1000, "2-1"), received_us=now_us)
        request, _ = session.outbox.get_nowait()
        session.outbox.task_done()
        session.outbox.put_nowait((request, time.monotonic() - 1))
        async with opened(day, redis, Told()):
            with pytest.raises(BaseExceptionGroup):
                async with asyncio.timeout(5):
                    await send_orders(session, client)
    assert broker.placed == []


async def test_a_lost_journal_after_the_buy_time__buys_nothing_more(redis: RedisProcess) -> None:
    day, now_us = live_day()
    async with opened(day, redis, Told()) as (session, _):
        await session.tick(Tick(9500, now_us, "1-1"), received_us=now_us)
        assert isinstance(sent(session)[0], Place)
    redis.run("FLUSHALL")

    async with opened(replace(day, epoch=2), redis, Told()) as (session, _):
        now_us = time.time_ns() // 1000
        await session.tick(Tick(9500, now_us, "2-1"), received_us=now_us)

        assert sent(session) == []
        assert session.state.skip_reason == "unresolved"


async def test_redis_away__the_resting_stop_is_turned_into_the_exit_all_the_same(
    durable_redis: RedisProcess,
) -> None:
    day, now_us = live_day()
    async with opened(day, durable_redis, Told()) as (session, _):
        stop = await held(session, now_us)
        durable_redis.kill()
        tick = Tick(9200, time.time_ns() // 1000, "2-1")
        async with running(session.tick(tick, received_us=now_us)):
            await until(lambda: not session.outbox.empty())
        (request,) = sent(session)
        assert isinstance(request, Modify)
        assert (request.tag, request.terms.type) == (stop.tag, "MARKET")
        durable_redis.start()

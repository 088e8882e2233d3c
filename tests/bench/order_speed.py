"""From a tick in Redis to the order on the wire, at 1,000 ticks a second.

A session in position, with its stop resting at the broker, hears a tick at its stop: decision,
journal entry synced to disk, Zerodha's adapter, HTTP on a warm connection. In the same run, in
turns, the floor: the same XREAD, one XADD synced to disk, and a request of the same size on a bare
socket. Both are timed from right before the tick's XADD to the server's having the whole request.
"""

import asyncio
import contextlib
import gc
import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvloop
from algo_contract import redis_keys
from algo_contract.messages.assignment import Assignment, Live
from algo_contract.messages.instrument import InstrumentFacts
from algo_contract.messages.redis_server import RedisServer
from algo_contract.messages.broker_session import SESSION_FILE, BrokerSession, session_json
from algo_engine.orders import Order
from algo_engine.pricing import resting_terms
from algo_engine.state import State, next_attempt
from algo_engine.step import step
from algo_engine.events import Tick
from algo_redis.connection import connect
from algo_redis.client import RedisClient
from algo_redis.tick_reader import TickReader
from algo_runner.live.order_sender import send_orders
from algo_runner.live.execution_client import (
    ExecutionClient,
    trading_context,
    open_execution_client,
)
from algo_runner.journal import Journal
from algo_runner.tick_loop import TickLoop, follow
from algo_runner.session import StrategySession
from support.servers.redis_server import RedisProcess, running_redis
from support.factories.session_days import now_day

from tests.bench.results import Figure, percentile

HERE = Path(__file__).parent
ROUNDS, WARM_UP = 300, 20
TICKS_BEFORE = 20
STREAM = redis_keys.ticks("brk_bench", "NSE", "YESBANK")
FACTS = InstrumentFacts(token=3050241, tick_size=5)
FORM = b"order_type=MARKET&quantity=10&validity=DAY&market_protection=-1"
REQUEST = (
    b"PUT /orders/regular/1 HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n"
    b"X-Kite-Version: 3\r\nAuthorization: token key:token\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%b"
) % (len(FORM), FORM)


@dataclass
class Bench:
    """The processes around what is measured."""

    state: RedisServer
    ticks: RedisServer
    source: "subprocess.Popen[str]"
    sink: "subprocess.Popen[str]"
    sink_port: int

    async def latency(self) -> float:
        """Milliseconds from a low tick to the request it led to. Between the two this process
        does nothing but what is measured.
        """
        _tell(self.source)
        for _ in range(100):
            await asyncio.sleep(0.02)
            _tell(self.sink)
            if times := json.loads(_line(self.sink)):
                return (times[0] - int(_line(self.source))) / 1e6
        raise RuntimeError("the tick led to no request within 2 s")


def measure() -> list[Figure]:
    """One run, both in turns."""
    with running_redis(append_only=True) as state, running_redis() as ticks:
        return uvloop.run(_measure(state, ticks))


async def _measure(state: RedisProcess, ticks: RedisProcess) -> list[Figure]:
    ours: list[float] = []
    floor: list[float] = []
    with _processes(state, ticks) as bench, tempfile.TemporaryDirectory() as folder:
        client = _client(bench, Path(folder))
        gc.freeze()  # As a runner does when it has started.
        for number in range(ROUNDS + WARM_UP):
            async with _in_position(bench, client):
                mine = await bench.latency()
            async with _bare(bench):
                bare = await bench.latency()
            if number >= WARM_UP:
                ours.append(mine)
                floor.append(bare)
        await client.http.close()
    p99, least = percentile(ours, 0.99), percentile(floor, 0.99)
    how = f"{ROUNDS} exits, 1,000 ticks/s, journal synced to disk, Zerodha's adapter"
    words = f"p50 {percentile(ours, 0.5):.2f}, p99 {p99:.2f} ms"
    bare_words = f"p50 {percentile(floor, 0.5):.2f}, p99 {least:.2f} ms"
    return [
        Figure("tick in Redis to order on the wire", words, "p99 3 ms", p99 <= 3, how),
        Figure("the floor of the same run", bare_words, "none", True, "XREAD, XADD, bare HTTP"),
        Figure("ratio of the two", f"{p99 / least:.2f}", "2", p99 <= 2 * least, "p99 to p99"),
    ]


def _client(bench: Bench, folder: Path) -> ExecutionClient:
    """A runner has one for its whole day, and with it one TLS context."""
    session = BrokerSession(
        broker="zerodha",
        client_id="SIM001",
        api_key="key",
        access_token="token",
        issued_us=0,
        expires_us=1 << 60,
    )
    (folder / SESSION_FILE).write_text(session_json(session))
    return open_execution_client(_day(bench.sink_port), folder)


@contextlib.asynccontextmanager
async def _in_position(bench: Bench, client: ExecutionClient) -> AsyncIterator[None]:
    day = trading_context(_day(bench.sink_port), client)
    held = RedisClient(bench.state, name="bench")
    journal = Journal(redis=held, strategy_id=day.strategy.id, epoch=1)
    await journal.begin()
    session = StrategySession(day=day, journal=journal, paper=None, state=_holding(day))
    with contextlib.suppress(Exception):
        await client.broker.check()
    reader = TickReader(bench.ticks, STREAM, name="bench", after=b"$")
    feed = RedisClient(bench.ticks, name="bench-clock")
    tasks = [
        asyncio.ensure_future(follow(session, reader, TickLoop(), feed)),
        asyncio.ensure_future(send_orders(session, client)),
    ]
    await _flowing(reader)
    try:
        yield
    finally:
        await _stop(tasks, [reader.close, feed.close, held.close])


@contextlib.asynccontextmanager
async def _bare(bench: Bench) -> AsyncIterator[None]:
    state = await connect(bench.state, name="floor")
    reader = TickReader(bench.ticks, STREAM, name="floor", after=b"$")
    _, writer = await asyncio.open_connection("127.0.0.1", bench.sink_port)

    async def run() -> None:
        while True:
            for tick in await reader.read():
                if tick[1] < 9300:
                    await state.call("XADD", "floor", "*", "data", "x" * 1500)
                    writer.write(REQUEST)

    task = asyncio.ensure_future(run())
    await _flowing(reader)
    try:
        yield
    finally:
        await _stop([task], [reader.close, state.close, writer.close])


async def _flowing(reader: TickReader) -> None:
    """Returns once ticks come in."""
    while reader.ticks < TICKS_BEFORE:  # noqa: ASYNC110 - the reader tells nobody
        await asyncio.sleep(0.005)


def _day(port: int) -> Assignment:
    live = Live(instrument=FACTS, base_url=f"http://127.0.0.1:{port}")
    day, _ = now_day(uid=str(uuid.uuid4()))
    return replace(day, broker="zerodha", account_id="brk_bench", feed="brk_bench", live=live)


def _holding(day: Assignment) -> State:
    """Ten shares, and the stop resting for them."""
    state = State(strategy=day.strategy, trading_day=day.session.trading_day)
    buy_us = day.session.midnight_us + day.strategy.buy_time * 1_000_000
    state, _ = step(state, day, Tick(9500, buy_us))
    assert state.entry is not None
    entry = replace(
        state.entry, status="FILLED", filled=10, value=95_000, broker_id="0", working=None
    )
    state = replace(state, entry=entry)
    tag, attempt = next_attempt(state, "exit")
    stop = Order(
        tag=tag,
        leg="exit",
        attempt=attempt,
        side="SELL",
        terms=resting_terms(state, day, 10),
        status="TRIGGER_PENDING",
        broker_id="1",
        working=None,
    )
    return replace(state, exits=(stop,))


async def _stop(tasks: list["asyncio.Future[Any]"], closing: list[Callable[[], None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for close in closing:
        close()


@contextlib.contextmanager
def _processes(state: RedisProcess, ticks: RedisProcess) -> Any:
    words = [ticks.host, str(ticks.port), ticks.username, ticks.password, STREAM]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    source = subprocess.Popen([sys.executable, str(HERE / "tick_source.py"), *words], **pipes)
    sink = subprocess.Popen([sys.executable, str(HERE / "order_sink.py")], **pipes)
    try:
        assert sink.stdout is not None
        port = int(sink.stdout.readline())
        yield Bench(_server(state), _server(ticks), source, sink, port)
    finally:
        for process in (source, sink):
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=10)


def _server(redis: RedisProcess) -> RedisServer:
    return RedisServer(
        host=redis.host, port=redis.port, username=redis.username, password=redis.password
    )


def _tell(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()

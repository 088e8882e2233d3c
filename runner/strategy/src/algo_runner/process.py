"""`algo-runner run`: the process in a strategy's pod, from its Secret to the end of its day."""

import asyncio
import contextlib
import gc
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from algo_contract import redis_keys, stream_fields
from algo_contract.messages.assignment import ASSIGNMENT_FILE, Assignment, read_assignment
from algo_engine.events import SessionEnd, StrategyEdited, Timer
from algo_engine.state import average_price, is_flat, position
from algo_redis.client import RedisClient
from algo_redis.errors import RedisError, RedisRefused, RedisUnavailable
from algo_redis.tick_reader import TickReader
from algo_service.clock import now_us as wall_us
from algo_service.exposition import exposition, process_samples
from algo_service.http_server import Pages, serve
from algo_service.logging import get_logger
from algo_service.mounted_secret import (
    LOGIN_REFUSALS,
    LoginChanged,
    SecretUnusable,
    check_login,
    load,
    load_redis,
)
from algo_service.process import first_cause

from algo_runner.commands import next_commands
from algo_runner.errors import RunnerError
from algo_runner.metrics import samples
from algo_runner.recovery.startup import first_tick_id, open_session
from algo_runner.session import StrategySession
from algo_runner.tick_loop import CATCH_UP_SECONDS, TickLoop, follow

if TYPE_CHECKING:
    from algo_runner.live.execution_client import ExecutionClient

log = get_logger(__name__)

HOUSEKEEPING_SECONDS: Final = 0.25
LIVE_SECONDS: Final = 1.0
MARK_SECONDS: Final = 30.0
"""How often the place in the tick stream is journalled while in position."""

READY_SECONDS: Final = 3.0
"""How long a question for readiness is held while the runner starts; the kubelet waits longer, and
would ask again only a second after a no.
"""

COMMANDS_BLOCK_MS: Final = 2000
IN_FLIGHT_SECONDS: Final = 5.0
"""How long a SIGTERM waits for an order call under way."""


@dataclass(slots=True)
class Runner:
    """The process's parts."""

    folder: Path
    assigned: Assignment
    """As the Secret says it; the session's own has what only a broker's table can add."""

    session: StrategySession
    reader: TickReader
    ready: asyncio.Event
    state_redis: RedisClient
    command_redis: RedisClient
    ticks_redis: RedisClient
    account_redis: RedisClient
    """To redis-ticks: the account's orders and quotes."""

    client: "ExecutionClient | None" = None
    tick_loop: TickLoop = field(default_factory=TickLoop)


async def run(folder: Path, listener: socket.socket) -> None:
    """Runs until SIGTERM or SIGINT; answers probes and metrics on `listener` from the first, so
    that a Redis that is away does not look like a runner that hangs.

    Raises:
        SecretUnusable: the Secret is missing or unreadable.
        LoginChanged: its Redis log-in is not the one in use any more.
        Fenced: a newer runner of the strategy has taken over.
    """
    started, ready, stopping = time.time(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    day = load(folder, ASSIGNMENT_FILE, read_assignment)
    starting = asyncio.ensure_future(_start(folder, day, ready))

    def metrics() -> str:
        own = process_samples(started)
        if not starting.done() or starting.cancelled() or starting.exception():
            return exposition(own)
        runner = starting.result()
        return exposition([*samples(runner.session, runner.reader, runner.tick_loop), *own])

    pages = Pages(
        metrics=metrics,
        is_ready=ready.is_set,
        not_ready="Redis is not reached yet",
        became_ready=ready,
        held_seconds=READY_SECONDS,
    )
    async with await serve(pages, listener):
        await _first_of(starting, stopping)
        if not starting.done():
            starting.cancel()
            return
        runner = starting.result()
        working = asyncio.ensure_future(_work(runner))
        await _first_of(working, stopping)
        if not working.done():
            await _finish_step(runner)
            working.cancel()
        await _ended(working)
    log.info("runner_stopped", strategy=day.strategy.id)


async def _start(folder: Path, day: Assignment, ready: asyncio.Event) -> Runner:
    state_server, ticks_server = load_redis(folder)
    name = day.strategy.id

    def on_retry(error: RedisError, delay: float) -> None:
        log.warning("redis_retried", error=str(error), retry_in_seconds=round(delay, 2))
        if isinstance(error, RedisRefused) and error.code in LOGIN_REFUSALS:
            check_login(folder, state_server, ticks_server)

    state_redis = RedisClient(state_server, name=name, on_retry=on_retry)
    client = _client(day, folder)
    session = await open_session(_at(day, client), state_redis, client)
    stream = redis_keys.ticks(day.feed, day.strategy.exchange, day.strategy.symbol)
    after = first_tick_id(session, now_ms=time.time_ns() // 1_000_000)
    reader = TickReader(
        ticks_server, stream, name=f"{name}-ticks", after=after.encode(), on_retry=on_retry
    )
    # Else a full collection walks every import: 5 ms in which no tick is looked at.
    gc.collect()
    gc.freeze()
    log.info("runner_started", strategy=name, trading_day=day.session.trading_day, epoch=day.epoch)
    return Runner(
        folder=folder,
        assigned=day,
        session=session,
        reader=reader,
        ready=ready,
        state_redis=state_redis,
        command_redis=RedisClient(state_server, name=f"{name}-commands", on_retry=on_retry),
        ticks_redis=RedisClient(ticks_server, name=f"{name}-live", on_retry=on_retry),
        account_redis=RedisClient(ticks_server, name=f"{name}-news", on_retry=on_retry),
        client=client,
    )


def _client(day: Assignment, folder: Path) -> "ExecutionClient | None":
    """What a real broker needs is loaded only for one: paper runners stay small."""
    if day.live is None:
        return None
    from algo_runner.live.execution_client import open_execution_client

    return open_execution_client(day, folder)


def _at(day: Assignment, client: "ExecutionClient | None") -> Assignment:
    if client is None:
        return day
    from algo_runner.live.execution_client import trading_context

    return trading_context(day, client)


async def _work(runner: Runner) -> None:
    """With nothing held a wish that waits comes before any tick, so that what was stopped is not
    bought first; with a position open the ticks missed come before it.
    """
    after = runner.session.state.last_command or "0-0"
    if is_flat(runner.session.state):
        after = await _next_commands(runner, after, block_ms=0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_housekeep(runner))
        tasks.create_task(_follow_commands(runner, after))
        tasks.create_task(_write_heartbeat(runner))
        tasks.create_task(
            follow(runner.session, runner.reader, runner.tick_loop, runner.ticks_redis)
        )
        if runner.client is not None:
            from algo_runner.live.tasks import RedisClients, trade_live

            redis = RedisClients(orders=runner.account_redis, quotes=runner.ticks_redis)
            tasks.create_task(trade_live(runner.session, runner.client, runner.folder, redis))


async def _housekeep(runner: Runner) -> None:
    """Timers of the wall clock, a changed Secret, marks."""
    session = runner.session
    marked = time.monotonic()
    await _ticks_read(runner)
    await session.apply_exit_requests()
    is_edit_due = True
    while True:
        if is_edit_due and runner.tick_loop.caught_up.is_set():
            is_edit_due = False
            await session.apply_pending_edit()
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        if session.day.clock == "Wall":
            await _tick_wall_clock(runner)
        if (day := _reloaded(runner, runner.assigned)) != runner.assigned:
            runner.assigned = day
            if runner.client is not None:
                runner.client.assigned = day
                session.day = _at(day, runner.client)
            await session.handle(StrategyEdited(day.strategy), kind="edited")
            log.info("assignment_reloaded", generation=day.strategy.generation)
        if position(session.state) > 0 and time.monotonic() - marked > MARK_SECONDS:
            marked = time.monotonic()
            await session.mark()


async def _tick_wall_clock(runner: Runner) -> None:
    session, now_us = runner.session, wall_us()
    tick_loop = runner.tick_loop
    if now_us > session.day.session.close_us and not tick_loop.ended and not tick_loop.is_behind:
        tick_loop.ended = True
        await session.handle(SessionEnd(), kind="session_end")
    elif now_us >= session.watch().at_us:
        await session.handle(Timer(now_us), kind="timer", unless=lambda: tick_loop.is_behind)


async def _ticks_read(runner: Runner) -> None:
    """Waits until the ticks missed are read, which come before any wish of today; but not long:
    an exit does not wait for prices that may never come.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CATCH_UP_SECONDS):
            await runner.tick_loop.caught_up.wait()


async def _follow_commands(runner: Runner, after: str) -> None:
    await _ticks_read(runner)
    while True:
        after = await _next_commands(runner, after, block_ms=COMMANDS_BLOCK_MS)


async def _next_commands(runner: Runner, after: str, *, block_ms: int) -> str:
    session = runner.session
    after, commands = await next_commands(
        runner.command_redis,
        session.day.strategy.id,
        after=after,
        trading_day=session.day.session.trading_day,
        block_ms=block_ms,
    )
    for command in commands:
        await session.handle(command, kind="command")
        log.info("command_applied", kind=command.kind, id=command.id)
    return after


async def _write_heartbeat(runner: Runner) -> None:
    """The heartbeat in redis-ticks, at most once a second."""
    session, day = runner.session, runner.session.day
    key = redis_keys.strategy(day.strategy.id, "live")
    while True:
        held, last = position(session.state), session.last
        open_pnl = held * (last.price - average_price(session.state)) if last.price else 0
        fields: list[str | int] = [
            *(stream_fields.LIVE_HEARTBEAT, wall_us()),
            *(stream_fields.LIVE_LAST_PRICE, last.price),
            *(stream_fields.LIVE_OPEN_PNL, open_pnl),
            *(stream_fields.LIVE_TICK_TIME, last.time_us),
            *(stream_fields.LIVE_READY, day.session.trading_day),
            *(stream_fields.LIVE_FEED, day.feed),
        ]
        try:
            await runner.ticks_redis.call("HSET", key, *fields)
            runner.ready.set()
        except RedisUnavailable:
            pass
        except RedisError as error:
            log.warning("heartbeat_refused", error=str(error))
        await asyncio.sleep(LIVE_SECONDS)


async def _finish_step(runner: Runner) -> None:
    """Waits for order calls under way; with the lock held, no other begins. A resting stop stays
    where it is.
    """
    try:
        async with asyncio.timeout(IN_FLIGHT_SECONDS):
            await runner.session.lock.acquire()
            await runner.session.outbox.join()
    except TimeoutError:
        log.warning("order_call_abandoned", strategy=runner.session.day.strategy.id)


def _reloaded(runner: Runner, known: Assignment) -> Assignment:
    """The assignment in the Secret now; the known one while it cannot be read."""
    try:
        day = load(runner.folder, ASSIGNMENT_FILE, read_assignment)
    except SecretUnusable as error:
        log.warning("assignment_unreadable", error=str(error))
        return known
    is_same_day = day.session.trading_day == known.session.trading_day
    return day if is_same_day and day.strategy.uid == known.strategy.uid else known


async def _first_of(task: "asyncio.Future[Any]", stopping: asyncio.Event) -> None:
    """Waits until the task is done or the process is told to stop."""
    stop = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()


async def _ended(working: "asyncio.Future[None]") -> None:
    """Waits for the cancelled tasks; what stopped them otherwise is raised as it is."""
    try:
        await working
    except asyncio.CancelledError:
        return
    except BaseExceptionGroup as group:
        raise first_cause(group.subgroup((RunnerError, LoginChanged)) or group) from group

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

from algo_contract import redis_keys, streams
from algo_contract.assignment import Assignment, RedisServer
from algo_engine.events import Edited, SessionEnd, Timer
from algo_engine.state import average_price, is_flat, position
from algo_redis.errors import RedisError, RedisRefused, RedisUnavailable
from algo_redis.held import HeldConnection
from algo_redis.ticks import TickReader

from algo_runner.commands import next_commands
from algo_runner.errors import Misconfigured, RunnerError
from algo_runner.log import log
from algo_runner.market import CATCH_UP_SECONDS, Market, follow
from algo_runner.metrics import Pages, Sample, process_samples, serve
from algo_runner.opening import first_tick_id, open_session
from algo_runner.secret import load_assignment, load_redis
from algo_runner.session import Session
from algo_runner.telemetry import samples

if TYPE_CHECKING:
    from algo_runner.desk import LiveDesk

HOUSEKEEPING_SECONDS: Final = 0.25
LIVE_SECONDS: Final = 1.0
MARK_SECONDS: Final = 30.0
"""How often the place in the tick stream is journalled while in position."""

LOGIN_REFUSALS: Final = frozenset({"WRONGPASS", "NOAUTH"})
COMMANDS_BLOCK_MS: Final = 2000
IN_FLIGHT_SECONDS: Final = 5.0
"""How long a SIGTERM waits for an order call under way."""


@dataclass(slots=True)
class Runner:
    """The process's parts."""

    folder: Path
    assigned: Assignment
    """As the Secret says it; the session's own has what only a broker's table can add."""

    session: Session
    reader: TickReader
    ready: asyncio.Event
    state_redis: HeldConnection
    command_redis: HeldConnection
    ticks_redis: HeldConnection
    news: HeldConnection
    """To redis-ticks: the account's orders and quotes."""

    desk: "LiveDesk | None" = None
    market: Market = field(default_factory=Market)


async def run(folder: Path, listener: socket.socket) -> None:
    """Runs until SIGTERM or SIGINT; answers probes and metrics on `listener` from the first, so
    that a Redis that is away does not look like a runner that hangs.

    Raises:
        Misconfigured: the Secret is missing or unreadable.
        Fenced: a newer runner of the strategy has taken over.
    """
    started, ready, stopping = time.time(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    day = load_assignment(folder)
    starting = asyncio.ensure_future(_start(folder, day, ready))

    def figures() -> list[Sample]:
        if not starting.done() or starting.cancelled() or starting.exception():
            return process_samples(started)
        runner = starting.result()
        return [
            *samples(runner.session, runner.reader, runner.market),
            *process_samples(started),
        ]

    async with await serve(Pages(figures, ready), listener):
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
    log("runner_stopped", strategy=day.strategy.id)


async def _start(folder: Path, day: Assignment, ready: asyncio.Event) -> Runner:
    state_server, ticks_server = load_redis(folder)
    name = day.strategy.id

    def on_retry(error: RedisError, delay: float) -> None:
        log("redis_retried", error=str(error), retry_in_seconds=round(delay, 2))
        if isinstance(error, RedisRefused) and error.code in LOGIN_REFUSALS:
            _check_login(folder, state_server, ticks_server)

    state_redis = HeldConnection(state_server, name=name, on_retry=on_retry)
    desk = _desk(day, folder)
    session = await open_session(_at(day, desk), state_redis, desk)
    stream = redis_keys.ticks(day.feed, day.strategy.exchange, day.strategy.symbol)
    after = first_tick_id(session, now_ms=time.time_ns() // 1_000_000)
    reader = TickReader(
        ticks_server, stream, name=f"{name}-ticks", after=after.encode(), on_retry=on_retry
    )
    # Else a full collection walks every import: 5 ms in which no tick is looked at.
    gc.collect()
    gc.freeze()
    log("runner_started", strategy=name, trading_day=day.session.trading_day, epoch=day.epoch)
    return Runner(
        folder=folder,
        assigned=day,
        session=session,
        reader=reader,
        ready=ready,
        state_redis=state_redis,
        command_redis=HeldConnection(state_server, name=f"{name}-commands", on_retry=on_retry),
        ticks_redis=HeldConnection(ticks_server, name=f"{name}-live", on_retry=on_retry),
        news=HeldConnection(ticks_server, name=f"{name}-news", on_retry=on_retry),
        desk=desk,
    )


def _desk(day: Assignment, folder: Path) -> "LiveDesk | None":
    """What a real broker needs is loaded only for one: paper runners stay small."""
    if day.live is None:
        return None
    from algo_runner.desk import open_desk

    return open_desk(day, folder)


def _at(day: Assignment, desk: "LiveDesk | None") -> Assignment:
    if desk is None:
        return day
    from algo_runner.desk import at_desk

    return at_desk(day, desk)


async def _work(runner: Runner) -> None:
    """With nothing held a wish that waits comes before any tick, so that what was stopped is not
    bought first; with a position open the ticks missed come before it.
    """
    after = runner.session.state.last_command or "0-0"
    if is_flat(runner.session.state):
        after = await _obey_next(runner, after, block_ms=0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_housekeep(runner))
        tasks.create_task(_obey(runner, after))
        tasks.create_task(_beat(runner))
        tasks.create_task(follow(runner.session, runner.reader, runner.market, runner.ticks_redis))
        if runner.desk is not None:
            from algo_runner.live import Links, trade_live

            links = Links(orders=runner.news, quotes=runner.ticks_redis)
            tasks.create_task(trade_live(runner.session, runner.desk, runner.folder, links))


async def _housekeep(runner: Runner) -> None:
    """Timers of the wall clock, a changed Secret, marks."""
    session = runner.session
    marked = time.monotonic()
    await _ticks_read(runner)
    await session.obey_owner()
    is_edit_due = True
    while True:
        if is_edit_due and runner.market.caught_up.is_set():
            is_edit_due = False
            await session.caught_up()
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        if session.day.clock == "Wall":
            await _tick_wall_clock(runner)
        if (day := _reloaded(runner, runner.assigned)) != runner.assigned:
            runner.assigned = day
            if runner.desk is not None:
                runner.desk.assigned = day
                session.day = _at(day, runner.desk)
            await session.handle(Edited(day.strategy), kind="edited")
            log("assignment_reloaded", generation=day.strategy.generation)
        if position(session.state) > 0 and time.monotonic() - marked > MARK_SECONDS:
            marked = time.monotonic()
            await session.mark()


async def _tick_wall_clock(runner: Runner) -> None:
    session, now_us = runner.session, time.time_ns() // 1000
    market = runner.market
    if now_us > session.day.session.close_us and not market.ended and not market.is_behind:
        market.ended = True
        await session.handle(SessionEnd(), kind="session_end")
    elif now_us >= session.watch().at_us:
        await session.handle(Timer(now_us), kind="timer", unless=lambda: market.is_behind)


async def _ticks_read(runner: Runner) -> None:
    """Waits until the ticks missed are read, which come before any wish of today; but not long:
    an exit does not wait for prices that may never come.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CATCH_UP_SECONDS):
            await runner.market.caught_up.wait()


async def _obey(runner: Runner, after: str) -> None:
    await _ticks_read(runner)
    while True:
        after = await _obey_next(runner, after, block_ms=COMMANDS_BLOCK_MS)


async def _obey_next(runner: Runner, after: str, *, block_ms: int) -> str:
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
        log("command_obeyed", kind=command.kind, id=command.id)
    return after


async def _beat(runner: Runner) -> None:
    """The heartbeat in redis-ticks, at most once a second."""
    session, day = runner.session, runner.session.day
    key = redis_keys.strategy(day.strategy.id, "live")
    while True:
        held, last = position(session.state), session.last
        open_pnl = held * (last.price - average_price(session.state)) if last.price else 0
        fields: list[str | int] = [
            *(streams.LIVE_HEARTBEAT, time.time_ns() // 1000),
            *(streams.LIVE_LAST_PRICE, last.price),
            *(streams.LIVE_OPEN_PNL, open_pnl),
            *(streams.LIVE_TICK_TIME, last.time_us),
            *(streams.LIVE_READY, day.session.trading_day),
            *(streams.LIVE_FEED, day.feed),
        ]
        try:
            await runner.ticks_redis.call("HSET", key, *fields)
            runner.ready.set()
        except RedisUnavailable:
            pass
        except RedisError as error:
            log("heartbeat_refused", error=str(error))
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
        log("order_call_abandoned", strategy=runner.session.day.strategy.id)


def _reloaded(runner: Runner, known: Assignment) -> Assignment:
    """The assignment in the Secret now; the known one while it cannot be read."""
    try:
        day = load_assignment(runner.folder)
    except Misconfigured as error:
        log("assignment_unreadable", error=str(error))
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
        raise _first_cause(group.subgroup(RunnerError) or group) from group


def _first_cause(group: BaseExceptionGroup) -> BaseException:
    """The first exception in a group of groups."""
    first = group.exceptions[0]
    return _first_cause(first) if isinstance(first, BaseExceptionGroup) else first


def _check_login(folder: Path, state_server: RedisServer, ticks_server: RedisServer) -> None:
    """A Secret that was deleted comes back with another password: only a new start takes it over.

    Raises:
        Misconfigured: the mounted log-in is not the one in use.
    """
    if load_redis(folder) != (state_server, ticks_server):
        raise Misconfigured("the Redis log-in in the Secret has changed: starting again with it")

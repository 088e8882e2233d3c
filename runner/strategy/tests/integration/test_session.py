"""A session in this process on a real Redis: restarts, edits meanwhile, the fence, bad ticks."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from algo_brokers.paper import PaperBroker, TickMark
from algo_contract import redis_keys
from algo_engine.events import Command, StrategyEdited, Timer
from algo_engine.state import execution, position, reason_of
from algo_redis.errors import RedisUnavailable
from algo_redis.client import RedisClient
from algo_runner.commands import next_commands
from algo_runner.errors import Fenced
from algo_runner.tick_loop import TickLoop, take
from algo_runner.recovery.startup import first_tick_id
from support.faults.crash_injection import Crash, server_of
from support.factories.days import a_day, a_strategy
from support.servers.redis_server import RedisProcess
from support.factories.session_days import SECOND, feed, now_day, opened


async def test_paused_while_no_process_ran__makes_no_entry(redis: RedisProcess) -> None:
    day = a_day()
    async with opened(day, redis) as session:
        session.paper.place = _dies  # type: ignore[method-assign]
        with pytest.raises(Crash):
            await feed(session, [9500])

    paused = replace(day.strategy, desired_state="Paused", generation=2)
    async with opened(replace(day, strategy=paused, epoch=2), redis) as session:
        assert execution(session.state) == "WAITING"
        assert not session.paper.book.orders
        await feed(session, [9500], first=2)
        assert not session.paper.book.orders


async def test_another_quantity_while_no_process_ran__is_the_one_bought(
    redis: RedisProcess,
) -> None:
    day = a_day()
    async with opened(day, redis) as session:
        session.paper.place = _dies  # type: ignore[method-assign]
        with pytest.raises(Crash):
            await feed(session, [9500])

    async with opened(
        replace(day, strategy=replace(day.strategy, quantity=3, generation=2), epoch=2), redis
    ) as s:
        assert position(s.state) == 3


async def test_an_older_runner_whose_stop_is_touched__learns_that_it_is_fenced(
    redis: RedisProcess,
) -> None:
    day = a_day()
    async with opened(day, redis) as older:
        await feed(older, [9500])
        async with opened(replace(day, epoch=2), redis) as newer:
            with pytest.raises(Fenced, match="newer"):
                await feed(older, [9290], start="09:21", first=2)
            await feed(newer, [9290], start="09:21", first=2)
            assert execution(newer.state) == "SOLD"


async def test_a_mark__sends_what_was_still_to_be_sent(redis: RedisProcess) -> None:
    day = a_day(a_strategy(trailing_bps=100))
    async with opened(day, redis) as session:
        await feed(session, [9500])
        session.state = replace(session.state, high=9800, trail=9705)

        await session.mark()

        (stop,) = session.state.exits
        assert stop.terms.trigger_price == 9705
        assert session.paper.book.orders[stop.tag].row.terms.trigger_price == 9705


async def test_a_mark_while_redis_is_away__does_not_end_the_process(redis: RedisProcess) -> None:
    day = a_day(a_strategy(trailing_bps=100))
    connection = _Flaky(server_of(redis), name="test")
    async with opened(day, redis, connection=connection) as session:
        await feed(session, [9500])
        session.state = replace(session.state, high=9800, trail=9705)
        connection.fails = 1

        await session.mark()

        assert session.state.exits[0].terms.trigger_price == 9705


@pytest.mark.parametrize("clock", ["Feed", "Wall"])
async def test_a_tick_stamped_before_the_open__is_no_last_price(
    clock: Any, redis: RedisProcess
) -> None:
    day = replace(a_day(), clock=clock)
    async with opened(day, redis) as session:
        await feed(session, [9999], start="09:00")

        assert session.last.price == 0
        assert session.counters.ignored_ticks == 1


async def test_a_tick_stamped_far_from_its_arrival__decides_nothing_and_moves_no_clock(
    redis: RedisProcess,
) -> None:
    day, now_us = now_day()
    market = TickLoop()
    async with opened(day, redis) as session:
        early = now_us - 10 * SECOND
        for time_us in (now_us + 5 * SECOND, early - 5 * SECOND):
            await take(session, market, [(b"1-1", 9500, 1, 1, time_us, early)])

        assert market.misstamped == 2
        assert session.last.time_us == 0
        assert session.state.entry is None


async def test_a_tick_read_late__makes_no_entry(redis: RedisProcess) -> None:
    day, now_us = now_day()
    async with opened(day, redis) as session:
        old = now_us - 3 * SECOND
        await take(session, TickLoop(), [(b"1-1", 9500, 1, 1, old, old)])
        assert session.state.entry is None

        fresh = time.time_ns() // 1000
        await take(session, TickLoop(), [(b"2-1", 9500, 1, 1, fresh, fresh)])
        assert position(session.state) == 10


async def test_the_sell_time_on_the_wall_clock__needs_no_tick(redis: RedisProcess) -> None:
    day, _ = now_day()
    async with opened(day, redis) as session:
        fresh = time.time_ns() // 1000
        await take(session, TickLoop(), [(b"1-1", 9500, 1, 1, fresh, fresh)])
        sell_us = day.session.midnight_us + day.strategy.sell_time * SECOND

        await session.handle(Timer(sell_us), kind="timer")

        assert (execution(session.state), reason_of(session.state)) == ("SOLD", "sell_time")


async def test_a_zero_price__decides_nothing(redis: RedisProcess) -> None:
    async with opened(a_day(), redis) as session:
        await feed(session, [0, -5])

        assert session.state.entry is None
        assert session.counters.ignored_ticks == 2


async def test_an_unreadable_command__is_passed_over(redis: RedisProcess) -> None:
    day = a_day()
    key = redis_keys.strategy(day.strategy.id, "commands")
    today = day.session.trading_day
    future = time.time_ns() // 1000 + 60 * SECOND
    for fields in (
        ("kind", "exit", "tradingDay", today, "expiry", "soon"),
        ("kind", "exit", "tradingDay", today),
        ("kind", "dance", "tradingDay", today, "expiry", future),
        ("kind", "exit", "tradingDay", "2019-07-08", "expiry", future),
        ("nothing", "known"),
        ("kind", "exit", "tradingDay", today, "expiry", future),
    ):
        redis.run("XADD", key, "*", *fields)
    connection = RedisClient(server_of(redis), name="test")

    after, commands = await next_commands(
        connection, day.strategy.id, after="0-0", trading_day=today, block_ms=1000
    )

    connection.close()
    await asyncio.sleep(0)
    assert commands == [Command(after, "exit")]


async def test_a_request_and_its_command__sell_once(redis: RedisProcess) -> None:
    day = a_day()
    async with opened(day, redis) as session:
        await feed(session, [9500])
        await session.handle(Command("9-1", "stop"), kind="command")
        request = replace(day.strategy, desired_state="Stopped")
        await session.handle(StrategyEdited(request), kind="edited")

        sells = [o for o in session.paper.book.orders.values() if o.side == "SELL"]
        assert [order.row.filled for order in sells] == [10]


async def test_reading_on__starts_where_the_last_process_stood(redis: RedisProcess) -> None:
    day = a_day()
    async with opened(day, redis) as session:
        assert first_tick_id(session, now_ms=5000) == "0-0"
        await feed(session, [9500, 9510])
        await session.mark()

    async with opened(replace(day, epoch=2), redis) as session:
        assert first_tick_id(session, now_ms=5000) == "2-1"
    async with opened(a_day(a_strategy(uid="other"), clock="Wall"), redis) as session:
        assert first_tick_id(session, now_ms=5000) == "3000-0"


async def test_an_order_already_in_the_book__is_not_taken_twice(redis: RedisProcess) -> None:
    day = a_day()
    async with opened(day, redis) as session:
        await feed(session, [9500])
        entry = session.state.entry
        assert entry is not None
        twin = PaperBroker(
            RedisClient(server_of(redis), name="twin"),
            strategy_id=day.strategy.id,
            token=session.journal.token,
            slippage_bps=0,
        )
        twin.now = TickMark("9-1", 9000, 0)

        row = await twin.place(entry, send_by=time.monotonic() + 1)

        assert (row.filled, row.value) == (10, 95_000)
        twin._redis.close()
        await asyncio.sleep(0)


class _Flaky(RedisClient):
    """Loses the next scripts on their way."""

    fails = 0

    async def run(self, script: Any, *, keys: Any, args: Any) -> Any:
        if self.fails:
            self.fails -= 1
            raise RedisUnavailable("lost", in_flight=True)
        return await super().run(script, keys=keys, args=args)


async def _dies(*_: Any, **__: Any) -> Any:
    raise Crash

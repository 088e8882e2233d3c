"""What a session does when Redis is slow, full, refuses for a while, or has lost something; and
what a successor makes of the time in which nobody ran.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from algo_contract import redis_keys
from algo_contract.redis_keys import strategy as strategy_key
from algo_engine.events import Timer
from algo_engine.replay import replay_day
from algo_engine.state import execution, position, realized_pnl, reason_of
from algo_redis.errors import RedisUnavailable
from algo_redis.client import RedisClient
from algo_redis.tick_reader import TickReader
from algo_runner import session as session_module
from algo_runner.journal import COMMIT, COMMIT_ENTRY, TAKE
from algo_runner.tick_loop import TickLoop, take
from algo_runner.recovery.startup import first_tick_id
from algo_runner.session import stream_place
from support.faults.crash_injection import run_with_crashes, server_of
from support.factories.days import a_day, a_strategy, ticks_at
from support.servers.redis_server import RedisProcess
from support.factories.session_days import SECOND, feed, now_day, opened


class _Slow(RedisClient):
    """Answers one script or command late, or not at all; what it asked for is done."""

    late_script: Any = None
    late_command: str = ""
    is_lost = False

    async def run(self, script: Any, *, keys: Any, args: Any) -> Any:
        reply = await super().run(script, keys=keys, args=args)
        if script is self.late_script:
            self.late_script = None
            await asyncio.sleep(1.1)
            if self.is_lost:
                raise RedisUnavailable("lost", in_flight=True)
        return reply

    async def call(self, *command: Any) -> Any:
        reply = await super().call(*command)
        if command[0] == self.late_command:
            self.late_command = ""
            await asyncio.sleep(1.1)
        return reply


def fresh_tick(number: int = 1, price: int = 9500) -> tuple[bytes, int, int, int, int, int]:
    now_us = time.time_ns() // 1000
    return (f"{number}-1".encode(), price, 1, 1, now_us, now_us)


@pytest.mark.parametrize("is_lost", [False, True])
async def test_the_intent_is_durable_too_late__the_entry_is_not_sent(
    redis: RedisProcess, *, is_lost: bool
) -> None:
    day, _ = now_day()
    connection = _Slow(server_of(redis), name="test")
    async with opened(day, redis, connection=connection) as session:
        connection.late_script, connection.is_lost = COMMIT_ENTRY, is_lost
        await take(session, TickLoop(), [fresh_tick()])

        assert not session.paper.book.orders
        assert session.state.entry is not None
        assert session.state.entry.status == "DENIED"
        await take(session, TickLoop(), [fresh_tick(2)])
        assert position(session.state) == 10


async def test_the_clock_of_redis_answers_too_late__the_entry_is_not_sent(
    redis: RedisProcess,
) -> None:
    day, _ = now_day()
    connection = _Slow(server_of(redis), name="test")
    async with opened(day, redis, connection=connection) as session:
        connection.late_command = "TIME"
        await take(session, TickLoop(), [fresh_tick()])

        assert not session.paper.book.orders


async def test_recorded_ticks_wait__the_entry_is_made_at_the_same_price(
    redis: RedisProcess,
) -> None:
    connection = _Slow(server_of(redis), name="test")
    async with opened(a_day(), redis, connection=connection) as session:
        connection.late_script, connection.is_lost = COMMIT_ENTRY, True
        await feed(session, [9500])

        entry = session.state.entry
        assert entry is not None
        assert (entry.attempt, entry.filled, entry.value) == (2, 10, 95_000)
        assert len(session.paper.book.orders) == 2


async def test_a_tick_that_waited_for_its_turn__is_late_and_makes_no_entry(
    redis: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    day, _ = now_day()
    async with opened(day, redis) as session:
        await session.lock.acquire()
        taking = asyncio.ensure_future(take(session, TickLoop(), [fresh_tick()]))
        await asyncio.sleep(0.05)
        later = time.time_ns() // 1000 + 3 * SECOND
        monkeypatch.setattr(session_module, "_now_us", lambda: later)
        session.lock.release()
        await taking

        assert session.state.entry is None


async def test_the_journal_is_lost_in_position__the_day_ends_as_its_replay(
    redis: RedisProcess,
) -> None:
    day = a_day(a_strategy(target=9800))
    prices = [9900, 9850, 9200, 9500, 9400, 9600, 9290]
    ticks = ticks_at(prices, start="09:17")
    entries = [(f"{n}-1".encode(), p, q, v, t, t) for n, (_, _, t, p, q, v) in enumerate(ticks, 1)]
    async with opened(day, redis) as session:
        await take(session, TickLoop(), entries[:4])
        assert position(session.state) == 10
    redis.run("DEL", strategy_key(day.strategy.id, "journal"))

    async with opened(replace(day, epoch=2), redis) as session:
        after = stream_place(first_tick_id(session, now_ms=0))
        rest = [entry for entry in entries if stream_place(entry[0].decode()) > after]
        await take(session, TickLoop(), rest)

        expected = replay_day(day, ticks).state
        assert reason_of(session.state) == reason_of(expected) == "stop_loss"
        assert realized_pnl(session.state) == realized_pnl(expected)


async def test_a_stop_raised_while_nobody_ran__is_judged_at_the_price_of_now(
    redis: RedisProcess,
) -> None:
    day = a_day()
    async with opened(day, redis) as session:
        await feed(session, [9500])
    raised = replace(day.strategy, stop_loss=9550, generation=2)

    async with opened(replace(day, strategy=raised, epoch=2), redis) as session:
        await feed(session, [9700], start="09:21", first=2)
        await session.apply_pending_edit()
        assert session.state.strategy.stop_loss == 9550
        await feed(session, [9550], start="09:22", first=3)
        assert execution(session.state) == "SOLD"


async def test_stopped_while_nobody_ran__the_stop_touched_before_comes_first(
    redis: RedisProcess,
) -> None:
    day = a_day()
    async with opened(day, redis) as session:
        await feed(session, [9500])
    request = replace(day.strategy, desired_state="Stopped", generation=2)

    async with opened(replace(day, strategy=request, epoch=2), redis) as session:
        await feed(session, [9290], start="09:21", first=2)
        await session.apply_pending_edit()

        assert reason_of(session.state) == "stop_loss"


async def test_a_timer_whose_turn_comes_while_ticks_wait__lets_them_go_first(
    redis: RedisProcess,
) -> None:
    day, _ = now_day()
    async with opened(day, redis) as session:
        await take(session, TickLoop(), [fresh_tick()])
        sell_us = day.session.midnight_us + day.strategy.sell_time * SECOND

        await session.handle(Timer(sell_us), kind="timer", unless=lambda: True)
        assert execution(session.state) == "BOUGHT"
        await session.handle(Timer(sell_us), kind="timer", unless=lambda: False)
        assert execution(session.state) == "SOLD"


async def test_marks__do_not_make_the_journal_grow(redis: RedisProcess) -> None:
    day = a_day()
    journal = strategy_key(day.strategy.id, "journal")
    async with opened(day, redis) as session:
        await feed(session, [9500, 9510])
        await session.mark()
        length = redis.run("XLEN", journal)
        await feed(session, [9520], start="09:30", first=3)
        for _ in range(5):
            await session.mark()

        assert redis.run("XLEN", journal) == length
    async with opened(replace(day, epoch=2), redis) as session:
        assert session.state.cursor == "3-1"


async def test_redis_is_full__no_entry_but_a_position_is_guarded_and_sold(
    durable_redis: RedisProcess,
) -> None:
    redis, day, other = durable_redis, a_day(), a_day(a_strategy(uid="other"))
    async with opened(day, redis) as session:
        await feed(session, [9500])
        redis.run("CONFIG", "SET", "maxmemory", "1")
        async with opened(other, redis) as late:
            await feed(late, [9500])
            assert (execution(late.state), reason_of(late.state)) == ("WAITING", "refused")
            assert "full" in late.state.refusal

        await feed(session, [9290], start="09:21", first=2)
        assert execution(session.state) == "SOLD"
        async with opened(replace(day, epoch=2), redis) as successor:
            assert execution(successor.state) == "SOLD"


@asynccontextmanager
async def read_only(redis: RedisProcess) -> AsyncIterator[None]:
    """As in the middle of a fail-over."""
    redis.run("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        redis.run("REPLICAOF", "NO", "ONE")


async def test_redis_refuses_for_a_while__the_exit_goes_when_it_does_no_more(
    durable_redis: RedisProcess,
) -> None:
    async with opened(a_day(), durable_redis) as session:
        await feed(session, [9500])
        async with read_only(durable_redis):
            selling = asyncio.ensure_future(feed(session, [9290], start="09:21", first=2))
            await asyncio.sleep(0.5)
            assert not selling.done()
        await selling

        assert execution(session.state) == "SOLD"


async def test_yesterdays_place_in_the_stream__is_none_of_today(redis: RedisProcess) -> None:
    yesterday = a_day()
    async with opened(yesterday, redis) as session:
        await feed(session, [9500, 9290])
    today, _ = now_day()
    today = replace(today, epoch=2, session=replace(today.session, trading_day="2019-07-10"))

    async with opened(today, redis) as session:
        assert session.state.last_price == 0
        assert first_tick_id(session, now_ms=5000) == "3000-0"


async def test_the_book_has_lost_the_resting_stop__another_takes_its_place(
    redis: RedisProcess,
) -> None:
    day = a_day()
    async with opened(day, redis) as session:
        await feed(session, [9500])
        (stop,) = session.state.exits
    redis.run("HDEL", strategy_key(day.strategy.id, "paper"), stop.tag)

    async with opened(replace(day, epoch=2), redis) as session:
        await feed(session, [9500, 9290], start="09:21", first=2)

        assert execution(session.state) == "SOLD"
        rows = [order.row for order in session.paper.book.orders.values()]
        assert sum(row.filled for row in rows if row.terms.type != "MARKET") == 10


async def test_the_clock_of_redis_was_set_back__a_new_process_still_takes_over(
    redis: RedisProcess,
) -> None:
    day = a_day()
    async with opened(day, redis) as session:
        start = session.journal.start
    fence = strategy_key(day.strategy.id, "fence")
    redis.run("HSET", fence, "start", str(start + 3600 * SECOND))

    async with opened(day, redis) as session:
        assert session.journal.start == start + 3600 * SECOND + 1


class _Delayed(RedisClient):
    """The next commit comes through only when the fence is taken again, the one after is lost."""

    script: Any = None
    held: Any = None
    losses = 0

    async def run(self, script: Any, *, keys: Any, args: Any) -> Any:
        if script is self.script and self.losses:
            self.losses -= 1
            self.held = self.held or (keys, args)
            raise RedisUnavailable("lost", in_flight=True)
        if script is TAKE and self.held is not None and not self.losses:
            keys_then, args_then = self.held
            self.held = None
            await super().run(self.script, keys=keys_then, args=args_then)
        return await super().run(script, keys=keys, args=args)


@pytest.mark.parametrize("losses", [1, 2])
async def test_an_attempt_thought_lost_comes_through__journal_and_memory_agree(
    redis: RedisProcess, losses: int
) -> None:
    day, _ = now_day(target=9600)
    connection = _Delayed(server_of(redis), name="test")
    async with opened(day, redis, connection=connection) as session:
        await take(session, TickLoop(), [fresh_tick()])
        connection.script, connection.losses = COMMIT, losses
        await take(session, TickLoop(), [fresh_tick(2, 9600)])
        held = position(session.state), reason_of(session.state)

    async with opened(replace(day, epoch=2), redis) as successor:
        assert (position(successor.state), reason_of(successor.state)) == held


@pytest.mark.parametrize("call", range(1, 40))
async def test_the_stop_fills_at_the_tick_of_the_sell_time__whoever_dies_it_was_the_stop(
    redis: RedisProcess, call: int
) -> None:
    strategy = a_strategy(
        order_type="Limit", limit_price=9500, stop_loss_bps=20, stop_loss=None, sell_time=33_601
    )
    day = a_day(strategy)
    ticks = ticks_at([9500, 9250, 9500], step_seconds=1)
    expected = replay_day(day, ticks).state

    outcome = await run_with_crashes(day, ticks, redis, {(5, "after"), (call, "after")})

    assert reason_of(outcome.state) == reason_of(expected) == "stop_loss"


async def test_commits_answer_slowly__the_exit_goes_all_the_same(redis: RedisProcess) -> None:
    connection = _Slow(server_of(redis), name="test")
    async with opened(a_day(), redis, connection=connection) as session:
        await feed(session, [9500])
        session.state = replace(
            session.state, exits=(replace(session.state.exits[0], status="CANCELLED"),)
        )
        connection.late_script = COMMIT
        await feed(session, [9290], start="09:21", first=2)

        assert execution(session.state) == "SOLD"


async def test_the_book_is_lost_while_the_process_lives__another_exit_goes_out(
    redis: RedisProcess,
) -> None:
    day = a_day(a_strategy(target=9600))
    async with opened(day, redis) as session:
        await feed(session, [9500])
        redis.run("DEL", strategy_key(day.strategy.id, "paper"))
        await session.paper.load()

        await feed(session, [9600, 9600], start="09:21", first=2)

        assert (execution(session.state), reason_of(session.state)) == ("SOLD", "target")


async def test_the_journal_is_lost__a_trailing_stop_is_not_lowered(redis: RedisProcess) -> None:
    day = a_day(a_strategy(trailing_bps=100))
    async with opened(day, redis) as session:
        await feed(session, [9500, 10000])
        await session.mark()
        resting = session.state.exits[0].terms.trigger_price
        assert resting == 9900
    redis.run("DEL", strategy_key(day.strategy.id, "journal"))
    on_the_way_up = "1-2 9928 1562644230000000"
    redis.run("HSET", strategy_key(day.strategy.id, "paper"), "last_tick", on_the_way_up)

    async with opened(replace(day, epoch=2), redis) as session:
        await feed(session, [9920], start="09:25", first=3)
        assert session.state.exits[0].terms.trigger_price == 9900


async def test_more_ticks_were_missed_than_a_read_holds__all_come_before_a_request(
    redis: RedisProcess,
) -> None:
    day = a_day()
    async with opened(day, redis) as session:
        await feed(session, [9500])
    stream = redis_keys.ticks("shared", "NSE", "YESBANK")
    first_us = ticks_at([0])[0][2]
    words = ("p", 9400, "q", 1, "v", 1, "t", first_us + SECOND, "r", first_us)
    fields = ", ".join(f"{word!r}" for word in words)
    add = f"for n = 1, 4499 do redis.call('XADD', KEYS[1], n .. '-2', {fields}) end"
    redis.run("EVAL", add, 1, stream)
    reader = TickReader(server_of(redis), stream, name="test", after=b"1-1")
    market = TickLoop()

    while not market.caught_up.is_set():
        ticks = await reader.read()
        market.note_read(reader)
        assert ticks

    assert reader.ticks == 4499
    reader.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize("call", range(1, 9))
async def test_a_limit_entry_fills_at_a_tick_under_its_stop__whoever_dies_the_day_leaves_on_it(
    redis: RedisProcess, call: int
) -> None:
    strategy = a_strategy(order_type="Limit", limit_price=9500, stop_loss_bps=100)
    day = a_day(strategy)
    ticks = ticks_at([9550, 9300, 9600, 9700], step_seconds=10)
    expected = replay_day(day, ticks).state
    assert reason_of(expected) == "stop_loss"

    outcome = await run_with_crashes(day, ticks, redis, {(call + 4, "after")})

    assert outcome.crashes == 1
    assert reason_of(outcome.state) == "stop_loss"
    assert realized_pnl(outcome.state) == realized_pnl(expected)

"""The process dies at every step of every kind of day: no order lost, none doubled, and the day
ends as the replay of the same ticks says."""

from typing import Any

import pytest
from algo_engine.replay import replay_day
from algo_engine.state import execution, is_flat, position, realized_pnl, reason_of
from algo_engine.tick_file import FileTick
from support.faults.crash_injection import Moment, run_with_crashes
from support.factories.days import a_day, a_strategy, ticks_at
from support.servers.redis_server import RedisProcess

DAYS: dict[str, tuple[dict[str, Any], list[FileTick]]] = {
    "stop": ({}, ticks_at([9500, 9450, 9400, 9290, 9280])),
    "gap_through_the_stop": ({}, ticks_at([9500, 8800, 8700])),
    "target": ({"target": 9600}, ticks_at([9500, 9550, 9605, 9200])),
    "sell_time": ({"sell_time": 9 * 3600 + 30 * 60}, ticks_at([9500] * 12)),
    "session_end": ({}, ticks_at([9500, 9510, 9520])),
    "percent": ({"stop_loss_bps": 150}, ticks_at([9500, 9400, 9355, 9350])),
    "trailing": ({"trailing_bps": 100}, ticks_at([9500, 9600, 9700, 9800, 9710, 9700, 9600])),
    "limit": (
        {"order_type": "Limit", "limit_price": 9450},
        ticks_at([9500, 9480, 9440, 9460, 9290], step_seconds=20),
    ),
    "limit_not_reached": (
        {"order_type": "Limit", "limit_price": 9450},
        ticks_at([9500, 9480, 9470, 9460, 9440], step_seconds=20),
    ),
    "below_the_stop": ({}, ticks_at([9200, 9500])),
    "missed": ({}, ticks_at([9500], start="09:40")),
}


@pytest.mark.parametrize("name", DAYS)
async def test_a_quiet_day_ends_as_its_replay(name: str, redis: RedisProcess) -> None:
    fields, ticks = DAYS[name]
    day = a_day(a_strategy(**fields))

    outcome = await run_with_crashes(day, ticks, redis, set())

    assert story(outcome.state) == story(replay_day(day, ticks).state)
    assert outcome.crashes == 0


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", DAYS)
async def test_dying_at_every_step__ends_as_the_replay(
    name: str, moment: Moment, redis: RedisProcess
) -> None:
    fields, ticks = DAYS[name]
    day = a_day(a_strategy(**fields))
    expected = replay_day(day, ticks).state
    steps = (await run_with_crashes(day, ticks, redis, set())).calls

    for at in range(1, steps + 1):
        redis.run("FLUSHALL")
        outcome = await run_with_crashes(day, ticks, redis, {(at, moment)})

        assert outcome.crashes == 1
        assert story(outcome.state) == story(expected)


@pytest.mark.parametrize("name", DAYS)
async def test_dying_at_every_other_step(name: str, redis: RedisProcess) -> None:
    fields, ticks = DAYS[name]
    day = a_day(a_strategy(**fields))
    every_other: set[tuple[int, Moment]] = {(n, "after") for n in range(5, 400, 7)}

    outcome = await run_with_crashes(day, ticks, redis, every_other)

    assert is_flat(outcome.state)
    assert position(outcome.state) == 0


def story(state: Any) -> tuple[Any, ...]:
    exits = [(o.filled, o.value) for o in state.exits if o.filled]
    entry = state.entry and (state.entry.filled, state.entry.value)
    return execution(state), reason_of(state), realized_pnl(state), entry, exits

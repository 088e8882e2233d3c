"""Random days, and processes that die anywhere in them: every day ends as its replay."""

import asyncio

from algo_engine.replay import replay_day
from algo_engine.state import execution, is_done, is_flat, realized_pnl, reason_of
from support.faults.crash_injection import Moment, Outcome, run_with_crashes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.factories.random_days import RandomDay, a_random_day
from support.servers.redis_server import RedisProcess

MOST_CALLS = 60

Crashes = list[tuple[int, Moment]]


def some_crashes() -> st.SearchStrategy[Crashes]:
    """At most four: an entry that fails to be sent five times is given up."""
    call = st.integers(1, MOST_CALLS) | st.integers(5, 20)
    return st.lists(st.tuples(call, st.sampled_from(["before", "after"])), max_size=4)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(a_random_day(most_ticks=12), some_crashes())
def test_a_random_day_with_random_crashes__ends_as_its_replay(
    redis_process: RedisProcess, random: RandomDay, crashes: Crashes
) -> None:
    redis_process.run("FLUSHALL")
    expected = replay_day(random.day, random.ticks).state

    outcome = asyncio.run(_run(random, redis_process, crashes))

    state = outcome.state
    assert is_flat(state)
    assert is_done(state)
    assert (execution(state), reason_of(state)) == (execution(expected), reason_of(expected))
    assert realized_pnl(state) == realized_pnl(expected)


async def _run(random: RandomDay, redis: RedisProcess, crashes: Crashes) -> Outcome:
    return await run_with_crashes(random.day, random.ticks, redis, set(crashes))

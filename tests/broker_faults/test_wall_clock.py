"""A live strategy by the wall clock: timers, ages of ticks and staleness count as at a real broker.

The simulator plays the recorded day at its own pace and stamps its packets with the time of now.
"""

import time
from pathlib import Path

import pytest
from algo_contract.brokers import LIVE_BROKERS
from support.servers.live_strategy import LiveStrategy, live_strategy
from support.servers.redis_server import RedisProcess
from support.factories.session_days import SECOND, now_day

START = "09:19:55"


async def play_as_now(rig: LiveStrategy) -> None:
    """Lets the recorded day run from shortly before the buy time, stamped with the time of now."""
    await rig.sim.advance(START)
    clock_us = (await rig.sim.admin("GET", "/admin/state"))["clock_us"]
    ahead = (time.time_ns() // 1000 - clock_us) // SECOND
    await rig.fault("future_stamps", times=0, seconds=ahead)
    await rig.sim.admin("POST", "/admin/start")


@pytest.mark.parametrize("broker", LIVE_BROKERS)
async def test_by_the_wall_clock__bought_in_time_and_sold_at_the_sell_time(
    broker: str, tmp_path: Path, redis: RedisProcess
) -> None:
    day, _ = now_day()
    buy = day.strategy.buy_time
    wall = {"clock": "Wall", "session": day.session}
    options = {"day": wall, "buy_time": buy + 20, "sell_time": buy + 45, "stop_loss": 9000}
    options["sim"] = ("--speed", "1")
    async with live_strategy(tmp_path, redis, broker, **options) as rig:
        await play_as_now(rig)

        await rig.until_execution("BOUGHT", 40)
        await rig.until_resting()
        state = await rig.until_execution("SOLD", 60)

        assert state["reason"] == "sell_time"
        await rig.check_truth()
        assert "FeedStale" not in rig.reasons()

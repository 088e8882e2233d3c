"""A whole day at each simulated broker: through the feed, the real adapter and the real socket."""

from pathlib import Path

import pytest
from algo_contract.brokers import LIVE_BROKERS
from support.servers.live_strategy import live_strategy
from support.servers.redis_server import RedisProcess


@pytest.mark.parametrize("broker", LIVE_BROKERS)
async def test_a_day__ends_sold_at_the_stop(
    broker: str, tmp_path: Path, redis: RedisProcess
) -> None:
    async with live_strategy(tmp_path, redis, broker, stop_loss=9350) as rig:
        state = await rig.buy()
        assert state["average_price"] == "9460"

        await rig.sim.advance("13:00:00")
        state = await rig.until_execution("SOLD")

        assert state["reason"] == "stop_loss"
        await rig.check_truth()
        told = [reason for reason in rig.reasons() if reason != "ExitDecided"]
        assert told == ["Bought", "StopResting", "Sold"]

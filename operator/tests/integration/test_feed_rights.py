"""The real feed gateway with the Redis rights that the operator gives it, against a simulator."""

from pathlib import Path

import pytest
from algo_contract import redis_keys
from algo_operator.specs.redis_rules import feed_rules
from support.servers.feed_gateway import ACCOUNT, YESBANK, feed_gateway
from support.servers.redis_server import RedisProcess, running_redis
from support.servers.sim_server import simulator


@pytest.fixture
def ticks_server():
    with running_redis() as server:
        yield server


@pytest.mark.parametrize("feed", [ACCOUNT, "shared"])
async def test_feed__with_its_own_rights_only__does_all_its_work(
    tmp_path: Path, ticks_server: RedisProcess, feed: str
):
    rules = feed_rules(account=ACCOUNT, feed=feed, password="feeds")
    ticks_server.run("ACL", "SETUSER", ACCOUNT, *rules)

    async with (
        simulator() as sim,
        feed_gateway(tmp_path, sim, ticks_server, user=(ACCOUNT, "feeds"), feed=feed) as gateway,
    ):
        await gateway.want(YESBANK, "NSE:NOSUCH")
        await sim.advance("09:20:00")
        await gateway.until(lambda: len(gateway.ticks()) > 3)
        await gateway.until(lambda: gateway.clock_us() and gateway.heartbeat_us())
        await gateway.until(gateway.books)
        await gateway.until(gateway.quotes)
        gateway.ask("SREM", redis_keys.feed_instruments(feed), YESBANK)
        await gateway.until(lambda: gateway.facts() == {})
        await sim.admin("POST", "/admin/token/expire", {"broker": "zerodha"})
        await gateway.until(lambda: gateway.ask("GET", redis_keys.feed_ended(feed)) == "0")

    assert gateway.unknown() == ["NSE:NOSUCH"]
    refused = gateway.ask("ACL", "LOG")
    assert refused == [], "the server refused nothing"

"""A whole gateway against the simulated Dhan: two sockets, stamps of last trades."""

from pathlib import Path

from algo_brokers.http.client import HttpClient
from algo_brokers.adapters import adapter
from algo_contract.messages.broker_session import BrokerSession
from algo_contract.trading_day import seconds_of_day
from algo_engine.tick_file import read_ticks
from support.servers.feed_gateway import YESBANK, Feed, feed_gateway
from support.servers.redis_server import RedisProcess
from support.servers.sim_server import TICKS, Simulator, simulator, step_begin_us

SECOND = 1_000_000
MIDNIGHT = 1_562_610_600 * SECOND


async def dhan_session(sim: Simulator) -> BrokerSession:
    """From a log-in with PIN and TOTP."""
    dhan = adapter("dhan")
    http = HttpClient()
    secrets = {"client_id": "1100000001", "pin": "123456", "totp_seed": "JBSWY3DPEHPK3PXP"}
    login = dhan.login(dhan.endpoints(sim.base_url("dhan"), sim.feed_url("dhan")))
    try:
        return await login.login(http, secrets, callback={}, now_us=step_begin_us())
    finally:
        await http.close()


async def test_ticks__a_recorded_morning__the_files(tmp_path: Path, redis: RedisProcess) -> None:
    until_us = MIDNIGHT + seconds_of_day("09:40:00") * SECOND
    wanted = [
        (time_us // SECOND * SECOND, price, volume)
        for _, _, time_us, price, _, volume in read_ticks(TICKS)
        if time_us <= until_us
    ]
    async with (
        simulator(brokers=("dhan",)) as sim,
        feed_gateway(tmp_path, sim, redis, session=dhan_session) as feed,
    ):
        await feed.want(YESBANK, "NSE:NOSUCH")
        assert feed.facts()[YESBANK]["tick_size"] == 5
        assert feed.unknown() == ["NSE:NOSUCH"]
        await sim.advance("09:40:00")

        await feed.until(lambda: feed.trades() == wanted)
        await feed.until(feed.quotes)


def told(feed: Feed) -> set[tuple[str, int]]:
    return {(row.status, row.filled) for row in feed.rows()}


async def test_orders__own_socket_closed__book_read_at_once(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async with (
        simulator(brokers=("dhan",)) as sim,
        feed_gateway(tmp_path, sim, redis, session=dhan_session) as feed,
    ):
        await sim.advance("09:20:00")
        await feed.until(lambda: feed.books() and feed.books()[-1]["up"] == "1")
        await sim.trade("dhan", "BUY", 5)
        await feed.until(lambda: ("FILLED", 5) in told(feed))

        await sim.fault("dhan", "close_order_socket")
        await feed.until_count("reconnects_total", 1)
        await sim.trade("dhan", "BUY", 7)
        await feed.until(lambda: ("FILLED", 7) in told(feed))
        await feed.until(lambda: feed.books()[-1]["up"] == "1")


async def test_session__expired__both_sockets_wait(tmp_path: Path, redis: RedisProcess) -> None:
    async with (
        simulator(brokers=("dhan",)) as sim,
        feed_gateway(tmp_path, sim, redis, session=dhan_session) as feed,
    ):
        await feed.want(YESBANK)
        await feed.until(feed.books)
        await sim.admin("POST", "/admin/token/expire", {"broker": "dhan"})
        await sim.fault("dhan", "drop_feed")
        await feed.until_count("book_failures_total", 1)
        await feed.until_count("reconnects_total", 2)

        before = len(feed.ticks())
        feed.write_session(await dhan_session(sim))
        await feed.until(lambda: len(feed.ticks()) > before, what="a new subscription")
        await sim.advance("09:20:00")
        await feed.until(lambda: len(feed.trades()) > 10)
        books = len(feed.books())
        await feed.until(lambda: len(feed.books()) > books)

"""A whole gateway against the simulated Zerodha: prices from the socket into Redis."""

from pathlib import Path

from algo_contract.trading_day import seconds_of_day
from algo_engine.tick_file import read_ticks
from support.servers.feed_gateway import ACCOUNT, YESBANK, Feed, feed_gateway
from support.servers.redis_server import RedisProcess
from support.servers.sim_server import TICKS, Simulator, simulator

SECOND = 1_000_000


def trades(until: str) -> list[tuple[int, int, int]]:
    """Time (in whole seconds, as Zerodha stamps), price and volume of the file's trades."""
    midnight = 1_562_610_600 * SECOND
    until_us = midnight + seconds_of_day(until) * SECOND
    return [
        (time_us // SECOND * SECOND, price, volume)
        for _, _, time_us, price, _, volume in read_ticks(TICKS)
        if time_us <= until_us
    ]


async def play(sim: Simulator, feed: Feed, until: str) -> int:
    """Plays up to a time and waits until all its trades are in; the exchange's clock, µs."""
    state = await sim.advance(until)
    await feed.until(lambda: feed.trades() == trades(until), what=f"the trades until {until}")
    return state["clock_us"]


async def test_ticks__a_recorded_morning__the_files(tmp_path: Path, redis: RedisProcess) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.want(YESBANK)

        clock_us = await play(sim, feed, "09:45:00")

        await feed.until(lambda: feed.clock_us() == clock_us)
        assert feed.heartbeat_us() > 0


async def test_instruments__known_and_unknown__facts_and_refusal(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.want(YESBANK, "NSE:NOSUCH", "nonsense")

        assert feed.facts()[YESBANK]["tick_size"] == 5
        assert feed.unknown() == ["NSE:NOSUCH", "nonsense"]

        feed.ask("SREM", f"feed:{ACCOUNT}:instruments", YESBANK, "nonsense")
        await feed.until(lambda: feed.unknown() == ["NSE:NOSUCH"])
        await feed.until(lambda: feed.facts() == {})
        await feed.until_count("instruments", 0)


async def test_instruments__many__all_get_ticks(tmp_path: Path, redis: RedisProcess) -> None:
    names = [f"{'BSE' if n % 3 == 2 else 'NSE'}:FILLER{n:05d}" for n in range(600)]
    async with (
        simulator(options=["--instruments", "1000"]) as sim,
        feed_gateway(tmp_path, sim, redis) as feed,
    ):
        await feed.want(YESBANK, *names)

        await feed.until(lambda: len(feed.ask("KEYS", f"ticks:{ACCOUNT}:*")) == 601)
        assert feed.unknown() == []
        await feed.until(lambda: len(feed.quotes()) == 601, what="quotes in three turns")


async def test_socket__dropped__subscribed_again(tmp_path: Path, redis: RedisProcess) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.want(YESBANK)
        await play(sim, feed, "09:20:00")
        before = feed.ticks()

        await sim.fault("zerodha", "drop_feed")
        await feed.until(lambda: len(feed.ticks()) > len(before), what="a new subscription")
        await play(sim, feed, "09:25:00")

        assert await feed.count("reconnects_total") == 1
        assert feed.ticks()[: len(before)] == before


async def test_socket__frozen_feed__given_up_though_it_beats(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async with (
        simulator() as sim,
        feed_gateway(tmp_path, sim, redis, feed_stale_seconds=1) as feed,
    ):
        await feed.want(YESBANK)
        await play(sim, feed, "09:20:00")

        await sim.fault("zerodha", "freeze_feed")
        await feed.until_count("silences_total", 1)
        await sim.clear_faults()
        await sim.advance("09:21:00")

        await feed.until(lambda: feed.ticks()[-1]["v"] > trades("09:20:00")[-1][2])


async def test_frame__garbled__counted_and_passed_over(tmp_path: Path, redis: RedisProcess) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.want(YESBANK)
        await sim.fault("zerodha", "garbled_ticks", times=3)
        await sim.advance("09:25:00")

        await feed.until(lambda: len(feed.trades()) == len(trades("09:25:00")) - 3)
        assert await feed.count("garbled_frames_total") == 3
        assert await feed.count("reconnects_total") == 0


async def test_stamps__of_the_future__published_but_no_clock(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.want(YESBANK)
        await play(sim, feed, "09:16:00")
        await sim.fault("zerodha", "future_stamps", times=2, seconds=7200)
        state = await sim.advance("09:20:00")

        await feed.until(lambda: len(feed.trades()) == len(trades("09:20:00")))
        assert max(tick["t"] for tick in feed.ticks()) > state["clock_us"] + 3600 * SECOND
        await feed.until(lambda: feed.clock_us() == state["clock_us"])
        assert await feed.count("future_stamps_total") == 2


async def test_clock__recording_played_again__streams_of_the_first_are_gone(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.want(YESBANK)
        ended_us = await play(sim, feed, "10:00:00")
        await feed.until(lambda: feed.clock_us() == ended_us)

    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.until(lambda: 0 < feed.clock_us() < ended_us, what="the clock's way back")
        assert feed.trades() == []
        await play(sim, feed, "09:20:00")


async def test_clock__next_day__streams_hold_that_day_only(
    tmp_path: Path, redis: RedisProcess
) -> None:
    second = TICKS.with_name("YESBANK-20190710.csv")
    both = tmp_path / "both.csv"
    both.write_text(TICKS.read_text() + second.read_text().partition("\n")[2])
    first_count = sum(1 for _ in read_ticks(TICKS))
    wanted = [(t // SECOND * SECOND, p, v) for _, _, t, p, _, v in read_ticks(second)][:5]
    async with simulator(ticks=both) as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.want(YESBANK)
        await sim.advance(ticks=first_count)
        await feed.until(lambda: len(feed.trades()) == first_count)
        await feed.until(feed.books)
        await sim.advance(ticks=5)

        await feed.until(lambda: feed.trades() == wanted)
        await feed.until(feed.books)


async def test_redis__killed_and_back_empty__everything_is_there_again(
    tmp_path: Path, durable_redis: RedisProcess
) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, durable_redis) as feed:
        await feed.want(YESBANK)
        await play(sim, feed, "09:20:00")

        durable_redis.kill()
        await sim.advance("09:30:00")
        await sim.advance("09:40:00")
        for path in durable_redis.folder.glob("appendonlydir/*"):
            path.unlink()
        durable_redis.start()
        feed.ask("SADD", f"feed:{ACCOUNT}:instruments", YESBANK)

        await feed.until(lambda: len(feed.trades()) == 1, what="the newest price, alone")
        await feed.until(lambda: YESBANK in feed.facts())
        await feed.until(feed.books)
        await feed.until(feed.clock_us)
        assert await feed.count("gaps_total") >= 1
        assert await feed.count("dropped_ticks_total") > 10
        await sim.advance("09:45:00")
        await feed.until(lambda: len(feed.trades()) > 10)
        assert await feed.count("reconnects_total") == 0


async def test_redis__frozen__newest_price_follows(
    tmp_path: Path, durable_redis: RedisProcess
) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, durable_redis) as feed:
        await feed.want(YESBANK)
        await play(sim, feed, "09:20:00")

        with durable_redis.frozen():
            for minute in range(21, 40):
                await sim.advance(f"09:{minute}:00")
            frames = await feed.count("frames_total")
            assert frames > 70, "the reader went on"
        await sim.advance("09:45:00")

        await feed.until(lambda: feed.ticks()[-1]["t"] == feed.clock_us() > 0)


async def test_streams__wall_clock__capped_by_age(tmp_path: Path, redis: RedisProcess) -> None:
    stream = f"ticks:{ACCOUNT}:{{{YESBANK}}}"
    for n in range(300):
        redis.run("XADD", stream, f"{1 + n}-0", *(field for name in "pqvtr" for field in (name, 1)))
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis, clock="Wall") as feed:
        await feed.want(YESBANK)

        await feed.until(lambda: feed.ask("XLEN", stream) < 110)
        await sim.advance("09:20:00")
        newest = trades("09:20:00")[-1]
        await feed.until(lambda: [(t["p"], t["v"]) for t in feed.ticks()[-1:]] == [newest[1:]])
        assert all(tick["v"] for tick in feed.ticks()), "yesterday's price is none of today"


async def test_sockets__more_than_one_holds__shared_out(
    tmp_path: Path, redis: RedisProcess, monkeypatch
) -> None:
    from algo_brokers.zerodha.stream import ZerodhaStream

    monkeypatch.setattr(ZerodhaStream, "instruments_limit", 2)
    names = [f"NSE:FILLER{n:05d}" for n in (0, 1, 3, 4, 6, 7, 9)]
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.want(*names)

        await feed.until(lambda: len(feed.ask("KEYS", f"ticks:{ACCOUNT}:*")) == 6)
        assert feed.unknown() == ["NSE:FILLER00009"]
        assert (await sim.requests("zerodha"))["GET / (ticker)"] == 3

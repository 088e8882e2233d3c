"""Publishing recorded days into a real server."""

import asyncio
import re
from collections.abc import Callable
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from algo_contract import redis_keys
from algo_contract.messages.redis_server import RedisServer
from algo_contract.ids import account_id
from algo_contract.trading_day import clock_text
from algo_engine.tick_file import read_ticks
from algo_feed.replay import redis_client as link_module
from algo_feed.errors import BadInput, AlreadyPublishing, NotReady, RedisFailed
from algo_feed.replay.publisher import Published, checked_days, publish
from algo_feed.replay.settings import PublishSettings
from algo_redis.connection import Connection, connect
from algo_redis.errors import RedisRefused
from support.servers.redis_server import RedisProcess, free_port

DAY = "2019-07-09"
CLOCK = redis_keys.feed_clock("shared")
Stream = list[tuple[int, int, int, int]]
MakeSettings = Callable[..., PublishSettings]
TickFile = Callable[..., Path]


async def run(settings: PublishSettings) -> Published:
    published = Published()
    await publish(settings, checked_days(settings.ticks), published)
    return published


def in_file(path: Path, day: int = 0) -> dict[str, Stream]:
    """What each instrument's stream should hold after a day of the file (0 is the first)."""
    days = [
        list(ticks) for _, ticks in groupby(read_ticks(path), key=lambda t: t[2] // 86_400_000_000)
    ]
    streams: dict[str, Stream] = {}
    for exchange, symbol, time_us, price, quantity, volume in days[day]:
        key = redis_keys.ticks("shared", exchange, symbol)
        streams.setdefault(key, []).append((price, quantity, volume, time_us))
    return streams


async def in_redis(server: RedisServer, feed: str = "") -> dict[str, Stream]:
    """What the streams hold, without ids and receive times."""
    connection = await connect(server, name="look")
    streams: dict[str, Stream] = {}
    for key in sorted(await connection.call("KEYS", f"ticks:{feed}{{*")):
        entries = [e[1] for e in await connection.call("XRANGE", key, "-", "+")]
        assert all(entry[::2] == ["p", "q", "v", "t", "r"] for entry in entries)
        streams[key] = [tuple(map(int, entry[1:9:2])) for entry in entries]  # pyright: ignore[reportArgumentType]
    connection.close()
    return streams


async def test_publish__whole_day__streams_clock_heartbeat_and_unknown(
    redis: RedisProcess,
    make_settings: MakeSettings,
    tick_file: TickFile,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tick_file((DAY, 1000))
    redis.run("SADD", redis_keys.feed_instruments("shared"), "NSE:INFY", "NSE:TCS")
    redis.run("XADD", "ticks:{NSE:INFY}", "*", "stale", "yes")
    settings = make_settings(path)

    published = await run(settings)

    assert (published.ticks, published.days) == (1000, 1)
    assert await in_redis(settings.redis) == in_file(path)
    connection = await connect(settings.redis, name="look")
    assert clock_text(int(await connection.call("GET", CLOCK))) == "15:30:01"
    assert await connection.call("EXISTS", redis_keys.feed_heartbeat("shared")) == 1
    assert await connection.call("SMEMBERS", redis_keys.feed_unknown("shared")) == ["NSE:TCS"]
    connection.close()
    out = capsys.readouterr().out
    assert "checked" in out
    assert "wanted but not in the file: NSE:TCS" in out


async def test_publish__two_speeds__same_streams(
    redis: RedisProcess, make_settings: MakeSettings, tick_file: TickFile
) -> None:
    path = tick_file((DAY, 900))

    await run(make_settings(path))
    at_once = await in_redis(make_settings(path).redis)
    redis.run("FLUSHALL")
    await run(make_settings(path, speed=600.0))

    assert await in_redis(make_settings(path).redis) == at_once == in_file(path)


async def test_publish__paced__takes_its_time_and_the_clock_never_leads(
    make_settings: MakeSettings, tick_file: TickFile
) -> None:
    path = tick_file((DAY, 450))
    settings = make_settings(path, speed=100.0)
    due = {key: [tick[3] for tick in ticks] for key, ticks in in_file(path).items()}
    looked: list[tuple[float, int]] = []

    async def look(connection: Connection) -> None:
        while True:
            await asyncio.sleep(0.01)
            reads = [("XLEN", key) for key in due]
            *_, (clock, *lengths) = await connection.execute(
                ("MULTI",), ("GET", CLOCK), *reads, ("EXEC",)
            )
            if clock:
                looked.append((asyncio.get_running_loop().time(), int(clock)))
                for times, length in zip(due.values(), lengths, strict=True):
                    assert sum(time <= int(clock) for time in times) <= length

    connection = await connect(settings.redis, name="look")
    looking = asyncio.create_task(look(connection))
    started = asyncio.get_running_loop().time()
    await run(settings)
    elapsed = asyncio.get_running_loop().time() - started
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    connection.close()

    assert 1.4 < elapsed < 4
    changes = [a[0] for a, b in pairwise(looked) if a[1] != b[1]]
    assert len(changes) >= elapsed / 0.35
    assert [clock for _, clock in looked] == sorted(clock for _, clock in looked)


async def test_publish__two_days__each_afresh_and_awaited(
    redis: RedisProcess, make_settings: MakeSettings, tick_file: TickFile
) -> None:
    path = tick_file((DAY, 300), ("2019-07-10", 200))
    settings = make_settings(path, wait_ready=2)
    seen: list[tuple[str, str, dict[str, Stream]]] = []

    async def become_ready(connection: Connection) -> None:
        for day in (DAY, "2019-07-10"):
            while (await clock_day(connection)) != (day, "09:00:00"):  # noqa: ASYNC110 - in Redis
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.1)
            seen.append((day, "before", await in_redis(settings.redis)))
            for n in range(2):
                key = redis_keys.strategy(f"str_{n}", "live")
                await connection.call("HSET", key, "ready", day, "feed", "shared")

    connection = await connect(settings.redis, name="runner")
    ready = asyncio.create_task(become_ready(connection))
    published = await run(settings)
    await ready
    connection.close()

    assert (published.ticks, published.days) == (500, 2)
    assert seen == [(DAY, "before", {}), ("2019-07-10", "before", {})]
    assert await in_redis(settings.redis) == in_file(path, day=1)


async def clock_day(connection: Connection) -> tuple[str, str] | None:
    """The day and time of day that the shared feed's clock shows."""
    from algo_contract.trading_day import ist_datetime

    clock = await connection.call("GET", CLOCK)
    return clock and (ist_datetime(int(clock)).date().isoformat(), clock_text(int(clock)))


async def test_publish__runners_of_other_feeds_and_days__not_ready(
    redis: RedisProcess, make_settings: MakeSettings, tick_file: TickFile
) -> None:
    ready = {
        "a": (DAY, "shared"),
        "b": (DAY, "brk_x"),
        "c": ("2019-07-08", "shared"),
        "d": ("", "shared"),
    }
    for name, (day, feed) in ready.items():
        redis.run("HSET", redis_keys.strategy(name, "live"), "ready", day, "feed", feed)
    settings = make_settings(tick_file((DAY, 9)), wait_ready=2, wait_timeout=0.5)

    with pytest.raises(NotReady, match="1 of 2 runners were ready for 2019-07-09"):
        await run(settings)

    assert await in_redis(settings.redis) == {}


async def test_publish__account_by_name_and_by_uid__its_own_streams(
    redis: RedisProcess, make_settings: MakeSettings, tick_file: TickFile
) -> None:
    path = tick_file((DAY, 3))
    account = account_id("uid-1")
    redis.run("SET", redis_keys.feed_name("ns/mine"), account)

    await run(make_settings(path, account="ns/mine"))

    assert len(await in_redis(make_settings(path).redis, f"{account}:")) == 2
    redis.run("FLUSHALL")
    await run(make_settings(path, account_uid="uid-1"))
    assert len(await in_redis(make_settings(path).redis, f"{account}:")) == 2


async def test_publish__account_unknown__says_so(
    make_settings: MakeSettings, tick_file: TickFile
) -> None:
    with pytest.raises(BadInput, match=r"no BrokerAccount ns/mine .* --account-uid"):
        await run(make_settings(tick_file((DAY, 3)), account="ns/mine"))


async def test_publish__another_publisher__refused(
    redis: RedisProcess, make_settings: MakeSettings, tick_file: TickFile
) -> None:
    redis.run("FLUSHALL")
    first = asyncio.create_task(run(make_settings(tick_file((DAY, 900)), speed=60.0)))
    await asyncio.sleep(0.3)

    with pytest.raises(AlreadyPublishing, match="its heartbeat moves"):
        await run(make_settings(tick_file((DAY, 9), name="other.csv")))
    assert not first.done()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_publish__wrong_password__refused_at_once(
    redis: RedisProcess, make_settings: MakeSettings, tick_file: TickFile
) -> None:
    wrong = RedisServer(host=redis.host, port=redis.port, username="admin", password="hunter2")

    with pytest.raises(RedisFailed, match="WRONGPASS") as refused:
        await run(make_settings(tick_file((DAY, 9)), redis=wrong))
    assert "hunter2" not in str(refused.value)


async def test_publish__nothing_listens__gives_up_in_words(
    make_settings: MakeSettings,
    tick_file: TickFile,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(link_module, "START_SECONDS", 0.3)
    nowhere = RedisServer(host="127.0.0.1", port=free_port(), username="", password="")

    with pytest.raises(RedisFailed, match=r"gave up on .* after 0\.3 s"):
        await run(make_settings(tick_file((DAY, 9)), redis=nowhere))
    assert re.search(r"cannot connect .*; trying again", capsys.readouterr().err)


async def test_publish__narrow_user__enough_rights(
    redis: RedisProcess, make_settings: MakeSettings, tick_file: TickFile
) -> None:
    """The commands and keys that docs give the feed's user are enough, and no more is asked."""
    commands = "ping get set del sadd smembers multi exec scan hmget xlen xadd evalsha script|load"
    rules = [
        "~ticks:*",
        "~feed:*",
        "%R~strategy:*",
        *(f"+{command}" for command in commands.split()),
    ]
    redis.add_user("feed", "pw", *rules)
    redis.run("SCRIPT", "FLUSH")
    redis.run("HSET", redis_keys.strategy("a", "live"), "ready", DAY, "feed", "shared")
    redis.run("SADD", redis_keys.feed_instruments("shared"), "NSE:TCS")
    feed = RedisServer(host=redis.host, port=redis.port, username="feed", password="pw")
    path = tick_file((DAY, 30))

    published = await run(make_settings(path, redis=feed, wait_ready=1))

    assert published.ticks == 30


async def test_publish__no_right_to_the_stream__refused(
    redis: RedisProcess, make_settings: MakeSettings, tick_file: TickFile
) -> None:
    redis.add_user("feed2", "pw", "~feed:*", "+@all")
    feed = RedisServer(host=redis.host, port=redis.port, username="feed2", password="pw")

    with pytest.raises(RedisRefused, match="NOPERM"):
        await run(make_settings(tick_file((DAY, 30)), redis=feed))

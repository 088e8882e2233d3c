"""No tick lost, none doubled, whatever happens to Redis or the connection to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from algo_contract import redis_keys
from algo_contract.messages.redis_server import RedisServer
from algo_engine.tick_file import FileTick, read_ticks
from algo_feed.errors import AlreadyPublishing
from algo_feed.replay.redis_client import PublisherRedis
from algo_feed.replay.publisher import Published, checked_days, publish
from algo_feed.replay.settings import PublishSettings
from algo_feed.replay.tick_writer import TickWriter
from algo_redis.connection import connect
from support.servers.redis_server import RedisProcess, free_port

DAY = "2019-07-09"
INFY, RELIANCE = ("NSE", "INFY"), ("NSE", "RELIANCE")
MakeSettings = Callable[..., PublishSettings]
TickFile = Callable[..., Path]


def start(settings: PublishSettings) -> tuple[Published, "asyncio.Task[None]"]:
    published = Published()
    days = checked_days(settings.ticks)
    return published, asyncio.create_task(publish(settings, days, published))


async def check_complete(settings: PublishSettings, server: RedisServer) -> None:
    """Every stream holds the file's ticks, in order, once each."""
    connection = await connect(server, name="look")
    keys = [redis_keys.ticks("shared", exchange, symbol) for exchange, symbol in (INFY, RELIANCE)]
    streams = await connection.execute(*(("XRANGE", key, "-", "+") for key in keys))
    connection.close()
    for (_, symbol), entries in zip((INFY, RELIANCE), streams, strict=True):
        stored = [tuple(map(int, fields[1:9:2])) for _, fields in entries]
        expected = [
            (price, quantity, volume, time_us)
            for _, name, time_us, price, quantity, volume in read_ticks(settings.ticks)
            if name == symbol
        ]
        assert stored == expected


async def until(published: Published, ticks: int) -> None:
    async with asyncio.timeout(20):
        while published.ticks < ticks:  # noqa: ASYNC110 - a plain counter
            await asyncio.sleep(0.01)


async def test_publish__redis_killed_and_restarted__none_lost_none_doubled(
    durable_redis: RedisProcess,
    make_settings: MakeSettings,
    tick_file: TickFile,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = make_settings(tick_file((DAY, 9000)), server=durable_redis, speed=1000.0)
    published, publishing = start(settings)
    for ticks in (500, 3000, 6000):
        await until(published, ticks)
        await asyncio.to_thread(durable_redis.kill)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(durable_redis.start)

    await asyncio.wait_for(publishing, 30)

    assert published.ticks == 9000
    await check_complete(settings, settings.redis)
    err = capsys.readouterr().err
    assert "trying again" in err
    assert "Redis is back after" in err
    assert "lost" not in err.replace("connection lost", "")


async def test_publish__connection_dropped_again_and_again__none_lost_none_doubled(
    redis: RedisProcess, make_settings: MakeSettings, tick_file: TickFile
) -> None:
    settings = make_settings(tick_file((DAY, 9000)), speed=1500.0)
    published, publishing = start(settings)
    drops = 0
    while not publishing.done():
        await asyncio.sleep(0.05)
        await asyncio.to_thread(redis.run, "CLIENT", "KILL", "TYPE", "normal")
        drops += 1
    await publishing

    assert drops > 10
    assert published.ticks == 9000
    await check_complete(settings, settings.redis)


async def test_publish__replies_swallowed__none_lost_none_doubled(
    redis: RedisProcess, make_settings: MakeSettings, tick_file: TickFile
) -> None:
    """Every fifth reply never arrives: the write happened, its outcome is unknown."""
    settings = make_settings(tick_file((DAY, 9000)))
    async with swallowing(redis, every=5) as (port, swallowed):
        through = replace(settings, redis=replace(settings.redis, port=port))
        published, publishing = start(through)
        await asyncio.wait_for(publishing, 30)

    assert swallowed
    assert published.ticks == 9000
    await check_complete(settings, settings.redis)


async def test_publish__server_frozen__none_lost_none_doubled(
    redis: RedisProcess,
    make_settings: MakeSettings,
    tick_file: TickFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls time out; the frozen server finds the old connection's write when it wakes."""
    monkeypatch.setattr("algo_redis.connection.DEADLINE_SECONDS", 0.2)
    monkeypatch.setattr("algo_redis.connecting.connect_forever.__kwdefaults__", {
        "decode": True, "deadline": 0.2, "on_retry": None,
    })  # fmt: skip
    settings = make_settings(tick_file((DAY, 9000)), speed=1000.0)
    published, publishing = start(settings)
    for ticks in (1000, 5000):
        await until(published, ticks)
        with redis.frozen():
            await asyncio.sleep(1)
    await asyncio.wait_for(publishing, 30)

    await check_complete(settings, settings.redis)


async def test_publish__redis_back_empty__goes_on_and_says_what_is_gone(
    redis: RedisProcess,
    make_settings: MakeSettings,
    tick_file: TickFile,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = make_settings(tick_file((DAY, 3000)), speed=600.0)
    published, publishing = start(settings)
    await until(published, 1000)
    redis.run("FLUSHALL")
    await asyncio.wait_for(publishing, 30)

    assert published.ticks == 3000
    connection = await connect(settings.redis, name="look")
    stream = redis_keys.ticks("shared", *RELIANCE)
    entries = await connection.call("XRANGE", stream, "-", "+")
    expected = [tick[2] for tick in read_ticks(settings.ticks) if tick[1] == "RELIANCE"]
    assert 0 < len(entries) < 1400
    assert [int(fields[7]) for _, fields in entries] == expected[-len(entries) :]
    connection.close()
    assert f"ticks of {stream} that were in" in capsys.readouterr().err


async def test_publish__another_writer_in_the_stream__stops(
    redis: RedisProcess, make_settings: MakeSettings, tick_file: TickFile
) -> None:
    settings = make_settings(tick_file((DAY, 3000)), speed=600.0)
    published, publishing = start(settings)
    await until(published, 500)
    entry = ("p", 1, "q", 1, "v", 1, "t", 1, "r", 1)
    connection = await connect(settings.redis, name="intruder")
    add = ("XADD", redis_keys.ticks("shared", *RELIANCE), "*", *entry)
    await connection.execute(*[add] * 1000)
    connection.close()

    with pytest.raises(AlreadyPublishing, match="something else writes"):
        await asyncio.wait_for(publishing, 10)
    assert published.ticks < 3000


async def test_append__repeated_by_a_dead_connection__does_nothing(
    redis: RedisProcess, make_settings: MakeSettings, tick_file: TickFile
) -> None:
    settings = make_settings(tick_file((DAY, 3)))
    tick: FileTick = ("NSE", "RELIANCE", 1, 100, 1, 1)
    link = PublisherRedis(settings.redis, name="test")
    writer, late = (TickWriter(link, feed="shared", ticks={RELIANCE: 10}) for _ in range(2))

    await writer.append([tick, tick])
    await late.append([tick, tick])
    await writer.append([tick])

    (length,) = await link.settle(("XLEN", redis_keys.ticks("shared", *RELIANCE)))
    assert length == 3
    link.close()
    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def swallowing(redis: RedisProcess, *, every: int) -> AsyncIterator[tuple[int, list[int]]]:
    """A proxy that drops the connection instead of handing on every n-th reply; its port."""
    replies = 0
    swallowed: list[int] = []

    async def serve(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        nonlocal replies
        server, to_server = await asyncio.open_connection(redis.host, redis.port)

        async def upstream() -> None:
            while data := await client.read(1 << 20):
                to_server.write(data)
            to_server.close()

        sending = asyncio.create_task(upstream())
        with contextlib.suppress(ConnectionError):
            while data := await server.read(1 << 20):
                replies += 1
                if replies % every == 0:
                    swallowed.append(replies)
                    break
                to_client.write(data)
        sending.cancel()
        for writer in (to_client, to_server):
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", port := free_port()):
        yield port, swallowed
        await asyncio.sleep(0.05)

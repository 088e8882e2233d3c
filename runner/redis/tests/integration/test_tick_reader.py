"""The tick reader: no tick lost or doubled, gaps seen, garbage passed over; on a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from algo_contract.messages.redis_server import RedisServer
from algo_redis.connection import connect
from algo_redis.errors import RedisError, RedisRefused
from algo_redis.tick_reader import Tick, TickReader, decode
from support.servers.redis_server import RedisProcess

STREAM = "ticks:{NSE:RELIANCE}"
MakeReader = Callable[..., TickReader]


@pytest.fixture
async def make_reader(server: RedisServer) -> AsyncIterator[MakeReader]:
    readers: list[TickReader] = []

    def make(target: RedisServer = server, **options: object) -> TickReader:
        readers.append(TickReader(target, STREAM, name="test", **options))  # pyright: ignore[reportArgumentType]
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()
    await asyncio.sleep(0)


async def add(server: RedisServer, volumes: range, *trim: str | int) -> None:
    """A tick a volume, each with the price 100 paise."""
    connection = await connect(server, name="add")
    entry = ("*", "p", 100, "q", 1, "v")
    await connection.execute(
        *(("XADD", STREAM, *trim, *entry, n, "t", n * 1000, "r", n) for n in volumes)
    )
    connection.close()


async def read_until(reader: TickReader, count: int) -> list[int]:
    """The volumes of the next ticks, until there are `count`."""
    volumes: list[int] = []
    async with asyncio.timeout(10):
        while len(volumes) < count:
            volumes += [tick[3] for tick in await reader.read(block_ms=100)]
    return volumes


async def test_read__ticks_there__as_integers_with_their_id(
    server: RedisServer, make_reader: MakeReader
) -> None:
    await add(server, range(7, 8))
    reader = make_reader()

    (tick,) = await reader.read()

    assert tick[0] == reader.last_id
    assert tick[1:] == (100, 1, 7, 7000, 7)


async def test_read__more_than_count__all_in_order_without_doubles(
    server: RedisServer, make_reader: MakeReader
) -> None:
    await add(server, range(2500))
    reader = make_reader(count=100)

    assert await read_until(reader, 2500) == list(range(2500))
    assert await reader.read(block_ms=10) == []
    assert (reader.ticks, reader.gaps, reader.garbled) == (2500, 0, 0)


async def test_read__blocked__wakes_on_a_tick(server: RedisServer, make_reader: MakeReader) -> None:
    reader = make_reader()
    waiting = asyncio.create_task(reader.read(block_ms=5000))
    await asyncio.sleep(0.05)
    await add(server, range(1))

    ticks = await asyncio.wait_for(waiting, 1)

    assert len(ticks) == 1


async def test_read__idle__empty_and_no_gap(server: RedisServer, make_reader: MakeReader) -> None:
    await add(server, range(3))
    reader = make_reader()
    await reader.read()

    for _ in range(3):
        assert await reader.read(block_ms=10) == []
    assert reader.gaps == 0


async def test_read__after_an_id__only_what_is_behind_it(
    redis: RedisProcess, server: RedisServer, make_reader: MakeReader
) -> None:
    redis.run("XADD", STREAM, "5-0", "p", 1, "q", 1, "v", 1, "t", 1, "r", 1)
    redis.run("XADD", STREAM, "9-0", "p", 1, "q", 1, "v", 2, "t", 1, "r", 1)

    reader = make_reader(after=b"6-0")

    assert await read_until(reader, 1) == [2]
    assert reader.gaps == 0


async def test_read__cancelled_while_blocked__loses_nothing(
    server: RedisServer, make_reader: MakeReader
) -> None:
    reader = make_reader()
    waiting = asyncio.create_task(reader.read(block_ms=300))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await add(server, range(5))

    assert await read_until(reader, 5) == list(range(5))


async def test_read__connection_killed_while_ticks_come__none_lost_none_doubled(
    redis: RedisProcess, server: RedisServer, make_reader: MakeReader
) -> None:
    failures: list[RedisError] = []
    reader = make_reader(count=7, on_retry=lambda error, _: failures.append(error))

    async def publish() -> None:
        for start in range(0, 400, 20):
            await add(server, range(start, start + 20))
            if start % 80 == 0:
                await asyncio.to_thread(kill_named, redis, "test")

    publishing = asyncio.create_task(publish())
    volumes = await read_until(reader, 400)
    await publishing

    assert volumes == list(range(400))
    assert reader.gaps == 0
    assert reader.reconnects >= 1
    assert failures


async def test_read__server_killed_and_back__goes_on_behind_the_last_id(
    durable_redis: RedisProcess, server: RedisServer, make_reader: MakeReader
) -> None:
    target = replace(server, port=durable_redis.port, password=durable_redis.password)
    reader = make_reader(target, count=10)
    await add(target, range(25))
    first = await reader.read()

    durable_redis.kill()
    waiting = asyncio.create_task(read_until(reader, 40))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(durable_redis.start)
    await add(target, range(25, 50))

    assert [tick[3] for tick in first] + await waiting == list(range(50))
    assert (reader.gaps, reader.reconnects) == (0, 1)


async def test_read__server_back_empty__gap_and_the_new_ticks(
    redis: RedisProcess, server: RedisServer, make_reader: MakeReader
) -> None:
    reader = make_reader()
    await add(server, range(5))
    await read_until(reader, 5)

    redis.run("FLUSHALL")
    assert await reader.read(block_ms=10) == []
    assert await reader.read(block_ms=10) == []
    await add(server, range(5, 8))

    assert await read_until(reader, 3) == [5, 6, 7]
    assert reader.gaps == 1


async def test_read__stream_begun_anew_with_lower_ids__gap_and_the_new_ticks(
    redis: RedisProcess, server: RedisServer, make_reader: MakeReader
) -> None:
    reader = make_reader()
    await add(server, range(5))
    await read_until(reader, 5)

    redis.run("DEL", STREAM)
    redis.run("XADD", STREAM, "5-1", "p", 1, "q", 1, "v", 99, "t", 1, "r", 1)

    assert await read_until(reader, 1) == [99]
    assert reader.gaps == 1


async def test_read__trimmed_past_us_while_away__one_gap(
    redis: RedisProcess, server: RedisServer, make_reader: MakeReader
) -> None:
    reader = make_reader()
    await add(server, range(5))
    await read_until(reader, 5)

    await asyncio.to_thread(kill_named, redis, "test")
    await add(server, range(5, 100), "MAXLEN", 10)

    assert await read_until(reader, 10) == list(range(90, 100))
    assert (reader.gaps, reader.reconnects) == (1, 1)


async def test_read__trimmed_while_reading_behind__gap(
    server: RedisServer, make_reader: MakeReader
) -> None:
    await add(server, range(100))
    reader = make_reader(count=10)
    await reader.read()

    await add(server, range(100, 105), "MAXLEN", 20)

    assert await read_until(reader, 20) == list(range(85, 105))
    assert reader.gaps == 1


async def test_read__trimmed_up_to_but_not_past_us__no_gap(
    redis: RedisProcess, server: RedisServer, make_reader: MakeReader
) -> None:
    await add(server, range(100))
    reader = make_reader(count=10)
    await reader.read()

    redis.run("XTRIM", STREAM, "MAXLEN", 91)

    assert await read_until(reader, 90) == list(range(10, 100))
    assert reader.gaps == 0


async def test_read__garbled_entries__counted_and_passed_over(
    redis: RedisProcess, server: RedisServer, make_reader: MakeReader
) -> None:
    good = ("q", 1, "v", 1, "t", 1, "r", 1)
    redis.run("XADD", STREAM, "*", "p", "ninety", *good)
    redis.run("XADD", STREAM, "*", *good)
    redis.run("XADD", STREAM, "*", "p", "93.95", *good)
    redis.run("XADD", STREAM, "*", "p", "", *good)
    redis.run("XADD", STREAM, "*", "note", "hello")
    reader = make_reader()

    assert await reader.read() == []
    await add(server, range(1, 2))

    assert await read_until(reader, 1) == [1]
    assert (reader.garbled, reader.ticks, reader.gaps) == (5, 1, 0)


async def test_read__noperm__refused_at_once(
    redis: RedisProcess, server: RedisServer, make_reader: MakeReader
) -> None:
    redis.add_user("other", "pw", "~ticks:{NSE:INFY}", "+xread", "+ping")
    reader = make_reader(replace(server, username="other", password="pw"))

    with pytest.raises(RedisRefused) as refused:
        await asyncio.wait_for(reader.read(), 2)
    assert refused.value.code == "NOPERM"


async def test_read__user_with_only_xread__reads(
    redis: RedisProcess, server: RedisServer, make_reader: MakeReader
) -> None:
    redis.add_user("runner", "pw", f"~{STREAM}", "+xread")
    await add(server, range(30))
    reader = make_reader(replace(server, username="runner", password="pw"), count=10)

    assert await read_until(reader, 30) == list(range(30))


async def test_read__not_a_stream__refused(redis: RedisProcess, make_reader: MakeReader) -> None:
    redis.run("SET", STREAM, "text")

    with pytest.raises(RedisRefused) as refused:
        await make_reader().read()
    assert refused.value.code == "WRONGTYPE"


async def test_read__server_frozen__waits_and_loses_nothing(
    redis: RedisProcess, server: RedisServer, make_reader: MakeReader
) -> None:
    reader = make_reader()
    await add(server, range(3))
    await read_until(reader, 3)
    with redis.frozen():
        waiting = asyncio.create_task(read_until(reader, 2))
        await asyncio.sleep(0.3)
        assert not waiting.done()

    await add(server, range(3, 5))

    assert await waiting == [3, 4]


def test_decode__other_order_and_more_fields__by_name() -> None:
    fields = [b"r", b"5", b"x", b"y", b"t", b"4", b"v", b"3", b"q", b"2", b"p", b"1"]

    assert decode([(b"1-0", fields)]) == ([(b"1-0", 1, 2, 3, 4, 5)], 0)


def test_decode__nothing_or_odd_fields__garbled() -> None:
    ticks: list[Tick] = []
    absent: list[bytes] = None  # pyright: ignore[reportAssignmentType] - what a deleted entry has

    assert decode([(b"1-0", absent), (b"2-0", []), (b"3-0", [b"p"])]) == (ticks, 3)


def kill_named(redis: RedisProcess, name: str) -> None:
    """Drops the connections with that name."""
    for line in redis.run("CLIENT", "LIST").splitlines():
        values = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if values.get("name") == name:
            redis.run("CLIENT", "KILL", "ID", values["id"])

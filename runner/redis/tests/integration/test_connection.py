"""Calls, pipelines, refusals and lost connections, against a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from algo_contract.messages.redis_server import RedisServer
from algo_redis.connection import Connection, connect
from algo_redis.errors import RedisError, RedisRefused, RedisUnavailable
from algo_service.backoff import backoff
from algo_redis.connecting import connect_forever
from algo_redis.script import Script, run_script
from support.servers.redis_server import RedisProcess, free_port


@pytest.fixture
async def connection(server: RedisServer) -> AsyncIterator[Connection]:
    connection = await connect(server, name="test")
    yield connection
    connection.close()


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[int]:
    """The port of a server that gives one reply to anything."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(reply)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port := free_port()):
        yield port


async def test_call__string_number_hash_and_nothing__python_values(connection: Connection) -> None:
    assert await connection.call("SET", "k", "₹93.95") == "OK"
    assert await connection.call("GET", "k") == "₹93.95"
    assert await connection.call("INCRBY", "n", 41) == 41
    assert await connection.call("HSET", "h", "a", 1, "b", b"2") == 2
    assert await connection.call("HGETALL", "h") == {"a": "1", "b": "2"}
    assert await connection.call("GET", "missing") is None


async def test_connect__names_the_connection(connection: Connection) -> None:
    assert await connection.call("CLIENT", "GETNAME") == "test"


async def test_connect__not_decoding__bytes(server: RedisServer) -> None:
    connection = await connect(server, name="raw", decode=False)
    await connection.call("SET", "k", b"\xff\x00")

    assert await connection.call("GET", "k") == b"\xff\x00"
    connection.close()


async def test_call__broken_utf8__is_replaced_not_raised(connection: Connection) -> None:
    await connection.call("SET", "k", b"a\xff")

    assert await connection.call("GET", "k") == "a\ufffd"


async def test_execute__pipeline__replies_in_order(connection: Connection) -> None:
    replies = await connection.execute(*[("INCR", "n") for _ in range(5000)])

    assert replies == list(range(1, 5001))
    assert await connection.execute() == []


async def test_execute__several_tasks__each_gets_its_own(connection: Connection) -> None:
    async def echo(n: int) -> str:
        return await connection.call("ECHO", n)

    assert await asyncio.gather(*map(echo, range(200))) == [str(n) for n in range(200)]


async def test_execute__one_refused__names_it_and_the_rest_are_done(connection: Connection) -> None:
    with pytest.raises(RedisRefused) as refused:
        await connection.execute(("SET", "k", "text"), ("INCR", "k"), ("SET", "after", "1"))

    assert (refused.value.code, refused.value.index) == ("ERR", 1)
    assert str(refused.value).startswith("INCR: ERR value is not an integer")
    assert await connection.call("GET", "after") == "1"


async def test_attempt__one_refused__stands_in_its_place(connection: Connection) -> None:
    replies = await connection.attempt(("SET", "k", "text"), ("INCR", "k"), ("GET", "k"))

    assert replies[0] == "OK"
    assert isinstance(replies[1], RedisRefused)
    assert replies[2] == "text"


async def test_call__wrong_argument_type__connection_stays(connection: Connection) -> None:
    with pytest.raises(TypeError):
        await connection.call("SET", "k", None)  # pyright: ignore[reportArgumentType]

    assert await connection.call("PING") == "PONG"


async def test_call__noperm__refused_with_its_code(
    redis: RedisProcess, server: RedisServer
) -> None:
    redis.add_user("narrow", "pw", "~ticks:*", "+xread", "+ping")
    connection = await connect(replace(server, username="narrow", password="pw"), name="narrow")

    with pytest.raises(RedisRefused, match="NOPERM") as refused:
        await connection.call("SET", "ticks:x", "1")
    assert refused.value.code == "NOPERM"
    assert not refused.value.is_transient
    connection.close()


async def test_connect__user_without_ping__connects(
    redis: RedisProcess, server: RedisServer
) -> None:
    redis.add_user("narrowest", "pw", "~ticks:*", "+xread")

    connection = await connect(replace(server, username="narrowest", password="pw"), name="n")

    assert connection.is_open
    connection.close()


async def test_connect__wrong_password__refused_without_the_password(server: RedisServer) -> None:
    with pytest.raises(RedisRefused) as refused:
        await connect(replace(server, password="s3cr3t-pass"), name="test")

    assert refused.value.code == "WRONGPASS"
    assert "s3cr3t-pass" not in str(refused.value) + repr(refused.value)


async def test_connect__no_password__refused(server: RedisServer) -> None:
    with pytest.raises(RedisRefused, match="NOAUTH"):
        await connect(replace(server, username="", password=""), name="test")


async def test_connect__server_without_hello__hides_what_it_repeats(server: RedisServer) -> None:
    reply = b"-ERR unknown command 'HELLO', with args beginning with: 'pw'\r\n+PONG\r\n"
    async with answering(reply) as port:
        with pytest.raises(RedisRefused, match="Redis 6 or newer is needed") as refused:
            await connect(replace(server, port=port, password="pw"), name="test")
    assert "pw" not in str(refused.value)


async def test_connect__nothing_listens__unavailable(server: RedisServer) -> None:
    with pytest.raises(RedisUnavailable, match="cannot connect") as unavailable:
        await connect(replace(server, port=free_port()), name="test")

    assert not unavailable.value.in_flight


async def test_connect__server_frozen__unavailable_in_time(
    redis: RedisProcess, server: RedisServer
) -> None:
    with redis.frozen(), pytest.raises(RedisUnavailable, match=r"no (reply|answer)") as unavailable:
        await connect(server, name="test", deadline=0.2)

    assert not unavailable.value.in_flight


async def test_call__deadline_passes__unavailable_and_closed(connection: Connection) -> None:
    with pytest.raises(RedisUnavailable, match=r"no reply within 0\.05 s") as unavailable:
        await connection.call("BLPOP", "empty", 0, deadline=0.05)

    assert unavailable.value.in_flight
    assert not connection.is_open
    with pytest.raises(RedisUnavailable) as later:
        await connection.call("PING")
    assert not later.value.in_flight


async def test_call__killed_under_way__unavailable_in_flight(
    redis: RedisProcess, connection: Connection
) -> None:
    blocked = asyncio.create_task(connection.call("BLPOP", "empty", 0))
    await asyncio.sleep(0.05)
    redis.run("CLIENT", "KILL", "TYPE", "normal")

    with pytest.raises(RedisUnavailable) as unavailable:
        await blocked
    assert unavailable.value.in_flight


async def test_call__cancelled__its_late_reply_goes_to_nobody(
    redis: RedisProcess, connection: Connection
) -> None:
    blocked = asyncio.create_task(connection.call("BLPOP", "list", 0))
    await asyncio.sleep(0.05)
    blocked.cancel()
    next_call = asyncio.create_task(connection.call("ECHO", "mine"))
    await asyncio.sleep(0.05)
    redis.run("RPUSH", "list", "late")

    assert await next_call == "mine"


async def test_call__garbage_on_the_wire__unavailable() -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        with pytest.raises(RedisUnavailable, match="unreadable reply"):
            await connect(
                RedisServer(host="127.0.0.1", port=port, username="", password=""), name="x"
            )


async def test_repr__never_shows_the_password(connection: Connection, server: RedisServer) -> None:
    assert server.password not in repr(connection)


async def test_connect_forever__server_comes_later__connected_and_told(
    durable_redis: RedisProcess, server: RedisServer
) -> None:
    durable_redis.kill()
    told: list[tuple[RedisError, float]] = []
    target = replace(server, port=durable_redis.port, password=durable_redis.password)
    waiting = asyncio.create_task(
        connect_forever(
            target, name="test", on_retry=lambda error, delay: told.append((error, delay))
        )
    )
    await asyncio.sleep(0.3)
    await asyncio.to_thread(durable_redis.start)

    connection = await asyncio.wait_for(waiting, 5)

    assert await connection.call("PING") == "PONG"
    assert told
    assert isinstance(told[0][0], RedisUnavailable)
    connection.close()


async def test_connect_forever__user_asserted_later__connected(
    redis: RedisProcess, server: RedisServer
) -> None:
    target = replace(server, username="late", password="pw")
    waiting = asyncio.create_task(connect_forever(target, name="test"))
    await asyncio.sleep(0.1)
    redis.add_user("late", "pw", "+ping")

    connection = await asyncio.wait_for(waiting, 5)

    assert connection.is_open
    connection.close()


def test_backoff__doubles_with_jitter_up_to_the_longest() -> None:
    delays = backoff(first=0.1, longest=0.4)

    for step in (0.1, 0.2, 0.4, 0.4):
        assert step / 2 <= next(delays) <= step


async def test_run_script__unknown_then_known__same_reply(
    redis: RedisProcess, connection: Connection
) -> None:
    script = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")

    assert await run_script(connection, script, keys=["n"], args=[2]) == 2
    assert await run_script(connection, script, keys=["n"], args=[2]) == 4
    redis.run("SCRIPT", "FLUSH")
    assert await run_script(connection, script, keys=["n"], args=[2]) == 6


async def test_run_script__refuses_by_code__refused_with_that_code(connection: Connection) -> None:
    fenced = Script("return redis.error_reply('FENCED a newer epoch holds ' .. KEYS[1])")

    for _ in range(2):
        with pytest.raises(RedisRefused) as refused:
            await run_script(connection, fenced, keys=["f"])
        assert refused.value.code == "FENCED"
        assert refused.value.detail == "a newer epoch holds f"


async def test_run_script__several_writes__survive_kill_9(
    durable_redis: RedisProcess, server: RedisServer
) -> None:
    """Fence and intent are one script: with a `default` user without rights they would be gone."""
    target = replace(server, port=durable_redis.port, password=durable_redis.password)
    both = Script("redis.call('SET', KEYS[1], 1) return redis.call('SET', KEYS[2], 2)")
    connection = await connect(target, name="test")
    await run_script(connection, both, keys=["{s}:a", "{s}:b"])
    connection.close()

    durable_redis.kill()
    durable_redis.start()

    connection = await connect(target, name="test")
    assert await connection.call("MGET", "{s}:a", "{s}:b") == ["1", "2"]
    connection.close()


async def test_connect__default_user_with_rights_but_off__not_let_in(
    redis: RedisProcess, server: RedisServer
) -> None:
    assert "user default off" in redis.run("ACL", "LIST")
    anonymous = await asyncio.open_connection(server.host, server.port)
    anonymous[1].write(b'GET k\r\nAUTH default ""\r\n')

    assert (await anonymous[0].readline()).startswith(b"-NOAUTH")
    assert (await anonymous[0].readline()).startswith(b"-WRONGPASS")
    anonymous[1].close()
    await anonymous[1].wait_closed()

"""Isolation in Redis, from the attacker's side: what a hostile runner can and cannot do."""

import asyncio

import pytest
from algo_contract import redis_keys
from algo_operator.errors import RedisUnavailable
from algo_operator.redis.users import RedisUsers
from algo_operator.redis.clients import RedisClients
from algo_operator.specs.redis_rules import feed_rules, runner_rules
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

MINE, OTHER = "str_aaaaaaaaaaaaaaaa", "str_bbbbbbbbbbbbbbbb"
ACCOUNT, STRANGER = "brk_aaaaaaaaaaaaaaaa", "brk_bbbbbbbbbbbbbbbb"


def rules(password: str = "right", account: str | None = ACCOUNT) -> list[str]:
    return runner_rules(
        strategy=MINE,
        instrument=("NSE", "M&M"),
        feed="shared",
        account=account,
        tenant="usr-a",
        password=password,
    )


@pytest.fixture
async def admin(redis_server):
    client = Redis(port=redis_server.port, decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
async def users(redis_server, admin):
    return RedisUsers(RedisClients(admin, admin))


@pytest.fixture
async def runner(redis_server, users):
    await users.grant(MINE, rules())
    client = Redis(
        port=redis_server.port, username=MINE, password="right", decode_responses=True, protocol=2
    )
    yield client
    await client.aclose()


async def test_a_runner_works_on_its_own_keys(runner, admin):
    state = redis_keys.strategy(MINE, "state")
    await runner.hset(state, mapping={"version": 1})
    await runner.xadd(redis_keys.strategy(MINE, "journal"), {"a": "1"})
    await runner.xadd(redis_keys.failed(ACCOUNT), {"a": "1"})
    await runner.eval("return redis.call('HSET', KEYS[1], 'b', redis.call('TIME')[1])", 1, state)
    await runner.evalsha(
        await runner.script_load("return redis.call('HEXISTS', KEYS[1], 'b')"), 1, state
    )
    await admin.xadd(redis_keys.ticks("shared", "NSE", "M&M"), {"p": "1"})
    assert await runner.xread({redis_keys.ticks("shared", "NSE", "M&M"): "0"})
    assert await runner.get(redis_keys.PLATFORM_HALT) is None
    assert await runner.get(redis_keys.user_halt("usr-a")) is None
    assert await runner.get(redis_keys.feed_clock("shared")) is None
    await runner.hset(redis_keys.account(ACCOUNT, "pnl"), MINE, 1)


@pytest.mark.parametrize(
    "command",
    [
        ("HGETALL", redis_keys.strategy(OTHER, "state")),
        ("HSET", redis_keys.strategy(OTHER, "state"), "position", "0"),
        ("XADD", redis_keys.strategy(OTHER, "commands"), "*", "kind", "exit"),
        ("DEL", redis_keys.strategy(OTHER, "fence")),
        ("HGETALL", redis_keys.account(STRANGER, "pnl")),
        ("XADD", redis_keys.account(ACCOUNT, "orders"), "*", "a", "1"),
        ("XADD", redis_keys.ticks("shared", "NSE", "M&M"), "*", "p", "1"),
        ("XREAD", "STREAMS", redis_keys.ticks("shared", "NSE", "TCS"), "0"),
        ("XREAD", "STREAMS", redis_keys.ticks(STRANGER, "NSE", "M&M"), "0"),
        ("XRANGE", redis_keys.failed(ACCOUNT), "-", "+"),
        ("SET", redis_keys.PLATFORM_HALT, "0"),
        ("DEL", redis_keys.user_halt("usr-a")),
        ("GET", redis_keys.user_halt("usr-b")),
        ("SET", redis_keys.feed_clock("shared"), "1"),
        ("SET", redis_keys.feed_ended("shared"), "1"),
        ("SET", redis_keys.feed_ended(ACCOUNT), "1"),
        ("SMEMBERS", redis_keys.feed_instruments("shared")),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("ACL", "SETUSER", MINE, "+@all", "~*"),
        ("ACL", "WHOAMI"),
        ("SCRIPT", "FLUSH"),
        ("FUNCTION", "LIST"),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("CLIENT", "LIST"),
        ("MONITOR",),
        ("SHUTDOWN",),
        ("REPLICAOF", "NO", "ONE"),
        ("SELECT", "1"),
        ("INFO",),
        ("PUBLISH", "a", "b"),
        ("SUBSCRIBE", "a"),
        ("COPY", redis_keys.strategy(MINE, "state"), "elsewhere"),
        ("RENAME", redis_keys.strategy(MINE, "state"), redis_keys.strategy(OTHER, "state")),
        ("MIGRATE", "h", "1", "k", "0", "1"),
        ("EVAL", "return redis.call('GET', KEYS[1])", "1", redis_keys.strategy(OTHER, "state")),
        ("XREADGROUP", "GROUP", "g", "c", "STREAMS", redis_keys.strategy(MINE, "events"), ">"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
async def test_a_hostile_runner_is_refused(runner, command):
    with pytest.raises(NoPermissionError):
        await runner.execute_command(*command)


@pytest.mark.parametrize(
    "script",
    [
        f"return redis.call('GET', '{redis_keys.strategy(OTHER, 'state')}')",
        "return redis.call('KEYS', '*')",
        "return redis.call('ACL', 'LIST')",
        "return redis.call('FLUSHALL')",
    ],
)
async def test_a_script_may_do_no_more_than_its_caller(runner, script):
    with pytest.raises(Exception, match=r"can't access|can't run|not allowed from script"):
        await runner.eval(script, 0)


async def test_the_password_is_not_in_the_aclfile(runner, users, redis_server):
    await users.save()

    text = (redis_server.folder / "users.acl").read_text()

    assert MINE in text
    assert "right" not in text


async def test_users_outlive_a_restart_by_the_aclfile(runner, users, redis_server, admin):
    await users.save()
    redis_server.stop()
    redis_server.start()

    assert MINE in await admin.execute_command("ACL", "USERS")


async def test_a_restart_is_noticed_and_nothing_counts_as_granted(users, redis_server):
    await users.grant(MINE, rules())
    assert await users.restarted() is False
    assert users.is_current(MINE, rules())
    redis_server.stop()
    redis_server.start()

    assert await users.restarted() is True
    assert not users.is_current(MINE, rules())


async def test_a_restart_noticed_by_half_is_noticed_again(admin):
    class Away:
        async def info(self, _):
            raise OSError

    class Server:
        run_id = "1"

        async def info(self, _):
            return {"run_id": self.run_id}

    state = Server()
    links = RedisClients(state, Server())
    users = RedisUsers(links)
    assert await users.restarted() is False
    state.run_id = "2"
    users._links = RedisClients(state, Away())
    with pytest.raises(RedisUnavailable):
        await users.restarted()
    users._links = links

    assert await users.restarted() is True


async def test_revoking_cuts_the_connection(runner, users):
    assert await runner.get(redis_keys.PLATFORM_HALT) is None
    await users.revoke(MINE)
    await asyncio.sleep(0.05)

    with pytest.raises((AuthenticationError, ConnectionError, OSError)):
        await runner.get(redis_keys.PLATFORM_HALT)


async def test_granting_again_keeps_connections(runner, users):
    assert await runner.get(redis_keys.PLATFORM_HALT) is None
    number = (await runner.connection_pool.get_connection()).repr_pieces()
    await users.grant(MINE, rules(account=None))

    assert await runner.get(redis_keys.PLATFORM_HALT) is None
    assert number
    with pytest.raises(NoPermissionError):
        await runner.hgetall(redis_keys.account(ACCOUNT, "pnl"))


async def test_a_user_whose_strategy_is_gone_is_revoked(world):
    await world.redis.execute_command("ACL", "SETUSER", OTHER, "on", "nopass")
    await world.redis.execute_command("ACL", "SETUSER", "chart-made", "on", "nopass")
    await world.start()

    for _ in range(100):
        left = await world.redis.execute_command("ACL", "USERS")
        if OTHER not in left:
            break
        await asyncio.sleep(0.05)

    assert OTHER not in left
    assert "chart-made" in left


async def feed_client(redis_server, users, feed: str) -> Redis:
    await users.grant(ACCOUNT, feed_rules(account=ACCOUNT, feed=feed, password="feeds"))
    return Redis(
        port=redis_server.port,
        username=ACCOUNT,
        password="feeds",
        decode_responses=True,
        protocol=2,
    )


@pytest.mark.parametrize("feed", [ACCOUNT, "shared"])
async def test_a_feed_does_its_work(redis_server, users, admin, feed):
    client = await feed_client(redis_server, users, feed)
    await admin.sadd(redis_keys.feed_instruments(feed), "NSE:M&M")

    assert await client.smembers(redis_keys.feed_instruments(feed)) == {"NSE:M&M"}
    pipe = client.pipeline(transaction=True)
    pipe.xadd(redis_keys.ticks(feed, "NSE", "M&M"), {"p": "1"}, minid="1-0", approximate=True)
    pipe.set(redis_keys.feed_clock(feed), "1")
    pipe.set(redis_keys.feed_heartbeat(feed), "1")
    pipe.set(redis_keys.feed_ended(feed), "1", ex=10)
    pipe.delete(redis_keys.feed_unknown(feed))
    pipe.sadd(redis_keys.feed_unknown(feed), "NSE:NOSUCH")
    pipe.hset(redis_keys.feed_facts(feed), "NSE:M&M", "{}")
    pipe.hdel(redis_keys.feed_facts(feed), "NSE:OLD")
    pipe.hkeys(redis_keys.feed_facts(feed))
    pipe.xadd(redis_keys.account(ACCOUNT, "orders"), {"kind": "book"}, maxlen=1000)
    pipe.hset(redis_keys.account(ACCOUNT, "quotes"), "NSE:M&M", "{}")
    await pipe.execute()
    await client.aclose()


@pytest.mark.parametrize(
    "command",
    [
        ("XADD", redis_keys.ticks("shared", "NSE", "M&M"), "*", "p", "1"),
        ("XADD", redis_keys.ticks(STRANGER, "NSE", "M&M"), "*", "p", "1"),
        ("SET", redis_keys.feed_clock("shared"), "1"),
        ("HSET", redis_keys.feed_facts(STRANGER), "NSE:M&M", "{}"),
        ("SET", redis_keys.feed_ended(STRANGER), "1"),
        ("SADD", redis_keys.feed_instruments(ACCOUNT), "NSE:TCS"),
        ("XADD", redis_keys.account(STRANGER, "orders"), "*", "kind", "book"),
        ("HSET", redis_keys.account(ACCOUNT, "pnl"), "a", "1"),
        ("HGETALL", redis_keys.strategy(OTHER, "live")),
        ("GET", redis_keys.PLATFORM_HALT),
        ("SET", redis_keys.feed_name("tenant-a/mine"), "x"),
        ("KEYS", "*"),
        ("EVAL", "return 1", "0"),
        ("ACL", "WHOAMI"),
        ("SUBSCRIBE", "a"),
    ],
)
async def test_a_feed_may_not(redis_server, users, command):
    client = await feed_client(redis_server, users, ACCOUNT)

    with pytest.raises(NoPermissionError):
        await client.execute_command(*command)
    await client.aclose()


async def test_a_shared_feed_writes_no_accounts_own_prices(redis_server, users):
    client = await feed_client(redis_server, users, "shared")

    with pytest.raises(NoPermissionError):
        await client.xadd(redis_keys.ticks(STRANGER, "NSE", "M&M"), {"p": "1"})
    await client.aclose()


@pytest.mark.parametrize("part", [{"account": "*"}, {"feed": "brk_?"}, {"feed": "{*"}])
def test_no_pattern_gets_into_a_feeds_rights(part):
    with pytest.raises(ValueError, match="plain part"):
        feed_rules(**{"account": ACCOUNT, "feed": ACCOUNT, "password": "p"} | part)


async def test_a_feeds_user_is_on_one_server_only(redis_server, admin):
    class Other:
        asked = 0

        async def execute_command(self, *words: str) -> None:
            Other.asked += 1

    both = RedisUsers(RedisClients(Other(), admin))

    await both.grant(ACCOUNT, feed_rules(account=ACCOUNT, feed=ACCOUNT, password="p"), only="ticks")

    assert Other.asked == 0
    assert ACCOUNT in await admin.execute_command("ACL", "USERS")

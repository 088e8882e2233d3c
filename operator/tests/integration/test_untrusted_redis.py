"""What a hostile or broken runner writes into its own keys troubles nobody but itself."""

import asyncio
import contextlib
import dataclasses

import pytest
from algo_contract import redis_keys
from algo_contract.messages.runner_state import RunnerState, state_hash
from algo_operator.context import Context, strategy_key
from algo_operator.errors import Unreadable
from algo_operator.runtime import poller
from algo_operator.runtime.feeds import poll_feeds
from algo_operator.runtime.state import FollowedFeed, FollowedStrategy
from algo_operator.runtime.runners import poll_events, poll_live, poll_states
from algo_operator.runtime.events import publish_events
from algo_operator.redis.clients import connect, redis_errors
from algo_operator.settings import Settings
from algo_operator.specs.redis_rules import runner_rules
from algo_operator.model.untrusted import moment_us, number, runner_state, stream_id
from algo_kube.cache import ObjectName
from redis.asyncio import Redis

BAD, GOOD = "str_aaaaaaaaaaaaaaaa", "str_bbbbbbbbbbbbbbbb"


@pytest.fixture
def context(bare_context) -> Context:
    for strategy, name in ((BAD, "bad"), (GOOD, "good")):
        key = strategy_key(ObjectName("tenant-a", name))
        bare_context.runtime.followed[strategy] = FollowedStrategy(key=key, uid=name)
    return bare_context


@pytest.fixture
async def admin(redis_server):
    client = Redis(port=redis_server.port)
    yield client
    await client.aclose()


async def taken(context: Context) -> set[str]:
    """The names in the queue."""
    found = set()
    while context.queue.depth():
        key = await context.queue.take()
        context.queue.done(key)
        found.add(key.name)
    return found


async def test_a_state_of_another_kind_spoils_nobody_elses_poll(context, admin):
    await admin.set(redis_keys.strategy(BAD, "state"), "x")
    await admin.hset(redis_keys.strategy(GOOD, "state"), "version", 7)

    await poll_states(context)

    assert context.runtime.followed[GOOD].version == "7"
    assert await taken(context) == {"bad", "good"}
    await poll_states(context)
    assert await taken(context) == set(), "nothing new"


async def test_events_of_another_kind_spoil_nobody_elses_story(context, admin):
    await admin.set(redis_keys.strategy(BAD, "events"), "x")
    await admin.hset(redis_keys.strategy(BAD, "events-seen"), "a", "b")
    await admin.xadd(redis_keys.strategy(GOOD, "events"), {"reason": "Bought", "message": "It did"})

    await poll_events(context)

    assert context.kube.told("good") == ["Bought"]
    assert context.runtime.followed[BAD].unreadable == {"events"}
    assert context.runtime.followed[GOOD].unreadable == set()
    await admin.delete(redis_keys.strategy(BAD, "events"))
    await poll_events(context)
    assert context.runtime.followed[BAD].unreadable == set()


@pytest.mark.parametrize(
    ("entry_id", "fields"),
    [
        ("*", {"reason": "Bought", "message": b"\xff\xfe", b"\xff": b"\xff"}),
        ("18446744073709551614-0", {"reason": "Bought", "message": "from the end of time"}),
    ],
)
async def test_events_out_of_bounds_are_told_all_the_same(context, admin, entry_id, fields):
    await admin.xadd(redis_keys.strategy(BAD, "events"), fields, id=entry_id)
    await admin.xadd(redis_keys.strategy(GOOD, "events"), {"reason": "Sold", "message": "It did"})

    await poll_events(context)

    assert context.kube.told("good") == ["Sold"]
    assert context.kube.told("bad") == ["Bought"]
    await poll_events(context)
    assert len(context.kube.bodies) == 2


@pytest.mark.parametrize("observed", ["nonsense", "99999999999999999999-0", "-"])
async def test_a_last_event_that_is_no_id_begins_anew(context, admin, observed):
    await admin.set(redis_keys.strategy(BAD, "events-seen"), observed)
    await admin.xadd(redis_keys.strategy(BAD, "events"), {"reason": "Bought"})
    await admin.xadd(redis_keys.strategy(GOOD, "events"), {"reason": "Sold"})

    await poll_events(context)

    assert (context.kube.told("bad"), context.kube.told("good")) == (["Bought"], ["Sold"])


@pytest.mark.parametrize("heartbeat", ["²", "9" * 400, "9" * 5000, "-1", "1e9"])
async def test_a_heartbeat_that_is_no_number_is_none(context, admin, heartbeat):
    context.runtime.followed[BAD].at_risk = context.runtime.followed[GOOD].at_risk = True
    live = {"heartbeat": heartbeat, "last_price": heartbeat}
    await admin.hset(redis_keys.strategy(BAD, "live"), mapping=live)
    await admin.hset(redis_keys.strategy(GOOD, "live"), "heartbeat", 5)

    await poll_live(context)

    assert context.runtime.followed[BAD].heartbeat_us is None
    assert context.runtime.followed[BAD].last_price is None
    assert context.runtime.followed[GOOD].heartbeat_us == 5


async def test_live_fields_of_another_kind_are_noted(context, admin):
    await admin.set(redis_keys.strategy(BAD, "live"), "x")
    await admin.hset(redis_keys.strategy(GOOD, "live"), "heartbeat", 5)

    await poll_live(context)

    assert context.runtime.followed[BAD].unreadable == {"live"}
    assert context.runtime.followed[GOOD].heartbeat_us == 5


async def test_a_story_that_cannot_be_read_holds_up_no_clean_up(context, admin):
    await admin.set(redis_keys.strategy(BAD, "events"), "x")

    await publish_events(context, BAD, None)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("SET", "1783327500000000", 1783327500000000),
        ("SET", "-1", None),
        ("SET", "1e9", None),
        ("SET", "9" * 5000, None),
        ("SET", b"\xff\xfe", None),
        ("SADD", "1783327500000000", None),
    ],
)
async def test_an_ended_session_is_heard_of_as_a_number_or_not_at_all(
    context, admin, kind, value, expected
):
    context.runtime.follows_feed = {strategy_key(ObjectName("tenant-a", "bad")): "brk_x"}
    await admin.execute_command(kind, redis_keys.feed_ended("brk_x"), value)
    await admin.set(redis_keys.feed_clock("brk_x"), "5")

    await poll_feeds(context)

    assert context.runtime.feeds["brk_x"].ended_us == expected
    assert context.runtime.feeds["brk_x"].clock_us == 5
    await taken(context)
    await admin.delete(redis_keys.feed_ended("brk_x"))
    await poll_feeds(context)
    assert await taken(context) == ({"bad"} if expected else set())


async def test_feeds_nobody_follows_are_forgotten(context):
    context.runtime.feeds["brk_gone"] = FollowedFeed()

    await poll_feeds(context)

    assert list(context.runtime.feeds) == ["shared"]


async def test_a_fault_in_one_step_ends_no_loop(context):
    calls = []

    async def broken(_: Context) -> None:
        calls.append(1)
        raise OverflowError

    task = asyncio.create_task(poller._repeat(context, 0.01, broken))
    for _ in range(200):
        await asyncio.sleep(0.02)
        if len(calls) > 2:
            break

    assert not task.done()
    assert len(calls) > 2
    task.cancel()


async def test_a_fault_of_ours_is_not_redis_being_away(context, monkeypatch):
    monkeypatch.setattr(poller, "_DOWN_AFTER_SECONDS", 0.05)

    async def broken(_: Context) -> None:
        raise ValueError

    monkeypatch.setattr(poller, "poll_states", broken)
    task = asyncio.create_task(poller._states(context, 0.02))
    await asyncio.sleep(0.3)

    assert not task.done()
    assert not context.runtime.redis_down
    task.cancel()


async def test_a_script_that_does_not_end_is_ended(context, admin):
    """The runner holds the server for all; the operator's own connections must be made again."""
    await admin.config_set("busy-reply-threshold", 200)
    rules = runner_rules(
        strategy=BAD,
        instrument=("NSE", "TCS"),
        feed="shared",
        account=None,
        tenant="usr-a",
        password="p",
    )
    await context.users.grant(BAD, rules)
    runner = Redis(port=admin.connection_pool.connection_kwargs["port"], username=BAD, password="p")
    held = asyncio.create_task(runner.eval("while true do end", 0))
    await asyncio.sleep(0.5)
    await context.redis.state.connection_pool.disconnect()

    mirror = asyncio.create_task(poller._states(context, 0.02))
    with pytest.raises(Exception, match="killed"):
        await asyncio.wait_for(held, 10)

    with redis_errors("state"):
        assert await context.redis.state.ping()
    mirror.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await mirror
    await runner.aclose()


async def test_another_kind_of_value_has_its_own_error(context, admin):
    await admin.set("a", "x")

    with pytest.raises(Unreadable), redis_errors("state"):
        await context.redis.state.hgetall("a")


async def test_the_password_is_read_anew_for_each_connection(redis_server, admin, tmp_path):
    await admin.execute_command("ACL", "SETUSER", "operator", "on", ">first", "~*", "&*", "+@all")
    file = tmp_path / "password"
    file.write_text("first\n")
    links = connect(
        Settings(
            runner_image="r",
            state_redis_url=redis_server.url,
            ticks_redis_url=redis_server.url,
            redis_password_file=file,
        )
    )
    assert await links.state.ping()
    await admin.execute_command("ACL", "SETUSER", "operator", "resetpass", ">second")
    file.write_text("second\n")
    await links.state.connection_pool.disconnect()

    assert await links.state.ping()
    await links.close()


def test_numbers_and_ids_are_bounded():
    assert (number("12"), number("²"), number("9" * 400), number(None)) == (12, None, None, None)
    assert number(str(9 * 10**17)) is None
    assert (stream_id("5-1"), stream_id("x"), stream_id(f"{2**64}-0")) == ("5-1", "0", "0")
    assert moment_us("18446744073709551614-0", now_us=7) == 7
    assert moment_us("2-0", now_us=10**9) == 2000


STATE = RunnerState(
    version=1,
    epoch=1,
    generation=1,
    trading_day="2026-07-06",
    execution="BOUGHT",
    reason="",
    position=10,
    average_price=295000,
    stop=289050,
    realized_pnl=-5,
    protection="runner",
    done=False,
    last_action="",
    updated_us=1,
)


@pytest.mark.parametrize(
    "field",
    [
        {"epoch": 2**63},
        {"average_price": 10**400},
        {"realized_pnl": -(10**30)},
        {"position": -(2**40)},
        {"trading_day": "someday"},
        {"execution": "FLYING"},
        {"protection": "prayer"},
        {"reason": "x" * 1000},
    ],
)
def test_a_state_out_of_bounds_cannot_be_read(field):
    assert runner_state(state_hash(STATE)) == STATE
    with pytest.raises(ValueError, match=r"unreadable|Invalid isoformat"):
        runner_state(state_hash(dataclasses.replace(STATE, **field)))

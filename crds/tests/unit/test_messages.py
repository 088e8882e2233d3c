"""What the operator hands a runner, and what a runner tells: there and back, errors in words."""

import datetime as dt
import json
from dataclasses import replace

import pytest
from algo_contract import calendar
from algo_contract.messages.assignment import Assignment, assignment_json, read_assignment
from algo_contract.messages.redis_server import RedisServer, read_redis, redis_json
from algo_contract.messages.runner_state import RunnerState, read_state, state_hash
from algo_contract.messages.feed_assignment import FeedAssignment, feed_json, read_feed
from support.factories.days import a_day, a_strategy
from hypothesis import given
from hypothesis import strategies as st

BANDS = calendar.tick_bands(dt.date(2026, 1, 2))
SERVER = RedisServer(host="h", port=6379, username="u", password="hush-hush")
STATE = RunnerState(
    version=7, epoch=2, generation=3, trading_day="2019-07-09", execution="BOUGHT", reason="",
    position=10, average_price=9500, stop=9300, realized_pnl=-52, protection="resting",
    done=False, last_action="Bought 10.", updated_us=1,
)  # fmt: skip


@pytest.mark.parametrize(
    "day",
    [
        a_day(),
        a_day(a_strategy(stop_loss_bps=150, trailing_bps=80, target_bps=200), clock="Wall"),
        a_day(a_strategy(order_type="Limit", limit_price=9450), account_id="brk_x", feed="brk_x"),
        a_day(freeze_quantity=5000, slippage_bps=3, tick_bands=BANDS),
    ],
)
def test_an_assignment__there_and_back(day: Assignment) -> None:
    assert read_assignment(assignment_json(day)) == day


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", "{}", '{"strategy": 5}'])
def test_what_is_no_assignment__is_told(text: str) -> None:
    with pytest.raises(ValueError, match="unreadable assignment"):
        read_assignment(text)


def test_an_assignment_without_a_field__names_it() -> None:
    fields = json.loads(assignment_json(a_day()))
    del fields["strategy"]["quantity"]

    with pytest.raises(ValueError, match="quantity"):
        read_assignment(json.dumps(fields))


def test_an_assignment_of_a_newer_release__is_read_without_what_is_new() -> None:
    fields = json.loads(assignment_json(a_day()))
    fields["colour"] = fields["strategy"]["quantity_new"] = fields["session"]["lunch"] = 1

    assert read_assignment(json.dumps(fields)) == a_day()


def test_an_assignment_of_a_format_to_come__is_refused() -> None:
    fields = json.loads(assignment_json(a_day())) | {"format": 2}

    with pytest.raises(ValueError, match="later release"):
        read_assignment(json.dumps(fields))


def test_redis_settings__there_and_back_and_never_in_an_error() -> None:
    text = redis_json(state=SERVER, ticks=replace(SERVER, port=1))

    assert read_redis(text) == (SERVER, replace(SERVER, port=1))
    assert "hush" not in repr(SERVER)
    with pytest.raises(ValueError, match="ticks") as told:
        read_redis(text.replace('"ticks"', '"tocks"'))
    assert "hush" not in str(told.value)


@given(
    st.builds(
        RunnerState,
        version=st.integers(0), epoch=st.integers(0), generation=st.integers(0),
        trading_day=st.just("2019-07-09"), execution=st.sampled_from(["WAITING", "SOLD"]),
        reason=st.sampled_from(["", "stop_loss"]), position=st.integers(0),
        average_price=st.integers(0), stop=st.integers(0), realized_pnl=st.integers(),
        protection=st.just("none"), done=st.booleans(), last_action=st.text(),
        updated_us=st.integers(0),
    )
)  # fmt: skip
def test_a_state__there_and_back(state: RunnerState) -> None:
    assert read_state(state_hash(state)) == state


def test_no_hash__is_no_state() -> None:
    assert read_state({}) is None


@pytest.mark.parametrize("field", sorted(state_hash(STATE)))
def test_a_state_without_a_field__is_told(field: str) -> None:
    fields = state_hash(STATE)
    del fields[field]

    with pytest.raises(ValueError, match="unreadable runner state"):
        read_state(fields)


@pytest.mark.parametrize(
    "feed",
    [
        FeedAssignment(account_id="brk_a", feed="brk_a", broker="dhan", clock="Wall"),
        FeedAssignment(
            account_id="brk_a",
            feed="shared",
            broker="zerodha",
            clock="Feed",
            base_url="http://sim:8100",
            feed_url="ws://sim:8100",
            egress_proxy="http://proxy:3128",
            feed_stale_seconds=9,
        ),
    ],
)
def test_feed_assignment__written__reads_back(feed):
    assert read_feed(feed_json(feed)) == feed


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"account_id": "a", "colour": "red"}'])
def test_feed_assignment__something_else__is_refused_in_words(text):
    with pytest.raises(ValueError, match="unreadable feed assignment"):
        read_feed(text)

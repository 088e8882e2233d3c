"""The state a process starts from: the journal's snapshot, the book found by tag, another day's."""

from dataclasses import replace

import pytest
from algo_contract.ids import order_tag
from algo_engine.orders import OrderReport, Terms
from algo_engine.replay import _Run, replay_day
from algo_engine.state import State, execution, is_flat, position, reason_of
from algo_runner.recovery.state import recovered_state
from algo_runner.journal_entry import read_snapshot, snapshot
from support.factories.days import a_day, a_strategy, ticks_at
from hypothesis import given, settings
from support.factories.random_days import RandomDay, a_random_day

DAY = a_day()
TODAY = DAY.session.trading_day


def tag(leg: str, attempt: int = 1) -> str:
    return order_tag(DAY.strategy.uid, TODAY, leg, attempt)  # type: ignore[arg-type]


def row(leg: str, status: str, *, attempt: int = 1, filled: int = 0, stop: int = 0) -> OrderReport:
    terms = Terms(type="STOP_MARKET" if stop else "MARKET", quantity=10, trigger_price=stop)
    return OrderReport(
        tag=tag(leg, attempt),
        status=status,  # type: ignore[arg-type]
        terms=terms,
        filled=filled,
        value=filled * 9500,
    )


def state_after(prices: list[int]) -> State:
    run = _Run(DAY)
    for _, _, time_us, price, _, _ in ticks_at(prices):
        run.tick(price, time_us)
    return run.state


@settings(max_examples=100, deadline=None)
@given(a_random_day(most_ticks=15))
def test_a_snapshot__there_and_back(random: RandomDay) -> None:
    run = _Run(random.day)
    session = random.day.session
    for time_us, price in random.pairs:
        assert read_snapshot(snapshot(run.state)) == run.state
        if price > 0 and session.open_us <= time_us <= session.close_us:
            run.tick(price, time_us)
    assert read_snapshot(snapshot(run.state)) == run.state


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"strategy": {}}', "null"])
def test_what_is_no_snapshot__is_told(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's words or ours
        read_snapshot(text)


def test_a_snapshot_of_an_older_release__lacks_only_what_has_a_default() -> None:
    state = state_after([9500])
    older = snapshot(state).replace(',"again_us":0', "")

    assert read_snapshot(older) == state


def test_nothing_known__starts_fresh() -> None:
    state = recovered_state(DAY, None, [])

    assert (execution(state), position(state)) == ("WAITING", 0)


def test_the_journal_of_today__goes_on() -> None:
    state = state_after([9500, 9510])

    assert recovered_state(DAY, snapshot(state), []) == state


def test_with_the_journal_lost__the_book_tells_of_the_position() -> None:
    rows = [row("entry", "FILLED", filled=10), row("exit", "TRIGGER_PENDING", stop=9300)]

    state = recovered_state(DAY, None, rows)

    assert state.entry is not None
    assert state.entry.tag == tag("entry")
    assert [order.tag for order in state.exits] == [tag("exit")]
    assert state.exit_reason is None


def test_with_the_journal_lost__an_exit_at_work_is_carried_on() -> None:
    rows = [row("entry", "FILLED", filled=10), row("exit", "OPEN", attempt=3)]

    state = recovered_state(DAY, None, rows)

    assert reason_of(state) == "exited"
    assert [order.attempt for order in state.exits] == [3]


def test_rows_of_other_strategies__are_not_ours() -> None:
    other = replace(row("entry", "FILLED", filled=10), tag="SOMEBODYELSES0000000")

    assert recovered_state(DAY, None, [other]).entry is None


def test_a_position_left_from_another_day__fails_and_is_said() -> None:
    left = replace(state_after([9500]), trading_day="2019-07-08")

    state = recovered_state(DAY, snapshot(left), [])

    assert (execution(state), reason_of(state)) == ("FAILED", "unresolved")
    assert "2019-07-08" in state.last_action


@pytest.mark.parametrize("prices", [[9500, 9290], [9200]])
def test_another_day_that_ended_flat__starts_fresh(prices: list[int]) -> None:
    state = replace(replay_day(DAY, ticks_at(prices)).state, trading_day="2019-07-08")
    assert is_flat(state)

    assert execution(recovered_state(DAY, snapshot(state), [])) == "WAITING"


def test_an_entry_of_another_day_that_was_never_sent__starts_fresh() -> None:
    state = state_after([9500])
    assert state.entry is not None
    never = replace(state.entry, status="DENIED", filled=0, value=0)
    left = State(strategy=a_strategy(), trading_day="2019-07-08", entry=never)

    assert execution(recovered_state(DAY, snapshot(left), [])) == "WAITING"

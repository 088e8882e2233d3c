"""Random strategies on random ticks: the engine's replay against the oracle's plain words."""

from dataclasses import replace

from algo_engine.replay import DayResult, replay_day
from algo_engine.state import execution, is_done, is_flat, position, realized_pnl, reason_of
from hypothesis import given, settings
from hypothesis import strategies as st

from support.factories.days import a_day, a_strategy, ticks_at
from support.factories.oracle import Outcome, expected
from support.factories.random_days import STEP, RandomDay, a_random_day


def outcome(result: DayResult) -> tuple[object, ...]:
    state = result.state
    sells = [order for order in state.exits if order.filled]
    bought = state.entry.value if state.entry and state.entry.filled else None
    return (
        execution(state),
        reason_of(state),
        bought,
        sum(order.value for order in sells) if sells else None,
        realized_pnl(state),
    )


def expected_outcome(wanted: Outcome, quantity: int) -> tuple[object, ...]:
    return (
        wanted.execution,
        wanted.reason,
        None if wanted.bought_at is None else wanted.bought_at * quantity,
        None if wanted.sold_at is None else wanted.sold_at * quantity,
        wanted.pnl(quantity),
    )


@settings(max_examples=500, deadline=None)
@given(a_random_day())
def test_a_replayed_day__ends_as_the_oracle_says(random: RandomDay) -> None:
    result = replay_day(random.day, random.ticks)

    strategy = random.day.strategy
    wanted = expected(strategy, random.day.session, random.pairs, step=STEP)
    assert outcome(result) == expected_outcome(wanted, strategy.quantity)
    assert is_flat(result.state)
    assert is_done(result.state)
    assert position(result.state) == 0
    assert result.ticks == len(random.ticks)
    assert sum(order.filled > 0 for order in result.state.exits) <= 1
    assert not any(order.is_live for order in result.state.exits)


@settings(max_examples=100, deadline=None)
@given(a_random_day(least_bps=150), st.integers(0, 60))
def test_slippage__is_paid_on_both_sides(random: RandomDay, slippage_bps: int) -> None:
    strategy = replace(random.day.strategy, order_type="Market", limit_price=None)
    if strategy.stop_loss is not None:
        strategy = replace(strategy, stop_loss=None, stop_loss_bps=200)
    day = replace(random.day, strategy=strategy, slippage_bps=slippage_bps)

    result = replay_day(day, random.ticks)

    wanted = expected(strategy, day.session, random.pairs, step=STEP, slippage_bps=slippage_bps)
    assert outcome(result) == expected_outcome(wanted, strategy.quantity)


def test_bought_over_the_target_on_the_last_tick__is_sold_by_the_clock() -> None:
    day = a_day(a_strategy(target=9510))

    state = replay_day(day, ticks_at([9510])).state

    assert (execution(state), reason_of(state)) == ("SOLD", "sell_time")


def test_a_tick_stamped_before_the_open__is_no_price_to_sell_at() -> None:
    before_the_open = ticks_at([9999], start="09:00")

    state = replay_day(a_day(), ticks_at([9500, 9510]) + before_the_open).state

    assert [order.value for order in state.exits] == [95_100]

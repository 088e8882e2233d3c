"""A tick that `watch` lets pass would have changed nothing: fed to engine and book all the same."""

from dataclasses import replace

from algo_contract.messages.assignment import Assignment
from algo_engine import paper_book
from algo_engine.events import StrategyEdited, Tick, Timer
from algo_engine.paper_book import PaperBook
from algo_engine.replay import _Run
from algo_engine.state import State
from algo_engine.step import step
from algo_engine.triggers import NO_TICK, Triggers, triggers
from hypothesis import given, settings
from hypothesis import strategies as st

from support.factories.engine_driver import ByHand, modified
from support.factories.days import a_day, a_strategy, ticks_at
from support.factories.random_days import RandomDay, a_random_day


def without_ticks(state: State) -> State:
    return replace(state, last_price=0, time_us=0, cursor="")


def assert_idle(day: Assignment, state: State, book: PaperBook | None, price: int, us: int) -> None:
    after, actions = step(state, day, Tick(price, us))
    assert actions == []
    assert without_ticks(after) == without_ticks(state)
    if book is not None:
        assert paper_book.trade(book, price) is book


@settings(max_examples=300, deadline=None)
@given(a_random_day(most_ticks=20), st.data())
def test_what_the_watch_lets_pass__changes_nothing(random: RandomDay, data: st.DataObject) -> None:
    run, day = _Run(random.day), random.day
    session = day.session
    for time_us, price in random.pairs:
        if price <= 0 or not session.open_us <= time_us <= session.close_us:
            continue
        low, high, at_us = run.wake()
        if low < price < high and time_us < at_us:
            assert_idle(day, run.state, run.book, price, time_us)
        run.tick(price, time_us)
    wanted = triggers(run.state, day, run.book)
    if wanted.low + 1 < wanted.high and run.state.time_us < wanted.at_us:
        price = data.draw(st.integers(wanted.low + 1, min(wanted.high - 1, 20_000_00)))
        last_us = max(run.state.time_us, min(wanted.at_us - 1, session.close_us))
        us = data.draw(st.integers(run.state.time_us, last_us))
        assert_idle(day, run.state, run.book, price, us)


def test_done__no_tick_matters() -> None:
    day = a_day()
    run = _Run(day)
    for _, _, time_us, price, _, _ in ticks_at([9500, 9290]):
        run.tick(price, time_us)

    assert triggers(run.state, day, run.book) == NO_TICK


def test_holding__the_stop_the_target_and_the_sell_time_matter() -> None:
    day = a_day(a_strategy(target=9700))
    run = _Run(day)
    run.tick(9500, ticks_at([9500])[0][2])

    sell_us = day.session.midnight_us + day.strategy.sell_time * 1_000_000
    assert triggers(run.state, day, run.book) == Triggers(9300, 9700, sell_us)


def test_a_change_of_the_stop_that_has_to_wait__is_woken_up_for() -> None:
    hand = ByHand()
    stop = hand.hold()
    hand.wait(5)
    assert modified(hand.hear(StrategyEdited(replace(hand.state.strategy, stop_loss=9350)))) == (
        "STOP_MARKET", 10, 9350,
    )  # fmt: skip
    hand.show(stop, "TRIGGER_PENDING", trigger_price=9350)
    hand.answer(stop, "modify")

    assert hand.hear(StrategyEdited(replace(hand.state.strategy, stop_loss=9320))) == []

    due_us = triggers(hand.state, hand.day, None).at_us
    assert due_us == hand.now_us + 1_000_000
    assert modified(hand.hear(Timer(due_us))) == ("STOP_MARKET", 10, 9320)


def test_a_part_filled_entry__its_end_and_the_guard_both_matter() -> None:
    hand = ByHand()
    hand.buy(filled=4)
    hand.answer(hand.exit_tag, "place", "denied")
    while hand.state.exit_retry_us <= hand.now_us:
        hand.answer(hand.exit_tag, "place", "denied")

    assert triggers(hand.state, hand.day, None).at_us == hand.state.exit_retry_us

"""Edits and commands while a strategy runs."""

from dataclasses import replace
from typing import Any

import pytest
from algo_engine.events import Cancel, Command, StrategyEdited, Request
from algo_engine.pricing import stop_in_force
from algo_engine.state import execution, reason_of

from support.factories.engine_driver import ByHand, modified
from support.factories.days import a_day, a_strategy


def edit(hand: ByHand, **fields: Any) -> list[Request]:
    changed = replace(hand.state.strategy, generation=2, **fields)
    return hand.hear(StrategyEdited(changed))


def test_before_the_entry__every_term_counts() -> None:
    hand = ByHand()

    edit(hand, quantity=7, stop_loss=9400)
    (request,) = hand.tick(9500)

    assert request.order.terms.quantity == 7
    assert hand.state.strategy.generation == 2


@pytest.mark.parametrize(
    "fields", [{"quantity": 99}, {"buy_time": 1}, {"symbol": "OTHER"}, {"entry_grace": 1}]
)
def test_in_position__what_would_change_the_trade_waits(fields: dict[str, Any]) -> None:
    hand = ByHand()
    hand.hold()
    before = hand.state.strategy

    assert edit(hand, **fields) == []
    assert hand.state.strategy == replace(before, generation=2)


def test_in_position__a_new_stop_moves_the_resting_one() -> None:
    hand = ByHand()
    hand.hold()
    hand.wait(2)

    assert modified(edit(hand, stop_loss=9400)) == ("STOP_MARKET", 10, 9400)


@pytest.mark.parametrize("stop", [9500, 9600])
def test_a_stop_at_or_above_the_last_price__is_refused_and_the_old_one_stays(stop: int) -> None:
    hand = ByHand()
    hand.hold()

    assert edit(hand, stop_loss=stop) == []
    assert stop_in_force(hand.state, hand.day.tick_bands) == 9300
    assert hand.told[-1].is_warning
    assert "use exit" in hand.told[-1].message
    assert hand.state.strategy.generation == 2


def test_a_sell_time_that_has_passed__sells_now() -> None:
    hand = ByHand()
    hand.hold()

    assert modified(edit(hand, sell_time=9 * 3600)) == ("MARKET", 10, 0)
    assert reason_of(hand.state) == "sell_time"


def test_stopped__sells_now_and_says_so() -> None:
    hand = ByHand()
    hand.hold()

    assert modified(edit(hand, desired_state="Stopped")) == ("MARKET", 10, 0)
    assert reason_of(hand.state) == "stopped"


def test_paused__makes_no_entry_and_guards_what_is_held() -> None:
    waiting, holding = ByHand(), ByHand()
    holding.hold()

    edit(waiting, desired_state="Paused")
    edit(holding, desired_state="Paused")

    assert waiting.tick(9500) == []
    assert modified(holding.tick(9300)) == ("MARKET", 10, 0)


def test_resumed_within_the_grace__enters_after_it_is_missed() -> None:
    early, late = ByHand(), ByHand()
    for hand, seconds in ((early, 30), (late, 61)):
        hand.hear(Command("1-1", "pause"))
        hand.wait(seconds)
        hand.hear(Command("1-2", "resume"))

    assert len(early.tick(9500)) == 1
    assert late.tick(9500) == []
    assert reason_of(late.state) == "missed"


def test_an_exit_command__sells_once_however_often_it_comes() -> None:
    hand = ByHand()
    hand.hold()

    assert modified(hand.hear(Command("5-1", "exit"))) == ("MARKET", 10, 0)
    assert hand.hear(Command("5-2", "exit")) == []
    assert hand.state.last_command == "5-2"


def test_an_exit_before_the_entry__is_final_for_the_day() -> None:
    hand = ByHand()
    hand.hear(Command("1-1", "exit"))
    edit(hand, exit_requested=False)

    assert hand.tick(9500) == []
    assert (execution(hand.state), reason_of(hand.state)) == ("STOPPED", "exited")


def test_no_edit_enters_twice() -> None:
    hand = ByHand()
    stop = hand.hold()
    hand.tick(9290)
    hand.show(stop, "FILLED", type="MARKET", trigger_price=0, filled=10, price=9290)

    edit(hand, buy_time=hand.day.strategy.buy_time + 60, desired_state="Active")

    assert hand.tick(9500, after=70) == []


def test_stopped_while_the_entry_rests__cancels_it() -> None:
    hand = ByHand(a_day(a_strategy(order_type="Limit", limit_price=9450), clock="Wall"))
    (entry,) = hand.tick(9500)
    hand.answer(entry.order.tag, "place")

    assert edit(hand, desired_state="Stopped") == [Cancel(entry.order.tag)]
    hand.answer(entry.order.tag, "cancel")
    hand.show(entry.order.tag, "CANCELLED")
    assert (execution(hand.state), reason_of(hand.state)) == ("STOPPED", "stopped")


def test_a_trail_that_is_widened__moves_the_resting_stop_down() -> None:
    hand = ByHand(a_day(a_strategy(trailing_bps=100), clock="Wall"))
    stop = hand.hold()
    (change,) = hand.tick(9800, after=5)
    hand.show(stop, "TRIGGER_PENDING", trigger_price=change.terms.trigger_price)
    hand.answer(stop, "modify")
    hand.wait(2)

    assert modified(edit(hand, trailing_bps=300)) == ("STOP_MARKET", 10, 9510)


def test_a_trail_that_is_taken_away__leaves_the_own_stop() -> None:
    hand = ByHand(a_day(a_strategy(trailing_bps=100), clock="Wall"))
    stop = hand.hold()
    (change,) = hand.tick(9800, after=5)
    hand.show(stop, "TRIGGER_PENDING", trigger_price=change.terms.trigger_price)
    hand.answer(stop, "modify")
    hand.wait(2)

    assert modified(edit(hand, trailing_bps=None)) == ("STOP_MARKET", 10, 9300)

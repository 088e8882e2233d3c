"""What went wrong in comparable projects (design: known-failures.md), where the engine decides."""

from dataclasses import replace

import pytest
from algo_contract.ids import order_tag
from algo_engine.events import Cancel, StrategyEdited, ProcessResumed
from algo_engine.state import (
    bought,
    execution,
    is_done,
    is_flat,
    live_exit,
    position,
    protection,
    reason_of,
)

from support.factories.engine_driver import ByHand, modified, placed
from support.factories.days import a_day, a_strategy


def test_openalgo_1304__a_stop_fires_when_it_is_touched() -> None:
    hand = ByHand()
    hand.hold()

    assert modified(hand.tick(9300)) == ("MARKET", 10, 0)


def test_openalgo_1304__a_stop_fires_when_it_is_gapped_through() -> None:
    hand = ByHand()
    hand.hold()

    assert modified(hand.tick(1)) == ("MARKET", 10, 0)


def test_openalgo_1647__a_resting_stop_asks_for_its_trigger_and_no_limit() -> None:
    hand = ByHand()

    assert placed(hand.buy()) == ("SELL", "STOP_MARKET", 10, 9300)


def test_openalgo_932__an_entry_is_asked_for_once() -> None:
    hand = ByHand()
    first = hand.tick(9500)

    again = [request for price in (9500, 9510, 9490) for request in hand.tick(price, after=1)]

    assert len(first) == 1
    assert again == []
    assert hand.hear(ProcessResumed()) == []


def test_nautilus_3176__no_answer_to_an_entry__is_never_sent_again() -> None:
    hand = ByHand()
    hand.tick(9500)

    hand.answer(hand.entry_tag, "place", "unresolved")

    assert hand.tick(9500, after=1) == []
    assert hand.tick(9500, after=40) == []


def test_hummingbot_8457__no_answer_to_an_order_that_was_taken__is_followed_all_the_same() -> None:
    hand = ByHand()
    (request,) = hand.buy()
    hand.answer(request.order.tag, "place", "unresolved")

    hand.show(request.order.tag, "TRIGGER_PENDING")

    assert protection(hand.state) == "resting"
    assert modified(hand.tick(9290)) == ("MARKET", 10, 0)


def test_freqtrade_3647__a_fill_after_the_cancel__is_guarded() -> None:
    hand = ByHand(a_day(a_strategy(order_type="Limit", limit_price=9490), clock="Wall"))
    (entry,) = hand.tick(9500)
    hand.answer(entry.order.tag, "place")
    hand.show(entry.order.tag, "OPEN")
    assert hand.wait(61) == [Cancel(entry.order.tag)]
    hand.answer(entry.order.tag, "cancel")
    hand.show(entry.order.tag, "CANCELLED")
    assert is_done(hand.state)

    late = hand.show(entry.order.tag, "CANCELLED", filled=4, price=9490)

    assert placed(late) == ("SELL", "STOP_MARKET", 4, 9300)
    assert not is_done(hand.state)
    assert execution(hand.state) == "BOUGHT"


def test_freqtrade_3647__a_fill_after_the_decision_to_leave__is_sold() -> None:
    hand = ByHand()
    hand.buy(filled=4)
    hand.tick(9290)
    stop = hand.exit_tag
    hand.answer(stop, "place")
    hand.show(stop, "FILLED", type="MARKET", trigger_price=0, filled=4, price=9290)
    hand.answer(hand.entry_tag, "cancel")
    hand.show(hand.entry_tag, "CANCELLED", filled=4)
    assert is_flat(hand.state)

    late = hand.show(hand.entry_tag, "CANCELLED", filled=6)

    assert placed(late) == ("SELL", "MARKET", 2, 0)


def test_freqtrade_8374__the_stop_has_the_size_of_what_filled() -> None:
    hand = ByHand()

    assert placed(hand.buy(filled=3)) == ("SELL", "STOP_MARKET", 3, 9300)

    hand.answer(hand.exit_tag, "place")
    hand.show(hand.exit_tag, "TRIGGER_PENDING")
    assert modified(hand.show(hand.entry_tag, "FILLED", filled=10)) == ("STOP_MARKET", 10, 9300)


def test_freqtrade_11608__after_the_trade_no_stop_is_left() -> None:
    hand = ByHand()
    stop = hand.hold()
    hand.tick(9290)
    hand.answer(stop, "modify")

    hand.show(stop, "FILLED", type="MARKET", trigger_price=0, filled=10, price=9290)

    assert live_exit(hand.state) is None
    assert is_flat(hand.state)
    assert hand.tick(9000, after=1) == []


def test_freqtrade_5451__trailing_changes_the_stop_in_place() -> None:
    hand = ByHand(a_day(a_strategy(trailing_bps=100), clock="Wall"))
    stop = hand.hold()

    (change,) = hand.tick(9800, after=5)

    assert change.tag == stop
    assert change.terms.trigger_price == 9705
    assert hand.state.exits[0].status == "TRIGGER_PENDING"


@pytest.mark.parametrize("ends", ["CANCELLED", "REJECTED"])
def test_freqtrade_2177__a_stop_that_vanishes_is_not_placed_for_ever(ends: str) -> None:
    hand = ByHand()
    hand.buy()
    for _ in range(20):
        if live_exit(hand.state) is None:
            break
        hand.show(hand.exit_tag, ends)
        hand.tick(9500, after=2)

    assert len(hand.state.exits) <= 3
    assert protection(hand.state) == "runner"
    assert placed(hand.tick(9290, after=2)) == ("SELL", "MARKET", 10, 0)


def test_nautilus_4736__a_restart_leaves_a_healthy_position_alone() -> None:
    hand = ByHand()
    hand.hold()

    assert hand.hear(ProcessResumed()) == []
    assert execution(hand.state) == "BOUGHT"


def test_nautilus_3046__a_fill_heard_twice_counts_once() -> None:
    hand = ByHand()
    hand.hold()

    assert hand.show(hand.entry_tag, "FILLED", filled=10) == []
    assert hand.show(hand.entry_tag, "OPEN", filled=3) == []
    assert bought(hand.state) == 10


def test_nautilus_5000__an_order_that_the_book_shows_is_not_dropped_for_a_refusal() -> None:
    hand = ByHand()
    (request,) = hand.buy()
    stop = request.order.tag
    hand.show(stop, "TRIGGER_PENDING")

    assert hand.answer(stop, "place", "rejected") == []

    assert hand.exit_tag == stop


def test_hummingbot_1508__no_trade_after_the_stop() -> None:
    hand = ByHand()
    hand.hear(StrategyEdited(replace(hand.day.strategy, desired_state="Stopped")))
    hand.hear(StrategyEdited(replace(hand.day.strategy, desired_state="Active")))

    assert hand.tick(9500) == []
    assert (execution(hand.state), reason_of(hand.state)) == ("STOPPED", "stopped")


def test_hummingbot_3277__an_exit_that_rests_unfilled_is_kept_working() -> None:
    hand = ByHand()
    stop = hand.hold()
    hand.tick(9290)
    hand.answer(stop, "modify")
    hand.show(stop, "OPEN", type="MARKET", trigger_price=0)

    assert hand.tick(9200, after=60) == []
    assert execution(hand.state) == "SELLING"
    assert position(hand.state) == 10


def test_tradetron__an_unclear_answer_to_the_entry_does_not_stop_the_exit() -> None:
    hand = ByHand()
    hand.tick(9500)
    hand.answer(hand.entry_tag, "place", "unresolved")
    hand.show(hand.entry_tag, "OPEN", filled=4)
    hand.answer(hand.exit_tag, "place")
    hand.show(hand.exit_tag, "TRIGGER_PENDING")

    requests = hand.tick(9290)

    assert Cancel(hand.entry_tag) in requests
    assert modified([r for r in requests if r != Cancel(hand.entry_tag)]) == ("MARKET", 4, 0)


def test_kite_forum__recovery_searches_by_tag_alone() -> None:
    hand = ByHand()
    hand.hold()
    uid, day = hand.day.strategy.uid, hand.day.session.trading_day

    assert hand.entry_tag == order_tag(uid, day, "entry", 1)
    assert hand.exit_tag == order_tag(uid, day, "exit", 1)

"""One step at a time: refusals, lost answers, partial fills, the rules of when to ask again."""

from algo_engine.events import Cancel
from algo_engine.state import execution, is_flat, position, protection, reason_of

from support.factories.engine_driver import ByHand, modified, placed
from support.factories.days import a_day, a_strategy


def test_a_late_tick__triggers_the_stop_but_no_entry_and_no_target() -> None:
    hand = ByHand(a_day(a_strategy(target=9600), clock="Wall"))

    assert hand.tick(9500, is_late=True) == []

    hand.hold()
    assert hand.tick(9700, is_late=True) == []
    assert modified(hand.tick(9300, is_late=True)) == ("MARKET", 10, 0)


def test_sell_time__needs_no_tick() -> None:
    hand = ByHand(a_day(a_strategy(sell_time=9 * 3600 + 30 * 60), clock="Wall"))
    hand.hold()

    assert modified(hand.wait(600)) == ("MARKET", 10, 0)
    assert reason_of(hand.state) == "sell_time"


def test_a_refused_modify__cancels_and_sells_what_is_left() -> None:
    hand = ByHand()
    stop = hand.hold()
    hand.tick(9290)

    assert hand.answer(stop, "modify", "rejected") == [Cancel(stop)]
    hand.answer(stop, "cancel")
    assert placed(hand.show(stop, "CANCELLED")) == ("SELL", "MARKET", 10, 0)


def test_a_stop_that_filled_in_part_before_its_cancel__the_rest_is_sold() -> None:
    hand = ByHand()
    stop = hand.hold()
    hand.tick(9290)
    hand.answer(stop, "modify", "rejected")

    assert placed(hand.show(stop, "CANCELLED", filled=7)) == ("SELL", "MARKET", 3, 0)


def test_a_refused_cancel__is_not_repeated_in_the_same_breath() -> None:
    hand = ByHand()
    stop = hand.hold()
    hand.tick(9290)
    hand.answer(stop, "modify", "rejected")

    assert hand.answer(stop, "cancel", "rejected") == []
    assert hand.wait(0.1) == []
    assert hand.wait(0.2) == [Cancel(stop)]


def test_a_change_that_was_never_sent__is_asked_for_again_a_little_later() -> None:
    hand = ByHand()
    stop = hand.hold()
    hand.tick(9290)

    assert hand.answer(stop, "modify", "denied") == []
    assert modified(hand.wait(0.3)) == ("MARKET", 10, 0)


def test_an_unresolved_modify__is_repeated_at_once() -> None:
    hand = ByHand()
    stop = hand.hold()
    hand.tick(9290)

    assert modified(hand.answer(stop, "modify", "unresolved")) == ("MARKET", 10, 0)


def test_an_answer_to_what_is_not_in_flight__changes_nothing() -> None:
    hand = ByHand()
    stop = hand.hold()
    hand.tick(9290)
    before = hand.state

    hand.answer(stop, "place")
    hand.answer("UNKNOWN", "place", "rejected")

    assert hand.state == before


def test_more_sold_than_bought__the_rest_is_cancelled_and_nothing_more_is_sold() -> None:
    hand = ByHand()
    first = hand.hold()
    hand.tick(9290)
    hand.answer(first, "modify", "rejected")
    hand.answer(first, "cancel")
    hand.show(first, "CANCELLED")
    second = hand.exit_tag
    hand.answer(second, "place")
    hand.show(second, "OPEN", filled=3)

    requests = hand.show(first, "CANCELLED", filled=10)

    assert position(hand.state) == -3
    assert requests == [Cancel(second)]
    assert not is_flat(hand.state)


def test_a_refused_exit__is_tried_again_after_a_second_under_the_next_tag() -> None:
    hand = ByHand()
    hand.buy()
    hand.answer(hand.exit_tag, "place", "rejected")
    assert protection(hand.state) == "runner"
    hand.tick(9290)
    hand.answer(hand.exit_tag, "place", "rejected")

    assert hand.wait(0.5) == []
    assert placed(hand.wait(0.6)) == ("SELL", "MARKET", 10, 0)
    assert len({order.tag for order in hand.state.exits}) == 3


def test_a_refused_entry__is_final() -> None:
    hand = ByHand()
    hand.tick(9500)
    hand.answer(hand.entry_tag, "place", "rejected")

    assert hand.tick(9500, after=1) == []
    assert (execution(hand.state), reason_of(hand.state)) == ("WAITING", "refused")


def test_an_entry_that_was_never_sent__is_made_at_the_next_tick_under_the_next_tag() -> None:
    hand = ByHand()
    (first,) = hand.tick(9500)
    assert hand.answer(hand.entry_tag, "place", "denied") == []

    (second,) = hand.tick(9500, after=1)

    assert second.order.tag != first.order.tag


def test_a_growing_position__changes_the_stop_at_most_once_a_second() -> None:
    hand = ByHand()
    hand.buy(filled=1)
    stop = hand.exit_tag
    hand.answer(stop, "place")
    hand.show(stop, "TRIGGER_PENDING")
    hand.wait(2)
    assert modified(hand.show(hand.entry_tag, "OPEN", filled=2)) == ("STOP_MARKET", 2, 9300)
    hand.show(stop, "TRIGGER_PENDING", quantity=2)
    hand.answer(stop, "modify")

    assert hand.show(hand.entry_tag, "OPEN", filled=9) == []
    assert modified(hand.wait(1)) == ("STOP_MARKET", 9, 9300)


def test_a_long_rise__changes_the_stop_twelve_times_at_most_and_keeps_one_for_the_exit() -> None:
    hand = ByHand(a_day(a_strategy(trailing_bps=100), clock="Wall"))
    stop = hand.hold()
    changes = 0
    for price in range(9500, 20_000, 5):
        for request in hand.tick(price, after=2):
            changes += 1
            hand.show(stop, "TRIGGER_PENDING", trigger_price=request.terms.trigger_price)
            hand.answer(stop, "modify")

    assert 5 < changes <= 12
    assert modified(hand.tick(19_000)) == ("MARKET", 10, 0)
    assert reason_of(hand.state) == "trailing_stop"

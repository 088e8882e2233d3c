"""What real brokers do and paper does not: orders that the book does not show, rows older than a
change, protected exits that rest, stops that must be limits."""

from dataclasses import replace

from algo_contract.assignment import InstrumentFacts, Live
from algo_engine.events import Cancel, Place, Request, Seen
from algo_engine.orders import OrderRow, Terms
from algo_engine.state import execution, is_done, is_flat, position, reason_of

from by_hand import ByHand, modified, placed
from days import a_day, a_strategy

FACTS = InstrumentFacts(token=3050241, tick_size=5)


def live_day(**fields):
    return a_day(clock="Wall", broker="zerodha", live=Live(instrument=FACTS), **fields)


def test_an_entry_that_the_book_never_showed__is_given_up_and_watched_till_the_close() -> None:
    hand = ByHand(live_day())
    (request,) = hand.tick(9500)
    assert isinstance(request, Place)
    hand.answer(request.order.tag, "place", "unresolved")

    assert hand.answer(request.order.tag, "place", "absent") == []

    assert (execution(hand.state), reason_of(hand.state)) == ("WAITING", "unresolved")
    assert hand.tick(9500, after=1) == []
    assert is_flat(hand.state)
    assert not is_done(hand.state)


def test_an_absent_entry_that_appears_after_all__is_cancelled() -> None:
    hand = ByHand(live_day())
    hand.tick(9500)
    hand.answer(hand.entry_tag, "place", "absent")

    assert hand.show(hand.entry_tag, "OPEN") == [Cancel(hand.entry_tag)]


def test_an_absent_entry_that_fills_after_all__is_sold_at_once() -> None:
    hand = ByHand(live_day())
    hand.tick(9500)
    hand.answer(hand.entry_tag, "place", "absent")

    assert placed(hand.show(hand.entry_tag, "FILLED", filled=10)) == ("SELL", "MARKET", 10, 0)
    assert reason_of(hand.state) == "unresolved"


def exiting_with_an_absent_order() -> tuple[ByHand, str, str]:
    """In position, its stop cancelled, the exit after it absent; that tag and the next."""
    hand = ByHand(live_day())
    stop = hand.hold()
    hand.tick(9290)
    hand.answer(stop, "modify", "rejected")
    hand.answer(stop, "cancel")
    (first,) = hand.show(stop, "CANCELLED")
    assert isinstance(first, Place)
    hand.answer(first.order.tag, "place", "unresolved")
    (second,) = hand.answer(first.order.tag, "place", "absent")
    assert isinstance(second, Place)
    assert second.order.tag != first.order.tag
    hand.answer(second.order.tag, "place")
    hand.show(second.order.tag, "OPEN")
    return hand, first.order.tag, second.order.tag


def test_an_absent_exit_that_appears_beside_the_next__is_cancelled_as_surplus() -> None:
    hand, first, _ = exiting_with_an_absent_order()

    assert hand.show(first, "OPEN") == [Cancel(first)]


def test_an_absent_exit_that_fills__takes_the_next_one_back() -> None:
    hand, first, second = exiting_with_an_absent_order()

    assert hand.show(first, "FILLED", filled=10) == [Cancel(second)]
    hand.answer(second, "cancel")
    hand.show(second, "CANCELLED")
    assert execution(hand.state) == "SOLD"


def test_two_exits_that_both_fill__are_a_person_s_matter() -> None:
    hand, first, second = exiting_with_an_absent_order()
    hand.show(second, "FILLED", filled=10)
    assert execution(hand.state) == "SOLD"

    assert hand.show(first, "FILLED", filled=10) == []

    assert execution(hand.state) == "FAILED"
    assert position(hand.state) == -10
    assert hand.told[-1].reason == "Oversold"


def test_a_row_older_than_the_newest_change__does_not_undo_it() -> None:
    hand = ByHand(live_day())
    stop = hand.hold()
    before = hand.state.exits[0].terms
    hand.tick(9290)
    hand.answer(stop, "modify")

    old = {"type": before.type, "trigger_price": before.trigger_price}
    assert hand.show(stop, "TRIGGER_PENDING", **old) == []

    hand.wait(6)
    assert modified(hand.show(stop, "TRIGGER_PENDING", **old)) == ("MARKET", 10, 0)


def test_a_stop_whose_changes_are_undone_again_and_again__is_cancelled_instead() -> None:
    hand = ByHand(live_day())
    stop = hand.hold()
    before = hand.state.exits[0].terms
    asked = hand.tick(9290)
    for _ in range(3):
        assert modified(asked) == ("MARKET", 10, 0)
        hand.answer(stop, "modify")
        hand.wait(6)
        asked = hand.show(
            stop, "TRIGGER_PENDING", type=before.type, trigger_price=before.trigger_price
        )

    assert asked == [Cancel(stop)]


def test_a_broker_without_market_stops__gets_a_stop_limit_a_band_under_its_trigger() -> None:
    hand = ByHand(live_day(resting_stop="STOP_LIMIT"))
    (request,) = hand.buy()

    assert isinstance(request, Place)
    terms = request.order.terms
    assert (terms.type, terms.trigger_price, terms.price) == ("STOP_LIMIT", 9300, 9020)


def test_a_broker_that_takes_no_stop__leaves_the_runner_to_guard() -> None:
    hand = ByHand(live_day(resting_stop=None))

    assert hand.buy() == []
    assert placed(hand.tick(9300)) == ("SELL", "MARKET", 10, 0)


def shown(hand: ByHand, tag: str, limit: int) -> list[Request]:
    terms = Terms(type="LIMIT", quantity=10, price=limit)
    return hand.hear(Seen(OrderRow(tag=tag, status="OPEN", terms=terms)))


def test_an_exit_left_behind_by_the_price__is_priced_anew() -> None:
    hand = ByHand(live_day())
    stop = hand.hold()
    hand.tick(9290)
    hand.answer(stop, "modify")
    hand.wait(6)
    assert shown(hand, stop, 9245) == []

    assert modified(hand.tick(9200)) == ("MARKET", 10, 0)


def test_an_exit_in_a_locked_circuit__stays_as_it_is() -> None:
    hand = ByHand(live_day())
    stop = hand.hold()
    hand.tick(9290)
    hand.answer(stop, "modify")
    hand.wait(6)
    shown(hand, stop, 9245)

    assert hand.tick(9245, after=10) == []


def test_an_account_that_may_not_enter__skips_the_day_and_says_why() -> None:
    day = live_day()
    assert day.live is not None
    why = "The broker sees us come from 10.0.0.9, registered is 10.0.0.1."
    hand = ByHand(replace(day, live=replace(day.live, no_entry=why)))

    assert hand.tick(9500) == []

    assert reason_of(hand.state) == "refused"
    assert why in hand.state.last_action


def test_a_confirmed_cancel__is_asked_for_again_only_when_the_book_does_not_show_it() -> None:
    hand = ByHand(live_day(strategy=a_strategy(order_type="Limit", limit_price=9400)))
    hand.tick(9500)
    hand.answer(hand.entry_tag, "place")
    hand.show(hand.entry_tag, "OPEN")
    assert hand.wait(61) == [Cancel(hand.entry_tag)]

    assert hand.answer(hand.entry_tag, "cancel") == []
    assert hand.wait(0.5) == []
    assert hand.wait(0.6) == [Cancel(hand.entry_tag)]


def test_a_confirmed_place__is_pending_until_its_row_shows_it() -> None:
    hand = ByHand(live_day())
    (stop,) = hand.buy()
    assert isinstance(stop, Place)

    hand.answer(stop.order.tag, "place")

    assert hand.state.exits[0].status == "PENDING"
    hand.show(stop.order.tag, "TRIGGER_PENDING")
    assert "StopResting" in [told.reason for told in hand.told]

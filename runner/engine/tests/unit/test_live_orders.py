"""What real brokers do and paper does not: orders that the book does not show, rows older than a
change, protected exits that rest, stops that must be limits."""

from dataclasses import replace

import pytest
from algo_contract.messages.instrument import InstrumentFacts
from algo_contract.messages.assignment import Live
from algo_engine.events import Cancel, Place, SessionRenewed, Request, OrderReported, SessionEnd
from algo_engine.orders import OrderReport, Terms
from algo_engine.state import (
    average_price,
    execution,
    is_done,
    is_flat,
    position,
    protection,
    reason_of,
)
from algo_engine.triggers import triggers

from support.factories.engine_driver import SECOND, ByHand, modified, placed
from support.factories.days import a_day, a_strategy

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
    for _ in range(6):
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
    return hand.hear(OrderReported(OrderReport(tag=tag, status="OPEN", terms=terms)))


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


# --- fills, answers and books that disagree ------------------------------------------------------


def test_fills_without_an_average__count_at_the_last_price_until_it_comes() -> None:
    hand = ByHand(live_day(strategy=a_strategy(stop_loss_bps=200, target_bps=300)))
    hand.tick(9500)
    hand.answer(hand.entry_tag, "place")

    hand.show(hand.entry_tag, "OPEN", filled=4, price=0)
    assert hand.tick(9500, after=1) == []
    assert average_price(hand.state) == 9500
    assert hand.state.exit_reason is None

    hand.show(hand.entry_tag, "OPEN", filled=4, price=9510)
    assert average_price(hand.state) == 9510


def test_a_confirmed_place_that_no_book_shows__is_followed_by_the_next() -> None:
    hand = ByHand(live_day(resting_stop=None))
    hand.buy()
    (first,) = hand.tick(9290)
    assert isinstance(first, Place)
    hand.answer(first.order.tag, "place")

    (second,) = hand.answer(first.order.tag, "place", "absent")

    assert isinstance(second, Place)
    assert second.order.tag != first.order.tag


@pytest.mark.parametrize("outcome", ["rejected", "denied"])
def test_an_order_that_was_refused_and_that_the_book_shows__is_live(outcome: str) -> None:
    hand = ByHand(live_day())
    (stop,) = hand.buy()
    assert isinstance(stop, Place)
    hand.answer(stop.order.tag, "place", outcome)
    hand.show(stop.order.tag, "TRIGGER_PENDING")

    asked = hand.tick(9290)

    places = [order for order in asked if isinstance(order, Place)]
    assert not places, "a second sell order beside a live one"


def test_a_refused_entry_that_fills_after_all__is_sold_at_once() -> None:
    hand = ByHand(live_day())
    hand.tick(9500)
    hand.answer(hand.entry_tag, "place", "rejected")

    asked = hand.show(hand.entry_tag, "FILLED", filled=10)

    assert placed(asked) == ("SELL", "MARKET", 10, 0)


def test_a_triggered_stop_shown_as_its_limit__is_the_exit() -> None:
    hand = ByHand(live_day(resting_stop="STOP_LIMIT"))
    stop = hand.hold()

    asked = hand.show(stop, "OPEN", type="LIMIT", trigger_price=0) + hand.wait(2)

    assert not asked
    assert reason_of(hand.state) == "stop_loss"


def test_a_book_that_shows_another_limit__is_no_reason_to_move_the_stop() -> None:
    hand = ByHand(live_day(resting_stop="STOP_LIMIT"))
    stop = hand.hold()

    assert hand.show(stop, "TRIGGER_PENDING", price=9100) == []
    assert hand.wait(10) == []


# --- refusals without end ------------------------------------------------------------------------


def test_exits_refused_for_ten_minutes__become_rarer_and_are_forgotten() -> None:
    hand = ByHand(live_day(resting_stop=None))
    hand.buy()
    asked = hand.tick(9290)
    sent = 0
    for _ in range(600):
        for request in asked:
            assert isinstance(request, Place)
            sent += 1
            hand.answer(request.order.tag, "place", "rejected")
        asked = hand.wait(1)

    assert 20 < sent < 40
    assert len(hand.state.exits) <= 12
    assert len({order.tag for order in hand.state.exits}) == len(hand.state.exits)


def test_a_new_session__ends_the_pauses() -> None:
    hand = ByHand(live_day(resting_stop=None))
    hand.buy()
    asked = hand.tick(9290)
    for _ in range(200):
        while asked:
            request = asked.pop()
            assert isinstance(request, Place)
            asked = hand.answer(request.order.tag, "place", "denied")
        asked = hand.wait(1)
    assert not asked

    assert placed(hand.hear(SessionRenewed())) == ("SELL", "MARKET", 10, 0)


def test_a_cancel_refused_for_long__becomes_rarer_and_is_told_once() -> None:
    hand = ByHand(live_day())
    stop = hand.hold()
    hand.tick(9290)
    asked = hand.answer(stop, "modify", "rejected")
    count = 0
    for _ in range(400):
        for _ in asked:
            count += 1
            hand.answer(stop, "cancel", "rejected")
        asked = hand.wait(0.25)

    assert count < 30
    assert [told.reason for told in hand.told].count("ChangeRefused") == 2


def test_a_change_without_any_answer__is_repeated_at_once_only_once() -> None:
    hand = ByHand(live_day())
    stop = hand.hold()
    asked = hand.tick(9290)
    assert modified(asked) == ("MARKET", 10, 0)
    assert modified(hand.answer(stop, "modify", "unresolved")) == ("MARKET", 10, 0)
    assert hand.answer(stop, "modify", "unresolved") == []


def test_denied_changes__do_not_cancel_the_stop() -> None:
    hand = ByHand(live_day())
    stop = hand.hold()
    asked = hand.tick(9290)
    for _ in range(10):
        for request in asked:
            assert modified([request]) == ("MARKET", 10, 0)
            hand.answer(stop, "modify", "denied")
        asked = hand.tick(9280, after=6)


def filled_in_parts(hand: ByHand, outcome: str) -> str:
    """A hundred of 4000 bought, the stop resting for them, then all; its growth ends so."""
    hand.tick(9500)
    (stop,) = hand.show(hand.entry_tag, "OPEN", filled=100)
    assert isinstance(stop, Place)
    hand.answer(stop.order.tag, "place")
    hand.show(stop.order.tag, "TRIGGER_PENDING")
    hand.wait(2)
    assert modified(hand.show(hand.entry_tag, "FILLED", filled=4000))[1] == 4000
    hand.answer(stop.order.tag, "modify", outcome)
    return stop.order.tag


@pytest.mark.parametrize("outcome", ["denied", "rejected"])
def test_a_stop_that_could_not_grow__is_not_called_resting_and_is_asked_for_again(
    outcome: str,
) -> None:
    hand = ByHand(live_day(strategy=a_strategy(quantity=4000)))
    filled_in_parts(hand, outcome)

    assert protection(hand.state) == "runner"
    assert modified(hand.wait(6))[1] == 4000


def test_a_stop_that_could_not_grow__is_still_turned_into_the_exit() -> None:
    hand = ByHand(live_day(strategy=a_strategy(quantity=4000)))
    filled_in_parts(hand, "rejected")

    assert modified(hand.tick(9290, after=1)) == ("MARKET", 4000, 0)


def test_an_exit_whose_change_is_refused__is_cancelled_and_sent_anew() -> None:
    hand = ByHand(live_day())
    stop = hand.hold()
    hand.tick(9290)
    hand.answer(stop, "modify")
    hand.wait(6)
    shown(hand, stop, 9245)
    assert modified(hand.tick(9200)) == ("MARKET", 10, 0)

    assert hand.answer(stop, "modify", "rejected") == [Cancel(stop)]


def test_a_denied_cancel_of_a_surplus_exit__has_a_timer() -> None:
    hand = ByHand(live_day())
    (first,) = hand.buy()
    assert isinstance(first, Place)
    (second,) = hand.answer(first.order.tag, "place", "absent")
    assert isinstance(second, Place)
    hand.answer(second.order.tag, "place")
    hand.show(second.order.tag, "TRIGGER_PENDING")
    assert hand.show(first.order.tag, "TRIGGER_PENDING") == [Cancel(first.order.tag)]

    hand.answer(first.order.tag, "cancel", "denied")

    assert triggers(hand.state, hand.day, None).at_us <= hand.now_us + SECOND


# --- the end of the day --------------------------------------------------------------------------


def test_what_is_not_sold_by_the_close__is_a_person_s_matter_and_nothing_more_is_sent() -> None:
    hand = ByHand(live_day(resting_stop=None))
    hand.buy()
    hand.tick(9290)
    tag = hand.exit_tag
    hand.answer(tag, "place")
    hand.show(tag, "OPEN")
    hand.now_us = hand.day.session.close_us + 1

    assert hand.hear(SessionEnd()) == []
    assert hand.show(tag, "CANCELLED") == []
    assert hand.wait(5) == []
    assert execution(hand.state) == "FAILED"
    assert "NotSold" in [told.reason for told in hand.told]


def test_late_ticks__do_not_hide_the_sell_time() -> None:
    hand = ByHand(live_day())
    hand.hold()
    hand.now_us = hand.day.session.midnight_us + hand.day.strategy.sell_time * SECOND + 1

    assert modified(hand.tick(9500, is_late=True)) == ("MARKET", 10, 0)


def test_an_exit_that_was_refused__is_not_called_protection() -> None:
    hand = ByHand(live_day(resting_stop=None))
    hand.buy()
    (request,) = hand.tick(9290)
    assert isinstance(request, Place)
    hand.answer(request.order.tag, "place", "rejected")

    assert protection(hand.state) == "runner"


def test_a_market_entry_that_the_broker_cancels__was_refused() -> None:
    hand = ByHand(live_day())
    hand.tick(9500)
    hand.answer(hand.entry_tag, "place")
    hand.show(hand.entry_tag, "CANCELLED")

    assert reason_of(hand.state) == "refused"

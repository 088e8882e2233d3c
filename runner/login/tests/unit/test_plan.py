"""When a log-in is due: days, mornings, short sessions, refusals, browsers. November 2026: the 20th
is a Friday, the 24th a holiday.
"""

import datetime as dt
from dataclasses import replace

import pytest
from algo_contract.envelope.format import record_id_of
from algo_login.account import UNREADABLE, read_account
from algo_login.login_record import LoginRecord
from algo_login.plan import LONGEST_US, MINUTE, SPACING_US, is_alive, needed_until, plan
from hypothesis import given, settings
from hypothesis import strategies as st
from support.factories.account_factories import LOGIN, account, ist, sealed_for

DAY_US = 24 * 60 * MINUTE


def decide(account, now_us: int, *, needs_browser: bool = False, can_renew: bool = False):
    return plan(account, needs_browser=needs_browser, can_renew=can_renew, now_us=now_us)


def test_plan__no_log_in_secrets__waits_for_them():
    for sealed in ("", UNREADABLE, "not an envelope"):
        decided = decide(account(sealed_login=sealed), ist("2026-11-20 10:00"))

        assert (decided.do, decided.wait, decided.next_us) == ("nothing", "login", 0)


@pytest.mark.parametrize("now", ["2026-11-20 03:00", "2026-11-20 10:00", "2026-11-22 12:00"])
def test_plan__no_browser_needed_and_no_session__logs_in_at_once(now):
    assert decide(account(), ist(now)).do == "log_in"


def test_plan__session_past_square_off__nothing_until_the_next_morning():
    mine = account(ist("2026-11-20 07:45"), ist("2026-11-21 07:45"))

    decided = decide(mine, ist("2026-11-20 09:00"))

    assert (decided.do, decided.wait) == ("nothing", "")
    assert decided.next_us == ist("2026-11-23 07:45")  # over the weekend


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-20 15:36", "2026-11-23 07:45"),
        ("2026-11-21 11:00", "2026-11-23 07:45"),
        ("2026-11-23 07:44", "2026-11-23 07:45"),
    ],
)
def test_plan__session_dead_at_night__waits_for_the_morning(now, due):
    mine = account(ist("2026-11-19 16:00"), ist("2026-11-20 15:30"))

    assert decide(mine, ist(now)).next_us == ist(due)


def test_plan__holiday__is_passed_over():
    mine = account(ist("2026-11-23 07:45"), ist("2026-11-24 07:45"))

    assert decide(mine, ist("2026-11-23 16:00")).next_us == ist("2026-11-25 07:45")


def test_plan__ends_before_square_off_and_a_quarter__anew_in_the_morning():
    need = needed_until(dt.date(2026, 11, 20), "dhan")
    short = account(ist("2026-11-19 12:00"), need - 1)
    enough = account(ist("2026-11-19 12:00"), need)
    morning = ist("2026-11-20 07:45")

    assert decide(short, morning - 1).do == "nothing"
    assert decide(short, morning).do == "log_in"
    assert decide(short, morning, can_renew=True).do == "renew"
    assert decide(enough, morning).next_us == ist("2026-11-23 07:45")


def test_plan__made_this_morning_and_short__used_up_then_anew():
    ends = ist("2026-11-20 11:00")
    mine = account(ist("2026-11-20 08:00"), ends)

    assert decide(mine, ends - 1).next_us == ends
    assert decide(mine, ends).do == "log_in"
    assert decide(mine, ends, can_renew=True).do == "log_in"  # a dead one cannot be renewed


def test_plan__another_log_in_than_the_sessions__logs_in():
    mine = account(ist("2026-11-20 07:45"), ist("2026-11-21 07:45"))

    changed = replace(mine, sealed_login=sealed_for())

    assert decide(changed, ist("2026-11-20 09:00")).do == "log_in"


def test_plan__another_session_than_noted__logs_in():
    mine = account(ist("2026-11-20 07:45"), ist("2026-11-21 07:45"))

    for session in ("", "junk", sealed_for("session")):
        taken = replace(mine, sealed_session=session)
        assert decide(taken, ist("2026-11-20 09:00")).do == "log_in"


def test_plan__refused_log_in__not_tried_again_ever():
    refused = account(record=LoginRecord().refused(record_id_of(LOGIN), "Invalid pin"))

    for now in ("2026-11-20 09:00", "2026-11-20 23:00", "2027-11-22 09:00"):
        decided = decide(refused, ist(now), can_renew=True)
        assert (decided.do, decided.wait, decided.next_us) == ("nothing", "refused", 0)
    sealed_anew = replace(refused, sealed_login=sealed_for())
    assert decide(sealed_anew, ist("2026-11-20 09:00")).do == "log_in"


def test_plan__asked_for__logs_in_once():
    asked = ist("2026-11-20 10:00")
    mine = account(ist("2026-11-20 07:45"), ist("2026-11-21 07:45"), requested_us=asked)

    assert decide(mine, asked, can_renew=True).do == "log_in"
    again = replace(mine, record=replace(mine.record, issued_us=asked + 1, answered_us=asked))
    assert decide(again, asked + 2 * MINUTE).do == "nothing"


def test_plan__asked_for_by_a_clock_ahead__logs_in_once():
    asked = ist("2026-11-20 10:00")
    issued, expires = asked - MINUTE // 2, ist("2026-11-21 07:45")
    mine = account(issued, expires, record=LoginRecord(answered_us=asked), requested_us=asked)

    assert decide(mine, asked + 2 * MINUTE).do == "nothing"
    assert is_alive(mine, now_us=asked)


def test_plan__asked_for_long_before_the_session__not_heard():
    issued = ist("2026-11-20 07:45")
    mine = account(issued, ist("2026-11-21 07:45"), requested_us=issued - 2 * MINUTE)

    assert decide(mine, ist("2026-11-20 10:00")).do == "nothing"


def test_plan__asked_for_in_the_future__not_heard():
    mine = account(
        ist("2026-11-20 07:45"), ist("2026-11-21 07:45"), requested_us=ist("2099-01-01 00:00")
    )

    assert decide(mine, ist("2026-11-20 10:00")).do == "nothing"


def test_plan__browser__waits_until_somebody_logged_in():
    mine = account(ist("2026-11-19 08:00"), ist("2026-11-20 06:00"), broker="zerodha")

    def now_is(text: str, **more):
        return decide(replace(mine, **more), ist(text), needs_browser=True)

    assert now_is("2026-11-19 12:00").next_us == ist("2026-11-20 06:00")
    assert now_is("2026-11-20 06:00").wait == "callback"
    returned = sealed_for("callback")
    assert now_is("2026-11-20 06:00", sealed_callback=returned).do == "log_in"
    assert now_is("2026-11-19 12:00", sealed_callback=returned).do == "log_in"
    used = replace(mine.record, used_callback=record_id_of(returned))
    assert now_is("2026-11-20 06:00", sealed_callback=returned, record=used).wait == "callback"
    assert now_is("2026-11-20 06:00", sealed_callback="junk").wait == "callback"


def test_plan__simulator__knows_no_mornings():
    ends = ist("2026-11-22 02:00")
    mine = account(ist("2026-11-22 01:00"), ends, base_url="http://sim:1")

    assert decide(mine, ends - 1).next_us == ends
    assert decide(mine, ends).do == "log_in"


def test_plan__log_ins__never_closer_than_a_minute():
    made = ist("2026-11-20 10:00")
    dead = account(made, made + 1, base_url="http://sim:1")

    assert decide(dead, made + 2).next_us == made + SPACING_US
    assert decide(dead, made + SPACING_US).do == "log_in"


def test_plan__session_that_claims_to_live_for_ever__is_looked_at_again():
    now = ist("2026-11-20 10:00")

    decided = decide(account(now, 2**53 - 1), now + MINUTE)

    assert decided.next_us <= now + MINUTE + LONGEST_US


TIME = st.integers(1_700_000_000, 1_900_000_000).map(lambda seconds: seconds * 1_000_000)


@settings(deadline=None)
@given(issued=TIME, life=st.integers(0, 60 * DAY_US), now=TIME, renew=st.booleans())
def test_plan__whatever_the_times__acts_or_names_a_later_moment(issued, life, now, renew):
    record = LoginRecord(login=record_id_of(LOGIN), issued_us=issued, expires_us=issued + life)
    body = {
        "metadata": {"namespace": "a", "name": "b", "uid": "u", "resourceVersion": "1"},
        "spec": {"broker": "dhan", "sealedLogin": LOGIN, "sealedSession": LOGIN},
    }
    mine = replace(read_account(body), record=replace(record, session=record_id_of(LOGIN)))

    decided = decide(mine, now, can_renew=renew)

    assert (decided.do == "nothing") == (decided.next_us > now)
    if decided.do == "renew":
        assert record.expires_us > now
    if decided.do == "nothing" and record.expires_us <= now:
        assert decided.next_us - now <= 8 * DAY_US
    later = decide(mine, max(decided.next_us, now), can_renew=renew)
    if decided.do == "nothing":
        assert later.do != "nothing" or later.next_us > decided.next_us

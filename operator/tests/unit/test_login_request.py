"""When another session is asked for because the broker has ended the one in use. Pure."""

from typing import Any

import pytest
from algo_operator.status.account import account_conditions, phase
from algo_operator.model.observed import NO_SESSION, SessionState
from algo_operator.model.feed import ObservedFeed
from algo_operator.reconcile.account.login_request import (
    SKEW_US,
    DISTANCE_US,
    asked_us,
    request_due_us,
)
from hypothesis import given
from hypothesis import strategies as st
from support.factories.observed_factories import at, live_account

NOON = at("12:00:00")
MORNING = at("07:45:00")
SECOND = 1_000_000


def session(**fields: Any) -> SessionState:
    values = {
        "state": "open",
        "issued_us": MORNING,
        "expires_us": at("20:00:00"),
        "fingerprint": "s1",
    }
    return SessionState(**values | fields)


def ended(**fields: Any) -> ObservedFeed:
    values = {
        "account": live_account(),
        "deleting": False,
        "session": session(),
        "session_ended": True,
        "wall_us": NOON,
        "needed_us": 0,
        "sure": True,
        "in_position": True,
        "pod": None,
        "settings_hash": "",
        "secret": None,
        "acl_current": True,
    }
    return ObservedFeed(**values | fields)


def is_due(observed: ObservedFeed) -> bool:
    due_us = request_due_us(observed)
    return due_us is not None and due_us <= observed.wall_us


def test_request__session_ended_early__is_due_at_once():
    assert is_due(ended())
    assert is_due(ended(login_asked_us=at("12:00:00", "2026-07-03")))


@pytest.mark.parametrize(
    "fields",
    [
        {"session_ended": False},
        {"session": session(expires_us=NOON)},
        {"login_asked_us": MORNING + SKEW_US + 1},
        {"login_asked_us": NOON},
        {"deleting": True},
        {"account": live_account(problem="no way")},
        {"login_asked_us": NOON + SKEW_US},
    ],
)
def test_request__good_or_over_or_asked_for_already__never(fields):
    assert request_due_us(ended(**fields)) is None


def test_request__asked_lately_for_the_one_before__waits():
    asked = NOON - 60 * SECOND
    renewed = ended(session=session(issued_us=asked + 5 * SECOND), login_asked_us=asked)

    assert request_due_us(renewed) == asked + DISTANCE_US
    assert not is_due(renewed)


def test_request__operator_s_clock_ahead__the_answering_session_is_asked_for_too():
    asked = NOON - 2 * DISTANCE_US
    answered = session(issued_us=asked - 30 * SECOND)

    assert is_due(ended(session=answered, login_asked_us=asked))


def test_request__time_far_in_the_future__counts_for_nothing():
    assert is_due(ended(login_asked_us=NOON + SKEW_US + 1))


def test_request__worker_s_clock_ahead__is_made_when_it_will_be_heard():
    assert request_due_us(ended(session=session(issued_us=NOON + SECOND))) == NOON + 2 * SECOND


TIMES = st.integers(0, 250_000_000_000_000_000)


@given(issued=TIMES, asked=TIMES, now=TIMES)
def test_request__once_made__is_not_made_again_for_that_session(issued, asked, now):
    facts = session(issued_us=issued, expires_us=now + 1)
    observed = ended(session=facts, login_asked_us=asked, wall_us=now)
    if not is_due(observed):
        return

    assert asked > now + SKEW_US or now - asked >= DISTANCE_US
    later = ended(session=facts, login_asked_us=now, wall_us=now)
    next_us = request_due_us(later)
    assert next_us is None or next_us == now + DISTANCE_US
    assert next_us is None or now <= issued + SKEW_US
    another = session(issued_us=now + 1, expires_us=now + 2)
    next_us = request_due_us(ended(session=another, login_asked_us=now, wall_us=now))
    assert next_us is not None
    assert next_us >= now + DISTANCE_US


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("yesterday", 0),
        ("2026-07-06", 0),
        ("2026-07-06T12:00:00", 0),
        ("0001-01-01T00:00:00", 0),
        ("9" * 5000, 0),
        ("2026-07-06T06:30:00Z", NOON),
        ("2026-07-06T06:30:00.000001Z", NOON + 1),
        ("2026-07-06T12:00:00+05:30", NOON),
    ],
)
def test_asked__whatever_the_annotation_holds__a_time_or_none(text, expected):
    assert asked_us(text) == expected


@pytest.mark.parametrize(
    ("observed", "reason"),
    [
        (ended(), "SessionEnded"),
        (ended(session_ended=False), "SessionOpen"),
        (ended(session=session(expires_us=NOON)), "SessionExpired"),
        (ended(session=NO_SESSION), "SessionMissing"),
    ],
)
def test_credentials__of_an_account__say_what_the_broker_did(observed, reason):
    verdicts = account_conditions(observed, heartbeat_us=None, deleting=False)

    assert verdicts["CredentialsReady"].reason == reason
    assert phase(verdicts) == ("READY" if reason == "SessionOpen" else "LOGIN_NEEDED")

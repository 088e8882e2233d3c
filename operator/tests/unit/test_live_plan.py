"""What a strategy that trades for real is told, and what keeps it from trading. Pure."""

import dataclasses

import pytest
from algo_contract.messages.assignment import Live
from algo_contract.trading_day import TickBand
from algo_operator.model import actions as act
from algo_operator.model.observed import NO_SESSION, FeedState, ConflictingStrategy, SessionState
from algo_operator.reconcile.strategy.plan import plan
from support.factories.observed_factories import (
    SETTINGS,
    SHARE,
    at,
    kinds,
    live,
    live_account,
    open_session,
    pod,
    runner,
    observation,
    settle,
    spec,
    strategy,
)


def ready(observed) -> tuple[str, str]:
    return condition(observed, "Ready")


def condition(observed, kind: str) -> tuple[str, str]:
    settled = settle(observed)
    row = next(r for r in settled.strategy.status["conditions"] if r["type"] == kind)
    return row["reason"], row["message"]


def assignment(observed):
    return next(
        a for a in plan(observed, SETTINGS).actions if isinstance(a, act.CreatePod)
    ).assignment


def test_live__due_and_logged_in__is_told_its_broker():
    account = live_account(
        base_url="http://sim:8100", egress_proxy="http://proxy:3128", orders_per_second=5
    )

    told = assignment(live(account=account))

    assert (told.broker, told.feed, told.account_id) == ("zerodha", account.id, account.id)
    assert told.live == Live(
        instrument=SHARE,
        base_url="http://sim:8100",
        egress_proxy="http://proxy:3128",
        orders_per_second=5,
    )
    assert told.tick_bands == (TickBand(below=0, tick=SHARE.tick_size),)
    assert told.freeze_quantity == SHARE.freeze_quantity


def test_live__its_pod_and_secret__carry_the_session():
    steps = plan(live(), SETTINGS).actions

    written = next(step for step in steps if isinstance(step, act.WriteSecret))
    made = next(step for step in steps if isinstance(step, act.CreatePod))
    assert (written.session, made.session) == ("s1", "s1")


def test_paper_on_a_live_account__gets_the_brokers_steps_and_no_session():
    observed = live(
        strategy=strategy(account="mine", spec=spec(brokerAccount="mine")), session=NO_SESSION
    )

    steps = plan(observed, SETTINGS).actions
    written = next(step for step in steps if isinstance(step, act.WriteSecret))

    assert written.session == ""
    assert (written.assignment.broker, written.assignment.live) == ("paper", None)
    assert written.assignment.feed == live_account().id
    assert written.assignment.tick_bands == (TickBand(below=0, tick=SHARE.tick_size),)
    assert condition(observed, "CredentialsReady")[0] == "NotNeeded"


def test_live__sell_time__ends_by_the_brokers_own_square_off():
    late = spec(mode="Live", brokerAccount="mine", sellTime="15:05:00")
    asked = strategy(mode="Live", account="mine", spec=late)
    on_monday = live(
        wall_us=at("09:17:00", "2026-11-23"),
        strategy=asked,
        session=open_session(until=at("20:00:00", "2026-11-23")),
    )

    assert ready(on_monday)[0] == "InvalidTimes", "RELIANCE closes by auction"
    assert "14:58:00" in ready(on_monday)[1]


def test_live__a_new_session__reaches_a_running_pod():
    running = settle(settle(live()))
    renewed = dataclasses.replace(running, session=open_session(fingerprint="s2"))

    steps = plan(renewed, SETTINGS).actions

    written = next(step for step in steps if isinstance(step, act.WriteSecret))
    assert written.session == "s2"
    assert any(isinstance(step, act.AnnotatePod) for step in steps)
    reload = next(step for step in steps if isinstance(step, act.SendCommand))
    assert reload.kind == "reload"
    assert not {"WriteSecret", "AnnotatePod"} & set(kinds(settle(renewed)))


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (NO_SESSION, "SessionMissing"),
        (SessionState(state="unreadable"), "SessionUnreadable"),
        (open_session(until=at("09:16:00")), "SessionExpired"),
    ],
)
def test_live__without_a_session__says_so_and_gets_no_pod(session, expected):
    observed = live(session=session)

    assert "CreatePod" not in kinds(observed)
    assert ready(observed)[0] == expected
    assert condition(observed, "CredentialsReady")[0] == expected
    early = dataclasses.replace(observed, wall_us=at("08:00:00"))
    assert ready(early)[0] == "Scheduled", "until it is due there is time to log in"


def test_live__session_ends_within_the_day__entry_is_refused():
    observed = live(session=open_session(until=at("15:34:59")))

    told = assignment(observed).live

    assert told.no_entry_reason == "token_dead"
    assert "15:34:59" in told.no_entry
    assert "15:35:00" in told.no_entry
    assert condition(observed, "CredentialsReady")[0] == "SessionEndsEarly"
    assert assignment(live(session=open_session(until=at("15:35:00")))).live.no_entry == ""


def test_live__recorded_day__asks_only_whether_the_session_lives_now():
    account = live_account(clock="Feed", base_url="http://sim:1")
    recorded = FeedState(clock_us=at("09:00:00", "2019-07-09"), broker="zerodha", instrument=SHARE)
    observed = live(account=account, feed=recorded, session=open_session(until=at("09:18:00")))

    assert assignment(observed).live.no_entry == ""


def test_live__another_address_than_registered__entry_is_refused():
    account = live_account(registered_ip="203.0.113.7", observed_ip="198.51.100.1")

    told = assignment(live(account=account)).live

    assert told.no_entry_reason == "refused"
    assert "203.0.113.7" in told.no_entry
    assert "198.51.100.1" in told.no_entry
    assert condition(live(account=account), "EgressReady")[0] == "AddressDiffers"


@pytest.mark.parametrize(
    ("registered", "observed", "expected"),
    [
        ("", "", "AddressNotRegistered"),
        ("203.0.113.7", "", "AddressNotSeen"),
        ("203.0.113.7", "203.0.113.7", "AddressMatches"),
        ("2001:db8::1", "2001:0DB8:0:0::1", "AddressMatches"),
    ],
)
def test_live__address_not_known_to_differ__may_enter(registered, observed, expected):
    account = live_account(registered_ip=registered, observed_ip=observed)

    assert assignment(live(account=account)).live.no_entry == ""
    assert condition(live(account=account), "EgressReady")[0] == expected


def test_live__in_position__keeps_its_session_when_the_new_one_cannot_be_read():
    held = dataclasses.replace(settle(live()), runner=runner(), wall_us=at("11:00:00"))
    lost = dataclasses.replace(held, session=SessionState(state="unreadable"))

    after = settle(lost)

    assert after.secret.session == "s1"
    assert after.secret.assignment.live.no_entry != ""
    assert after.pod is not None


def test_live__in_position_and_the_account_becomes_wrong__is_reached_as_before():
    held = dataclasses.replace(settle(live()), runner=runner(), wall_us=at("11:00:00"))
    broken = live_account(base_url="http://evil.example", problem="baseUrl names evil.example.")

    after = settle(dataclasses.replace(held, account=broken))

    told = after.secret.assignment
    assert (told.broker, told.live.base_url) == ("zerodha", None)
    assert told.live.no_entry == broken.problem
    unreadable = dataclasses.replace(broken, broker="paper", base_url=None)
    assert settle(dataclasses.replace(held, account=unreadable)).secret.assignment == told


def test_live__in_position_without_its_secret__is_not_sent_where_a_wrong_account_says():
    broken = live_account(base_url="http://evil.example", problem="baseUrl names evil.example.")
    held = live(runner=runner(), wall_us=at("11:00:00"), account=broken)

    assert not {"WriteSecret", "CreatePod"} & set(kinds(held))


def test_live__in_position_and_the_account_is_gone__nothing_is_changed():
    held = dataclasses.replace(settle(live()), runner=runner(), wall_us=at("11:00:00"))

    left = kinds(dataclasses.replace(held, account=None, account_missing=True))

    assert not {"WriteSecret", "DeletePod", "AnnotatePod", "GrantRedis"} & set(left)


def test_live__in_position_and_the_feed_forgets__goes_on_by_the_last_facts():
    held = dataclasses.replace(settle(live()), runner=runner(), wall_us=at("11:00:00"))
    forgotten = dataclasses.replace(held, feed=FeedState(broker="zerodha"))

    after = settle(forgotten)

    assert after.secret.assignment == held.secret.assignment
    assert after.pod is not None


def test_live__waiting_to_buy_and_the_feed_forgets__the_runner_stays():
    waiting = runner(execution="WAITING", position=0, protection="none")
    begun = dataclasses.replace(settle(live()), runner=waiting, wall_us=at("09:18:00"))
    forgotten = dataclasses.replace(begun, feed=FeedState(broker="zerodha"))

    assert ready(forgotten)[0] == "WaitingForFeed"
    assert "DeletePod" not in kinds(forgotten)


@pytest.mark.parametrize(
    ("feed", "expected"),
    [
        (FeedState(broker="zerodha"), "WaitingForFeed"),
        (FeedState(broker="zerodha", knows_symbol=False), "InstrumentUnknown"),
        (
            FeedState(broker="zerodha", instrument=dataclasses.replace(SHARE, freeze_quantity=9)),
            "QuantityAboveFreeze",
        ),
    ],
)
@pytest.mark.parametrize("mode", ["Live", "Paper"])
def test_brokers_feed__share_not_tradable__says_so_and_gets_no_pod(feed, expected, mode):
    asked = strategy(mode=mode, account="mine", spec=spec(mode=mode, brokerAccount="mine"))
    observed = live(feed=feed, strategy=asked)

    assert "CreatePod" not in kinds(observed)
    assert ready(observed)[0] == expected
    assert "RELIANCE" in ready(observed)[1]


def test_recorded_prices__need_no_facts_of_a_broker():
    assert "CreatePod" in kinds(observation(wall_us=at("09:17:00")))


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (live_account(broker="paper"), "LiveNeedsBroker"),
        (live_account(feed="shared"), "FeedNotOwn"),
        (live_account(broker="fyers", problem="fyers is not available."), "AccountNotReady"),
    ],
)
def test_live__account_that_cannot_trade__is_refused_in_words(account, expected):
    observed = live(account=account)

    assert ready(observed)[0] == expected
    assert "CreatePod" not in kinds(observed)
    if expected != "FeedNotOwn":
        assert condition(observed, "CredentialsReady")[0] == "AccountNotReady"
        assert condition(observed, "EgressReady")[0] == "AccountNotReady"


@pytest.mark.parametrize(
    ("protection", "expected"), [("resting", "RestingStop"), ("runner", "SessionEnded")]
)
def test_live__session_dead_in_position__says_what_still_guards(protection, expected):
    held = dataclasses.replace(
        settle(live()),
        runner=runner(protection=protection),
        wall_us=at("11:00:00"),
        session=open_session(until=at("10:59:00")),
    )

    reason, sentence = condition(held, "Protected")

    assert reason == expected
    assert "Log in again" in sentence
    told = [step.reason for step in plan(held, SETTINGS).actions if isinstance(step, act.EmitEvent)]
    assert "SessionExpired" in told


def test_live__quantity_raised_above_freeze_before_the_entry__the_runner_goes():
    begun = dataclasses.replace(
        settle(live()), runner=runner(execution="WAITING", position=0, protection="none")
    )
    small = dataclasses.replace(SHARE, freeze_quantity=9)
    changed = dataclasses.replace(
        begun, feed=dataclasses.replace(begun.feed, instrument=small), wall_us=at("09:18:00")
    )

    assert "DeletePod" in kinds(changed)
    held = dataclasses.replace(changed, runner=runner())
    assert "DeletePod" not in kinds(held)


def rival(**fields) -> ConflictingStrategy:
    values = {
        "name": "m0",
        "uid": "u0",
        "created_us": -1,
        "at_risk": False,
        "in_session": False,
        "due": False,
    }
    return ConflictingStrategy(**values | fields)


@pytest.mark.parametrize(
    "other",
    [
        rival(at_risk=True, created_us=5),
        rival(in_session=True, created_us=5),
        rival(due=True),
    ],
)
def test_live__share_that_another_has__waits(other):
    observed = live(conflicts=(other,))

    assert "CreatePod" not in kinds(observed)
    reason, sentence = ready(observed)
    assert reason == "SymbolInUse"
    assert "m0" in sentence


def test_live__day_begun_and_its_pod_gone__waits_for_the_rival_and_does_not_flap():
    begun = dataclasses.replace(
        settle(live()), runner=runner(execution="WAITING", position=0), wall_us=at("08:00:00")
    )
    waiting = settle(dataclasses.replace(begun, conflicts=(rival(in_session=True, created_us=-1),)))

    assert waiting.pod is None
    assert "CreatePod" not in kinds(waiting)


@pytest.mark.parametrize("other", [rival(), rival(due=True, created_us=5)])
def test_live__rival_that_is_not_first__is_no_hindrance(other):
    assert "CreatePod" in kinds(live(conflicts=(other,)))


def test_live__in_position__no_rival_ends_it():
    held = dataclasses.replace(settle(live()), runner=runner(), wall_us=at("11:00:00"))

    assert "DeletePod" not in kinds(
        dataclasses.replace(held, conflicts=(rival(at_risk=True, in_session=True),))
    )


def test_live__both_in_session_and_flat__the_newer_goes():
    begun = dataclasses.replace(settle(live()), pod=pod(fingerprint=""))

    assert "DeletePod" in kinds(dataclasses.replace(begun, conflicts=(rival(in_session=True),)))
    older = rival(in_session=True, created_us=5)
    assert "DeletePod" not in kinds(dataclasses.replace(begun, conflicts=(older,)))


def test_secret_of_the_other_mode__is_not_built_upon():
    paper = settle(observation(wall_us=at("09:17:00"))).secret
    broken = strategy(
        mode="Live", account="mine", spec=None, spec_problem="x", status={"runnerEpoch": 1}
    )

    observed = live(strategy=broken, secret=paper, runner=runner(), wall_us=at("11:00:00"))

    assert "CreatePod" not in kinds(observed), "nobody may turn a live position into a paper one"

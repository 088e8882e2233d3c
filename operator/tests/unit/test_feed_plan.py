"""When an account's feed runs, and when it is left alone. Pure."""

import dataclasses

import pytest
from algo_operator.status.account import account_conditions, feed_status, phase
from algo_operator.model.actions import DeletePod
from algo_operator.model import feed as act
from algo_operator.model.observed import NO_SESSION, SessionState, PodFailure
from algo_operator.model.feed import FeedSecret, ObservedFeed
from algo_operator.model.schedule import day_of, feed_from
from algo_operator.reconcile.feed.plan import plan_feed
from algo_operator.specs.feed import feed_assignment, feed_hash, feed_settings_hash
from hypothesis import given
from hypothesis import strategies as st
from support.factories.observed_factories import (
    SETTINGS,
    at,
    live,
    live_account,
    open_session,
    pod,
    observation,
    spec,
    strategy,
)

NOON = at("12:00:00")
ACCOUNT = live_account()


def a_pod(**fields):
    mark = feed_hash(feed_assignment(ACCOUNT), "s1")
    return pod(**{"name": "mine-feed", "fingerprint": mark} | fields)


def a_secret(**fields) -> FeedSecret:
    values = {
        "assignment": feed_assignment(ACCOUNT),
        "session": "s1",
        "password": "p",
        "redis_current": True,
    }
    return FeedSecret(**values | fields)


def feed(**fields) -> ObservedFeed:
    values = {
        "account": ACCOUNT,
        "deleting": False,
        "session": open_session(),
        "wall_us": NOON,
        "needed_us": 0,
        "sure": True,
        "in_position": False,
        "pod": None,
        "settings_hash": feed_settings_hash(feed_assignment(ACCOUNT), SETTINGS),
        "secret": None,
        "acl_current": True,
    }
    return ObservedFeed(**values | fields)


def running(**fields) -> ObservedFeed:
    return feed(**{"pod": a_pod(), "secret": a_secret()} | fields)


def kinds(observed: ObservedFeed) -> list[str]:
    return [type(action).__name__ for action in plan_feed(observed, SETTINGS).actions]


def test_feed__needed_and_logged_in__is_started():
    assert kinds(feed()) == ["StartFeed"]


@pytest.mark.parametrize(
    "fields",
    [
        {"needed_us": None},
        {"needed_us": NOON + 1},
        {"session": NO_SESSION},
        {"session": SessionState(state="unreadable")},
        {"session": open_session(until=NOON)},
        {"account": live_account(problem="no")},
        {"account": live_account(broker="paper")},
        {"deleting": True},
        {"secret": FeedSecret(foreign=True)},
    ],
)
def test_feed__not_needed_or_not_possible__is_not_started(fields):
    assert kinds(feed(**fields)) == []


def test_feed__needed_later__is_looked_at_then():
    assert plan_feed(feed(needed_us=NOON + 5), SETTINGS).wake_us == NOON + 5


def test_feed__running_as_it_should__is_left_alone():
    assert kinds(running()) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"session": NO_SESSION},
        {"session": open_session(until=NOON)},
        {"needed_us": None, "in_position": True},
        {"needed_us": None, "sure": False},
        {"account": live_account(problem="no"), "in_position": True},
        {"deleting": True, "in_position": True},
    ],
)
def test_feed__somebody_may_need_it__stays(fields):
    assert "DeletePod" not in kinds(running(**fields))


def test_feed__no_longer_needed__goes_with_its_user_and_secret():
    assert kinds(running(needed_us=None)) == ["DeletePod"]
    assert kinds(feed(needed_us=None, secret=a_secret())) == ["CleanFeed"]


@pytest.mark.parametrize("fields", [{"image": "runner:0"}, {}])
def test_feed__new_image_or_settings__replace_it_only_out_of_position(fields):
    mark = "older" if not fields else feed_settings_hash(feed_assignment(ACCOUNT), SETTINGS)
    changed = running(pod=a_pod(**fields), settings_hash=mark)

    assert kinds(changed) == ["DeletePod"]
    assert kinds(dataclasses.replace(changed, in_position=True)) == []
    assert kinds(dataclasses.replace(changed, sure=False)) == []


def test_feed__redis_ticks_moved__takes_a_new_pod_out_of_position():
    moved = SETTINGS.model_copy(update={"runner_ticks_redis_url": "redis://elsewhere:6379"})

    assert plan_feed(running(), moved).actions == (
        DeletePod(a_pod().uid, "the account's settings changed"),
    )
    assert plan_feed(running(in_position=True), moved).actions == ()


@pytest.mark.parametrize(
    "session", [NO_SESSION, SessionState(state="unreadable"), open_session(until=NOON)]
)
def test_feed__pod_gone_in_position__starts_again_with_the_session_in_its_secret(session):
    evicted = feed(session=session, in_position=True, secret=a_secret())

    assert kinds(evicted) == ["StartFeed"]
    assert kinds(dataclasses.replace(evicted, in_position=False)) == ["CleanFeed"]
    assert kinds(dataclasses.replace(evicted, secret=a_secret(session=""))) == []


def test_feed__pod_gone_in_position_and_the_account_is_wrong__keeps_its_secret():
    assert (
        kinds(feed(account=live_account(problem="no"), in_position=True, secret=a_secret())) == []
    )


def test_feed__password_unreadable_and_the_account_is_wrong__keeps_its_user():
    broken = running(account=live_account(problem="no"), in_position=True, acl_current=False)

    assert kinds(broken) == ["GrantFeed"]
    assert kinds(dataclasses.replace(broken, secret=a_secret(password=None))) == []
    assert kinds(dataclasses.replace(broken, secret=None)) == []


def test_feed__new_session__reaches_it():
    renewed = running(session=open_session(fingerprint="s2"))

    assert kinds(renewed) == ["WriteFeedSecret", "AnnotatePod"]


def test_feed__lost_user__is_granted_again():
    assert kinds(running(acl_current=False)) == ["GrantFeed"]


@pytest.mark.parametrize("fields", [{"ended": True}, {"node_lost": True}])
@pytest.mark.parametrize("in_position", [True, False])
def test_feed__dead__is_made_anew(fields, in_position):
    assert kinds(running(pod=a_pod(**fields), in_position=in_position)) == ["DeletePod"]


def test_feed__crashing__is_made_anew_at_once_in_position_and_later_flat():
    crashing = running(pod=a_pod(backing_off=True, created_us=NOON - 5_000_000))

    assert kinds(crashing) == []
    assert plan_feed(crashing, SETTINGS).wake_us == NOON + 6_000_000
    assert kinds(dataclasses.replace(crashing, in_position=True)) == ["DeletePod"]


def test_feed__pod_of_somebody_else__is_not_touched():
    assert kinds(feed(pod=a_pod(ours=False))) == []


def test_feed__account_becomes_wrong_in_position__goes_on_as_it_was_made():
    broken = live_account(base_url="http://evil.example", problem="no such host")

    assert kinds(running(account=broken, in_position=True)) == []
    assert (
        kinds(running(account=broken, in_position=True, session=open_session(fingerprint="s2")))
        == []
    )


def test_feed__left_by_an_account_that_is_gone__makes_room():
    old = running(pod=a_pod(ours=False), left_over=True)

    assert kinds(old) == ["DeletePod"]
    assert kinds(running(pod=a_pod(ours=False, leaving=True), left_over=True)) == []


@given(
    st.builds(
        feed,
        deleting=st.booleans(),
        session=st.sampled_from(
            [
                NO_SESSION,
                SessionState(state="unreadable"),
                open_session(),
                open_session(until=NOON),
            ]
        ),
        needed_us=st.sampled_from([None, 0, NOON + 1]),
        sure=st.booleans(),
        in_position=st.booleans(),
        pod=st.none()
        | st.builds(a_pod, leaving=st.booleans(), image=st.sampled_from(["runner:1", "x"])),
        secret=st.none() | st.just(a_secret()),
        acl_current=st.booleans(),
        settings_hash=st.sampled_from(["", "other"]),
    )
)
def test_feed__whatever_is_seen__never_two_and_never_taken_from_a_position(observed):
    actions = plan_feed(observed, SETTINGS).actions

    if observed.pod is not None:
        assert act.StartFeed() not in actions
    if observed.in_position:
        assert not any(isinstance(a, DeletePod | act.CleanFeed) for a in actions)
    if not observed.sure:
        assert act.CleanFeed() not in actions


def needed_from(observed, **fields):
    values = {"at_work": False, "hindered": False, "lead_seconds": 300}
    return feed_from(observed, day_of(observed, lead_seconds=180), **values | fields)


def test_feed_from__wall_clock__is_before_the_first_runner():
    assert needed_from(live(wall_us=at("08:00:00"))) == at("09:12:00")
    assert needed_from(live(), at_work=True) == 0
    assert needed_from(live(), hindered=True) is None
    done = live(wall_us=at("09:30:00"))
    assert needed_from(done) == at("09:12:00", "2026-07-07")


def test_feed_from__recorded_day__is_as_long_as_a_day_may_come():
    account = live_account(clock="Feed")
    last = spec(mode="Live", brokerAccount="mine", endDate="2019-07-09")
    one_day = strategy(mode="Live", account="mine", spec=last)
    over = dataclasses.replace(live().feed, clock_us=at("09:00:00", "2019-07-10"))

    assert needed_from(live(account=account)) == 0
    assert needed_from(live(account=account, strategy=one_day)) == 0
    assert needed_from(live(account=account, strategy=one_day, feed=over)) is None
    stopped = dataclasses.replace(live(account=account).strategy, desired="Stopped")
    assert needed_from(live(account=account, strategy=stopped)) is None


def test_feed_from__paper_without_an_account__follows_the_shared_one():
    assert needed_from(observation(wall_us=at("08:00:00"))) == at("09:12:00")


def verdicts(observed: ObservedFeed, heartbeat_us: int | None = NOON):
    return account_conditions(observed, heartbeat_us=heartbeat_us, deleting=False)


@pytest.mark.parametrize(
    ("observed", "heartbeat_us", "expected"),
    [
        (feed(needed_us=None), None, ("Unknown", "NotInSession")),
        (feed(), None, ("False", "FeedStarting")),
        (feed(session=NO_SESSION), None, ("False", "WaitingForSession")),
        (running(), NOON, ("True", "FeedReports")),
        (running(), None, ("False", "NoFeed")),
        (running(), NOON - 16_000_000, ("False", "FeedSilent")),
        (running(pod=a_pod(ready=False)), NOON, ("False", "FeedStarting")),
        (running(pod=a_pod(ours=False)), NOON, ("False", "FeedNameTaken")),
        (feed(secret=FeedSecret(foreign=True)), NOON, ("False", "FeedNameTaken")),
        (
            running(pod=a_pod(failure=PodFailure(reason="ImageMissing", message="no image"))),
            NOON,
            ("False", "ImageMissing"),
        ),
    ],
)
def test_feed_healthy__says_what_is(observed, heartbeat_us, expected):
    outcome = verdicts(observed, heartbeat_us)["FeedHealthy"]

    assert (outcome.status, outcome.reason) == expected
    assert outcome.message.endswith(".") or outcome.message == "no image"


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (running(), "READY"),
        (feed(session=NO_SESSION), "LOGIN_NEEDED"),
        (feed(session=open_session(until=NOON)), "LOGIN_NEEDED"),
        (feed(account=live_account(problem="no")), "FAILED"),
        (feed(account=live_account(broker="paper")), "READY"),
    ],
)
def test_phase__of_an_account(observed, expected):
    assert phase(verdicts(observed)) == expected


def test_status_feed__is_the_condition_in_short():
    assert feed_status(verdicts(running()))["feed"]["healthy"] is True
    assert feed_status(verdicts(feed(needed_us=None)))["feed"]["healthy"] is None
    assert feed_status(verdicts(feed(account=live_account(broker="paper")))) == {}

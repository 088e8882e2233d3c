"""The planner's promises, over all combinations of facts."""

import dataclasses

import pytest
from algo_operator.model import actions as act
from algo_contract.ids import strategy_id
from algo_operator.model.observed import (
    NO_SESSION,
    Account,
    FeedState,
    ObservedStrategy,
    ConflictingStrategy,
    SecretState,
    PodFailure,
)
from algo_operator.reconcile.strategy.plan import plan
from hypothesis import given, settings
from hypothesis import strategies as st
from support.factories.observed_factories import (
    MONDAY,
    SETTINGS,
    SHARE,
    UID,
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


def test_before_the_lead_time_nothing_is_made():
    observed = observation(wall_us=at("09:16:59"))

    assert "CreatePod" not in kinds(observed)
    assert plan(observed, SETTINGS).wake_us == at("09:17:00")


def test_at_the_lead_time_the_epoch_comes_before_secret_and_pod():
    observed = observation(wall_us=at("09:17:00"))

    decided = plan(observed, SETTINGS)

    order = [
        type(action).__name__ for action in decided.actions if not isinstance(action, act.EmitEvent)
    ]
    assert order == ["WriteStatus", "GrantRedis", "WriteSecret", "CreatePod"]
    first = decided.actions[0]
    assert isinstance(first, act.WriteStatus)
    assert first.guarded
    assert first.fields["runnerEpoch"] == 1


def test_after_the_grace_the_entry_is_missed():
    observed = observation(wall_us=at("09:21:01"))

    assert "CreatePod" not in kinds(observed)
    status = plan(observed, SETTINGS).actions[0].fields
    assert (status["execution"], status["reason"]) == ("WAITING", "missed")


def test_a_position_brings_the_pod_back_after_the_grace():
    observed = observation(
        wall_us=at("14:00:00"), strategy=strategy(status={"runnerEpoch": 3}), runner=runner()
    )

    decided = plan(observed, SETTINGS)

    made = [action for action in decided.actions if isinstance(action, act.CreatePod)]
    assert made[0].assignment.epoch == 4


def test_a_lost_status_never_lowers_the_epoch():
    observed = observation(wall_us=at("14:00:00"), runner=runner(epoch=9))

    made = [
        action for action in plan(observed, SETTINGS).actions if isinstance(action, act.CreatePod)
    ]

    assert made[0].assignment.epoch == 10


def test_a_bad_new_spec_keeps_the_last_good_one_guarding():
    good = settle(settle(observation(wall_us=at("09:17:00"))))
    held = dataclasses.replace(
        good, runner=runner(), wall_us=at("10:00:00"), pod=dataclasses.replace(good.pod, ready=True)
    )
    broken = strategy(
        spec=None, spec_problem="stopLoss: wrong", generation=2, status=held.strategy.status
    )

    decided = plan(dataclasses.replace(held, strategy=broken), SETTINGS)

    assert not [
        a
        for a in decided.actions
        if isinstance(a, act.DeletePod | act.WriteSecret | act.AnnotatePod)
    ]
    ready = next(a for a in decided.actions if isinstance(a, act.WriteStatus)).fields["conditions"][
        0
    ]
    assert ready["reason"] == "InvalidSpec"


def test_a_new_image_waits_for_a_flat_moment():
    in_position = settle(
        observation(
            wall_us=at("10:00:00"), runner=runner(), strategy=strategy(status={"runnerEpoch": 1})
        )
    )
    old = dataclasses.replace(
        in_position, pod=dataclasses.replace(in_position.pod, image="runner:0", ready=True)
    )
    assert "DeletePod" not in kinds(old)

    waiting = dataclasses.replace(
        old,
        runner=runner(execution="WAITING", position=0, protection="none"),
        wall_us=at("09:18:00"),
    )
    assert "DeletePod" in kinds(waiting)
    close = dataclasses.replace(waiting, wall_us=at("09:19:30"))
    assert "DeletePod" not in kinds(close)


def test_a_lost_node_loses_its_pod_at_once():
    observed = observation(
        wall_us=at("10:00:00"), runner=runner(), pod=pod(node_lost=True, leaving=True)
    )

    deleted = [
        action for action in plan(observed, SETTINGS).actions if isinstance(action, act.DeletePod)
    ]

    assert deleted[0].grace_seconds == 0


def test_failed_stays_until_a_person_resolves_it():
    failed = runner(execution="FAILED", reason="unresolved", position=0, done=True)
    tuesday = observation(
        wall_us=at("09:17:00", "2026-07-07"),
        runner=failed,
        strategy=strategy(status={"runnerEpoch": 1}),
    )
    assert "CreatePod" not in kinds(tuesday)

    resolved = strategy(resolved_day=MONDAY, status={"runnerEpoch": 1})
    assert "CreatePod" in kinds(dataclasses.replace(tuesday, strategy=resolved))


def test_a_new_day_begins_with_waiting():
    sold = runner(execution="SOLD", reason="sell_time", position=0, done=True, realized_pnl=5000)
    evening = plan(observation(wall_us=at("18:00:00"), runner=sold), SETTINGS).actions[0].fields
    morning = (
        plan(observation(wall_us=at("09:00:00", "2026-07-07"), runner=sold), SETTINGS)
        .actions[0]
        .fields
    )

    assert (evening["execution"], evening["realizedPnl"]) == ("SOLD", 50.0)
    assert (morning["execution"], morning.get("realizedPnl")) == ("WAITING", None)


def test_holidays_and_weekends_are_passed_over():
    friday = observation(wall_us=at("16:00:00", "2026-08-28"))
    holiday = observation(wall_us=at("09:17:00", "2026-10-02"))

    assert plan(friday, SETTINGS).day.next_run_us == at("09:17:00", "2026-08-31")
    assert "CreatePod" not in kinds(holiday)


def test_a_feed_clock_makes_the_pod_due_by_its_day():
    account = Account(name="demo", id="brk_x", broker="paper", clock="Feed", feed="shared")
    late = observation(
        account=account,
        wall_us=at("20:00:00", "2026-11-21"),
        feed=FeedState(clock_us=at("15:00:00")),
    )

    assert "CreatePod" in kinds(late)
    assert "CreatePod" not in kinds(dataclasses.replace(late, feed=FeedState()))


def ready_reason(observed: ObservedStrategy) -> tuple[str, str]:
    written = [a for a in plan(observed, SETTINGS).actions if isinstance(a, act.WriteStatus)]
    row = written[0].fields["conditions"][0]
    return row["reason"], row["message"]


def test_a_moment_without_redis_is_asked_again_before_the_entry_is_gone():
    due = observation(
        wall_us=at("09:17:00"), strategy=strategy(status={"runnerEpoch": 1}), runner_known=False
    )

    assert "CreatePod" not in kinds(due)
    assert plan(due, SETTINGS).wake_us == at("09:17:01")
    early = dataclasses.replace(due, wall_us=at("08:00:00"))
    assert plan(early, SETTINGS).wake_us == at("08:00:30")


def test_a_deletion_goes_on_when_the_runner_had_its_time_to_wind_down():
    waiting = observation(
        wall_us=at("09:18:00"),
        strategy=strategy(deleted_us=at("09:17:59"), status={"runnerEpoch": 1}),
        runner=runner(execution="WAITING", position=0, protection="none"),
        pod=pod(),
    )

    decided = plan(waiting, SETTINGS)

    assert decided.wanted
    assert decided.wake_us == at("09:18:15")
    assert "DeletePod" in kinds(dataclasses.replace(waiting, wall_us=at("09:18:15")))


@pytest.mark.parametrize(
    ("unreadable", "left"), [((), []), (("state",), ["RevokeRedis", "DeleteState"])]
)
def test_abandoning_needs_no_redis_and_no_readable_state(unreadable, left):
    stuck = observation(
        wall_us=at("11:00:00"),
        strategy=strategy(
            deleted_us=at("10:00:00"),
            abandon="ticket-7",
            status={"runnerEpoch": 1, "position": 10},
        ),
        runner_known=False,
        unreadable=unreadable,
        secret=SecretState(assignment=None, redis="", redis_current=False, owned=False),
    )
    guarded = dataclasses.replace(stuck, pod=pod())
    assert "DeletePod" in kinds(guarded)

    assert [k for k in kinds(stuck) if k in {"RevokeRedis", "DeleteState"}] == left
    assert kinds(stuck)[-1] == "RemoveFinalizer"
    assert "DeleteSecret" in kinds(stuck)
    told = [a for a in plan(stuck, SETTINGS).actions if isinstance(a, act.EmitEvent)]
    assert any("10 shares as last known" in one.message for one in told)


def test_a_state_that_cannot_be_read_has_its_own_reason_and_a_way_out():
    garbled = observation(
        wall_us=at("11:00:00"),
        strategy=strategy(status={"runnerEpoch": 1}),
        runner_known=False,
        unreadable=("state",),
        pod=pod(),
    )

    reason, message = ready_reason(garbled)

    assert reason == "StateUnreadable"
    assert f"strategy:{{{strategy_id(UID)}}}:state" in message
    assert "DeletePod" not in kinds(garbled)
    deleted = dataclasses.replace(garbled, strategy=strategy(deleted_us=at("10:59:00")))
    assert "abandon-position" in ready_reason(deleted)[1]


def test_a_running_runner_with_unreadable_keys_says_which():
    observed = observation(
        wall_us=at("11:00:00"), runner=runner(), pod=pod(), unreadable=("events", "live")
    )

    reason, message = ready_reason(observed)

    assert reason == "RunnerKeysUnreadable"
    assert ":events" in message
    assert ":live" in message


HELD = {"runnerEpoch": 1, "execution": "BOUGHT", "position": 10, "tradingDay": MONDAY}


def test_a_lost_state_keeps_the_position_and_the_pod_until_a_person_looked():
    lost = observation(
        wall_us=at("11:00:00"), strategy=strategy(status=HELD), pod=pod(fingerprint="x")
    )

    for _ in range(3):
        assert "DeletePod" not in kinds(lost)
        lost = settle(lost)
    assert lost.strategy.status["position"] == 10
    assert lost.strategy.status["execution"] == "BOUGHT"
    ready = lost.strategy.status["conditions"][0]
    assert ready["reason"] == "StateLost"
    assert f"algotrading.io/resolved to {MONDAY}" in ready["message"]

    closed = strategy(status=lost.strategy.status, resolved_day=MONDAY)
    assert "DeletePod" in kinds(dataclasses.replace(lost, strategy=closed))


def test_a_strategy_made_in_the_evening_has_missed_nothing():
    evening = observation(wall_us=at("18:00:00"), strategy=strategy(created_us=at("17:59:00")))
    decided = plan(evening, SETTINGS)

    fields = decided.actions[0].fields
    assert fields["execution"] == "WAITING"
    assert "reason" not in fields or fields["reason"] is None
    assert "EntryMissed" not in [a.reason for a in decided.actions if isinstance(a, act.EmitEvent)]
    assert decided.day.next_run_us == at("09:17:00", "2026-07-07")
    in_time = dataclasses.replace(evening, strategy=strategy(created_us=at("09:21:00")))
    assert plan(in_time, SETTINGS).actions[0].fields["reason"] == "missed"


def test_a_strategy_made_after_its_only_entry_is_over():
    late = strategy(created_us=at("17:59:00"), spec=spec(startDate=MONDAY, endDate=MONDAY))

    fields = plan(observation(wall_us=at("18:00:00"), strategy=late), SETTINGS).actions[0].fields

    assert fields["phase"] == "STOPPED"


def test_a_foreign_secret_of_our_name_is_left_alone():
    foreign = SecretState(assignment=None, redis="", redis_current=False, owned=False, foreign=True)
    due = observation(wall_us=at("09:17:00"), secret=foreign)

    assert not {"WriteSecret", "CreatePod", "DeleteSecret"} & set(kinds(due))
    assert ready_reason(due)[0] == "SecretNameTaken"
    assert plan(due, SETTINGS).wake_us == at("09:17:05")
    held = dataclasses.replace(due, runner=runner(), pod=pod(), strategy=strategy(status=HELD))
    assert not {"WriteSecret", "DeletePod"} & set(kinds(held))
    deleted = dataclasses.replace(
        due,
        strategy=strategy(
            deleted_us=at("09:16:00"), status=HELD | {"position": 0, "execution": "SOLD"}
        ),
    )
    assert kinds(deleted)[-3:] == ["RevokeRedis", "DeleteState", "RemoveFinalizer"]


@pytest.mark.parametrize("state", [None, runner(execution="WAITING", position=0)])
def test_a_pod_outlives_a_feed_whose_clock_is_not_known(state):
    account = Account(name="demo", id="brk_x", broker="paper", clock="Feed", feed="brk_x")
    waiting = observation(
        account=account,
        strategy=strategy(status={"runnerEpoch": 1}),
        runner=state,
        pod=pod(image="old"),
    )

    assert "DeletePod" not in kinds(waiting)
    done = dataclasses.replace(waiting, runner=runner(execution="SOLD", position=0, done=True))
    assert "DeletePod" in kinds(done)


def test_a_tampered_secret_changes_neither_account_nor_feed():
    account = Account(name="mine", id="brk_mine", broker="paper", clock="Wall", feed="shared")
    asked = strategy(account="mine", status={"runnerEpoch": 1})
    good = settle(observation(wall_us=at("09:17:00"), account=account, strategy=asked))
    evil = dataclasses.replace(
        good.secret.assignment, account_id="*", feed="brk_stranger", clock="Feed"
    )
    broken = dataclasses.replace(
        good,
        wall_us=at("10:00:00"),
        runner=runner(),
        strategy=dataclasses.replace(asked, spec=None, spec_problem="wrong"),
        secret=dataclasses.replace(good.secret, assignment=evil),
        acl_current=False,
    )

    actions = plan(broken, SETTINGS).actions

    granted = next(a for a in actions if isinstance(a, act.GrantRedis))
    assert (granted.account, granted.feed) == ("brk_mine", "shared")
    written = next(a for a in actions if isinstance(a, act.WriteSecret)).assignment
    assert (written.account_id, written.feed, written.clock) == ("brk_mine", "shared", "Wall")


execution = st.sampled_from(["WAITING", "BUYING", "BOUGHT", "SELLING", "SOLD", "STOPPED", "FAILED"])
clock_text = st.sampled_from(
    ["08:00:00", "09:17:30", "09:20:30", "11:00:00", "15:10:00", "16:00:00"]
)


@st.composite
def runners(draw):
    state = draw(execution)
    moving = state in {"BOUGHT", "SELLING"}
    return runner(
        execution=state,
        position=draw(st.integers(1, 10)) if moving else 0,
        done=state not in {"BUYING", "BOUGHT", "SELLING"} and draw(st.booleans()),
        trading_day=draw(st.sampled_from([MONDAY, "2026-07-03"])),
        protection=draw(st.sampled_from(["none", "runner", "resting", "exiting"])),
        epoch=draw(st.integers(1, 5)),
    )


@st.composite
def facts(draw):
    desired = draw(st.sampled_from(["Active", "Paused", "Stopped"]))
    valid = draw(st.booleans())
    deleted = draw(st.sampled_from([None, at("07:59:00"), at("08:00:00")]))
    observed = observation(
        strategy=strategy(
            spec=spec(desiredState=desired) if valid else None,
            spec_problem="" if valid else "wrong",
            desired=desired,
            deleted_us=deleted,
            has_finalizer=draw(st.booleans()) or deleted is not None,
            abandon=draw(st.sampled_from(["", "ticket"])),
            exit_day=draw(st.sampled_from(["", MONDAY])),
            status={"runnerEpoch": draw(st.integers(1, 5))} if draw(st.booleans()) else {},
        ),
        tenant=draw(st.sampled_from(["usr-a", None])),
        account_missing=draw(st.booleans()),
        wall_us=at(draw(clock_text)),
        runner=draw(st.none() | runners()),
        runner_known=draw(st.booleans()),
        acl_current=draw(st.booleans()),
        feed=FeedState(heartbeat_us=draw(st.sampled_from([None, at("08:00:00")]))),
    )
    if not observed.runner_known:
        observed = dataclasses.replace(observed, runner=None)
    if draw(st.booleans()):
        observed = dataclasses.replace(
            observed,
            pod=pod(
                ready=draw(st.booleans()),
                leaving=draw(st.booleans()),
                ended=draw(st.booleans()),
                backing_off=draw(st.booleans()),
                failure=draw(
                    st.sampled_from([None, PodFailure(reason="ImageMissing", message="no image")])
                ),
                image=draw(st.sampled_from(["runner:1", "runner:0"])),
                node_lost=draw(st.booleans()),
                ours=draw(st.sampled_from([True, True, False])),
            ),
        )
    trades = draw(st.booleans())
    if draw(st.booleans()):
        sample = settle((live if trades else observation)(wall_us=at("09:17:00"))).secret
        observed = dataclasses.replace(observed, secret=sample)
    return draw(traded_for_real(observed)) if trades else observed


@st.composite
def traded_for_real(draw, observed):
    asked = observed.strategy.spec
    real = spec(mode="Live", brokerAccount="mine", desiredState=observed.strategy.desired)
    rival = ConflictingStrategy(
        name="m0",
        uid="u0",
        created_us=draw(st.sampled_from([-1, 1])),
        at_risk=draw(st.booleans()),
        in_session=draw(st.booleans()),
        due=draw(st.booleans()),
    )
    return dataclasses.replace(
        observed,
        strategy=dataclasses.replace(
            observed.strategy, mode="Live", account="mine", spec=None if asked is None else real
        ),
        account=live_account(
            observed_ip=draw(st.sampled_from(["", "9.9.9.9"])), registered_ip="1.1.1.1"
        ),
        session=draw(
            st.sampled_from([NO_SESSION, open_session(), open_session(until=at("09:00:00"))])
        ),
        feed=dataclasses.replace(
            observed.feed,
            broker="zerodha",
            instrument=draw(st.sampled_from([None, SHARE])),
            knows_symbol=draw(st.booleans()),
        ),
        conflicts=draw(st.sampled_from([(), (rival,)])),
    )


@settings(max_examples=600, deadline=None)
@given(facts())
def test_never_two_pods_and_never_a_higher_epoch_under_a_living_one(observed):
    actions = plan(observed, SETTINGS).actions

    assert sum(isinstance(action, act.CreatePod) for action in actions) <= 1
    if observed.pod is not None:
        assert not any(isinstance(action, act.CreatePod) for action in actions)
        written = [a.assignment.epoch for a in actions if isinstance(a, act.WriteSecret)]
        assert all(epoch == observed.pod.epoch for epoch in written)


@settings(max_examples=600, deadline=None)
@given(facts())
def test_a_pod_that_guards_a_position_is_never_taken_away(observed):
    if not observed.at_risk or observed.pod is None:
        return
    pod = observed.pod
    healthy = not (pod.ended or pod.backing_off or pod.node_lost or pod.leaving)

    assert not healthy or not any(
        isinstance(action, act.DeletePod | act.DeleteSecret | act.RevokeRedis)
        for action in plan(observed, SETTINGS).actions
    )


@settings(max_examples=600, deadline=None)
@given(facts())
def test_a_position_without_a_pod_gets_one(observed):
    usable = observed.secret is not None or (
        observed.runner_known
        and observed.strategy.spec is not None
        and observed.runner is not None
        and (observed.feed.instrument is not None or not observed.live)
    )
    if not observed.at_risk or observed.pod is not None or not usable:
        return

    assert "CreatePod" in kinds(observed)


@settings(max_examples=600, deadline=None)
@given(facts())
def test_the_finalizer_stays_while_anything_is_held_or_unknown(observed):
    if not any(isinstance(a, act.RemoveFinalizer) for a in plan(observed, SETTINGS).actions):
        return

    assert observed.deleting
    assert not observed.at_risk
    assert observed.pod is None or not observed.pod.ours
    assert observed.runner_known or observed.abandoned or not observed.strategy.epoch


@settings(max_examples=600, deadline=None)
@given(facts())
def test_repeated_passes_come_to_rest(observed):
    for _ in range(6):
        following = settle(observed)
        if following.deleting and not following.strategy.has_finalizer:
            return
        observed = following

    left = [
        a
        for a in plan(observed, SETTINGS).actions
        if not isinstance(a, act.GrantRedis | act.RevokeRedis)
    ]
    stuck_pod = observed.pod is not None and observed.pod.leaving and observed.pod.node_lost
    assert not left or stuck_pod, left


@pytest.mark.parametrize("desired", ["Active", "Paused", "Stopped"])
def test_wishes_reach_the_assignment(desired):
    held = observation(
        wall_us=at("11:00:00"),
        runner=runner(),
        strategy=strategy(
            desired=desired, spec=spec(desiredState=desired), status={"runnerEpoch": 1}
        ),
    )

    made = [action for action in plan(held, SETTINGS).actions if isinstance(action, act.CreatePod)]

    assert made[0].assignment.strategy.desired_state == desired

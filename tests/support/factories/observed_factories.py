"""Facts as the operator's planner is given them, and what they are after a plan's own writes."""

import dataclasses
import datetime as dt
from typing import Any, Final

from algo_contract.messages.instrument import InstrumentFacts
from algo_contract.messages.runner_state import RunnerState
from algo_contract.ids import account_id, strategy_id
from algo_contract.calendar import IST, microseconds
from algo_contract.v1alpha1 import TradingStrategySpec
from algo_operator.model import actions as act
from algo_operator.model.observed import (
    Account,
    FeedState,
    ObservedStrategy,
    PodState,
    SecretState,
    SessionState,
    StrategyResource,
)
from algo_operator.reconcile.strategy.plan import plan
from algo_operator.settings import Settings
from algo_operator.specs.assignment import assignment_hash
from algo_kube.cache import ObjectName

UID = "8f2d6c1e-0000-4000-8000-000000000001"
SETTINGS = Settings(
    runner_image="runner:1", state_redis_url="redis://s:6379", ticks_redis_url="redis://t:6379"
)
MONDAY = "2026-07-06"


def at(clock: str, day: str = MONDAY) -> int:
    return microseconds(dt.datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=IST))


def spec(**fields: Any) -> TradingStrategySpec:
    values: dict[str, Any] = {
        "symbol": "RELIANCE",
        "buyTime": "09:20:00",
        "sellTime": "15:05:00",
        "stopLoss": 2890.5,
        "quantity": 10,
    }
    return TradingStrategySpec(**values | fields)


def strategy(**fields: Any) -> StrategyResource:
    values: dict[str, Any] = {
        "name": ObjectName("tenant-a", "m1"),
        "uid": UID,
        "id": strategy_id(UID),
        "generation": 1,
        "version": "7",
        "spec": spec(),
        "spec_problem": "",
        "desired": "Active",
        "has_finalizer": True,
        "deleted_us": None,
        "exit_day": "",
        "abandon": "",
        "resolved_day": "",
        "status": {},
    }
    return StrategyResource(**values | fields)


def observation(**fields: Any) -> ObservedStrategy:
    values: dict[str, Any] = {
        "strategy": strategy(),
        "tenant": "usr-a",
        "account": None,
        "account_missing": False,
        "wall_us": at("08:00:00"),
        "feed": FeedState(),
        "pod": None,
        "secret": None,
        "runner": None,
        "runner_known": True,
        "acl_current": False,
    }
    return ObservedStrategy(**values | fields)


def pod(**fields: Any) -> PodState:
    values: dict[str, Any] = {
        "name": "m1-runner",
        "uid": "p1",
        "created_us": at("09:17:00"),
        "ready": True,
        "leaving": False,
        "ended": False,
        "backing_off": False,
        "failure": None,
        "image": "runner:1",
        "epoch": 1,
        "fingerprint": "",
        "node_lost": False,
        "ours": True,
    }
    return PodState(**values | fields)


def runner(**fields: Any) -> RunnerState:
    values: dict[str, Any] = {
        "version": 1,
        "epoch": 1,
        "generation": 1,
        "trading_day": MONDAY,
        "execution": "BOUGHT",
        "reason": "",
        "position": 10,
        "average_price": 295000,
        "stop": 289050,
        "realized_pnl": 0,
        "protection": "runner",
        "done": False,
        "last_action": "",
        "updated_us": 1,
    }
    return RunnerState(**values | fields)


def kinds(observed: ObservedStrategy) -> list[str]:
    return [type(action).__name__ for action in plan(observed, SETTINGS).actions]


def settle(observed: ObservedStrategy) -> ObservedStrategy:  # noqa: C901 - one case per action
    """The same facts after the plan's own writes: what the next pass would see."""
    decided = plan(observed, SETTINGS)
    status, secret, current = dict(observed.strategy.status), observed.secret, observed.pod
    has_finalizer, acl = observed.strategy.has_finalizer, observed.acl_current
    for action in decided.actions:
        match action:
            case act.WriteStatus(fields):
                status |= fields
            case act.WriteSecret(assignment, owned, session):
                secret = SecretState(
                    assignment=assignment,
                    redis="x",
                    redis_current=True,
                    owned=owned,
                    session=session,
                )
            case act.CreatePod(assignment, _, session):
                current = pod(
                    epoch=assignment.epoch,
                    fingerprint=assignment_hash(assignment, session),
                    ready=False,
                    created_us=observed.wall_us,
                )
            case act.DeletePod():
                current = None
            case act.AnnotatePod(fingerprint):
                assert current is not None
                current = dataclasses.replace(current, fingerprint=fingerprint)
            case act.DeleteSecret():
                secret = None
            case act.GrantRedis():
                acl = True
            case act.AddFinalizer():
                has_finalizer = True
            case act.RemoveFinalizer():
                has_finalizer = False
            case _:
                pass
    new = dataclasses.replace(observed.strategy, status=status, has_finalizer=has_finalizer)
    return dataclasses.replace(observed, strategy=new, secret=secret, pod=current, acl_current=acl)


ACCOUNT_UID: Final = "9a2d6c1e-0000-4000-8000-00000000000a"
SHARE: Final = InstrumentFacts(token=738561, tick_size=10, freeze_quantity=30_000)


def live_account(**fields: Any) -> Account:
    """An account at a real broker, with a feed of its own."""
    own = account_id(ACCOUNT_UID)
    values: dict[str, Any] = {
        "name": "mine",
        "id": own,
        "uid": ACCOUNT_UID,
        "broker": "zerodha",
        "clock": "Wall",
        "feed": own,
    }
    return Account(**values | fields)


def open_session(*, until: int | None = None, fingerprint: str = "s1") -> SessionState:
    """A session that lives into the evening, unless told otherwise."""
    return SessionState(state="open", expires_us=until or at("20:00:00"), fingerprint=fingerprint)


def live(**fields: Any) -> ObservedStrategy:
    """A live strategy that is due, logged in, and known to its feed."""
    values: dict[str, Any] = {
        "wall_us": at("09:17:00"),
        "strategy": strategy(
            mode="Live", account="mine", spec=spec(mode="Live", brokerAccount="mine")
        ),
        "account": live_account(),
        "session": open_session(),
        "feed": FeedState(heartbeat_us=at("09:17:00"), broker="zerodha", instrument=SHARE),
    }
    return observation(**values | fields)

"""The real process on a real Redis: start, trade, signals, kill -9, Redis outages, edits."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from algo_contract import redis_keys
from algo_engine.replay import replay_day
from algo_engine.state import realized_pnl
from support.factories.days import a_day, a_strategy, ticks_at
from support.servers.redis_server import RedisProcess, running_redis
from support.servers.runner_process import RunnerProcess, close_day, paper_orders, publish, wait_for

RISE_AND_FALL = ticks_at([9500, 9550, 9600, 9400, 9350, 9290, 9200])


@pytest.fixture
def runner(redis: RedisProcess, tmp_path: Path) -> Iterator[RunnerProcess]:
    process = RunnerProcess(tmp_path, redis, a_day())
    process.assign(process.day)
    yield process
    if process.process is not None and process.process.poll() is None:
        process.kill()


def test_a_day__ends_as_its_replay(runner: RunnerProcess) -> None:
    runner.start()
    runner.wait_ready()
    publish(runner.redis, RISE_AND_FALL)
    close_day(runner.redis, runner.day)

    state = runner.wait_execution("SOLD")

    expected = replay_day(runner.day, RISE_AND_FALL).state
    assert state["reason"] == "stop_loss"
    assert state["done"] == "1"
    assert int(state["realized_pnl"]) == realized_pnl(expected)


def test_ticks_that_came_before_the_pod__count(runner: RunnerProcess) -> None:
    publish(runner.redis, RISE_AND_FALL)

    runner.start()

    assert runner.wait_execution("SOLD")["reason"] == "stop_loss"


def test_killed_ten_times_in_position__one_entry_one_exit(runner: RunnerProcess) -> None:
    publish(runner.redis, RISE_AND_FALL[:3])
    for epoch in range(1, 11):
        runner.assign(replace(runner.day, epoch=epoch))
        runner.start()
        runner.wait_execution("BOUGHT")
        runner.kill()
    publish(runner.redis, RISE_AND_FALL[3:])
    runner.start()

    runner.wait_execution("SOLD")

    orders = paper_orders(runner.redis, runner.day)
    assert [(o["side"], o["filled"]) for o in orders] == [("BUY", 10), ("SELL", 10)]


def test_restarted_in_the_same_pod__takes_the_fence_again(runner: RunnerProcess) -> None:
    publish(runner.redis, RISE_AND_FALL[:3])
    for _ in range(3):
        runner.start()
        runner.wait_execution("BOUGHT")
        runner.wait_ready()
        runner.kill()


def test_the_runner_alone_killed__its_supervisor_starts_it_again(runner: RunnerProcess) -> None:
    publish(runner.redis, RISE_AND_FALL[:3])
    runner.start()
    runner.wait_execution("BOUGHT")
    for _ in range(10):
        before = runner.runner_pid()
        runner.kill_runner()
        wait_for(lambda was=before: runner.runner_pid() != was, 5, runner.log)
        runner.wait_ready()
    publish(runner.redis, RISE_AND_FALL[3:])

    runner.wait_execution("SOLD")

    orders = paper_orders(runner.redis, runner.day)
    assert [(o["side"], o["filled"]) for o in orders] == [("BUY", 10), ("SELL", 10)]


def test_a_runner_that_keeps_dying__is_given_up_for_others_to_see(runner: RunnerProcess) -> None:
    runner.start()
    assert runner.process is not None
    deadline = time.monotonic() + 60
    while runner.process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, AssertionError):
            runner.kill_runner()
        time.sleep(0.02)

    assert runner.process.returncode == 128 + 9
    assert "runner_given_up" in runner.log()


def test_two_at_once__only_the_newer_trades(
    runner: RunnerProcess, redis: RedisProcess, tmp_path: Path
) -> None:
    runner.start()
    runner.wait_ready()
    (tmp_path / "newer").mkdir()
    newer = RunnerProcess(tmp_path / "newer", redis, replace(runner.day, epoch=2))
    newer.assign(newer.day)
    newer.start()
    newer.wait_ready()
    publish(redis, RISE_AND_FALL)

    newer.wait_execution("SOLD")

    assert runner.process is not None
    assert runner.process.wait(timeout=10) == 1
    assert "a newer runner has taken over" in runner.log()
    assert len(paper_orders(redis, runner.day)) == 2
    newer.kill()


def test_sigterm__leaves_within_a_second_and_the_stop_stays(runner: RunnerProcess) -> None:
    publish(runner.redis, RISE_AND_FALL[:3])
    runner.start()
    runner.wait_ready()
    runner.wait_execution("BOUGHT")

    began = time.monotonic()
    status = runner.terminate()

    assert status == 0
    assert time.monotonic() - began < 5
    assert paper_orders(runner.redis, runner.day)[-1]["status"] == "TRIGGER_PENDING"


def test_an_edited_stop__counts_at_once_in_position(runner: RunnerProcess) -> None:
    publish(runner.redis, RISE_AND_FALL[:3])
    runner.start()
    runner.wait_execution("BOUGHT")

    edited = replace(runner.day.strategy, stop_loss=9390, generation=2)
    runner.assign(replace(runner.day, strategy=edited))

    wait_for(lambda: runner.state()["generation"] == "2", 10, runner.log)
    wait_for(lambda: runner.state()["stop"] == "9390", 10, runner.log)
    publish(runner.redis, RISE_AND_FALL[3:5])
    runner.wait_execution("SOLD")


def test_a_stop_at_the_last_price__is_refused_as_use_exit(runner: RunnerProcess) -> None:
    publish(runner.redis, RISE_AND_FALL[:3])
    runner.start()
    runner.wait_execution("BOUGHT")

    edited = replace(runner.day.strategy, stop_loss=9700, generation=2)
    runner.assign(replace(runner.day, strategy=edited))

    wait_for(lambda: runner.state()["generation"] == "2", 10, runner.log)
    assert runner.state()["stop"] == "9300"
    assert "use exit" in runner.redis.run(
        "XRANGE", redis_keys.strategy(runner.day.strategy.id, "events"), "-", "+"
    )


def test_stopped_by_its_owner__sells_and_says_so(runner: RunnerProcess) -> None:
    publish(runner.redis, RISE_AND_FALL[:3])
    runner.start()
    runner.wait_execution("BOUGHT")

    stopped = replace(runner.day.strategy, desired_state="Stopped", generation=2)
    runner.assign(replace(runner.day, strategy=stopped))

    state = runner.wait_execution("STOPPED")
    assert state["reason"] == "stopped"
    assert state["realized_pnl"] == "1000"


def test_an_exit_command__sells_once_and_an_expired_one_does_not(runner: RunnerProcess) -> None:
    publish(runner.redis, RISE_AND_FALL[:3])
    runner.start()
    runner.wait_execution("BOUGHT")
    key = redis_keys.strategy(runner.day.strategy.id, "commands")
    day = runner.day.session.trading_day
    past, future = (time.time_ns() // 1000 + s * 1_000_000 for s in (-5, 60))

    runner.redis.run("XADD", key, "*", "id", "a", "tradingDay", day, "expiry", past, "kind", "exit")
    time.sleep(0.3)
    assert runner.state()["execution"] == "BOUGHT"
    runner.redis.run(
        "XADD", key, "*", "id", "b", "tradingDay", day, "expiry", future, "kind", "exit"
    )

    assert runner.wait_execution("STOPPED")["reason"] == "exited"


def test_a_stop_that_waits__comes_before_any_tick(runner: RunnerProcess) -> None:
    publish(runner.redis, RISE_AND_FALL)
    key = redis_keys.strategy(runner.day.strategy.id, "commands")
    expiry = time.time_ns() // 1000 + 60_000_000
    words = ("id", "a", "tradingDay", runner.day.session.trading_day, "expiry", expiry)
    runner.redis.run("XADD", key, "*", *words, "kind", "stop")
    runner.start()

    assert runner.wait_execution("STOPPED")["reason"] == "stopped"
    assert paper_orders(runner.redis, runner.day) == []


def test_a_missing_secret__is_said_without_a_traceback(tmp_path: Path, redis: RedisProcess) -> None:
    runner = RunnerProcess(tmp_path, redis, a_day())
    runner.start()

    assert runner.process is not None
    assert runner.process.wait(timeout=10) == 1
    assert "is the pod's Secret mounted there?" in json.loads(runner.log())["error"]


def test_redis_away_before_the_entry__enters_when_it_is_back(tmp_path: Path) -> None:
    with running_redis(append_only=True) as redis:
        runner = RunnerProcess(tmp_path, redis, a_day())
        runner.assign(runner.day)
        runner.start()
        runner.wait_ready()
        redis.kill()
        time.sleep(0.5)
        redis.start()
        publish(redis, RISE_AND_FALL)

        assert runner.wait_execution("SOLD")["reason"] == "stop_loss"
        assert "redis_retried" in runner.log()
        runner.kill()


def test_redis_away_at_the_start__alive_and_ready_when_it_comes(tmp_path: Path) -> None:
    with running_redis(append_only=True) as redis:
        runner = RunnerProcess(tmp_path, redis, a_day())
        runner.assign(runner.day)
        redis.kill()
        runner.start()
        wait_for(runner.listens, 15, runner.log)

        assert "Redis is not reached yet" in runner.page("/readyz")
        assert runner.page("/healthz") == "ok\n"
        assert "process_cpu_seconds_total" in runner.page("/metrics")
        redis.start()
        assert runner.page("/readyz") == "ready\n"
        runner.kill()


def test_redis_killed_in_position__the_stop_touched_after_is_honoured(tmp_path: Path) -> None:
    with running_redis(append_only=True) as redis:
        runner = RunnerProcess(tmp_path, redis, a_day())
        runner.assign(runner.day)
        runner.start()
        publish(redis, RISE_AND_FALL[:3])
        runner.wait_execution("BOUGHT")
        redis.kill()
        redis.start()
        publish(redis, RISE_AND_FALL[3:])

        runner.wait_execution("SOLD")
        orders = paper_orders(redis, runner.day)
        assert [(o["side"], o["filled"]) for o in orders] == [("BUY", 10), ("SELL", 10)]
        runner.kill()


def test_a_new_password__is_taken_over_by_a_new_start(tmp_path: Path) -> None:
    with running_redis(append_only=True) as redis:
        redis.add_user("runner", "old", "~*", "+@all")
        runner = RunnerProcess(tmp_path, redis, a_day(), login=("runner", "old"))
        runner.assign(runner.day)
        runner.start()
        publish(redis, RISE_AND_FALL[:3])
        runner.wait_execution("BOUGHT")

        redis.add_user("runner", "new", "~*", "+@all")
        runner.login = ("runner", "new")
        runner.assign(runner.day)
        redis.kill()
        redis.start()

        assert runner.process is not None
        assert runner.process.wait(timeout=15) == 1
        assert "log-in in the Secret has changed" in runner.log()
        runner.start()
        runner.wait_ready()
        runner.kill()


def test_the_running_process__loads_nothing_large(runner: RunnerProcess) -> None:
    runner.start()
    runner.wait_ready()
    assert runner.process is not None
    maps = Path(f"/proc/{runner.runner_pid()}/maps").read_text(encoding="utf-8")

    assert "pydantic_core" not in maps
    assert "_yaml" not in maps


def test_metrics__are_there_for_prometheus(runner: RunnerProcess) -> None:
    runner.start()
    publish(runner.redis, RISE_AND_FALL)
    runner.wait_execution("SOLD")

    page = runner.page("/metrics")

    assert f"algo_runner_ticks_total {len(RISE_AND_FALL)}" in page
    assert 'algo_runner_order_requests_total{operation="place",outcome="confirmed"} 2' in page
    assert runner.page("/nothing") == "not found\n"


def test_a_port_that_is_taken__is_said_without_a_traceback(runner: RunnerProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        runner.port = taken.getsockname()[1]
        runner.start()
        assert runner.process is not None
        assert runner.process.wait(timeout=10) == 2

    assert f"port {runner.port} cannot be listened on" in runner.log()


def test_a_strategy_of_its_own_day_only(redis: RedisProcess, tmp_path: Path) -> None:
    first = a_day(a_strategy(uid="one"))
    second = a_day(a_strategy(uid="two"))
    for name, day in (("one", first), ("two", second)):
        (tmp_path / name).mkdir()
        runner = RunnerProcess(tmp_path / name, redis, day)
        runner.assign(day)
        runner.start()
        if name == "one":
            publish(redis, RISE_AND_FALL)
        runner.wait_execution("SOLD")
        runner.kill()

    tags = [{o["tag"] for o in paper_orders(redis, day)} for day in (first, second)]
    assert not tags[0] & tags[1]


def test_a_paper_runner__carries_nothing_that_only_real_brokers_need() -> None:
    wanted = (
        "import sys, algo_runner.process, algo_runner.recovery.startup; print(*sorted(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", wanted], capture_output=True, text=True, check=True
    ).stdout.split()

    unwanted = {"httptools", "websockets", "algo_brokers.http.client", "pydantic"}
    assert not unwanted & set(loaded)

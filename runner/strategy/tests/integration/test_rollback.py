"""An image rolled back while in position: the older release guards what the newer one left."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from algo_contract import redis_keys
from hiredis import Reader
from support.factories.days import a_day, ticks_at
from support.servers.redis_server import RedisProcess
from support.servers.runner_process import RunnerProcess, paper_orders, publish

RISE, FALL = ticks_at([9500, 9550, 9600]), ticks_at([9400, 9290], start="09:30")


@pytest.fixture
def runner(redis: RedisProcess, tmp_path: Path) -> Iterator[RunnerProcess]:
    process = RunnerProcess(tmp_path, redis, a_day())
    process.assign(process.day)
    yield process
    if process.process is not None and process.process.poll() is None:
        process.kill()


def rewrite_journal(runner: RunnerProcess, change: Callable[[dict[str, Any]], object]) -> None:
    """Appends the newest entry again with its snapshot changed, as a newer release writes it."""
    key = redis_keys.strategy(runner.day.strategy.id, "journal")
    reader = Reader(encoding="utf-8")
    reader.feed(runner.redis.run("XREVRANGE", key, "+", "-", "COUNT", "1").encode())
    [[_, flat]] = reader.gets()
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    snapshot = json.loads(fields["state"])
    changed = change(snapshot)
    fields["state"] = changed if isinstance(changed, str) else json.dumps(snapshot)
    runner.redis.run("XADD", key, "*", *[word for pair in fields.items() for word in pair])


def unknown_fields(snapshot: dict[str, Any]) -> None:
    snapshot["hedge"] = {"symbol": "NIFTY"}
    snapshot["entry"]["iceberg"] = 3
    snapshot["strategy"]["take_profit_ladder"] = [1, 2]


def another_format(snapshot: dict[str, Any]) -> None:
    snapshot["format"] = 99


def no_json(_: dict[str, Any]) -> str:
    return "{this is no snapshot"


def a_word_to_come(snapshot: dict[str, Any]) -> None:
    snapshot["entry"]["status"] = "ICEBERG"


def in_position(runner: RunnerProcess) -> None:
    publish(runner.redis, RISE)
    runner.start()
    runner.wait_execution("BOUGHT")
    runner.kill()


def sold_once(runner: RunnerProcess) -> None:
    publish(runner.redis, FALL)
    assert runner.wait_execution("SOLD")["reason"] == "stop_loss"
    orders = paper_orders(runner.redis, runner.day)
    assert [(o["side"], o["filled"]) for o in orders] == [("BUY", 10), ("SELL", 10)]


def test_a_journal_of_a_newer_release__the_position_is_guarded(runner: RunnerProcess) -> None:
    in_position(runner)
    rewrite_journal(runner, unknown_fields)

    runner.assign(replace(runner.day, epoch=2))
    runner.start()

    sold_once(runner)
    assert "journal_unreadable" not in runner.log()


@pytest.mark.parametrize("change", [another_format, no_json, a_word_to_come])
def test_a_journal_that_cannot_be_read__is_rebuilt_from_the_book(
    runner: RunnerProcess, change: Callable[[dict[str, Any]], object]
) -> None:
    in_position(runner)
    rewrite_journal(runner, change)

    runner.assign(replace(runner.day, epoch=2))
    runner.start()
    runner.wait_ready()

    sold_once(runner)
    events = runner.redis.run(
        "XRANGE", redis_keys.strategy(runner.day.strategy.id, "events"), "-", "+"
    )
    assert "JournalUnreadable" in events


def test_an_assignment_of_a_newer_release__is_traded(runner: RunnerProcess) -> None:
    file = runner.folder / "assignment.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"colour": "red"}))

    in_position(runner)
    runner.start()

    sold_once(runner)

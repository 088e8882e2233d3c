"""`algo-feed` as a person runs it: exit status, sentences, no traceback, no secret."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.servers.redis_server import RedisProcess

DAY = "2019-07-09"
TickFile = Callable[..., Path]
Command = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def command(redis: RedisProcess, tmp_path: Path) -> Command:
    """Starts `algo-feed` with its Redis settings in the environment."""
    password = tmp_path / "password"
    password.write_text(redis.password)
    settings = {
        "ALGO_FEED_REDIS_URL": f"redis://{redis.host}:{redis.port}",
        "ALGO_FEED_REDIS_USERNAME": redis.username,
        "ALGO_FEED_REDIS_PASSWORD_FILE": str(password),
    }

    def start(*words: str | Path, **changes: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "algo_feed", *map(str, words)],
            env=os.environ | settings | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=20)
    assert "Traceback" not in err
    return process.returncode, out, err


def test_publish__done__closing_line(
    command: Command, tick_file: TickFile, redis: RedisProcess
) -> None:
    status, out, err = finish(command("publish", "--ticks", tick_file((DAY, 9)), "--speed", "max"))

    assert (status, err) == (0, "")
    assert out.splitlines()[-1].startswith("done: 9 ticks and 1 whole days published in ")
    assert redis.password not in out


def test_publish__broken_line__status_2_and_nothing_published(
    command: Command, tick_file: TickFile, redis: RedisProcess
) -> None:
    path = tick_file((DAY, 9))
    path.write_text(path.read_text() + "2019-07-09T15:00:00,NSE,INFY,1,1,1\n")

    status, _, err = finish(command("publish", "--ticks", path, "--speed", "max"))

    assert status == 2
    assert "line 11" in err
    assert redis.run("DBSIZE") == ":0\r\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [((), 2), (("run", "--x"), 2), (("--help",), 0), (("publish", "--help"), 0)],
)
def test_command__usage(command: Command, words: tuple[str, ...], status: int) -> None:
    found, out, err = finish(command(*words))

    assert found == status
    assert "usage: algo-feed " in out + err


def test_publish__no_such_file__status_2(command: Command) -> None:
    status, _, err = finish(command("publish", "--ticks", "/nowhere.csv"))

    assert status == 2
    assert "/nowhere.csv: cannot be read: No such file" in err


def test_publish__no_address__status_2(command: Command, tick_file: TickFile) -> None:
    process = command("publish", "--ticks", tick_file((DAY, 9)), ALGO_FEED_REDIS_URL="")

    status, _, err = finish(process)

    assert status == 2
    assert "where is redis-ticks?" in err


def test_publish__runners_not_ready__status_3(command: Command, tick_file: TickFile) -> None:
    words = ("publish", "--ticks", tick_file((DAY, 9)), "--wait-ready", "1", "--wait-timeout", "0")

    status, _, err = finish(command(*words))

    assert status == 3
    assert "0 of 1 runners were ready for 2019-07-09" in err


def test_publish__user_without_rights__status_4(
    command: Command, tick_file: TickFile, redis: RedisProcess, tmp_path: Path
) -> None:
    redis.add_user("nobody", "pw", "+ping")
    (tmp_path / "nobody").write_text("pw")
    user = {
        "ALGO_FEED_REDIS_USERNAME": "nobody",
        "ALGO_FEED_REDIS_PASSWORD_FILE": str(tmp_path / "nobody"),
    }

    status, _, err = finish(command("publish", "--ticks", tick_file((DAY, 9)), **user))

    assert status == 4
    assert "NOPERM" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_publish__signal__stops_with_its_count(
    command: Command, tick_file: TickFile, redis: RedisProcess, number: signal.Signals
) -> None:
    process = command("publish", "--ticks", tick_file((DAY, 9000)), "--speed", "60")
    deadline = time.monotonic() + 10
    while redis.run("XLEN", "ticks:{NSE:INFY}") == ":0\r\n" and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)

    status, out, err = finish(process)

    assert (status, err) == (128 + number, "")
    assert out.splitlines()[-1].startswith(f"stopped by {number.name}: ")

"""A real runner process, as in its pod: `algo-runner run` with a Secret folder on a real Redis."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from algo_contract import redis_keys
from algo_contract.messages.assignment import ASSIGNMENT_FILE, Assignment, assignment_json
from algo_contract.messages.redis_server import REDIS_FILE, RedisServer, redis_json
from algo_engine.tick_file import FileTick
from support.servers.redis_server import RedisProcess, free_port

COMMAND = [sys.executable, "-m", "algo_runner", "run"]


@dataclass
class RunnerProcess:
    """One runner, and what the operator and the kubelet do for it."""

    folder: Path
    redis: RedisProcess
    day: Assignment
    login: tuple[str, str] = ("", "")
    """User and password; the server's admin where empty."""

    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def assign(self, day: Assignment) -> None:
        """Writes the Secret, as a kubelet does: all at once."""
        self.day = day
        server = RedisServer(
            host=self.redis.host,
            port=self.redis.port,
            username=self.login[0] or self.redis.username,
            password=self.login[1] or self.redis.password,
        )
        _replace(self.folder / REDIS_FILE, redis_json(state=server, ticks=server))
        _replace(self.folder / ASSIGNMENT_FILE, assignment_json(day))

    def start(self) -> None:
        with (self.folder / "runner.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "--secret", str(self.folder), "--port", str(self.port)],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """kill -9 of all there is, as when a pod goes."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=15)

    def kill_runner(self) -> None:
        """kill -9 of the runner alone; its supervisor stays."""
        os.kill(self.runner_pid(), signal.SIGKILL)

    def runner_pid(self) -> int:
        """The process that trades: the supervisor's child."""
        assert self.process is not None
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children: list[str] = []
        wait_for(lambda: bool(children.extend(path.read_text().split()) or children), 5, self.log)
        return int(children[0])

    def terminate(self) -> int:
        """SIGTERM; the exit status."""
        self._signal(signal.SIGTERM)
        assert self.process is not None
        return self.process.returncode

    def wait_ready(self, seconds: float = 15) -> None:
        wait_for(self.is_ready, seconds, self.log)

    def is_ready(self) -> bool:
        try:
            return self.page("/readyz").startswith("ready")
        except OSError:
            return False

    def listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def page(self, path: str) -> str:
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()

    def log(self) -> str:
        return (self.folder / "runner.log").read_text(errors="replace")

    def state(self) -> dict[str, str]:
        return hash_of(self.redis, redis_keys.strategy(self.day.strategy.id, "state"))

    def wait_execution(self, execution: str, seconds: float = 15) -> dict[str, str]:
        wait_for(lambda: self.state().get("execution") == execution, seconds, self.log)
        return self.state()

    def _signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)
        self.process.wait(timeout=15)


def publish(redis: RedisProcess, ticks: Sequence[FileTick], *, feed: str = "shared") -> None:
    """Appends ticks to their stream, as a feed does."""
    now = time.time_ns() // 1000
    for exchange, symbol, time_us, price, quantity, volume in ticks:
        fields = ("p", price, "q", quantity, "v", volume, "t", time_us, "r", now)
        redis.run("XADD", redis_keys.ticks(feed, exchange, symbol), "*", *fields)


def close_day(redis: RedisProcess, day: Assignment) -> None:
    """Says that the recorded day is over."""
    redis.run("SET", redis_keys.feed_clock(day.feed), day.session.close_us + 1)


def paper_orders(redis: RedisProcess, day: Assignment) -> list[dict[str, object]]:
    """The paper book's rows, in the order they were placed."""
    book = hash_of(redis, redis_keys.strategy(day.strategy.id, "paper"))
    rows = [json.loads(text) for tag, text in book.items() if tag != "last_tick"]
    return sorted(rows, key=lambda row: row["n"])


def hash_of(redis: RedisProcess, key: str) -> dict[str, str]:
    words = _bulk(redis, key)
    return dict(zip(words[::2], words[1::2], strict=True))


def wait_for(done: Callable[[], bool], seconds: float, log: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s; the log ends:\n{log()[-3000:]}")
        time.sleep(0.02)


def _bulk(redis: RedisProcess, key: str) -> list[str]:
    lines = redis.run("HGETALL", key).split("\r\n")
    return [line for before, line in itertools.pairwise(lines) if before.startswith("$")]


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)

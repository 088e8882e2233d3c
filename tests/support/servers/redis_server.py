"""A real Redis server for tests: own folder, free port, ACL file, killed and started by its pid.

Standard library only. The fixtures over it are in redis_fixtures.py.

    from redis_server import RedisProcess, running_redis

    with running_redis(append_only=True) as redis:
        redis.port, redis.password      # user `admin`, who may do everything
        redis.add_user("runner", "secret", "~ticks:*", "+xread")
        redis.kill(); redis.start()     # kill -9; back on the same port and folder
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ADMIN = "admin"
DEFAULT_USER = "user default off resetpass ~* &* +@all"
"""Nobody can log in as `default`, yet it keeps all rights: Redis 7.0 replays the append-only file
as that user, and without rights it leaves out every transaction and every script that wrote more
than one key (logged as "== CRITICAL ==", then it starts without them)."""
START_SECONDS = 10
_ROOT = Path(__file__).resolve().parents[3]


def find_server() -> Path:
    """The redis-server program: the project's own, the system's, or Debian's redis-tools.

    Debian's redis-check-rdb is the server's program under another name; it looks at argv[0].
    """
    for place in (_ROOT / ".tools/bin/redis-server", shutil.which("redis-server")):
        if place and Path(place).exists():
            return Path(place)
    checker = shutil.which("redis-check-rdb")
    if checker:
        return Path(checker)
    raise FileNotFoundError(
        f"no redis-server in {_ROOT}/.tools/bin or in PATH: run `make setup`, "
        "or install Debian's redis-tools"
    )


@dataclass
class RedisProcess:
    """One server. Its user `default` is off, as in the cluster."""

    folder: Path
    port: int
    append_only: bool = False
    host: str = "127.0.0.1"
    username: str = ADMIN
    password: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Starts the server and waits until it has loaded its data and answers."""
        acl = self.folder / "users.acl"
        if not acl.exists():
            acl.write_text(f"{DEFAULT_USER}\nuser {ADMIN} on >{self.password} ~* &* +@all\n")
        settings = {
            "port": self.port,
            "bind": self.host,
            "dir": self.folder,
            "aclfile": acl,
            "save": "",
            "appendonly": "yes" if self.append_only else "no",
            "appendfsync": "always",
            "daemonize": "no",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", *words], executable=find_server(), stdout=log, stderr=log
            )
        self._wait_until_answering()

    def kill(self) -> None:
        """kill -9: what the server had not made durable is gone."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """Asks the server to stop and waits for it."""
        self._signal(signal.SIGTERM)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """While inside, the server is stopped in its tracks: connections stay, nothing answers."""
        pid = self._running().pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def run(self, *words: str | int) -> str:
        """One command as the admin, on a connection of its own; the raw reply's text."""
        with socket.create_connection((self.host, self.port), timeout=5) as sock:
            login = _packed("AUTH", self.username, self.password)
            sock.sendall(login + _packed(*words) + _packed("PING"))
            answer = b""
            while not answer.endswith(b"+PONG\r\n") and b"-LOADING" not in answer:
                chunk = sock.recv(65536)
                if not chunk:
                    break
                answer += chunk
        return answer.partition(b"\r\n")[2].removesuffix(b"+PONG\r\n").decode(errors="replace")

    def add_user(self, name: str, password: str, *rules: str) -> None:
        """A user with ACL rules, kept in the ACL file so that it outlives a restart."""
        reply = self.run("ACL", "SETUSER", name, "reset", "on", f">{password}", *rules)
        assert reply == "+OK\r\n", reply
        self.run("ACL", "SAVE")

    def _wait_until_answering(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self.run("PING") == "+PONG\r\n":
                    return
            if self._running().poll() is not None:
                break
            time.sleep(0.01)
        log = (self.folder / "redis.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"redis-server on port {self.port} did not start:\n{log}")

    def _signal(self, number: signal.Signals) -> None:
        process = self._running()
        process.send_signal(number)
        process.wait(timeout=START_SECONDS)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self.process is None:
            raise RuntimeError("the Redis server was not started")
        return self.process


@contextlib.contextmanager
def running_redis(*, append_only: bool = False) -> Iterator[RedisProcess]:
    """A server for the time inside; its folder is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="redis-", ignore_cleanup_errors=True) as folder:
        redis = RedisProcess(folder=Path(folder), port=free_port(), append_only=append_only)
        try:
            redis.start()
            yield redis
        finally:
            if redis.process is not None and redis.process.poll() is None:
                redis.kill()


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _packed(*words: str | int) -> bytes:
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)

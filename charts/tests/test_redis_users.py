"""The servers' own users, on a real Redis: what each may do, and what it may not."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.servers.redis_server import RedisProcess, free_port

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/algo-trading"
PASSWORDS = {user: f"{user}-word" for user in ("operator", "feed", "demo")}
TICKS = "ticks:{NSE:YESBANK}"


def config(role: str, *options: str) -> dict[str, str]:
    words = [
        ROOT / ".tools/bin/helm",
        "template",
        "algo",
        CHART,
        *("--show-only", "templates/redis/config.yaml"),
        *("--set", "demoTenant.enabled=true", "--kube-version", "1.30"),
        *options,
    ]
    text = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    found = {each["metadata"]["name"]: each["data"] for each in yaml.safe_load_all(text)}
    return found[f"redis-{role}"]


class Server:
    """A role's server, its ACL file written before each start as the init container does."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        (folder / "passwords").mkdir()
        for user, password in PASSWORDS.items():
            (folder / "passwords" / user).write_text(password)
        for name, text in files.items():
            (folder / name).write_text(text)
        self.folder = folder
        self.process = RedisProcess(
            folder, free_port(), username="operator", password=PASSWORDS["operator"]
        )

    def start(self) -> None:
        self.write_users()
        self.process.start()

    def restart(self) -> None:
        self.process.kill()
        self.start()

    def write_users(self) -> None:
        paths = (self.folder / name for name in ("write-users.sh", "users", "passwords"))
        subprocess.run(["sh", *paths, self.folder / "users.acl"], check=True, timeout=10)

    def ask(self, user: str, *words: str, password: str | None = None) -> str:
        """The reply as redis-cli shows it, to `user`."""
        cli = [ROOT / ".tools/bin/redis-cli", "-p", str(self.process.port), "--user", user, "--raw"]
        word = PASSWORDS.get(user, "-") if password is None else password
        answer = subprocess.run(
            [*cli, *words],
            env={"REDISCLI_AUTH": word},
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
        return answer.stdout + answer.stderr


@pytest.fixture(params=["state", "ticks"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, config(request.param))
    server.start()
    yield server
    server.process.kill()


@pytest.fixture
def ticks(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, config("ticks"))
    server.start()
    yield server
    server.process.kill()


def test_default__is_off(server):
    assert "WRONGPASS" in server.ask("default", "PING", password="-")


def test_probe__pings_and_nothing_else(server):
    assert server.ask("probe", "PING") == "PONG\n"
    for words in (("GET", "a"), ("KEYS", "*"), ("ACL", "LIST"), ("INFO",), ("CONFIG", "GET", "*")):
        assert "NOPERM" in server.ask("probe", *words)


def test_operator__may_do_everything(server):
    assert server.ask("operator", "ACL", "SETUSER", "str_a", "on") == "OK\n"
    assert server.ask("operator", "ACL", "SAVE") == "OK\n"
    assert "NOPERM" not in server.ask("operator", "KEYS", "*")


def test_demo__reads_and_never_writes(server):
    server.ask("operator", "SET", "strategy:{s}:state", "1")

    assert server.ask("demo", "GET", "strategy:{s}:state") == "1\n"
    assert "NOPERM" not in server.ask("demo", "SCAN", "0")
    for words in (
        ("SET", "a", "1"),
        ("DEL", "strategy:{s}:state"),
        ("KEYS", "*"),
        ("ACL", "LIST"),
        ("CONFIG", "GET", "*"),
        ("INFO",),
        ("EVAL", "return 1", "0"),
        ("MONITOR",),
        ("FLUSHALL",),
    ):
        assert "NOPERM" in server.ask("demo", *words), words


def test_feed__has_no_user_on_redis_state(tmp_path):
    server = Server(tmp_path, config("state"))
    server.start()
    try:
        assert "WRONGPASS" in server.ask("feed", "PING")
    finally:
        server.process.kill()


@pytest.mark.parametrize(
    "words",
    [
        ("XADD", TICKS, "MAXLEN", "~", "10", "*", "p", "1"),
        ("XADD", "ticks:brk_a:{NSE:YESBANK}", "*", "p", "1"),
        ("XLEN", TICKS),
        ("DEL", TICKS),
        ("SCRIPT", "LOAD", "return redis.call('XLEN', KEYS[1])"),
        ("SET", "feed:shared:clock", "1"),
        ("SET", "feed:brk_a:heartbeat", "1"),
        ("GET", "feed:shared:heartbeat"),
        ("SADD", "feed:shared:unknown", "NSE:YESBANK"),
        ("DEL", "feed:shared:unknown"),
        ("SMEMBERS", "feed:shared:instruments"),
        ("GET", "feed:names:{algo-system/recorded}"),
        ("SCAN", "0", "MATCH", "strategy:{*}:live", "COUNT", "1000"),
        ("HMGET", "strategy:{str_a}:live", "ready", "feed"),
        ("HGETALL", "strategy:{str_a}:live"),
        ("MULTI",),
    ],
)
def test_feed__does_its_work(ticks, words):
    reply = ticks.ask("feed", *words)

    assert not re.match(r"[A-Z]{4,} ", reply), reply


@pytest.mark.parametrize(
    "words",
    [
        ("KEYS", "*"),
        ("ACL", "LIST"),
        ("ACL", "SETUSER", "feed", "+@all"),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("FLUSHALL",),
        ("HSET", "strategy:{str_a}:live", "ready", "2019-07-09"),
        ("HGETALL", "strategy:{str_a}:state"),
        ("SADD", "feed:shared:instruments", "NSE:YESBANK"),
        ("SET", "feed:names:{algo-system/recorded}", "brk_a"),
        ("SET", "account:{brk_a}:quotes", "1"),
        ("SET", "platform:halt", "1"),
        ("GET", "platform:halt"),
        ("EVAL", "return 1", "0"),
        ("PUBLISH", "a", "b"),
    ],
)
def test_feed__may_not(ticks, words):
    assert "NOPERM" in ticks.ask("feed", *words)


def test_feed__a_script__reaches_only_what_the_feed_may(ticks):
    script = "return redis.call('GET', KEYS[1])"
    digest = ticks.ask("feed", "SCRIPT", "LOAD", script).strip()

    assert "NOPERM" in ticks.ask("feed", "EVALSHA", digest, "1", "platform:halt")


def test_restart__keeps_saved_tenants_users_only(server):
    for user in ("str_abc", "brk_abc", "intruder"):
        server.ask("operator", "ACL", "SETUSER", user, "on", ">word", "~a", "+get")
    server.ask("operator", "ACL", "SETUSER", "demo", "+@all", "~*")
    server.ask("operator", "ACL", "SAVE")

    for _ in range(2):
        server.restart()
        users = server.ask("operator", "ACL", "LIST")
        for user in ("str_abc", "brk_abc"):
            assert "NOPERM" not in server.ask(user, "GET", "a", password="word")
            assert "NOPERM" in server.ask(user, "GET", "b", password="word")
            assert users.count(f"user {user} ") == 1
        assert "WRONGPASS" in server.ask("intruder", "GET", "a", password="word")
        assert "NOPERM" in server.ask("demo", "SET", "a", "1")


def test_restart__keeps_what_scripts_and_transactions_wrote(tmp_path):
    server = Server(tmp_path, config("state"))
    write = "redis.call('SET', KEYS[1], '1') return redis.call('XADD', KEYS[2], '*', 'a', '1')"
    server.process.append_only = True
    server.start()
    try:
        server.ask("operator", "EVAL", write, "2", "strategy:{s}:fence", "strategy:{s}:journal")

        server.restart()

        assert server.ask("operator", "GET", "strategy:{s}:fence") == "1\n"
        assert server.ask("operator", "XLEN", "strategy:{s}:journal") == "1\n"
    finally:
        server.process.kill()


def test_restart__with_a_new_password__the_old_one_is_gone(server):
    (server.folder / "passwords/demo").write_text("other-word\n")

    server.restart()

    assert "WRONGPASS" in server.ask("demo", "PING")
    assert server.ask("demo", "PING", password="other-word") == "PONG\n"


def test_acl_file__holds_no_password(server):
    server.ask("operator", "ACL", "SAVE")

    text = (server.folder / "users.acl").read_text()
    assert not [password for password in PASSWORDS.values() if password in text]


def test_one_server_for_both__feed_reaches_no_strategy_state(tmp_path):
    server = Server(tmp_path, config("state", "--set", "redis.singleServer=true"))
    server.start()
    try:
        assert server.ask("feed", "SET", "feed:shared:clock", "1") == "OK\n"
        assert "NOPERM" in server.ask("feed", "HGETALL", "strategy:{str_a}:state")
        assert "NOPERM" in server.ask("feed", "GET", "account:{brk_a}:halt")
    finally:
        server.process.kill()


def test_demo__without_the_demo_tenant__is_no_user():
    for role in ("state", "ticks"):
        users = config(role, "--set", "demoTenant.enabled=false")["users"]

        assert [line.split()[0] for line in users.splitlines() if line.startswith("demo")] == []

"""A broker ends a session before its time: the operator asks for another, once. First with a feed
that is played, then with everything real but pods.
"""

import asyncio
import base64
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from algo_contract import names, redis_keys
from algo_contract.messages.broker_session import SESSION_FILE, read_session
from algo_contract.envelope import payloads
from algo_contract.envelope.keys import read_keys
from algo_contract.envelope.format import Binding
from algo_contract.envelope.seal import seal
from algo_contract.ids import account_id, strategy_id
from algo_login import metrics as login_metrics
from algo_login import plan as login_plan
from algo_login.settings import Settings as LoginSettings
from algo_login.worker import Worker
from algo_kube.times import from_timestamp, timestamp
from algo_kube.resources import ACCOUNTS, CONFIG_MAPS, NAMESPACES, PODS, SECRETS, STRATEGIES
from algo_operator.reconcile.account.login_request import DISTANCE_US
from support.factories.live_accounts import a_session, log_in, make_key, simulated_tenant
from support.factories.strategy_days import condition, reason
from support.servers.redis_server import free_port
from support.servers.sim_server import Simulator, simulator

pytestmark = pytest.mark.api_server

DHAN = {"client_id": "1100000001", "pin": "123456", "totp_seed": "JBSWY3DPEHPK3PXP"}
RECORDED = "2019-07-09"
"""The simulator's day."""
LIVE = {"brokerAccount": "mine", "mode": "Live"}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return make_key(tmp_path / "keys")


def asked(body: dict) -> str:
    return (body["metadata"].get("annotations") or {}).get(names.LOGIN_REQUESTED_ANNOTATION, "")


# --- the feed is played ---------------------------------------------------------------------------


@pytest.fixture
async def live(world, keys):
    """An operator, and a live strategy whose account is logged in."""
    tenant = await simulated_tenant(world, keys)
    await world.strategy(tenant, "m1", **LIVE)
    return tenant


async def new_session(world, keys, tenant: str, **fields: Any) -> int:
    """A new session on the account, and when it was issued."""
    text = a_session(**fields)
    await log_in(world, keys, tenant, "mine", text)
    await world.until(ACCOUNTS, tenant, "mine", lambda b: reason(b, "CredentialsReady"))
    await world.idle()
    return read_session(text).issued_us


async def feed_says(world, tenant: str, value: object) -> None:
    """Its word about the session; the operator has heard it."""
    mine = await world.get(ACCOUNTS, tenant, "mine")
    own = account_id(mine["metadata"]["uid"])
    await world.redis.set(redis_keys.feed_ended(own), value)
    await asyncio.sleep(0.7)
    await world.idle()


async def test_ended__once_for_a_session__is_asked_for_and_said(world, keys, live):
    issued_us = await new_session(world, keys, live)

    await feed_says(world, live, issued_us)

    body = await world.until(ACCOUNTS, live, "mine", asked)
    assert from_timestamp(asked(body)) > issued_us
    assert reason(body, "CredentialsReady") == "SessionEnded"
    assert body["status"]["phase"] == "LOGIN_NEEDED"
    assert "asked for" in condition(body, "CredentialsReady")["message"]
    assert "SessionEnded" in [row["reason"] for row in await world.events(live)]

    first = asked(body)
    await world.stop()
    await world.start(session_keys=keys, broker_url_allowlist="algo-sim.algo-sim.svc:8101")
    await feed_says(world, live, issued_us)
    assert asked(await world.get(ACCOUNTS, live, "mine")) == first, "not again after a restart"


async def test_ended__the_next_session_too__is_asked_for_after_a_while(world, keys, live):
    first = await new_session(world, keys, live)
    await feed_says(world, live, first)
    before = asked(await world.until(ACCOUNTS, live, "mine", asked))
    second = await new_session(world, keys, live)
    body = await world.get(ACCOUNTS, live, "mine")
    assert reason(body, "CredentialsReady") == "SessionOpen", "the old word is not about this one"

    await feed_says(world, live, second)
    assert asked(await world.get(ACCOUNTS, live, "mine")) == before

    long_ago = from_timestamp(before) - DISTANCE_US
    words = {names.LOGIN_REQUESTED_ANNOTATION: timestamp(long_ago), "example.com/theirs": "stays"}
    await world.kube.patch(ACCOUNTS, live, "mine", {"metadata": {"annotations": words}})
    body = await world.until(
        ACCOUNTS, live, "mine", lambda b: asked(b) and from_timestamp(asked(b)) > second
    )
    assert body["metadata"]["annotations"]["example.com/theirs"] == "stays"


@pytest.mark.parametrize("value", ["0", "1", "-1", "9" * 400, "x", b"\xff"])
async def test_ended__of_no_session_that_is_there__asks_for_nothing(world, keys, live, value):
    await new_session(world, keys, live)

    await feed_says(world, live, value)

    body = await world.get(ACCOUNTS, live, "mine")
    assert (asked(body), reason(body, "CredentialsReady")) == ("", "SessionOpen")


async def test_ended__past_its_known_end__is_left_to_the_worker(world, keys, live):
    issued_us = await new_session(world, keys, live, seconds=-1)

    await feed_says(world, live, issued_us)

    body = await world.get(ACCOUNTS, live, "mine")
    assert (asked(body), reason(body, "CredentialsReady")) == ("", "SessionExpired")


async def test_ended__annotation_that_is_no_time__is_overwritten(world, keys, live):
    issued_us = await new_session(world, keys, live)
    words = {"metadata": {"annotations": {names.LOGIN_REQUESTED_ANNOTATION: "as soon as you can"}}}
    await world.kube.patch(ACCOUNTS, live, "mine", words)

    await feed_says(world, live, issued_us)

    await world.until(ACCOUNTS, live, "mine", lambda b: from_timestamp(asked(b)) > issued_us)


# --- all parts real -------------------------------------------------------------------------------


@dataclass
class Process:
    """What would run in a pod: its Secret is kept as the kubelet does."""

    world: Any
    tenant: str
    name: str
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, module: str) -> None:
        await self.world.until(PODS, self.tenant, self.name, lambda b: b is not None)
        self.folder.mkdir()
        await self.sync()
        self.tasks.append(asyncio.create_task(self.keep()))
        self.run(module)

    def run(self, module: str) -> None:
        command = [sys.executable, "-m", module, "run", "--secret", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(free_port())],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def keep(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            await self.sync()

    async def sync(self) -> None:
        body = await self.world.get(SECRETS, self.tenant, self.name)
        for name, text in (body or {}).get("data", {}).items():
            new = self.folder / f".{name}"
            new.write_bytes(base64.b64decode(text))
            new.replace(self.folder / name)

    def session_issued(self) -> int:
        return read_session((self.folder / SESSION_FILE).read_text()).issued_us

    def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(15)


@asynccontextmanager
async def log_in_worker(world, folder: Path) -> AsyncIterator[Worker]:
    """The real one; it asks for no minute between two sessions here."""
    worker = Worker(
        LoginSettings(
            keys=make_key(folder / "login"),
            http_port=0,
            broker_url_allowlist=frozenset({"127.0.0.1"}),
        ),
        world.access,
    )
    worker.context.retries.spacing_seconds = 0.0
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop.set()
        async with asyncio.timeout(15):
            await task


async def sealed_account(world, tenant: str, folder: Path, sim: Simulator) -> None:
    """A Dhan account at the simulator, its log-in sealed by its owner."""
    namespace = await world.kube.get(NAMESPACES, None, tenant)
    binding = Binding(
        namespace_uid=namespace["metadata"]["uid"], account="mine", broker="dhan", purpose="login"
    )
    key = read_keys(folder / "login").current.public
    await world.account(
        tenant,
        "mine",
        broker="dhan",
        clock="Feed",
        baseUrl=sim.base_url("dhan"),
        feedUrl=sim.feed_url("dhan"),
        sealedLogin=seal(payloads.login_record("dhan", DHAN), key, binding),
    )


async def test_ended_in_position__logged_in_again_and_sold_on_the_new_session(
    world, keys, tmp_path, monkeypatch
):
    monkeypatch.setattr(login_plan, "SPACING_US", 0)
    logins_before = login_metrics.LOGINS._value.get()
    empty = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "algo-seal-keys"}}
    await world.kube.create(CONFIG_MAPS, "algo-system", empty)
    world.kubelet()
    await world.start(session_keys=keys, broker_url_allowlist="127.0.0.1")
    tenant = await world.tenant()
    feed = Process(world, tenant, "mine-feed", tmp_path / "feed")
    runner = Process(world, tenant, "m1-runner", tmp_path / "runner")
    async with (
        simulator(brokers=("dhan",)) as sim,
        log_in_worker(world, tmp_path),
    ):
        try:
            await sealed_account(world, tenant, tmp_path, sim)
            made = await world.strategy(tenant, "m1", symbol="YESBANK", stopLoss=93.5, **LIVE)
            await feed.start("algo_feed")
            await sim.advance("09:00:30")
            await runner.start("algo_runner")
            await world.until(STRATEGIES, tenant, "m1", lambda b: reason(b) == "Running")
            key = redis_keys.strategy(strategy_id(made["metadata"]["uid"]), "state")
            await until(lambda: world.redis.hget(key, "version"))
            await sim.advance("09:20:05")
            await until(lambda: has(world, key, protection="resting"))
            first = runner.session_issued()

            await sim.admin("POST", "/admin/token/expire", {"broker": "dhan"})
            wants_out = {"metadata": {"annotations": {names.EXIT_REQUESTED_ANNOTATION: RECORDED}}}
            await world.kube.patch(STRATEGIES, tenant, "m1", wants_out)
            await until(lambda: has(world, key, execution="SELLING"))
            held = [order["status"] for order in await sim.orders("dhan")]
            assert held == ["FILLED", "TRIGGER_PENDING"], "the stop stays"

            body = await world.until(ACCOUNTS, tenant, "mine", asked, 90)
            assert from_timestamp(asked(body)) > first
            async with asyncio.timeout(20):
                while min(feed.session_issued(), runner.session_issued()) <= first:  # noqa: ASYNC110 - files tell nobody
                    await asyncio.sleep(0.1)
            await world.until(
                ACCOUNTS, tenant, "mine", lambda b: reason(b, "CredentialsReady") == "SessionOpen"
            )
            await until(lambda: has(world, key, position="0", reason="exited"))

            orders = await sim.orders("dhan")
            assert [(o["side"], o["filled"]) for o in orders] == [("BUY", 10), ("SELL", 10)]
            assert asked(await world.get(ACCOUNTS, tenant, "mine")) == asked(body)
            assert login_metrics.LOGINS._value.get() - logins_before == 2
        finally:
            feed.stop()
            runner.stop()
            await world.kube.delete(CONFIG_MAPS, "algo-system", "algo-seal-keys")


async def has(world, key: str, **fields: str) -> bool:
    state = await world.redis.hgetall(key)
    return all(state.get(name) == value for name, value in fields.items())


async def until(ask, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await ask():  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.1)

"""A real API server (no kubelet), a real Redis, a stand-in for kubelet and runner."""

import asyncio
import contextlib
import datetime as dt
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import yaml
from algo_kube import metrics as kube_metrics
from algo_contract import redis_keys
from algo_contract.messages.runner_state import RunnerState, state_hash
from algo_contract.ids import strategy_id
from algo_contract.calendar import IST, microseconds
from algo_service.clock import SystemClock
from algo_operator.context import Context
from algo_kube.errors import AlreadyExists, NotFound
from algo_kube.config import Access, load_access
from algo_kube.client import Kube
from algo_kube.resources import ACCOUNTS, EVENTS, NAMESPACES, PODS, SECRETS, STRATEGIES, Resource
from algo_kube.lease import Leadership
from algo_operator.redis.users import RedisUsers
from algo_operator.redis.clients import connect
from algo_operator.settings import Settings
from algo_operator.wiring import Operator
from support.factories.strategy_days import DAY
from support.servers.kube_api import KubeApi, running
from support.servers.redis_server import free_port
from redis.asyncio import Redis

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".tools" / "bin"


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


@pytest.fixture(scope="session")
def api_server() -> Iterator[KubeApi]:
    plugins = "--disable-admission-plugins=ServiceAccount,PodSecurity,Priority"
    with running(controllers=(), flags=(plugins,)) as api:
        asyncio.run(_prepare(load_access(str(api.kubeconfig))))
        yield api


async def _prepare(access: Access) -> None:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=access.tls or False), headers=access.headers()
    ) as session:
        for path in sorted((ROOT / "crds" / "manifests").glob("*.yaml")):
            url = f"{access.server}/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            async with session.post(url, json=yaml.safe_load(path.read_text())) as answer:
                assert answer.status in {201, 409}, await answer.text()
        for plural in ("tradingstrategies", "brokeraccounts"):
            while True:
                async with session.get(
                    f"{access.server}/apis/algotrading.io/v1alpha1/{plural}"
                ) as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.1)


@pytest.fixture
def access(api_server: KubeApi) -> Access:
    return load_access(str(api_server.kubeconfig))


@pytest.fixture
async def kube(access: Access) -> AsyncIterator[Kube]:
    client = Kube(access, manager="algo-operator")
    yield client
    await client.close()


@dataclass
class RedisServer:
    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        binary = BIN / "redis-server"
        aclfile = self.folder / "users.acl"
        if not aclfile.exists():
            aclfile.write_text("user default on nopass ~* &* +@all\n")
        self.process = subprocess.Popen(
            [
                str(binary),
                "--port", str(self.port),
                "--bind", "127.0.0.1",
                "--dir", str(self.folder),
                "--save", "",
                "--appendonly", "yes",
                "--aclfile", str(aclfile),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
                    link.sendall(b"PING\r\n")
                    if b"PONG" in link.recv(64):
                        return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("redis-server did not start")

    def stop(self) -> None:
        if self.process is not None:
            end(self.process)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(free_port(), folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ALGO_OPERATOR_"):
            monkeypatch.delenv(name)


class SetClock:
    """A wall clock that is told the time; it then runs on."""

    def __init__(self, text: str) -> None:
        self.set(text)

    def set(self, text: str) -> None:
        self._base = microseconds(dt.datetime.fromisoformat(text).replace(tzinfo=IST))
        self._at = time.monotonic()

    def now_us(self) -> int:
        return self._base + round((time.monotonic() - self._at) * 1e6)

    def monotonic(self) -> float:
        return time.monotonic()


def count_writes() -> int:
    """Writes to the API server so far, the Lease's aside."""
    return round(
        sum(
            sample.value
            for family in kube_metrics.API_REQUESTS.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
            and sample.labels["verb"] in {"create", "update", "patch", "delete"}
            and sample.labels["resource"] != "leases"
        )
    )


@dataclass
class World:
    """An operator at work on a real API server and a real Redis, with hands for the tests."""

    access: Access
    kube: Kube
    redis_server: RedisServer
    redis: Redis
    operator: Operator | None = None
    running: asyncio.Task[int] | None = None
    namespaces: list[str] = field(default_factory=list)
    kubelet_task: asyncio.Task[None] | None = None
    troubled: dict[str, dict] = field(default_factory=dict)
    """What keeps a pod from running, by the pod's name or, for that one pod alone, by its UID."""

    async def start(self, clock: SetClock | None = None, **settings: object) -> Operator:
        values = {
            "runner_image": "runner:1",
            "state_redis_url": self.redis_server.url,
            "ticks_redis_url": self.redis_server.url,
            "http_port": 0,
            "poll_milliseconds": 100,
            "lease_seconds": 6,
            "lease_renew_seconds": 1,
            **settings,
        }
        access = values.pop("access", self.access)
        holder = f"test-{secrets.token_hex(4)}"
        self.operator = Operator(
            Settings(**values), access, holder=holder, **({"clock": clock} if clock else {})
        )
        self.running = asyncio.create_task(self.operator.run())
        await asyncio.wait_for(self.operator.started.wait(), 60)
        return self.operator

    async def stop(self) -> int:
        assert self.operator is not None
        assert self.running is not None
        self.operator.stop.set()
        done, _ = await asyncio.wait({self.running}, timeout=15)
        if not done:
            self.running.print_stack()
        assert done, "the operator does not end"
        code = self.running.result()
        self.operator = self.running = None
        return code

    async def tenant(self, name: str = "") -> str:
        name = name or f"tenant-{secrets.token_hex(4)}"
        await self.namespace(name, {"algotrading.io/tenant": name.removeprefix("tenant-")})
        return name

    async def namespace(self, name: str, labels: dict[str, str] | None = None) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels or {}},
        }
        with contextlib.suppress(AlreadyExists):
            await self.kube.create(NAMESPACES, None, body)
        self.namespaces.append(name)

    async def account(self, namespace: str, name: str, **spec: object) -> dict:
        body = {
            "apiVersion": "algotrading.io/v1alpha1",
            "kind": "BrokerAccount",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"broker": "paper", **spec},
        }
        return await self.kube.create(ACCOUNTS, namespace, body)

    async def strategy(self, namespace: str, name: str, **spec: object) -> dict:
        body = {
            "apiVersion": "algotrading.io/v1alpha1",
            "kind": "TradingStrategy",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "symbol": "RELIANCE",
                "buyTime": "09:20:00",
                "sellTime": "15:05:00",
                "stopLoss": 2890.5,
                "quantity": 10,
                **spec,
            },
        }
        return await self.kube.create(STRATEGIES, namespace, body)

    async def feed_day(self, feed: str, text: str) -> None:
        moment = dt.datetime.fromisoformat(text).replace(tzinfo=IST)
        await self.redis.set(redis_keys.feed_clock(feed), microseconds(moment))
        await self.redis.set(redis_keys.feed_heartbeat(feed), time.time_ns() // 1000)

    async def says(self, uid: str, **fields: object) -> None:
        """Write a runner's state as a runner does."""
        key = redis_keys.strategy(strategy_id(uid), "state")
        version = int(await self.redis.hget(key, "version") or 0) + 1
        values = {
            "epoch": 1,
            "generation": 1,
            "trading_day": "2026-07-10",
            "execution": "WAITING",
            "reason": "",
            "position": 0,
            "average_price": 0,
            "stop": 0,
            "realized_pnl": 0,
            "protection": "none",
            "done": False,
            "last_action": "",
            "updated_us": 1,
            **fields,
        }
        await self.redis.hset(key, mapping=state_hash(RunnerState(version=version, **values)))

    async def get(self, resource: Resource, namespace: str, name: str) -> dict | None:
        return await self.kube.find(resource, namespace, name)

    async def until(
        self, resource: Resource, namespace: str, name: str, what, seconds: float = 15
    ) -> dict:
        """Wait until an object is as wanted; `what` may also be asked of None."""
        deadline = time.monotonic() + seconds
        while True:
            body = await self.kube.find(resource, namespace, name)
            try:
                if what(body):
                    return body
            except (KeyError, TypeError):
                pass
            if time.monotonic() > deadline:
                pytest.fail(f"{resource.kind} {name} did not get there: {yaml.safe_dump(body)}")
            await asyncio.sleep(0.05)

    async def events(self, namespace: str) -> list[dict]:
        rows = [
            row
            async for page in self.kube.list_pages(EVENTS, namespace=namespace)
            for row in page["items"]
        ]
        return sorted(
            rows, key=lambda row: (row["firstTimestamp"], int(row["metadata"]["resourceVersion"]))
        )

    async def idle(self, seconds: float = 0.6) -> None:
        """Wait until the operator has nothing to do for a while."""
        assert self.operator is not None
        queue, quiet = self.operator.context.queue, time.monotonic()
        deadline = time.monotonic() + 30
        before = count_writes()
        while time.monotonic() - quiet < seconds:
            if queue.depth() or queue.running() or count_writes() != before:
                quiet, before = time.monotonic(), count_writes()
            assert time.monotonic() < deadline, "the operator does not come to rest"
            await asyncio.sleep(0.02)

    def kubelet(self) -> None:
        """Play the kubelet: every pod of ours gets ready, or into the trouble named for it."""
        self.kubelet_task = asyncio.create_task(self._kubelet())

    async def _kubelet(self) -> None:
        selector = "app.kubernetes.io/component in (feed,runner)"
        while True:
            async for page in self.kube.list_pages(PODS, selector=selector):
                for pod in page["items"]:
                    await self._play(pod)
            await asyncio.sleep(0.1)

    async def _play(self, pod: dict) -> None:
        meta = pod["metadata"]
        failure = self.troubled.get(meta["uid"]) or self.troubled.get(meta["name"])
        ready = "False" if failure else "True"
        if any(
            row["type"] == "Ready" and row["status"] == ready
            for row in pod["status"].get("conditions", [])
        ):
            return
        container = {
            "name": meta["labels"]["app.kubernetes.io/component"],
            "image": "runner:1",
            "imageID": "x",
            "ready": not failure,
            "restartCount": 0,
            "state": {"waiting": failure} if failure else {"running": {}},
        }
        status = {
            "phase": "Pending" if failure else "Running",
            "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [container],
        }
        with contextlib.suppress(NotFound):
            await self.kube.patch(
                PODS, meta["namespace"], meta["name"], {"status": status}, sub="status"
            )

    async def clean(self) -> None:
        if self.kubelet_task is not None:
            self.kubelet_task.cancel()
        if self.operator is not None:
            await self.stop()
        for resource in (STRATEGIES, ACCOUNTS, PODS, SECRETS):
            async for page in self.kube.list_pages(resource):
                for body in page["items"]:
                    meta = body["metadata"]
                    with contextlib.suppress(NotFound):
                        if meta.get("finalizers"):
                            patch = {"metadata": {"finalizers": None}}
                            await self.kube.patch(resource, meta["namespace"], meta["name"], patch)
                        await self.kube.delete(
                            resource, meta["namespace"], meta["name"], grace_seconds=0
                        )
        for name in self.namespaces:
            patch = {"metadata": {"labels": {"algotrading.io/tenant": None}}}
            await self.kube.patch(NAMESPACES, None, name, patch)


@pytest.fixture
async def world(access: Access, kube: Kube, redis_server: RedisServer) -> AsyncIterator[World]:
    redis = Redis(port=redis_server.port, decode_responses=True)
    made = World(access, kube, redis_server, redis)
    await made.namespace("algo-system")
    yield made
    await made.clean()
    await redis.aclose()


class Recorder:
    """Stands in for the API server: notes the Events."""

    manager = "algo-operator"

    def __init__(self) -> None:
        self.bodies = []

    async def create(self, resource, namespace, body):
        self.bodies.append(body)
        return body

    def told(self, name: str) -> list[str]:
        return [b["reason"] for b in self.bodies if b["involvedObject"]["name"] == name]


@pytest.fixture
async def bare_context(redis_server: RedisServer) -> AsyncIterator[Context]:
    """What passes are handed, on a real Redis; no API server and nothing at work."""
    settings = Settings(
        runner_image="runner:1",
        state_redis_url=redis_server.url,
        ticks_redis_url=redis_server.url,
        poll_milliseconds=20,
    )
    redis = connect(settings)
    leadership = Leadership(seconds=3600)
    leadership.renewed(time.monotonic())
    yield Context(
        settings=settings,
        clock=SystemClock(),
        kube=Recorder(),
        redis=redis,
        users=RedisUsers(redis),
        leadership=leadership,
    )
    await redis.close()


@pytest.fixture
def writes() -> Callable[[], int]:
    return count_writes


@pytest.fixture
def set_clock() -> type[SetClock]:
    return SetClock


@pytest.fixture
async def shared(world):
    """A platform's feed that shows a recorded day, a tenant, an operator and a kubelet."""
    await world.account("algo-system", "demo", clock="Feed", feed={"shared": True})
    await world.feed_day("shared", f"{DAY}T09:00:00")
    world.kubelet()
    await world.start()
    return await world.tenant()

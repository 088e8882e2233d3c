"""The log-in worker on a real API server, and the hands of traders and administrators."""

import asyncio
import json
import os
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from algo_contract.messages.broker_session import BrokerSession, read_session
from algo_contract.envelope import payloads
from algo_contract.envelope.keys import PrivateKeys, read_keys
from algo_contract.envelope.format import Binding, Purpose
from algo_contract.envelope.open import open_envelope
from algo_contract.envelope.seal import seal
from algo_kube.config import load_access
from algo_login import metrics
from algo_login.settings import Settings
from algo_login.worker import Worker

ROOT = Path(__file__).resolve().parents[3]
from support.servers import kube_api

SECRETS = {
    "zerodha": {"api_key": "simkey", "api_secret": "simsecret", "user_id": "SIM001"},
    "dhan": {"client_id": "1100000001", "pin": "123456", "totp_seed": "JBSWY3DPEHPK3PXP"},
}
ACCOUNTS = "/apis/algotrading.io/v1alpha1/namespaces/{}/brokeraccounts"
Json = dict[str, Any]
COUNTERS = (
    *(metrics.LOGINS, metrics.REFUSALS, metrics.FAILURES),
    *(metrics.PASSES_FAILED, metrics.FOREIGN_KEYS),
)


def named(name: str, **meta: Any) -> Json:
    return {"metadata": {"name": name, **meta}}


@dataclass
class World:
    """The API server, the worker, and the hands of traders and administrators."""

    api: kube_api.KubeApi
    folder: Path
    namespace: str
    workers: list[tuple[Worker, asyncio.Task[None]]] = field(default_factory=list)
    counted_before: dict[Any, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counted_before = {counter: total(counter) for counter in COUNTERS}

    def count(self, counter: Any) -> float:
        """How much a counter has grown in this test."""
        return total(counter) - self.counted_before[counter]

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def write_kubeconfig(self, token: str) -> None:
        """How the worker's service account gets in."""
        config = json.loads(self.api.kubeconfig.read_text())
        config["users"][0]["user"]["token"] = token
        self.kubeconfig.write_text(json.dumps(config))

    @property
    def session_keys(self) -> PrivateKeys:
        return read_keys(self.folder / "session")

    async def request(self, method: str, path: str, body: object = None) -> Json:
        return await asyncio.to_thread(self.api.request, method, path, body)

    async def start(self, **more: Any) -> Worker:
        settings = Settings(
            keys=self.folder / "login",
            http_port=0,
            broker_url_allowlist=frozenset({"127.0.0.1"}),
            **more,
        )
        worker = Worker(settings, load_access(str(self.kubeconfig)))
        worker.context.retries.spacing_seconds = 0.0
        self.workers.append((worker, asyncio.create_task(worker.run())))
        async with asyncio.timeout(15):
            await worker.published.wait()
            await worker.watch.synced.wait()
        return worker

    async def stop(self) -> None:
        for worker, task in self.workers:
            worker.stop.set()
            async with asyncio.timeout(15):
                await task
        self.workers.clear()

    async def binding(self, account: str, broker: str, purpose: Purpose) -> Binding:
        body = await self.request("GET", f"/api/v1/namespaces/{self.namespace}")
        uid = body["metadata"]["uid"]
        return Binding(namespace_uid=uid, account=account, broker=broker, purpose=purpose)

    async def sealed_login(self, account: str, broker: str, **fields: str) -> str:
        record = payloads.login_record(broker, SECRETS[broker] | fields)
        key = read_keys(self.folder / "login").current.public
        return seal(record, key, await self.binding(account, broker, "login"))

    async def sealed_callback(self, account: str, token: str) -> str:
        record = payloads.callback_record("zerodha", token)
        key = read_keys(self.folder / "login").current.public
        return seal(record, key, await self.binding(account, "zerodha", "callback"))

    async def make(self, name: str, broker: str, **spec: Any) -> Json:
        body = {
            "apiVersion": "algotrading.io/v1alpha1",
            "kind": "BrokerAccount",
            **named(name),
            "spec": {"broker": broker, **spec},
        }
        return await self.request("POST", ACCOUNTS.format(self.namespace), body)

    async def get(self, name: str) -> Json:
        return await self.request("GET", f"{ACCOUNTS.format(self.namespace)}/{name}")

    async def patch(self, name: str, *, annotations: Json | None = None, **spec: Any) -> None:
        while True:
            body = await self.get(name)
            body["spec"] |= spec
            body["metadata"].setdefault("annotations", {}).update(annotations or {})
            try:
                await self.request("PUT", f"{ACCOUNTS.format(self.namespace)}/{name}", body)
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    raise
            else:
                return

    async def until(self, name: str, what: Callable[[Json], Any], seconds: float = 15) -> Json:
        deadline = time.monotonic() + seconds
        while True:
            body = await self.get(name)
            try:
                if what(body):
                    return body
            except (KeyError, IndexError, TypeError):
                pass
            if time.monotonic() > deadline:
                pytest.fail(f"{name} did not get there: {body.get('status')} {body['metadata']}")
            await asyncio.sleep(0.05)

    async def session(self, body: Json) -> BrokerSession:
        """The account's session, as the operator opens it."""
        name, broker = body["metadata"]["name"], body["spec"]["broker"]
        binding = await self.binding(name, broker, "session")
        record = open_envelope(body["spec"]["sealedSession"], self.session_keys, binding)
        return read_session(record.decode())


def total(counter: Any) -> float:
    return next(s.value for s in counter.collect()[0].samples if s.name.endswith("_total"))


def said(body: Json) -> Json:
    """The condition LoggedIn; KeyError while there is none."""
    return {row["type"]: row for row in body["status"]["conditions"]}["LoggedIn"]


def new_key(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(os.urandom(32))


async def put_keys(world: World, keys: dict[str, str]) -> None:
    path = "/api/v1/namespaces/algo-system/configmaps/algo-seal-keys"
    body = await world.request("GET", path)
    await world.request("PUT", path, body | {"data": keys})

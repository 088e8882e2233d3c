"""Shared fixtures: a real API server (no kubelet), a real Redis, a stand-in for kubelet and runner."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import aiohttp
import pytest
import yaml
from algo_operator.kube.access import Access, load_access
from algo_operator.kube.client import Kube

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".tools" / "bin"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


@dataclass
class ApiServer:
    """etcd and kube-apiserver; the API server alone can be stopped and started."""

    folder: Path
    etcd_port: int
    port: int
    etcd: subprocess.Popen[bytes]
    process: subprocess.Popen[bytes] | None = None

    @property
    def kubeconfig(self) -> str:
        return str(self.folder / "kubeconfig")

    def start(self) -> None:
        with (self.folder / "apiserver.log").open("ab") as log:
            self._start(log)

    def _start(self, log: IO[bytes]) -> None:
        self.process = subprocess.Popen(
            [
                str(BIN / "kube-apiserver"),
                f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
                f"--secure-port={self.port}",
                "--bind-address=127.0.0.1",
                f"--cert-dir={self.folder / 'certs'}",
                "--service-cluster-ip-range=10.199.0.0/24",
                f"--service-account-key-file={self.folder / 'sa.pub'}",
                f"--service-account-signing-key-file={self.folder / 'sa.key'}",
                "--service-account-issuer=https://test",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                "--disable-admission-plugins=ServiceAccount,PodSecurity,Priority",
                "--watch-cache=true",
                "--v=0",
            ],
            stdout=log,
            stderr=log,
        )

    def stop(self) -> None:
        if self.process is not None:
            end(self.process)


async def wait_ready(access: Access, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=access.tls or False)) as session:
        while True:
            try:
                async with session.get(access.server + "/readyz", headers=access.headers()) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError("kube-apiserver is not ready")
            await asyncio.sleep(0.2)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    if not (BIN / "kube-apiserver").exists() or not (BIN / "etcd").exists():
        pytest.skip("kube-apiserver and etcd are not in .tools/bin: run make setup")
    folder = tmp_path_factory.mktemp("api")
    subprocess.run(["openssl", "genrsa", "-out", folder / "sa.key", "2048"], check=True, capture_output=True)
    subprocess.run(
        ["openssl", "rsa", "-in", folder / "sa.key", "-pubout", "-out", folder / "sa.pub"],
        check=True,
        capture_output=True,
    )
    (folder / "tokens.csv").write_text("test-token,admin,admin,system:masters\n")
    etcd_port, peer, port = free_port(), free_port(), free_port()
    etcd = subprocess.Popen(
        [
            str(BIN / "etcd"),
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{etcd_port}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd_port}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
            "--log-level=error",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = ApiServer(folder, etcd_port, port, etcd)
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [
            {
                "name": "test",
                "cluster": {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True},
            }
        ],
        "users": [{"name": "admin", "user": {"token": "test-token"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
    }
    Path(server.kubeconfig).write_text(yaml.safe_dump(config))
    server.start()
    try:
        asyncio.run(_prepare(load_access(server.kubeconfig)))
        yield server
    finally:
        server.stop()
        end(etcd)


async def _prepare(access: Access) -> None:
    await wait_ready(access)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=access.tls or False), headers=access.headers()
    ) as session:
        for path in sorted((ROOT / "crds" / "manifests").glob("*.yaml")):
            url = f"{access.server}/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            async with session.post(url, json=yaml.safe_load(path.read_text())) as answer:
                assert answer.status in {201, 409}, await answer.text()
        for plural in ("tradingstrategies", "brokeraccounts"):
            while True:
                async with session.get(f"{access.server}/apis/algotrading.io/v1alpha1/{plural}") as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.1)


@pytest.fixture
def access(api_server: ApiServer) -> Access:
    return load_access(api_server.kubeconfig)


@pytest.fixture
async def kube(access: Access) -> AsyncIterator[Kube]:
    client = Kube(access)
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

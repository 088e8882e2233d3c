"""A real API server with the chart in it: the worker acts with the rights that the chart gives."""

import base64
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.servers import kube_api
from algo_contract.envelope.keys import public_text
from support.servers.login_environment import ACCOUNTS, ROOT, World, named, new_key, put_keys


@pytest.fixture(scope="session")
def api() -> Iterator[kube_api.KubeApi]:
    if not (kube_api.BIN / "kube-apiserver").exists():
        pytest.fail("kube-apiserver is not in .tools/bin: run make setup")
    with kube_api.running(controllers=("serviceaccount-controller",)) as api:
        api.request("POST", "/api/v1/namespaces", named("algo-system"))
        chart = ROOT / "charts/algo-trading"
        helm = [kube_api.BIN / "helm", "install", "algo", chart, "--namespace", "algo-system"]
        subprocess.run(
            [*helm, "--kubeconfig", api.kubeconfig], check=True, capture_output=True, timeout=120
        )
        yield api


@pytest.fixture
async def world(api: kube_api.KubeApi, tmp_path: Path) -> AsyncIterator[World]:
    for folder in ("login", "session"):
        new_key(tmp_path / folder, "0001")
    made = World(api, tmp_path, f"tenant-{base64.b32encode(os.urandom(5)).decode().lower()}")
    await made.request("POST", "/api/v1/namespaces", named(made.namespace))
    account = "/api/v1/namespaces/algo-system/serviceaccounts/algo-login/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = await made.request("POST", account, request)
    made.write_kubeconfig(token["status"]["token"])
    await put_keys(made, {"session.pub": public_text(made.session_keys.current.public)})
    yield made
    await made.stop()
    await made.request("DELETE", f"{ACCOUNTS.format(made.namespace)}")

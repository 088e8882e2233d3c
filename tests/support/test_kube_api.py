"""The API server for tests: it admits, counts quotas, collects garbage, ends with its parent."""

import signal
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.servers import kube_api

pytestmark = pytest.mark.api_server


@pytest.fixture(scope="module")
def api() -> Iterator[kube_api.KubeApi]:
    with kube_api.running() as started:
        yield started


def eventually(fact: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def make_namespace(api: kube_api.KubeApi, name: str) -> str:
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return f"/api/v1/namespaces/{name}"


def test_secret__created__can_be_read_back(api: kube_api.KubeApi) -> None:
    namespace = make_namespace(api, "reading")

    api.request("POST", f"{namespace}/secrets", {"metadata": {"name": "s"}, "data": {"k": "dg=="}})

    assert api.request("GET", f"{namespace}/secrets/s")["data"] == {"k": "dg=="}


def test_quota__used_up__refuses_the_next_object(api: kube_api.KubeApi) -> None:
    namespace = make_namespace(api, "counting")
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"count/secrets": "1"}}}
    api.request("POST", f"{namespace}/resourcequotas", quota)
    assert eventually(
        lambda: bool(api.request("GET", f"{namespace}/resourcequotas/q").get("status"))
    )

    api.request("POST", f"{namespace}/secrets", {"metadata": {"name": "first"}})
    with pytest.raises(urllib.error.HTTPError) as refused:
        api.request("POST", f"{namespace}/secrets", {"metadata": {"name": "second"}})

    assert refused.value.code == 403
    assert b"exceeded quota" in refused.value.read()
    refused.value.close()


def test_owner__deleted__takes_its_dependents_along(api: kube_api.KubeApi) -> None:
    namespace = make_namespace(api, "owning")
    owner = api.request("POST", f"{namespace}/configmaps", {"metadata": {"name": "owner"}})
    uid = owner["metadata"]["uid"]  # pyright: ignore[reportIndexIssue]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    dependent = {"metadata": {"name": "dependent", "ownerReferences": [reference]}}
    api.request("POST", f"{namespace}/secrets", dependent)

    api.request("DELETE", f"{namespace}/configmaps/owner")

    assert eventually(lambda: api.request("GET", f"{namespace}/secrets")["items"] == [])


def test_admission_policy__broken__refuses(api: kube_api.KubeApi) -> None:
    base = "/apis/admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    constraints = {"resourceRules": [{**rule, "resources": ["configmaps"]}]}
    validation = {"expression": "object.metadata.name != 'forbidden'", "message": "not this name"}
    policy = {"matchConstraints": constraints, "validations": [validation]}
    api.request(
        "POST",
        f"{base}/validatingadmissionpolicies",
        {"metadata": {"name": "names"}, "spec": policy},
    )
    binding = {"policyName": "names", "validationActions": ["Deny"]}
    api.request(
        "POST",
        f"{base}/validatingadmissionpolicybindings",
        {"metadata": {"name": "names"}, "spec": binding},
    )
    namespace = make_namespace(api, "admitting")

    def refused() -> bool:
        try:
            body = {"metadata": {"name": "forbidden"}}
            api.request("POST", f"{namespace}/configmaps?dryRun=All", body)
        except urllib.error.HTTPError as error:
            with error:
                return b"not this name" in error.read()
        return False

    assert eventually(refused)


def test_tests_killed__servers_end_too() -> None:
    server = subprocess.Popen(
        [sys.executable, kube_api.__file__], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    with server.stdout as output:
        folder = Path(output.readline().strip()).parent
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    assert len(children) == 3

    server.send_signal(signal.SIGKILL)
    server.wait()

    assert eventually(lambda: not any(Path(f"/proc/{child}/exe").exists() for child in children), 5)
    assert folder.name.startswith("kube-api-")
    subprocess.run(["rm", "-rf", folder], check=True)

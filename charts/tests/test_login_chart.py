"""The log-in worker and the keys in the chart: least privilege, keys in one place each, kept.

The shared rules for pods and roles are tested with all other parts in test_chart.py.
"""

import base64
import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from algo_contract.envelope.keys import LOGIN_PUBLIC, SEAL_KEYS, read_private
from algo_login.settings import read_settings

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/algo-trading"
LOCAL = ("--values", str(CHART / "values-local.yaml"))
Manifest = dict[str, Any]


@cache
def rendered(*options: str) -> tuple[Manifest, ...]:
    command = [ROOT / ".tools/bin/helm", "template", "algo", str(CHART), *options]
    answer = subprocess.run(
        [*command, "--namespace", "algo-system", "--kube-version", "1.30"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    return tuple(each for each in yaml.safe_load_all(answer.stdout) if each)


def one(kind: str, name: str, *options: str) -> Manifest:
    found = [
        each
        for each in rendered(*options)
        if each["kind"] == kind and each["metadata"]["name"] == name
    ]
    assert len(found) == 1
    return found[0]


def pod(name: str, *options: str) -> Manifest:
    return one("Deployment", name, *options)["spec"]["template"]["spec"]


def environment(*options: str) -> dict[str, str]:
    container = pod("algo-login", *options)["containers"][0]
    return {each["name"]: each.get("value", "algo-system") for each in container["env"]}


def test_worker__rights__are_exactly_these():
    rules = one("ClusterRole", "algo-login")["rules"]
    own = one("Role", "algo-login")["rules"]

    assert rules == [
        {
            "apiGroups": ["algotrading.io"],
            "resources": ["brokeraccounts"],
            "verbs": ["get", "list", "watch", "patch"],
        },
        {
            "apiGroups": ["algotrading.io"],
            "resources": ["brokeraccounts/status"],
            "verbs": ["patch"],
        },
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
    ]
    assert own == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [SEAL_KEYS],
            "verbs": ["get", "patch"],
        }
    ]


def test_public_keys__everybody_reads_that_one_config_map_and_nothing_else():
    role, binding = one("Role", SEAL_KEYS), one("RoleBinding", SEAL_KEYS)

    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [SEAL_KEYS],
            "verbs": ["get"],
        }
    ]
    assert [each["name"] for each in binding["subjects"]] == ["system:authenticated"]
    assert "data" not in one("ConfigMap", SEAL_KEYS)


def test_worker__environment__is_known_and_valid():
    options = (*LOCAL, "--set", "operator.brokerUrlAllowlist={sim.algo-sim.svc:8085,other}")
    names = environment(*options)

    settings = read_settings(names | {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})

    assert settings.broker_url_allowlist == {"sim.algo-sim.svc:8085", "other"}
    assert set(names) == {f"ALGO_LOGIN_{each}" for each in NAMES}
    mount = pod("algo-login")["containers"][0]["volumeMounts"][0]
    assert settings.keys == Path(mount["mountPath"])


NAMES = (
    "NAMESPACE",
    "BROKER_URL_ALLOWLIST",
    "IP_ECHO_URL",
    "LOG_LEVEL",
    "CONCURRENCY",
    "RESYNC_SECONDS",
    "HTTP_PORT",
)


def test_worker__one_at_a_time():
    spec = one("Deployment", "algo-login")["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


@pytest.mark.parametrize(
    ("purpose", "deployment"), [("login", "algo-login"), ("session", "algo-operator")]
)
def test_keys__each__made_once_and_mounted_in_one_place(purpose, deployment):
    secret = one("Secret", f"algo-{purpose}-key")

    assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert list(secret["data"]) == ["0001"]
    raw = base64.b64decode(secret["data"]["0001"])
    assert len(read_private("0001", raw).public.raw) == 32
    mounted = [
        (each["metadata"]["name"], volume["name"])
        for each in rendered()
        if each["kind"] in {"Deployment", "StatefulSet"}
        for volume in each["spec"]["template"]["spec"]["volumes"]
        if volume.get("secret", {}).get("secretName") == f"algo-{purpose}-key"
    ]
    assert mounted == [(deployment, f"{purpose}-key")]
    mounts = pod(deployment)["containers"][0]["volumeMounts"]
    path = next(each["mountPath"] for each in mounts if each["name"] == f"{purpose}-key")
    assert path == f"/etc/algo-keys/{purpose}"
    elsewhere = json.dumps([each for each in rendered() if each["kind"] != "Secret"])
    assert secret["data"]["0001"] not in elsewhere


def test_keys__of_two_purposes_and_two_installs__differ():
    first = {
        one("Secret", f"algo-{purpose}-key")["data"]["0001"] for purpose in ("login", "session")
    }
    again = {
        one("Secret", f"algo-{purpose}-key", *LOCAL)["data"]["0001"]
        for purpose in ("login", "session")
    }

    assert len(first | again) == 4


def test_keys__own_secrets__are_used_and_not_made():
    own = "credentials.loginKey.existingSecret=mine,credentials.sessionKey.existingSecret=yours"

    names = {
        each["metadata"]["name"] for each in rendered("--set", own) if each["kind"] == "Secret"
    }

    assert not {"algo-login-key", "algo-session-key"} & names
    for deployment, secret in (("algo-login", "mine"), ("algo-operator", "yours")):
        volumes = pod(deployment, "--set", own)["volumes"]
        assert secret in {each.get("secret", {}).get("secretName") for each in volumes}


def test_network_policy__worker__reaches_brokers_proxies_and_the_api_server():
    def egress(*options: str) -> list[Manifest]:
        return one("NetworkPolicy", "algo-login", *options)["spec"]["egress"]

    assert egress() == [{"ports": [{"port": 443}, {"port": 3128}, {"port": 6443}]}]
    simulators = egress("--set", "operator.brokerUrlAllowlist={sim}")[1]
    assert simulators["to"][0]["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/component": "sim"
    }


def test_runbook__names__are_the_charts():
    text = (ROOT / "docs/runbooks/credentials.md").read_text()

    for name in ("algo-login-key", "algo-session-key", SEAL_KEYS, LOGIN_PUBLIC):
        assert name in text
    for value in re.findall(r"credentials\.\w+\.existingSecret|login\.\w+", text):
        if value not in {"login.pub", "login.lock"}:
            assert value.rsplit(".", 1)[-1] in (CHART / "values.yaml").read_text()


@pytest.mark.parametrize("value", ["login.surprise=1", "login.ipEchoUrl=echo", "credentials.x=1"])
def test_values__wrong__are_refused(value):
    answer = subprocess.run(
        [ROOT / ".tools/bin/helm", "template", "algo", str(CHART), "--set", value],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert "specifications of the schema" in answer.stderr

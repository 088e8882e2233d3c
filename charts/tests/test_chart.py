"""The chart as rendered: locked down, free of secrets, in step with the contract and the operator.

Needs helm from .tools/bin; no cluster.
"""

import base64
import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from algo_contract import names
from algo_operator.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/algo-trading"
LOCAL = ("--values", str(CHART / "values-local.yaml"))
PROFILES: dict[str, tuple[str, ...]] = {
    "default": (),
    "local": LOCAL,
    "single": ("--set", "redis.singleServer=true"),
    "external": (
        "--set",
        "redis.state.url=redis://state.example:7000,redis.ticks.url=redis://ticks.example",
    ),
    "bare": ("--set", "networkPolicies.enabled=false,podDisruptionBudgets.enabled=false"),
}
Manifest = dict[str, Any]


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    # The version of a cluster that Helm assumes where it asks none depends on how Helm was built.
    command = [ROOT / ".tools/bin/helm", *words, "--kube-version", "1.30"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@cache
def rendered(*options: str) -> tuple[Manifest, ...]:
    answer = helm("template", "algo", str(CHART), "--namespace", "algo-system", *options)
    assert answer.returncode == 0, answer.stderr
    return tuple(each for each in yaml.safe_load_all(answer.stdout) if each)


@pytest.fixture(params=list(PROFILES))
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    return rendered(*PROFILES[request.param])


def of_kind(manifests: tuple[Manifest, ...], kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def pod_specs(manifests: tuple[Manifest, ...]) -> Iterator[Manifest]:
    for each in manifests:
        if each["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job"}:
            yield each["spec"]["template"]["spec"]


def operator_pod(*options: str) -> Manifest:
    return of_kind(rendered(*options), "Deployment")["algo-operator"]["spec"]["template"]["spec"]


def operator_environment(*options: str) -> dict[str, str]:
    container = operator_pod(*options)["containers"][0]
    return {
        each["name"].removeprefix("ALGO_OPERATOR_"): each.get("value", "")
        for each in container["env"]
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_lint__strict__clean(profile):
    answer = helm("lint", "--strict", str(CHART), *PROFILES[profile])

    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_pods__every_profile__meet_restricted_and_more(manifests):
    specs = list(pod_specs(manifests))

    assert specs
    for spec in specs:
        assert spec["enableServiceLinks"] is False
        assert spec["priorityClassName"] in of_kind(manifests, "PriorityClass")
        assert spec["terminationGracePeriodSeconds"] > 10
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert all(
            {"configMap", "secret", "projected"} & volume.keys() for volume in spec["volumes"]
        )
        for container in spec["containers"] + spec.get("initContainers", []):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_redis_pods__have_no_service_account_token():
    for server in of_kind(rendered(), "StatefulSet").values():
        assert server["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def test_rbac__every_profile__names_groups_resources_and_verbs(manifests):
    roles = [each for each in manifests if each["kind"] in {"ClusterRole", "Role"}]

    assert roles
    for role in roles:
        for rule in role["rules"]:
            assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
            assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])


def rights(rules: list[Manifest]) -> set[tuple[str, str, str]]:
    return {
        right
        for rule in rules
        for right in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])
    }


def test_rbac__of_the_operator__is_no_more_than_its_readme_asks_for():
    readme = (ROOT / "operator/README.md").read_text()
    cluster_wide, own_namespace = (
        rights(yaml.safe_load(block)["rules"])
        for block in re.findall(r"```yaml\n(rules:.*?)```", readme, re.DOTALL)
    )
    granted = rights(of_kind(rendered(), "ClusterRole")["algo-operator"]["rules"])

    assert granted - cluster_wide == {(names.GROUP, "tenants", "mark")}
    assert rights(of_kind(rendered(), "Role")["algo-operator"]["rules"]) <= own_namespace


def test_rbac__of_the_operator__has_nothing_that_its_code_does_not_use():
    cluster_wide = rights(of_kind(rendered(), "ClusterRole")["algo-operator"]["rules"])
    own_namespace = rights(of_kind(rendered(), "Role")["algo-operator"]["rules"])

    assert {verb for _, resource, verb in cluster_wide if resource == "events"} == {"create"}
    assert {verb for _, resource, verb in cluster_wide if resource == "nodes"} == {"list", "watch"}
    assert {verb for _, resource, verb in cluster_wide if resource == "secrets"} == {
        *("get", "create", "patch", "delete")
    }
    assert {resource for _, resource, _ in cluster_wide if resource.endswith("/finalizers")} == {
        "tradingstrategies/finalizers"
    }
    assert own_namespace == {
        *(("coordination.k8s.io", "leases", verb) for verb in ("get", "create", "update")),
        *(("", "configmaps", verb) for verb in ("get", "patch")),
    }
    rules = of_kind(rendered(), "Role")["algo-operator"]["rules"]
    assert [rule["resourceNames"] for rule in rules if "configmaps" in rule["resources"]] == [
        ["algo-seal-keys"]
    ]


def test_tenant_roles__never_write_status():
    for role in ("algo-trading-edit", "algo-trading-view"):
        for rule in of_kind(rendered(), "ClusterRole")[role]["rules"]:
            if any("/" in resource for resource in rule["resources"]):
                assert rule["verbs"] == ["get"]


def test_tenant_roles__edit__writes_no_strategies():
    roles = of_kind(rendered(), "ClusterRole")

    for role in ("algo-trading-edit", "algo-trading-view"):
        label = "rbac.authorization.k8s.io/aggregate-to-edit"
        assert label not in roles[role]["metadata"]["labels"]


def test_operator__on_a_lost_node__leaves_it_soon():
    more = ("--set", "operator.tolerations[0].key=spot,operator.tolerations[0].operator=Exists")

    own = operator_pod()["tolerations"]

    assert [(each["key"], each["effect"], each["tolerationSeconds"]) for each in own] == [
        ("node.kubernetes.io/not-ready", "NoExecute", 20),
        ("node.kubernetes.io/unreachable", "NoExecute", 20),
    ]
    assert operator_pod(*more)["tolerations"] == [*own, {"key": "spot", "operator": "Exists"}]


def test_network_policies__api_server__is_reached_at_its_ports():
    def ports(*options: str) -> list[Manifest]:
        policy = of_kind(rendered(*options), "NetworkPolicy")["algo-operator"]
        return policy["spec"]["egress"][-1]["ports"]

    assert ports() == [{"port": 443}, {"port": 6443}]
    assert ports("--set", "networkPolicies.apiServerPorts={8443}") == [{"port": 8443}]


def test_network_policies__redis__is_open_to_tenants_runners_and_feeds():
    policy = of_kind(rendered(), "NetworkPolicy")["algo-redis"]["spec"]

    (_, tenants) = policy["ingress"][0]["from"]
    assert tenants["podSelector"]["matchExpressions"] == [
        {
            "key": "app.kubernetes.io/component",
            "operator": "In",
            "values": [names.RUNNER_COMPONENT, names.FEED_COMPONENT],
        }
    ]


def test_operator__environment__is_known_and_valid(monkeypatch):
    environment = operator_environment(*LOCAL)

    assert {name.lower() for name in environment} <= Settings.model_fields.keys()
    for name, value in environment.items():
        monkeypatch.setenv(f"ALGO_OPERATOR_{name}", value or "algo-system")
    assert Settings().runner_image == "algo-runner:dev"


@pytest.mark.parametrize(
    ("profile", "state", "ticks", "servers"),
    [
        (
            "default",
            "redis://redis-state.algo-system.svc:6379",
            "redis://redis-ticks.algo-system.svc:6379",
            {"redis-state", "redis-ticks"},
        ),
        (
            "single",
            "redis://redis-state.algo-system.svc:6379",
            "redis://redis-state.algo-system.svc:6379",
            {"redis-state"},
        ),
        ("external", "redis://state.example:7000", "redis://ticks.example", set()),
    ],
)
def test_redis__roles__can_be_placed_elsewhere(profile, state, ticks, servers):
    options = PROFILES[profile]

    assert operator_environment(*options)["STATE_REDIS_URL"] == state
    assert operator_environment(*options)["TICKS_REDIS_URL"] == ticks
    assert of_kind(rendered(*options), "StatefulSet").keys() == servers


def test_redis__one_server_for_both__knows_the_feed():
    single = of_kind(rendered(*PROFILES["single"]), "ConfigMap")["redis-state"]["data"]["users"]
    separate = of_kind(rendered(), "ConfigMap")

    assert "\nfeed " in single
    assert "\nfeed " in separate["redis-ticks"]["data"]["users"]
    assert "\nfeed " not in separate["redis-state"]["data"]["users"]


def test_redis_state__config__loses_nothing():
    config = of_kind(rendered(), "ConfigMap")["redis-state"]["data"]["redis.conf"].splitlines()

    for line in (
        "appendonly yes",
        "appendfsync always",
        "maxmemory-policy noeviction",
        "aclfile /data/users.acl",
    ):
        assert line in config


def password_secrets(manifests: tuple[Manifest, ...]) -> dict[str, Manifest]:
    secrets = of_kind(manifests, "Secret")
    return {name: each for name, each in secrets.items() if "password" in each["data"]}


def test_passwords__every_profile__stand_in_their_secrets_only(manifests):
    secrets = password_secrets(manifests)
    passwords = {base64.b64decode(each["data"]["password"]).decode() for each in secrets.values()}
    elsewhere = json.dumps([each for each in manifests if each["kind"] != "Secret"])

    demo = bool(of_kind(manifests, "Namespace"))
    assert secrets.keys() == {"redis-operator", "redis-feed"} | ({"redis-demo"} if demo else set())
    assert len(passwords) == len(secrets)
    for password in passwords:
        assert len(password) == 40
        assert password not in elsewhere
    for spec in pod_specs(manifests):
        for container in spec["containers"] + spec.get("initContainers", []):
            assert not any(
                "secretKeyRef" in each.get("valueFrom", {}) for each in container.get("env", [])
            )
            assert "envFrom" not in container


def test_passwords__existing_secrets__are_used_and_not_made():
    options = [
        f"redis.users.{user}.existingSecret=own-{user}" for user in ("operator", "feed", "demo")
    ]
    manifests = rendered(*LOCAL, "--set", ",".join(options))

    assert not password_secrets(manifests)
    text = json.dumps(manifests)
    assert text.count('"own-operator"') == 3  # both servers and the operator
    assert text.count('"own-feed"') == 2
    assert text.count('"own-demo"') == 2
    assert "own-demo" not in json.dumps(rendered("--set", ",".join(options)))


@pytest.mark.parametrize(
    "value",
    [
        "surprise=1",
        "redis.surprise=1",
        "images.operator=",
        "operator.strategyLimit=many",
        "redis.state.url=redis://user:word@host:1",
        "runner.memoryLimit=1Gi",
        "networkPolicies.apiServerPorts=443",
    ],
)
def test_values__wrong_or_unknown__are_refused(value):
    answer = helm("template", "algo", str(CHART), "--set", value)

    assert answer.returncode != 0
    assert "specifications of the schema" in answer.stderr


@pytest.mark.parametrize("part", ["runner", "feed"])
def test_values__a_pod_that_no_tenant_may_have__is_refused(part):
    def render(limit: str) -> subprocess.CompletedProcess[str]:
        return helm("template", "algo", str(CHART), "--set", f"{part}.memoryLimit={limit}")

    assert render("256Mi").returncode == 0
    assert "may have 256Mi at most" in render("257Mi").stderr


def test_values__all__are_documented_and_in_the_schema():
    lines = (CHART / "values.yaml").read_text().splitlines()
    schema = json.loads((CHART / "values.schema.json").read_text())

    assert yaml.safe_load("\n".join(lines)).keys() == schema["properties"].keys() - {"global"}
    for number, line in enumerate(lines):
        if re.match(r" +\w+: \S", line) and "{" not in line:
            assert lines[number - 1].lstrip().startswith("# "), (
                f"values.yaml:{number + 1} is not documented"
            )


def test_crds__in_the_chart__are_the_contracts():
    answer = subprocess.run(
        [ROOT / "charts/sync-crds", "--check"], capture_output=True, text=True, check=False
    )

    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_crds__rendered__are_unchanged_but_kept_on_uninstall():
    crds = of_kind(rendered(), "CustomResourceDefinition")

    assert len(crds) == 2
    for path in (ROOT / "crds/manifests").glob("*.yaml"):
        expected = yaml.safe_load(path.read_text())
        actual = dict(crds[expected["metadata"]["name"]])
        assert actual["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert actual == expected


def test_demo_tenant__off_by_default():
    assert not of_kind(rendered(), "Namespace")
    assert not of_kind(rendered(), names.ACCOUNT_KIND)


def test_demo_tenant__local__is_a_tenant_with_recorded_prices():
    manifests = rendered(*LOCAL)

    namespace = of_kind(manifests, "Namespace")["tenant-demo"]
    assert namespace["metadata"]["labels"][names.TENANT_LABEL] == "demo"
    account = of_kind(manifests, names.ACCOUNT_KIND)["recorded"]
    assert account["metadata"]["namespace"] == "algo-system"
    assert account["spec"] == {
        "broker": "paper",
        "clock": "Feed",
        "feed": {"enabled": True, "shared": True},
    }

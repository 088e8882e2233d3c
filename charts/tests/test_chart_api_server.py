"""The chart on a real API server: accepted as it is, and its admission policies hold."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "cluster"))
from support.servers import kube_api

pytestmark = pytest.mark.api_server

OPERATOR = "system:serviceaccount:algo-system:algo-operator"
ADMIN = "root"
"""May do all that the policies let."""

TENANT = "mallory"
"""Administers a tenant namespace, and may even change namespaces."""

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "fake", "labels": {"app.kubernetes.io/component": "runner"}},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "runner",
                "image": "algo-runner:dev",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    },
}


class Cluster:
    """kubectl and helm against one API server."""

    def __init__(self, api: kube_api.KubeApi) -> None:
        self.kubeconfig = str(api.kubeconfig)

    def kubectl(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return self._run("kubectl", *words, text=text)

    def install(self, *options: str) -> None:
        chart = ROOT / "charts/algo-trading"
        answer = self._run(
            "helm",
            *("upgrade", "--install", "algo", str(chart), "--namespace", "algo-system"),
            *("--values", str(chart / "values-local.yaml"), *options),
        )
        assert answer.returncode == 0, answer.stderr

    def read(self, *words: str) -> str:
        answer = self.kubectl("get", *words)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def _run(self, program: str, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / ".tools/bin" / program, "--kubeconfig", self.kubeconfig, *words],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The chart installed for real, with Pod Security on; there are no nodes, so no pods run."""
    controllers = (*kube_api.CONTROLLERS, "clusterrole-aggregation-controller")
    with kube_api.running(controllers=controllers) as api:
        cluster = Cluster(api)
        cluster.kubectl("create", "namespace", "algo-system")
        cluster.kubectl(
            "label", "namespace", "algo-system", "pod-security.kubernetes.io/enforce=restricted"
        )
        cluster.install()
        rights = "--verb=get,update,patch,delete"
        cluster.kubectl("create", "clusterrole", "editor", rights, "--resource=namespaces")
        cluster.kubectl(
            "create", "clusterrolebinding", "e", "--clusterrole=editor", "--user", TENANT
        )
        root = ("--clusterrole=cluster-admin", "--user", ADMIN)
        cluster.kubectl("create", "clusterrolebinding", "root", *root)
        admin = ("--clusterrole=cluster-admin", "--user", TENANT)
        cluster.kubectl("create", "rolebinding", "all", "-n", "tenant-demo", *admin)
        # kubectl reads what it annotates; the operator patches without a look.
        view = ("--clusterrole=view", "--user", OPERATOR)
        cluster.kubectl("create", "rolebinding", "look", "-n", "tenant-demo", *view)
        # A policy counts about a second after it is made.
        wait_until(lambda: "denied" in make_pod(cluster, user=TENANT).stderr)
        yield cluster


def wait_until(fact, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def make_pod(
    cluster: Cluster, *, user: str, namespace: str = "tenant-demo", **labels: str
) -> subprocess.CompletedProcess[str]:
    pod = POD if not labels else POD | {"metadata": {"name": "fake", "labels": labels}}
    words = ("create", "--as", user, "-n", namespace, "--dry-run=server", "-f", "-")
    return cluster.kubectl(*words, text=yaml.safe_dump(pod))


def annotate(cluster: Cluster, user: str, mark: str, *more: str) -> str:
    answer = cluster.kubectl("annotate", "namespace", "tenant-demo", mark, *more, "--as", user)
    return answer.stderr if answer.returncode else "done"


def test_install__policies__compile_without_a_warning(cluster):
    policies = yaml.safe_load(cluster.read("validatingadmissionpolicies", "-o", "yaml"))["items"]

    assert len(policies) == 3
    for policy in policies:
        assert not policy.get("status", {}).get("typeChecking", {}).get("expressionWarnings")


def test_install__pods__pass_pod_security(cluster):
    for kind, name in (
        ("deployment", "algo-operator"),
        ("deployment", "algo-login"),
        ("statefulset", "redis-state"),
    ):
        body = yaml.safe_load(cluster.read(kind, name, "-n", "algo-system", "-o", "yaml"))
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try"}}
        pod["spec"] = body["spec"]["template"]["spec"]
        for claim in body["spec"].get("volumeClaimTemplates", []):
            volume = {"name": claim["metadata"]["name"], "emptyDir": {}}
            pod["spec"]["volumes"].append(volume)

        words = ("create", "-n", "algo-system", "--dry-run=server", "-f", "-")
        answer = cluster.kubectl(*words, text=yaml.safe_dump(pod))

        assert answer.returncode == 0, answer.stderr
        assert "would violate PodSecurity" not in answer.stderr


def test_upgrade__passwords_and_the_account__stay(cluster):
    def passwords():
        return cluster.read("secrets", "-n", "algo-system", "-o", "jsonpath={..data.password}")

    def account():
        return cluster.read("ba", "recorded", "-n", "algo-system", "-o", "jsonpath={.metadata.uid}")

    before = passwords(), account()

    cluster.install("--set", "operator.logLevel=DEBUG")

    assert len(before[0].split()) == 3
    assert (passwords(), account()) == before


def test_upgrade__envelope_keys__stay_with_those_that_were_added(cluster):
    def keys(name: str) -> dict[str, str]:
        return yaml.safe_load(cluster.read("secret", name, "-n", "algo-system", "-o", "yaml"))[
            "data"
        ]

    added = '{"data": {"2027-01-04": "%s"}}' % ("A" * 43 + "=")
    words = ("secret", "algo-login-key", "-n", "algo-system", "--type", "merge", "-p", added)
    assert cluster.kubectl("patch", *words).returncode == 0
    public = '{"data": {"login.pub": "x"}}'
    words = ("configmap", "algo-seal-keys", "-n", "algo-system", "--type", "merge", "-p", public)
    assert cluster.kubectl("patch", *words).returncode == 0
    before = keys("algo-login-key"), keys("algo-session-key")

    cluster.install("--set", "login.logLevel=DEBUG")

    assert (keys("algo-login-key"), keys("algo-session-key")) == before
    assert before[0].keys() == {"0001", "2027-01-04"}
    words = ("configmap", "algo-seal-keys", "-n", "algo-system", "-o", "jsonpath={.data}")
    assert cluster.read(*words) == '{"login.pub":"x"}'


def test_public_keys__anybody_logged_in__reads_them_and_nobody_writes_them(cluster):
    where = ("-n", "algo-system", "--as", "anyone", "--as-group", "system:authenticated")

    def can(verb: str, what: str) -> bool:
        answer = cluster.kubectl("auth", "can-i", verb, what, *where)
        return answer.stdout.strip() == "yes"

    assert can("get", "configmap/algo-seal-keys")
    for verb, what in (
        ("get", "configmap/other"),
        ("list", "configmaps"),
        ("patch", "configmap/algo-seal-keys"),
        ("get", "secret/algo-login-key"),
    ):
        assert not can(verb, what)


def test_log_in_worker__reads_no_secret_and_no_strategy(cluster):
    who = ("-n", "tenant-demo", "--as", "system:serviceaccount:algo-system:algo-login")

    for verb, what in (
        ("get", "secrets"),
        ("get", "tradingstrategies"),
        ("create", "brokeraccounts"),
        ("delete", "brokeraccounts"),
        ("create", "pods"),
        ("list", "namespaces"),
    ):
        assert cluster.kubectl("auth", "can-i", verb, what, *who).stdout.strip() == "no"
    assert cluster.kubectl("auth", "can-i", "patch", "ba", *who).stdout.strip() == "yes"


def test_upgrade__crds__follow_the_chart(cluster):
    crd = "tradingstrategies.algotrading.io"
    cluster.kubectl(
        "patch",
        "crd",
        crd,
        "--type=json",
        "-p",
        '[{"op":"remove","path":"/spec/names/categories"}]',
    )

    cluster.install("--force-conflicts")

    assert "trading" in cluster.read("crd", crd, "-o", "jsonpath={.spec.names.categories}")


def test_runner_pods__are_the_operators_alone(cluster):
    assert "only the operator makes runner" in make_pod(cluster, user=TENANT).stderr
    assert make_pod(cluster, user=OPERATOR).returncode == 0
    assert make_pod(cluster, user=TENANT, app="mine").returncode == 0


@pytest.mark.parametrize(
    "mark", [{"app.kubernetes.io/component": "feed"}, {"algotrading.io/account-id": "brk_a"}]
)
def test_pods_with_a_way_to_a_broker__are_the_operators_alone(cluster, mark):
    assert (
        "only the operator makes runner and feed pods"
        in make_pod(cluster, user=TENANT, **mark).stderr
    )
    assert make_pod(cluster, user=OPERATOR, **mark).returncode == 0


COMPONENT, MANAGED = "app.kubernetes.io/component", "app.kubernetes.io/managed-by"


@pytest.mark.parametrize("namespace", ["default", "algo-system"])
@pytest.mark.parametrize(
    "labels",
    [
        {COMPONENT: "feed", MANAGED: "algo-operator", "algotrading.io/account-id": "operator"},
        {COMPONENT: "feed", MANAGED: "algo-operator"},
        {COMPONENT: "runner", MANAGED: "algo-operator"},
        {"algotrading.io/account-id": "brk_a"},
    ],
)
def test_pods_with_the_operators_mark__in_no_tenants_namespace__are_its_alone(
    cluster, namespace, labels
):
    words = {"namespace": namespace, **labels}

    assert "only the operator makes runner" in make_pod(cluster, user=ADMIN, **words).stderr
    assert make_pod(cluster, user=OPERATOR, **words).returncode == 0


@pytest.mark.parametrize("labels", [{COMPONENT: "feed"}, {COMPONENT: "runner", MANAGED: "Helm"}])
def test_pods_of_others__in_no_tenants_namespace__pass(cluster, labels):
    answer = make_pod(cluster, user=ADMIN, namespace="default", **labels)

    assert answer.returncode == 0, answer.stderr


def test_pod_of_others__given_the_mark_later__is_refused(cluster):
    pod = POD | {"metadata": {"name": "mine", "labels": {COMPONENT: "feed"}}}
    where = ("-n", "default", "--as", ADMIN)
    made = cluster.kubectl("create", *where, "-f", "-", text=yaml.safe_dump(pod))
    assert made.returncode == 0, made.stderr

    marked = cluster.kubectl("label", "pod", "mine", f"{MANAGED}=algo-operator", *where)

    assert "only the operator makes runner" in marked.stderr
    assert cluster.kubectl("label", "pod", "mine", "a=b", *where).returncode == 0


@pytest.mark.parametrize("mark", ["strategy-limit=99", "in-position=true", "ready=true"])
def test_marks__a_tenant__may_not_write(cluster, mark):
    assert "the platform's" in annotate(cluster, TENANT, f"algotrading.io/{mark}")


def test_marks__a_tenant__may_not_remove(cluster):
    cluster.kubectl("annotate", "namespace", "tenant-demo", "algotrading.io/strategy-limit=3")

    assert "the platform's" in annotate(cluster, TENANT, "algotrading.io/strategy-limit-")
    assert annotate(cluster, TENANT, "hello=world") == "done"


def test_marks__the_operator__may_write(cluster):
    assert annotate(cluster, OPERATOR, "algotrading.io/ready=true", "--overwrite") == "done"


def test_namespace__in_position__cannot_be_deleted(cluster):
    delete = ("delete", "namespace", "tenant-demo", "--dry-run=server")
    assert cluster.kubectl(*delete).returncode == 0
    annotate(cluster, OPERATOR, "algotrading.io/in-position=true")

    refused = cluster.kubectl(*delete)

    assert "has strategies in position" in refused.stderr
    annotate(cluster, OPERATOR, "algotrading.io/in-position-")
    assert cluster.kubectl(*delete).returncode == 0


def bind(cluster: Cluster, user: str, *roles: str) -> None:
    for role in roles:
        words = ("-n", "tenant-demo", f"--clusterrole={role}", "--user", user)
        cluster.kubectl("create", "rolebinding", f"{user}-{role}", *words)


def may(cluster: Cluster, user: str, verb: str, resource: str, *options: str) -> bool:
    words = ("auth", "can-i", verb, resource, "-n", "tenant-demo", "--as", user, *options)
    return cluster.kubectl(*words).stdout.strip() == "yes"


STRATEGIES = "tradingstrategies.algotrading.io"
STATUS = (STRATEGIES, "--subresource=status")


def test_tenants_people__trade__and_reach_neither_status_nor_secrets_nor_pods(cluster):
    bind(cluster, "ed", "algo-trading-edit", "view")

    wait_until(lambda: may(cluster, "ed", "get", STRATEGIES))
    for verb in ("create", "patch", "delete", "list"):
        assert may(cluster, "ed", verb, STRATEGIES)
    assert may(cluster, "ed", "delete", "brokeraccounts.algotrading.io")
    assert may(cluster, "ed", "get", *STATUS)
    assert not may(cluster, "ed", "patch", *STATUS)
    assert not may(cluster, "ed", "deletecollection", STRATEGIES)
    for verb, resource in (("get", "secrets"), ("create", "secrets"), ("create", "pods")):
        assert not may(cluster, "ed", verb, resource)


def test_kubernetes_own_edit__reads_strategies_and_writes_none(cluster):
    bind(cluster, "kim", "edit")
    bind(cluster, "ann", "admin")

    wait_until(lambda: may(cluster, "ann", "create", STRATEGIES))
    wait_until(lambda: may(cluster, "kim", "get", STRATEGIES))
    assert not may(cluster, "kim", "create", STRATEGIES)

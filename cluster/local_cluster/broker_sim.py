"""The simulated brokers in the cluster, and a BrokerAccount that logs in at one of them."""

import http.client
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from local_cluster.kube import (
    PLATFORM,
    ROOT,
    KubectlError,
    PortForward,
    apply,
    image_of,
    kubectl,
    read,
)

SEAL = str(ROOT / ".venv/bin/algo-seal")
PORTS = {"admin": 8800, "zerodha": 8801, "dhan": 8802}
ANYWHERE = "0.0.0.0"  # noqa: S104 - inside a pod
SECRETS = {
    "zerodha": {"api_key": "simkey", "api_secret": "simsecret", "user_id": "SIM001"},
    "dhan": {"client_id": "1100000001", "pin": "123456", "totp_seed": "JBSWY3DPEHPK3PXP"},
}
"""What the simulator takes: documented, no secrets of anybody's."""


@dataclass(frozen=True, kw_only=True)
class BrokerSim:
    """One simulator: a Deployment, a Service and the ticks it replays."""

    name: str
    broker: str
    ticks: Path
    speed: str
    options: Sequence[str] = ()

    @property
    def host(self) -> str:
        """As pods reach it."""
        return f"{self.name}.{PLATFORM}.svc:{PORTS[self.broker]}"

    def start(self) -> None:
        """Starts it again; its exchange stands at 09:00 until `go`."""
        kubectl("delete", "deployment", self.name, "-n", PLATFORM, "--ignore-not-found")
        apply(*_objects(self, image_of("SIM")))
        kubectl("rollout", "status", f"deploy/{self.name}", "-n", PLATFORM, "--timeout=90s")

    def stop(self) -> None:
        """Removes it."""
        kubectl("delete", "deployment,service,configmap,networkpolicy", self.name, "-n", PLATFORM)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """One call of its admin API; the JSON of the answer."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        with PortForward(self.name, PORTS["admin"]) as port:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            client.request(method, path, data, headers)
            answer = client.getresponse()
            said = answer.read()
            client.close()
        if answer.status != HTTPStatus.OK:
            raise KubectlError(f"{method} {path} at {self.name}: {said.decode(errors='replace')}")
        return json.loads(said)

    def go(self) -> None:
        """Lets the exchange's clock run."""
        self.admin("POST", "/admin/start")

    def orders(self) -> list[dict[str, Any]]:
        """The exchange's own truth: every order, prices in paise."""
        return self.admin("GET", f"/admin/orders?broker={self.broker}")

    def request_token(self) -> str:
        """What Zerodha's log-in page sends the browser back with."""
        form = urlencode({"api_key": "simkey", "user_id": "SIM001"})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        with PortForward(self.name, PORTS["zerodha"]) as port:
            browser = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            browser.request("POST", "/connect/login", form, headers)
            location = browser.getresponse().headers["Location"]
            browser.close()
        return parse_qs(urlsplit(location).query)["request_token"][0]


def make_account(sim: BrokerSim, namespace: str, name: str) -> None:
    """A BrokerAccount at the simulator, with its log-in sealed as a trader seals it."""
    spec = {
        "broker": sim.broker,
        "clock": "Feed",
        "baseUrl": f"http://{sim.host}",
        "feedUrl": f"ws://{sim.host}",
        "sealedLogin": sealed(
            "login", sim.broker, namespace, name, json.dumps(SECRETS[sim.broker])
        ),
    }
    if sim.broker == "zerodha":
        spec["sealedCallback"] = sealed(
            "callback", sim.broker, namespace, name, sim.request_token()
        )
    apply(
        {
            "apiVersion": "algotrading.io/v1alpha1",
            "kind": "BrokerAccount",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
    )


def sealed(what: str, broker: str, namespace: str, account: str, secret: str) -> str:
    """An envelope by `algo-seal`, for that account and no other."""
    key = ROOT / ".local/login.pub"
    keys = read("configmap", "algo-seal-keys", "-n", PLATFORM)["data"]
    key.write_text(keys["login.pub"], encoding="utf-8")
    uid = read("namespace", namespace)["metadata"]["uid"]
    options = ["--namespace-uid", uid, "--account", account, "--key", str(key)]
    command = [SEAL, what, "--broker", broker, *options]
    return subprocess.run(
        command, input=secret, capture_output=True, text=True, check=True
    ).stdout.strip()


def _objects(sim: BrokerSim, image: str) -> list[dict[str, Any]]:
    """Other pods reach the broker alone: its admin API trades and cancels, and knows no log-in.
    `kubectl port-forward` ends inside the pod, where no policy stands in its way.
    """
    labels = {
        "app.kubernetes.io/part-of": "algo-trading",
        "app.kubernetes.io/component": "sim",
        "app.kubernetes.io/name": sim.name,
    }
    metadata = {"name": sim.name, "namespace": PLATFORM, "labels": labels}
    select = {"app.kubernetes.io/name": sim.name}
    ports = [{"name": name, "port": port} for name, port in PORTS.items()]
    broker_port = {"protocol": "TCP", "port": PORTS[sim.broker]}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"ticks.csv": sim.ticks.read_text(encoding="utf-8")},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": select, "ports": ports},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata,
            "spec": {
                "podSelector": {"matchLabels": select},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [{"namespaceSelector": {}}], "ports": [broker_port]}],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "selector": {"matchLabels": select},
                "strategy": {"type": "Recreate"},
                "template": {"metadata": {"labels": labels}, "spec": _pod(sim, image)},
            },
        },
    ]


def _pod(sim: BrokerSim, image: str) -> dict[str, Any]:
    arguments = ["--ticks", "/ticks/ticks.csv", "--speed", sim.speed, "--host", ANYWHERE]
    arguments += ["--broker", sim.broker, *sim.options]
    for name, port in PORTS.items():
        arguments += [f"--{name}-port", str(port)]
    container = {
        "name": "sim",
        "image": image,
        "args": arguments,
        "ports": [{"name": name, "containerPort": port} for name, port in PORTS.items()],
        "readinessProbe": {
            "httpGet": {"path": "/admin/state", "port": "admin"},
            "periodSeconds": 1,
        },
        "volumeMounts": [{"name": "ticks", "mountPath": "/ticks", "readOnly": True}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 2,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "ticks", "configMap": {"name": sim.name}}],
    }

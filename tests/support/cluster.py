"""What end-to-end tests and benches do on the local cluster: tenants, strategies, days, murder."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from algo_contract import names
from algo_engine.tick_file import FileTick
from algo_contract.sessions import ist_datetime
from local_cluster.kube import PLATFORM, ROOT, apply, image_of, kubectl, read
from local_cluster.publisher import Publication, publication_objects

NODE = "algo-control-plane"


def tenant_object(namespace: str) -> dict[str, Any]:
    labels = {names.TENANT_LABEL: namespace.removeprefix("tenant-")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": labels},
    }


@contextmanager
def tenant(namespace: str) -> Iterator[str]:
    """A tenant for the time inside, ready for strategies."""
    apply(tenant_object(namespace))
    wait_until(lambda: is_ready_tenant(namespace), 60, f"tenant {namespace} ready")
    try:
        yield namespace
    finally:
        kubectl("delete", "ts", "--all", "-n", namespace, "--timeout=120s")
        kubectl("delete", "namespace", namespace, "--timeout=120s")


def is_ready_tenant(namespace: str) -> bool:
    annotations = read("namespace", namespace)["metadata"].get("annotations", {})
    return annotations.get(names.READY_ANNOTATION) == "true"


def account_object(namespace: str, name: str = "recorded") -> dict[str, Any]:
    """A paper account with a feed and a clock of its own: tests do not disturb each other."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.ACCOUNT_KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"broker": "paper", "clock": "Feed", "feed": {"enabled": True}},
    }


def strategy_object(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    """Ten YESBANK from 09:20 to 15:05 with a stop at 93, unless said otherwise."""
    fields = {
        "symbol": "YESBANK",
        "buyTime": "09:20:00",
        "sellTime": "15:05:00",
        "quantity": 10,
        "brokerAccount": "recorded",
    }
    if "stopLossPercent" not in spec:
        fields["stopLoss"] = 93
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.STRATEGY_KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": fields | spec,
    }


def status_of(namespace: str, name: str) -> dict[str, Any]:
    return read("ts", name, "-n", namespace).get("status", {})


def condition(namespace: str, name: str, kind: str) -> dict[str, Any]:
    conditions = status_of(namespace, name).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})


def wait_execution(
    namespace: str, name: str, execution: str, seconds: float = 60
) -> dict[str, Any]:
    wait_until(
        lambda: status_of(namespace, name).get("execution") == execution,
        seconds,
        f"{namespace}/{name} {execution}",
        lambda: json.dumps(status_of(namespace, name), indent=1),
    )
    return status_of(namespace, name)


def pod_of(namespace: str, name: str) -> dict[str, Any] | None:
    selector = f"{names.STRATEGY_NAME_LABEL}={name}"
    pods = read("pods", "-n", namespace, "-l", selector)["items"]
    return pods[0] if pods else None


def is_pod_ready(pod: dict[str, Any] | None) -> bool:
    conditions = (pod or {}).get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def wait_until(
    done: Callable[[], bool],
    seconds: float,
    what: str,
    explain: Callable[[], str] = lambda: "",
) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}\n{explain()}")
        time.sleep(0.1)


@contextmanager
def published(
    job: str, ticks: Path, *, account: str, wait_ready: int = 1, speed: str = "max"
) -> Iterator[None]:
    """Publishes a tick file to an account's feed by a Job of this name."""
    remove_job(job)
    day = Publication(name=job, ticks=ticks, speed=speed, wait_ready=wait_ready, account=account)
    apply(*publication_objects(day, image=image_of("RUNNER")))
    try:
        yield
    finally:
        remove_job(job)


def remove_job(job: str) -> None:
    kubectl("delete", "job,configmap", job, "-n", PLATFORM, "--ignore-not-found", "--timeout=60s")


def wait_job_done(job: str, seconds: float = 120) -> None:
    wait_until(
        lambda: bool(read("job", job, "-n", PLATFORM).get("status", {}).get("succeeded")),
        seconds,
        f"job {job} done",
        lambda: kubectl("logs", f"job/{job}", "-n", PLATFORM),
    )


def write_ticks(path: Path, ticks: Sequence[FileTick]) -> Path:
    """A tick file from ticks."""
    lines = ["time,exchange,symbol,price,quantity,volume"]
    for exchange, symbol, time_us, price, quantity, volume in ticks:
        at = ist_datetime(time_us).isoformat()
        lines.append(
            f"{at},{exchange},{symbol},{price // 100}.{price % 100:02d},{quantity},{volume}"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def kill_runner_process(pod: dict[str, Any]) -> None:
    """kill -9 of the runner in its pod, from its node: inside, it is pid 1 and cannot be."""
    uid = pod["metadata"]["uid"]
    mine = f"pod({uid}|{uid.replace('-', '_')})"
    script = (
        f"for c in $(grep -lE '{mine}' /proc/[0-9]*/cgroup 2>/dev/null); do"
        " p=${c#/proc/}; p=${p%/cgroup}; words=$(tr '\\0' ' ' </proc/$p/cmdline);"
        " case $words in *algo_runner*|*algo-runner*) kill -9 $p;; esac; done; true"
    )
    node = pod["spec"]["nodeName"]
    subprocess.run(["docker", "exec", node, "sh", "-c", script], check=True, env=docker_env())


def docker_env() -> dict[str, str]:
    """The environment in which `docker` reaches the daemon that cluster/up uses."""
    env = dict(os.environ)
    settings = ROOT / ".local/cluster.env"
    for line in settings.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        env[key.removeprefix("export ").strip()] = value.strip().strip("'\"")
    return env


def events_of(namespace: str, name: str) -> list[str]:
    """Reasons of a strategy's Kubernetes Events, oldest first."""
    selector = f"involvedObject.name={name},involvedObject.kind={names.STRATEGY_KIND}"
    items = read("events", "-n", namespace, "--field-selector", selector)["items"]
    items.sort(key=lambda e: e.get("eventTime") or e.get("lastTimestamp") or "")
    return [item["reason"] for item in items]


def murder(namespace: str, how: str) -> float:
    """Ends the runner; the seconds until it is guarded again."""
    pod = pod_of(namespace, "morning")
    assert pod is not None
    before = identity(pod)
    began = time.monotonic()
    if how == "kill":
        kill_runner_process(pod)
    else:
        kubectl("delete", "pod", pod["metadata"]["name"], "-n", namespace, "--wait=false")
    wait_until(
        lambda: (
            (now := pod_of(namespace, "morning")) is not None
            and identity(now) != before
            and is_pod_ready(now)
        ),
        60,
        "another runner is ready",
    )
    return time.monotonic() - began


def identity(pod: dict[str, Any]) -> tuple[str, str]:
    """Pod and container: both change when a runner is replaced."""
    statuses = pod["status"].get("containerStatuses", [{}])
    return pod["metadata"]["uid"], statuses[0].get("containerID", "")

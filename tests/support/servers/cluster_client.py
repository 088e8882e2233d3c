"""What end-to-end tests and benches do on the local cluster: tenants, strategies, days, murder."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import redis
from algo_contract import names, redis_keys, stream_fields
from algo_engine.tick_file import FileTick
from algo_contract.calendar import ist_datetime
from local_cluster.kube import PLATFORM, ROOT, PortForward, apply, image_of, kubectl, read, secret
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
    *,
    pause: float = 0.1,
) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}\n{explain()}")
        time.sleep(pause)


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


def kill_in_pod(pod: dict[str, Any], which: Literal["runner", "first"]) -> None:
    """kill -9 of the runner, or of the pod's first process (its supervisor), from the node: a
    kind node's processes are this machine's."""
    uid = pod["metadata"]["uid"]
    parents = {pid: _parent(pid) for pid in _processes_of(uid)}
    runners = [pid for pid, parent in parents.items() if parent in parents]
    assert len(runners) == 1, f"{parents} are the processes of the pod"
    os.kill(runners[0] if which == "runner" else parents[runners[0]], signal.SIGKILL)


def _processes_of(pod_uid: str) -> list[int]:
    marks = (f"pod{pod_uid}", f"pod{pod_uid.replace('-', '_')}")
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            group = (folder / "cgroup").read_text()
            words = (folder / "cmdline").read_bytes()
            if any(mark in group for mark in marks) and b"algo-runner" in words:
                found.append(int(folder.name))
    return found


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


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


@dataclass(frozen=True)
class Guard:
    """How to see from outside that a strategy's runner is at work."""

    state: "redis.Redis"
    ticks: "redis.Redis"
    strategy_id: str

    def token(self) -> tuple[str | None, ...]:
        """The fence's token: each process that takes over has another."""
        key = redis_keys.strategy(self.strategy_id, "fence")
        return tuple(self.state.hmget(key, "epoch", "start"))

    def heartbeat(self) -> float:
        """When the runner last said that it reads ticks, in seconds since the epoch."""
        key = redis_keys.strategy(self.strategy_id, "live")
        return int(self.ticks.hget(key, stream_fields.LIVE_HEARTBEAT) or 0) / 1e6


@contextmanager
def guard_of(namespace: str, name: str) -> Iterator[Guard]:
    """A look at a strategy's runner for the time inside."""
    password = secret("redis-demo", "password")

    def client(port: int) -> "redis.Redis":
        return redis.Redis(port=port, username="demo", password=password, decode_responses=True)

    with PortForward("redis-state", 6379) as state, PortForward("redis-ticks", 6379) as ticks:
        clients = client(state), client(ticks)
        try:
            yield Guard(*clients, status_of(namespace, name)["id"])
        finally:
            for one in clients:
                one.close()


How = Literal["runner", "first", "delete"]


def murder(namespace: str, name: str, how: How, guard: Guard) -> tuple[float, float]:
    """Ends the runner in position: the seconds until the next one guards, and until a pod is
    Ready with it."""
    pod = pod_of(namespace, name)
    assert pod is not None
    before, identity_before = guard.token(), identity(pod)
    began = time.time()
    if how == "delete":
        kubectl("delete", "pod", pod["metadata"]["name"], "-n", namespace, "--wait=false")
    else:
        kill_in_pod(pod, how)
    wait_until(
        lambda: guard.token() != before and guard.heartbeat() > began,
        60,
        "another runner guards",
        pause=0.02,
    )
    guarded = time.time() - began
    wait_until(
        lambda: (
            is_pod_ready(now := pod_of(namespace, name))
            and (how == "runner" or identity(now or {}) != identity_before)
        ),
        60,
        "a pod is Ready",
    )
    return guarded, time.time() - began


def identity(pod: dict[str, Any]) -> tuple[str, str]:
    """Pod and container: both change when a runner is replaced."""
    statuses = pod["status"].get("containerStatuses", [{}])
    return pod["metadata"]["uid"], statuses[0].get("containerID", "")

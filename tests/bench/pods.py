"""Strategies on the local cluster: apply to Ready, memory, fifty at once, murder in position."""

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from algo_contract import names
from support.servers.cluster_client import (
    How,
    guard_of,
    account_object,
    docker_env,
    murder,
    published,
    strategy_object,
    tenant,
    wait_execution,
    wait_job_done,
    wait_until,
    write_ticks,
)
from support.factories.days import ticks_at
from local_cluster.kube import COMMAND, ROOT, apply, kubectl, read

from tests.bench.results import Figure, percentile

TENANTS, EACH = 5, 10
QUIET = ticks_at([9500, 9550, 9600])


def measure() -> Iterator[Figure]:
    """All of it, one after another on an otherwise idle cluster."""
    yield from arrivals()
    yield from fifty_at_once()
    yield from murders("runner")
    yield from murders("first")
    yield from murders("delete")


@contextmanager
def fifty_places() -> Iterator[list[tuple[str, str]]]:
    """Five tenants with room for ten strategies each, on a feed whose day has begun."""
    with ExitStack() as stack:
        made = [stack.enter_context(tenant(f"tenant-bench-{n}")) for n in range(TENANTS)]
        yield [(namespace, f"s{n}") for n in range(EACH) for namespace in made]


def arrivals() -> list[Figure]:
    """Fifty strategies one a second, then fifty at once."""
    results: list[Figure] = []
    for title, pause in (("one a second", 1.0), ("in a burst", 0.0)):
        with fifty_places() as places, open_day(f"bench-{title.replace(' ', '-')}"):
            with ready_times(places) as ready:
                applied = apply_all(places, pause=pause)
            seconds = [ready[place] - applied[place] for place in places]
            if pause:
                p50, p95 = percentile(seconds, 0.5), percentile(seconds, 0.95)
                measured = f"p50 {p50:.2f} s, p95 {p95:.2f} s"
                results.append(
                    Figure(
                        "apply to Ready, 50 arriving one a second",
                        measured,
                        "p50 2 s, p95 4 s",
                        p50 < 2 and p95 < 4,
                        "kubectl apply each",
                    )
                )
                results.append(memory(places))
            else:
                last = max(ready.values()) - min(applied.values())
                results.append(
                    Figure(
                        "a burst of 50, all Ready",
                        f"{last:.1f} s",
                        "25 s",
                        last <= 25,
                        "one kubectl apply of 50",
                    )
                )
    return results


@contextmanager
def open_day(job: str) -> Iterator[None]:
    """The shared feed at 09:00 of a recorded day, waiting for runners that never come in number."""
    with tempfile.TemporaryDirectory() as folder:
        ticks = write_ticks(Path(folder) / "ticks.csv", QUIET)
        with published(job, ticks, account="", wait_ready=1000):
            time.sleep(5)
            yield


def apply_all(places: list[tuple[str, str]], *, pause: float) -> dict[tuple[str, str], float]:
    """Applies them; the wall-clock time at which each apply had returned."""
    specs = {place: strategy_object(*place, brokerAccount=None) for place in places}
    for spec in specs.values():
        del spec["spec"]["brokerAccount"]
    if not pause:
        began = time.time()
        apply(*specs.values())
        return dict.fromkeys(places, began)
    times: dict[tuple[str, str], float] = {}
    for place, spec in specs.items():
        began = time.monotonic()
        apply(spec)
        times[place] = time.time()
        time.sleep(max(0.0, pause - (time.monotonic() - began)))
    return times


@contextmanager
def ready_times(places: list[tuple[str, str]]) -> Iterator[dict[tuple[str, str], float]]:
    """When each pod became Ready, as one watch on the API server tells; filled while inside."""
    path = (
        "{.metadata.namespace} {.metadata.labels."
        + names.STRATEGY_NAME_LABEL.replace(".", "\\.")
        + '} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}'
    )
    selector = f"{names.COMPONENT_LABEL}={names.RUNNER_COMPONENT}"
    found: dict[tuple[str, str], float] = {}
    watch = subprocess.Popen(
        [*COMMAND, "get", "pods", "-A", "-l", selector, "--watch", "-o", f"jsonpath={path}"],
        stdout=subprocess.PIPE,
        text=True,
    )

    def listen() -> None:
        assert watch.stdout is not None
        for line in watch.stdout:
            namespace, name, *ready = line.split()
            if ready == ["True"] and (namespace, name) in places:
                found.setdefault((namespace, name), time.time())

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield found
        wait_until(lambda: len(found) == len(places), 180, "all runners ready")
    finally:
        watch.terminate()
        listener.join()
        watch.wait()
        if watch.stdout is not None:
            watch.stdout.close()


def memory(places: list[tuple[str, str]]) -> Figure:
    """The idle runners' working sets, from their cgroups."""
    time.sleep(5)
    sizes = [working_set(uid) for uid in pod_uids(places)]
    p50, most = percentile(sizes, 0.5), max(sizes)
    measured = f"p50 {p50:.1f} MiB, most {most:.1f} MiB"
    return Figure("idle runner's working set", measured, "30 MiB", most <= 30, "50 pods' cgroups")


def pod_uids(places: list[tuple[str, str]]) -> list[str]:
    selector = f"{names.COMPONENT_LABEL}={names.RUNNER_COMPONENT}"
    pods = read("pods", "-A", "-l", selector)["items"]
    return [p["metadata"]["uid"] for p in pods if p["metadata"]["namespace"] in dict(places)]


def working_set(uid: str) -> float:
    """A pod's memory in use less its inactive page cache, in MiB, as the kubelet counts it."""
    forms = f"*pod{uid}* *pod{uid.replace('-', '_')}*"
    script = (
        "for form in " + " ".join(f"'{f}'" for f in forms.split()) + "; do"
        " for d in $(find /sys/fs/cgroup -maxdepth 8 -type d -path '*memory*' -name \"$form\") "
        '$(find /sys/fs/cgroup/kubelet* -maxdepth 6 -type d -name "$form" 2>/dev/null); do'
        " f=$d/memory.usage_in_bytes; [ -f $f ] || f=$d/memory.current; [ -f $f ] || continue;"
        " echo $(cat $f) $(awk '$1 ~ /^(total_)?inactive_file$/ {v=$2} END {print v}'"
        " $d/memory.stat);"
        " exit; done; done"
    )
    done = subprocess.run(
        ["docker", "exec", "algo-control-plane", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=docker_env(),
    )
    used, inactive = (int(word) for word in done.stdout.split())
    return (used - inactive) / 2**20


def fifty_at_once() -> list[Figure]:
    """Fifty strategies, all different, on one recorded day: each as its replay says."""
    ticks_file = ROOT / "crds/samples/ticks/YESBANK-20190709.csv"
    wrong: list[str] = []
    with fifty_places() as places:
        specs = {place: a_spec(n) for n, place in enumerate(places)}
        began = time.monotonic()
        with published("bench-fifty", ticks_file, account="", wait_ready=len(places), speed="600"):
            time.sleep(3)
            objects = [strategy_object(*place, **spec) for place, spec in specs.items()]
            for item in objects:
                del item["spec"]["brokerAccount"]
                if "stopLossPercent" in item["spec"]:
                    item["spec"].pop("stopLoss", None)
            apply(*objects)
            wait_job_done("bench-fifty", 300)
            wait_until(lambda: all(done(place) for place in places), 60, "all done")
        seconds = time.monotonic() - began
        wrong = [f"{place}" for place in places if outcome(place) != replayed(place, ticks_file)]
    measured = f"{len(places) - len(wrong)} of {len(places)} in {seconds:.0f} s"
    return [
        Figure(
            "50 strategies at once, each as its replay",
            measured,
            "50",
            not wrong,
            "YESBANK of 9 July 2019 at 600 times real time",
        )
    ]


def a_spec(number: int) -> dict[str, Any]:
    """Times, stops, targets and quantities that differ."""
    minute = 9 * 60 + 20 + 4 * number
    spec: dict[str, Any] = {
        "buyTime": f"{minute // 60:02d}:{minute % 60:02d}:00",
        "quantity": 1 + number,
        "stopLossPercent": 0.5 + 0.25 * (number % 12),
    }
    if number % 3 == 1:
        spec["targetPercent"] = 1.5
    if number % 5 == 2:
        spec["trailingStopPercent"] = 1.25
    return spec


def done(place: tuple[str, str]) -> bool:
    status = read("ts", place[1], "-n", place[0]).get("status", {})
    return status.get("execution") in ("SOLD", "FAILED") or bool(status.get("reason"))


def outcome(place: tuple[str, str]) -> tuple[Any, ...]:
    status = read("ts", place[1], "-n", place[0])["status"]
    return status.get("execution"), status.get("reason"), status.get("realizedPnl")


def replayed(place: tuple[str, str], ticks: Path) -> tuple[Any, ...]:
    manifest = kubectl("get", "ts", place[1], "-n", place[0], "-o", "json")
    resource = {k: v for k, v in json.loads(manifest).items() if k != "status"}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(resource, file)
        file.flush()
        command = [str(ROOT / ".venv/bin/algo-runner"), "replay", "--json", "--strategy", file.name]
        run = subprocess.run(
            [*command, "--ticks", str(ticks)], capture_output=True, text=True, check=True
        )
    day = json.loads(run.stdout)
    return day["execution"], day["reason"], day["realized_pnl"]


def murders(how: How) -> list[Figure]:
    """Ten in a row, in position."""
    words = {
        "runner": "kill -9 of the runner",
        "first": "kill -9 of the pod's first process",
        "delete": "kubectl delete pod",
    }[how]
    with tenant(f"tenant-bench-{how}") as namespace, tempfile.TemporaryDirectory() as folder:
        apply(account_object(namespace))
        ticks = write_ticks(Path(folder) / "ticks.csv", QUIET)
        with published(f"bench-{how}", ticks, account=f"{namespace}/recorded", speed="1"):
            apply(strategy_object(namespace, "morning"))
            wait_execution(namespace, "morning", "BOUGHT", 90)
            with guard_of(namespace, "morning") as guard:
                seconds = [murder(namespace, "morning", how, guard) for _ in range(10)]
    guarded, ready = zip(*seconds, strict=True)
    p95 = percentile(guarded, 0.95)
    measured = (
        f"p50 {percentile(guarded, 0.5):.1f} s, p95 {p95:.1f} s; "
        f"pod Ready p95 {percentile(ready, 0.95):.1f} s"
    )
    how_often = "10 in a row, in position"
    return [Figure(f"guarded again after {words}", measured, "p95 3 s", p95 <= 3, how_often)]

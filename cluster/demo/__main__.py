"""`make demo`: one recorded day, three strategies, a stop-loss hit in a real pod.

Publishes YESBANK of 9 July 2019 at SPEED times real time, applies two strategies that trade and
one that the API server refuses, shows them live, and checks what happened against the replay of
the same strategies. With BROKER=zerodha or dhan the day is traded through the real adapter against
the simulated broker instead (demo/live.py). Exit status 1 when anything differs.
"""

import datetime as dt
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import redis
from demo.board import HEADING, feed_time, row
from demo.live import RehearsalError, rehearse
from demo.live import show_the_end as live_end
from local_cluster.kube import (
    PLATFORM,
    ROOT,
    TENANT,
    KubectlError,
    PortForward,
    apply,
    image_of,
    kubectl,
    read,
    secret,
)
from local_cluster.publisher import Publication, publication_objects

JOB = "demo-feed"

SAMPLES = ROOT / "crds/samples"
TICKS = SAMPLES / "ticks/YESBANK-20190709.csv"
TRADING = ("stopped-out", "sells-on-time")
REFUSED = Path(__file__).parent / "no-stop-loss.yaml"
MUST_END = {"stopped-out": ("SOLD", "stop_loss"), "sells-on-time": ("SOLD", "sell_time")}
SECONDS_FOR_PODS = 120
SECONDS_AFTER_THE_DAY = 30
DAY_SECONDS = 6.5 * 3600


class DemoError(RuntimeError):
    """The demo did not go as it must; the message says how."""


def main() -> int:
    """The exit status."""
    speed, broker = os.environ.get("SPEED", ""), os.environ.get("BROKER", "")
    if broker:
        return _rehearse(broker, speed or "120")
    speed = speed or "600"
    try:
        begin(speed)
        with PortForward("redis-ticks", 6379) as port:
            password = secret("redis-demo", "password")
            ticks = redis.Redis(
                port=port, username="demo", password=password, decode_responses=True
            )
            watch(ticks, speed)
        problems = [p for name in TRADING for p in differences(name)]
    except (DemoError, KubectlError, redis.RedisError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        print(f"demo: see kubectl -n {PLATFORM} get pods, and make status", file=sys.stderr)
        return 1
    for problem in problems:
        print(f"demo: {problem}", file=sys.stderr)
    if not problems:
        show_the_end()
    return 1 if problems else 0


def _rehearse(broker: str, speed: str) -> int:
    try:
        problems = rehearse(broker, speed)
    except (RehearsalError, KubectlError, redis.RedisError) as error:
        problems = [str(error)]
    for problem in problems:
        print(f"demo: {problem}", file=sys.stderr)
    if not problems:
        live_end(broker)
    return 1 if problems else 0


def begin(speed: str) -> None:
    """Clears the last demo, starts the recorded day, applies the strategies."""
    names = [*TRADING, "no-stop-loss"]
    kubectl("delete", "ts", "-n", TENANT, *names, "--ignore-not-found", "--timeout=90s")
    kubectl("delete", "job", JOB, "-n", PLATFORM, "--ignore-not-found", "--timeout=60s")
    day = Publication(name=JOB, ticks=TICKS, speed=speed, wait_ready=len(TRADING))
    apply(*publication_objects(day, image=image_of("RUNNER")))
    wait_for_log("waiting", seconds=60)
    for name in TRADING:
        print(kubectl("apply", "-n", TENANT, "-f", str(SAMPLES / f"{name}.yaml")).strip())
    try:
        kubectl("apply", "-n", TENANT, "-f", str(REFUSED))
    except KubectlError as refusal:
        if "Stop-loss is mandatory" not in str(refusal):
            raise DemoError(f"no-stop-loss was refused for another reason: {refusal}") from refusal
        print(f"tradingstrategy no-stop-loss refused, as it must be:\n  {refusal}")
    else:
        raise DemoError("the API server took a strategy without a stop-loss")


def watch(ticks: "redis.Redis", speed: str) -> None:
    """Prints the table until the day is over and both strategies are done."""
    seconds = DAY_SECONDS / float(speed) if speed != "max" else 10.0
    deadline = time.monotonic() + SECONDS_FOR_PODS + seconds + SECONDS_AFTER_THE_DAY
    shown: dict[str, str] = {}
    symbol, _, date = TICKS.stem.partition("-")
    day = dt.datetime.strptime(date, "%Y%m%d").strftime("%-d %B %Y")  # noqa: DTZ007 - a date
    print(f"\n{symbol} of {day}, at {speed} times real time\n{HEADING}")
    while True:
        strategies: list[dict[str, Any]] = read("ts", "-n", TENANT)["items"]
        clock = feed_time(ticks)
        rows = [row(s, ticks) for s in strategies if s["metadata"]["name"] in TRADING]
        for now in rows:
            line = now.line("")
            if shown.get(now.name) != line:
                shown[now.name] = line
                print(now.line(clock), flush=True)
        if len(rows) == len(TRADING) and all(r.state in ("SOLD", "FAILED") for r in rows):
            return
        if time.monotonic() > deadline:
            raise DemoError(f"not done {SECONDS_AFTER_THE_DAY} s after the day's end: see above")
        time.sleep(1)


def differences(name: str) -> list[str]:
    """Where a strategy's status differs from the replay of the same file."""
    status = read("ts", name, "-n", TENANT).get("status", {})
    expected = replayed(name)
    must = (expected["execution"], expected["reason"])
    if must != MUST_END[name]:
        return [f"{name}: the replay ends {must}, the demo is made for {MUST_END[name]}"]
    pairs = {
        "execution": (status.get("execution"), expected["execution"]),
        "reason": (status.get("reason"), expected["reason"]),
        "tradingDay": (status.get("tradingDay"), expected["trading_day"]),
        "averagePrice": (status.get("averagePrice"), expected["orders"][0]["average_price"]),
        "position": (status.get("position"), 0),
        "realizedPnl": (status.get("realizedPnl"), expected["realized_pnl"]),
    }
    return [
        f"{name}: {field} is {is_!r} and must be {must_be!r}"
        for field, (is_, must_be) in pairs.items()
        if is_ != must_be
    ]


def replayed(name: str) -> dict[str, Any]:
    """The replay's JSON for a sample strategy."""
    command = [str(ROOT / ".venv/bin/algo-runner"), "replay", "--json"]
    files = ["--strategy", str(SAMPLES / f"{name}.yaml"), "--ticks", str(TICKS)]
    return json.loads(subprocess.run([*command, *files], capture_output=True, check=True).stdout)


def show_the_end() -> None:
    """What kubectl tells of the same story."""
    print("\nAs it must be: each strategy ended as its replay says.\n")
    print(kubectl("get", "ts", "-A"))
    described = kubectl("describe", "ts", "stopped-out", "-n", TENANT)
    print("kubectl describe ts stopped-out, its events:")
    print(described[described.index("Events:") :])


def wait_for_log(text: str, *, seconds: float) -> None:
    """Waits until the publisher says something."""
    deadline = time.monotonic() + seconds
    said = ""
    while time.monotonic() < deadline:
        try:
            said = kubectl("logs", f"job/{JOB}", "-n", PLATFORM)
        except KubectlError as error:
            said = str(error)
        if text in said:
            return
        time.sleep(0.5)
    raise DemoError(f"the publisher did not start within {seconds:.0f} s; it said: {said}")


if __name__ == "__main__":
    sys.exit(main())

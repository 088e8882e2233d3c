"""The first process of a runner's pod: starts the runner, and starts it again when it is killed.

The kubelet would do the same, but notices a death only at its next look (a second) and makes a
second one within ten minutes wait 10 s and more. A runner that ends by itself, for whatever reason,
is not started again here: its exit status is the pod's. Loads next to nothing, so that the runner,
a fork of it, shares what little memory it has.
"""

import os
import signal
import sys
import time
from collections.abc import Callable

RESTARTS = 20
WITHIN_SECONDS = 600.0
"""More deaths than that in that time are for the kubelet and the operator to see."""

PAUSE_SECONDS = 0.05


def supervise(run: Callable[[], int]) -> int:
    """Runs `run` in a child process until it ends by itself; the exit status."""
    deaths: list[float] = []
    while True:
        child = os.fork()
        if child == 0:
            _exit_with(run)
        killed_by = _wait(child)
        if killed_by <= 0:
            return -killed_by
        now = time.monotonic()
        deaths = [moment for moment in deaths if now - moment < WITHIN_SECONDS] + [now]
        if len(deaths) > RESTARTS:
            _say(f'"runner_given_up","killed_by":{killed_by},"deaths":{len(deaths)}')
            return 128 + killed_by
        _say(f'"runner_killed","killed_by":{killed_by},"deaths":{len(deaths)}')
        time.sleep(PAUSE_SECONDS)


def _exit_with(run: Callable[[], int]) -> None:
    status = 1
    try:
        status = run()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _wait(child: int) -> int:
    """The signal that killed the child, or its exit status as zero or less. A SIGTERM or SIGINT
    that comes meanwhile is handed on, and then the child's end is the end.
    """
    stopped: list[int] = []

    def hand_on(number: int, _: object) -> None:
        stopped.append(number)
        os.kill(child, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hand_on)
    _, status = os.waitpid(child, 0)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN if stopped else signal.SIG_DFL)
    code = os.waitstatus_to_exitcode(status)
    if code < 0 and stopped:
        return -(128 - code)
    return -code


def _say(fields: str) -> None:
    sys.stderr.write(f'{{"time":{time.time():.3f},"event":{fields}}}\n')
    sys.stderr.flush()

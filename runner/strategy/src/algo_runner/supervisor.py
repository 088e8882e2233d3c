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
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""The kernel drops those that a pod's first process has no handler for, so there is always one."""


def supervise(run: Callable[[], int]) -> int:
    """Runs `run` in a child process until it ends by itself; the exit status."""
    deaths: list[float] = []
    children: list[int] = []
    stopped: list[int] = []

    def hand_on(number: int, _: object) -> None:
        stopped.append(number)
        if children:
            try:
                os.kill(children[-1], number)
            except ProcessLookupError:
                return

    for number in STOP_SIGNALS:
        signal.signal(number, hand_on)
    while not stopped:
        _start(run, children, stopped)
        code = os.waitstatus_to_exitcode(os.waitpid(children[-1], 0)[1])
        children.clear()
        if code >= 0 or stopped:
            return code if code >= 0 else 128 - code
        now = time.monotonic()
        deaths = [moment for moment in deaths if now - moment < WITHIN_SECONDS] + [now]
        if len(deaths) > RESTARTS:
            _say("error", f'"runner_given_up","killed_by":{-code},"deaths":{len(deaths)}')
            return 128 - code
        _say("warning", f'"runner_killed","killed_by":{-code},"deaths":{len(deaths)}')
        time.sleep(PAUSE_SECONDS)
    return 128 + stopped[0]


def _start(run: Callable[[], int], children: list[int], stopped: list[int]) -> None:
    """Forks the runner. A stop signal that comes meanwhile waits until there is one to take it; one
    that came just before is handed on.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    child = os.fork()
    if child == 0:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        _exit_with(run)
    children.append(child)
    if stopped:
        os.kill(child, stopped[-1])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _exit_with(run: Callable[[], int]) -> None:
    status = 1
    try:
        status = run()
    except BaseException as error:  # noqa: BLE001 - told here, for nobody else would
        import json
        import traceback

        kind, trace = type(error).__name__, json.dumps(traceback.format_exc())
        _say("error", f'"runner_crashed","kind":"{kind}","exception":{trace}')
    finally:
        sys.stdout.flush()
        os._exit(status)


def _say(level: str, fields: str) -> None:
    """A record as `algo_service.logging` writes it, which costs more to load than this."""
    moment = time.gmtime()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", moment)
    head = f'"time":"{stamp}.000Z","level":"{level}","logger":"{__name__}","event":'
    sys.stdout.write(f"{{{head}{fields}}}\n")
    sys.stdout.flush()

"""The pod's first process, with a child that does what a test wants."""

import json
import signal
import subprocess
import sys
import time

START = "import os, sys, time; from algo_runner.supervisor import supervise; "


def supervised(child: str, *, before: str = "") -> "subprocess.Popen[str]":
    program = f"{START}{before}sys.exit(supervise(lambda: {child}))"
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_a_child_that_ends__its_status_is_the_pods() -> None:
    process = supervised("7")

    process.communicate(timeout=10)
    assert process.returncode == 7


def test_a_child_that_crashes__says_where() -> None:
    process = supervised("{}['lost']")

    told, _ = process.communicate(timeout=10)
    line = json.loads(told)
    assert process.returncode == 1
    assert (line["event"], line["kind"]) == ("runner_crashed", "KeyError")
    assert "lost" in line["exception"]


def test_a_stop_between_two_children__is_the_end() -> None:
    process = supervised(
        "os.kill(os.getpid(), 9)",
        before="import algo_runner.supervisor as s; s.PAUSE_SECONDS = 0.5; ",
    )
    assert process.stdout is not None
    assert "runner_killed" in process.stdout.readline()

    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=10)[0]

    assert process.returncode == 128 + signal.SIGTERM
    assert told == ""


def test_a_stop_the_child_knows_nothing_of__ends_it() -> None:
    process = supervised("time.sleep(60)", before="print('up', flush=True); ")
    assert process.stdout is not None
    process.stdout.readline()

    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)

    assert process.returncode == 128 + signal.SIGTERM

"""`algo-login run` as the pod starts it."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LOGIN = Path(sys.executable).with_name("algo-login")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LOGIN, *words], env=environment, capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "KUBECONFIG"),
        ({"KUBECONFIG": "/nowhere"}, "/nowhere"),
        ({"ALGO_LOGIN_HTTP_PORT": "x"}, "HTTP_PORT"),
    ],
)
def test_run__set_up_wrongly__exit_2_in_words(environment, told):
    done = run("run", **environment)

    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_command__unknown__exit_2():
    assert run("walk").returncode == 2
    assert run().returncode == 2


@pytest.mark.api_server
async def test_run__told_to_stop__ends_well(world):
    names = {
        "KEYS": str(world.folder / "login"),
        "HTTP_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        LOGIN,
        "run",
        env={f"ALGO_LOGIN_{name}": value for name, value in names.items()}
        | {"KUBECONFIG": str(world.kubeconfig)},
    )
    try:
        sealed = await world.sealed_login("other", "dhan")
        await world.make("dhan", "dhan", sealedLogin=sealed)
        await world.until("dhan", lambda b: b["status"]["conditions"])
    finally:
        process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 15) == 0

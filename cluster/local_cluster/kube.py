"""kubectl against the local cluster."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [str(ROOT / ".tools/bin/kubectl"), "--kubeconfig", str(ROOT / ".local/kubeconfig")]
PLATFORM = "algo-system"
TENANT = "tenant-demo"


class KubectlError(RuntimeError):
    """kubectl refused; the message is its own."""


def kubectl(*arguments: str, given: str | None = None) -> str:
    """What kubectl printed.

    Raises:
        KubectlError: with what it said.
    """
    done = subprocess.run(
        [*COMMAND, *arguments], input=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise KubectlError(done.stderr.strip())
    return done.stdout


def read(*arguments: str) -> dict[str, Any]:
    """An object or list as JSON."""
    return json.loads(kubectl("get", *arguments, "-o", "json"))


def read_or_none(*arguments: str) -> dict[str, Any] | None:
    """An object as JSON; None where there is none now."""
    text = kubectl("get", *arguments, "--ignore-not-found", "-o", "json")
    return json.loads(text) if text.strip() else None


def apply(*objects: dict[str, Any]) -> None:
    """Server-side apply of objects."""
    bundle = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=json.dumps(bundle))


def secret(name: str, key: str) -> str:
    """A value of a Secret in the platform's namespace."""
    encoded = kubectl("get", "secret", name, "-n", PLATFORM, "-o", f"jsonpath={{.data.{key}}}")
    return base64.b64decode(encoded).decode()


def image_of(part: str) -> str:
    """The image that `cluster/build-images` made last: of RUNNER, OPERATOR or REDIS."""
    lines = (ROOT / ".local/images.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)[f"{part}_IMAGE"]


class PortForward:
    """A service's port on 127.0.0.1 for as long as the block lasts."""

    def __init__(self, service: str, port: int) -> None:
        """Starts nothing yet."""
        self._target = [f"svc/{service}", f":{port}"]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> int:
        """The local port."""
        self._process = subprocess.Popen(
            [*COMMAND, "port-forward", "-n", PLATFORM, *self._target],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if "127.0.0.1:" not in line:
            self.__exit__()
            raise KubectlError(f"no port-forward to {self._target[0]} in {PLATFORM}")
        return int(line.split("127.0.0.1:")[1].split(" ")[0])

    def __exit__(self, *_: object) -> None:
        """Stops kubectl."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            if self._process.stdout:
                self._process.stdout.close()

"""A real Kubernetes API server for tests, without nodes or pods: ready in a few seconds.

Starts etcd and kube-apiserver from `.tools/bin`, and kube-controller-manager with the four
controllers that tests of quotas, owner references and namespaces need, on free loopback ports and
in a temporary folder. `etcd --unsafe-no-fsync` is right here and nowhere else: nothing has to
survive. It starts no scheduler: pods stay Pending. The servers end with the thread that started
them, even when it is killed.

    with running() as api:
        subprocess.run([..., "--kubeconfig", str(api.kubeconfig)])

`python3 cluster/testapi.py` starts one, prints its kubeconfig's path, and stops it with Ctrl-C.
"""

import base64
import ctypes
import json
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

BIN = Path(__file__).resolve().parent.parent / ".tools" / "bin"
CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "resourcequota-controller",
    "serviceaccount-controller",
)
START_TIMEOUT_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class TestApiError(RuntimeError):
    """A program of the test API server is missing, ended early or did not become ready."""

    __test__ = False  # not a test class, whatever its name says to pytest


@dataclass(frozen=True, kw_only=True)
class TestApi:
    """Where the server is, and how its administrator gets in."""

    __test__ = False

    url: str
    ca_file: Path
    token: str
    kubeconfig: Path
    folder: Path

    def request(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """One call to the API as its administrator; raises urllib.error.HTTPError on a refusal."""
        call = urllib.request.Request(  # noqa: S310  # the scheme is ours: https
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        with urllib.request.urlopen(call, timeout=10, context=trust) as answer:  # noqa: S310
            return json.load(answer)


@contextmanager
def running(*, controllers: Sequence[str] = CONTROLLERS) -> Generator[TestApi]:
    """Run an API server as long as the context lasts; without `controllers`, only the server."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="testapi-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        etcd_port, peer_port, api_port = _free_ports(3)
        etcd_url = f"http://127.0.0.1:{etcd_port}"
        token = secrets.token_urlsafe(24)
        _write_credentials(folder, token)

        etcd = _start(
            stack,
            folder,
            "etcd",
            f"--data-dir={folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={etcd_url}",
            f"--advertise-client-urls={etcd_url}",
            f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
            "--log-level=warn",
        )
        apiserver = _start(
            stack,
            folder,
            "kube-apiserver",
            f"--etcd-servers={etcd_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={api_port}",
            f"--cert-dir={folder / 'certs'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            # Both are on by default; named so that it is seen.
            "--enable-admission-plugins=ResourceQuota,ValidatingAdmissionPolicy",
            "--service-cluster-ip-range=10.255.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder / 'service-account.key'}",
            f"--service-account-signing-key-file={folder / 'service-account.key'}",
        )
        api = TestApi(
            url=f"https://127.0.0.1:{api_port}",
            ca_file=folder / "certs" / "apiserver.crt",  # signed by itself: it is its own authority
            token=token,
            kubeconfig=folder / "kubeconfig",
            folder=folder,
        )
        _wait_until_ready(api, (etcd, apiserver))
        _write_kubeconfig(api)
        if controllers:
            _start(
                stack,
                folder,
                "kube-controller-manager",
                f"--kubeconfig={api.kubeconfig}",
                f"--controllers={','.join(controllers)}",
                "--leader-elect=false",
                "--secure-port=0",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
                "--resource-quota-sync-period=10s",
                "--concurrent-gc-syncs=4",
            )
        yield api


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago; held together, so that no two are the same."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _write_credentials(folder: Path, token: str) -> None:
    (folder / "certs").mkdir()
    tokens = folder / "tokens.csv"
    tokens.write_text(f'{token},test-admin,test-admin,"system:masters"\n')
    tokens.chmod(0o600)
    subprocess.run(
        ["openssl", "genrsa", "-out", folder / "service-account.key", "2048"],
        check=True,
        capture_output=True,
    )


def _end_with_parent() -> None:
    # Tests that are killed run no clean-up: the kernel then ends the servers for them.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _start(
    stack: ExitStack, folder: Path, program: str, *arguments: str
) -> subprocess.Popen[bytes]:
    path = BIN / program
    if not path.exists():
        message = f"{path} is missing; run cluster/setup-tools"
        raise TestApiError(message)
    log = stack.enter_context((folder / f"{program}.log").open("wb"))
    process = subprocess.Popen(
        [path, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
    )
    stack.callback(_stop, process)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Nothing is kept, so nothing needs an orderly end: the API server's takes seconds.
    process.kill()
    process.wait(timeout=10)


def _wait_until_ready(api: TestApi, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            trust = ssl.create_default_context(cafile=str(api.ca_file))
            call = urllib.request.Request(  # noqa: S310
                f"{api.url}/readyz", headers={"Authorization": f"Bearer {api.token}"}
            )
            with urllib.request.urlopen(call, timeout=5, context=trust):  # noqa: S310
                return
        except (OSError, ssl.SSLError):  # HTTPError and URLError are OSErrors
            pass
        ended = [str(each.args) for each in processes if each.poll() is not None]
        if ended or time.monotonic() > deadline:
            log = (api.folder / "kube-apiserver.log").read_text(errors="replace")[-3000:]
            message = f"the test API server did not become ready; ended: {ended}\n{log}"
            raise TestApiError(message)
        time.sleep(0.1)


def _write_kubeconfig(api: TestApi) -> None:
    cluster = {
        "server": api.url,
        "certificate-authority-data": base64.b64encode(api.ca_file.read_bytes()).decode(),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": api.token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    }
    api.kubeconfig.touch(mode=0o600)
    api.kubeconfig.write_text(json.dumps(config))


if __name__ == "__main__":
    with running() as started:
        print(started.kubeconfig, flush=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        signal.sigwait({signal.SIGINT, signal.SIGTERM})

"""A real Kubernetes API server for tests, without nodes or pods: ready in a few seconds.

Starts etcd and kube-apiserver from `.tools/bin`, and kube-controller-manager with the four
controllers that tests of quotas, owner references and namespaces need, on free loopback ports and
in a temporary folder. `etcd --unsafe-no-fsync` is right here and nowhere else: nothing has to
survive. It starts no scheduler: pods stay Pending. The servers end with the thread that started
them, even when it is killed. Its certificate is good from 2000 to 2038, so that a test may play any
clock in between.

    with running() as api:
        subprocess.run([..., "--kubeconfig", str(api.kubeconfig)])

`python tests/support/servers/kube_api.py` starts one, prints its kubeconfig's path, and stops it
with Ctrl-C.
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
from dataclasses import dataclass, field
from pathlib import Path

import trustme

ROOT = Path(__file__).resolve().parents[3]
BIN = ROOT / ".tools/bin"
KUBECTL = BIN / "kubectl"
CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "resourcequota-controller",
    "serviceaccount-controller",
)
START_TIMEOUT_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class KubeApiError(RuntimeError):
    """A program of the API server is missing, ended early or did not become ready."""


@dataclass(kw_only=True)
class KubeApi:
    """Where the server is, and how its administrator gets in."""

    url: str
    ca_file: Path
    token: str
    kubeconfig: Path
    folder: Path
    flags: tuple[str, ...] = ()
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    """What runs beside the server: etcd first."""

    server: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Starts the server, which may have been stopped; its objects are in etcd."""
        self.server = _start(self.folder, "kube-apiserver", *self.flags)

    def stop(self) -> None:
        """Ends the server; etcd stays."""
        if self.server is not None:
            _stop(self.server)

    def request(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """One call to the API as its administrator; raises urllib.error.HTTPError on a refusal."""
        call = urllib.request.Request(  # the scheme is ours: https
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        with urllib.request.urlopen(call, timeout=10, context=trust) as answer:
            return json.load(answer)

    def wait_ready(self) -> None:
        """Waits until the server takes calls.

        Raises:
            KubeApiError: it does not in time, or something ended.
        """
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while True:
            try:
                trust = ssl.create_default_context(cafile=str(self.ca_file))
                call = urllib.request.Request(
                    f"{self.url}/readyz", headers={"Authorization": f"Bearer {self.token}"}
                )
                with urllib.request.urlopen(call, timeout=5, context=trust):
                    return
            except (OSError, ssl.SSLError):  # HTTPError and URLError are OSErrors
                pass
            alive = [each for each in (*self.processes, self.server) if each is not None]
            ended = [str(each.args) for each in alive if each.poll() is not None]
            if ended or time.monotonic() > deadline:
                log = (self.folder / "kube-apiserver.log").read_text(errors="replace")[-3000:]
                message = f"the API server did not become ready; ended: {ended}\n{log}"
                raise KubeApiError(message)
            time.sleep(0.1)


@contextmanager
def running(
    *, controllers: Sequence[str] = CONTROLLERS, flags: Sequence[str] = ()
) -> Generator[KubeApi]:
    """Run an API server as long as the context lasts; without `controllers`, only the server.
    `flags` are further ones of kube-apiserver.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="kube-api-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        etcd_port, peer_port, api_port = _free_ports(3)
        etcd_url = f"http://127.0.0.1:{etcd_port}"
        token = secrets.token_urlsafe(24)
        _write_credentials(folder, token)
        etcd = _start(
            folder,
            "etcd",
            f"--data-dir={folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={etcd_url}",
            f"--advertise-client-urls={etcd_url}",
            f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
            "--log-level=warn",
        )
        stack.callback(_stop, etcd)
        api = KubeApi(
            url=f"https://127.0.0.1:{api_port}",
            ca_file=folder / "ca.crt",
            token=token,
            kubeconfig=folder / "kubeconfig",
            folder=folder,
            processes=[etcd],
            flags=(
                f"--etcd-servers={etcd_url}",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                "--endpoint-reconciler-type=none",
                f"--secure-port={api_port}",
                f"--tls-cert-file={folder / 'server.crt'}",
                f"--tls-private-key-file={folder / 'server.key'}",
                f"--token-auth-file={folder / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                # Both are on by default; named so that it is seen.
                "--enable-admission-plugins=ResourceQuota,ValidatingAdmissionPolicy",
                "--service-cluster-ip-range=10.255.0.0/24",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={folder / 'service-account.key'}",
                f"--service-account-signing-key-file={folder / 'service-account.key'}",
                *flags,
            ),
        )
        api.start()
        stack.callback(api.stop)
        api.wait_ready()
        _write_kubeconfig(api)
        if controllers:
            manager = _start(
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
            stack.callback(_stop, manager)
        yield api


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago; held together, so that no two are the same."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _write_credentials(folder: Path, token: str) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    own = authority.issue_cert("127.0.0.1")
    own.cert_chain_pems[0].write_to_path(str(folder / "server.crt"))
    own.private_key_pem.write_to_path(str(folder / "server.key"))
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


def _start(folder: Path, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
    path = BIN / program
    if not path.exists():
        message = f"{path} is missing; run make setup"
        raise KubeApiError(message)
    with (folder / f"{program}.log").open("ab") as log:
        return subprocess.Popen(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Nothing is kept, so nothing needs an orderly end: the API server's takes seconds.
    process.kill()
    process.wait(timeout=10)


def _write_kubeconfig(api: KubeApi) -> None:
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

"""Where the API server is and how to prove who we are: service account or kubeconfig."""

import base64
import os
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from algo_kube.errors import Misconfigured

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Access:
    """An API server. The token is read again for every request: the kubelet rotates it."""

    server: str
    tls: ssl.SSLContext | None = field(repr=False)
    token: Callable[[], str | None] = field(repr=False)

    def headers(self) -> dict[str, str]:
        """The headers that log us in."""
        token = self.token()
        return {"Authorization": f"Bearer {token}"} if token else {}


def load_access(kubeconfig: str | None) -> Access:
    """Access by a kubeconfig file, or by the pod's service account.

    Raises:
        Misconfigured: neither is there, or the file cannot be used.
    """
    if kubeconfig:
        return _from_file(Path(kubeconfig))
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    if not host or not (SERVICE_ACCOUNT / "token").exists():
        raise Misconfigured("no service account here, and KUBECONFIG is not set")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    address = f"[{host}]" if ":" in host else host
    return Access(
        server=f"https://{address}:{port}",
        tls=ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt")),
        token=lambda: (SERVICE_ACCOUNT / "token").read_text(encoding="utf-8").strip(),
    )


def _from_file(path: Path) -> Access:
    import yaml  # pods have a service account, and no need of it

    try:
        config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster: dict[str, Any] = _named(config["clusters"], context["cluster"])["cluster"]
        user: dict[str, Any] = _named(config["users"], context["user"])["user"]
        server: str = cluster["server"].rstrip("/")
    except (OSError, KeyError, TypeError, StopIteration, yaml.YAMLError) as error:
        raise Misconfigured(f"unusable kubeconfig {path}: {type(error).__name__}") from None
    token: str | None = user.get("token")
    return Access(
        server, _tls(cluster, user) if server.startswith("https") else None, lambda: token
    )


def _named(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(row for row in rows if row["name"] == name)


def _tls(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif (authority := _material(cluster, "certificate-authority")) is not None:
        context = ssl.create_default_context(cadata=authority.decode())
    certificate, key = _material(user, "client-certificate"), _material(user, "client-key")
    if certificate is not None and key is not None:
        # The ssl module takes client certificates from files only.
        with tempfile.TemporaryDirectory(prefix="algo-kube-") as folder:
            file = Path(folder) / "client.pem"
            file.touch(mode=0o600)
            file.write_bytes(certificate + b"\n" + key)
            context.load_cert_chain(file)
    return context


def _material(section: dict[str, Any], name: str) -> bytes | None:
    if data := section.get(f"{name}-data"):
        return base64.b64decode(data)
    if path := section.get(name):
        return Path(path).read_bytes()
    return None

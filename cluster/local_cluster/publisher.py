"""The recorded day as a Job: `algo-feed publish` in the cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_cluster.kube import PLATFORM

LABELS = {"app.kubernetes.io/part-of": "algo-trading", "app.kubernetes.io/component": "feed"}


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A recorded day to publish."""

    name: str
    """Of the Job and its ConfigMap in the platform's namespace."""

    ticks: Path
    speed: str
    wait_ready: int
    """Runners to wait for before the first tick."""

    account: str = ""
    """NAMESPACE/NAME of the account whose feed it is; the shared feed without one."""


def publication_objects(publication: Publication, *, image: str) -> list[dict[str, Any]]:
    """A ConfigMap with the ticks and the Job that publishes them."""
    metadata = {"name": publication.name, "namespace": PLATFORM, "labels": LABELS}
    text = publication.ticks.read_text(encoding="utf-8")
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"ticks.csv": text},
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,
            "template": {"metadata": {"labels": LABELS}, "spec": _pod(publication, image)},
        },
    }
    return [config, job]


def _pod(publication: Publication, image: str) -> dict[str, Any]:
    arguments = ["publish", "--ticks", "/ticks/ticks.csv", "--speed", publication.speed]
    arguments += ["--wait-ready", str(publication.wait_ready)]
    if publication.account:
        arguments += ["--account", publication.account]
    container = {
        "name": "feed",
        "image": image,
        "command": ["/opt/app/bin/python3", "-m", "algo_feed"],
        "args": arguments,
        "env": [
            {"name": "ALGO_FEED_REDIS_URL", "value": f"redis://redis-ticks.{PLATFORM}.svc:6379"},
            {"name": "ALGO_FEED_REDIS_USERNAME", "value": "feed"},
            {"name": "ALGO_FEED_REDIS_PASSWORD_FILE", "value": "/redis/password"},
        ],
        "volumeMounts": [
            {"name": "ticks", "mountPath": "/ticks", "readOnly": True},
            {"name": "redis", "mountPath": "/redis", "readOnly": True},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 2,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "ticks", "configMap": {"name": publication.name}},
            {"name": "redis", "secret": {"secretName": "redis-feed", "defaultMode": 0o440}},
        ],
    }

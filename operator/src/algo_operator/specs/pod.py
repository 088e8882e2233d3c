"""The runner pod: bare, locked down, probed, with no way to the API server."""

from typing import Any, Final

from algo_contract import names
from algo_contract.assignment import Assignment

from algo_operator.settings import Settings
from algo_operator.specs import naming
from algo_operator.specs.assignment import mark_of

EPOCH_ANNOTATION: Final = f"{names.GROUP}/epoch"
IMAGE_ANNOTATION: Final = f"{names.GROUP}/image"
"""The image asked for: an admission webhook may put another address of it into the pod."""
CONTAINER: Final = "runner"
USER: Final = 65532
PROBE_SECONDS: Final = 5
"""Longer than a runner holds the question while it starts: on a busy node an answer that is late is
worth more than to be asked again.
"""


def runner_pod(assignment: Assignment, settings: Settings, *, owned: bool) -> dict[str, Any]:
    """The pod of one epoch of a strategy."""
    strategy = assignment.strategy
    name = naming.runner_name(strategy.name, strategy.uid)
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": strategy.namespace,
        "labels": naming.labels(strategy.name, strategy.uid),
        "annotations": {
            names.ASSIGNMENT_ANNOTATION: mark_of(assignment),
            EPOCH_ANNOTATION: str(assignment.epoch),
            IMAGE_ANNOTATION: settings.runner_image,
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(names.METRICS_PORT),
            "prometheus.io/path": "/metrics",
        },
    }
    if owned:
        metadata["ownerReferences"] = [naming.owner(strategy.name, strategy.uid)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _spec(name, settings)}


def _spec(secret: str, settings: Settings) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 10,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(settings)],
        "volumes": [{"name": "assignment", "secret": {"secretName": secret, "defaultMode": 0o440}}],
        # A lost node is judged by the operator, sooner than by these tolerations' default of 300 s.
        "tolerations": [
            {
                "key": f"node.kubernetes.io/{taint}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 600,
            }
            for taint in ("not-ready", "unreachable")
        ],
    }
    if settings.runner_priority_class:
        spec["priorityClassName"] = settings.runner_priority_class
    if settings.runner_pull_secret:
        spec["imagePullSecrets"] = [{"name": settings.runner_pull_secret}]
    return spec


def _container(settings: Settings) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": settings.runner_image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["run"],
        "ports": [{"name": "metrics", "containerPort": names.METRICS_PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {
                "cpu": settings.runner_cpu_request,
                "memory": settings.runner_memory_request,
            },
            "limits": {"memory": settings.runner_memory_limit},
        },
        "readinessProbe": _probe("/readyz", period=1, failures=3),
        "livenessProbe": _probe("/healthz", period=10, failures=3),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "assignment", "mountPath": names.SECRET_FOLDER, "readOnly": True}
        ],
    }


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "metrics"},
        "periodSeconds": period,
        "timeoutSeconds": PROBE_SECONDS,
        "failureThreshold": failures,
    }

"""Runner and feed pods: bare, locked down, probed, with no way to the API server."""

from dataclasses import dataclass
from typing import Any, Final

from algo_contract import names
from algo_contract.messages.assignment import Assignment
from algo_contract.messages.feed_assignment import FeedAssignment

from algo_operator.model import naming
from algo_operator.model.naming import EPOCH_ANNOTATION, FEED_SETTINGS_ANNOTATION, IMAGE_ANNOTATION
from algo_operator.model.observed import Account
from algo_operator.settings import Settings
from algo_operator.specs.assignment import assignment_hash
from algo_operator.specs.feed import feed_hash, feed_settings_hash

FEED_COMMAND: Final = "/opt/app/bin/algo-feed"
USER: Final = 65532
PROBE_SECONDS: Final = 5
"""Longer than a runner holds the question while it starts: on a busy node an answer that is late is
worth more than to be asked again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """In what a runner and a feed differ."""

    container: str
    command: list[str] | None
    cpu_request: str
    memory_request: str
    memory_limit: str


def runner_pod(
    assignment: Assignment, settings: Settings, *, owned: bool, session: str = ""
) -> dict[str, Any]:
    """The pod of one epoch of a strategy."""
    strategy = assignment.strategy
    labels = naming.labels(strategy.name, strategy.uid)
    if assignment.live is not None and assignment.account_id is not None:
        labels[names.ACCOUNT_ID_LABEL] = assignment.account_id
    shape = _Shape(
        container=names.RUNNER_COMPONENT,
        command=None,
        cpu_request=settings.runner_cpu_request,
        memory_request=settings.runner_memory_request,
        memory_limit=settings.runner_memory_limit,
    )
    metadata: dict[str, Any] = {
        "name": naming.runner_name(strategy.name, strategy.uid),
        "namespace": strategy.namespace,
        "labels": labels,
        "annotations": {
            names.ASSIGNMENT_ANNOTATION: assignment_hash(assignment, session),
            EPOCH_ANNOTATION: str(assignment.epoch),
        },
    }
    if owned:
        metadata["ownerReferences"] = [naming.owner(strategy.name, strategy.uid)]
    return _pod(metadata, shape, settings)


def feed_pod(
    assignment: FeedAssignment,
    account: Account,
    settings: Settings,
    *,
    namespace: str,
    owned: bool,
    session: str,
) -> dict[str, Any]:
    """The feed pod of an account; it runs in the runner's image."""
    shape = _Shape(
        container=names.FEED_COMPONENT,
        command=[FEED_COMMAND],
        cpu_request=settings.feed_cpu_request,
        memory_request=settings.feed_memory_request,
        memory_limit=settings.feed_memory_limit,
    )
    metadata: dict[str, Any] = {
        "name": naming.feed_name(account.name, account.uid),
        "namespace": namespace,
        "labels": naming.feed_labels(account.name, account.id),
        "annotations": {
            names.ASSIGNMENT_ANNOTATION: feed_hash(assignment, session),
            FEED_SETTINGS_ANNOTATION: feed_settings_hash(assignment, settings),
        },
    }
    if owned:
        metadata["ownerReferences"] = [naming.account_owner(account.name, account.uid)]
    return _pod(metadata, shape, settings)


def _pod(metadata: dict[str, Any], shape: _Shape, settings: Settings) -> dict[str, Any]:
    metadata["annotations"] |= {
        IMAGE_ANNOTATION: settings.runner_image,
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(names.METRICS_PORT),
        "prometheus.io/path": "/metrics",
    }
    spec = _spec(metadata["name"], shape, settings)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _spec(secret: str, shape: _Shape, settings: Settings) -> dict[str, Any]:
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
        "containers": [_container(shape, settings)],
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


def _container(shape: _Shape, settings: Settings) -> dict[str, Any]:
    return {
        "name": shape.container,
        "image": settings.runner_image,
        "imagePullPolicy": "IfNotPresent",
        **({"command": shape.command} if shape.command is not None else {}),
        "args": ["run"],
        "ports": [{"name": "metrics", "containerPort": names.METRICS_PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": shape.cpu_request, "memory": shape.memory_request},
            "limits": {"memory": shape.memory_limit},
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

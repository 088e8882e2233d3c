"""What a tenant namespace is given: a quota, limits, closed networks, restricted pods."""

import re
from typing import Any, Final, cast

from algo_contract import names

from algo_operator.settings import Settings, host_and_port

NAME: Final = "algo-tenant"
SPARE_PODS: Final = 5
COUNT: Final = f"count/{names.STRATEGY_PLURAL}.{names.GROUP}"
ACCOUNT_COUNT: Final = f"count/{names.ACCOUNT_PLURAL}.{names.GROUP}"
ACCOUNT_LIMIT: Final = 10
POD_SECURITY: Final = {
    f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")
}

Body = dict[str, Any]


def strategy_limit(annotations: dict[str, str], default: int) -> int:
    """How many strategies the namespace may hold."""
    text = annotations.get(names.STRATEGY_LIMIT_ANNOTATION, "")
    return int(text) if text.isdigit() else default


def quota(namespace: str, limit: int) -> Body:
    """The API server itself refuses one strategy too many, without a race.

    There is room for a runner of each strategy and a feed of each account.
    """
    body = _object("v1", "ResourceQuota", namespace, NAME)
    body["spec"] = {
        "hard": {
            COUNT: str(limit),
            ACCOUNT_COUNT: str(ACCOUNT_LIMIT),
            "pods": str(limit + ACCOUNT_LIMIT + SPARE_PODS),
        }
    }
    return body


def limit_range(namespace: str) -> Body:
    """A container that names no limits gets these."""
    body = _object("v1", "LimitRange", namespace, NAME)
    body["spec"] = {
        "limits": [
            {
                "type": "Container",
                "default": {"memory": "64Mi"},
                "defaultRequest": {"cpu": "10m", "memory": "32Mi"},
                "max": {"memory": "256Mi"},
            }
        ]
    }
    return body


def deny_all(namespace: str) -> Body:
    """Nothing comes in, nothing goes out, unless another policy lets it."""
    body = _object("networking.k8s.io/v1", "NetworkPolicy", namespace, "algo-default-deny")
    body["spec"] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return body


def runner_network(namespace: str, settings: Settings) -> Body:
    """Runners and feeds reach DNS and both Redis servers; Prometheus reaches them.

    A policy knows no names, so a Redis outside the platform's namespace opens its port to all.
    """
    body = _object("networking.k8s.io/v1", "NetworkPolicy", namespace, "algo-runner")
    platform = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": settings.namespace}}
    }
    urls = (
        settings.runner_state_redis_url or settings.state_redis_url,
        settings.runner_ticks_redis_url or settings.ticks_redis_url,
    )
    inside, outside = set[int](), set[int]()
    for host, port in map(host_and_port, urls):
        (inside if _is_service(host, settings.namespace) else outside).add(port)
    dns = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    body["spec"] = {
        "podSelector": {
            "matchExpressions": [
                {
                    "key": names.COMPONENT_LABEL,
                    "operator": "In",
                    "values": [names.RUNNER_COMPONENT, names.FEED_COMPONENT],
                }
            ]
        },
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"from": [platform], "ports": [{"port": names.METRICS_PORT, "protocol": "TCP"}]}
        ],
        "egress": [
            {
                "to": [dns],
                "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
            },
            *([{"to": [platform], "ports": _tcp(inside)}] if inside else []),
            *([{"ports": _tcp(outside)}] if outside else []),
        ],
    }
    return body


def _tcp(ports: set[int]) -> list[Body]:
    return [{"port": port, "protocol": "TCP"} for port in sorted(ports)]


def _is_service(host: str, namespace: str) -> bool:
    """Whether a host is a Service of that namespace; any other may be anywhere."""
    if "." not in host:
        return True
    own = re.escape(namespace)
    return re.fullmatch(rf"[^.]+(\.[^.]+)?\.{own}(\.svc(\..+)?)?", host) is not None


def counts(body: Body | None, limit: int) -> bool:
    """Whether the quota is in force: its status has counted strategies against this limit."""
    status: dict[str, Any] = (body or {}).get("status") or {}
    hard: dict[str, str] = status.get("hard") or {}
    used: dict[str, str] = status.get("used") or {}
    return COUNT in used and hard.get(COUNT) == str(limit)


def contains(actual: object, desired: object) -> bool:
    """Whether everything desired is there; what the server added does not matter."""
    if isinstance(desired, dict):
        wanted = cast("dict[str, object]", desired)
        there = cast("dict[str, object]", actual) if isinstance(actual, dict) else {}
        return all(key in there and contains(there[key], wanted[key]) for key in wanted)
    if isinstance(desired, list):
        items = cast("list[object]", desired)
        found = cast("list[object]", actual) if isinstance(actual, list) else []
        return len(found) == len(items) and all(map(contains, found, items))
    return actual == desired


def _object(api_version: str, kind: str, namespace: str, name: str) -> Body:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {
                names.MANAGED_BY_LABEL: "algo-operator",
                "app.kubernetes.io/part-of": "algo-trading",
            },
        },
    }

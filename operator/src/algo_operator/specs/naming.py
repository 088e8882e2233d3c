"""Names of a strategy's children, from its own: two pods of one strategy cannot be."""

import hashlib
from typing import Final

from algo_contract import names

from algo_operator.kube.resources import Json

SUFFIX: Final = "-runner"
RUNNER_LABELS: Final = {
    names.MANAGED_BY_LABEL: "algo-operator",
    names.COMPONENT_LABEL: names.RUNNER_COMPONENT,
}
_LONGEST: Final = 63
"""A pod's name becomes its host name, a label of at most 63 characters."""


def runner_name(strategy_name: str, uid: str) -> str:
    """The name of the pod and of the Secret."""
    plain = strategy_name + SUFFIX
    if len(plain) <= _LONGEST and "." not in plain:
        return plain
    mark = hashlib.sha256(uid.encode()).hexdigest()[:8]
    room = _LONGEST - len(SUFFIX) - len(mark) - 1
    return f"{strategy_name.replace('.', '-')[:room].rstrip('-')}-{mark}{SUFFIX}"


def labels(strategy_name: str, uid: str) -> dict[str, str]:
    """The labels of a strategy's children; a label's value has at most 63 characters."""
    return {
        **RUNNER_LABELS,
        "app.kubernetes.io/part-of": "algo-trading",
        names.STRATEGY_UID_LABEL: uid,
        names.STRATEGY_NAME_LABEL: strategy_name[:_LONGEST].rstrip("-."),
    }


def is_runner(body: Json) -> bool:
    """Whether an object carries the labels of our children: our watch follows only those."""
    found = body["metadata"].get("labels") or {}
    return all(found.get(name) == value for name, value in RUNNER_LABELS.items())


def owner(strategy_name: str, uid: str) -> dict[str, object]:
    """The owner reference to a strategy."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.STRATEGY_KIND,
        "name": strategy_name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }

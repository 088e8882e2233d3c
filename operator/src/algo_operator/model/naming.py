"""Names of the children of strategies and accounts, from their own: two pods of one cannot be."""

import hashlib
from typing import Final

from algo_contract import names
from algo_kube.resources import Json

EPOCH_ANNOTATION: Final = f"{names.GROUP}/epoch"
IMAGE_ANNOTATION: Final = f"{names.GROUP}/image"
"""The image asked for: an admission webhook may put another address of it into the pod."""
FEED_SETTINGS_ANNOTATION: Final = f"{names.GROUP}/feed-settings"
"""What a feed reads only once: a change of it takes a new pod."""

RUNNER_SUFFIX: Final = "-runner"
FEED_SUFFIX: Final = "-feed"
RUNNER_LABELS: Final = {
    names.MANAGED_BY_LABEL: "algo-operator",
    names.COMPONENT_LABEL: names.RUNNER_COMPONENT,
}
_LONGEST: Final = 63
"""A pod's name becomes its host name, a label of at most 63 characters."""


FEED_LABELS: Final = RUNNER_LABELS | {names.COMPONENT_LABEL: names.FEED_COMPONENT}

POD_SELECTOR: Final = (
    f"{names.MANAGED_BY_LABEL}=algo-operator,"
    f"{names.COMPONENT_LABEL} in ({names.FEED_COMPONENT},{names.RUNNER_COMPONENT})"
)
"""The pods that are watched: ours, of both kinds."""


def runner_name(strategy_name: str, uid: str) -> str:
    """The name of a strategy's pod and of its Secret."""
    return _child(strategy_name, uid, RUNNER_SUFFIX)


def feed_name(account_name: str, uid: str) -> str:
    """The name of an account's feed pod and of its Secret."""
    return _child(account_name, uid, FEED_SUFFIX)


def _child(name: str, uid: str, suffix: str) -> str:
    plain = name + suffix
    if len(plain) <= _LONGEST and "." not in plain:
        return plain
    fingerprint = hashlib.sha256(uid.encode()).hexdigest()[:8]
    room = _LONGEST - len(suffix) - len(fingerprint) - 1
    return f"{name.replace('.', '-')[:room].rstrip('-')}-{fingerprint}{suffix}"


def labels(strategy_name: str, uid: str) -> dict[str, str]:
    """The labels of a strategy's children."""
    return {
        **RUNNER_LABELS,
        "app.kubernetes.io/part-of": "algo-trading",
        names.STRATEGY_UID_LABEL: uid,
        names.STRATEGY_NAME_LABEL: label_value(strategy_name),
    }


def feed_labels(account_name: str, account_id: str) -> dict[str, str]:
    """The labels of an account's feed."""
    return {
        **FEED_LABELS,
        "app.kubernetes.io/part-of": "algo-trading",
        names.ACCOUNT_ID_LABEL: account_id,
        names.ACCOUNT_NAME_LABEL: label_value(account_name),
    }


def label_value(name: str) -> str:
    """A name as a label's value, which has at most 63 characters."""
    return name[:_LONGEST].rstrip("-.")


def is_runner(body: Json) -> bool:
    """Whether an object carries our runners' labels: our watch follows only those and feeds'."""
    return _has(body, RUNNER_LABELS)


def is_feed(body: Json) -> bool:
    """Whether an object carries the labels of our feeds."""
    return _has(body, FEED_LABELS)


def _has(body: Json, wanted: dict[str, str]) -> bool:
    found = body["metadata"].get("labels") or {}
    return all(found.get(name) == value for name, value in wanted.items())


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


def account_owner(account_name: str, uid: str) -> dict[str, object]:
    """The owner reference to an account; its end does not wait for what it owns."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.ACCOUNT_KIND,
        "name": account_name,
        "uid": uid,
        "controller": True,
    }

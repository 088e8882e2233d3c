"""The runner's Secret: its assignment, and its Redis user on both servers."""

import base64
from typing import Any, Final, cast

from algo_contract import names
from algo_contract.assignment import (
    ASSIGNMENT_FILE,
    REDIS_FILE,
    Assignment,
    RedisServer,
    assignment_json,
    read_assignment,
    read_redis,
    redis_json,
)
from algo_contract.ids import strategy_id

from algo_operator.kube.fields import labels
from algo_operator.model.facts import SecretFacts
from algo_operator.settings import Settings, host_and_port
from algo_operator.specs import naming
from algo_operator.specs.acl import is_plain

_EPOCHS: Final = 2**31


def runner_secret(assignment: Assignment, redis: str, *, owned: bool) -> dict[str, Any]:
    """The Secret, as server-side apply takes it."""
    strategy = assignment.strategy
    metadata: dict[str, Any] = {
        "name": naming.runner_name(strategy.name, strategy.uid),
        "namespace": strategy.namespace,
        "labels": naming.labels(strategy.name, strategy.uid),
    }
    if owned:
        metadata["ownerReferences"] = [naming.owner(strategy.name, strategy.uid)]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "immutable": False,
        "data": {
            ASSIGNMENT_FILE: _encoded(assignment_json(assignment)),
            REDIS_FILE: _encoded(redis),
        },
    }


def redis_file(settings: Settings, username: str, password: str) -> str:
    """How the runner reaches both Redis servers."""
    state_host, state_port = host_and_port(
        settings.runner_state_redis_url or settings.state_redis_url
    )
    ticks_host, ticks_port = host_and_port(
        settings.runner_ticks_redis_url or settings.ticks_redis_url
    )
    return redis_json(
        state=RedisServer(host=state_host, port=state_port, username=username, password=password),
        ticks=RedisServer(host=ticks_host, port=ticks_port, username=username, password=password),
    )


def password_in(redis: str) -> str | None:
    """The password in a Secret's Redis file, if it can be read."""
    try:
        return read_redis(redis)[0].password or None
    except ValueError:
        return None


def read_secret(body: dict[str, Any], uid: str, settings: Settings) -> SecretFacts:
    """What a Secret holds; one that cannot be read is as good as none, and is written anew."""
    data: dict[str, str] = body.get("data") or {}
    metadata: dict[str, Any] = body["metadata"]
    owners: list[dict[str, Any]] = metadata.get("ownerReferences") or []
    if not naming.is_runner(body):
        return SecretFacts(
            assignment=None, redis="", redis_current=False, owned=False, foreign=True
        )
    try:
        assignment = read_assignment(_decoded(data.get(ASSIGNMENT_FILE, "")))
    except (ValueError, UnicodeDecodeError):
        assignment = None
    if assignment is not None and not _is_sound(assignment, uid):
        assignment = None
    try:
        redis = _decoded(data.get(REDIS_FILE, ""))
    except (ValueError, UnicodeDecodeError):
        redis = ""
    if labels(body).get(names.STRATEGY_UID_LABEL) != uid:
        assignment, redis = None, ""  # left over from another object of that name
    password = password_in(redis)
    return SecretFacts(
        assignment=assignment,
        redis=redis,
        redis_current=password is not None
        and redis == redis_file(settings, strategy_id(uid), password),
        owned=any(owner.get("uid") == uid for owner in owners),
        uid=metadata.get("uid", ""),
        version=metadata.get("resourceVersion", ""),
    )


def _is_sound(assignment: Assignment, uid: str) -> bool:
    """Whether it may be built on: its tenant may have written into the Secret."""
    strategy, epoch = assignment.strategy, cast("object", assignment.epoch)
    return (
        strategy.uid == uid
        and is_plain(strategy.symbol)
        and is_plain(strategy.exchange)
        and isinstance(epoch, int)
        and 0 <= epoch < _EPOCHS
    )


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()

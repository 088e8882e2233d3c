"""The runner's Secret: its assignment, its Redis user on both servers, and where it trades for
real the broker session.
"""

import base64
import hashlib
from typing import Any, Final, cast

from algo_contract import names
from algo_contract.ids import strategy_id
from algo_contract.messages.assignment import (
    ASSIGNMENT_FILE,
    Assignment,
    assignment_json,
    read_assignment,
)
from algo_contract.messages.broker_session import SESSION_FILE
from algo_contract.messages.redis_server import REDIS_FILE, RedisServer, read_redis, redis_json
from algo_kube.fields import labels

from algo_operator.model import naming
from algo_operator.model.observed import SecretState
from algo_operator.model.untrusted import is_sane
from algo_operator.settings import Settings, host_and_port
from algo_operator.specs.redis_rules import is_plain

_EPOCHS: Final = 2**31


def runner_secret(
    assignment: Assignment, redis: str, *, owned: bool, session: str = ""
) -> dict[str, Any]:
    """The Secret; without a session's JSON the one that is in it stays."""
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
            ASSIGNMENT_FILE: encoded(assignment_json(assignment)),
            REDIS_FILE: encoded(redis),
            **({SESSION_FILE: encoded(session)} if session else {}),
        },
    }


def redis_file(settings: Settings, username: str, password: str) -> str:
    """How the runner reaches both Redis servers."""
    state_host, state_port = host_and_port(
        settings.runner_state_redis_url or settings.state_redis_url
    )
    ticks_host, ticks_port = ticks_address(settings)
    return redis_json(
        state=RedisServer(host=state_host, port=state_port, username=username, password=password),
        ticks=RedisServer(host=ticks_host, port=ticks_port, username=username, password=password),
    )


def ticks_address(settings: Settings) -> tuple[str, int]:
    """Host and port of redis-ticks, as runners and feeds reach it."""
    return host_and_port(settings.runner_ticks_redis_url or settings.ticks_redis_url)


def password_in(redis: str) -> str | None:
    """The password in a Secret's Redis file, if it can be read."""
    try:
        return read_redis(redis)[0].password or None
    except ValueError:
        return None


def read_secret(body: dict[str, Any], uid: str, settings: Settings) -> SecretState:
    """What a Secret holds; one that cannot be read is as good as none, and is written again."""
    data: dict[str, str] = body.get("data") or {}
    metadata: dict[str, Any] = body["metadata"]
    owners: list[dict[str, Any]] = metadata.get("ownerReferences") or []
    if not naming.is_runner(body):
        return SecretState(
            assignment=None, redis="", redis_current=False, owned=False, foreign=True
        )
    try:
        assignment = read_assignment(decoded(data.get(ASSIGNMENT_FILE, "")))
    except ValueError:
        assignment = None
    if assignment is not None and not _is_sound(assignment, uid):
        assignment = None
    redis, session = text_in(data, REDIS_FILE), text_in(data, SESSION_FILE)
    if labels(body).get(names.STRATEGY_UID_LABEL) != uid:
        assignment, redis, session = None, "", ""  # left over from another object of that name
    password = password_in(redis)
    return SecretState(
        assignment=assignment,
        redis=redis,
        redis_current=password is not None
        and redis == redis_file(settings, strategy_id(uid), password),
        owned=any(owner.get("uid") == uid for owner in owners),
        uid=metadata.get("uid", ""),
        version=metadata.get("resourceVersion", ""),
        session=session_hash(session),
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
        and (assignment.live is None or is_sane(assignment.live.instrument))
    )


def session_hash(text: str) -> str:
    """A session's fingerprint; nothing for none. A token has far too many values to be guessed."""
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""


def text_in(data: dict[str, str], file: str) -> str:
    """A file of a Secret as text; what cannot be read is as good as none."""
    try:
        return decoded(data.get(file, ""))
    except ValueError:
        return ""


def encoded(text: str) -> str:
    """Text as a Secret holds it."""
    return base64.b64encode(text.encode()).decode()


def decoded(text: str) -> str:
    """Text from a Secret.

    Raises:
        ValueError: it is no base64, or no text.
    """
    return base64.b64decode(text).decode()

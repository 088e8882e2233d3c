"""What an account's feed pod is handed: the Secret with its assignment, session and Redis user."""

import hashlib
from typing import Any

from algo_contract import names
from algo_contract.messages.broker_session import SESSION_FILE
from algo_contract.messages.feed_assignment import FEED_FILE, FeedAssignment, feed_json, read_feed
from algo_contract.messages.redis_server import REDIS_FILE
from algo_kube.fields import labels
from algo_kube.resources import Json

from algo_operator.model import naming
from algo_operator.model.feed import FeedSecret
from algo_operator.model.observed import Account
from algo_operator.settings import Settings
from algo_operator.specs.secret import (
    encoded,
    password_in,
    redis_file,
    session_hash,
    text_in,
    ticks_address,
)


def feed_assignment(account: Account) -> FeedAssignment:
    """What the feed of an account is told."""
    return FeedAssignment(
        account_id=account.id,
        feed=account.feed,
        broker=account.broker,
        clock=account.clock,
        base_url=account.base_url,
        feed_url=account.feed_url,
        egress_proxy=account.egress_proxy,
    )


def feed_settings_hash(assignment: FeedAssignment, settings: Settings) -> str:
    """A short fingerprint of what the feed reads once: its assignment and where redis-ticks is."""
    host, port = ticks_address(settings)
    read_once = f"{feed_json(assignment)} {host}:{port}"
    return hashlib.sha256(read_once.encode()).hexdigest()[:16]


def feed_hash(assignment: FeedAssignment, session: str) -> str:
    """A short fingerprint of all that its Secret holds: the pod's annotation."""
    return hashlib.sha256((feed_json(assignment) + session).encode()).hexdigest()[:16]


def feed_secret(
    account: Account, redis: str, session: str, *, namespace: str, owned: bool
) -> dict[str, Any]:
    """The Secret; without a session's JSON the one that is in it stays."""
    metadata: dict[str, Any] = {
        "name": naming.feed_name(account.name, account.uid),
        "namespace": namespace,
        "labels": naming.feed_labels(account.name, account.id),
    }
    if owned:
        metadata["ownerReferences"] = [naming.account_owner(account.name, account.uid)]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "immutable": False,
        "data": {
            FEED_FILE: encoded(feed_json(feed_assignment(account))),
            REDIS_FILE: encoded(redis),
            **({SESSION_FILE: encoded(session)} if session else {}),
        },
    }


def read_feed_secret(body: Json, account: Account, settings: Settings) -> FeedSecret:
    """What a Secret of the feed's name holds."""
    data: dict[str, str] = body.get("data") or {}
    meta: dict[str, Any] = body["metadata"]
    if not naming.is_feed(body):
        return FeedSecret(foreign=True)
    same = labels(body).get(names.ACCOUNT_ID_LABEL) == account.id
    redis = text_in(data, REDIS_FILE) if same else ""
    password = password_in(redis)
    try:
        assignment = read_feed(text_in(data, FEED_FILE)) if same else None
    except ValueError:
        assignment = None
    return FeedSecret(
        assignment=assignment,
        session=session_hash(text_in(data, SESSION_FILE)) if same else "",
        password=password,
        redis_current=password is not None and redis == redis_file(settings, account.id, password),
        uid=meta.get("uid", ""),
        version=meta.get("resourceVersion", ""),
    )

"""What every pass is handed: ports and caches, built once in `wiring`."""

from dataclasses import dataclass, field

from algo_contract import names
from algo_contract.ids import account_id
from algo_contract.redis_keys import SHARED_FEED

from algo_operator.broker_sessions import BrokerSessions
from algo_operator.clock import Clock
from algo_operator.kube.client import Kube
from algo_operator.kube.fields import labels, section
from algo_operator.kube.resources import Json
from algo_operator.leadership import Leadership
from algo_operator.mirror.live import Live
from algo_operator.redis_acl import RedisUsers
from algo_operator.redis_links import RedisLinks
from algo_operator.settings import Settings
from algo_operator.watch.nodes import NodeHealth
from algo_operator.watch.objects import Name, Objects
from algo_operator.work_queue import Key, WorkQueue


@dataclass(slots=True, kw_only=True)
class Context:
    """The operator's ports and memory."""

    settings: Settings
    clock: Clock
    kube: Kube
    links: RedisLinks
    users: RedisUsers
    leadership: Leadership
    sessions: BrokerSessions = field(default_factory=lambda: BrokerSessions(None))
    queue: WorkQueue = field(default_factory=WorkQueue)
    live: Live = field(default_factory=Live)
    strategies: Objects = field(default_factory=Objects)
    accounts: Objects = field(default_factory=Objects)
    pods: Objects = field(default_factory=Objects)
    namespaces: Objects = field(default_factory=Objects)
    nodes: NodeHealth = field(default_factory=NodeHealth)

    def tenant_of(self, namespace: str) -> str | None:
        """The tenant a namespace belongs to; only tenants' namespaces are watched."""
        body = self.namespaces.get(Name("", namespace))
        if body is None:
            return None
        return labels(body).get(names.TENANT_LABEL)

    def is_ours(self, namespace: str) -> bool:
        """Whether it is a tenant's namespace or the operator's own: only there it makes pods."""
        return namespace == self.settings.namespace or self.tenant_of(namespace) is not None

    def namespace_uid(self, namespace: str) -> str:
        """The UID of a tenant's namespace; empty for others, which are not watched."""
        body = self.namespaces.get(Name("", namespace))
        return "" if body is None else str(body["metadata"]["uid"])

    def is_shared(self, account: Json) -> bool:
        """Whether an account's feed may serve all: it says so, and is no tenant's."""
        asked = section(section(account, "spec"), "feed").get("shared")
        return bool(asked) and self.tenant_of(account["metadata"]["namespace"]) is None

    def shared_account(self) -> Json | None:
        """The platform's account whose feed serves all. A tenant cannot provide it."""
        shared = [body for body in self.accounts.values() if self.is_shared(body)]
        return min(shared, key=lambda body: body["metadata"]["creationTimestamp"], default=None)

    def account_of_feed(self, feed: str) -> Json | None:
        """The account whose feed it is."""
        if feed == SHARED_FEED:
            return self.shared_account()
        return next(
            (
                body
                for body in self.accounts.values()
                if account_id(body["metadata"]["uid"]) == feed
            ),
            None,
        )


def strategy_key(name: Name) -> Key:
    """The queue's key of a strategy."""
    return Key(names.STRATEGY_KIND, name.namespace, name.name)


def account_key(namespace: str, name: str) -> Key:
    """The queue's key of an account."""
    return Key(names.ACCOUNT_KIND, namespace, name)


def tenant_key(namespace: str) -> Key:
    """The queue's key of a tenant namespace."""
    return Key("Namespace", "", namespace)

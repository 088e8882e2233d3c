"""What every pass is handed: ports and caches, built once in `wiring`."""

from dataclasses import dataclass, field

from algo_contract import names
from algo_contract.ids import account_id
from algo_contract.redis_keys import SHARED_FEED
from algo_kube.cache import ObjectCache, ObjectName, name_of
from algo_kube.client import Kube
from algo_kube.fields import labels, owners, section
from algo_kube.lease import Leadership
from algo_kube.resources import Json
from algo_kube.work_queue import Key, WorkQueue
from algo_service.clock import Clock

from algo_operator.envelopes.sessions import BrokerSessions
from algo_operator.model.naming import is_feed
from algo_operator.model.node_health import NodeHealth
from algo_operator.redis.clients import RedisClients
from algo_operator.redis.users import RedisUsers
from algo_operator.runtime.state import RuntimeState
from algo_operator.settings import Settings


@dataclass(slots=True, kw_only=True)
class Context:
    """The operator's ports and memory."""

    settings: Settings
    clock: Clock
    kube: Kube
    redis: RedisClients
    users: RedisUsers
    leadership: Leadership
    sessions: BrokerSessions = field(default_factory=lambda: BrokerSessions(None))
    queue: WorkQueue = field(default_factory=WorkQueue)
    runtime: RuntimeState = field(default_factory=RuntimeState)
    strategies: ObjectCache = field(default_factory=ObjectCache)
    accounts: ObjectCache = field(default_factory=ObjectCache)
    pods: ObjectCache = field(default_factory=ObjectCache)
    namespaces: ObjectCache = field(default_factory=ObjectCache)
    nodes: NodeHealth = field(default_factory=NodeHealth)

    def tenant_of(self, namespace: str) -> str | None:
        """The tenant a namespace belongs to; only tenants' namespaces are watched."""
        body = self.namespaces.get(ObjectName("", namespace))
        if body is None:
            return None
        return labels(body).get(names.TENANT_LABEL)

    def is_ours(self, namespace: str) -> bool:
        """Whether it is a tenant's namespace or the operator's own: only there it makes pods."""
        return namespace == self.settings.namespace or self.tenant_of(namespace) is not None

    def namespace_uid(self, namespace: str) -> str:
        """The UID of a tenant's namespace; empty for others, which are not watched."""
        body = self.namespaces.get(ObjectName("", namespace))
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


def strategy_key(name: ObjectName) -> Key:
    """The queue's key of a strategy."""
    return Key(names.STRATEGY_KIND, name.namespace, name.name)


def account_key(namespace: str, name: str) -> Key:
    """The queue's key of an account."""
    return Key(names.ACCOUNT_KIND, namespace, name)


def tenant_key(namespace: str) -> Key:
    """The queue's key of a tenant namespace."""
    return Key("Namespace", "", namespace)


def pod_key(context: Context, pod: Json) -> Key:
    """The key under which a pod of ours is looked after."""
    if not is_feed(pod):
        return strategy_of(pod)
    account = context.account_of_feed(labels(pod).get(names.ACCOUNT_ID_LABEL, ""))
    name = name_of(pod if account is None else account)
    return account_key(name.namespace, _account_name(pod) if account is None else name.name)


def _account_name(pod: Json) -> str:
    """Whose feed it is, as the pod itself tells; its label holds the first 63 characters alone."""
    owner = next((o for o in owners(pod) if o.get("kind") == names.ACCOUNT_KIND), None)
    return str(owner["name"]) if owner else labels(pod).get(names.ACCOUNT_NAME_LABEL, "")


def strategy_of(pod: Json) -> Key:
    """Whose pod it is, as the pod itself tells."""
    owner = next((o for o in owners(pod) if o.get("controller")), None)
    name = str(owner["name"] if owner else labels(pod).get(names.STRATEGY_NAME_LABEL, ""))
    return strategy_key(name_of(pod)._replace(name=name))

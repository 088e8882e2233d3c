"""What each change in the cluster wakes. Nothing is decided here but urgency."""

from dataclasses import dataclass, field

from algo_contract import names
from algo_contract.ids import strategy_id
from algo_kube.cache import name_of
from algo_kube.fields import annotations, labels, section
from algo_kube.resources import Json
from algo_kube.work_queue import Key, Priority

from algo_operator.context import Context, account_key, pod_key, strategy_key, tenant_key
from algo_operator.model.naming import is_feed
from algo_operator.runtime.state import FollowedStrategy


@dataclass(slots=True)
class EventHandlers:
    """Callbacks for watches; the caches are up to date when they are called."""

    context: Context
    _accounts: dict[str, tuple[int, bool, str]] = field(
        default_factory=dict[str, tuple[int, bool, str]]
    )
    """By uid: the generation last seen, whether all could share its feed, and from which address
    its broker sees us come."""

    _tenants: dict[str, str] = field(default_factory=dict[str, str])

    def strategy(self, body: Json, gone: bool) -> None:  # noqa: FBT001 - the watches' callback shape
        """A strategy changed."""
        urgent = not gone and _is_urgent(body)
        priority = Priority.URGENT if urgent else Priority.NORMAL
        self.context.queue.add(strategy_key(name_of(body)), priority=priority)

    def strategy_delivered(self, body: Json, gone: bool) -> None:  # noqa: FBT001
        """Kopf delivered a strategy."""
        objects = self.context.strategies
        if objects.remove(body) if gone else objects.deliver(body):
            self.strategy(body, gone)

    def account(self, body: Json, gone: bool) -> None:  # noqa: FBT001
        """An account changed: so may everything that trades on it, when its spec did."""
        meta = body["metadata"]
        namespace, name = meta["namespace"], meta["name"]
        self.context.queue.add(account_key(namespace, name))
        observed = str(section(body, "status").get("observedIP") or "")
        known = (int(meta.get("generation", 1)), self.context.is_shared(body), observed)
        before = self._accounts.get(meta["uid"])
        if before == known and not gone:
            return
        if gone:
            self._accounts.pop(meta["uid"], None)
        else:
            self._accounts[meta["uid"]] = known
        self.context.runtime.names_due = True
        for_all = known[1] or (before is not None and before[1])
        for strategy in self.context.strategies.values():
            asked = section(strategy, "spec").get("brokerAccount")
            same = asked == name and strategy["metadata"]["namespace"] == namespace
            if same or (for_all and not asked):
                self.context.queue.add(strategy_key(name_of(strategy)))

    def account_delivered(self, body: Json, gone: bool) -> None:  # noqa: FBT001
        """Kopf delivered an account."""
        objects = self.context.accounts
        if objects.remove(body) if gone else objects.deliver(body):
            self.account(body, gone)

    def pod(self, body: Json, gone: bool) -> None:  # noqa: ARG002, FBT001
        """A runner's or a feed's pod changed."""
        self.context.queue.add(self._key_of(body), priority=Priority.STATE)

    def namespace(self, body: Json, gone: bool) -> None:  # noqa: FBT001
        """A tenant namespace changed; its strategies care only whose it is."""
        name = body["metadata"]["name"]
        self.context.queue.add(tenant_key(name))
        tenant = "" if gone else body["metadata"]["labels"][names.TENANT_LABEL]
        if self._tenants.get(name, "") == tenant:
            return
        if gone:
            del self._tenants[name]
        else:
            self._tenants[name] = tenant
        for strategy in self.context.strategies:
            if strategy.namespace == name:
                self.context.queue.add(strategy_key(strategy))

    def node(self, body: Json, gone: bool) -> None:  # noqa: FBT001
        """A node changed: when it is lost for long enough, its runners are looked at."""
        if not self.context.nodes.note(body, gone=gone):
            return
        delay = self.context.settings.node_lost_seconds + 0.1
        for pod in self.context.pods.values():
            on_it = section(pod, "spec").get("nodeName") == body["metadata"]["name"]
            if on_it and (is_feed(pod) or self._followed(pod) is not None):
                self.context.queue.add(self._key_of(pod), delay=delay)

    def _key_of(self, pod: Json) -> Key:
        followed = self._followed(pod)
        return followed.key if followed is not None else pod_key(self.context, pod)

    def _followed(self, pod: Json) -> FollowedStrategy | None:
        uid = labels(pod).get(names.STRATEGY_UID_LABEL, "")
        return self.context.runtime.followed.get(strategy_id(uid))


def _is_urgent(body: Json) -> bool:
    """Stops, exits and deletions go before everything else."""
    meta = body["metadata"]
    return (
        "deletionTimestamp" in meta
        or section(body, "spec").get("desiredState") == "Stopped"
        or names.EXIT_REQUESTED_ANNOTATION in annotations(body)
    )

"""What each change in the cluster wakes. Nothing is decided here but urgency."""

from dataclasses import dataclass, field

from algo_contract import names
from algo_contract.ids import strategy_id

from algo_operator.context import Context, account_key, strategy_key, tenant_key
from algo_operator.kube.fields import annotations, labels, owners, section
from algo_operator.kube.resources import Json
from algo_operator.mirror.live import Followed
from algo_operator.specs.naming import is_feed
from algo_operator.watch.objects import name_of
from algo_operator.work_queue import Key, Priority


@dataclass(slots=True)
class Wakers:
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
        self.context.live.names_due = True
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

    def _followed(self, pod: Json) -> Followed | None:
        uid = labels(pod).get(names.STRATEGY_UID_LABEL, "")
        return self.context.live.followed.get(strategy_id(uid))


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


def _is_urgent(body: Json) -> bool:
    """Stops, exits and deletions go before everything else."""
    meta = body["metadata"]
    return (
        "deletionTimestamp" in meta
        or section(body, "spec").get("desiredState") == "Stopped"
        or names.EXIT_REQUESTED_ANNOTATION in annotations(body)
    )

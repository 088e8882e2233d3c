"""The way to an account's broker, for its feed and its live runners alone: a NetworkPolicy."""

import ipaddress
import re
from typing import Any, Final

from algo_contract import names
from algo_contract.url_allowlist import host_of, port_of

from algo_operator.model import naming
from algo_operator.model.observed import Account

Body = dict[str, Any]

_PRIVATE_4: Final = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
)
"""RFC 1918, RFC 6598 (carriers, some clusters' pods), loopback and link-local: among the last the
address at which clouds hand machines their credentials."""
_PRIVATE_6: Final = ("fc00::/7", "fe80::/10")
_LINK_LOCAL: Final = ("169.254.0.0/16",)
_SERVICE: Final = re.compile(r"[^.]+\.([^.]+)\.svc(\.cluster\.local)?")


def account_network(account: Account, namespace: str) -> Body:
    """What the account's feed and live runners reach besides DNS and Redis.

    Through the account's proxy where it has one, else the broker itself: a policy knows no names,
    so that is port 443 of the world outside. Addresses that stand for the broker's are reached too.
    """
    metadata: Body = {
        "name": f"algo-broker-{account.id.replace('_', '-')}",
        "namespace": namespace,
        "labels": {
            names.MANAGED_BY_LABEL: "algo-operator",
            "app.kubernetes.io/part-of": "algo-trading",
        },
        "ownerReferences": [naming.account_owner(account.name, account.uid)],
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {
            "podSelector": {"matchLabels": {names.ACCOUNT_ID_LABEL: account.id}},
            "policyTypes": ["Egress"],
            "egress": _egress(account),
        },
    }


def _egress(account: Account) -> list[Body]:
    if account.egress_proxy is not None:
        return [_to(account.egress_proxy, inside=account.proxy_listed)]
    overrides = (account.base_url, account.feed_url)
    rules = [_to(url, inside=True) for url in dict.fromkeys(overrides) if url is not None]
    if None in overrides:
        rules.append(_outside(443))
    return [rule for at, rule in enumerate(rules) if rule not in rules[:at]]


def _to(url: str, *, inside: bool) -> Body:
    """A Service (name.namespace.svc) by its namespace, an address by itself, and a name that may be
    anywhere by its port: on private networks too only where the platform lists it (`inside`), for
    a name that looks like one outside may stand for a pod (PROXY.NAMESPACE does).
    """
    host, port = host_of(url), port_of(url)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return _rule(port, [{"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}])
    namespace = _namespace(host)
    if namespace:
        label = {"kubernetes.io/metadata.name": namespace}
        return _rule(port, [{"namespaceSelector": {"matchLabels": label}}])
    if not inside:
        return _outside(port)
    return _rule(port, [_world("0.0.0.0/0", _LINK_LOCAL), _world("::/0", ("fe80::/10",))])


def _namespace(host: str) -> str:
    """The namespace in a Service's full name; a shorter one could as well be a domain outside."""
    match = _SERVICE.fullmatch(host)
    return match[1] if match is not None else ""


def _outside(port: int) -> Body:
    return _rule(port, [_world("0.0.0.0/0", _PRIVATE_4), _world("::/0", _PRIVATE_6)])


def _world(cidr: str, but: tuple[str, ...]) -> Body:
    return {"ipBlock": {"cidr": cidr, "except": list(but)}}


def _rule(port: int, to: list[Body]) -> Body:
    return {"to": to, "ports": [{"port": port, "protocol": "TCP"}]}

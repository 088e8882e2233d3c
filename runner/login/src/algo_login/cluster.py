"""What the worker reads and writes in the cluster: accounts, namespaces' UIDs, public keys."""

from algo_contract.envelope.keys import SEAL_KEYS
from algo_kube.client import Kube
from algo_kube.resources import ACCOUNTS, CONFIG_MAPS, NAMESPACES, Json

from algo_login.account import Account, read_account


async def get_account(kube: Kube, namespace: str, name: str) -> Account:
    """One account.

    Raises:
        NotFound: there is none.
    """
    return read_account(await kube.get(ACCOUNTS, namespace, name))


async def patch_account(kube: Kube, account: Account, body: Json) -> Account:
    """Merges fields into an account as it was read.

    Raises:
        Conflict: it has changed since.
    """
    guard = {"resourceVersion": account.version, "uid": account.uid}
    guarded = body | {"metadata": (body.get("metadata") or {}) | guard}
    return read_account(await kube.patch(ACCOUNTS, account.namespace, account.name, guarded))


async def apply_status(kube: Kube, account: Account, body: Json) -> None:
    """Makes fields of an account's status ours, and takes away those that no longer are."""
    await kube.apply(ACCOUNTS, account.namespace, body, sub="status")


async def namespace_uid(kube: Kube, namespace: str) -> str:
    """The UID that envelopes of a namespace are bound to."""
    return (await kube.get(NAMESPACES, None, namespace))["metadata"]["uid"]


async def public_keys(kube: Kube, platform: str) -> dict[str, str]:
    """The keys that anyone may seal to, by name."""
    return (await kube.get(CONFIG_MAPS, platform, SEAL_KEYS)).get("data") or {}


async def publish_key(kube: Kube, platform: str, name: str, text: str) -> None:
    """Writes one of them."""
    await kube.patch(CONFIG_MAPS, platform, SEAL_KEYS, {"data": {name: text}})

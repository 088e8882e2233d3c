"""The feeds of accounts that are gone.

A pod's labels are its maker's word, so nothing is taken away on them alone: a namespace must be one
of ours, the id one that an account could have and none has, and the owner the account that is gone.
"""

from typing import Final

from algo_contract import names
from algo_contract.ids import account_id, is_account_id
from algo_kube.fields import labels, owners
from algo_kube.resources import ACCOUNTS, PODS, SECRETS, Json
from algo_kube.work_queue import Key

from algo_operator.context import Context
from algo_operator.model.naming import feed_name, is_feed, label_value

_NOBODY: Final = ""


async def forget_feed(context: Context, key: Key) -> None:
    """End the feed of an account that is gone; what it owned goes with it, its user does not.

    Its pod may have been ended just before: then the Secret tells.
    """
    if not context.is_ours(key.namespace):
        return
    for pod in context.pods.values():
        meta = pod["metadata"]
        if await _cut_off(context, key, pod):
            await context.kube.delete(PODS, key.namespace, meta["name"], uid=meta["uid"])
    secret = await context.kube.find(SECRETS, key.namespace, feed_name(key.name, _NOBODY))
    if secret is not None:
        await _cut_off(context, key, secret)


async def _cut_off(context: Context, key: Key, left: Json) -> bool:
    """Take the credentials away of the account that something left over is of; whether it is."""
    account = _orphan_of(context, left, key)
    if not account or await _is_there(context, key, account):
        return False
    context.leadership.check()
    await context.users.revoke(account)
    await _delete_secret(context, key.namespace, left["metadata"]["name"], account)
    return True


def _orphan_of(context: Context, left: Json, key: Key) -> str:
    """The id of the account of this name that it is a feed's of, where there is none any more.

    A feed made while its account was being deleted has no owner: its name tells, cut as labels are.
    """
    if left["metadata"]["namespace"] != key.namespace or not is_feed(left):
        return _NOBODY
    account = labels(left).get(names.ACCOUNT_ID_LABEL, "")
    if not is_account_id(account) or context.account_of_feed(account) is not None:
        return _NOBODY
    accounts = [owner for owner in owners(left) if owner.get("kind") == names.ACCOUNT_KIND]
    if not accounts:
        named = labels(left).get(names.ACCOUNT_NAME_LABEL)
        return account if named == label_value(key.name) else _NOBODY
    of_it = [owner for owner in accounts if account_id(str(owner.get("uid"))) == account]
    return account if any(owner.get("name") == key.name for owner in of_it) else _NOBODY


async def _is_there(context: Context, key: Key, account: str) -> bool:
    """Whether the account is there all the same, and only its news is late."""
    body = await context.kube.find(ACCOUNTS, key.namespace, key.name)
    return body is not None and account_id(body["metadata"]["uid"]) == account


async def _delete_secret(context: Context, namespace: str, name: str, account: str) -> None:
    secret = await context.kube.find(SECRETS, namespace, name)
    if secret is None or not is_feed(secret):
        return
    if labels(secret).get(names.ACCOUNT_ID_LABEL) == account:
        await context.kube.delete(SECRETS, namespace, name, uid=secret["metadata"]["uid"])

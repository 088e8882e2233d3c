"""One pass over one BrokerAccount: its id, conditions, and the finalizer while it is in use."""

from typing import Any

from algo_contract import names

from algo_operator.conditions import Verdict, merge
from algo_operator.context import Context, account_key
from algo_operator.errors import Conflict, NotFound
from algo_operator.kube.resources import ACCOUNTS, Json
from algo_operator.model.facts import Account
from algo_operator.reading import read_account
from algo_operator.reconcile.warm import may_let_go
from algo_operator.status import status_changes
from algo_operator.watch.objects import FOR_GOOD, Name
from algo_operator.work_queue import Key


async def reconcile_account(context: Context, key: Key) -> None:
    """Report on an account, and hold it while a strategy of it is in position."""
    body = context.accounts.get(Name(key.namespace, key.name))
    if body is None:
        context.queue.forget(key)
        return
    account = read_account(body, context.settings.broker_url_allowlist)
    in_use = account_key(key.namespace, key.name) in context.live.holding.values()
    try:
        await _write_status(context, key, body, account, in_use=in_use)
        await _set_finalizer(context, key, in_use=in_use)
    except (NotFound, Conflict):
        await _look_again(context, key)
        raise


async def _write_status(
    context: Context, key: Key, body: Json, account: Account, *, in_use: bool
) -> None:
    status: dict[str, Any] = body.get("status") or {}
    generation = int(body["metadata"].get("generation", 1))
    ready = _ready(account, deleting=in_use and "deletionTimestamp" in body["metadata"])
    verdicts = {
        "Ready": ready,
        "CredentialsReady": _paper_only(account, "Paper trading needs no broker session."),
        "EgressReady": _paper_only(account, "Paper trading sends nothing to a broker."),
    }
    fields = {
        "id": account.id,
        "phase": "READY" if ready.status == "True" else "FAILED",
        "observedGeneration": generation,
        "conditions": merge(status.get("conditions"), verdicts, generation, context.clock.now_us()),
    }
    changes = status_changes(status, fields)
    if changes:
        answer = await context.kube.patch(
            ACCOUNTS, key.namespace, key.name, {"status": changes}, sub="status"
        )
        context.accounts.put(answer)


def _ready(account: Account, *, deleting: bool) -> Verdict:
    if account.problem:
        return Verdict("False", "InvalidSpec", account.problem)
    if deleting:
        return Verdict(
            "False",
            "InUse",
            "A strategy of this account is in position: it stays until that is sold.",
        )
    if account.broker != "paper":
        return Verdict(
            "False",
            "BrokerNotAvailable",
            f"Connecting to {account.broker} is not available in this release; paper accounts are.",
        )
    return Verdict(
        "True",
        "PaperAccount",
        f"Paper trading on the {account.clock.lower()} clock, feed {account.feed}.",
    )


def _paper_only(account: Account, sentence: str) -> Verdict:
    if account.broker == "paper":
        return Verdict("True", "NotNeeded", sentence)
    return Verdict(
        "False", "BrokerNotAvailable", "Only paper accounts are available in this release."
    )


async def _set_finalizer(context: Context, key: Key, *, in_use: bool) -> None:
    body = context.accounts.get(Name(key.namespace, key.name))
    if body is None:
        return
    meta = body["metadata"]
    current: list[str] = meta.get("finalizers") or []
    if (names.ACCOUNT_FINALIZER in current) is in_use or (in_use and "deletionTimestamp" in meta):
        return
    if not in_use and not may_let_go(context, key.namespace):
        return
    others = [finalizer for finalizer in current if finalizer != names.ACCOUNT_FINALIZER]
    wanted = [*others, names.ACCOUNT_FINALIZER] if in_use else others
    patch = {"metadata": {"finalizers": wanted, "resourceVersion": meta["resourceVersion"]}}
    context.accounts.put(await context.kube.patch(ACCOUNTS, key.namespace, key.name, patch))


async def _look_again(context: Context, key: Key) -> None:
    name = Name(key.namespace, key.name)
    body, old = (
        await context.kube.find(ACCOUNTS, key.namespace, key.name),
        context.accounts.get(name),
    )
    if body is not None:
        context.accounts.put(body)
    elif old is not None:
        context.accounts.remove(old, at=FOR_GOOD)

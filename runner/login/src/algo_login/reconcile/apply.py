"""What a pass writes on an account: its session, the record of its log-in, its status.

Written first is the session with its record, in one patch; then the status.
"""

from dataclasses import replace
from typing import Final

from algo_contract import names
from algo_contract.envelope.format import key_id_of, record_id_of
from algo_contract.envelope.keys import PublicKey
from algo_contract.envelope.seal import seal
from algo_contract.messages.broker_session import BrokerSession, session_json
from algo_kube.resources import Json
from algo_service.clock import now_us
from algo_service.logging import get_logger

from algo_login import cluster
from algo_login.account import Account
from algo_login.conditions import LoginCondition, apply_body, is_current, status_body
from algo_login.context import Context
from algo_login.credentials import session_binding
from algo_login.login_record import LoginRecord, record_text
from algo_login.plan import is_asked_for

log = get_logger(__name__)

FOREVER: Final = float("inf")


async def store_session(
    context: Context, account: Account, session: BrokerSession, *, to: PublicKey, namespace_uid: str
) -> Account:
    """Seals the session for the operator and puts it on the account."""
    sealed = seal(session_json(session).encode(), to, session_binding(account, namespace_uid))
    is_asked = is_asked_for(account, now_us())
    record = LoginRecord(
        login=account.login_id,
        session=record_id_of(sealed),
        issued_us=session.issued_us,
        expires_us=session.expires_us,
        observed_ip=account.record.observed_ip,
        answered_us=account.requested_us if is_asked else account.record.answered_us,
        used_callback=account.callback_id or account.record.used_callback,
    )
    return await write_record(context, account, record, spec={"sealedSession": sealed})


async def rewrapped(context: Context, account: Account, namespace_uid: str) -> Account:
    """A log-in under an old key gets the current one; its body stays."""
    if key_id_of(account.sealed_login) == context.credentials.public().id.hex():
        return account
    sealed = context.credentials.rewrapped(account, namespace_uid)
    log.info("login_rewrapped", **about(account))
    return await cluster.patch_account(context.kube, account, {"spec": {"sealedLogin": sealed}})


async def write_record(
    context: Context, account: Account, record: LoginRecord, *, spec: Json | None = None
) -> Account:
    """Puts the record of its log-in on the account, with a part of its spec."""
    body: Json = {"metadata": {"annotations": {names.LOGIN_NOTE_ANNOTATION: record_text(record)}}}
    if spec is not None:
        body["spec"] = spec
    return await cluster.patch_account(context.kube, account, body)


async def write_status(
    context: Context, account: Account, condition: LoginCondition, *, url: str = ""
) -> float:
    """Writes what people read, where it differs; when to look again by itself: never."""
    status = status_body(account, condition, login_url=url, now_us=now_us())
    if not is_current(account, status):
        await cluster.apply_status(context.kube, account, apply_body(account, status))
    return FOREVER


def used_callback(account: Account, sentence: str) -> LoginRecord:
    """The record after a browser's return was used up without a session."""
    return replace(account.record, used_callback=account.callback_id, refusal=sentence[:400])


def about(account: Account) -> dict[str, str]:
    """An account's names, for the log."""
    return {"namespace": account.namespace, "account": account.name, "broker": account.broker}

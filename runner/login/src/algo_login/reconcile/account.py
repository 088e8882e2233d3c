"""One pass over one account. A second pass with nothing changed writes nothing."""

import time
from dataclasses import replace
from typing import Final

from algo_contract.brokers import LIVE_BROKERS
from algo_contract.messages.broker_session import BrokerSession
from algo_service.clock import now_us
from algo_service.logging import get_logger

from algo_login import metrics
from algo_login.account import UNREADABLE, Account, address_problem
from algo_login.broker_login import (
    BrokerLogin,
    LoginRefused,
    LoginUnavailable,
    login_url,
    open_broker_login,
)
from algo_login.conditions import LoginCondition, login_condition, unreachable, unreadable
from algo_login.context import Context
from algo_login.credentials import EnvelopeUnreadable
from algo_login.plan import SECOND, Plan, is_alive, is_fresh_callback, plan
from algo_login.reconcile.apply import (
    FOREVER,
    about,
    store_session,
    used_callback,
    write_record,
    write_status,
)
from algo_login.reconcile.observe import (
    UnsealedAccount,
    observed_address,
    operator_key,
    unsealed,
)

log = get_logger(__name__)

MAX_DOUBTS: Final = 2
DOUBT_SECONDS: Final = 600.0
"""A log-in that was good is refused while a broker's log-in service is down, too: it counts as
refused, and is not tried again, the third time, so much later each time. Brokers lock accounts."""

_CALLBACK_UNREADABLE: Final = (
    "spec.sealedCallback cannot be read: it was sealed for another account or key, or changed"
)


async def reconcile_account(context: Context, account: Account) -> float:
    """One pass; the seconds until the next one is due by itself.

    Raises:
        ControllerError: Kubernetes could not be asked, or an administrator must act.
    """
    if account.broker not in LIVE_BROKERS or account.is_leaving:
        return FOREVER
    problem = address_problem(account, context.settings.broker_url_allowlist)
    if problem:
        return await write_status(context, account, LoginCondition("AddressNotAllowed", problem))
    if account.login_id in {"", UNREADABLE}:
        nothing = Plan(do="nothing", wait="login")
        condition = login_condition(account, nothing, now_us=now_us())
        return await write_status(context, account, condition)
    try:
        opened = await unsealed(context, account)
    except EnvelopeUnreadable:
        return await write_status(context, account, unreadable("sealedLogin", account))
    return await _keep_logged_in(context, opened)


async def _keep_logged_in(context: Context, opened: UnsealedAccount) -> float:
    url = login_url(opened.account, opened.secrets)
    account, decided = opened.account, _plan(context, opened)
    acts = decided.do != "nothing"
    failure = context.retries.failure(account) if acts else None
    is_made = context.retries.waiting(account, now_us=now_us()) is not None
    too_soon = context.retries.too_soon(account) if acts and not is_made else 0.0
    try:
        async with open_broker_login(account) as login:
            if acts and failure is None and not too_soon:
                account = await _log_in(context, opened, login, decided)
            account = await observed_address(context, account, login)
    except LoginUnavailable as error:
        failure = context.retries.failed(account, str(error), at_least=error.after_seconds)
        metrics.FAILURES.inc()
        log.warning("login_failed", **about(account), error=str(error), count=failure.count)
    decided, now = _plan(context, replace(opened, account=account)), now_us()
    condition = login_condition(account, decided, now_us=now)
    if failure is None:
        await write_status(context, account, condition, url=url)
        until_due = max((decided.next_us - now) / SECOND, 0.1) if decided.next_us else FOREVER
        return too_soon or until_due
    if not is_alive(account, now_us=now):
        condition = unreachable(account, failure.sentence)
    await write_status(context, account, condition, url=url)
    return max(failure.until - time.monotonic(), 0.1)


def _plan(context: Context, opened: UnsealedAccount) -> Plan:
    can_renew = context.retries.session(opened.account) is not None
    return plan(
        opened.account, needs_browser=opened.needs_browser, can_renew=can_renew, now_us=now_us()
    )


async def _log_in(
    context: Context, opened: UnsealedAccount, login: BrokerLogin, decided: Plan
) -> Account:
    """Logs in or renews, and writes down how it went.

    Raises:
        LoginUnavailable: the broker could not be asked.
        Misconfigured: nothing was asked, because the session could not be sealed.
    """
    account, to = opened.account, await operator_key(context)
    if words := context.retries.refusal(account):
        return await write_record(context, account, account.record.refused(account.login_id, words))
    try:
        session = await _session(context, opened, login, decided)
    except EnvelopeUnreadable:
        return await write_record(context, account, used_callback(account, _CALLBACK_UNREADABLE))
    except LoginRefused as error:
        return await _refused(context, opened, str(error))
    context.retries.unsaved[account.uid] = (account.login_id, session)
    uid = opened.namespace_uid
    account = await store_session(context, account, session, to=to, namespace_uid=uid)
    context.retries.saved(account, session)
    metrics.LOGINS.inc()
    log.info("logged_in", **about(account), renewed=decided.do == "renew")
    return account


async def _session(
    context: Context, opened: UnsealedAccount, login: BrokerLogin, decided: Plan
) -> BrokerSession:
    account = opened.account
    waiting = context.retries.waiting(account, now_us=now_us())
    if waiting is not None:
        return waiting
    context.retries.asked[account.uid] = time.monotonic()
    held = context.retries.session(account)
    if decided.do == "renew" and held is not None:
        renewed = await login.renew(held, now_us=now_us())
        if renewed is not None:
            return renewed
    return await login.log_in(opened.secrets, _callback(context, opened), now_us=now_us())


def _callback(context: Context, opened: UnsealedAccount) -> dict[str, str]:
    if not opened.needs_browser or not is_fresh_callback(opened.account):
        return {}
    return context.credentials.callback(opened.account, opened.namespace_uid)


async def _refused(context: Context, opened: UnsealedAccount, words: str) -> Account:
    account, record = opened.account, opened.account.record
    metrics.REFUSALS.inc()
    log.warning("login_refused", **about(account), error=words)
    if opened.needs_browser:
        sentence = f"{account.broker} refused: {words}"
        return await write_record(context, account, used_callback(account, sentence))
    if account.login_id == record.login and record.doubts < MAX_DOUBTS:
        await write_record(context, account, replace(record, doubts=record.doubts + 1))
        message = f"it refused the log-in that it took before: {words}"
        raise LoginUnavailable(message, after_seconds=DOUBT_SECONDS)
    context.retries.refusals[account.uid] = (account.login_id, words)
    return await write_record(context, account, record.refused(account.login_id, words))
